"""What the rest of the house knows about Buildbot: its options, its secrets, its
limits, and how it is built.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from bot.domain.errors import ConfigurationError, MissingSetting
from bot.ports.ci import Question
from bot.providers.ci.buildbot.client import BuildbotClient
from bot.providers.ci.buildbot.events import PAUSE
from bot.providers.ci.buildbot.provider import BuildbotCI
from bot.providers.ci.buildbot.reading import VENDOR
from bot.providers.ci.buildbot.setup import Setup
from bot.providers.ci.mirror import Mirror, token_for
from bot.providers.ci.starts import Starts
from bot.providers.context import (
    CIKind,
    Option,
    ProviderContext,
    Secret,
    account,
    hard_to_guess,
    one_line,
    one_word,
)
from bot.providers.exchange import Budget
from bot.providers.rest import RestClient

USER, PASSWORD = "GONOGO_BUILDBOT_USER", "GONOGO_BUILDBOT_PASSWORD"
WEBHOOK_SECRET, GIT_TOKEN = "GONOGO_BUILDBOT_WEBHOOK_SECRET", "GONOGO_BUILDBOT_GIT_TOKEN"

SETTLES = timedelta(seconds=30)
"""A start that Buildbot shows no request of after this time was never taken: its master stores a
request before it answers.
"""


def build(
    context: ProviderContext,
    *,
    budget: Budget | None = None,
    settles: timedelta = SETTLES,
    pause: float = PAUSE,
) -> BuildbotCI:
    """Make the provider of one service. Raises ConfigurationError. The
    numbers are for laboratories.
    """
    try:
        return _built(context, budget, settles, pause)
    except ConfigurationError as error:
        raise type(error)(f"services.{context.service}.ci: {error}") from error


def _built(
    context: ProviderContext, budget: Budget | None, settles: timedelta, pause: float
) -> BuildbotCI:
    user, password = context.secret(USER), context.secret(PASSWORD)
    if bool(user) != bool(password):
        raise MissingSetting(f"set both {USER} and {PASSWORD}, or neither.")
    setup = Setup(
        url=_address(context.options),
        builder=_word(context.options, "builder"),
        scheduler=_word(context.options, "scheduler"),
        tests=_word(context.options, "tests") if context.options.get("tests") else "",
        account=user,
        webhook_secret=context.secret(WEBHOOK_SECRET),
    )
    basic = base64.b64encode(f"{user}:{password}".encode()).decode() if user else ""
    rest = RestClient(
        context.session,
        setup.url,
        vendor=VENDOR,
        rate_limits=context.rate_limits,
        secrets=(password, basic),
        budget=budget,
    )
    repository = _word(context.options, "repository")
    mirror = Mirror(
        repository,
        context.work / "buildbot",
        vendor=VENDOR,
        tags=context.tags,
        paths=context.paths,
        environment=token_for(repository, one_word(GIT_TOKEN, context.secret(GIT_TOKEN))),
    )
    starts = Starts("buildbot", context.service, context.starts, context.clock, settles=settles)
    return BuildbotCI(
        setup,
        BuildbotClient(rest, user, basic),
        mirror,
        context.clock,
        context.wake,
        starts=starts,
        pause=pause,
    )


def _word(options: Mapping[str, Any], name: str) -> str:
    value = options.get(name)
    if not isinstance(value, str) or not value.strip():
        raise ConfigurationError(f"the provider buildbot needs the option {name}.")
    return value.strip()


def _address(options: Mapping[str, Any]) -> str:
    url = _word(options, "url").rstrip("/")
    parts = urlsplit(url)
    if (
        parts.scheme not in {"http", "https"}
        or not parts.hostname
        or parts.username
        or parts.query
        or parts.fragment
    ):
        raise ConfigurationError(
            "url must be the address of Buildbot's pages, such as "
            "https://buildbot.example.com, without a user in it."
        )
    return url


KIND = CIKind(
    name="buildbot",
    title="Buildbot",
    build=build,
    costs={Question.TESTS: 3, Question.FREEZES: 0},  # the builder, what is awaited, its builds
    options={
        "url": Option("The address of Buildbot's pages.", required=True),
        "builder": Option("The builder that deploys the service.", required=True),
        "scheduler": Option("The force scheduler that starts this builder.", required=True),
        "repository": Option(
            "The git address or path in which refs are resolved and commits are compared.",
            required=True,
            is_repository=True,
        ),
        "tests": Option(
            "The builder whose newest build of a commit decides the gate `tests`; "
            "without it, no commit is green."
        ),
    },
    secrets=(
        Secret(USER, "The account that may start and stop builds (`www.auth`).", check=account),
        Secret(PASSWORD, "The account's password.", check=one_line),
        Secret(
            WEBHOOK_SECRET,
            (
                "What the reporter in our master.cfg signs its notices with; without "
                "it, notices are refused."
            ),
            check=hard_to_guess,
        ),
        Secret(
            GIT_TOKEN, "A token that may read the repository, where its address begins with https."
        ),
    ),
    limits=(
        (
            "Buildbot has no gates of its own that could be opened from here. A build that waits "
            "for a lock is shown as running."
        ),
        (
            "The steps that are still to come are shown only when the force scheduler has the "
            "field gonogo_stages, as in our master.cfg."
        ),
        "Rebuilding a run in Buildbot's pages makes a new run that Go/No-Go does not follow.",
        "Tests are looked for among the newest 500 builds of the tests builder.",
        "Only accounts of www.auth with a password can be used; OAuth logins are for people.",
    ),
)
