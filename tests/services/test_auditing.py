"""The bot watches over its audit log: at the start, every day, and without ever
standing in a rollback's way.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from bot.domain.audit import Entry, Head, Key, Keys
from bot.domain.people import GONOGO
from bot.domain.proof import Report
from bot.ports.talk import Message
from bot.services.auditing import AuditWatch
from bot.storage.audit import SqlAuditLog
from bot.storage.database import Database, open_database
from bot.storage.heads import HeadFile

DAY = timedelta(days=1)
KEY, LATER = Key(b"the-key-of-the-audit-log"), Key(b"the-key-that-came-after-it")


@dataclass
class Hours:
    """A clock that is set by hand."""

    at: datetime = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at


@dataclass
class Seen(SqlAuditLog):
    """The log, and from which entry on it was verified."""

    url: str
    keys: Keys
    since: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(self.url, self.keys)

    async def verify(
        self, heads: Sequence[Head] = (), *, since: Head | None = None, gently: bool = False
    ) -> Report:
        self.since.append(since.n if since else 1)
        return await super().verify(heads, since=since, gently=gently)


@dataclass
class Bot:
    """A bot's audit log and what watches over it."""

    database: Database
    watch: AuditWatch
    log: Seen
    clock: Hours
    holds: list[bool]

    async def writes(self, *actions: str) -> None:
        async with self.database.store.transaction() as tx:
            for action in actions:
                await tx.audit(Entry(self.clock.now(), GONOGO, action, "shop-1"))

    async def said(self, template: str) -> list[Message]:
        return [
            message
            for message in await self.database.postings.outbox(50)
            if message.template == template
        ]


class Machine:
    """A machine on which a bot is started, stopped and tampered with."""

    def __init__(self, folder: Path) -> None:
        self.url = f"sqlite+aiosqlite:///{folder}/gonogo.db"
        self.heads = folder / "heads.jsonl"
        self.clock = Hours()

    @asynccontextmanager
    async def bot(
        self, *keys: Key, channel: str = "C0AUDIT", file: Path | None = None
    ) -> AsyncIterator[Bot]:
        database = await open_database(self.url, audit_keys=Keys(keys))
        log, holds = Seen(self.url, Keys(keys)), list[bool]()
        kept = HeadFile(file or self.heads)
        watch = AuditWatch(
            database.store, log, Keys(keys), self.clock, ["C0AUDIT"], channel, kept, holds.append
        )
        try:
            yield Bot(database, watch, log, self.clock, holds)
        finally:
            await watch.close()
            log.close()
            await database.close()

    async def tampers(self, statement: str) -> None:
        database = await open_database(self.url)
        async with database.writer.begin() as connection:
            await connection.execute(text("DROP TRIGGER audit_no_update"))
            await connection.execute(text("DROP TRIGGER audit_no_delete"))
            await connection.execute(text(statement))
        await database.close()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.case("trust-8")
async def test_a_broken_log_at_the_start_is_an_alarm_in_the_channel_and_the_bot_goes_on(
    machine: Machine,
) -> None:
    async with machine.bot(KEY) as bot:
        await bot.writes("deploy", "approve", "started")
    await machine.tampers("UPDATE audit SET deployment = 'shop-2' WHERE n = 2")
    async with machine.bot(KEY) as bot:
        await bot.watch.look()
        await bot.watch.look()
        (alarm,) = await bot.said("audit_broken")
        assert (alarm.to, alarm.channel) == ("channel", "C0AUDIT")
        assert (alarm.facts["entry"], alarm.facts["fault"]) == (2, "changed")
        assert bot.watch.problem == "it does not hold at entry 2"
        assert bot.holds == [False, False]
        await bot.writes("rollback")


@pytest.mark.case("trust-8")
async def test_a_signed_head_is_kept_every_day_in_the_file_and_in_the_channel(
    machine: Machine,
) -> None:
    async with machine.bot(KEY) as bot:
        await bot.writes("deploy")
        await bot.watch.keep()
        await bot.writes("approve")
        await bot.watch.keep()
        machine.clock.at += DAY
        await bot.watch.keep()
        machine.clock.at += DAY
        await bot.watch.keep()  # a quiet day has no new head
        assert [message.facts["n"] for message in await bot.said("audit_head")] == [1, 2]
    kept = [json.loads(line) for line in machine.heads.read_text(encoding="utf-8").splitlines()]
    assert [(head["n"], head["key"]) for head in kept] == [(1, KEY.id), (2, KEY.id)]
    assert kept[1]["at"] == "2026-11-22T09:30:00.000000+00:00"


async def test_without_a_channel_the_head_is_kept_in_the_file_alone(machine: Machine) -> None:
    async with machine.bot(channel="") as bot:
        await bot.writes("deploy")
        await bot.watch.keep()
        assert await bot.said("audit_head") == []
        assert machine.heads.exists()


@pytest.mark.case("trust-8")
async def test_a_start_verifies_what_came_since_the_last_signed_head_and_the_day_verifies_all(
    machine: Machine,
) -> None:
    async with machine.bot(KEY) as bot:
        await bot.writes("deploy", "approve")
        await bot.watch.keep()
        await bot.writes("started")
    async with machine.bot(KEY) as bot:
        await bot.watch.look()
        machine.clock.at += DAY
        await bot.watch.keep()
        assert bot.log.since == [2, 1]
        assert bot.holds == [True, True]


async def test_a_head_that_somebody_else_signed_shortens_no_verification(machine: Machine) -> None:
    async with machine.bot() as bot:
        await bot.writes("deploy", "approve")
        await bot.watch.keep()
    async with machine.bot(KEY) as bot:
        await bot.watch.look()
        assert bot.log.since == [1]


@pytest.mark.case("trust-8")
@pytest.mark.parametrize(
    ("statement", "agreement"),
    [
        ("DELETE FROM audit WHERE n > 1", "cut off"),
        ("UPDATE audit_head SET hash = 'x'", ""),
        ("DELETE FROM audit", "cut off"),
    ],
)
async def test_a_tail_that_was_cut_off_is_found_at_the_start_by_the_file_of_heads(
    machine: Machine, statement: str, agreement: str
) -> None:
    async with machine.bot(KEY) as bot:
        await bot.writes("deploy", "approve")
        await bot.watch.keep()
    await machine.tampers(statement)
    async with machine.bot(KEY) as bot:
        await bot.watch.look()
        assert [message.facts["agreement"] for message in await bot.said("audit_broken")] == (
            [agreement] if agreement else []
        )


async def test_a_broken_log_gets_no_head(machine: Machine) -> None:
    async with machine.bot(KEY) as bot:
        await bot.writes("deploy", "approve")
    await machine.tampers("DELETE FROM audit WHERE n = 1")
    async with machine.bot(KEY) as bot:
        await bot.watch.keep()
        assert await bot.said("audit_head") == []
        assert not machine.heads.exists()


async def test_a_head_that_cannot_be_written_is_said_and_tried_again(
    machine: Machine, tmp_path: Path
) -> None:
    async with machine.bot(KEY, file=tmp_path) as bot:
        await bot.writes("deploy")
        await bot.watch.keep()
        assert bot.watch.problem == "the head of the audit log cannot be written: Is a directory"
        assert await bot.log.newest_head() is None


@pytest.mark.case("trust-8")
async def test_that_another_key_signs_from_here_on_is_in_the_log_itself(machine: Machine) -> None:
    for keys in ((), (KEY,), (KEY,), (LATER, KEY)):
        async with machine.bot(*keys) as bot:
            await bot.watch.look()
            await bot.writes("deploy")
    log = SqlAuditLog(machine.url, Keys())
    changes = [json.loads(link.facts) for link in log.links() if link.action == "audit key"]
    log.close()
    assert changes == [{"before": "", "now": KEY.id}, {"before": KEY.id, "now": LATER.id}]


async def test_a_log_that_does_not_hold_is_not_said_to_be_signed_with_another_key(
    machine: Machine,
) -> None:
    async with machine.bot(KEY) as bot:
        await bot.writes("deploy", "approve", "started")
    await machine.tampers("UPDATE audit SET deployment = 'shop-2' WHERE n = 2")
    async with machine.bot(LATER, KEY) as bot:
        await bot.watch.look()
        assert "audit key" not in [link.action for link in bot.log.links()]


async def test_a_watch_begins_by_itself_and_ends_in_the_middle_of_a_verification(
    machine: Machine,
) -> None:
    async with machine.bot(KEY) as bot:
        await bot.writes(*["deploy"] * 2000)
        await bot.watch.open()
    assert bot.holds in ([], [True], [True, True])


async def test_a_watch_that_closes_has_a_verification_that_is_under_way_give_up(
    machine: Machine,
) -> None:
    async with machine.bot(KEY) as bot:
        await bot.writes(*["deploy"] * 600)
        await bot.watch.close()
        report = await bot.log.verify(gently=True)
        assert report.head is not None
        assert report.head.n == 500, "the page that was under way"
