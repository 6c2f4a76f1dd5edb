"""What the rest of the house knows about GitLab: its options, its secrets, its
limits, and how it is built.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from bot.domain.errors import ConfigurationError, MissingSetting
from bot.ports.ci import Question
from bot.providers.ci.gitlab import webhook
from bot.providers.ci.gitlab.client import Project
from bot.providers.ci.gitlab.provider import GitLabCI
from bot.providers.ci.gitlab.reading import VENDOR
from bot.providers.ci.starts import Starts
from bot.providers.context import CIKind, Option, ProviderContext, Secret, hard_to_guess, one_word
from bot.providers.rest import RestClient

TOKEN = "GONOGO_GITLAB_TOKEN"  # noqa: S105 - a setting's name
SIGNING_TOKEN = "GONOGO_GITLAB_SIGNING_TOKEN"  # noqa: S105
WEBHOOK_TOKEN = "GONOGO_GITLAB_WEBHOOK_TOKEN"  # noqa: S105
API = "https://gitlab.com/api/v4"
_PROJECT = re.compile(r"[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)+|\d{1,12}", re.ASCII)
_REF = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./@+-]{0,199}")
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def build(context: ProviderContext) -> GitLabCI:
    """Make the provider of one service. Raises ConfigurationError with one line per problem."""
    project, ref = str(context.options.get("project", "")), str(context.options.get("ref") or "")
    api, token = (
        _api(str(context.options.get("api") or API)),
        one_word(TOKEN, context.secret(TOKEN)),
    )
    key, wrong = _key(context.secret(SIGNING_TOKEN))
    problems = [
        ""
        if _PROJECT.fullmatch(project)
        else f'project "{project[:80]}" is no path like group/project and no id.',
        ""
        if not ref or _REF.fullmatch(ref)
        else f'ref "{ref[:80]}" cannot be the name of a branch.',
        ""
        if api
        else (
            "api must be an https address like https://gitlab.example.com "
            "(http only on this machine)."
        ),
        wrong,
    ]
    if any(problems):
        said = "\n".join(
            f"services.{context.service}.ci: {problem}" for problem in problems if problem
        )
        raise ConfigurationError(said)
    if not token:
        raise MissingSetting(
            f"services.{context.service}.ci: {TOKEN} is not set. Create a project access "
            "token with the scope api."
        )
    webhook_token = context.secret(WEBHOOK_TOKEN)
    rest = RestClient(
        context.session, api, vendor=VENDOR,
        rate_limits=context.rate_limits, headers={"PRIVATE-TOKEN": token},
        secrets=(token, webhook_token, context.secret(SIGNING_TOKEN)),
    )  # fmt: skip
    return GitLabCI(
        context.service, Project(rest, project), clock=context.clock,
        starts=Starts("gitlab", context.service, context.starts, context.clock),
        ref=ref, signing_key=key, webhook_token=webhook_token,
        tags=context.tags, paths=context.paths,
    )  # fmt: skip


def _api(address: str) -> str:
    """Complete the address of a GitLab to its REST interface; empty when a
    token must not go there.
    """
    parts = urlsplit(address)
    safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    if not safe or not parts.hostname or parts.query or parts.fragment or parts.username:
        return ""
    plain = address.rstrip("/")
    return plain if plain.endswith("/api/v4") else f"{plain}/api/v4"


def _key(signing_token: str) -> tuple[bytes, str]:
    if not signing_token:
        return b"", ""
    try:
        return webhook.signing_key(signing_token), ""
    except ValueError as error:
        return b"", f"{SIGNING_TOKEN} cannot be a signing token: {error}."


KIND = CIKind(
    "gitlab",
    "GitLab CI",
    build,
    costs={Question.TESTS: 2},  # pipelines, and the report of the one that decides
    options={
        "project": Option(
            "The project: its path (`group/project`) or its id.", required=True, is_repository=True
        ),
        "ref": Option(
            "The branch whose .gitlab-ci.yml runs; the project's default branch when missing. The "
            "commit travels as a variable."
        ),
        "api": Option(
            "The address of a GitLab of your own, like "
            f"`https://gitlab.example.com`; `{API}` when missing."
        ),
    },
    secrets=(
        Secret(
            TOKEN,
            (
                "Access token with the scope api and the role Developer: a project access token, "
                "or one that reaches all projects."
            ),
        ),
        Secret(
            SIGNING_TOKEN,
            "The webhooks' signing token (`whsec_…`), shared by all webhooks that lead to the bot.",
        ),
        Secret(
            WEBHOOK_TOKEN,
            "The webhooks' secret token (`X-Gitlab-Token`), for a GitLab without signing tokens.",
            check=hard_to_guess,
        ),
    ),
    limits=(
        (
            "GitLab starts pipelines on branches and tags only: the commit travels as "
            "GONOGO_COMMIT, and the job must check it out."
        ),
        "The project must allow pipeline variables to the token's role.",
        (
            "A stage that waits for one manual job can be opened from the card, when the "
            "token may start that job."
        ),
        (
            "Where several manual jobs wait, and for approvals of protected environments, the card "
            "shows it and a person answers at GitLab."
        ),
        (
            "Freeze periods hold for the whole project: where they should not, set the "
            "environment's gate unfrozen to off."
        ),
        (
            "Freeze periods are plain five-field cron with an IANA time zone; one that says more "
            "cannot be read and holds deployments."
        ),
        (
            "Deployment events name a job and no pipeline: they wake nobody. "
            "Pipeline and job events do."
        ),
        (
            "A retry of a finished pipeline at GitLab is not followed: what has ended "
            "for the bot stays ended."
        ),
        (
            "A commit on no branch and at no tag is no version: GitLab also shows what "
            "somebody proposes from a fork."
        ),
        (
            "A tag or branch of digits alone that begins like a commit is taken for the tag or "
            "branch; give the whole id of the commit."
        ),
        "A commit is called by its tag only when the tag is among the 100 highest versions.",
        (
            "Where GitLab cuts the list of changed files and more than 100 commits lie between, a "
            "migration among the rest is not seen."
        ),
        (
            "A pipeline without the name of the template, whose start a restored database has "
            "forgotten, is not found."
        ),
        (
            "A pipeline without the name of the template, whose start was not answered, is found "
            "by its variables, among those of its time."
        ),
    ),
)
