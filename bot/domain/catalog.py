"""What the team has configured, as plain values. ``bot.catalog`` reads them from
gonogo.yaml and reports mistakes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from bot.domain.people import Person

EVERYBODY = 100
"""Per cent: a step that reaches all of the traffic or all instances."""
NO_PROVIDER = "none"
"""The provider of a job that a team has chosen to do without: no numbers, or nobody on call."""


@dataclass(frozen=True, slots=True)
class Role:
    """Who holds a role: named people and Slack user groups (``S…``). Nobody
    named means nobody holds it.
    """

    name: str
    people: frozenset[Person] = frozenset()
    groups: frozenset[str] = frozenset()


class Permission(StrEnum):
    """What can be given to a role. Rolling back belongs to the deployment
    lead alone and is not here.
    """

    DEPLOY = "deploy"
    LOCK = "lock"
    HAND_OVER = "hand over"  # change the lead of somebody else's deployment
    VIEW = "view"


@dataclass(frozen=True, slots=True)
class ApprovalRule:
    """``count`` approvals by different people who hold ``role``; never the requester."""

    role: str
    count: int = 1


class Need(StrEnum):
    """How much a gate weighs."""

    REQUIRED = "required"
    OPTIONAL = "optional"  # shown, does not block


class GateKind(StrEnum):
    """The automatic readiness checks. Each is answered from facts; no facts is never green."""

    TESTS = "tests"  # the pinned commit's tests are green at the CI provider
    STAGED = "staged"  # the same commit is live and verified in the environment before
    ROLLBACK = "rollback"  # a verified rollback target exists
    UNLOCKED = "unlocked"
    UNFROZEN = "unfrozen"
    ON_CALL = "on-call"  # somebody is on call and has acknowledged


@dataclass(frozen=True, slots=True)
class AutomaticGate:
    """One automatic check as configured for an environment."""

    kind: GateKind
    need: Need = Need.REQUIRED


@dataclass(frozen=True, slots=True)
class ChecklistItem:
    """One manual check: ``key`` names it for ever, ``title`` is what people
    read, ``role`` may tick it.
    """

    key: str
    title: str
    role: str
    need: Need = Need.REQUIRED


class Tier(StrEnum):
    """How near an environment is to the customers. Protection hangs on this, never
    on an environment's name.
    """

    DEVELOPMENT = "development"
    TESTING = "testing"
    STAGING = "staging"
    PRODUCTION = "production"


class TooLittleTraffic(StrEnum):
    """What a rollout does at the end of a step whose numbers are too few to tell."""

    WAIT = "wait"  # until there are enough
    GO_ON = "go_on"
    ASK = "ask"  # the lead decides


@dataclass(frozen=True, slots=True)
class StrategyStep:
    """One step of a rollout: one run at the CI provider, then a hold under observation.

    ``percent`` of the traffic (canary) or of the instances (rolling) that the new version has after
    this step; 100 ends the rollout.
    """

    percent: int
    hold: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Strategy:
    """An ordered list of steps. ``kind`` decides what the CI run is asked to do:
    ``canary`` or ``rolling``.
    """

    name: str
    kind: str
    steps: tuple[StrategyStep, ...]
    too_little_traffic: TooLittleTraffic | None = None
    """What the team has chosen; None for the rule of ``on_too_little_traffic``."""

    def on_too_little_traffic(self, tier: Tier, *, following: int | None) -> TooLittleTraffic:
        """Say what a step does that ends with too little traffic; ``following`` is the percentage
        of the next step, None after the last.

        Unless the team has chosen, the lead is asked before everybody in
        production gets the version.
        """
        if self.too_little_traffic is not None:
            return self.too_little_traffic
        is_last_chance = tier is Tier.PRODUCTION and following == EVERYBODY
        return TooLittleTraffic.ASK if is_last_chance else TooLittleTraffic.GO_ON


class AutomaticRollback(StrEnum):
    """What happens when the metrics say degraded. A failed smoke test always rolls back."""

    OFF = "off"  # hold the rollout and raise the alarm; the lead decides
    # the same, and roll back when the countdown ends unless the lead stops
    # it or the metrics recover
    COUNTDOWN = "countdown"


@dataclass(frozen=True, slots=True)
class Freeze:
    """A time in which an environment takes no deployment: configured, or kept at the CI provider.
    Half-open: ``start <= now < end``.
    """

    environment: str
    start: datetime
    end: datetime
    reason: str


class MetricKind(StrEnum):
    """How a metric is judged."""

    RATIO = "ratio"  # counts: errors per request, orders per visit; a pooled test of counts
    LEVEL = "level"  # a latency or another level; a test of ranks


class Direction(StrEnum):
    """Which way is worse."""

    UP_IS_WORSE = "up is worse"
    DOWN_IS_WORSE = "down is worse"


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """One metric of a service and the smallest change that matters.

    ``query`` is for the metrics provider (the domain does not read it). A change counts when
    it is significant, at least ``min_ratio`` times and at least ``min_change`` in the
    metric's own unit; below ``min_samples`` (requests for a ratio, points for a level) the
    answer is "not enough traffic".
    """

    key: str
    title: str
    kind: MetricKind
    direction: Direction = Direction.UP_IS_WORSE
    unit: str = ""
    """``%`` for ratios (values are 0..1 and shown as per cent), ``ms`` and the like for levels."""
    min_ratio: float = 1.5
    min_change: float = 0.002
    min_samples: int = 50
    critical: bool = True
    """Whether this metric alone makes the verdict "degraded", and whether having no data
    for it counts as "no data".
    """
    query: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a provider in gonogo.yaml; ``sentence`` is printed in the reference."""

    sentence: str
    required: bool = False
    is_path: bool = False
    """A relative path, counted from the folder of gonogo.yaml; an address with a scheme
    or a host stays as it is.
    """
    is_repository: bool = False
    """Whether it says in which repository the service is: services of one
    repository share its tags.
    """


def _nothing(_path: str) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class PathPatterns:
    """Which files of a repository are meant, by gitignore's rules.
    ``bot.catalog.paths`` compiles them.
    """

    written: tuple[str, ...] = ()
    """As they stand in gonogo.yaml."""
    matches: Callable[[str], bool] = field(default=_nothing, compare=False)
    """Tell whether a file is meant; its path is counted from the repository's root."""

    def __bool__(self) -> bool:
        return bool(self.written)


@dataclass(frozen=True, slots=True)
class ProviderChoice:
    """Which provider does a job for a service, and its own options (validated by the
    provider when the bot starts).
    """

    provider: str
    options: Mapping[str, Any] = field(default_factory=dict)
    repository: tuple[str, ...] = ()
    """In which repository the service is, by the options that say so; empty where none does."""

    def shares_repository(self, other: ProviderChoice) -> bool:
        """Tell whether another service is in the same repository."""
        return bool(self.repository) and self.repository == other.repository


@dataclass(frozen=True, slots=True)
class EnvironmentPolicy:
    """How deployments of one service to one environment go."""

    name: str
    strategy: str
    tier: Tier = Tier.PRODUCTION
    """Production unless the team says otherwise."""
    gates: tuple[AutomaticGate, ...] = ()
    checklist: tuple[ChecklistItem, ...] = ()
    approvals: tuple[ApprovalRule, ...] = ()
    approval_expires: timedelta = timedelta(hours=4)
    """An approval request and an unready deployment expire after this long."""
    after: str = ""
    """The environment where the same commit must be live and verified first (gate ``staged``)."""
    smoke: bool = True
    """Whether a smoke run follows each step."""
    baseline: timedelta = timedelta(minutes=30)
    """How far the baseline looks back from the first step."""
    watch: timedelta = timedelta(minutes=30)
    """How long a landed deployment is watched before it counts as verified."""
    snapshots: tuple[timedelta, ...] = tuple(timedelta(minutes=m) for m in (1, 5, 10, 15, 30))
    """When snapshots are taken during the watch."""
    automatic_rollback: AutomaticRollback = AutomaticRollback.OFF
    countdown: timedelta = timedelta(seconds=60)
    lock_after_rollback: bool = True
    plan_by: tuple[str, ...] = ()
    """The roles that confirm that the migrations' own plan is ready, where going back would leave
    migrations behind (gate ``rollback``).
    """
    is_watched: bool = True
    """Whether there are numbers at all. Without, no step waits for a verdict, and what has landed
    can be accepted, never verified.
    """
    targets: Mapping[str, Any] = field(default_factory=dict)
    """Where the metrics provider looks for this environment (for ``scrape``: endpoints)."""
    summary_after: timedelta | None = timedelta(minutes=30)
    """When the scheduled post-deploy summary is posted, counted from landing; None for never."""


@dataclass(frozen=True, slots=True)
class Service:
    """One thing that is deployed."""

    name: str
    ci: ProviderChoice
    metrics: ProviderChoice
    on_call: ProviderChoice
    environments: Mapping[str, EnvironmentPolicy]
    """In the order of promotion: the first is the furthest from the customers."""
    metric_specs: tuple[MetricSpec, ...] = ()
    channel: str = ""
    """Where its cards are posted; empty for the channel in which the command was typed."""
    migrations: PathPatterns = PathPatterns()
    """Which files are database migrations, for the truth about a rollback."""
    tags: str = ""
    """How the service's versions are tagged, with one ``*`` for the version;
    empty for the usual ways.
    """
    paths: PathPatterns = PathPatterns()
    """Which files of the repository are the service's own; none for all."""

    @property
    def has_on_call(self) -> bool:
        """Tell whether anybody can be on call: without, whoever asks is the lead, unless
        the request names another.
        """
        return self.on_call.provider != NO_PROVIDER


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything that gonogo.yaml says."""

    team: str
    """The Slack workspace (``T…``). People and requests of any other are refused."""
    roles: Mapping[str, Role]
    permissions: Mapping[Permission, frozenset[str]]
    """Which roles hold which permission. A permission that is not named belongs to nobody."""
    services: Mapping[str, Service]
    strategies: Mapping[str, Strategy]
    freezes: tuple[Freeze, ...] = ()
    timezone: str = "UTC"
    """For scheduled summaries."""
    morning: str = "09:00"
    """When the next-morning summary is posted, local to ``timezone``."""
