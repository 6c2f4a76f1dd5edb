"""``gonogo doctor`` as its user runs it: beside the bot, against the workspace and the
repository that are there.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from bot.doctor import clock, examine
from bot.domain.errors import IntegrationError
from bot.providers.context import unanswered
from bot.sandbox.workspace.server import SCOPES
from tests.conversations.conftest import World


async def test_everything_that_is_well_is_said_to_be_well(world: World) -> None:
    report, good = await examine(world.settings)
    assert good, report
    assert report.startswith(
        "Slack\n  ✓ token: workspace T0SANDBOX, bot user Go/No-Go.\n  ✓ scopes: all 9 are "
        "there.\n  ✓ clock: agrees"
    )
    assert "storefront · local\n  ✓ repository: " in report
    assert "pipeline.yml of the newest commit has: test, deploy, smoke." in report
    assert "storefront · rota (on call)\n  ✓ on call: U0BO until " in report
    assert report.endswith(
        "No mistake was found, and 2 things could not be told: see each line with ?.\n"
    ), "the stages' user is one"
    assert world.started() == []


async def test_what_is_wrong_comes_with_its_remedy(world: World) -> None:
    world.slack.scopes = SCOPES - {"files:write", "im:write"}
    (world.repository / "pipeline.yml").write_text("pipelines: []\n")
    world.commit("v9.0.0")
    report, good = await examine(world.settings)
    assert not good
    assert (
        "✗ scopes: missing: files:write, im:write.\n    → Add them under OAuth & Permissions"
        in report
    )
    assert "✗ pipeline: pipeline.yml" in report
    assert report.endswith("Something is wrong; each line with ✗ says what to do.\n")


async def test_a_token_that_slack_does_not_take_is_said_without_the_token(world: World) -> None:
    settings = world.settings.model_copy(
        update={"slack_bot_token": SecretStr("xoxb-wrong-and-secret")}
    )
    report, good = await examine(settings)
    assert not good
    assert (
        "✗ token: Slack did not carry out auth.test: invalid_auth.\n    → Copy the bot token again"
        in report
    )
    assert "wrong-and-secret" not in report


@pytest.mark.case("adoption-7")
async def test_a_slack_that_does_not_answer_is_unknown_and_not_wrong(world: World) -> None:
    settings = world.settings.model_copy(update={"slack_api_url": "http://127.0.0.1:9/api/"})
    report, good = await examine(settings)
    assert good
    assert "? token: Slack did not carry out auth.test: no connection." in report
    assert "Nothing is known to be wrong" not in report
    assert report.endswith("things could not be told: see each line with ?.\n")


NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("date", "ok"),
    [
        ("Sat, 21 Nov 2026 10:00:30 GMT", True),
        ("Sat, 21 Nov 2026 09:57:59 GMT", False),
        ("", None),
        ("yesterday", None),
    ],
)
def test_a_clock_that_is_off_is_found(date: str, *, ok: bool | None) -> None:
    assert clock(date, NOW).ok is ok
    assert replace(clock(date, NOW + timedelta(seconds=1)), sentence="").subject == "clock"


def rewrite(world: World, before: str, after: str) -> None:
    path = world.settings.gonogo_config
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


@pytest.mark.case("adoption-7")
async def test_the_doctor_looks_at_the_metrics_the_on_call_schedule_and_the_channel(
    world: World,
) -> None:
    report, good = await examine(world.settings)
    assert good
    assert "  ✓ channel C0DEPLOYS: the bot is in it." in report
    assert "storefront · scrape (metrics)\n  ✓ staging http://127.0.0.1:" in report
    assert report.count(": answers, and has every metric.") == 2


@pytest.mark.case("adoption-7")
async def test_an_endpoint_that_is_dead_is_wrong(world: World) -> None:
    rewrite(world, '/staging"', '/not/there", "http://127.0.0.1:9/metrics"')
    report, good = await examine(world.settings)
    assert not good
    assert (
        "/not/there: It answers 404.\n    → Correct the address: it has to "
        "answer with Prometheus text."
    ) in report
    assert (
        "✗ staging http://127.0.0.1:9/metrics: does not answer (ClientConnectorError).\n    → "
        "Look whether the service runs"
    ) in report


@pytest.mark.case("adoption-7", "adoption-11")
async def test_the_idle_slot_of_two_is_nothing_wrong_and_a_service_that_is_down_is(
    world: World,
) -> None:
    world.service.idle = {"idle"}
    rewrite(world, '/staging"', '/staging", "' + _metrics_of(world) + '/idle"')
    report, good = await examine(world.settings)
    assert good
    assert (
        "/idle: answers 503: nothing serves there now. Another endpoint of the environment "
        "answers, so it may be an idle slot."
    ) in report
    world.service.is_down = True
    report, good = await examine(world.settings)
    assert not good
    assert (
        "/staging: answers 503: nothing serves there now.\n    → Look whether the "
        "service runs there; no endpoint"
    ) in report
    assert "Correct the address" not in report


def _metrics_of(world: World) -> str:
    written = Path(world.settings.gonogo_config).read_text(encoding="utf-8")
    return written.partition('endpoints: ["')[2].partition("/staging")[0]


@pytest.mark.case("adoption-7")
@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        (
            "denominator: http_requests_total",
            "denominator: http_request_total",
            "answers, but has no series for errors.",
        ),
        (
            "commit_label: commit",
            "commit_label: sha",
            'answers, but no series carries the label "sha"',
        ),
    ],
)
async def test_an_endpoint_without_what_the_metrics_need_is_wrong(
    world: World, before: str, after: str, sentence: str
) -> None:
    rewrite(world, before, after)
    report, good = await examine(world.settings)
    assert not good
    assert sentence in report


@pytest.mark.case("adoption-7")
async def test_a_channel_that_is_not_there_is_wrong(world: World) -> None:
    rewrite(world, "channel: C0DEPLOYS", "channel: C0ELSEWHERE")
    report, good = await examine(world.settings)
    assert not good
    assert (
        "✗ channel C0ELSEWHERE: Slack did not carry out conversations.history: "
        "channel_not_found.\n    → Copy the channel's id"
    ) in report


@pytest.mark.case("adoption-5")
@pytest.mark.parametrize(
    ("migrations", "sentence"),
    [
        (
            "pipeline.yml",
            "✓ migrations: pipeline.yml matches 1 file of the newest commit: pipeline.yml.",
        ),
        ("db/**/*.sql", "? migrations: db/**/*.sql matches no file of the newest commit."),
    ],
)
async def test_the_doctor_says_what_a_pattern_matches_now(
    world: World, migrations: str, sentence: str
) -> None:
    rewrite(world, "    migrations: [migrations/]\n", f'    migrations: ["{migrations}"]\n')
    report, _ = await examine(world.settings)
    assert sentence in report


@pytest.mark.case("adoption-11")
async def test_a_slack_that_is_not_reached_makes_nobody_copy_a_token(world: World) -> None:
    settings = world.settings.model_copy(update={"slack_api_url": "http://127.0.0.1:9/api/"})
    report, _ = await examine(settings)
    assert "→ See whether this machine reaches 127.0.0.1:9: its network," in report, (
        "it names the address that was asked"
    )
    assert "Copy the bot token" not in report


@pytest.mark.case("adoption-11")
@pytest.mark.parametrize("name", ["github", "gitlab", "jenkins", "buildbot"])
def test_a_vendor_that_is_not_reached_makes_nobody_change_a_setting(name: str) -> None:
    silent = IntegrationError(f"{name} does not answer: no connection.", vendor=name, retry=True)
    finding = unanswered("token", silent, "Set ci.user.")
    assert finding.ok is False
    assert finding.remedy == (
        f"Look whether {name} runs, whether this machine reaches it, and whether its address "
        "is right; then ask again."
    )
    refused = IntegrationError(f"{name} says no.", vendor=name, status=401, retry=False)
    assert unanswered("token", refused, "Set ci.user.").remedy == "Set ci.user."
