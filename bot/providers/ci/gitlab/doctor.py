"""What ``gonogo doctor`` asks of a project at GitLab: reads only, one finding per
question, each with its remedy.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from bot.domain.errors import IntegrationError
from bot.providers.ci.gitlab import freezes
from bot.providers.ci.gitlab.client import Project, an_object
from bot.providers.ci.gitlab.webhook import TOLERANCE
from bot.providers.context import Finding, unanswered

DOOR = "/webhooks/ci/gitlab"
"""Where the bot takes GitLab's webhooks."""
OLDEST = (16, 10)
"""The oldest GitLab that the provider and its template are written for."""
SOON = timedelta(days=14)
_SKEW = timedelta(seconds=30)
_NAME = re.compile(r"(?i)name: *[\"']?gonogo \$\{?GONOGO_CORRELATION")
_DEVELOPER, _MAINTAINER, _OWNER = 30, 40, 50
_ROLES = {"developer": _DEVELOPER, "maintainer": _MAINTAINER, "owner": _OWNER}
_TITLES = {_DEVELOPER: "Developer", _MAINTAINER: "Maintainer", _OWNER: "Owner"}


@dataclass(frozen=True, slots=True)
class WebhookSecrets:
    """Which of the two ways to verify a webhook are configured."""

    signing: bool
    token: bool


async def examine(
    project: Project, *, ref: str, secrets: WebhookSecrets, now: Callable[[], datetime]
) -> list[Finding]:
    """Ask everything; what GitLab does not answer becomes a finding too."""
    access = "Check the option project, and that the token belongs to this project."
    return [
        *await _asked(
            "token",
            _token(project, now),
            "Create a project access token with the scope api and set GONOGO_GITLAB_TOKEN.",
        ),
        *await _asked("version", _version(project), "Give the token the scope api."),
        *await _asked("project", _project(project), access),
        *await _asked("pipeline", _pipeline(project, ref), "Give the token the scope api."),
        *await _asked(
            "freezes",
            _freezes(project, now),
            "Give the token the role Developer, or set the gate unfrozen to off.",
        ),
        *_webhook_secret(secrets),
        *await _asked(
            "webhook",
            _hooks(project),
            "A token with the role Maintainer could tell; else look at Settings > Webhooks.",
        ),
        *await _asked("clock", _clock(project, now), access),
    ]


def _good(subject: str, sentence: str, remedy: str = "") -> Finding:
    return Finding(subject, ok=True, sentence=sentence, remedy=remedy)


def _bad(subject: str, sentence: str, remedy: str) -> Finding:
    return Finding(subject, ok=False, sentence=sentence, remedy=remedy)


def _open(subject: str, sentence: str, remedy: str = "") -> Finding:
    return Finding(subject, ok=None, sentence=sentence, remedy=remedy)


async def _asked(subject: str, question: Awaitable[list[Finding]], remedy: str) -> list[Finding]:
    try:
        return await question
    except IntegrationError as error:
        unknown = error.retry or (subject == "webhook" and error.status in {403, 404})
        return [replace(unanswered(subject, error, remedy), ok=None if unknown else False)]


async def _token(project: Project, now: Callable[[], datetime]) -> list[Finding]:
    """Source: doc/api/personal_access_tokens.md, "Get a personal access token" with ``self``;
    project access tokens answer too.
    """
    token = an_object((await project.token()).data)
    scopes = [str(each) for each in token.get("scopes") or ()]
    if token.get("revoked") or token.get("active") is False:
        return [
            _bad(
                "token",
                "The token is revoked or expired.",
                "Create a new one and set GONOGO_GITLAB_TOKEN.",
            )
        ]
    if "api" not in scopes:
        has = ", ".join(scopes) or "none"
        return [
            _bad(
                "token",
                f"The token's scopes are {has}; pipelines need api.",
                "Create a token with the scope api.",
            )
        ]
    return [
        _good("token", "The token is valid and has the scope api."),
        *_expiry(token, now().date()),
    ]


def _expiry(token: Mapping[str, Any], today: date) -> list[Finding]:
    try:
        ends = date.fromisoformat(str(token.get("expires_at")))
    except ValueError:
        return []
    if ends - today > SOON:
        return []
    return [
        _open(
            "token",
            f"The token expires on {ends.isoformat()}.",
            "Rotate it before then and set GONOGO_GITLAB_TOKEN.",
        )
    ]


async def _version(project: Project) -> list[Finding]:
    """Ask for what the template and the search by name need: 16.9 finds pipelines by name, 16.10
    knows auto_cancel in rules.
    """
    said = str((await project.version()).get("version") or "")
    numbers = re.match(r"(\d{1,4})\.(\d{1,4})", said, re.ASCII)
    if numbers is None:
        return [_open("version", "GitLab does not say which version it is.")]
    if (int(numbers[1]), int(numbers[2])) < OLDEST:
        return [
            _bad("version", f"This is GitLab {said}; the template needs 16.10.", "Upgrade GitLab.")
        ]
    return [_good("version", f"This is GitLab {said}.")]


async def _project(project: Project) -> list[Finding]:
    """Source: doc/api/projects.md, "Get a single project"."""
    found = an_object((await project.itself()).data)
    if found.get("builds_access_level") == "disabled" or found.get("jobs_enabled") is False:
        return [
            _bad(
                "project",
                "CI/CD is switched off in this project.",
                "Switch it on: Settings > General > Visibility.",
            )
        ]
    if found.get("archived"):
        return [
            _bad(
                "project",
                "The project is archived: no pipeline can be started.",
                "Unarchive it, or name another.",
            )
        ]
    level = _access(found)
    return [
        _good("project", f"The project {found.get('path_with_namespace', '')} is there."),
        *_role(level),
        *_variables(found, level),
    ]


def _access(found: Mapping[str, Any]) -> int:
    permissions = found.get("permissions")
    both = (
        [permissions.get(key) for key in ("project_access", "group_access")]
        if isinstance(permissions, dict)
        else []
    )
    return max(
        (int(each.get("access_level") or 0) for each in both if isinstance(each, dict)), default=0
    )


def _role(level: int) -> list[Finding]:
    if not level:
        return [_open("role", "GitLab does not say which role the token has.")]
    if level < _DEVELOPER:
        return [
            _bad(
                "role",
                "The token's role may not start pipelines.",
                "Create a token with the role Developer.",
            )
        ]
    return [_good("role", f"The token has the role {_TITLES.get(level, str(level))}.")]


def _variables(found: Mapping[str, Any], level: int) -> list[Finding]:
    """Source: doc/ci/variables/_index.md, "Restrict pipeline variables"; new projects
    may allow them to nobody.
    """
    least = found.get("ci_pipeline_variables_minimum_override_role")
    remedy = (
        "Choose a role at Settings > CI/CD > Variables > Minimum role to use pipeline variables."
    )
    if least is None:
        return [_open("variables", "This token cannot see who may set pipeline variables.", remedy)]
    if least == "no_one_allowed":
        return [
            _bad(
                "variables",
                "Nobody may set pipeline variables in this project; the bot needs them.",
                remedy,
            )
        ]
    if _ROLES.get(str(least), _OWNER) > level > 0:
        return [
            _bad(
                "variables",
                f"Pipeline variables need the role {str(least).title()}; the token has less.",
                remedy,
            )
        ]
    return [_good("variables", "The token may set pipeline variables.")]


async def _pipeline(project: Project, ref: str) -> list[Finding]:
    """Source: doc/api/lint.md, "Validate a project's CI configuration"."""
    lint = await project.one("ci", "lint", **({"content_ref": ref} if ref else {}))
    where = f'on "{ref}"' if ref else "on the default branch"
    if not lint.get("valid"):
        errors = "; ".join(str(each) for each in lint.get("errors") or ())[:300]
        return [
            _bad(
                "pipeline",
                f".gitlab-ci.yml {where} is not valid: {errors}",
                "Correct it in the pipeline editor.",
            )
        ]
    merged = str(lint.get("merged_yaml") or "")
    if not names_our_pipelines(merged):
        remedy = 'Set workflow: name: "gonogo $GONOGO_CORRELATION", as in the template.'
        return [
            _bad(
                "pipeline",
                (
                    f".gitlab-ci.yml {where} does not name our pipelines; a "
                    "lost run could not be found."
                ),
                remedy,
            )
        ]
    if "GONOGO_COMMIT" not in merged:
        return [
            _bad(
                "pipeline",
                f".gitlab-ci.yml {where} does not use GONOGO_COMMIT.",
                "Check out $GONOGO_COMMIT, as in the template.",
            )
        ]
    return [_good("pipeline", f".gitlab-ci.yml {where} is valid and made for the bot.")]


def names_our_pipelines(definition: str) -> bool:
    """Tell whether a pipeline definition names our pipelines so that they can be found again."""
    return _NAME.search(definition) is not None


async def _freezes(project: Project, now: Callable[[], datetime]) -> list[Finding]:
    """Source: doc/api/freeze_periods.md, "List freeze periods"; one that cannot be
    read holds every deployment.
    """
    spans, wrong = freezes.around(await project.pages("freeze_periods"), "", now())
    if wrong:
        return [_bad("freezes", f"{each}.", freezes.REMEDY) for each in wrong]
    holding = sum(span.start <= now() for span in spans)
    return [
        _good(
            "freezes",
            f"Freeze periods of this project at GitLab: {len(spans)}; in force now: {holding}.",
        )
    ]


def _webhook_secret(secrets: WebhookSecrets) -> Sequence[Finding]:
    if secrets.signing:
        return [_good("webhook secret", "Webhooks are verified by their signature.")]
    if secrets.token:
        remedy = (
            "Give the webhook a signing token where your GitLab offers it, and set "
            "GONOGO_GITLAB_SIGNING_TOKEN."
        )
        return [
            _good(
                "webhook secret",
                "Webhooks are verified by the secret token, which travels with each of them.",
                remedy,
            )
        ]
    remedy = (
        "Set GONOGO_GITLAB_SIGNING_TOKEN (or GONOGO_GITLAB_WEBHOOK_TOKEN) to the webhook's own."
    )
    return [
        _open(
            "webhook secret",
            "No webhook secret is set: every webhook is refused, and the bot only polls.",
            remedy,
        )
    ]


async def _hooks(project: Project) -> list[Finding]:
    """Source: doc/api/project_webhooks.md, "List webhooks for a project"; it
    needs the role Maintainer.
    """
    hooks = [
        hook
        for hook in await project.pages("hooks")
        if urlsplit(str(hook.get("url"))).path.endswith(DOOR)
    ]
    if not hooks:
        return [
            _open(
                "webhook",
                f"No webhook of this project leads to {DOOR}; the bot only polls.",
                "Add one, see the how-to.",
            )
        ]
    hook = hooks[0]
    if not (hook.get("pipeline_events") and hook.get("job_events")):
        return [
            _bad(
                "webhook",
                "The webhook does not send pipeline and job events.",
                "Tick both in the webhook's settings.",
            )
        ]
    if hook.get("alert_status") not in {None, "executable"}:
        remedy = "Mend what it complains of and send a test event at Settings > Webhooks."
        return [_bad("webhook", "GitLab has switched the webhook off after failures.", remedy)]
    return [_good("webhook", "A webhook with pipeline and job events leads to the bot.")]


async def _clock(project: Project, now: Callable[[], datetime]) -> list[Finding]:
    said = (await project.itself()).headers.get("date", "")
    try:
        there = parsedate_to_datetime(said).astimezone(UTC)
    except (TypeError, ValueError):
        return [_open("clock", "GitLab's answer has no readable date.")]
    skew = abs(now() - there)
    if skew <= _SKEW:
        return [_good("clock", "This machine's clock agrees with GitLab's.")]
    seconds = round(skew.total_seconds())
    remedy = "Synchronise this machine's clock (NTP)."
    refused = " Signed webhooks are refused." if skew > TOLERANCE else ""
    return [
        _bad("clock", f"This machine's clock and GitLab's differ by {seconds} s.{refused}", remedy)
    ]
