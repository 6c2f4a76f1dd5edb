"""What share of the requests the version has that is recorded as live, in each situation."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.domain.deployment import Deployment, Kind, State
from bot.domain.people import Person
from bot.domain.rollout import Step, StepState
from bot.domain.share import Beside, Holds, Part, Share, beside, share_of

NOW, ANA = datetime(2026, 11, 21, 2, tzinfo=UTC), Person("T1", "UANA")
V2 = Deployment(
    "shop-2",
    Kind.FORWARD,
    "shop",
    "production",
    "v2",
    "v2",
    "v2",
    "canary",
    ANA,
    ANA,
    State.ROLLING_OUT,
    NOW,
    NOW,
)
BACK = replace(V2, id="shop-3", kind=Kind.ROLLBACK, version="v1", commit="v1", undoes="shop-2")
AWAY = replace(V2, state=State.ROLLING_BACK)


def steps(*states: StepState) -> tuple[Step, ...]:
    """Give a canary of 5 and 100 percent."""
    done = {StepState.HOLDING, StepState.DONE, StepState.SMOKE}
    return tuple(
        Step(
            at,
            f"canary-{percent}",
            percent,
            timedelta(0),
            state,
            deployed_at=NOW if state in done else None,
        )
        for at, (percent, state) in enumerate(zip((5, 100), states, strict=False))
    )


PENDING, RUNNING, HOLDING, DONE = (
    StepState.PENDING,
    StepState.RUNNING,
    StepState.HOLDING,
    StepState.DONE,
)


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
        (
            AWAY,
            (DONE, HOLDING),
            replace(BACK, version="v0", commit="v0"),
            Share(Holds.LEAVES, 0, "shop-3", "v0"),
        ),
        (
            replace(AWAY, commit="v1"),
            (DONE, DONE),
            replace(BACK, version="v0", commit="v0"),
            Share(Holds.LEAVES, 100, "shop-3", "v0"),
        ),
    ],
)
def test_what_is_recorded_as_live_has_what_the_other_leaves_it(
    over: Deployment | None,
    along: tuple[StepState, ...],
    back: Deployment | None,
    share: Share | None,
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


FAILED, LEFT = replace(V2, state=State.FAILED), replace(BACK, state=State.FAILED)
BACK_THERE = (Step(0, "rollback", 100, timedelta(0), StepState.SMOKE, served_at=NOW),)
BACK_RUNS = (Step(0, "rollback", 100, timedelta(0), StepState.RUNNING),)
CUT = replace(steps(PENDING)[0], state=StepState.FAILED, run="run-1")


def of_v2(part: Part, percent: int, cut: int = 0) -> Beside:
    return Beside(part, "shop-2", "v2", percent, NOW, cut)


@pytest.mark.parametrize(
    ("over", "along", "back", "way_back", "found"),
    [
        (V2, steps(PENDING, PENDING), None, (), None),
        (V2, steps(RUNNING, PENDING), None, (), None),
        (V2, steps(HOLDING, PENDING), None, (), of_v2(Part.COMES, 5)),
        (V2, steps(DONE, HOLDING), None, (), of_v2(Part.COMES, 100)),
        (replace(V2, commit="v1"), steps(DONE, HOLDING), None, (), None),
        (replace(V2, state=State.WATCHING), steps(DONE, DONE), None, (), None),
        (AWAY, steps(HOLDING, PENDING), BACK, BACK_RUNS, of_v2(Part.GOES, 5)),
        (AWAY, steps(RUNNING, PENDING), BACK, BACK_RUNS, of_v2(Part.GOES, 0)),
        (AWAY, steps(HOLDING, PENDING), None, (), of_v2(Part.GOES, 5)),
        (replace(AWAY, commit="v1"), steps(DONE, DONE), BACK, BACK_RUNS, of_v2(Part.GOES, 100)),
        (
            AWAY,
            steps(HOLDING, PENDING),
            BACK,
            BACK_THERE,
            Beside(Part.BACK, "shop-3", "v1", 100, NOW),
        ),
        (FAILED, steps(HOLDING, PENDING), None, (), of_v2(Part.LEFT, 5)),
        (FAILED, steps(HOLDING, PENDING), LEFT, BACK_RUNS, of_v2(Part.LEFT, 5)),
        (
            FAILED,
            steps(HOLDING, PENDING),
            LEFT,
            BACK_THERE,
            Beside(Part.LEFT, "shop-3", "v1", 100, NOW),
        ),
        (FAILED, (CUT,), None, (), of_v2(Part.LEFT, 0, cut=5)),
        (FAILED, (*steps(DONE), replace(CUT, percent=100)), None, (), of_v2(Part.LEFT, 5, cut=100)),
        (FAILED, (replace(CUT, run=""),), None, (), None),
        (FAILED, steps(PENDING, PENDING), None, (), None),
        (replace(FAILED, commit="v1"), steps(DONE, DONE), LEFT, BACK_RUNS, of_v2(Part.LEFT, 100)),
        (
            replace(FAILED, commit="v1"),
            steps(DONE, DONE),
            LEFT,
            BACK_THERE,
            Beside(Part.LEFT, "shop-3", "v1", 100, NOW),
        ),
    ],
)
def test_what_serves_beside_what_is_recorded_as_live_is_known_in_each_situation(
    over: Deployment,
    along: tuple[Step, ...],
    back: Deployment | None,
    way_back: tuple[Step, ...],
    found: Beside | None,
) -> None:
    assert beside("v1", over, along, back, way_back) == found
