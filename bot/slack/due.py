"""Which cards have changed and are not shown yet, and which of them is drawn next."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import timedelta

from bot.domain.deployment import DeploymentId
from bot.domain.urgency import Urgency, after_waiting
from bot.ports.talk import CardDue


@dataclass(frozen=True, slots=True)
class Due:
    """A card that has to be drawn: not before ``at``, and since ``since``."""

    card: DeploymentId
    urgency: Urgency
    channel: str
    at: float
    since: float

    def rank(self, now: float) -> tuple[Urgency, float]:
        """Say before whom it comes: the more urgent first, of equals the
        one that has waited longer.
        """
        return after_waiting(self.urgency, timedelta(seconds=now - self.since)), self.since


class DueCards:
    """The queue of cards. What has changed is first only noted; how urgent it is, is asked
    once an edit may go out.
    """

    def __init__(self) -> None:
        self._changed: dict[DeploymentId, float] = {}
        self._due: dict[DeploymentId, Due] = {}

    def note(self, deployment: DeploymentId, at: float) -> None:
        """Note that a deployment has changed, and when its card may be looked at."""
        self._changed.setdefault(deployment, at)

    def ripe(self, now: float, wait: Callable[[DeploymentId], float]) -> Collection[DeploymentId]:
        """Name what has changed and may be sorted in; ``wait`` says how long it is too early
        to ask how urgent one is.
        """
        return [each for each, at in self._changed.items() if at <= now and wait(each) <= 0]

    def sort_in(self, deployment: DeploymentId, found: CardDue | None, now: float) -> None:
        """Put a changed deployment's card where it belongs; one that was due before
        keeps its place in time.
        """
        at = self._changed.pop(deployment, now)
        if found is not None:
            before = self._due.get(found.card)
            since, at = (before.since, min(before.at, at)) if before else (now, at)
            self._due[found.card] = Due(found.card, found.urgency, found.channel, at, since)

    def again(self, due: Due, at: float) -> None:
        """Put a card back that could not be shown; what was noted meanwhile stays."""
        self._due.setdefault(due.card, replace(due, at=at))

    def is_any_ready(self, now: float, wait: Callable[[Due], float]) -> bool:
        """Tell whether any card may be shown now."""
        return any(due.at <= now and wait(due) <= 0 for due in self._due.values())

    def take(self, now: float, wait: Callable[[Due], float]) -> Due | None:
        """Take the most urgent card that may be shown now; ``wait`` says how
        long Slack makes one wait.
        """
        ready = [due for due in self._due.values() if due.at <= now and wait(due) <= 0]
        best = min(ready, key=lambda due: due.rank(now), default=None)
        if best is not None:
            del self._due[best.card]
        return best

    def pause(
        self, now: float, wait_to_ask: Callable[[DeploymentId], float], wait: Callable[[Due], float]
    ) -> float | None:
        """Say for how long there is nothing to do; None until something changes."""
        pauses = [max(at - now, wait_to_ask(each)) for each, at in self._changed.items()]
        pauses += [max(due.at - now, wait(due)) for due in self._due.values()]
        return max(min(pauses), 0.0) if pauses else None
