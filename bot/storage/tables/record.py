"""What has been asked for, decided, done and seen: deployments, their places, and the audit log."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from bot.storage.tables.columns import Document, UtcDateTime


class DeploymentRow(SQLModel, table=True):
    """A deployment or a rollback."""

    __tablename__ = "deployment"
    __table_args__ = (
        UniqueConstraint("service", "number"),
        Index("deployment_place", "service", "environment", "number"),
        Index("deployment_state", "state", "service", "environment"),
        Index("deployment_landed", "landed_at"),
        Index("deployment_changed", "state_since"),
        Index("deployment_commit", "commit", "service", "environment"),
        Index("deployment_undoes", "undoes"),
    )
    id: str = Field(primary_key=True)
    number: int
    kind: str
    service: str
    environment: str
    ref: str
    version: str
    commit: str = ""
    strategy: str
    requested_by: str
    lead: str | None = None
    state: str
    state_since: datetime = Field(sa_type=UtcDateTime)
    requested_at: datetime = Field(sa_type=UtcDateTime)
    asked_anew_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    reason: str = ""
    note: str = ""
    ended_by: str | None = None
    channel: str = ""
    base_commit: str = ""
    base_version: str = ""
    undoes: str = ""
    started_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    landed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    finished_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    countdown_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    accepted: str = ""


class PlaceRow(SQLModel, table=True):
    """A service in an environment: the number of its newest permit, and why it is
    not known what runs there.
    """

    __tablename__ = "place"
    service: str = Field(primary_key=True)
    environment: str = Field(primary_key=True)
    epoch: int = 0
    unclear: str = ""
    why: str = ""
    deployment: str = ""
    since: datetime | None = Field(default=None, sa_type=UtcDateTime)
    seen: str = ""
    """The commits of ``places.Doubt.seen``, with a blank between them."""


class StrayRow(SQLModel, table=True):
    """A run that was given up and has not been seen to end."""

    __tablename__ = "stray"
    service: str = Field(primary_key=True)
    run: str = Field(primary_key=True)
    environment: str
    deployment: str
    step: str
    url: str = ""
    unanswered: bool = False
    since: datetime = Field(sa_type=UtcDateTime)


class ClaimRow(SQLModel, table=True):
    """Which deployment has an environment to itself."""

    __tablename__ = "claim"
    service: str = Field(primary_key=True)
    environment: str = Field(primary_key=True)
    deployment: str = Field(index=True)


class DecisionRow(SQLModel, table=True):
    """An approval or a rejection: one per person and commit, over what was live then."""

    __tablename__ = "decision"
    deployment: str = Field(primary_key=True)
    by: str = Field(primary_key=True)
    commit: str = Field(primary_key=True)
    base: str = Field(default="", primary_key=True)
    roles: Any = Field(sa_type=Document)
    approved: bool
    at: datetime = Field(sa_type=UtcDateTime)
    reason: str = ""
    why_not: str = ""


class MarkRow(SQLModel, table=True):
    """Something that was said once about a deployment."""

    __tablename__ = "mark"
    deployment: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    by: str
    at: datetime = Field(sa_type=UtcDateTime)
    reason: str = ""


class StepRow(SQLModel, table=True):
    """A step of a rollout; ``seconds`` is how long its CI run took, for estimates."""

    __tablename__ = "step"
    __table_args__ = (Index("step_estimate", "service", "environment", "key", "deployed_at"),)
    deployment: str = Field(primary_key=True)
    index: int = Field(primary_key=True)
    service: str
    environment: str
    key: str
    run: str = Field(default="", index=True)
    seconds: float | None = None
    deployed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    body: Any = Field(sa_type=Document)


class SnapshotRow(SQLModel, table=True):
    """A snapshot of the metrics; the baseline is the one labelled so."""

    __tablename__ = "snapshot"
    __table_args__ = (Index("snapshot_order", "deployment", "at"),)
    deployment: str = Field(primary_key=True)
    label: str = Field(primary_key=True)
    at: datetime = Field(sa_type=UtcDateTime)
    body: Any = Field(sa_type=Document)


class PageRow(SQLModel, table=True):
    """The newest review of a deployment, and what it changes."""

    __tablename__ = "page"
    deployment: str = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    body: Any = Field(sa_type=Document)


class LockRow(SQLModel, table=True):
    """A lock; ``service`` is empty for all. One person's and one
    rollback's do not hide each other.
    """

    __tablename__ = "lock"
    service: str = Field(primary_key=True)
    environment: str = Field(primary_key=True)
    deployment: str = Field(default="", primary_key=True)
    reason: str
    by: str
    at: datetime = Field(sa_type=UtcDateTime)
    until: datetime | None = Field(default=None, sa_type=UtcDateTime)


class QuarantineRow(SQLModel, table=True):
    """A commit that must not be deployed again."""

    __tablename__ = "quarantine"
    service: str = Field(primary_key=True)
    commit: str = Field(primary_key=True)
    reason: str
    by: str
    at: datetime = Field(sa_type=UtcDateTime)


class LiveRow(SQLModel, table=True):
    """What is live in an environment; ``declared`` is the number of the declaration by which it
    is known, where it is one.
    """

    __tablename__ = "live"
    service: str = Field(primary_key=True)
    environment: str = Field(primary_key=True)
    commit: str
    version: str
    since: datetime = Field(sa_type=UtcDateTime)
    deployment: str
    by: str
    verified_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    accepted: str = ""
    declared: int | None = None


class DeclaredRow(SQLModel, table=True):
    """That somebody declared a version live: an operator who adopted it,
    or a person who said so.
    """

    __tablename__ = "declared"
    __table_args__ = (Index("declared_place", "service", "environment", "n"),)
    n: int | None = Field(default=None, primary_key=True)
    service: str
    environment: str
    commit: str
    version: str
    origin: str
    by: str
    at: datetime = Field(sa_type=UtcDateTime)
    reason: str = ""


class ReplacedRow(SQLModel, table=True):
    """What came right after a deployment or a rollback in its place, whatever came later."""

    __tablename__ = "replaced"
    deployment: str = Field(primary_key=True)
    version: str
    at: datetime = Field(sa_type=UtcDateTime)
    by: str | None = None


class LeftRow(SQLModel, table=True):
    """A commit that somebody has gone back from by hand, as ``domain.declared.Left`` says."""

    __tablename__ = "left_by_hand"
    service: str = Field(primary_key=True)
    environment: str = Field(primary_key=True)
    commit: str = Field(primary_key=True)
    version: str
    by: str
    at: datetime = Field(sa_type=UtcDateTime)


class VerifiedRow(SQLModel, table=True):
    """A commit that was verified good in an environment, or accepted there without that
    (``accepted`` says how).
    """

    __tablename__ = "verified"
    __table_args__ = (Index("verified_order", "service", "environment", "ended_at"),)
    service: str = Field(primary_key=True)
    environment: str = Field(primary_key=True)
    commit: str = Field(primary_key=True)
    version: str
    since: datetime = Field(sa_type=UtcDateTime)
    deployment: str
    by: str
    verified_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    accepted: str = ""
    ended_at: datetime = Field(sa_type=UtcDateTime)


class AuditRow(SQLModel, table=True):
    """One link of the audit chain, as ``domain.audit.Link`` says; every column is in the hash. A
    trigger refuses to change or delete it.
    """

    __tablename__ = "audit"
    n: int = Field(primary_key=True)
    format: int
    at: str
    actor: str
    action: str
    deployment: str = Field(default="", index=True)
    outcome: str
    facts: str
    key: str
    previous: str
    hash: str


class AuditHeadRow(SQLModel, table=True):
    """The end of the audit chain at a moment when all of it had been verified, signed."""

    __tablename__ = "audit_head"
    n: int = Field(primary_key=True)
    hash: str
    at: str
    key: str
    signature: str
