"""The embedded CI as a kind of provider: its options, and how it is built from them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from bot.domain.errors import ConfigurationError
from bot.ports.ci import Question
from bot.providers.ci.local.provider import LocalCI
from bot.providers.context import TESTS_AT_ONCE, CIKind, Option, ProviderContext

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://|[^/]*@[^/]*:|[^/]{2,}:")
"""``https://…`` and git's ``git@host:path``."""
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}\$?")


def _check(context: ProviderContext) -> None:
    where, repository, variables = (
        f"services.{context.service}.ci",
        context.options.get("repository", ""),
        context.options.get("environment"),
    )
    if not isinstance(repository, str) or _ADDRESS.match(repository):
        raise ConfigurationError(
            f'{where}.repository: "{repository}" is no path. Clone it here, and '
            "write the path of the clone."
        )
    if variables is not None and not isinstance(variables, Mapping):
        raise ConfigurationError(
            f"{where}.environment: should be a mapping of names to values, as in {{REGION: eu}}."
        )
    for name, value in (variables or {}).items():
        if not _VARIABLE.fullmatch(name) or isinstance(value, list | Mapping) or value is None:
            raise ConfigurationError(
                f"{where}.environment.{name}: is no variable. Write a name of letters, "
                "digits and _, and one value."
            )
    if "user" in context.options and not _USER.fullmatch(str(context.options["user"])):
        raise ConfigurationError(
            f"{where}.user: is no name of a user. Write the one that the stages run as."
        )
    if not isinstance(context.options.get("fetch", True), bool):
        raise ConfigurationError(f"{where}.fetch: is true or false.")


def _build(context: ProviderContext) -> LocalCI:
    _check(context)
    options = context.options
    return LocalCI(
        context.service, Path(str(options.get("repository", ""))),
        runs=context.runs, clock=context.clock, work=context.work,
        pass_on=options.get("environment") or {},
        on_change=context.wake, tags=context.tags, paths=context.paths,
        user=str(options.get("user", "")), turns=context.turns,
        fetches=bool(options.get("fetch", True)),
    )  # fmt: skip


KIND = CIKind(
    "local",
    "Embedded: the repository's own pipeline.yml, as real processes on the bot's machine",
    _build,
    options={
        "repository": Option(
            "The path of the git repository.", required=True, is_path=True, is_repository=True
        ),
        "environment": Option("Variables that the stages get, beside their own."),
        "user": Option(
            "As whom the stages run; needs a bot that runs as root. Without it they "
            "run as the bot's own user."
        ),
        "fetch": Option(
            "`false` when somebody else keeps the clone up to date. Otherwise the remote `origin`, "
            "where there is one, is asked before a "
            "tag or branch is resolved."
        ),
    },
    limits=(
        (
            "Without the option `user`, repository code runs as the bot's own user and can read "
            "its files: trust it as you trust the bot."
        ),
        f"{TESTS_AT_ONCE} test runs go on at once, over all services; the others wait.",
        "A run ends with the bot's process; it is marked lost and started again.",
        (
            "A report that a stage names (`junit`) and that cannot be read makes the "
            "tests unknown, never green."
        ),
        "It takes no webhooks: it runs in the bot's own process.",
    ),
    costs={Question.TESTS: 0, Question.FREEZES: 0},
)
