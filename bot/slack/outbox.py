"""Posts what the outbox holds: alarms before details, each lane in its order, and no lane
keeps another one waiting.

What Slack does not take is put aside and said so where it should have stood; it is tried again at
the next start. While Slack refuses the bot as a whole nothing is put aside: everything waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from hashlib import sha256

import structlog

from bot.domain.deployment import DeploymentId
from bot.domain.people import Person
from bot.ports.talk import CardOf, Ended, Message, Posting, Postings, StillTrue
from bot.slack import speech
from bot.slack.blocks import Drawn
from bot.slack.client import SlackError
from bot.slack.pacing import Pacing
from bot.slack.postman import POST, NotYet, Postman
from bot.slack.references import References
from bot.slack.render import Words
from bot.slack.showing import BREATH, CHANNEL_GONE, PAUSE, Cards, card_key, is_in_slack, rest

log = structlog.get_logger(__name__)

Picture = Callable[[Message], Awaitable[tuple[bytes, str] | None]]
"""Draws the picture of a message with ``chart``, and says in words what it shows."""

AT_A_TIME = 50
POLL = 30.0
"""The outbox is looked at this often even when nobody said that it has changed, in seconds."""
CARD_POLL = 2.0
FAULT = 2.0
THREAD_GONE = frozenset({"thread_not_found", "cannot_reply_to_message", "message_not_found"})


@dataclass(frozen=True, slots=True)
class _Where:
    """Where a message goes; ``card`` is the posting of its deployment's card, if it has one."""

    channel: str
    thread: str = ""
    card: Posting | None = None

    @property
    def oldest(self) -> str:
        """A ts before which the message cannot stand: beside its card it came after it; a direct
        message may have come before.
        """
        return self.card.ts if self.card and self.channel == self.card.channel else "0"


class Outbox:
    """Says once what is to be said."""

    def __init__(
        self, card_of: CardOf, words: Words, postings: Postings, postman: Postman,
        pacing: Pacing, references: References, cards: Cards, *,
        draw: Picture | None, still_true: StillTrue, ended: Ended | None = None,
    ) -> None:  # fmt: skip
        self._card_of = card_of
        self._words = words
        self._postings = postings
        self._postman = postman
        self._pacing = pacing
        self._references = references
        self._cards = cards
        self._draw_picture = draw
        self._still_true = still_true
        self._ended = ended
        self._stirred: set[DeploymentId] = set()
        """Deployments of which something has changed since it was looked
        whether what asks has ended.
        """
        self._work = asyncio.Event()
        self._closing = False

    def changed(self) -> None:
        """Post what there is."""
        self._work.set()

    def stirred(self, deployment: DeploymentId) -> None:
        """Something has happened to a deployment: what was asked about it may have its end."""
        if self._ended is not None and deployment:
            self._stirred.add(deployment)
            self._work.set()

    def close(self) -> None:
        """Stop after the message that is under way."""
        self._closing = True
        self._work.set()

    async def work(self) -> None:
        """Work until closed. Begins with what was put aside before."""
        await self._take_up_again()
        await self._look_at_all_that_asks()
        while not self._closing:
            self._work.clear()
            try:
                pause = await self.round()
            except Exception:
                log.exception("the outbox could not be emptied")
                pause = FAULT
            await rest(self._work, pause)
            if not self._closing:
                await asyncio.sleep(BREATH)

    async def round(self) -> float:
        """Post what can be posted and end what has its end; returns after how
        many seconds to look again.
        """
        pause = await self._empty()
        return min(pause, await self._end_what_asked())

    async def _take_up_again(self) -> None:
        try:
            await self._postings.unpark()
        except Exception:
            log.exception("what was put aside could not be taken up again; it is at the next start")

    async def _look_at_all_that_asks(self) -> None:
        try:
            self._stirred |= (
                {message.deployment for message in await self._postings.asking()}
                if self._ended
                else set()
            )
        except Exception:
            log.exception("what still asks could not be read; it is at the next start")

    async def _end_what_asked(self) -> float:
        """Edit what asked for something to how it ended; returns after how many seconds to try
        again what could not be edited now.
        """
        stirred, self._stirred = self._stirred, set()
        pause = POLL
        for message in await self._postings.asking(stirred) if stirred else ():
            wait = await self._try_to_end(message)
            if wait:
                self._stirred.add(message.deployment)
                pause = min(pause, wait)
        return pause

    async def _try_to_end(self, message: Message) -> float:
        """Show how one that asked has ended, or what it asks now; returns how long
        it has to wait otherwise.
        """
        try:
            await self._end(message)
        except NotYet as reason:
            return reason.seconds
        except SlackError as error:
            if error.retry:
                return max(self._pacing.away(), PAUSE)
            await self._postings.sent(message.key)
        except Exception:
            log.exception("what asks could not be shown as it is", key=message.key)
            return FAULT
        return 0.0

    async def _end(self, message: Message) -> None:
        end = await self._ended(message) if self._ended else None
        if end is not None:
            await self._edit(
                replace(message, facts={**message.facts, **end.facts, "end": end.sentence})
            )
            if end.is_final:
                await self._postings.sent(message.key)
        elif message.template in speech.ALARMS and (now := await self._still_true(message)):
            await self._edit(now)

    async def _edit(self, message: Message) -> None:
        """Show a message that was posted as it reads now, wherever it stands."""
        postings = [await self._postman.posting(key) for key in (message.key, copy_key(message))]
        drawn = await self._drawn(
            message, await self._postman.posting(card_key(message.deployment))
        )
        for posting in postings:
            if posting is not None and posting.ts:
                await self._postman.edit(posting, drawn, is_end="end" in message.facts)

    async def _drawn(self, message: Message, card: Posting | None) -> Drawn:
        asks = message.template in speech.ALARMS and "end" not in message.facts
        decided_on = (
            await self._card_of(message.deployment) if asks and message.deployment else None
        )
        return speech.message(
            message, self._words, **await self._references.of(message, card), card=decided_on
        )

    async def _empty(self) -> float:
        """Post what can be posted; returns after how many seconds to look again."""
        pause = self._pacing.away() or POLL
        blocked: set[str] = set()
        while not self._closing and not self._pacing.away():
            heads = await self._postings.heads(AT_A_TIME, besides=blocked)
            if not heads:
                return pause
            for message in heads:
                wait = await self._try(message)
                if wait:
                    blocked.add(message.lane)
                    pause = min(pause, wait)
                if self._closing or self._work.is_set():
                    break
            if self._work.is_set():  # perhaps an alarm: it goes first
                return 0.0
        return pause

    async def _try(self, message: Message) -> float:
        """Deliver a message, or put it aside if Slack does not take it; returns how long
        it has to wait otherwise.
        """
        try:
            await self._deliver(message)
        except NotYet as reason:
            return reason.seconds
        except SlackError as error:
            if error.retry:
                return max(self._pacing.away(), PAUSE)
            return await self._put_aside(message, str(error))
        except Exception as error:
            log.exception("a message could not be made", key=message.key)
            return await self._put_aside(message, f"{type(error).__name__}: {error}")
        return 0.0

    async def _put_aside(self, message: Message, why: str) -> float:
        """Put a message aside, once it stands where it should have stood that
        there was something to say.
        """
        try:
            if message.deployment:
                to = "channel" if message.to == "channel" else "thread"
                instead = Message(
                    f"{message.key}:instead",
                    "unsayable",
                    {"what": message.template},
                    message.deployment,
                    to=to,
                )
                await self._say(instead, await self._where(instead))
        except NotYet as reason:
            return reason.seconds
        except SlackError as error:
            if error.retry:
                return max(self._pacing.away(), PAUSE)
        except Exception:
            log.exception("that something could not be said could not be said", key=message.key)
        log.warning("a message was put aside until the next start", key=message.key, why=why)
        await self._postings.park(message.key, why)
        return 0.0

    async def _deliver(self, message: Message) -> None:
        where = await self._where(message)
        self._ready(where)
        now = await self._still_true(message)
        if now is None:
            await self._postings.drop(message.key)
            return
        drawn = await self._say(now, where)
        await self._copy_to_lead(now, where, drawn)
        await self._attach(now, where.card)
        if now.template in speech.ASKS | speech.COMPLETED:
            await self._postings.asked(message.key)
            self.stirred(message.deployment)
        else:
            await self._postings.sent(message.key)

    def _ready(self, where: _Where) -> None:
        """Raise NotYet before anything is made that could not go out now. What has been posted
        already passes later all the same.
        """
        self._postman.ready(POST, where.channel)

    async def _say(self, message: Message, where: _Where) -> Drawn:
        drawn = await self._drawn(message, where.card)
        try:
            await self._postman.post(
                message.key, where.channel, drawn, thread=where.thread, oldest=where.oldest
            )
        except SlackError as error:
            if not await self._lost_its_card(message, where, error):
                raise
            await self._postman.forget(message.key, "")
            raise NotYet(PAUSE) from error
        return drawn

    async def _lost_its_card(self, message: Message, where: _Where, error: SlackError) -> bool:
        """Have a card posted anew whose channel or message is gone; what
        belongs to it waits for it.
        """
        card = (
            await self._card_of(message.deployment) if message.deployment and where.card else None
        )
        if card is None or where.card is None or where.channel != where.card.channel:
            return False
        if where.thread and error.code in THREAD_GONE:
            await self._cards.forget(card.deployment.id, where.card.channel)
        elif error.code in CHANNEL_GONE:
            await self._cards.recover(card, error)
        else:
            return False
        self._cards.changed(message.deployment)
        return True

    async def _where(self, message: Message) -> _Where:
        if not message.deployment:
            return _Where(
                message.channel if message.to == "channel" else await self._direct(message)
            )
        posting = await self._postman.posting(card_key(message.deployment))
        shown = posting if posting and posting.ts else None
        if message.to not in {"thread", "channel"}:
            return _Where(await self._direct(message), card=shown)
        if shown is None and not await self._cards.exists(message.deployment):
            raise SlackError(POST, f"there is no deployment {message.deployment}", retry=False)
        if shown is None:
            self._cards.changed(message.deployment)
            raise NotYet(CARD_POLL)
        return _Where(shown.channel, shown.ts if message.to == "thread" else "", shown)

    async def _direct(self, message: Message) -> str:
        person = Person.parse(message.to)
        if not is_in_slack(person):
            raise SlackError("conversations.open", f"{message.to} is nobody in Slack", retry=False)
        return await self._postman.direct(person.user)

    async def _copy_to_lead(self, message: Message, where: _Where, drawn: Drawn) -> None:
        """While a card has no channel, only the requester sees it: then the lead
        gets every alarm directly.
        """
        card = (
            await self._card_of(message.deployment)
            if message.to == "channel" and where.channel.startswith("D")
            else None
        )
        lead = card.deployment.lead if card else None
        if (
            card is None
            or lead is None
            or lead == card.deployment.requested_by
            or not is_in_slack(lead)
        ):
            return
        await self._postman.post(copy_key(message), await self._postman.direct(lead.user), drawn)

    async def _attach(self, message: Message, card: Posting | None) -> None:
        if not message.chart or card is None or self._draw_picture is None:
            return
        try:
            picture = await self._draw_picture(message)
        except Exception:
            log.exception("a picture could not be drawn", key=message.key)
            return
        if picture:
            await self._post_picture(message, card, *picture)

    async def _post_picture(
        self, message: Message, card: Posting, picture: bytes, alt: str
    ) -> None:
        """Post a picture, unless it is the one that was posted last."""
        mark, digest = f"picture:{message.deployment}", sha256(picture).hexdigest()
        last = await self._postings.get(mark)
        if last is not None and last.digest == digest:
            return
        await self._postman.picture(
            f"{message.key}:picture",
            card,
            picture,
            title=f"Metrics of {message.deployment}",
            alt=alt,
        )
        await self._postings.save(Posting(mark, card.channel, digest=digest))


def copy_key(message: Message) -> str:
    """Name the posting of an alarm's copy for the lead."""
    return f"{message.key}:lead"
