"""What is said and asked: commands, answers, messages, and how Slack is kept in
step with what is stored.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from bot.domain.card import Card
from bot.domain.commands import Command
from bot.domain.deployment import Deployment, DeploymentId, State
from bot.domain.errors import Offer
from bot.domain.health import Snapshot
from bot.domain.people import Person
from bot.domain.urgency import Urgency
from bot.ports.time import Json


@dataclass(frozen=True, slots=True)
class Place:
    """Where somebody spoke, and how to answer them alone."""

    channel: str = ""
    thread: str = ""
    response_url: str = ""
    """Slack's answer address for this one command or click; secret like a
    password, valid for 30 minutes.
    """


@dataclass(frozen=True, slots=True)
class Intent:
    """A command that was accepted: stored before it was acknowledged, carried out once."""

    key: str
    """Unique per delivery group: the trigger id of Slack, a UUID of the terminal. The same
    key twice is one command.
    """
    command: Command
    by: Person
    place: Place
    at: datetime


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said to the person alone: a template (``templates/slack/answers/NAME.md.j2``), its
    facts, and next steps as buttons.
    """

    name: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    offers: tuple[Offer, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """What a dialog asks about: the facts that it shows, and what it stands for (``domain.shown``);
    empty where it shows a name alone.
    """

    deployment: Deployment
    facts: Mapping[str, Json] = field(default_factory=dict)
    shown: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """Something to be said once: in the deployment's thread, as a new message in its
    channel, or to one person.

    ``key`` makes it unique (``storefront-42:degraded:canary-25``): the same key
    is stored and posted once.
    """

    key: str
    template: str
    """``templates/slack/messages/NAME.md.j2``."""
    facts: Mapping[str, Json]
    """JSON values; people as ``T…/U…``, times as ISO 8601."""
    deployment: DeploymentId = ""
    to: str = "thread"
    """``thread`` (of the deployment's card), ``channel`` (a new message), or a person as
    ``T…/U…`` (direct message).
    """
    channel: str = ""
    """Only for ``to="channel"`` without a deployment."""
    chart: bool = False
    """Whether the deployment's newest snapshots are attached as a picture."""

    @property
    def lane(self) -> str:
        """Name what it must stay in order with: its thread, its channel, or the person."""
        return (
            f"{self.to} {self.deployment or self.channel}"
            if self.to in {"thread", "channel"}
            else self.to
        )


LATE_ANSWER = "answer"
"""The template of a message that carries an answer which could not be given at once; its facts are
the answer's name, facts and offers.
"""


def late_answer(key: str, answer: Answer, to: Person, at: datetime | None = None) -> Message:
    """Keep an answer for somebody to whom it could not be given at once; ``at`` is when it was
    true.
    """
    offers: list[Json] = [
        [str(offer.action), offer.label, offer.deployment, offer.carries] for offer in answer.offers
    ]
    facts = {"name": answer.name, "facts": dict(answer.facts), "offers": offers}
    if at is not None:
        facts["at"] = at.isoformat()
    return Message(key, LATE_ANSWER, facts, to=str(to))


class Announcer(Protocol):
    """Keeps Slack in step with the stored state. None of these waits for Slack."""

    def card_changed(self, deployment: DeploymentId) -> None:
        """Redraw a card soon; edits are coalesced, an unchanged card costs no call."""
        ...

    def outbox_changed(self) -> None:
        """Post what the outbox holds."""
        ...

    async def answer(self, intent: Intent, answer: Answer) -> bool:
        """Answer a person alone; False when Slack does not take it now. Never raises."""
        ...


@dataclass(frozen=True, slots=True)
class Posting:
    """A message in Slack that belongs to a key: ``card:storefront-42`` or an
    outbox message's own key.

    ``ts`` is empty while the posting is intended but not known to have happened: then
    look before posting again.
    """

    key: str
    channel: str
    ts: str = ""
    digest: str = ""
    """Of the content as it was last shown."""


class Postings(Protocol):
    """What the announcer has posted, and the outbox that it still has to post."""

    async def get(self, key: str) -> Posting | None:
        """Read a posting."""
        ...

    async def intend(self, key: str, channel: str) -> Posting:
        """Store the intent to post, before posting; returns the stored one when there is one."""
        ...

    async def save(self, posting: Posting) -> None:
        """Store where it was posted and what it shows."""
        ...

    async def outbox(self, limit: int = 50) -> tuple[Message, ...]:
        """List unsent messages, oldest first."""
        ...

    async def heads(self, limit: int = 50, *, besides: Collection[str] = ()) -> tuple[Message, ...]:
        """List the oldest unsent message of each lane but those ``besides``: alarms before what
        goes into threads, then oldest first.
        """
        ...

    async def sent(self, key: str) -> None:
        """Take a message out of the outbox."""
        ...

    async def asked(self, key: str) -> None:
        """Take a message out of the outbox that asks somebody for something, and remember
        it until it has its end.
        """
        ...

    async def asking(
        self, deployments: Collection[DeploymentId] | None = None
    ) -> tuple[Message, ...]:
        """List what has been said of some deployments (None: of all) and still asks."""
        ...

    async def drop(self, key: str) -> None:
        """Take a message out of the outbox that has been overtaken and was never said."""
        ...

    async def park(self, key: str, why: str) -> None:
        """Put a message aside that Slack does not take; the others flow on."""
        ...

    async def unpark(self) -> None:
        """Give what was put aside another chance: words may have been
        repaired, a person may be back.
        """
        ...


@dataclass(frozen=True, slots=True)
class Chart:
    """What a picture of metrics shows."""

    title: str
    snapshots: tuple[Snapshot, ...]


CardOf = Callable[[DeploymentId], Awaitable[Card | None]]
"""Fill a deployment's card from the store (given to the announcer by the composition root)."""


@dataclass(frozen=True, slots=True)
class CardDue:
    """The card on which a deployment shows (a rollback: the one that it undoes), and how urgent it
    is that it shows the newest state.
    """

    card: DeploymentId
    urgency: Urgency
    state: State
    channel: str = ""
    """Where it is posted when it has not been posted yet."""


CardsDue = Callable[[Collection[DeploymentId]], Awaitable[Mapping[DeploymentId, CardDue]]]
"""Look which cards show these deployments, and how urgent each is; one that does not exist is
missing from the answer.
"""


@dataclass(frozen=True, slots=True)
class Ending:
    """How what a message asks for has ended, in a sentence; where that is not the last
    word, it is looked at again.
    """

    sentence: str
    is_final: bool = True
    facts: Mapping[str, Json] = field(default_factory=dict)
    """What the message says in the end besides, where that is not what it said first."""


Ended = Callable[[Message], Awaitable[Ending | None]]
"""Say how what a message asks for has ended, in one sentence; None while it still asks."""
ChartOf = Callable[[Message], Awaitable[Chart | None]]
"""Read what the picture of a message shows; None where there is nothing to draw."""
StillTrue = Callable[[Message], Awaitable[Message | None]]
"""Give a message as it may be said at this moment: as it is, in other words, or None
when it has been overtaken.
"""
