"""The watch of another deployment: what is waited for, and how that reads."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.domain.catalog import Need
from bot.domain.deployment import State
from bot.domain.people import Person
from bot.domain.readiness import GateState
from bot.domain.trouble import Sort, Trouble
from bot.domain.watching import CAN_GO, Watched, finding_in, mark_of, watched_gate

NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
BO = Person("T1", "UBO")
HEALTHY = Watched("shop-1", "v1", NOW, NOW + HOUR)
TROUBLED = replace(HEALTHY, is_in_trouble=True, finding=2)


@pytest.mark.parametrize(
    ("watched", "says", "clears_at"),
    [
        (HEALTHY, "shop-1 (v1) is being watched", NOW + HOUR),
        (TROUBLED, "shop-1 (v1) is worse or unclear, and its lead decides first", None),
    ],
)
def test_a_watch_is_waited_for_until_it_ends_or_until_somebody_lets_this_one_go(
    watched: Watched, says: str, clears_at: datetime | None
) -> None:
    waits = watched_gate(watched, by=None, at=None)
    assert (waits.state, waits.sentence, waits.need, waits.blocks) == (
        GateState.OPEN,
        says,
        Need.REQUIRED,
        True,
    )
    assert (waits.at, waits.clears_at) == (NOW, clears_at)
    waived = watched_gate(watched, by=BO, at=NOW + HOUR)
    assert (waived.state, waived.sentence, waived.blocks) == (
        GateState.WAIVED,
        f"{says}; not waited for",
        False,
    )
    assert (waived.by, waived.at) == (BO, NOW + HOUR)


@pytest.mark.parametrize(
    ("trouble", "number"),
    [
        (None, 0),
        (Trouble(2, Sort.DEGRADED, "watch"), 2),
        (Trouble(2, Sort.DEGRADED, "watch", is_over=True), 0),
    ],
)
def test_the_watch_of_a_healthy_version_is_another_thing_to_cut_short_than_one_in_trouble(
    trouble: Trouble | None, number: int
) -> None:
    assert finding_in(trouble) == number
    assert replace(HEALTHY, finding=number).mark == mark_of("shop-1", number) == f"shop-1:{number}"


@pytest.mark.parametrize("state", State)
def test_nothing_but_gates_and_approvals_stands_before_what_can_go(state: State) -> None:
    assert (state in CAN_GO) == (state in {State.GATED, State.AWAITING_APPROVAL})
