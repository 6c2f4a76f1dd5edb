"""Keeps Slack in step with the stored state: one card per deployment, edited in place; the outbox, in order; answers to one person.

Slack is asked for little. The last state of a card wins, edits of one card are coalesced, an unchanged card costs no call. Slack being away
delays the view and nothing else: when it is back, each card that changed gets one edit, and the outbox goes on where it stopped.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

import structlog

from bot.domain.card import Card
from bot.domain.deployment import DeploymentId
from bot.domain.people import Person
from bot.ports import Answer, CardOf, Intent, Message, Posting, Postings
from bot.slack import speech
from bot.slack.blocks import Drawn
from bot.slack.cards import deployment_card
from bot.slack.client import SlackClient, SlackError
from bot.slack.pacing import Pacing
from bot.slack.postman import NotYet, Postman
from bot.slack.references import Name, References
from bot.slack.render import Words

log = structlog.get_logger(__name__)

Picture = Callable[[Message], Awaitable[bytes | None]]
"""Draws the picture of a message with ``chart``."""

AT_A_TIME = 200
POLL = 30.0
"""The outbox is looked at this often even when nobody said that it has changed, in seconds."""
CARD_POLL = 2.0
BREATH = 0.15
"""Seconds between a change and its telling: the work goes first (a rollback must reach CI), and what follows is told with it."""
PAUSE = 0.5
LAST_CALL = 12.0
MOST_REMEMBERED = 2000

MESSAGE_GONE = frozenset({"message_not_found", "cant_update_message", "edit_window_closed"})
CHANNEL_GONE = frozenset(
    {"channel_not_found", "not_in_channel", "is_archived", "restricted_action", "invalid_channel", "user_not_in_channel"}
)


@dataclass(frozen=True, slots=True)
class _Where:
    """Where a message goes; ``card`` is the posting of its deployment's card, if it has one."""

    channel: str
    thread: str = ""
    card: Posting | None = None

    @property
    def oldest(self) -> str:
        """A ts before which the message cannot stand: beside its card it came after it; a direct message may have come before."""
        return self.card.ts if self.card and self.channel == self.card.channel else "0"


class SlackAnnouncer:
    """``ports.Announcer`` on Slack. ``min_interval`` is the least time between two edits of one card, in seconds."""

    def __init__(
        self,
        client: SlackClient,
        postings: Postings,
        card_of: CardOf,
        words: Words,
        *,
        draw: Picture | None = None,
        name: Name | None = None,
        pacing: Pacing | None = None,
        min_interval: float = 1.0,
    ) -> None:
        self._client = client
        self._postings = postings
        self._card_of = card_of
        self._words = words
        self._draw_picture = draw
        self._min_interval = min_interval
        self._pacing = pacing or Pacing(time.monotonic)
        self._references = References(client, self._pacing, name)
        self._postman = Postman(client, postings, self._pacing)
        self._due: dict[DeploymentId, float] = {}
        """Cards that may have changed, and when each may be looked at; in the order in which they changed."""
        self._rests_until: dict[DeploymentId, float] = {}
        self._card_work = asyncio.Event()
        self._outbox_work = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    # What the rest of the bot says --------------------------------------------------------------------------------------------------

    def card_changed(self, deployment: DeploymentId) -> None:
        """Redraw a card soon; edits are coalesced, an unchanged card costs no call."""
        self._due.setdefault(deployment, max(self._rests_until.get(deployment, 0.0), time.monotonic() + BREATH))
        self._card_work.set()

    def outbox_changed(self) -> None:
        """Post what the outbox holds."""
        self._outbox_work.set()

    async def answer(self, intent: Intent, answer: Answer) -> None:
        """Answer a person alone. Never raises; lost when Slack is down."""
        try:
            await self._answer(intent, speech.answer(answer, self._words))
        except SlackError as error:
            log.warning("an answer was lost", answer=answer.name, why=str(error))
        except Exception:
            log.exception("an answer could not be given", answer=answer.name, key=intent.key)

    async def open(self, cards: Iterable[DeploymentId] = ()) -> None:
        """Begin to work; redraw these cards, and post what the outbox still holds."""
        self._closing = False
        for card in cards:
            self.card_changed(card)
        self._task = asyncio.create_task(self.run(), name="announcer")

    async def close(self) -> None:
        """Finish the call that is under way and stop; the rest is drawn at the next start."""
        self._closing = True
        self._card_work.set()
        self._outbox_work.set()
        if self._task is not None:
            _, late = await asyncio.wait({self._task}, timeout=LAST_CALL)
            for task in late:
                task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def run(self) -> None:
        """Work until closed."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._work_on_outbox(), name="outbox")
            group.create_task(self._work_on_cards(), name="cards")

    # Answers ------------------------------------------------------------------------------------------------------------------------

    async def _answer(self, intent: Intent, drawn: Drawn) -> None:
        place = intent.place
        if place.response_url and self._client.is_answer_address(place.response_url):
            try:
                await self._client.respond(place.response_url, drawn)
            except SlackError as error:
                if error.perhaps_done:
                    raise
            else:
                return
        if place.channel[:1] in {"C", "G", "D"}:
            try:
                await self._client.whisper(place.channel, intent.by.user, drawn, thread=place.thread)
            except SlackError as error:
                if error.code not in CHANNEL_GONE:
                    raise
            else:
                return
        if _is_in_slack(intent.by):
            await self._client.post(await self._postman.direct(intent.by.user), drawn, key=f"answer:{intent.key}")

    # Cards --------------------------------------------------------------------------------------------------------------------------

    async def _work_on_cards(self) -> None:
        while not self._closing:
            card, pause = self._next_card()
            if not card:
                await _rest(self._card_work, pause)
                continue
            del self._due[card]
            await self._try_card(card)

    def _next_card(self) -> tuple[DeploymentId, float | None]:
        away = self._pacing.away()
        if away or not self._due:
            return "", away or None
        now = time.monotonic()
        ready = next((card for card, due in self._due.items() if due <= now), "")
        return ready, min(self._due.values()) - now

    async def _try_card(self, id: DeploymentId) -> None:
        try:
            await self._show(id)
        except NotYet as reason:
            self._look_again(id, reason.seconds)
        except SlackError as error:
            if error.retry:
                self._look_again(id, PAUSE)
            else:
                log.warning("a card cannot be shown", deployment=id, why=str(error))
        except Exception:
            log.exception("a card could not be drawn", deployment=id)

    def _look_again(self, id: DeploymentId, seconds: float) -> None:
        self._due[id] = time.monotonic() + seconds

    async def _show(self, id: DeploymentId) -> None:
        card = await self._card_of(id)
        if card is None:
            return
        drawn = deployment_card(card, self._words)
        try:
            posting = await self._posted(card, drawn)
            if posting.digest != drawn.digest:
                await self._postman.edit(posting, drawn)
                self._rest_card(id)
        except SlackError as error:
            await self._recover(card, error)
            self._look_again(id, 0)

    async def _posted(self, card: Card, drawn: Drawn) -> Posting:
        """Find the card's message, or post it."""
        key = card_key(card.deployment.id)
        posting = await self._postings.get(key)
        if posting is not None and posting.ts:
            return posting
        channel = posting.channel if posting else card.deployment.channel
        if not channel:
            channel = await self._rehome(card, "")
        channel = await self._postman.place(channel)
        posting = await self._postman.post(key, channel, drawn, oldest=f"{card.deployment.requested_at.timestamp() - 60:.6f}")
        self._rest_card(card.deployment.id)
        self._outbox_work.set()
        return posting

    def _rest_card(self, id: DeploymentId) -> None:
        if len(self._rests_until) > MOST_REMEMBERED:
            self._rests_until.clear()
        self._rests_until[id] = time.monotonic() + self._min_interval

    async def _recover(self, card: Card, error: SlackError) -> None:
        """Give a card that has lost its message or its channel a new place. Raises the error when it is another one."""
        key = card_key(card.deployment.id)
        posting = await self._postings.get(key)
        channel = posting.channel if posting else card.deployment.channel
        if error.code in MESSAGE_GONE:
            await self._postman.forget(key, channel)
        elif error.code in CHANNEL_GONE and not channel.startswith("D"):
            await self._rehome(card, channel)
        else:
            raise error

    async def _rehome(self, card: Card, channel: str) -> str:
        """Move a card that has no channel into a direct message with the requester, and tell requester and lead so, once."""
        deployment = card.deployment
        people = [person for person in (deployment.requested_by, deployment.lead) if person is not None and _is_in_slack(person)]
        if not people:
            raise SlackError("chat.postMessage", f"there is no place for the card of {deployment.id}", retry=False)
        places = {person: await self._postman.direct(person.user) for person in people}
        said = Message("", "no_channel", {"title": deployment.title, "deployment": deployment.id, "channel": channel})
        note = speech.message(said, self._words)
        for person, place in places.items():
            await self._postman.post(f"{card_key(card.deployment.id)}:moved:{person}", place, note)
        await self._postman.forget(card_key(card.deployment.id), places[people[0]])
        return places[people[0]]

    # The outbox ---------------------------------------------------------------------------------------------------------------------

    async def _work_on_outbox(self) -> None:
        while not self._closing:
            self._outbox_work.clear()
            try:
                pause = await self._empty_outbox()
            except Exception:
                log.exception("the outbox could not be emptied")
                pause = CARD_POLL
            await _rest(self._outbox_work, pause)
            if not self._closing:
                await asyncio.sleep(BREATH)

    async def _empty_outbox(self) -> float:
        """Post what can be posted, alarms before details and each lane in its order; returns after how many seconds to look again."""
        pause = POLL
        blocked: set[str] = set()
        messages = await self._postings.outbox(AT_A_TIME)
        for message in sorted(messages, key=_is_detail):
            if self._closing or _lane(message) in blocked:
                continue
            wait = await self._try_message(message)
            if wait:
                blocked.add(_lane(message))
                pause = min(pause, wait)
        return pause if len(messages) < AT_A_TIME or blocked else 0.0

    async def _try_message(self, message: Message) -> float:
        """Deliver a message, or put it aside if Slack will never take it; returns how long it has to wait otherwise."""
        why = ""
        try:
            await self._deliver(message)
        except NotYet as reason:
            return reason.seconds
        except SlackError as error:
            if error.retry:
                return max(self._pacing.away(), PAUSE)
            why = str(error)
        except Exception as error:
            log.exception("a message could not be made", key=message.key)
            why = f"{type(error).__name__}: {error}"
        if why:
            log.warning("a message was put aside", key=message.key, why=why)
            await self._postings.park(message.key, why)
        return 0.0

    async def _deliver(self, message: Message) -> None:
        where = await self._where(message)
        drawn = speech.message(message, self._words, **await self._references.of(message, where.card))
        try:
            await self._postman.post(message.key, where.channel, drawn, thread=where.thread, oldest=where.oldest)
        except SlackError as error:
            card = await self._card_of(message.deployment) if message.deployment and where.card else None
            if error.code not in CHANNEL_GONE or card is None or where.card is None or where.channel != where.card.channel:
                raise
            await self._recover(card, error)
            self.card_changed(message.deployment)
            await self._postman.forget(message.key, "")
            raise NotYet(PAUSE) from error
        await self._copy_to_lead(message, where, drawn)
        await self._attach(message, where.card)
        await self._postings.sent(message.key)

    async def _where(self, message: Message) -> _Where:
        if not message.deployment:
            return _Where(message.channel if message.to == "channel" else await self._direct(message))
        posting = await self._postings.get(card_key(message.deployment))
        shown = posting if posting and posting.ts else None
        if message.to not in {"thread", "channel"}:
            return _Where(await self._direct(message), card=shown)
        if shown is None and await self._card_of(message.deployment) is None:
            raise SlackError("chat.postMessage", f"there is no deployment {message.deployment}", retry=False)
        if shown is None:
            self.card_changed(message.deployment)
            raise NotYet(CARD_POLL)
        return _Where(shown.channel, shown.ts if message.to == "thread" else "", shown)

    async def _direct(self, message: Message) -> str:
        person = Person.parse(message.to)
        if not _is_in_slack(person):
            raise SlackError("conversations.open", f"{message.to} is nobody in Slack", retry=False)
        return await self._postman.direct(person.user)

    async def _copy_to_lead(self, message: Message, where: _Where, drawn: Drawn) -> None:
        """While a card has no channel, only the requester sees it: then the lead gets every alarm directly."""
        card = await self._card_of(message.deployment) if message.to == "channel" and where.channel.startswith("D") else None
        lead = card.deployment.lead if card else None
        if card is None or lead is None or lead == card.deployment.requested_by or not _is_in_slack(lead):
            return
        await self._postman.post(f"{message.key}:lead", await self._postman.direct(lead.user), drawn)

    async def _attach(self, message: Message, card: Posting | None) -> None:
        if not message.chart or card is None or self._draw_picture is None:
            return
        try:
            picture = await self._draw_picture(message)
        except Exception:
            log.exception("a picture could not be drawn", key=message.key)
            return
        if picture:
            await self._postman.picture(f"{message.key}:picture", card, picture, title=f"Metrics of {message.deployment}")


def card_key(deployment: DeploymentId) -> str:
    """Name the posting of a deployment's card."""
    return f"card:{deployment}"


def _lane(message: Message) -> str:
    """Name what a message must stay in order with."""
    if message.to in {"thread", "channel"}:
        return f"{message.to} {message.deployment or message.channel}"
    return message.to


def _is_detail(message: Message) -> bool:
    return message.to == "thread"


def _is_in_slack(person: Person) -> bool:
    """Tell whether somebody can be written to in Slack: not the bot itself and not a person of the terminal."""
    return person.team[:1] in {"T", "E"} and person.user[:1] in {"U", "W"}


async def _rest(work: asyncio.Event, seconds: float | None) -> None:
    """Wait for work, or for so long."""
    try:
        async with asyncio.timeout(seconds):
            await work.wait()
    except TimeoutError:
        return
    work.clear()
