"""What ``gonogo doctor`` finds at a real Buildbot."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from bot.providers.ci.buildbot.kind import PASSWORD, USER, WEBHOOK_SECRET

if TYPE_CHECKING:
    from tests.providers.ci.buildbot_lab import BuildbotLab
    from tests.providers.ci.buildbot_server import Server


class Sundial:
    """A clock that is wrong."""

    def __init__(self, by: timedelta) -> None:
        self._by = by

    def now(self) -> datetime:
        return datetime.now(UTC) + self._by


@pytest.fixture(params=["buildbot_fake", "buildbot"])
def either(request: pytest.FixtureRequest) -> BuildbotLab[Any]:
    """Give each laboratory in turn: what our master in this process cannot do is
    asked of the real one below.
    """
    found: BuildbotLab[Any] = request.getfixturevalue(request.param)
    return found


async def test_the_doctor_finds_nothing_wrong_and_starts_nothing(either: BuildbotLab[Any]) -> None:
    either.tag("v1.0.0", either.commit("first", tests=""))
    findings = await either.ci.examine()
    assert {each.subject: each.ok for each in findings} == dict.fromkeys(
        (
            "address",
            "account",
            "clock",
            "scheduler",
            "stages",
            "permission",
            "builder",
            "tests",
            "repository",
            "webhook",
        ),
        True,
    )
    assert either.started() == 0


@pytest.mark.parametrize(
    ("secrets", "subject"),
    [
        ({PASSWORD: "wrong-word"}, "account"),
        ({USER: "", PASSWORD: ""}, "permission"),
        ({WEBHOOK_SECRET: ""}, "webhook"),
    ],
)
async def test_the_doctor_sees_a_setting_that_is_wrong_or_missing(
    either: BuildbotLab[Any], secrets: dict[str, str], subject: str
) -> None:
    findings = await either.provider(secrets=secrets).examine()
    found = next(each for each in findings if each.subject == subject)
    assert (
        found.ok in {False, None},
        "GONOGO_BUILDBOT" in found.remedy or "www.authz" in found.remedy,
    ) == (True, True)
    assert "wrong-word" not in str(findings)


@pytest.mark.parametrize(
    ("options", "subject", "word"),
    [
        ({"scheduler": "nothing-like-it"}, "scheduler", "nothing-like-it"),
        ({"scheduler": "bare"}, "scheduler", "master.cfg"),
        ({"scheduler": "forgetful"}, "stages", "gonogo_stages"),
        ({"scheduler": "forgetful"}, "permission", "required"),
        ({"builder": "nothing-like-it"}, "builder", "option builder"),
        ({"tests": "nothing-like-it"}, "tests", "option tests"),
        ({"tests": None}, "tests", "option tests"),
        ({"repository": "/nowhere/at/all"}, "repository", "option repository"),
        ({"url": "http://127.0.0.1:1"}, "account", "option url"),
    ],
)
async def test_the_doctor_names_what_is_wrong_and_the_remedy(
    buildbot: BuildbotLab[Server], options: dict[str, str | None], subject: str, word: str
) -> None:
    buildbot.commit("first", tests="")
    findings = await buildbot.provider(options=options).examine()
    found = next(each for each in findings if each.subject == subject)
    assert (found.ok in {False, None}, word in found.remedy) == (True, True)


@pytest.mark.parametrize("by", [timedelta(hours=1), timedelta(hours=-1)])
async def test_the_doctor_sees_a_wrong_clock(buildbot: BuildbotLab[Server], by: timedelta) -> None:
    findings = await buildbot.provider(clock=Sundial(by)).examine()
    clock = next(each for each in findings if each.subject == "clock")
    assert (clock.ok, "NTP" in clock.remedy) == (False, True)
