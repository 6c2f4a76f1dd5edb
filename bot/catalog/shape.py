"""The shape of gonogo.yaml: what may stand where. Whether the names in it fit each other
is checked in ``build``.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, field_validator

from bot.catalog.values import (
    ChannelId,
    Clock,
    Duration,
    DurationOrOff,
    GroupId,
    LocalTime,
    Name,
    RoleName,
    TeamId,
    Timezone,
    UserId,
)
from bot.domain.catalog import NO_PROVIDER

WHOLE = 100


class Shape(BaseModel):
    """A mapping in the file; unknown keys are mistakes."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, populate_by_name=False
    )


class RoleShape(Shape):
    """Who holds a role. Nobody named means nobody holds it."""

    people: tuple[UserId, ...] = ()
    """Slack user ids (U…)."""
    groups: tuple[GroupId, ...] = ()
    """Slack user groups (S…)."""


class PermissionsShape(Shape):
    """Which roles may do what. A permission that is not named belongs to nobody."""

    deploy: tuple[RoleName, ...] = ()
    """Ask for a deployment."""
    lock: tuple[RoleName, ...] = ()
    """Lock and unlock an environment."""
    hand_over: tuple[RoleName, ...] = ()
    """Change the lead of, or cancel, somebody else's deployment."""
    view: tuple[RoleName, ...] = ()
    """See status, history and checks."""


class StepShape(Shape):
    """One step of a rollout: one run at the CI provider, then a hold under observation."""

    percent: int = Field(ge=1, le=WHOLE)
    """Of the traffic (canary) or of the instances (rolling) that the new
    version has after this step.
    """
    hold: Duration = Field(default=timedelta(0), json_schema_extra={"default": "0"})
    """How long the step is observed before the next one."""


class StrategyShape(Shape):
    """An ordered list of steps."""

    kind: Literal["canary", "rolling"]
    """What the CI run is asked to do."""
    steps: tuple[StepShape, ...]
    """Percentages increase and end at 100."""
    too_little_traffic: Literal["wait", "go_on", "ask"] | None = None
    """At the end of a step with too few numbers to tell: wait for more, go on, or ask the lead.
    Default: ask before 100 % in the tier production, else go on.
    """

    @field_validator("steps")
    @classmethod
    def _rises_to_all(cls, steps: tuple[StepShape, ...]) -> tuple[StepShape, ...]:
        percents = [step.percent for step in steps]
        if not percents or percents[-1] != WHOLE:
            raise ValueError(
                "the last step must have percent: 100, or the rollout would never end."
            )
        if percents != sorted(set(percents)):
            raise ValueError(
                "percentages must increase from step to step; these are "
                f"{', '.join(map(str, percents))}."
            )
        return steps


class ItemShape(Shape):
    """One manual check that people tick."""

    key: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
    """Names the item for ever; never shown."""
    title: Annotated[str, Field(min_length=1, max_length=75)]
    """What people read."""
    role: RoleName
    """Who may tick it."""
    need: Literal["required", "optional"] = "required"
    """Optional items are shown and do not block."""


class ApprovalShape(Shape):
    """Approvals by different people who hold a role; never by the requester."""

    role: RoleName
    """Who may approve."""
    count: int = Field(default=1, ge=1, le=20)
    """How many of them must."""


Need = Literal["required", "optional", "off"]
GateSet = Literal["recommended-1"]


class GatesShape(Shape):
    """The automatic checks, one by one. What is not named is as in the set."""

    set: GateSet | None = None
    """A named set of gates, which never changes. Default recommended-1: see the table below."""
    tests: Need | None = None
    """The pinned commit's tests are green at the CI provider."""
    staged: Need | None = None
    """The same commit is live and verified in the environment named by `after`."""
    rollback: Need | None = None
    """A verified version to go back to exists."""
    unlocked: Need | None = None
    """Nobody has locked the environment."""
    unfrozen: Need | None = None
    """No freeze is in force, neither a configured one nor one that the CI provider keeps."""
    on_call: Need | None = None
    """Somebody is on call and has acknowledged."""


def _word_or(other: str, expected: str) -> Discriminator:
    """Tell a word from a list or a mapping, so that a mistake is told of the one that was meant."""
    return Discriminator(
        lambda value: "word" if isinstance(value, str) else other,
        custom_error_type="word",
        custom_error_message=expected,
    )


Checklist = Annotated[
    Annotated[str, Tag("word")] | Annotated[tuple[ItemShape, ...], Tag("items")],
    _word_or("items", "should be a checklist's name or a list of items"),
]
Gates = Annotated[
    Annotated[Literal["recommended-1", "none"], Tag("word")] | Annotated[GatesShape, Tag("gates")],
    _word_or("gates", "should be a set's name, none, or a mapping of gates"),
]
Approvals = Annotated[
    Annotated[Literal["none"], Tag("word")] | Annotated[tuple[ApprovalShape, ...], Tag("rules")],
    _word_or("rules", "should be none, or a list of roles"),
]


class EnvironmentShape(Shape):
    """How deployments of one service to one environment go."""

    tier: Literal["development", "testing", "staging", "production"] = "production"
    """How near it is to the customers; its name does not matter. Production needs approvals, has
    every gate, and fails closed.
    """
    after: Name | None = None
    """The environment where the same commit must be live and verified first."""
    strategy: str = "rolling"
    """A strategy's name; a request can ask for another one."""
    gates: Gates = GatesShape()
    """The automatic checks: a set's name, one by one, or none for no check at all."""
    checklist: Checklist | None = None
    """A checklist's name, or its items. Default: `planning-1` in the tier
    production, nothing elsewhere.
    """
    approvals: Approvals = ()
    """Who has to approve. At least one in the tier production, or the word none: then one
    person alone can deploy here.
    """
    approval_expires: Duration | None = None
    """When a request that is not ready or not approved expires. Default 4h."""
    smoke: bool = True
    """Whether a smoke run follows each step."""
    baseline: Duration | None = None
    """How far the baseline looks back from the first step. Default 30m."""
    watch: Duration | None = None
    """How long a landed deployment is watched before it counts as verified. Default 30m."""
    snapshots: tuple[Duration, ...] | None = None
    """When snapshots are taken during the watch. Default 1m, 5m, 10m, 15m, 30m."""
    automatic_rollback: Literal["off", "countdown"] = "off"
    """What happens when the metrics say degraded. A failed smoke test always rolls back."""
    countdown: Duration | None = None
    """How long the lead can stop an automatic rollback. Default 60s."""
    lock_after_rollback: bool = True
    """Whether a rollback locks the environment with its reason."""
    plan_by: RoleName | None = None
    """Who confirms the migrations' own plan where no button goes back over them (gate rollback).
    Default: who may hand over a lead.
    """
    metrics: Literal["none"] | None = None
    """none: this environment has no numbers. Nothing judges a step there, and what has landed is
    accepted, never verified.
    """
    targets: dict[str, Any] = {}
    """Where the metrics provider looks; for scrape: endpoints."""
    summary_after: DurationOrOff = Field(
        default=timedelta(minutes=30), json_schema_extra={"default": "30m"}
    )
    """When the post-deploy summary is posted, counted from landing; off for never."""


class ProviderShape(BaseModel):
    """Which provider does a job; its own options stand beside it and are
    checked when the bot starts.
    """

    model_config = ConfigDict(extra="allow", frozen=True, use_attribute_docstrings=True)

    provider: str
    """The provider's name."""


ProviderOrNone = Annotated[
    Annotated[Literal["none"], Tag("word")] | Annotated[ProviderShape, Tag("provider")],
    _word_or("provider", "should be none, or a mapping with provider"),
]


class MetricShape(Shape):
    """One metric of a service and the smallest change that matters."""

    key: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
    """Names the metric for ever."""
    title: str
    """What people read: errors, p95, conversion."""
    kind: Literal["ratio", "level"]
    """A ratio is judged by counts (errors per request), a level by ranks (a latency)."""
    worse: Literal["up", "down"] = "up"
    """Which way is worse."""
    unit: str | None = None
    """Default % for a ratio; ms and the like for a level."""
    min_ratio: float = Field(default=1.5, ge=1)
    """A change counts when it is at least this many times."""
    min_change: float = Field(default=0.002, ge=0)
    """And at least this much, in the metric's own unit (0.002 of a ratio is 0.2 %)."""
    min_samples: int = Field(default=50, ge=1)
    """Below this (requests for a ratio, points for a level) the answer is "not enough traffic"."""
    critical: bool = True
    """Whether this metric alone makes the verdict degraded."""
    query: dict[str, Any]
    """For the metrics provider; see the provider's page."""


class ServiceShape(Shape):
    """One thing that is deployed."""

    channel: ChannelId = ""
    """Where its cards are posted (C…). Default: the file's channel, else
    where the command was typed.
    """
    ci: ProviderShape
    """provider: local, with repository: the path of its git repository, relative to this file."""
    metrics: ProviderOrNone
    """provider: scrape, with every: 15s. Or none: nothing judges a step, and what has landed is
    accepted, never verified.
    """
    on_call: ProviderOrNone
    """provider: rota, with schedule: a rota's name. Or none: nobody is asked to acknowledge, and
    whoever asks is the lead.
    """
    migrations: tuple[str, ...] = ()
    """Which files are database migrations, as in a .gitignore file: `migrations/`, `db/**/*.sql`. A
    rollback over one is refused.
    """
    tags: str | None = Field(
        default=None, pattern=r"^[A-Za-z0-9._/@+-]{0,100}\*[A-Za-z0-9._/@+-]{0,100}$"
    )
    """How the service's versions are tagged, with one `*` for the version: `web-v*`,
    `release/*`. Default: `v1.2.0` or `1.2.0`, or with the service's name `web@1.2.0`,
    `web/v1.2.0`, `web-v1.2.0`.
    """
    paths: tuple[str, ...] = ()
    """Which files are the service's own, as in a .gitignore file, where several services share a
    repository: `services/web/`, `libs/`. Default: all of them.
    """
    watch: tuple[MetricShape, ...] = ()
    """The metrics that are compared with the baseline."""
    environments: Annotated[dict[Name, EnvironmentShape], Field(min_length=1)]
    """In the order of promotion: the first is the furthest from the customers."""


def is_none(job: ProviderShape | str) -> bool:
    """Tell whether a team has chosen to do without a job."""
    return (job if isinstance(job, str) else job.provider) == NO_PROVIDER


class OverrideShape(Shape):
    """Somebody else on call for a span of time."""

    person: UserId | Literal["nobody"]
    """Who; nobody for an announced gap."""
    start: LocalTime = Field(alias="from")
    """In the rota's time zone."""
    end: LocalTime = Field(alias="to")
    """Half-open: not on call any more at this time."""


class RotaShape(Shape):
    """Who is on call: people in order."""

    timezone: Timezone = "UTC"
    """Whose clock the times are on."""
    people: Annotated[tuple[UserId, ...], Field(min_length=1)]
    """In the order of their shifts."""
    shift: Duration
    """How long one person is on call."""
    handover: str = "09:00"
    """`Mon 09:00`, or `09:00` for shifts of days."""
    start: LocalTime
    """The day of the first shift."""
    hours: str | None = None
    """When anybody is on call at all: `Mon-Fri 08:00-18:00`. Default: always."""
    overrides: tuple[OverrideShape, ...] = ()
    """Of two that overlap the later in the list counts."""


class FreezeShape(Shape):
    """A time in which an environment takes no deployment; a rollback passes."""

    environment: Name
    """The environment of every service."""
    start: LocalTime = Field(alias="from")
    """In the file's time zone."""
    end: LocalTime = Field(alias="to")
    """Half-open: free again at this time."""
    reason: Annotated[str, Field(min_length=1, max_length=200)] = Field(alias="because")
    """What people read."""


class GonogoShape(Shape):
    """The catalog of a team: people, services, environments and how deployments go."""

    version: Literal[1]
    """The version of this format."""
    team: TeamId
    """The Slack workspace (T…). People and requests of any other are refused."""
    channel: ChannelId = ""
    """Where cards are posted when the service names no channel of its own."""
    timezone: Timezone = "UTC"
    """For scheduled summaries and freezes."""
    morning: Clock = "09:00"
    """When the next-morning summary is posted."""
    roles: dict[RoleName, RoleShape] = {}
    """Who holds which role."""
    permissions: PermissionsShape = PermissionsShape()
    """Which roles may do what."""
    strategies: dict[Name, StrategyShape] = {}
    """Added to the built-in ones, canary and rolling; the same name replaces one."""
    checklists: dict[Name, tuple[ItemShape, ...]] = {}
    """Added to the built-in one, planning-1; the same name replaces it."""
    services: Annotated[dict[Name, ServiceShape], Field(min_length=1)]
    """What is deployed."""
    rotas: dict[str, RotaShape] = {}
    """Who is on call."""
    freezes: tuple[FreezeShape, ...] = ()
    """When environments take no deployment."""
