"""What share of the requests the version has that is recorded as live, in each situation."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.domain.deployment import Deployment, Kind, State
from bot.domain.people import Person
from bot.domain.rollout import Step, StepState
from bot.domain.share import Holds, Share, share_of

NOW, ANA = datetime(2026, 11, 21, 2, tzinfo=UTC), Person("T1", "UANA")
V2 = Deployment("shop-2", Kind.FORWARD, "shop", "production", "v2", "v2", "v2", "canary", ANA, ANA, State.ROLLING_OUT, NOW, NOW)
BACK = replace(V2, id="shop-3", kind=Kind.ROLLBACK, version="v1", commit="v1", undoes="shop-2")
AWAY = replace(V2, state=State.ROLLING_BACK)


def steps(*states: StepState) -> tuple[Step, ...]:
    """Give a canary of 5 and 100 percent."""
    done = {StepState.HOLDING, StepState.DONE, StepState.SMOKE}
    return tuple(
        Step(at, f"canary-{percent}", percent, timedelta(0), state, deployed_at=NOW if state in done else None)
        for at, (percent, state) in enumerate(zip((5, 100), states, strict=True))
    )


PENDING, RUNNING, HOLDING, DONE = StepState.PENDING, StepState.RUNNING, StepState.HOLDING, StepState.DONE


@pytest.mark.parametrize(
    ("over", "along", "back", "share"),
    [
        (None, (PENDING, PENDING), None, None),
        (V2, (PENDING, PENDING), None, None),
        (V2, (RUNNING, PENDING), None, None),
        (V2, (HOLDING, PENDING), None, Share(Holds.PART, 95, "shop-2", "v2")),
        (V2, (DONE, RUNNING), None, Share(Holds.GIVES, 95, "shop-2", "v2")),
        (V2, (DONE, StepState.SMOKE), None, Share(Holds.NONE, 0, "shop-2", "v2")),
        (V2, (DONE, HOLDING), None, Share(Holds.NONE, 0, "shop-2", "v2")),
        (replace(V2, commit="v1"), (DONE, HOLDING), None, None),
        (replace(V2, state=State.FAILED), (HOLDING, PENDING), None, None),
        (replace(V2, state=State.VERIFIED), (DONE, DONE), None, None),
        (AWAY, (DONE, HOLDING), None, None),
        (AWAY, (HOLDING, PENDING), BACK, Share(Holds.RETURNS, 95, "shop-3", "v1")),
        (AWAY, (DONE, HOLDING), BACK, Share(Holds.RETURNS, 0, "shop-3", "v1")),
        (AWAY, (DONE, HOLDING), replace(BACK, version="v0", commit="v0"), Share(Holds.LEAVES, 0, "shop-3", "v0")),
        (replace(AWAY, commit="v1"), (DONE, DONE), replace(BACK, version="v0", commit="v0"), Share(Holds.LEAVES, 100, "shop-3", "v0")),
    ],
)
def test_what_is_recorded_as_live_has_what_the_other_leaves_it(
    over: Deployment | None, along: tuple[StepState, ...], back: Deployment | None, share: Share | None
) -> None:
    assert share_of("v1", over, steps(*along), back) == share


@pytest.mark.parametrize(
    ("share", "may"),
    [
        (Share(Holds.PART, 95, "shop-2", "v2"), True),
        (Share(Holds.GIVES, 95, "shop-2", "v2"), True),
        (Share(Holds.NONE, 0, "shop-2", "v2"), False),
        (Share(Holds.RETURNS, 0, "shop-3", "v1"), False),
        (Share(Holds.LEAVES, 0, "shop-3", "v1"), True),
    ],
)
def test_what_is_being_taken_away_may_still_get_requests(share: Share, *, may: bool) -> None:
    assert share.has_requests is may
