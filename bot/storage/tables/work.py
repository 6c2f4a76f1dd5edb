"""What is to be done, and what whoever does it has to remember: messages, commands, runs, and the
embedded providers' memories.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from bot.storage.tables.columns import Document, UtcDateTime

AT_ONCE = datetime(1970, 1, 1, tzinfo=UTC)
"""Due since ever: what wakes a run now, whatever the engine's clock says."""


class OutboxRow(SQLModel, table=True):
    """A message: ``state`` is waiting, sent, asked (and not ended), overtaken or parked; ``lane``
    is what it must stay in order with.
    """

    __tablename__ = "outbox"
    __table_args__ = (Index("outbox_waiting", "state", "lane", "n"),)
    n: int | None = Field(default=None, primary_key=True)
    key: str = Field(unique=True)
    lane: str
    state: str = "waiting"
    why: str = ""
    body: Any = Field(sa_type=Document)


class PostingRow(SQLModel, table=True):
    """A message in Slack that belongs to a key."""

    __tablename__ = "posting"
    key: str = Field(primary_key=True)
    channel: str
    ts: str = ""
    digest: str = ""


class InboxRow(SQLModel, table=True):
    """An accepted command. A finished one keeps only its key."""

    __tablename__ = "inbox"
    __table_args__ = (Index("inbox_waiting", "finished", "at"),)
    key: str = Field(primary_key=True)
    at: datetime = Field(sa_type=UtcDateTime)
    finished: bool = False
    body: str = ""
    starts: int = 0
    """How many starts of the bot it was left over at."""
    begun: int = 0
    """How often it was carried out with nothing beside it, and the process
    did not come back from it.
    """


class TakenRow(SQLModel, table=True):
    """The key of a command that was carried out, and what it was answered."""

    __tablename__ = "taken"
    key: str = Field(primary_key=True)
    answer: Any = Field(default=None, sa_type=Document, nullable=True)
    at: datetime = Field(sa_type=UtcDateTime)


class RunbookRow(SQLModel, table=True):
    """A runbook's run. Parked, it is this row and nothing else. ``state`` is
    waiting, done or blocked.
    """

    __tablename__ = "runbook"
    __table_args__ = (Index("runbook_due", "state", "wake_at"),)
    id: str = Field(primary_key=True)
    name: str
    version: int
    args: Any = Field(sa_type=Document)
    state: str = "waiting"
    wake_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    wakes: int = 0
    attempts: int = 0
    faults: int = 0
    error: str = ""
    result: Any = Field(default=None, sa_type=Document, nullable=True)


class JournalRow(SQLModel, table=True):
    """What a run has done under a name."""

    __tablename__ = "journal"
    run: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    n: int
    value: Any = Field(sa_type=Document)


class LocalRunRow(SQLModel, table=True):
    """A run of the embedded CI."""

    __tablename__ = "local_run"
    __table_args__ = (
        UniqueConstraint("service", "correlation"),
        Index("local_run_state", "service", "final"),
    )
    id: str = Field(primary_key=True)
    service: str
    correlation: str
    final: bool = False
    body: Any = Field(sa_type=Document)


class StartRow(SQLModel, table=True):
    """A start at a CI provider outside."""

    __tablename__ = "ci_start"
    vendor: str = Field(primary_key=True)
    service: str = Field(primary_key=True)
    correlation: str = Field(primary_key=True)
    body: Any = Field(sa_type=Document)


class SampleRow(SQLModel, table=True):
    """One scrape."""

    __tablename__ = "sample"
    __table_args__ = (Index("sample_order", "service", "environment", "at"),)
    n: int | None = Field(default=None, primary_key=True)
    service: str
    environment: str
    endpoint: str
    at: datetime = Field(sa_type=UtcDateTime, index=True)
    body: Any = Field(sa_type=Document)
