"""What is asked of a CI provider, and what is remembered of what was started there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from bot.domain import plain
from bot.domain.catalog import Freeze
from bot.domain.changes import Changes
from bot.domain.quality import QualityState
from bot.domain.rollout import RunState, Stage

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class CIRun:
    """A run at the CI provider as it was seen just now."""

    id: str
    state: RunState
    url: str = ""
    stages: tuple[Stage, ...] = ()
    started_at: datetime | None = None
    finished_at: datetime | None = None
    sentence: str = ""
    """Why it failed, or what it is doing, for a person."""
    unread: str = ""
    """Which evidence it was to leave and that could not be read, and why; then a run that
    succeeded has proved nothing.
    """
    asks_back: bool = False
    """Whether it waits for the approval that it was started with: no person has to give that again,
    and ``open_gate`` gives it.
    """

    def __post_init__(self) -> None:
        object.__setattr__(self, "url", plain.link(self.url))
        object.__setattr__(self, "sentence", plain.line(self.sentence))
        object.__setattr__(self, "unread", plain.line(self.unread))

    @property
    def never_began(self) -> bool:
        """Tell whether it is certain that it ended before any of it began: by its stages, or by its
        own time where it shows none.
        """
        if self.state not in {RunState.CANCELLED, RunState.LOST}:
            return False
        if not self.stages:
            return self.state is RunState.CANCELLED and self.started_at is None
        unbegun = {RunState.QUEUED, RunState.SKIPPED, RunState.CANCELLED}
        return all(stage.state in unbegun and stage.started_at is None for stage in self.stages)


@dataclass(frozen=True, slots=True)
class StartRequest:
    """What to start. ``correlation`` is unique per intent (``storefront-42:canary-5:9f2c1e``)
    and travels into the run.
    """

    correlation: str
    commit: str
    environment: str
    action: str
    """``deploy``, ``smoke`` or ``rollback``."""
    inputs: Mapping[str, str] = field(default_factory=dict)
    """Typed inputs: ``percent``, ``version``, ``strategy``, ``deployment``."""
    asked_by: str = ""


class RefKind(StrEnum):
    """What a ref turned out to be."""

    TAG = "tag"
    BRANCH = "branch"
    COMMIT = "commit"


class Latest(StrEnum):
    """What ``latest`` was taken to mean."""

    RELEASE = "release"  # the highest version among the service's tags
    PREVIEW = "preview"  # the highest of its previews: there is no release
    NEWEST = "newest"  # the newest commit of the default branch: no tag is a version of the service


@dataclass(frozen=True, slots=True)
class Resolved:
    """A ref resolved once: the full commit, and what people call it: a name that could also have
    been typed, else the short commit.
    """

    commit: str
    version: str
    kind: RefKind = field(default=RefKind.COMMIT, compare=False)
    name: str = field(default="", compare=False)
    """The tag or branch that was taken; empty for a commit."""
    latest: Latest | None = field(default=None, compare=False)
    """Why it is the latest, where the latest was asked for."""
    also: RefKind | None = field(default=None, compare=False)
    """What else has this very name and another commit: a branch beside the tag that was taken."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "version", plain.version(self.version, self.commit))


class Question(StrEnum):
    """What is asked again and again while a deployment waits."""

    TESTS = "tests"  # CIProvider.quality
    FREEZES = "freezes"  # CIProvider.freezes
    SHIFT = "shift"  # OnCallSchedule.who


Costs = Mapping[Question, int]
"""How many requests to its vendor a question takes: one where nothing is said, none where
the vendor is not asked.
"""
ROLLBACK = "rollback"
"""The action that puts an earlier version back."""
TEST = "test"
"""The action that runs a commit's tests and touches no environment."""


@dataclass(frozen=True, slots=True)
class Quality:
    """Facts on a commit's tests; the newest re-run decides."""

    state: QualityState
    sentence: str
    url: str = ""
    startable: str = ""
    """The correlation id of a ``test`` run that a deployment may start (``CIProvider.start``),
    where nobody else would start the tests.
    """
    as_of: datetime | None = None
    """When the provider said so, where that is a while ago."""
    since: datetime | None = None
    """Since when they run, where that is known."""
    has_run: bool = False
    """In the state NONE: whether there was a run, which said nothing, so
    that it can be run again.
    """

    def __post_init__(self) -> None:
        object.__setattr__(self, "sentence", plain.line(self.sentence))
        object.__setattr__(self, "url", plain.link(self.url))

    @property
    def is_repeatable(self) -> bool:
        """Tell whether there is something that could be run again, and that would be asked for in
        vain while it runs or is green.
        """
        return self.state in {QualityState.RED, QualityState.UNKNOWN} or (
            self.state is QualityState.NONE and self.has_run
        )


@dataclass(frozen=True, slots=True)
class RunHint:
    """What a verified webhook says: look at this run, or at this commit, now.
    It wakes; polling decides.
    """

    run: str
    correlation: str = ""
    delivery: str = ""
    commit: str = ""
    """Whose tests it may be about: what is known of them is asked anew."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "commit", self.commit if _COMMIT.fullmatch(self.commit) else "")


class GateAnswer(StrEnum):
    """What became of the wish to open a gate."""

    OPENED = "opened"
    WAS_OPEN = "was open"  # by an earlier press, or by somebody at the vendor: nothing was done
    NOT_THERE = "not there"  # the run waits at no gate of this environment


class CIProvider(Protocol):
    """One service's CI. Every method may raise ``IntegrationError``; ``retry`` on it says
    whether the answer may change.

    A rollback is not a verb here: it is a start with the last verified commit.
    """

    async def open(self) -> None:
        """Take up work: check the options, find orphans of an earlier process."""
        ...

    async def close(self) -> None:
        """Let go of everything; runs that are under way go on where they can."""
        ...

    async def resolve(self, ref: str) -> Resolved:
        """Resolve a tag, branch, commit or ``latest`` (``heads/NAME`` and
        ``tags/NAME`` say which is meant).

        Raises UnknownRef for a ref that does not exist, IntegrationError(retry=False) for one that
        is unsafe or could be two commits.
        """
        ...

    async def compare(self, base: str, head: str) -> Changes:
        """List what ``head`` has and ``base`` has not; ``backwards`` when head is behind base."""
        ...

    async def quality(self, commit: str) -> Quality:
        """Tell whether the commit's tests are green. A question: it starts nothing."""
        ...

    async def test_again(self, commit: str) -> CIRun:
        """Let a commit's tests run, again where they have run; tests that are under way are
        left to go on, and returned.

        The newest re-run decides. Raises IntegrationError(retry=False) with a sentence where that
        cannot be asked for from here.
        """
        ...

    async def freezes(self, environment: str) -> tuple[Freeze, ...]:
        """List the freezes of an environment that are kept at the provider and in force now;
        none where it keeps none.

        Raises IntegrationError(retry=False) for one that cannot be read and may be in force: its
        sentence says which and what to do.
        """
        ...

    async def find(self, correlation: str) -> CIRun | None:
        """Find the run that carries a correlation id; None is certain.

        A question: it lets nothing go on, also because whoever stops a run has to find it first.
        """
        ...

    async def start(self, request: StartRequest) -> CIRun:
        """Start a run. A second start with the same correlation returns the
        first run and starts nothing.
        """
        ...

    async def look(self, run: str) -> CIRun:
        """See where a run stands. A question: it lets nothing go on."""
        ...

    async def cancel(self, run: str) -> None:
        """Ask a run to stop; returns when the provider has taken the request. A
        finished run is left as it is.
        """
        ...

    async def open_gate(self, run: str, environment: str) -> GateAnswer:
        """Let a run go on that waits at a ``passable`` stage or ``asks_back``,
        and say what became of it.

        Only the gate of this environment is opened: whatever else a run waits for is
        another's, and is left as it is.
        Raises IntegrationError where the vendor does not let us.
        """
        ...

    def parse_webhook(self, headers: Mapping[str, str], body: bytes) -> RunHint:
        """Verify and read a webhook without I/O. Raises IntegrationError: status 401 when not
        authentic, 400 when not readable.
        """
        ...


@dataclass(frozen=True, slots=True)
class LocalRun:
    """A run of the embedded CI as it is stored."""

    service: str
    correlation: str
    request: StartRequest
    run: CIRun
    process_group: int = 0
    """Of the stage that runs now; 0 for none."""
    log: str = ""
    """The log file's path."""


class RunStore(Protocol):
    """Where the embedded CI keeps its runs."""

    async def add(self, run: LocalRun) -> LocalRun:
        """Store a new run; when its correlation is taken, return the
        stored one and change nothing.
        """
        ...

    async def save(self, run: LocalRun) -> bool:
        """Store what has changed; False for a run that had ended already: a final
        state is never left again.
        """
        ...

    async def get(self, id: str) -> LocalRun | None:
        """Read a run by its id."""
        ...

    async def by_correlation(self, service: str, correlation: str) -> LocalRun | None:
        """Read a run by its correlation id."""
        ...

    async def unfinished(self, service: str) -> tuple[LocalRun, ...]:
        """List the runs that were under way when they were last stored."""
        ...


class StartState(StrEnum):
    """What is known of a start at a CI provider outside."""

    SENT = "sent"  # the vendor was asked, its answer is not known
    TAKEN = "taken"  # the vendor took it and did not say which run it became
    KNOWN = "known"  # the vendor said which run it became
    REFUSED = "refused"  # the vendor started nothing
    # the vendor answered with a fault of its own: it is done with it, and may have started it
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class StoredStart:
    """A start at a CI provider outside, as it is stored: before the vendor is asked, and
    again when it has answered.
    """

    vendor: str
    """The provider's name; another provider of the same service knows nothing of this start."""
    service: str
    correlation: str
    state: StartState
    sent_at: datetime
    request: StartRequest | None = None
    """None for a run that was found at the vendor and whose start our database has lost."""
    run: str = ""
    """The vendor's id of the run."""


class StartStore(Protocol):
    """Where providers keep what they have started outside."""

    async def save(self, start: StoredStart) -> None:
        """Store a start; one that is there of the same vendor, service and
        correlation is replaced.
        """
        ...

    async def get(self, vendor: str, service: str, correlation: str) -> StoredStart | None:
        """Read a start."""
        ...
