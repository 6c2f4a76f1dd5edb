"""The doors to the outside: what services and runbooks ask of providers, storage, the engine and Slack.

Protocols and the plain values that pass through them. Implementations live in ``bot.providers``, ``bot.storage``, ``bot.engine`` and
``bot.slack``, know nothing of each other, and are wired in ``bot.app``.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol, TypeVar, TypeVarTuple

from bot.domain import plain
from bot.domain.audit import Entry, Head
from bot.domain.card import Card
from bot.domain.catalog import EnvironmentPolicy, Freeze, Service
from bot.domain.changes import Changes
from bot.domain.commands import Command
from bot.domain.declared import Declared, Left, Origin, Replaced
from bot.domain.deployment import Deployment, DeploymentId, Kind, State
from bot.domain.errors import Offer
from bot.domain.health import Observed, Snapshot
from bot.domain.locks import Lock
from bot.domain.normal import Normal
from bot.domain.people import Person
from bot.domain.places import Doubt, Ground, Permit, Quarantined, Stray
from bot.domain.proof import Report
from bot.domain.readiness import Review
from bot.domain.rollback import Way
from bot.domain.rollout import RunState as RunState  # noqa: PLC0414 - providers read it here
from bot.domain.rollout import Stage as Stage  # noqa: PLC0414
from bot.domain.rollout import Step
from bot.domain.share import Beside, Share
from bot.domain.trouble import Trouble
from bot.domain.urgency import Urgency

R = TypeVar("R")
Ts = TypeVarTuple("Ts")
Json = Any
"""A JSON value; it may be stored."""
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?", re.ASCII)


# Time -----------------------------------------------------------------------------------------------------------------------------------


class Clock(Protocol):
    """Where the time comes from."""

    def now(self) -> datetime:
        """Give the time as aware UTC."""
        ...


VIEWING: ContextVar[bool] = ContextVar("viewing", default=False)
"""Set in a task while it holds a view of the store or the transaction: then nobody outside is asked."""
URGENT: ContextVar[bool] = ContextVar("urgent", default=False)
"""Set in a task that does a rollback's work: connections and places are kept for it."""


# The CI provider ------------------------------------------------------------------------------------------------------------------------


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
    """Which evidence it was to leave and that could not be read, and why; then a run that succeeded has proved nothing."""
    asks_back: bool = False
    """Whether it waits for the approval that it was started with: no person has to give that again, and ``open_gate`` gives it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "url", plain.link(self.url))
        object.__setattr__(self, "sentence", plain.line(self.sentence))
        object.__setattr__(self, "unread", plain.line(self.unread))

    @property
    def never_began(self) -> bool:
        """Tell whether it is certain that it ended before any of it began: by its stages, or by its own time where it shows none."""
        if self.state not in {RunState.CANCELLED, RunState.LOST}:
            return False
        if not self.stages:
            return self.state is RunState.CANCELLED and self.started_at is None
        unbegun = {RunState.QUEUED, RunState.SKIPPED, RunState.CANCELLED}
        return all(stage.state in unbegun and stage.started_at is None for stage in self.stages)


@dataclass(frozen=True, slots=True)
class StartRequest:
    """What to start. ``correlation`` is unique per intent (``storefront-42:canary-5:9f2c1e``) and travels into the run."""

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
    """A ref resolved once: the full commit, and what people call it: a name that could also have been typed, else the short commit."""

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


class QualityState(StrEnum):
    """What the provider says about a commit's tests."""

    GREEN = "green"
    RED = "red"
    RUNNING = "running"
    NONE = "none"  # no tests have run: never green
    UNKNOWN = "unknown"  # they ended well, and what they were to leave as evidence cannot be read: never green


class Question(StrEnum):
    """What is asked again and again while a deployment waits."""

    TESTS = "tests"  # CIProvider.quality
    FREEZES = "freezes"  # CIProvider.freezes
    SHIFT = "shift"  # OnCallSchedule.who


Costs = Mapping[Question, int]
"""How many requests to its vendor a question takes: one where nothing is said, none where the vendor is not asked."""
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
    """The correlation id of a ``test`` run that a deployment may start (``CIProvider.start``), where nobody else would start the tests."""
    as_of: datetime | None = None
    """When the provider said so, where that is a while ago."""
    since: datetime | None = None
    """Since when they run, where that is known."""
    has_run: bool = False
    """In the state NONE: whether there was a run, which said nothing, so that it can be run again."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "sentence", plain.line(self.sentence))
        object.__setattr__(self, "url", plain.link(self.url))

    @property
    def is_repeatable(self) -> bool:
        """Tell whether there is something that could be run again, and that would be asked for in vain while it runs or is green."""
        return self.state in {QualityState.RED, QualityState.UNKNOWN} or (self.state is QualityState.NONE and self.has_run)


@dataclass(frozen=True, slots=True)
class RunHint:
    """What a verified webhook says: look at this run, or at this commit, now. It wakes; polling decides."""

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
    """One service's CI. Every method may raise ``IntegrationError``; ``retry`` on it says whether the answer may change.

    A rollback is not a verb here: it is a start with the last verified commit.
    """

    async def open(self) -> None:
        """Take up work: check the options, find orphans of an earlier process."""
        ...

    async def close(self) -> None:
        """Let go of everything; runs that are under way go on where they can."""
        ...

    async def resolve(self, ref: str) -> Resolved:
        """Resolve a tag, branch, commit or ``latest`` (``heads/NAME`` and ``tags/NAME`` say which is meant).

        Raises UnknownRef for a ref that does not exist, IntegrationError(retry=False) for one that is unsafe or could be two commits.
        """
        ...

    async def compare(self, base: str, head: str) -> Changes:
        """List what ``head`` has and ``base`` has not; ``backwards`` when head is behind base."""
        ...

    async def quality(self, commit: str) -> Quality:
        """Tell whether the commit's tests are green. A question: it starts nothing."""
        ...

    async def test_again(self, commit: str) -> CIRun:
        """Let a commit's tests run, again where they have run; tests that are under way are left to go on, and returned.

        The newest re-run decides. Raises IntegrationError(retry=False) with a sentence where that cannot be asked for from here.
        """
        ...

    async def freezes(self, environment: str) -> tuple[Freeze, ...]:
        """List the freezes of an environment that are kept at the provider and in force now; none where it keeps none.

        Raises IntegrationError(retry=False) for one that cannot be read and may be in force: its sentence says which and what to do.
        """
        ...

    async def find(self, correlation: str) -> CIRun | None:
        """Find the run that carries a correlation id; None is certain.

        A question: it lets nothing go on, also because whoever stops a run has to find it first.
        """
        ...

    async def start(self, request: StartRequest) -> CIRun:
        """Start a run. A second start with the same correlation returns the first run and starts nothing."""
        ...

    async def look(self, run: str) -> CIRun:
        """See where a run stands. A question: it lets nothing go on."""
        ...

    async def cancel(self, run: str) -> None:
        """Ask a run to stop; returns when the provider has taken the request. A finished run is left as it is."""
        ...

    async def open_gate(self, run: str, environment: str) -> GateAnswer:
        """Let a run go on that waits at a ``passable`` stage or ``asks_back``, and say what became of it.

        Only the gate of this environment is opened: whatever else a run waits for is another's, and is left as it is.
        Raises IntegrationError where the vendor does not let us.
        """
        ...

    def parse_webhook(self, headers: Mapping[str, str], body: bytes) -> RunHint:
        """Verify and read a webhook without I/O. Raises IntegrationError: status 401 when not authentic, 400 when not readable."""
        ...


# Metrics, on-call -----------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Window:
    """A half-open span of time."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Cohort:
    """Which instances to look at: those that run ``commit``, those that do not (``others``), or all (no commit)."""

    commit: str = ""
    others: bool = False


class MetricsSource(Protocol):
    """Where a service's numbers come from."""

    async def open(self) -> None:
        """Begin to collect, where the source has to collect by itself."""
        ...

    async def close(self) -> None:
        """Stop collecting."""
        ...

    async def observe(self, service: Service, environment: EnvironmentPolicy, window: Window, cohort: Cohort) -> Mapping[str, Observed]:
        """Observe every metric of ``service.metric_specs`` over a window. A metric without data is missing from the answer.

        Raises IntegrationError where the source does not answer; its text says which one, what it answers and since when, for a person.
        """
        ...


@dataclass(frozen=True, slots=True)
class Shift:
    """Somebody's time on call."""

    person: Person
    until: datetime | None
    source: str
    """Where this was read, for a person: ``rota "storefront"``."""
    as_of: datetime | None = None
    """When the schedule said so, where that is a while ago."""


class OnCallSchedule(Protocol):
    """Who is on call."""

    async def who(self, service: Service, at: datetime) -> Shift | None:
        """Name the person on call, or None when nobody is (a gap blocks)."""
        ...


@dataclass(frozen=True, slots=True)
class Providers:
    """The providers of one service."""

    ci: CIProvider
    metrics: MetricsSource
    on_call: OnCallSchedule


# People as the workspace knows them -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Profile:
    """What the workspace says about a user id. ``is_member`` is False for guests, bots, the deactivated and people of other companies."""

    person: Person
    name: str
    is_member: bool
    why_not: str = ""
    """For a refusal: ``is a guest of this workspace``."""


class Directory(Protocol):
    """The workspace's people and groups."""

    async def profile(self, person: Person, *, fresh: bool = False) -> Profile:
        """Look a person up, as they were a minute ago at most; ``fresh``: as they are now.

        Raises IntegrationError when that cannot be known.
        """
        ...

    def remembered(self, person: Person) -> Profile | None:
        """Give what was last known about a person, however long ago; asks nobody. None when nothing is known."""
        ...

    async def members(self, group: str, *, fresh: bool = False) -> frozenset[Person]:
        """List a user group's members, of a minute ago at most; ``fresh``: of now. Raises IntegrationError when that cannot be known."""
        ...


# Talking --------------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Place:
    """Where somebody spoke, and how to answer them alone."""

    channel: str = ""
    thread: str = ""
    response_url: str = ""
    """Slack's answer address for this one command or click; secret like a password, valid for 30 minutes."""


@dataclass(frozen=True, slots=True)
class Intent:
    """A command that was accepted: stored before it was acknowledged, carried out once."""

    key: str
    """Unique per delivery group: the trigger id of Slack, a UUID of the terminal. The same key twice is one command."""
    command: Command
    by: Person
    place: Place
    at: datetime


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said to the person alone: a template (``templates/slack/answers/NAME.md.j2``), its facts, and next steps as buttons."""

    name: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    offers: tuple[Offer, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """What a dialog asks about: the facts that it shows, and what it stands for (``domain.shown``); empty where it shows a name alone."""

    deployment: Deployment
    facts: Mapping[str, Json] = field(default_factory=dict)
    shown: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """Something to be said once: in the deployment's thread, as a new message in its channel, or to one person.

    ``key`` makes it unique (``storefront-42:degraded:canary-25``): the same key is stored and posted once.
    """

    key: str
    template: str
    """``templates/slack/messages/NAME.md.j2``."""
    facts: Mapping[str, Json]
    """JSON values; people as ``T…/U…``, times as ISO 8601."""
    deployment: DeploymentId = ""
    to: str = "thread"
    """``thread`` (of the deployment's card), ``channel`` (a new message), or a person as ``T…/U…`` (direct message)."""
    channel: str = ""
    """Only for ``to="channel"`` without a deployment."""
    chart: bool = False
    """Whether the deployment's newest snapshots are attached as a picture."""

    @property
    def lane(self) -> str:
        """Name what it must stay in order with: its thread, its channel, or the person."""
        return f"{self.to} {self.deployment or self.channel}" if self.to in {"thread", "channel"} else self.to


LATE_ANSWER = "answer"
"""The template of a message that carries an answer which could not be given at once; its facts are the answer's name, facts and offers."""


class Announcer(Protocol):
    """Keeps Slack in step with the stored state. None of these waits for Slack."""

    def card_changed(self, deployment: DeploymentId) -> None:
        """Redraw a card soon; edits are coalesced, an unchanged card costs no call."""
        ...

    def outbox_changed(self) -> None:
        """Post what the outbox holds."""
        ...

    async def answer(self, intent: Intent, answer: Answer) -> bool:
        """Answer a person alone; False when Slack does not take it now. Never raises."""
        ...


# Storage --------------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NewDeployment:
    """A deployment to be stored; the store gives it its id and the state REQUESTED (a rollback: ROLLING_OUT)."""

    kind: Kind
    service: str
    environment: str
    ref: str
    strategy: str
    requested_by: Person
    at: datetime
    lead: Person | None = None
    reason: str = ""
    channel: str = ""
    version: str = ""
    commit: str = ""
    undoes: DeploymentId = ""
    base_commit: str = ""
    base_version: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """An approval or a rejection of one commit, over what was live then, by one person."""

    deployment: DeploymentId
    by: Person
    roles: tuple[str, ...]
    """The approving roles that they held."""
    approved: bool
    commit: str
    base: str
    """What was live: an approval is of what changes."""
    at: datetime
    reason: str = ""
    why_not: str = ""
    """Why an approval does not count now (its giver has left, or lost the role); empty while it does."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Something a person said about a deployment once: ``item:KEY`` (ticked), ``on-call``, ``watching``, ``proceed:FINDING:STEP``."""

    deployment: DeploymentId
    key: str
    by: Person
    at: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Live:
    """What is live in an environment, by our own record."""

    service: str
    environment: str
    commit: str
    version: str
    since: datetime
    deployment: DeploymentId
    by: Person
    verified_at: datetime | None = None
    accepted: str = ""
    """How it was accepted, if it was not verified (``Acceptance``)."""
    declared: Declared | None = None
    """Who declared it live, where that is how it is known."""

    @property
    def is_only_said(self) -> bool:
        """Tell whether nothing but somebody's word says that it is live: no numbers have verified it here since."""
        if self.declared is None or self.declared.origin is not Origin.SAID:
            return False
        return self.verified_at is None or self.verified_at <= self.declared.at


@dataclass(frozen=True, slots=True)
class Timeline:
    """What happened to a deployment. Of very much, the middle is left out, and how much that was is known."""

    begin: tuple[Entry, ...]
    left_out: int = 0
    end: tuple[Entry, ...] = ()


class Reader(Protocol):
    """Questions to the store. Lists are bounded; everything is answered from an index, so history costs nothing."""

    async def deployment(self, id: DeploymentId) -> Deployment | None:
        """Read one deployment."""
        ...

    async def open_deployments(self, service: str = "", environment: str = "") -> tuple[Deployment, ...]:
        """List the deployments whose runbook still has work to do, oldest first."""
        ...

    async def watched(self, service: str, environment: str) -> Deployment | None:
        """Find the deployment that is live in a place and is still being watched."""
        ...

    async def changed_since(self, at: datetime) -> tuple[Deployment, ...]:
        """List the deployments whose state changed since a moment, newest first."""
        ...

    async def history(self, service: str, environment: str = "", limit: int = 10) -> tuple[Deployment, ...]:
        """List deployments and rollbacks, newest first; what was refused when its ref was looked up late has never been one."""
        ...

    async def holder(self, service: str, environment: str) -> DeploymentId:
        """Name the deployment that has the environment's claim; empty for none."""
        ...

    async def live(self, service: str, environment: str) -> Live | None:
        """Read what is live."""
        ...

    async def declared(self, service: str, environment: str = "", limit: int = 10) -> tuple[Declared, ...]:
        """List what was declared live, newest first."""
        ...

    async def standing(self, service: str, environment: str) -> Deployment | None:
        """Read the deployment that an environment stands on: the one that moves it, has failed in it, or brought what is live.

        None when nothing was deployed here, or when what is live was declared, or put back from before what can be undone.
        """
        ...

    async def was_verified(self, deployment: Deployment) -> bool:
        """Tell whether the commit was proved here since a deployment of it began, also where a rollback has put it back since."""
        ...

    async def known_as(self, service: str, version: str) -> tuple[str, ...]:
        """List the commits that a version has been the name of, newest first."""
        ...

    async def pinned(self, service: str, ref: str) -> tuple[str, ...]:
        """List the commits that were pinned here by a version's name, or that begin so, newest first."""
        ...

    async def replaced(self, id: DeploymentId) -> Replaced | None:
        """Say what came right after a deployment or a rollback in its place; None while it is what is there, or is again."""
        ...

    async def releases(self, service: str, environment: str, limit: int | None = 5, *, kept_out: bool = False) -> tuple[Live, ...]:
        """List the commits that ended their watch here, each once: those verified good first, then those accepted, newest first.

        Never a quarantined one, or one that was gone back from since; with ``kept_out`` the quarantined ones alone. None for all of them.
        """
        ...

    async def left_by_hand(self, service: str, environment: str) -> tuple[Left, ...]:
        """List the versions that somebody has gone back from by hand and that no rollback puts back, newest first."""
        ...

    async def newest_started(self, service: str, environment: str) -> Deployment | None:
        """Read the newest forward deployment that has touched an environment, whatever became of it."""
        ...

    async def of_commit(
        self, service: str, commit: str, limit: int = 20, kinds: Sequence[Kind] = (Kind.FORWARD,)
    ) -> tuple[Deployment, ...]:
        """List the newest deployments of a commit, of these kinds, newest first."""
        ...

    async def rollback_of(self, id: DeploymentId) -> Deployment | None:
        """Read the newest rollback that undoes a deployment."""
        ...

    async def put_back(self, service: str, environment: str, commit: str) -> Deployment | None:
        """Read the newest rollback that has put a commit back in a place."""
        ...

    async def ground(self, deployment: Deployment) -> Ground:
        """Read what decides, at this moment, whether a deployment may go forward in its place."""
        ...

    async def doubt(self, service: str, environment: str) -> Doubt | None:
        """Say why it is not clear what runs in a place; None when it is clear."""
        ...

    async def strays(self, service: str, environment: str = "") -> tuple[Stray, ...]:
        """List the runs that were given up and have not been seen to end, oldest first."""
        ...

    async def kept(self, key: str) -> Answer | None:
        """Read what a command was answered that has been carried out."""
        ...

    async def taken(self, key: str) -> bool:
        """Tell whether a command has been carried out."""
        ...

    async def quarantine(self, service: str, commit: str) -> str:
        """Say why a commit is quarantined; empty when it is not."""
        ...

    async def quarantined(self, service: str, commit: str) -> Quarantined | None:
        """Say why, by whom and since when a commit is quarantined; None when it is not."""
        ...

    async def decisions(self, id: DeploymentId) -> tuple[Decision, ...]:
        """List approvals and rejections, oldest first."""
        ...

    async def marks(self, id: DeploymentId) -> tuple[Mark, ...]:
        """List marks, oldest first."""
        ...

    async def steps(self, id: DeploymentId) -> tuple[Step, ...]:
        """List the rollout's steps in order."""
        ...

    async def deployments_of_run(self, run: str) -> tuple[Deployment, ...]:
        """List the open deployments with a step that has this CI run; of two vendors' runs with the same number, both."""
        ...

    async def waiting_with(self, commit: str) -> tuple[Deployment, ...]:
        """List the deployments that wait with this commit to begin, whatever their service."""
        ...

    async def snapshots(self, id: DeploymentId, limit: int = 20) -> tuple[Snapshot, ...]:
        """List snapshots, oldest first; of many, the newest ``limit``. The baseline is always the first."""
        ...

    async def meanwhile(self, rollback: DeploymentId) -> Snapshot | None:
        """Read the newest numbers of what serves, or served last, while a rollback is under way; ``snapshots`` leaves them out."""
        ...

    async def review(self, id: DeploymentId) -> Review | None:
        """Read the newest readiness review."""
        ...

    async def normal(self, id: DeploymentId) -> Normal | None:
        """Read what was normal in its place when a deployment began; None before it has."""
        ...

    async def trouble(self, id: DeploymentId) -> Trouble | None:
        """Read the newest finding about a deployment's numbers, also one that is over."""
        ...

    async def way_back(self, id: DeploymentId) -> Way | None:
        """Read what lies between a deployment and what it would be rolled back to, as it was compared last."""
        ...

    async def failed_since(self, service: str, environment: str, kinds: Sequence[Kind] = (Kind.FORWARD,)) -> tuple[str, ...]:
        """Name the commits of what failed in a place since it was last known what is live there; they may be there in part.

        Those are the commits that rollouts were bringing, or those that rollbacks were putting back.
        """
        ...

    async def way_there(self, id: DeploymentId) -> Way | None:
        """Read what lies between what is live and a deployment that waits, as it was compared last."""
        ...

    async def changes(self, id: DeploymentId) -> Changes | None:
        """Read what the deployment changes."""
        ...

    async def locks(self, service: str = "", environment: str = "") -> tuple[Lock, ...]:
        """List the locks that apply to a service and environment (also those on all services), or all of them."""
        ...

    async def rollback_seconds(self, service: str, environment: str, limit: int = 20) -> tuple[float, ...]:
        """List how long the newest finished rollbacks took, click to done."""
        ...

    async def step_seconds(self, service: str, environment: str, key: str, limit: int = 50) -> tuple[float, ...]:
        """List how long a step's CI run took in the newest deployments, for estimates."""
        ...

    async def run_seconds(self, service: str, limit: int = 50) -> tuple[float, ...]:
        """List how long the newest CI runs of a service took, of whatever step and wherever."""
        ...

    async def stage_seconds(self, service: str, environment: str, key: str, limit: int = 20) -> Mapping[str, tuple[float, ...]]:
        """List, by name, how long each stage of a step's runs took in the newest deployments, for estimates."""
        ...

    async def entries(self, id: DeploymentId, limit: int = 200) -> tuple[Entry, ...]:
        """List a deployment's audit entries, oldest first."""
        ...

    async def asking(self, id: DeploymentId) -> tuple[Message, ...]:
        """List what has been said of a deployment, or is about to be, and has not been shown to be over, oldest first."""
        ...

    async def timeline(self, id: DeploymentId) -> Timeline:
        """Tell what happened to a deployment, from its request to its end, without what was refused."""
        ...

    async def landed_between(self, start: datetime, end: datetime) -> tuple[Deployment, ...]:
        """List forward deployments that went live in a span of time, oldest first."""
        ...


class Transaction(Reader, Protocol):
    """Everything written here is committed together, with the wake-ups; afterwards the announcer and the engine are nudged.

    Writing anything that belongs to a deployment marks its card as changed.
    """

    async def once(self, key: str) -> bool:
        """Take a key; False when it was taken before (the command is a duplicate and has been carried out)."""
        ...

    async def add_deployment(self, new: NewDeployment) -> Deployment:
        """Store a deployment under the service's next number."""
        ...

    async def move(self, id: DeploymentId, to: State, *, at: datetime, note: str = "", by: Person | None = None) -> bool:
        """Move a deployment to a state, only if TRANSITIONS allows it from where it is now; False when it does not.

        ``by`` is the person who ended it, where one did.
        """
        ...

    async def redraw(self, id: DeploymentId) -> None:
        """Have a card drawn again, where something changed that is not its deployment's own."""
        ...

    async def keep(self, key: str, answer: Answer | None) -> None:
        """Keep what a command was answered, for when it comes again."""
        ...

    async def pin(self, id: DeploymentId, commit: str, version: str) -> None:
        """Bind a deployment to a full commit, and to what people call it."""
        ...

    async def set_base(self, id: DeploymentId, commit: str, version: str) -> None:
        """Say what was live when its way there was judged; both empty for nothing."""
        ...

    async def set_lead(self, id: DeploymentId, lead: Person) -> None:
        """Give it another lead."""
        ...

    async def ask_anew(self, id: DeploymentId, by: Person, at: datetime) -> None:
        """Say who asked for it once more, and when: it answers what has failed since."""
        ...

    async def set_started(self, id: DeploymentId, at: datetime | None) -> None:
        """Say since when something of it may be there; None for never."""
        ...

    async def set_landed(self, id: DeploymentId, at: datetime) -> None:
        """Say when it was live whole; what is watched anew begins then."""
        ...

    async def set_countdown(self, id: DeploymentId, until: datetime | None) -> None:
        """Set when it is rolled back by itself; None for not."""
        ...

    async def set_acceptance(self, id: DeploymentId, how: str) -> None:
        """Say how it was accepted where it was not verified (``Acceptance``); empty where it was."""
        ...

    async def set_note(self, id: DeploymentId, note: str) -> None:
        """Write why it is in its state."""
        ...

    async def set_reason(self, id: DeploymentId, reason: str) -> None:
        """Write why it was asked for."""
        ...

    async def permit(self, deployment: Deployment, step: str) -> Permit | None:
        """Permit one start of a run; None for whoever does not have the claim. Every earlier permit of the place ends."""
        ...

    async def is_newest(self, permit: Permit) -> bool:
        """Tell whether a permit still holds: nobody has got a newer one, or seized the place."""
        ...

    async def cast_doubt(self, service: str, environment: str, doubt: Doubt | None) -> None:
        """Record that it is not clear what runs in a place; a graver doubt stays (``places.graver``). None when it is clear again."""
        ...

    async def leave_by_hand(self, said: Declared, left: Sequence[Left]) -> None:
        """Record what somebody has gone back from by hand; what they say is there instead counts again."""
        ...

    async def give_up(self, stray: Stray) -> None:
        """Record a run that was given up, and start to look for its end; the same run twice is one."""
        ...

    async def found_ended(self, stray: Stray) -> None:
        """Forget a run that was given up and has ended."""
        ...

    async def claim(self, service: str, environment: str, id: DeploymentId, passing: tuple[DeploymentId, ...] = ()) -> bool:
        """Take an environment's claim if it is free (or already ours) and no older open deployment waits for it."""
        ...

    async def seize(self, service: str, environment: str, id: DeploymentId) -> None:
        """Give an environment's claim to a rollback, whoever holds it."""
        ...

    async def release(self, id: DeploymentId) -> None:
        """Let go of the claim that a deployment holds, if it holds one, and wake the next in the queue."""
        ...

    async def decide(self, decision: Decision) -> bool:
        """Store an approval or rejection; False when this person has decided about this commit before."""
        ...

    async def forget_decisions(self, id: DeploymentId) -> None:
        """Forget who has approved a deployment: it is asked for anew. The log keeps it."""
        ...

    async def recount(self, decision: Decision) -> None:
        """Store with which roles a decision counts now, or why it does not."""
        ...

    async def mark(self, mark: Mark) -> bool:
        """Store a mark; False when the key is marked already (by anybody)."""
        ...

    async def unmark(self, id: DeploymentId, key: str) -> None:
        """Take a mark back."""
        ...

    async def save_steps(self, id: DeploymentId, steps: Sequence[Step]) -> None:
        """Insert or update steps by index."""
        ...

    async def save_review(self, id: DeploymentId, review: Review) -> None:
        """Store the newest review (the one before is replaced)."""
        ...

    async def save_normal(self, id: DeploymentId, normal: Normal) -> None:
        """Store what is normal in the place of a deployment that begins."""
        ...

    async def save_trouble(self, id: DeploymentId, trouble: Trouble) -> None:
        """Store the newest finding."""
        ...

    async def save_way_back(self, id: DeploymentId, way: Way) -> None:
        """Store what lies between a deployment and what it would be rolled back to."""
        ...

    async def save_way_there(self, id: DeploymentId, way: Way) -> None:
        """Store what lies between what is live and a deployment that waits."""
        ...

    async def save_changes(self, id: DeploymentId, changes: Changes) -> None:
        """Store what the deployment changes."""
        ...

    async def add_snapshot(self, snapshot: Snapshot) -> None:
        """Store a snapshot; the same deployment and label are stored once (the newer replaces)."""
        ...

    async def set_live(self, live: Live) -> None:
        """Record what is live now; with ``verified_at`` or ``accepted`` the commit joins what can be gone back to.

        A declaration that comes with it is kept for the history.
        """
        ...

    async def put_in_quarantine(self, service: str, commit: str, *, reason: str, by: Person, at: datetime) -> None:
        """Keep a commit from being deployed, or chosen as a rollback target, again."""
        ...

    async def lift_quarantine(self, service: str, commit: str) -> bool:
        """Let a commit be deployed again; False when it was not quarantined."""
        ...

    async def add_lock(self, lock: Lock) -> bool:
        """Lock; False when a person has locked the same service and environment already. A rollback's lock stands beside it."""
        ...

    async def remove_lock(self, lock: Lock) -> bool:
        """Remove this very lock; False when it is gone already."""
        ...

    async def audit(self, entry: Entry) -> None:
        """Append to the hash-chained audit log."""
        ...

    async def keep_head(self, head: Head) -> None:
        """Store a signed head of the audit log."""
        ...

    async def say(self, message: Message) -> None:
        """Put a message into the outbox; the same key twice is one message."""
        ...

    async def start(self, runbook: str, id: str, *args: Json) -> None:
        """Start a runbook under an id; a second start with the same id is nothing."""
        ...

    async def wake(self, id: str) -> None:
        """Have a parked runbook look at the stored facts again, now."""
        ...


class Store(Protocol):
    """The database."""

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Open the one writing transaction; keep it short and never wait for the outside in it."""
        ...

    def reading(self) -> AbstractAsyncContextManager[Reader]:
        """Open a consistent view that never waits for writers."""
        ...

    def may_pass(self, error: Exception) -> bool:
        """Tell whether a fault is the machine's, not ours, and may be gone at the next try: a full disk, a file in use."""
        ...


@dataclass(frozen=True, slots=True)
class Restored:
    """That the database is not the one with which the bot last worked: an older copy was put back, or it comes from another machine."""

    newest: int
    """The number of its newest audit entry; 0 for an empty log."""
    known: int
    """The highest number that the bot has ever written here; 0 when nothing is known of that."""
    as_of: datetime | None
    """When its newest entry was written."""


class AuditLog(Protocol):
    """The audit chain, read in constant memory and off the event loop."""

    async def verify(self, heads: Sequence[Head] = (), *, since: Head | None = None, gently: bool = False) -> Report:
        """Verify the chain, from a head on or all of it, and compare it with heads; ``gently`` leaves half of the time to others."""
        ...

    async def newest_head(self) -> Head | None:
        """Read the newest head that was stored."""
        ...

    def stop(self) -> None:
        """Have a gentle verification that is under way give up."""
        ...


class HeadKeeper(Protocol):
    """Heads of the audit chain, kept outside the database."""

    def append(self, head: Head) -> None:
        """Keep a head. Raises OSError."""
        ...

    def read(self) -> tuple[Sequence[Head], Sequence[int]]:
        """Read all heads, and the numbers of the lines that are none. Raises OSError."""
        ...


@dataclass(frozen=True, slots=True)
class LeftOver:
    """What an earlier process accepted and did not finish."""

    starts: Mapping[str, int]
    """By key, how many starts it was left over at, this one included."""
    unreadable: tuple[str, ...] = ()
    """The keys of what cannot be read."""


class Inbox(Protocol):
    """Accepted commands. ``accept`` is what an ack waits for, so it commits many at once."""

    async def accept(self, intent: Intent) -> bool:
        """Store an intent durably; False when its key was stored before."""
        ...

    async def waiting(self) -> tuple[Intent, ...]:
        """List what was accepted and not finished, oldest first."""
        ...

    async def left_over(self) -> LeftOver:
        """Count one more start for everything that is accepted and not finished, and tell what has been there before."""
        ...

    async def begin(self, key: str) -> int:
        """Note that a command begins with nothing beside it; tell how often it has, and the process did not come back."""
        ...

    async def survived(self, key: str) -> None:
        """Note that the process came back from a command: it is not what ends it."""
        ...

    async def finish(self, key: str) -> None:
        """Forget an intent's contents (its key is kept for a day against late duplicates)."""
        ...


# What providers and the announcer remember ----------------------------------------------------------------------------------------------


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
        """Store a new run; when its correlation is taken, return the stored one and change nothing."""
        ...

    async def save(self, run: LocalRun) -> bool:
        """Store what has changed; False for a run that had ended already: a final state is never left again."""
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
    BROKEN = "broken"  # the vendor answered with a fault of its own: it is done with it, and may have started it


@dataclass(frozen=True, slots=True)
class StoredStart:
    """A start at a CI provider outside, as it is stored: before the vendor is asked, and again when it has answered."""

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
        """Store a start; one that is there of the same vendor, service and correlation is replaced."""
        ...

    async def get(self, vendor: str, service: str, correlation: str) -> StoredStart | None:
        """Read a start."""
        ...


@dataclass(frozen=True, slots=True)
class Sample:
    """One scrape of one endpoint: counter values as they were read, keyed as the metrics source likes."""

    service: str
    environment: str
    endpoint: str
    at: datetime
    values: Mapping[str, Json]


class SampleStore(Protocol):
    """Where the scraping metrics source keeps its history, within bounds."""

    async def add(self, samples: Sequence[Sample]) -> None:
        """Store scrapes."""
        ...

    async def between(self, service: str, environment: str, start: datetime, end: datetime) -> tuple[Sample, ...]:
        """List scrapes, oldest first."""
        ...

    async def prune(self, before: datetime) -> None:
        """Forget what is older."""
        ...


@dataclass(frozen=True, slots=True)
class Posting:
    """A message in Slack that belongs to a key: ``card:storefront-42`` or an outbox message's own key.

    ``ts`` is empty while the posting is intended but not known to have happened: then look before posting again.
    """

    key: str
    channel: str
    ts: str = ""
    digest: str = ""
    """Of the content as it was last shown."""


class Postings(Protocol):
    """What the announcer has posted, and the outbox that it still has to post."""

    async def get(self, key: str) -> Posting | None:
        """Read a posting."""
        ...

    async def intend(self, key: str, channel: str) -> Posting:
        """Store the intent to post, before posting; returns the stored one when there is one."""
        ...

    async def save(self, posting: Posting) -> None:
        """Store where it was posted and what it shows."""
        ...

    async def outbox(self, limit: int = 50) -> tuple[Message, ...]:
        """List unsent messages, oldest first."""
        ...

    async def heads(self, limit: int = 50, *, besides: Collection[str] = ()) -> tuple[Message, ...]:
        """List the oldest unsent message of each lane but those ``besides``: alarms before what goes into threads, then oldest first."""
        ...

    async def sent(self, key: str) -> None:
        """Take a message out of the outbox."""
        ...

    async def asked(self, key: str) -> None:
        """Take a message out of the outbox that asks somebody for something, and remember it until it has its end."""
        ...

    async def asking(self, deployments: Collection[DeploymentId] | None = None) -> tuple[Message, ...]:
        """List what has been said of some deployments (None: of all) and still asks."""
        ...

    async def drop(self, key: str) -> None:
        """Take a message out of the outbox that has been overtaken and was never said."""
        ...

    async def park(self, key: str, why: str) -> None:
        """Put a message aside that Slack does not take; the others flow on."""
        ...

    async def unpark(self) -> None:
        """Give what was put aside another chance: words may have been repaired, a person may be back."""
        ...


# What the engine remembers ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A runbook under way, as it is stored."""

    id: str
    name: str
    version: int
    args: tuple[Json, ...]
    wakes: int
    """How often it was woken; a wake-up during execution changes it, so that none is lost."""
    attempts: int = 0
    """How often the step that comes next has failed."""
    faults: int = 0
    """How often of these for a reason which waiting does not cure."""
    state: str = "waiting"
    """``waiting``, ``done`` or ``blocked``."""
    wake_at: datetime | None = None
    error: str = ""
    result: Json = None


class JournalStore(Protocol):
    """The engine's memory: runs, and what each has done under which name."""

    async def start(self, id: str, name: str, version: int, args: Sequence[Json]) -> bool:
        """Store a run that is due now; False when the id is taken."""
        ...

    async def get(self, run: str) -> RunRecord | None:
        """Read how a run stands."""
        ...

    async def due(
        self, now: datetime, limit: int = 100, *, excluding: Collection[str] = (), named: Collection[str] = ()
    ) -> tuple[RunRecord, ...]:
        """List the runs whose time has come, without those that are being executed; of ``named`` runbooks alone, where some are named."""
        ...

    async def next_due(self, after: datetime) -> datetime | None:
        """Tell when the next run is due that is not due yet."""
        ...

    async def entries(self, run: str) -> Mapping[str, Json]:
        """Read what a run has done, in order."""
        ...

    async def record(self, run: str, name: str, value: Json) -> None:
        """Write down what a run has done."""
        ...

    async def park(self, record: RunRecord, wake_at: datetime | None, *, attempts: int = 0, faults: int = 0, error: str = "") -> None:
        """Put a run to sleep; if it was woken since ``record`` was read it stays due."""
        ...

    async def finish(self, run: str, result: Json) -> None:
        """Close a run."""
        ...

    async def block(self, run: str, why: str) -> None:
        """Put a run aside that cannot go on without a person."""
        ...

    async def unblock(self) -> None:
        """Give the runs that were put aside another chance: a new version may know them."""
        ...


# The engine -----------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Later:
    """What a look may answer instead of None: there is nothing yet, look again after ``pause``, whatever ``every`` says."""

    pause: timedelta


class Run(Protocol):
    """A runbook's own two verbs. Names are unique within a run; what has happened under a name is never done again."""

    @property
    def id(self) -> str:
        """The id under which the runbook was started."""
        ...

    async def step(self, name: str, do: Callable[[*Ts], Awaitable[R]], *args: *Ts) -> R:
        """Do something once and remember its result. It may be done again after a crash, so ``do`` finds before it does.

        What it is declared to return is written down and read back, on the first pass too. An IntegrationError with ``retry`` is tried
        again with back-off for as long as it takes.
        """
        ...

    async def until(self, name: str, look: Callable[[*Ts], Awaitable[R | Later | None]], *args: *Ts, every: timedelta) -> R:
        """Look at the stored facts, now, on every wake-up and every so often, until the look returns something.

        None is nothing, and so is ``Later``.
        """
        ...


Runbook = Callable[..., Awaitable[object]]
"""``async def runbook(run: Run, *args: Json) -> Json``."""


class Engine(Protocol):
    """Durable execution."""

    async def open(self) -> None:
        """Begin to work; what was under way goes on."""
        ...

    async def close(self) -> None:
        """Stop between two steps; what is under way goes on at the next start."""
        ...

    async def start(self, runbook: str, id: str, *args: Json) -> bool:
        """Start the newest version of a runbook; False when the id was started before."""
        ...

    def nudge(self) -> None:
        """Something was committed that may have started or woken a run."""
        ...


@dataclass(frozen=True, slots=True)
class Standing:
    """How an open deployment stands; people as ``T…/U…``, times as ISO 8601."""

    id: DeploymentId
    version: str
    state: str
    lead: str = ""
    undoes: DeploymentId = ""
    """For a rollback: the deployment that it undoes."""
    behind: DeploymentId = ""
    """The deployment that has the environment, while this one is queued."""
    is_reviewed: bool = False
    gates: int = 0
    """How many gates have to hold, and of these how many do not."""
    blocking: int = 0
    after: DeploymentId = ""
    """The deployment whose watch is all that it waits for."""
    decides: DeploymentId = ""
    """The deployment that is live there and whose lead has to decide about it first."""
    is_degraded: bool = False
    is_blind: bool = False
    """Whether it stands still because there are no numbers to judge by."""
    goes_on: bool = False
    """Whether it goes on all the same, because its lead has let it."""
    waits_for_word: bool = False
    """Whether it waits for its lead to let it,"""
    by_itself: str = ""
    """and what lets it go on without that, as a sentence goes on: until the lead decides or …; empty for nothing."""
    countdown_until: str = ""
    percent: int = 0
    """How many percent of the traffic the steps that are whole have given it."""
    keeps: str = ""
    """Why it stands still before its next step; empty where it does not."""
    late: int = 0
    """Of how many percent the run, or smoke test, under way is where that takes longer than it should, and"""
    late_since: str = ""
    """since when it has been going; empty where none does."""
    is_smoke_late: bool = False


@dataclass(frozen=True, slots=True)
class WayOut:
    """How one gets rid of what is live in a place; people as ``T…/U…``."""

    environment: str
    how: str
    """``rollback.Leaving``."""
    deployment: DeploymentId = ""
    """What is to be rolled back, and by whom; empty where nobody leads it."""
    lead: str = ""


@dataclass(frozen=True, slots=True)
class UnderWay:
    """A version that is under way in a place: what it has there, and who can take it away or stop it; people as ``T…/U…``."""

    environment: str
    deployment: DeploymentId
    how: str
    """``rollback.Leaving``."""
    who: tuple[str, ...]
    """Who can do that; empty where nobody leads it."""
    is_begun: bool
    percent: int
    coming: int
    """Likewise as in ``share.Brought``."""

    @property
    def facts(self) -> dict[str, Json]:
        """Give it as JSON values."""
        return {**asdict(self), "how": str(self.how), "who": list(self.who)}


@dataclass(frozen=True, slots=True)
class BoardRow:
    """One line of ``/deploy status``."""

    service: str
    environment: str
    live: Live | None
    open: tuple[Standing, ...] = ()
    locks: tuple[Lock, ...] = ()
    frozen_until: datetime | None = None
    frozen_because: str = ""
    unclear: str = ""
    """Why it is not known what runs there; empty when it is. Then ``live`` is only what was recorded last."""
    can_roll_back: bool = False
    """Whether there is something there then that ``/rollback`` takes."""
    snapshot: Snapshot | None = None
    """The newest numbers of what is live; None when nobody has looked at them."""
    quarantined: str = ""
    """Why what is live is quarantined; empty when it is not. Then"""
    way_out: WayOut | None = None
    """how it goes from there."""
    share: Share | None = None
    """What it has of the requests, while another rolls out over it or a rollback is under way."""
    serves: Beside | None = None
    """What else serves there, or serves instead of it."""
    held_by: DeploymentId = ""
    """What is under way there, whose end somebody's word for what is live waits for; empty for nothing."""
    can_deploy: bool = False
    """Whether what somebody asks for now goes there although it is unclear what runs."""
    extra: Mapping[str, Any] = field(default_factory=dict)


CardOf = Callable[[DeploymentId], Awaitable[Card | None]]
"""Fill a deployment's card from the store (given to the announcer by the composition root)."""


@dataclass(frozen=True, slots=True)
class CardDue:
    """The card on which a deployment shows (a rollback: the one that it undoes), and how urgent it is that it shows the newest state."""

    card: DeploymentId
    urgency: Urgency
    state: State
    channel: str = ""
    """Where it is posted when it has not been posted yet."""


CardsDue = Callable[[Collection[DeploymentId]], Awaitable[Mapping[DeploymentId, CardDue]]]
"""Look which cards show these deployments, and how urgent each is; one that does not exist is missing from the answer."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How what a message asks for has ended, in a sentence; where that is not the last word, it is looked at again."""

    sentence: str
    is_final: bool = True


Ended = Callable[[Message], Awaitable[Ending | None]]
"""Say how what a message asks for has ended, in one sentence; None while it still asks."""
StillTrue = Callable[[Message], Awaitable[Message | None]]
"""Give a message as it may be said at this moment: as it is, in other words, or None when it has been overtaken."""
