"""What the rest of the house knows about GitHub: its options, its secrets, its
limits, and how it is built.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from urllib.parse import urlsplit

from bot.domain.errors import ConfigurationError, MissingSetting
from bot.ports.ci import Question
from bot.providers.ci.github.changed import Changed
from bot.providers.ci.github.client import Repository, web_address
from bot.providers.ci.github.commits import Commits
from bot.providers.ci.github.deployments import Deployments
from bot.providers.ci.github.identity import App, checked_key, pem_or_nothing
from bot.providers.ci.github.names import Names
from bot.providers.ci.github.protection import Protection, ProtectionCheck
from bot.providers.ci.github.provider import GitHubCI
from bot.providers.ci.github.required import BY_RULES, Required
from bot.providers.ci.github.runs import Runs
from bot.providers.ci.github.surroundings import Policy, Surroundings
from bot.providers.ci.github.tests import Tests
from bot.providers.ci.starts import Starts
from bot.providers.context import CIKind, Option, ProviderContext, Secret, hard_to_guess, one_word
from bot.providers.exchange import Budget
from bot.providers.rest import RestClient

API = "https://api.github.com"
WORKFLOW = "deploy.yml"
ONLY = "required only"
HASTY = Budget(timeout=3.0, tries=1, longest_wait=0.0)
"""What a courtesy may cost."""
HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9_.-]+")
_WORKFLOW = re.compile(r"[A-Za-z0-9_.-]+\.ya?ml")
_REF = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./@+-]{0,199}")
_ON, _OFF = frozenset({"on", "true"}), frozenset({"off", "false"})
_HERE = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class Options:
    """What stands in gonogo.yaml, checked."""

    repository: str
    workflow: str
    ref: str
    api: str
    deployments: bool
    alerts: Policy
    protection: bool
    checks: tuple[str, ...]
    only_required: bool


def build(context: ProviderContext, *, budget: Budget | None = None) -> GitHubCI:
    """Build the provider. Raises ConfigurationError for options that make no sense
    and for missing secrets.
    """
    options = _options(context)
    client, app = _client(context, options, budget)
    repository = Repository(
        client(budget), options.repository, web=web_address(options.api), ref=options.ref
    )
    hasty = Repository(client(HASTY), options.repository)
    deployments = Deployments(hasty, on=options.deployments)
    starts = Starts("github", context.service, context.starts, context.clock)
    protection = Protection(repository, starts, on=options.protection)
    runs = Runs(
        repository, options.workflow, starts, deployments, protection, service=context.service
    )
    surroundings = Surroundings(
        repository if options.alerts is Policy.BLOCK else hasty, options.alerts
    )
    protection_check = (
        ProtectionCheck(repository, app, context.environments)
        if app and options.protection and context.environments
        else None
    )
    secret = context.secret("GONOGO_GITHUB_WEBHOOK_SECRET")
    required = Required(repository, options.checks, alone=options.only_required)
    changed = Changed(repository, context.paths)
    names = Names(repository, context.tags, changed)
    return GitHubCI(
        repository, options.workflow, names=names, commits=Commits(repository, changed),
        tests=Tests(repository, options.workflow, required, changed), runs=runs,
        required=required, surroundings=surroundings, protection_check=protection_check,
        webhook_secret=secret,
    )  # fmt: skip


def _client(
    context: ProviderContext, options: Options, budget: Budget | None
) -> tuple[Callable[[Budget | None], RestClient], App | None]:
    """Say who we are, and give a way to make clients that all do, and the App where we are one."""
    token, app, key = (
        one_word("GONOGO_GITHUB_TOKEN", context.secret("GONOGO_GITHUB_TOKEN")),
        one_word("GONOGO_GITHUB_APP_ID", context.secret("GONOGO_GITHUB_APP_ID")),
        context.secret("GONOGO_GITHUB_APP_KEY"),
    )
    if bool(app) != bool(key):
        raise MissingSetting(
            f"services.{context.service}.ci: an App needs both GONOGO_GITHUB_APP_ID "
            "and GONOGO_GITHUB_APP_KEY."
        )
    if app and token:
        raise ConfigurationError(
            f"services.{context.service}.ci: GONOGO_GITHUB_TOKEN is set beside an App, which "
            "would be used. Take one out."
        )
    make = partial(
        RestClient, context.session, options.api, vendor="GitHub", rate_limits=context.rate_limits
    )
    if app:
        pem = checked_key(key)
        # the call that needs the token is what is tried again
        once = replace(budget or Budget(), tries=1)
        bare = make(headers=HEADERS, secrets=[pem], budget=once)
        identity = App(bare, context.clock, app=app, key=pem, repository=options.repository)
        # an installation has limits of its own
        account = f"{app} at {options.repository.partition('/')[0]}"
        return lambda budget: make(
            headers=HEADERS, identity=identity, account=account, budget=budget
        ), identity
    if token:
        headers = {**HEADERS, "Authorization": f"Bearer {token}"}
        return lambda budget: make(headers=headers, secrets=[token], budget=budget), None
    needed = "Set GONOGO_GITHUB_TOKEN, or GONOGO_GITHUB_APP_ID and GONOGO_GITHUB_APP_KEY"
    raise MissingSetting(f"services.{context.service}.ci: GitHub asks who we are. {needed}.")


def _options(context: ProviderContext) -> Options:
    given = {name: str(value) for name, value in context.options.items()}
    found = Options(
        given.get("repository", ""), given.get("workflow", WORKFLOW),
        given.get("ref", ""), given.get("api", API).rstrip("/"),
        _switch(context, "deployments"), _policy(context),
        _switch(context, "protection"), _checks(context), _counts(context),
    )  # fmt: skip
    if not _REPOSITORY.fullmatch(found.repository) or found.repository.endswith(".git"):
        raise _wrong(context, "repository", "write owner/name, as in acme/storefront, without .git")
    if found.ref and not _REF.fullmatch(found.ref):
        raise _wrong(context, "ref", "write the name of a branch, as in main")
    if not _WORKFLOW.fullmatch(found.workflow):
        raise _wrong(
            context, "workflow", "write the name of a file in .github/workflows, as in deploy.yml"
        )
    if found.protection and not context.secret("GONOGO_GITHUB_APP_ID"):
        raise _wrong(
            context, "protection", "a protection rule needs a GitHub App, see GONOGO_GITHUB_APP_ID"
        )
    address = urlsplit(found.api)
    if address.scheme != "https" and not (address.scheme == "http" and address.hostname in _HERE):
        raise _wrong(
            context,
            "api",
            "write an address that begins with https://, as in https://github.example.com/api/v3",
        )
    return found


def _switch(context: ProviderContext, option: str) -> bool:
    value = str(context.options.get(option, "off")).lower()
    if value not in _ON | _OFF:
        raise _wrong(context, option, "write on or off")
    return value in _ON


def _policy(context: ProviderContext) -> Policy:
    value = str(context.options.get("alerts", Policy.SHOW)).lower()
    try:
        return Policy.OFF if value in _OFF else Policy(value)
    except ValueError:
        raise _wrong(context, "alerts", "write show, block or off") from None


def _checks(context: ProviderContext) -> tuple[str, ...]:
    """Read ``required``, one name, or a list of names."""
    given = context.options.get("checks", ())
    listed: Sequence[object] = given if isinstance(given, (list, tuple)) else [given]
    names = [name.strip() for name in listed if isinstance(name, str) and name.strip()]
    if len(names) < len(listed):
        raise _wrong(
            context,
            "checks",
            f"write {BY_RULES}, or the names of checks in brackets, as in [unit, e2e]",
        )
    if BY_RULES in names and len(names) > 1:
        raise _wrong(context, "checks", f"write {BY_RULES} alone, or name the checks")
    return tuple(names)


def _counts(context: ProviderContext) -> bool:
    """Read which checks count: all, or only the required ones."""
    value = str(context.options.get("counts", "all"))
    if value not in {"all", ONLY}:
        raise _wrong(context, "counts", f"write all or {ONLY}")
    if value == ONLY and not context.options.get("checks"):
        raise _wrong(
            context,
            "counts",
            f"say under checks what is required: {BY_RULES}, or names in brackets",
        )
    return value == ONLY


def _wrong(context: ProviderContext, option: str, remedy: str) -> ConfigurationError:
    return ConfigurationError(
        f"services.{context.service}.ci.{option}: "
        f'"{context.options.get(option, "")}" does not do; {remedy}.'
    )


KIND = CIKind(
    name="github",
    title="GitHub Actions",
    build=build,
    costs={Question.TESTS: 3, Question.FREEZES: 0},  # runs, checks, statuses
    options={
        "repository": Option("The repository as owner/name.", required=True, is_repository=True),
        "workflow": Option("The workflow file that deploys; deploy.yml by default."),
        "ref": Option(
            "The branch whose workflow file is used; the default branch by default. What is "
            "deployed is the pinned commit."
        ),
        "api": Option(
            "The address of the REST interface, for GitHub Enterprise Server: "
            "https://github.example.com/api/v3."
        ),
        "deployments": Option(
            "on or off (default): whether GitHub's list of deployments is "
            "kept, at the exact commit."
        ),
        "protection": Option(
            "on or off (default): whether the bot's App answers as a custom deployment protection "
            "rule; needs a GitHub App."
        ),
        "checks": Option(
            "The checks and statuses that must have passed, as in [unit, e2e]; required: those "
            "that the default branch's rules require. "
            "By default all that have reported count."
        ),
        "counts": Option(
            "all (default), or required only: then a check that fails and is not required is "
            "shown and does not count."
        ),
        "alerts": Option(
            "show (default): open alerts of code scanning and Dependabot, and reviews, "
            "stand beside the tests; "
            "block: a critical alert makes them red, and alerts that may not be read make them "
            "unknown; off: not asked for."
        ),
    },
    secrets=(
        Secret(
            "GONOGO_GITHUB_APP_ID",
            (
                "The id or client id of a GitHub App that is installed on the "
                "repository; instead of a token."
            ),
        ),
        Secret(
            "GONOGO_GITHUB_APP_KEY",
            "The App's private key, as in the .pem file that GitHub gives.",
            check=pem_or_nothing,
        ),
        Secret(
            "GONOGO_GITHUB_TOKEN",
            (
                "A fine-grained token: Actions write, Contents read, Commit "
                "statuses read, Metadata read."
            ),
        ),
        Secret(
            "GONOGO_GITHUB_WEBHOOK_SECRET",
            (
                "The secret of GitHub's webhook; without it, webhooks are refused and "
                "runs are followed by asking."
            ),
            check=hard_to_guess,
        ),
    ),
    limits=(
        (
            "A workflow takes a branch, not a commit: the workflow must check out its input "
            "commit, as the template does."
        ),
        (
            "A fine-grained token cannot see other apps' checks; with it, only workflow runs and "
            "commit statuses count as tests."
        ),
        (
            "Alerts are those of the default branch, which GitHub keeps, not those of the commit; "
            "only critical ones can block."
        ),
        (
            "Reviewers and timers that GitHub itself demands for an environment are shown and have "
            "to be answered at GitHub."
        ),
        (
            "A protection rule of the bot is approved by itself only for the environment of the "
            "start; where several others wait, at GitHub."
        ),
    ),
)
