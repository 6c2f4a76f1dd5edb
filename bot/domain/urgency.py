"""Which card is drawn first when many have changed: whoever looks at a fire waits for nobody."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import IntEnum

from bot.domain.deployment import State


class Urgency(IntEnum):
    """How urgent it is that a card shows the newest state; the lowest first."""

    ANSWERED = 0  # as urgent as an alarm that loses its buttons
    ROLLING_BACK = 1
    DEGRADED = 2
    FAILED = 3
    WAITING_FOR_A_PERSON = 4
    MOVING = 5
    AT_REST = 6


URGENCY: Mapping[State, Urgency] = {
    State.ROLLING_BACK: Urgency.ROLLING_BACK,
    State.FAILED: Urgency.FAILED,
    State.GATED: Urgency.WAITING_FOR_A_PERSON,
    State.AWAITING_APPROVAL: Urgency.WAITING_FOR_A_PERSON,
    State.REQUESTED: Urgency.MOVING,
    State.QUEUED: Urgency.MOVING,
    State.ROLLING_OUT: Urgency.MOVING,
    State.WATCHING: Urgency.MOVING,
}
"""States that are not named here are at rest."""
PATIENCE = timedelta(minutes=1)
"""A card that has waited so long goes up by one, up to where somebody waits for it: the last
state of every card lands.
"""


NEWS = timedelta(minutes=2)
"""So long the end of a deployment is news: its card moves as those of what runs do."""


def urgency(state: State, *, is_degraded: bool, since: timedelta = NEWS) -> Urgency:
    """Say how urgent a card is; ``since`` is how long the deployment has been in its
    state, where that is news.
    """
    found = URGENCY.get(state, Urgency.AT_REST)
    if is_degraded:
        return min(found, Urgency.DEGRADED)
    return min(found, Urgency.MOVING) if since < NEWS else found


def is_answered(before: State, now: State | None, *, had_danger: bool) -> bool:
    """Tell whether a card shows a state that is over, and more than that: it offers what can do
    harm, or says that it is rolled back.

    ``now`` is None for a state that is not known yet.
    """
    return before is not now and (had_danger or before is State.ROLLING_BACK)


def after_waiting(found: Urgency, waited: timedelta) -> Urgency:
    """Say how urgent a card is that has waited for a while; no waiting puts one before a fire."""
    if found <= Urgency.WAITING_FOR_A_PERSON:
        return found
    return Urgency(max(found - waited // PATIENCE, Urgency.WAITING_FOR_A_PERSON))
