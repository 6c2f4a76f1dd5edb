"""What ``gonogo doctor`` finds at GitLab, each with its remedy."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from bot.providers.context import Examined, Finding

if TYPE_CHECKING:
    from tests.providers.ci.gitlab_lab import GitLabLab

HOOK: dict[str, Any] = {
    "id": 1, "url": "https://bot.example.com/webhooks/ci/gitlab",
    "pipeline_events": True, "job_events": True, "alert_status": "executable",
}  # fmt: skip
SOON = (datetime.now(UTC) + timedelta(days=3)).date().isoformat()
LATER = (datetime.now(UTC) + timedelta(days=300)).date().isoformat()


async def found(gitlab: GitLabLab, subject: str) -> Finding:
    """Examine, and give the last finding on a subject."""
    return [each for each in await gitlab.ci.examine() if each.subject == subject][-1]


async def test_all_is_good_where_all_is_set_up(gitlab: GitLabLab) -> None:
    gitlab.fake.hooks = [HOOK]
    findings = await gitlab.ci.examine()
    assert [each.subject for each in findings] == [
        "token", "version", "project", "role", "variables",
        "pipeline", "freezes", "webhook secret", "webhook", "clock",
    ]  # fmt: skip
    assert all(each.ok for each in findings)


async def test_the_provider_can_be_examined_and_nothing_is_changed(gitlab: GitLabLab) -> None:
    examined: Examined = gitlab.ci
    await examined.examine()
    assert all(each.startswith("GET ") for each in gitlab.fake.seen)


@pytest.mark.parametrize(
    ("token", "ok", "words"),
    [
        ({"scopes": ["read_api"]}, False, "scopes are read_api"),
        ({"scopes": ["read_api", "read_repository"]}, False, "pipelines need api"),
        ({"active": False}, False, "revoked or expired"),
        ({"expires_at": SOON}, None, f"expires on {SOON}"),
        ({"expires_at": LATER}, True, "has the scope api"),
    ],
)
async def test_the_token_is_looked_at(
    gitlab: GitLabLab, token: dict[str, Any], ok: bool | None, words: str
) -> None:
    gitlab.fake.token |= token
    finding = await found(gitlab, "token")
    assert finding.ok is ok
    assert words in finding.sentence
    assert bool(finding.remedy) is not bool(ok)


async def test_a_wrong_token_is_a_finding_and_no_error(gitlab: GitLabLab) -> None:
    findings = await gitlab.provider(token="glpat-wrong").examine()
    assert {each.subject for each in findings if each.ok is False} == {
        "token",
        "version",
        "project",
        "pipeline",
        "freezes",
        "webhook",
        "clock",
    }
    assert all("glpat" not in each.sentence and each.remedy for each in findings if not each.ok)


@pytest.mark.parametrize(
    ("version", "ok"),
    [
        ("16.10.0", True),
        ("17.0.1-ce.0", True),
        ("16.9.8", False),
        ("9.99.0", False),
        ("", None),
        ("new", None),
    ],
)
async def test_an_old_gitlab_is_found(gitlab: GitLabLab, version: str, ok: bool | None) -> None:
    gitlab.fake.version = version
    assert (await found(gitlab, "version")).ok is ok


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"builds_access_level": "disabled"}, "CI/CD is switched off"),
        ({"jobs_enabled": False}, "CI/CD is switched off"),
        ({"archived": True}, "archived"),
    ],
)
async def test_a_project_that_can_run_nothing_is_found(
    gitlab: GitLabLab, settings: dict[str, Any], words: str
) -> None:
    gitlab.fake.settings = settings
    finding = await found(gitlab, "project")
    assert finding.ok is False
    assert words in finding.sentence


@pytest.mark.parametrize(
    ("level", "ok"), [(10, False), (20, False), (30, True), (40, True), (0, None)]
)
async def test_the_role_is_looked_at(gitlab: GitLabLab, level: int, ok: bool | None) -> None:
    gitlab.fake.access_level = level
    assert (await found(gitlab, "role")).ok is ok


@pytest.mark.parametrize(
    ("role", "level", "ok"),
    [
        ("developer", 30, True), ("maintainer", 30, False), ("maintainer", 40, True),
        ("owner", 40, False), ("no_one_allowed", 50, False),
        (None, 30, None), ("something new", 40, False),
    ],
)  # fmt: skip
async def test_who_may_set_pipeline_variables_is_looked_at(
    gitlab: GitLabLab, role: str | None, level: int, ok: bool | None
) -> None:
    gitlab.fake.variables_role, gitlab.fake.access_level = role, level
    finding = await found(gitlab, "variables")
    assert finding.ok is ok
    assert ok or "Minimum role to use pipeline variables" in finding.remedy


@pytest.mark.parametrize(
    ("lint", "words"),
    [
        (
            {"valid": False, "errors": ["jobs config should contain at least one visible job"]},
            "at least one visible job",
        ),
        ({"merged_yaml": "release:\n  script: make\n"}, "does not name our pipelines"),
        (
            {"merged_yaml": 'workflow:\n  name: "gonogo $GONOGO_CORRELATION"\n'},
            "does not use GONOGO_COMMIT",
        ),
    ],
)
async def test_the_pipelines_definition_is_looked_at(
    gitlab: GitLabLab, lint: dict[str, Any], words: str
) -> None:
    gitlab.fake.lint |= lint
    finding = await found(gitlab, "pipeline")
    assert finding.ok is False
    assert words in finding.sentence


@pytest.mark.parametrize(
    ("hooks", "ok", "words"),
    [
        ([], None, "the bot only polls"),
        ([{**HOOK, "url": "https://elsewhere.example.com/"}], None, "the bot only polls"),
        ([{**HOOK, "job_events": False}], False, "does not send pipeline and job events"),
        ([{**HOOK, "alert_status": "disabled"}], False, "switched the webhook off"),
        (None, None, "the token may not do this"),
    ],
)
async def test_the_webhook_is_looked_at(
    gitlab: GitLabLab, hooks: list[dict[str, Any]] | None, ok: bool | None, words: str
) -> None:
    gitlab.fake.hooks = hooks
    finding = await found(gitlab, "webhook")
    assert finding.ok is ok
    assert words in finding.sentence
    assert finding.remedy


@pytest.mark.parametrize(
    ("minutes", "ok", "words"),
    [(0, True, "agrees"), (2, False, "differ by 1"), (-10, False, "webhooks are refused")],
)
async def test_the_clock_is_compared_with_gitlabs(
    gitlab: GitLabLab, minutes: int, ok: bool, words: str
) -> None:
    gitlab.clock.skew = timedelta(minutes=minutes)
    finding = await found(gitlab, "clock")
    assert finding.ok is ok
    assert words in finding.sentence


@pytest.mark.parametrize("fault", ["500", "503", "timeout", "truncated", "404"])
async def test_what_gitlab_does_not_answer_is_a_finding(gitlab: GitLabLab, fault: str) -> None:
    gitlab.break_next(fault, path="self", times=4)
    finding = await found(gitlab, "token")
    assert finding.ok is (False if fault == "404" else None)


async def test_missing_webhook_secrets_are_said(gitlab: GitLabLab) -> None:
    gitlab.ci._signing_key = b""
    assert "secret token" in (await found(gitlab, "webhook secret")).sentence
    gitlab.ci._webhook_token = ""
    finding = await found(gitlab, "webhook secret")
    assert (finding.ok, "GONOGO_GITLAB_SIGNING_TOKEN" in finding.remedy) == (None, True)
