"""Keeps the cards in step with the stored state: Slack's permission first, then the most urgent
card is drawn, as it is at that moment.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from bot.domain.card import Card
from bot.domain.deployment import DeploymentId, State
from bot.domain.people import Person
from bot.domain.urgency import Urgency, is_answered
from bot.ports.talk import CardDue, CardOf, CardsDue, Message, Posting
from bot.slack import speech
from bot.slack.blocks import Drawn
from bot.slack.cards import deployment_card, gist
from bot.slack.client import SlackError
from bot.slack.due import Due, DueCards
from bot.slack.pacing import UPDATE, Pacing
from bot.slack.postman import POST, NotYet, Postman
from bot.slack.render import Words

log = structlog.get_logger(__name__)

BREATH = 0.15
"""Seconds between a change and its telling: the work goes first (a rollback must reach CI), and
what follows is told with it.
"""
PAUSE = 0.5
FIGURES = 15.0
"""Seconds between two edits of a card of which nothing but the figures of its metrics has changed,
or how long it still takes.
"""
RAREST = 8
"""How many times so long it is at most between two edits of nothing but how long it still takes:
each comes after twice the time.
"""
REFUSED = 60.0
"""Seconds until a card is drawn again that Slack refused or that could not be drawn,
unless it changes before.
"""
MOST_REMEMBERED = 20_000

MESSAGE_GONE = frozenset({"message_not_found", "cant_update_message", "edit_window_closed"})
CHANNEL_GONE = frozenset(
    {
        "channel_not_found",
        "not_in_channel",
        "is_archived",
        "restricted_action",
        "invalid_channel",
        "user_not_in_channel",
    }
)


@dataclass(frozen=True, slots=True)
class Told:
    """What a card said, but for its figures, and when it was edited last.

    ``figures`` is what it said but for how long it still takes; ``times`` counts
    the edits of nothing else.
    """

    gist: str
    figures: str
    at: float
    state: State
    has_danger: bool
    times: int = 0

    def after(self, before: Told | None) -> Told:
        """Count it as another edit of nothing but how long it takes, where it is one."""
        is_same = before is not None and (before.gist, before.figures) == (self.gist, self.figures)
        return replace(self, times=before.times + 1) if before is not None and is_same else self

    @property
    def rarity(self) -> int:
        """Say how many times the usual pause it is to the next such edit."""
        return min(1 << max(self.times - 1, 0), RAREST)


class Cards:
    """One card per deployment, edited in place. ``min_interval`` is the least time between two
    edits of one card, in seconds.
    """

    def __init__(
        self,
        card_of: CardOf,
        cards_due: CardsDue,
        words: Words,
        postman: Postman,
        pacing: Pacing,
        *,
        min_interval: float,
        figures: float = FIGURES,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._card_of = card_of
        self._cards_due = cards_due
        self._words = words
        self._postman = postman
        self._pacing = pacing
        self._min_interval = min_interval
        self._figures = figures
        self._now = now
        self._due = DueCards()
        self._rests_until: dict[DeploymentId, float] = {}
        self._told: dict[DeploymentId, Told] = {}
        self._shown: set[DeploymentId] = set()
        """Deployments whose cards are known to have been posted: an edit is all they can need."""
        self._work = asyncio.Event()
        self.posted = asyncio.Event()
        """Set when a card has been posted that messages may wait for."""

    def changed(self, deployment: DeploymentId) -> None:
        """Redraw a card soon; edits are coalesced."""
        self._due.note(
            deployment, max(self._rests_until.get(deployment, 0.0), self._now() + BREATH)
        )
        self._work.set()

    def nudge(self) -> None:
        """Look up from a rest."""
        self._work.set()

    async def rest(self, seconds: float | None) -> None:
        """Wait for work, or for so long."""
        await rest(self._work, seconds)

    async def round(self) -> float | None:
        """Show one card; returns for how many seconds there is nothing more to do (None:
        until something changes).
        """
        away = self._pacing.away()
        if away:
            return away
        await self._sort_in()
        now = self._now()
        due = self._due.take(now, self._wait)
        if due is None:
            return self._due.pause(now, self._wait_to_ask, self._wait)
        await self._try(due)
        return 0.0

    async def exists(self, deployment: DeploymentId) -> bool:
        """Tell whether there is such a deployment."""
        return bool(await self._cards_due([deployment]))

    def _wait(self, due: Due) -> float:
        """Say how long Slack makes a card wait: edits have one budget,
        posts one for each channel.
        """
        if due.card not in self._shown:
            return self._pacing.wait(POST, due.channel)
        return self._pacing.wait(UPDATE, "", is_urgent=due.urgency is Urgency.ANSWERED)

    def _wait_to_ask(self, id: DeploymentId) -> float:
        told = self._told.get(id)
        may_be_urgent = told is not None and is_answered(
            told.state, None, had_danger=told.has_danger
        )
        return self._pacing.wait(UPDATE, "", is_urgent=may_be_urgent) if id in self._shown else 0.0

    async def _sort_in(self) -> None:
        """Ask how urgent the changed cards are, once for all of them, and not before
        one of them could be shown.
        """
        changed = self._due.ripe(self._now(), self._wait_to_ask)
        if not changed:
            return
        found = await self._cards_due(changed)
        for each in changed:
            due = found.get(each)
            if due is not None and due.card not in self._shown:
                await self._recall(due.card, each)
            self._due.sort_in(each, self._as_answered(due) if due else None, self._now())

    def _as_answered(self, due: CardDue) -> CardDue:
        """Put a card first that shows a state that is over, with what could be done then."""
        told = self._told.get(due.card)
        is_over = told is not None and is_answered(
            told.state, due.state, had_danger=told.has_danger
        )
        return replace(due, urgency=Urgency.ANSWERED) if is_over else due

    async def _recall(self, card: DeploymentId, *others: DeploymentId) -> None:
        posting = await self._postman.posting(card_key(card))
        if posting is not None and posting.ts:
            self._remember(card, *others)

    def _remember(self, *ids: DeploymentId) -> None:
        if len(self._shown) > MOST_REMEMBERED:
            self._shown.clear()
        self._shown.update(ids)

    async def _try(self, due: Due) -> None:
        pause = REFUSED
        try:
            pause = await self._show(due)
        except NotYet as reason:
            pause = reason.seconds
        except SlackError as error:
            if error.retry:
                pause = PAUSE
            else:
                log.warning("a card cannot be shown", deployment=due.card, why=str(error))
        except Exception:
            log.exception("a card could not be drawn", deployment=due.card)
        if pause:
            self._due.again(due, self._now() + pause)

    async def _show(self, due: Due) -> float:
        """Show a card as it is now; returns after how many seconds it has to be looked at again
        (0: not until it changes).
        """
        card = await self._card_of(due.card)
        if card is None:
            return 0.0
        drawn = deployment_card(card, self._words)
        told = self._telling(card, drawn)
        try:
            posting = await self._posted(card, drawn)
            if posting.digest == drawn.digest:
                self._told.setdefault(due.card, told)
                return 0.0
            if self._puts_off(due, told):
                return 0.0
            await self._postman.edit(posting, drawn, is_end=due.urgency is Urgency.ANSWERED)
            self._rest_card(due.card)
        except SlackError as error:
            await self.recover(card, error)
            return PAUSE
        self._remember_told(due.card, told)
        return 0.0

    def _telling(self, card: Card, drawn: Drawn) -> Told:
        """Say what a card tells now."""
        timeless = (
            deployment_card(replace(card, about_left=None), self._words)
            if card.about_left is not None
            else drawn
        )
        told = Told(
            gist(card, self._words),
            timeless.digest,
            self._now(),
            card.deployment.state,
            drawn.has_danger,
        )
        return told.after(self._told.get(card.deployment.id))

    def _puts_off(self, due: Due, told: Told) -> bool:
        """Put off an edit of nothing but figures: it comes rarely, and after every card
        of which more has changed.
        """
        before = self._told.get(due.card)
        if before is None or before.gist != told.gist:
            return False
        early = before.at + self._figures * told.rarity - told.at
        if early <= 0 and (
            due.urgency is Urgency.AT_REST or not self._due.is_any_ready(told.at, self._wait)
        ):
            return False
        self._due.again(replace(due, urgency=Urgency.AT_REST), told.at + max(early, 0.0))
        return True

    def _remember_told(self, id: DeploymentId, told: Told) -> None:
        if len(self._told) > MOST_REMEMBERED:
            self._told.clear()
        self._told[id] = told

    async def _posted(self, card: Card, drawn: Drawn) -> Posting:
        """Find the card's message, or post it."""
        deployment = card.deployment
        posting = await self._postman.posting(card_key(deployment.id))
        if posting is None or not posting.ts:
            channel = posting.channel if posting else deployment.channel
            channel = await self._postman.place(channel or await self._rehome(card, ""))
            oldest = f"{deployment.requested_at.timestamp() - 60:.6f}"
            posting = await self._postman.post(
                card_key(deployment.id), channel, drawn, oldest=oldest
            )
            self._rest_card(deployment.id)
            self.posted.set()
        self._remember(deployment.id)
        return posting

    def _rest_card(self, id: DeploymentId) -> None:
        if len(self._rests_until) > MOST_REMEMBERED:
            self._rests_until.clear()
        self._rests_until[id] = self._now() + self._min_interval

    async def recover(self, card: Card, error: SlackError) -> None:
        """Give a card that has lost its message or its channel a new place. Raises the
        error when it is another one.
        """
        key = card_key(card.deployment.id)
        posting = await self._postman.posting(key)
        channel = posting.channel if posting else card.deployment.channel
        if error.code in MESSAGE_GONE:
            await self.forget(card.deployment.id, channel)
        elif error.code in CHANNEL_GONE and not channel.startswith("D"):
            await self._rehome(card, channel)
        else:
            raise error

    async def forget(self, id: DeploymentId, channel: str) -> None:
        """Have a card posted anew: its message is certainly gone."""
        self._shown.discard(id)
        await self._postman.forget(card_key(id), channel)

    async def _rehome(self, card: Card, channel: str) -> str:
        """Move a card that has no channel into a direct message with the requester, and tell
        requester and lead so, once.
        """
        deployment = card.deployment
        people = [
            person
            for person in (deployment.requested_by, deployment.lead)
            if person is not None and is_in_slack(person)
        ]
        if not people:
            raise SlackError(
                "chat.postMessage",
                f"there is no place for the card of {deployment.id}",
                retry=False,
            )
        places = {person: await self._postman.direct(person.user) for person in people}
        said = Message(
            "",
            "no_channel",
            {"title": deployment.title, "deployment": deployment.id, "channel": channel},
        )
        note = speech.message(said, self._words)
        for person, place in places.items():
            await self._postman.post(f"{card_key(deployment.id)}:moved:{person}", place, note)
        await self.forget(deployment.id, places[people[0]])
        return places[people[0]]


def card_key(deployment: DeploymentId) -> str:
    """Name the posting of a deployment's card."""
    return f"card:{deployment}"


def is_in_slack(person: Person) -> bool:
    """Tell whether somebody can be written to in Slack: not the bot itself and not
    a person of the terminal.
    """
    return person.team[:1] in {"T", "E"} and person.user[:1] in {"U", "W"}


async def rest(work: asyncio.Event, seconds: float | None) -> None:
    """Wait for work, or for so long."""
    try:
        async with asyncio.timeout(seconds):
            await work.wait()
    except TimeoutError:
        return
    work.clear()
