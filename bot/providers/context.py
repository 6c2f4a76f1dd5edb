"""What a provider is made of: the context that it is built on, and the card that tells the
rest of the house about it.

A provider of another package exports a ``CIKind`` under the entry point group
``gonogo.ci`` (``MetricsKind``: ``gonogo.metrics``, ``OnCallKind``: ``gonogo.on_call``);
our own are named in ``bot.registry``.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

import aiohttp

from bot.domain.catalog import Option as Option  # noqa: PLC0414 - providers read it here
from bot.domain.catalog import PathPatterns, Service
from bot.domain.errors import ConfigurationError, IntegrationError
from bot.domain.faults import of_system
from bot.domain.versions import Tags
from bot.ports.ci import CIProvider, Costs, RunStore, StartStore
from bot.ports.metrics import MetricsSource
from bot.ports.people import OnCallSchedule
from bot.ports.time import Clock
from bot.providers.rate_limits import RateLimits

Provider = TypeVar("Provider")
TESTS_AT_ONCE = 2
"""How many test runs of the embedded CI go on at once, over all services."""


@dataclass(frozen=True, slots=True)
class Embedded:
    """What Go/No-Go brings along, one for all services."""

    metrics: MetricsSource
    on_call: OnCallSchedule


@dataclass(frozen=True, slots=True)
class ProviderContext:
    """Everything that a provider of one service may use. ``secret`` gives a setting's value,
    or "" when it is not set.
    """

    service: str
    options: Mapping[str, Any]
    """What stands beside the provider's name in gonogo.yaml, checked against ``Kind.options``."""
    secret: Callable[[str], str]
    """``secret("GONOGO_GITHUB_TOKEN")``; only names in ``Kind.secrets`` are known."""
    session: aiohttp.ClientSession
    rate_limits: RateLimits
    clock: Clock
    runs: RunStore
    """For a provider that carries runs out itself."""
    starts: StartStore
    """For a provider that has runs carried out elsewhere, see ``ci.starts``."""
    work: Path
    """A folder of this service's own; it may not exist yet."""
    wake: Callable[[str], None]
    """Call with a run's id when it has changed: whoever waits for it looks at once."""
    embedded: Embedded | None = None
    environments: Sequence[str] = ()
    """The names of the service's environments in gonogo.yaml."""
    tags: Tags = field(default_factory=Tags)
    """Which tags are the service's versions, and which are of the services
    that share its repository.
    """
    paths: PathPatterns = field(default_factory=PathPatterns)
    """Which files of the repository are the service's own; none for all."""
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(TESTS_AT_ONCE))
    """How many test runs of the embedded CI go on at once: one for all services."""


def work_folder(path: Path) -> Path:
    """Make a folder for work, for the bot alone. Raises ConfigurationError or
    SystemUnavailable when it cannot be used.
    """
    try:
        if not path.is_dir():
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(path, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise of_system(
            error,
            f"The work folder {path} cannot be used",
            "Set GONOGO_WORK_DIR to a folder that the bot may write to.",
        ) from error
    return path


def one_word(name: str, value: str) -> str:
    """Refuse a token that was not copied alone: with a line break in it no request can be sent.
    Raises ConfigurationError.
    """
    if not all("!" <= sign <= "~" for sign in value):
        raise ConfigurationError(
            f"{name}: contains spaces, line breaks or signs that no token "
            "has; copy it again, alone."
        )
    return value


def one_line(name: str, value: str) -> str:
    """Refuse a secret with a line break in it, or with spaces around it: it was not copied alone.
    Raises ConfigurationError.
    """
    if value != value.strip() or not value.isprintable():
        raise ConfigurationError(
            f"{name}: contains a line break, or spaces around it; copy it again, alone."
        )
    return value


SHORTEST = 16
"""How many signs a secret has at least that keeps strangers from sending
notices: fewer can be tried out.
"""


def hard_to_guess(name: str, value: str) -> str:
    """Refuse a webhook's secret that could be tried out, or was not copied alone.
    Raises ConfigurationError.
    """
    if one_line(name, value) and len(value) < SHORTEST:
        raise ConfigurationError(
            f"{name}: is shorter than {SHORTEST} signs, so that it can be guessed; make one "
            "with openssl rand -hex 32."
        )
    return value


def account(name: str, value: str) -> str:
    """Refuse the name of an account with a colon: what stands behind it would be taken for the
    password. Raises ConfigurationError.
    """
    if ":" in value or not value.isprintable():
        raise ConfigurationError(
            f"{name}: is no name of an account: it has a colon or a line break in "
            "it. Write the name alone."
        )
    return value


def any_text(_name: str, value: str) -> str:
    """Take a secret as it is; ``build`` looks at it."""
    return value


@dataclass(frozen=True, slots=True)
class Secret:
    """One setting of the environment (also as ``NAME_FILE``). ``sentence`` is
    printed in the reference.
    """

    name: str
    sentence: str
    check: Callable[[str, str], str] = one_word
    """What a value has to look like; raises ConfigurationError that names the
    setting and never the value.
    """


@dataclass(frozen=True, slots=True)
class Finding:
    """What ``gonogo doctor`` found: ``ok`` is None where it cannot be known; ``remedy`` says what
    to do when it is not good.
    """

    subject: str
    ok: bool | None
    sentence: str
    remedy: str = ""


def unanswered(subject: str, error: IntegrationError, remedy: str) -> Finding:
    """Say why a question has no good answer. Whoever was not reached has refused nothing: no
    setting but the address is suspected.
    """
    if error.retry:
        remedy = (
            f"Look whether {error.vendor} runs, whether this machine reaches it, and whether its "
            "address is right; then ask again."
        )
    return Finding(subject, ok=False, sentence=str(error), remedy=remedy)


@runtime_checkable
class Examined(Protocol):
    """A provider that can be examined live."""

    async def examine(self) -> Sequence[Finding]:
        """Check token, scopes, workflow, webhook secret and clock; never raises IntegrationError,
        starts and changes nothing.
        """
        ...


@runtime_checkable
class OnThisMachine(Protocol):
    """A provider that needs something of the machine that the bot runs on."""

    def missing(self) -> Sequence[str]:
        """Say what it needs and this machine has not, a sentence with its remedy
        each; asks nobody outside.
        """
        ...


def _nothing_more(_service: Service) -> None:
    """Most providers need nothing beside their options."""


@runtime_checkable
class ExaminedMetrics(Protocol):
    """A source of numbers that can be examined live, for one service."""

    async def examine(self, service: Service) -> Sequence[Finding]:
        """Check that each address answers and has what the metrics need; never raises
        IntegrationError, stores and changes nothing.
        """
        ...


@runtime_checkable
class Listing(Protocol):
    """A CI provider that can list the files of the newest commit, where
    its repository is at hand.
    """

    async def files(self) -> Sequence[str]:
        """List the paths of all files. Raises IntegrationError."""
        ...


@dataclass(frozen=True)
class Kind(Generic[Provider]):
    """A kind of provider. ``build`` does no I/O; it raises ConfigurationError for options that make
    no sense and for missing secrets.
    """

    name: str
    title: str
    build: Callable[[ProviderContext], Provider]
    options: Mapping[str, Option] = field(default_factory=dict)
    secrets: Sequence[Secret] = ()
    check: Callable[[Service], None] = _nothing_more
    """Look at what a service says elsewhere in the file and this provider needs. Raises
    ConfigurationError with one line per problem.
    """
    limits: Sequence[str] = ()
    """What it cannot do, one honest sentence each, for the reference."""
    costs: Costs = field(default_factory=dict)
    """How many requests its questions take, so that a vendor is not asked more
    often than it should be.
    """


CIKind = Kind[CIProvider]
MetricsKind = Kind[MetricsSource]
OnCallKind = Kind[OnCallSchedule]
