"""Keeps Slack in step with the stored state: one card per deployment, edited in place; the outbox,
in order; answers to one person.

Slack is asked for little. The last state of a card wins, edits of one card are coalesced, an
unchanged card costs no call. Slack being away delays the view and nothing else: when it is back,
each card that changed gets one edit, and the outbox goes on where it stopped.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

import structlog

from bot.domain.deployment import DeploymentId
from bot.ports.talk import Answer, CardOf, CardsDue, Ended, Intent, Message, Postings, StillTrue
from bot.slack import speech
from bot.slack.blocks import Drawn
from bot.slack.client import SlackClient, SlackError
from bot.slack.outbox import Outbox, Picture
from bot.slack.pacing import Pacing
from bot.slack.postman import NotYet, Postman
from bot.slack.references import Name, References
from bot.slack.render import Words
from bot.slack.showing import CHANNEL_GONE, FIGURES, Cards, is_in_slack

log = structlog.get_logger(__name__)

LAST_CALL = 12.0
FAULT = 2.0
"""Seconds until the cards are looked at again when that failed."""


async def _as_it_is(message: Message) -> Message | None:
    return message


class SlackAnnouncer:
    """``ports.Announcer`` on Slack. ``min_interval`` is the least time between two edits
    of one card, in seconds.

    ``figures`` is that time where nothing but the figures of its metrics has changed.
    """

    def __init__(
        self, client: SlackClient, postings: Postings, card_of: CardOf,
        cards_due: CardsDue, words: Words, *, draw: Picture | None = None,
        name: Name | None = None, still_true: StillTrue = _as_it_is,
        ended: Ended | None = None, pacing: Pacing | None = None,
        min_interval: float = 1.0, figures: float = FIGURES,
    ) -> None:  # fmt: skip
        self._client = client
        self._words = words
        self._pacing = pacing or Pacing(time.monotonic)
        self._postman = Postman(client, postings, self._pacing)
        self._cards = Cards(
            card_of,
            cards_due,
            words,
            self._postman,
            self._pacing,
            min_interval=min_interval,
            figures=figures,
        )
        references = References(client, self._pacing, name)
        self._outbox = Outbox(
            card_of,
            words,
            postings,
            self._postman,
            self._pacing,
            references,
            self._cards,
            draw=draw,
            still_true=still_true,
            ended=ended,
        )
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    # What the rest of the bot says --------------------------------------------------------------

    @property
    def problem(self) -> str:
        """Say how Slack refuses the bot as a whole, while it does; empty when it does not."""
        return f"Slack refuses the bot: {self._postman.refused}" if self._postman.refused else ""

    def card_changed(self, deployment: DeploymentId) -> None:
        """Redraw a card soon; edits are coalesced, an unchanged card costs no call."""
        self._cards.changed(deployment)
        self._outbox.stirred(deployment)

    def outbox_changed(self) -> None:
        """Post what the outbox holds."""
        self._outbox.changed()

    async def answer(self, intent: Intent, answer: Answer) -> bool:
        """Answer a person alone; False when that was not possible now. Never raises."""
        try:
            await self._answer(intent, speech.answer(answer, self._words))
        except (SlackError, NotYet) as error:
            log.warning("an answer could not be given now", answer=answer.name, why=str(error))
            return False
        except Exception:
            log.exception("an answer could not be given", answer=answer.name, key=intent.key)
        return True

    async def open(self, cards: Iterable[DeploymentId] = ()) -> None:
        """Begin to work; redraw these cards, and post what the outbox still holds."""
        self._closing = False
        for card in cards:
            self.card_changed(card)
        self._task = asyncio.create_task(self.run(), name="announcer")

    async def close(self) -> None:
        """Finish the call that is under way and stop; the rest is drawn at the next start."""
        self._closing = True
        self._cards.nudge()
        self._outbox.close()
        if self._task is not None:
            _, late = await asyncio.wait({self._task}, timeout=LAST_CALL)
            for task in late:
                task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def run(self) -> None:
        """Work until closed."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._outbox.work(), name="outbox")
            group.create_task(self._work_on_cards(), name="cards")

    async def _work_on_cards(self) -> None:
        while not self._closing:
            try:
                pause = await self._cards.round()
            except Exception:
                log.exception("the cards could not be looked at")
                pause = FAULT
            if self._cards.posted.is_set():
                self._cards.posted.clear()
                self._outbox.changed()
            if pause != 0:
                await self._cards.rest(pause)

    # Answers ------------------------------------------------------------------------------------

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
                await self._client.whisper(
                    place.channel, intent.by.user, drawn, thread=place.thread
                )
            except SlackError as error:
                if error.code not in CHANNEL_GONE:
                    raise
            else:
                return
        if is_in_slack(intent.by):
            await self._client.post(
                await self._postman.direct(intent.by.user), drawn, key=f"answer:{intent.key}"
            )
