"""What is written: writers by subject, the transaction, the store."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from bot.domain.audit import Entry, Head
from bot.domain.changes import Changes
from bot.domain.decisions import Decision, Mark
from bot.domain.declared import Declared, Left
from bot.domain.deployment import Deployment, DeploymentId, Kind, State
from bot.domain.health import Snapshot
from bot.domain.live import Live
from bot.domain.locks import Lock
from bot.domain.normal import Normal
from bot.domain.people import Person
from bot.domain.places import Doubt, Permit, Stray
from bot.domain.readiness import Review
from bot.domain.rollback import Way
from bot.domain.rollout import Step
from bot.domain.trouble import Trouble
from bot.ports.reader import Reader
from bot.ports.talk import Answer, Message
from bot.ports.time import Json


@dataclass(frozen=True, slots=True)
class NewDeployment:
    """A deployment to be stored; the store gives it its id and the state REQUESTED
    (a rollback: ROLLING_OUT).
    """

    kind: Kind
    service: str
    environment: str
    ref: str
    strategy: str
    requested_by: Person
    at: datetime
    lead: Person | None = None
    reason: str = ""
    channel: str = ""
    version: str = ""
    commit: str = ""
    undoes: DeploymentId = ""
    base_commit: str = ""
    base_version: str = ""


class DeploymentWriter(Protocol):
    """Stores deployments; ``move`` alone changes a state."""

    async def add_deployment(self, new: NewDeployment) -> Deployment:
        """Store a deployment under the service's next number."""
        ...

    async def move(
        self, id: DeploymentId, to: State, *, at: datetime, note: str = "", by: Person | None = None
    ) -> bool:
        """Move a deployment to a state, only if TRANSITIONS allows it from where it is
        now; False when it does not.

        ``by`` is the person who ended it, where one did.
        """
        ...

    async def pin(self, id: DeploymentId, commit: str, version: str) -> None:
        """Bind a deployment to a full commit, and to what people call it."""
        ...

    async def set_base(self, id: DeploymentId, commit: str, version: str) -> None:
        """Say what was live when its way there was judged; both empty for nothing."""
        ...

    async def set_lead(self, id: DeploymentId, lead: Person) -> None:
        """Give it another lead."""
        ...

    async def set_countdown(self, id: DeploymentId, until: datetime | None) -> None:
        """Set when it is rolled back by itself; None for not."""
        ...

    async def set_started(self, id: DeploymentId, at: datetime | None) -> None:
        """Say since when something of it may be there; None for never."""
        ...

    async def set_landed(self, id: DeploymentId, at: datetime) -> None:
        """Say when it was live whole; what is watched anew begins then."""
        ...

    async def set_reason(self, id: DeploymentId, reason: str) -> None:
        """Write why it was asked for."""
        ...

    async def set_note(self, id: DeploymentId, note: str) -> None:
        """Write why it is in its state."""
        ...

    async def set_acceptance(self, id: DeploymentId, how: str) -> None:
        """Say how it was accepted where it was not verified
        (``Acceptance``); empty where it was.
        """
        ...

    async def ask_anew(self, id: DeploymentId, by: Person, at: datetime) -> None:
        """Say who asked for it once more, and when: it answers what has failed since."""
        ...


class PlaceWriter(Protocol):
    """Stores what is so of an environment of a service: claims, permits, doubts, locks."""

    async def permit(self, deployment: Deployment, step: str) -> Permit | None:
        """Permit one start of a run; None for whoever does not have the claim. Every earlier
        permit of the place ends.
        """
        ...

    async def is_newest(self, permit: Permit) -> bool:
        """Tell whether a permit still holds: nobody has got a newer one, or seized the place."""
        ...

    async def cast_doubt(self, service: str, environment: str, doubt: Doubt | None) -> None:
        """Record that it is not clear what runs in a place; a graver doubt stays
        (``places.graver``). None when it is clear again.
        """
        ...

    async def leave_by_hand(self, said: Declared, left: Sequence[Left]) -> None:
        """Record what somebody has gone back from by hand; what they say is
        there instead counts again.
        """
        ...

    async def give_up(self, stray: Stray) -> None:
        """Record a run that was given up, and start to look for its end;
        the same run twice is one.
        """
        ...

    async def found_ended(self, stray: Stray) -> None:
        """Forget a run that was given up and has ended."""
        ...

    async def claim(
        self,
        service: str,
        environment: str,
        id: DeploymentId,
        passing: tuple[DeploymentId, ...] = (),
    ) -> bool:
        """Take an environment's claim if it is free (or already ours) and no older open
        deployment waits for it.
        """
        ...

    async def seize(self, service: str, environment: str, id: DeploymentId) -> None:
        """Give an environment's claim to a rollback, whoever holds it."""
        ...

    async def release(self, id: DeploymentId) -> None:
        """Let go of the claim that a deployment holds, if it holds one, and
        wake the next in the queue.
        """
        ...

    async def set_live(self, live: Live) -> None:
        """Record what is live now; with ``verified_at`` or ``accepted`` the commit joins
        what can be gone back to.

        A declaration that comes with it is kept for the history.
        """
        ...

    async def add_lock(self, lock: Lock) -> bool:
        """Lock; False when a person has locked the same service and environment already. A
        rollback's lock stands beside it.
        """
        ...

    async def remove_lock(self, lock: Lock) -> bool:
        """Remove this very lock; False when it is gone already."""
        ...


class VersionWriter(Protocol):
    """Stores what is known of versions."""

    async def put_in_quarantine(
        self, service: str, commit: str, *, reason: str, by: Person, at: datetime
    ) -> None:
        """Keep a commit from being deployed, or chosen as a rollback target, again."""
        ...

    async def set_quarantine_reason(self, service: str, commit: str, reason: str) -> None:
        """Say otherwise why a commit is quarantined."""
        ...

    async def lift_quarantine(self, service: str, commit: str) -> bool:
        """Let a commit be deployed again; False when it was not quarantined."""
        ...

    async def save_way_back(self, id: DeploymentId, way: Way) -> None:
        """Store what lies between a deployment and what it would be rolled back to."""
        ...

    async def save_way_there(self, id: DeploymentId, way: Way) -> None:
        """Store what lies between what is live and a deployment that waits."""
        ...


class FactWriter(Protocol):
    """Stores what belongs to one deployment."""

    async def decide(self, decision: Decision) -> bool:
        """Store an approval or rejection; False when this person has decided
        about this commit before.
        """
        ...

    async def forget_decisions(self, id: DeploymentId) -> None:
        """Forget who has approved a deployment: it is asked for anew. The log keeps it."""
        ...

    async def recount(self, decision: Decision) -> None:
        """Store with which roles a decision counts now, or why it does not."""
        ...

    async def mark(self, mark: Mark) -> bool:
        """Store a mark; False when the key is marked already (by anybody)."""
        ...

    async def unmark(self, id: DeploymentId, key: str) -> None:
        """Take a mark back."""
        ...

    async def save_steps(self, id: DeploymentId, steps: Sequence[Step]) -> None:
        """Insert or update steps by index."""
        ...

    async def save_review(self, id: DeploymentId, review: Review) -> None:
        """Store the newest review (the one before is replaced)."""
        ...

    async def save_normal(self, id: DeploymentId, normal: Normal) -> None:
        """Store what is normal in the place of a deployment that begins."""
        ...

    async def save_trouble(self, id: DeploymentId, trouble: Trouble) -> None:
        """Store the newest finding."""
        ...

    async def save_changes(self, id: DeploymentId, changes: Changes) -> None:
        """Store what the deployment changes."""
        ...

    async def add_snapshot(self, snapshot: Snapshot) -> None:
        """Store a snapshot; the same deployment and label are stored once (the newer replaces)."""
        ...


class JournalWriter(Protocol):
    """Stores what is done once, what happened, what is to be said, and what runs."""

    async def once(self, key: str) -> bool:
        """Take a key; False when it was taken before (the command is a duplicate
        and has been carried out).
        """
        ...

    async def keep(self, key: str, answer: Answer | None) -> None:
        """Keep what a command was answered, for when it comes again."""
        ...

    async def audit(self, entry: Entry) -> None:
        """Append to the hash-chained audit log."""
        ...

    async def keep_head(self, head: Head) -> None:
        """Store a signed head of the audit log."""
        ...

    async def say(self, message: Message) -> None:
        """Put a message into the outbox; the same key twice is one message."""
        ...

    async def start(self, runbook: str, id: str, *args: Json) -> None:
        """Start a runbook under an id; a second start with the same id is nothing."""
        ...

    async def wake(self, id: str) -> None:
        """Have a parked runbook look at the stored facts again, now."""
        ...

    async def redraw(self, id: DeploymentId) -> None:
        """Have a card drawn again, where something changed that is not its deployment's own."""
        ...


class Transaction(
    Reader, DeploymentWriter, PlaceWriter, VersionWriter, FactWriter, JournalWriter, Protocol
):
    """Everything written here is committed together, with the wake-ups; afterwards the announcer
    and the engine are nudged.

    Writing anything that belongs to a deployment marks its card as changed.
    """


class Store(Protocol):
    """The database."""

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Open the one writing transaction; keep it short and never wait for the outside in it."""
        ...

    def reading(self) -> AbstractAsyncContextManager[Reader]:
        """Open a consistent view that never waits for writers."""
        ...

    def may_pass(self, error: Exception) -> bool:
        """Tell whether a fault is the machine's, not ours, and may be gone at the next try: a
        full disk, a file in use.
        """
        ...


@dataclass(frozen=True, slots=True)
class Restored:
    """That the database is not the one with which the bot last worked: an older copy was put back,
    or it comes from another machine.
    """

    newest: int
    """The number of its newest audit entry; 0 for an empty log."""
    known: int
    """The highest number that the bot has ever written here; 0 when nothing is known of that."""
    as_of: datetime | None
    """When its newest entry was written."""
