"""The command worker: takes accepted commands out of the inbox and has each one carried out, once.

A command is stored before it is acknowledged and forgotten after it was carried out; whatever
happens in between, it is taken up again.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from dataclasses import dataclass
from itertools import count

import structlog

from bot.dispatch import correcting
from bot.dispatch.tables import QUESTIONS, STOPPING
from bot.dispatch.turns import Turns
from bot.dispatch.use_cases import carry_out, meant_for
from bot.domain.commands import Command, RollBack
from bot.domain.errors import IntegrationError, NotPossible
from bot.ports.talk import Announcer, Answer, Intent, late_answer
from bot.ports.time import URGENT
from bot.ports.work import Inbox
from bot.services import aside
from bot.services.context import Context

log = structlog.get_logger(__name__)

TRIES = 5
"""How often a question asks a vendor, and how often a command is tried whose mistakes differ; one
that comes twice ends it at once.
"""
TOLD_AT = 3
"""The try after which a person is told that their command waits, and for what."""
LONGEST_PAUSE = 15.0
LATER = 5.0
"""Seconds after which the inbox is read again when it could not be read."""
AT_ONCE = 8
"""How many commands are carried out at a time; what stops something waits for no other."""
ASKED_AT_ONCE = 4
"""The same for questions: however many of them hang, they take no slot from what does something."""


class CommandWorker:
    """The worker behind the inbox."""

    def __init__(self, context: Context, inbox: Inbox, announcer: Announcer) -> None:
        self._context = context
        self._announcer = announcer
        self._inbox = inbox
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._asked = asyncio.Semaphore(ASKED_AT_ONCE)
        self._turns = Turns()
        self._loop: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()
        self._has_looked = False
        self._suspects: set[str] = set()
        """What was left over at several starts: it is carried out with nothing beside it, once."""
        self._alone = asyncio.Semaphore(1)

    async def open(self) -> None:
        """Take up what an earlier process accepted and did not finish, and go on."""
        self._loop = asyncio.create_task(self._work(), name="desk")
        self._wake.set()

    async def close(self) -> None:
        """Finish what is under way, take up nothing new; what waits for a vendor is
        kept for the next start.
        """
        self._closing.set()
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)
        await asyncio.gather(*self._under_way.values(), return_exceptions=True)

    def nudge(self, intent: Intent | None = None) -> None:
        """Something was accepted. With the intent at hand it is taken up at once,
        without asking the database.
        """
        if intent is None:
            self._wake.set()
        else:
            self._take(intent)

    async def _work(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                if not self._has_looked:
                    await self._look_over()
                for intent in await self._inbox.waiting():
                    self._take(intent)
            except Exception:
                log.exception("the inbox could not be read; trying again")
                self._wake.set()
                await asyncio.sleep(LATER)

    async def _look_over(self) -> None:
        """Look once at what earlier processes left over, so that what ended them does
        not end this one as well.
        """
        left = await self._inbox.left_over()
        self._suspects = {
            key
            for key, starts in left.starts.items()
            if starts > aside.SUSPECT and key not in self._under_way
        }
        if left.unreadable:
            await aside.unread(self._context, left)
        for key in left.unreadable:
            await self._inbox.finish(key)
        self._has_looked = True

    def _take(self, intent: Intent) -> None:
        if intent.key not in self._under_way:
            task = asyncio.create_task(self._handle(intent), name=f"command {intent.key}")
            self._under_way[intent.key] = task
            task.add_done_callback(lambda _: self._under_way.pop(intent.key, None))

    async def _handle(self, intent: Intent) -> None:
        try:
            answer = await self._in_turn(intent)
            await self._tell(intent, answer)
        except _KeptForLater:
            return
        await self._inbox.finish(intent.key)

    async def _tell(self, intent: Intent, answer: Answer | None) -> None:
        """Give an answer. One that cannot be written is a mistake of ours: the command was carried
        out, and is not taken up again.
        """
        if answer is None:
            return
        try:
            await self._give(intent, answer)
        except Exception as error:
            log.exception("an answer could not be given", verb=intent.command.verb, key=intent.key)
            if self._context.store.may_pass(error):
                raise _KeptForLater from error
            await aside.not_answered(self._context, intent, error)

    async def _in_turn(self, intent: Intent) -> Answer | None:
        """Keep one person's order about one service; a rollback and a question wait for nobody."""
        if isinstance(intent.command, (RollBack, *QUESTIONS)):
            return await self._carried_out(intent)
        async with self._turns.of(intent):
            return await self._carried_out(intent)

    async def _carried_out(self, intent: Intent) -> Answer | None:
        """Try until it is done, or known that it cannot be: an outage ends no command, and a
        mistake of ours holds nobody else up.
        """
        seen: set[aside.Fault] = set()
        for attempt in count(1):
            try:
                return await self._once(intent)
            except IntegrationError as error:
                log.warning(
                    "a provider did not answer",
                    verb=intent.command.verb,
                    vendor=error.vendor,
                    attempt=attempt,
                )
                is_asked = isinstance(intent.command, QUESTIONS) and attempt >= TRIES
                if not error.retry or is_asked:
                    refusal = NotPossible(error.told, meant=error.meant)
                    return await correcting.told(self._context, intent, refusal)
                if attempt == TOLD_AT:
                    await self._say_it_waits(intent, error.vendor)
            except Exception as error:
                log.exception(
                    "a command failed", verb=intent.command.verb, key=intent.key, attempt=attempt
                )
                if self._is_hopeless(error, seen) and (
                    given := await self._put_aside(intent, error)
                ):
                    return given.answer
                if attempt == TOLD_AT:
                    await self._say_it_waits(intent, "the database")
            await self._rest(min(0.2 * 2 ** min(attempt, 10), LONGEST_PAUSE))
        raise AssertionError

    def _is_hopeless(self, error: Exception, seen: set[aside.Fault]) -> bool:
        """Tell whether another try makes no sense: the same mistake again, or one after the other.
        What is the machine's fault may pass.
        """
        if self._context.store.may_pass(error):
            return False
        fault = aside.fault_of(error)
        is_known = fault in seen
        seen.add(fault)
        return is_known or len(seen) >= TRIES

    async def _put_aside(self, intent: Intent, error: Exception) -> _Given | None:
        """Give a command up; None when that cannot be written, so that it stays where it is."""
        try:
            return _Given(await aside.put_aside(self._context, intent, type(error).__name__))
        except Exception:
            log.exception("a command could not be put aside; trying again", key=intent.key)
            return None

    async def _once(self, intent: Intent) -> Answer | None:
        """Carry a command out in one of the slots, which it gives back before the next try."""
        if isinstance(intent.command, RollBack):
            URGENT.set(True)  # of this command's task alone
        if intent.key in self._suspects:
            return await self._with_nothing_beside(intent)
        async with self._slot(intent.command):
            return await carry_out(self._context, intent)

    def _slot(self, command: Command) -> AbstractAsyncContextManager[None]:
        """Give the slots in which a command waits for others; what stops
        something waits for none.
        """
        if isinstance(command, STOPPING):
            return nullcontext()
        return self._asked if isinstance(command, QUESTIONS) else self._slots

    async def _with_nothing_beside(self, intent: Intent) -> Answer | None:
        """Carry out what was left over again and again, noting that it begins: when the process
        ends, it is known by what.
        """
        async with self._alone:
            died = await self._inbox.begin(intent.key)
            if died >= aside.DEADLY:
                return await aside.put_aside(
                    self._context, intent, f"the bot did not come back from it {died} times"
                )
            try:
                return await carry_out(self._context, intent)
            finally:
                await self._inbox.survived(intent.key)
                self._suspects.discard(intent.key)

    async def _rest(self, seconds: float) -> None:
        """Wait before the next try. Raises _KeptForLater when the bot closes."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closing.wait()
            raise _KeptForLater

    async def _say_it_waits(self, intent: Intent, vendor: str) -> None:
        facts = {
            "verb": intent.command.verb,
            "vendor": vendor,
            "minutes": int(meant_for(intent.command).total_seconds() // 60),
        }
        await self._announcer.answer(intent, Answer("waiting", facts))

    async def _give(self, intent: Intent, answer: Answer) -> None:
        """Answer the person; when Slack does not take it, what was decided is kept for them, and
        what was only asked is not.
        """
        if await self._announcer.answer(intent, answer) or isinstance(intent.command, QUESTIONS):
            return
        async with self._context.store.transaction() as tx:
            late = late_answer(f"answer:{intent.key}", answer, intent.by, self._context.now())
            await tx.say(late)


@dataclass(frozen=True, slots=True)
class _Given:
    """What a command that was put aside is answered."""

    answer: Answer | None


class _KeptForLater(Exception):  # noqa: N818 - it is no error
    """The bot closes; the command stays in the inbox."""
