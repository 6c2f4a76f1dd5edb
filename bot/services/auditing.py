"""Watches over the audit log: what came since the last head is verified at the start, all of it
every day, before its head is signed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from bot.domain.audit import UNSIGNED, Entry, Head, Keys, is_signed, sign
from bot.domain.errors import GonogoError
from bot.domain.people import GONOGO
from bot.domain.proof import Report, Verdict
from bot.ports.reader import Reader
from bot.ports.store import Store
from bot.ports.talk import Message
from bot.ports.time import Clock
from bot.ports.work import AuditLog, HeadKeeper

log = structlog.get_logger(__name__)

DAILY = timedelta(days=1)
RECENT = timedelta(days=30)
"""Where no channel is configured, a broken log is told wherever somebody has
deployed within this time.
"""
LOOKS = 3600.0
"""Whether a head is due is looked at this often, in seconds: a bot that is started anew every day
would else never be due.
"""


@dataclass(slots=True)
class AuditWatch:
    """Tells when the audit log does not hold. The bot goes on all the same: a
    rollback must still be possible.
    """

    store: Store
    audit: AuditLog
    keys: Keys
    clock: Clock
    alarms: Sequence[str]
    """The channels in which a broken log is told; without any, those in which
    somebody has deployed lately.
    """
    channel: str = ""
    """The channel in which the head is posted every day; empty for none."""
    file: HeadKeeper | None = None
    found: Callable[[bool], None] = lambda _: None
    """Told after each verification whether the log holds."""
    problem: str = ""
    """What is wrong, for whoever asks how the bot is; empty when nothing is known to be."""
    _closing: asyncio.Event = field(default_factory=asyncio.Event)
    _task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Begin beside everything else: a start never waits for the length of the log."""
        self._task = asyncio.create_task(self._run(), name="audit")

    async def close(self) -> None:
        """Stop; a verification that is under way is given up."""
        self._closing.set()
        self.audit.stop()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        await self._guarded(self.look)
        while not self._closing.is_set():
            await self._guarded(self.keep)
            try:
                await asyncio.wait_for(self._closing.wait(), LOOKS)
            except TimeoutError:
                continue

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except GonogoError as error:
            self.problem = str(error)
            log.error("the audit log could not be verified", why=str(error))  # noqa: TRY400 - the sentence says it
        except Exception:
            log.exception("the audit log could not be looked after")

    async def look(self) -> None:
        """Verify what came since the newest stored head, if one of our keys
        signed it; else everything.
        """
        newest = await self.audit.newest_head()
        report = await self._verified(newest if newest and self._is_ours(newest) else None)
        await self._note_key(report)

    async def keep(self) -> None:
        """Once a day: verify everything, and keep its head in the database, in the
        file and in the channel.
        """
        newest, now = await self.audit.newest_head(), self.clock.now()
        if newest is not None and now - datetime.fromisoformat(newest.at) < DAILY:
            return
        report = await self._verified(None)
        if self._closing.is_set() or report.verdict is Verdict.BROKEN or report.head is None:
            return
        if newest is not None and newest.n >= report.head.n:
            return
        head = sign(report.head, now, self.keys.newest)
        if self.file is not None and not await self._filed(self.file, head):
            return
        async with self.store.transaction() as tx:
            await tx.keep_head(head)
            if self.channel:
                facts = {"n": head.n, "hash": head.hash, "key": head.key, "at": head.at}
                await tx.say(
                    Message(
                        f"audit:head:{head.n}",
                        "audit_head",
                        facts,
                        to="channel",
                        channel=self.channel,
                    )
                )

    async def _filed(self, file: HeadKeeper, head: Head) -> bool:
        try:
            await asyncio.to_thread(file.append, head)
        except OSError as error:
            self.problem = f"the head of the audit log cannot be written: {error.strerror}"
            log.error(  # noqa: TRY400
                "the head of the audit log cannot be written; it is tried again in an hour",
                why=error.strerror,
            )
            return False
        return True

    def _is_ours(self, head: Head) -> bool:
        return any(key.id == head.key and is_signed(head, key) for key in self.keys.known)

    async def _verified(self, since: Head | None) -> Report:
        report = await self.audit.verify(await self._kept(), since=since, gently=True)
        if self._closing.is_set():
            return report
        is_broken = report.verdict is Verdict.BROKEN
        self.problem = _problem(report) if is_broken else ""
        self.found(not is_broken)
        if is_broken:
            await self._alarm(report)
        elif self.keys.known and report.unproved:
            log.warning(
                "parts of the audit log are not signed with a known key",
                parts=[f"{e.first}-{e.last}" for e in report.unproved[:20]],
            )
        return report

    async def _kept(self) -> Sequence[Head]:
        if self.file is None:
            return ()
        try:
            heads, _ = await asyncio.to_thread(self.file.read)
        except FileNotFoundError:
            return ()
        except OSError as error:
            log.warning("the file of heads cannot be read", why=error.strerror)
            return ()
        return heads

    async def _alarm(self, report: Report) -> None:
        log.error("the audit log does not hold", why=_problem(report))
        day, facts = self.clock.now().date().isoformat(), _facts(report)
        async with self.store.transaction() as tx:
            for channel in self.alarms or await where_it_was_used(tx, self.clock.now()):
                key = f"audit:broken:{facts['entry']}:{facts['head']}:{day}:{channel}"
                await tx.say(Message(key, "audit_broken", facts, to="channel", channel=channel))

    async def _note_key(self, report: Report) -> None:
        """Write down that from here on another key signs, or none."""
        now = self.keys.newest.id if self.keys.newest else UNSIGNED
        if not report.stretches or report.stretches[-1].key == now or report.broken is not None:
            return
        facts = {"before": report.stretches[-1].key, "now": now}
        async with self.store.transaction() as tx:
            await tx.audit(Entry(self.clock.now(), GONOGO, "audit key", facts=facts))


async def where_it_was_used(reader: Reader, until: datetime) -> Sequence[str]:
    """Name the channels in which somebody has deployed lately."""
    recent = await reader.changed_since(until - RECENT)
    return sorted({deployment.channel for deployment in recent if deployment.channel})


def _facts(report: Report) -> dict[str, object]:
    """Name the entry that does not hold, or else the head that the chain contradicts,
    as the alarm prints them.
    """
    worst = report.contradicted
    return {
        "entry": report.broken.n if report.broken else 0,
        "fault": str(report.broken.fault) if report.broken else "",
        "head": worst.head.n if worst else 0, "agreement": str(worst.agreement) if worst else "",
    }  # fmt: skip


def _problem(report: Report) -> str:
    facts = _facts(report)
    return (
        f"it does not hold at entry {facts['entry']}"
        if facts["entry"]
        else f"it contradicts the head of entry {facts['head']}"
    )
