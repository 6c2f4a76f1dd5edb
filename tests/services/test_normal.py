"""Nothing is good for being as bad as what was there before: the numbers of a version that
was worse are no baseline.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bot.domain.catalog import AutomaticRollback
from bot.domain.commands import Deploy, GoNow, History, Proceed, RollBack, Status
from bot.domain.deployment import Acceptance, State
from bot.domain.health import Snapshot, Verdict
from bot.domain.rollout import RunState
from bot.queries import board
from bot.services import summaries
from bot.slack.dialogs import Dialogs
from tests.services.conftest import BAD, BEGAN, GOOD, MINUTE, readable

Team = Any
"""The fixture ``team_with``."""
FREE: dict[str, Any] = {
    "gates": (), "checklist": (), "approvals": (), "after": "",
    "automatic_rollback": AutomaticRollback.OFF, "watch": 10 * MINUTE,
}  # fmt: skip
CANARY, ROLLING = "canary", "rolling"


async def is_worse(team: Team) -> None:
    """Have v2 in production as shop-1, and its numbers bad: its own, and
    from then on everybody's.
    """
    await team.says("ana", Deploy("shop", "production", "v2"))
    await team.passes()
    team.numbers.since.append(((await team.deployment("shop-1")).started_at, BAD))
    team.numbers.new = BAD
    await team.passes(3 * MINUTE)


async def is_replaced(team: Team) -> None:
    """Have v3 replace it, on somebody's word, while it is watched."""
    await team.says("ana", Deploy("shop", "production", "v3"))
    await team.passes(MINUTE)
    await team.says("cy", GoNow("shop-2"))
    await team.passes(5 * MINUTE)


async def newest(team: Team, id: str) -> Snapshot:
    async with team.database.store.reading() as reader:
        found: Snapshot = (await reader.snapshots(id))[-1]
    return found


async def test_a_version_that_is_as_bad_as_the_one_that_it_replaces_is_not_verified(
    team_with: Any,
) -> None:
    async with team_with(**FREE, strategy=ROLLING) as team:
        await is_worse(team)
        await is_replaced(team)
        assert "errors 6.0 % (baseline 0.2 %, 30 times" in await team.shown("shop-2")
        shot = await newest(team, "shop-2")
        assert shot.compared_with == "the time before v2, which was worse"
        await team.passes(60 * MINUTE)
        assert "the rollout stands still until the lead decides" in await team.shown("shop-2")
        for _ in range(2):  # at its step, and at the end of its watch
            await team.says("bo", Proceed("shop-2", "it is the payment provider"))
            await team.passes(20 * MINUTE)
        assert (await team.deployment("shop-2")).state is State.ACCEPTED


async def test_a_version_that_mends_what_the_one_before_broke_is_verified(team_with: Any) -> None:
    async with team_with(**FREE, strategy=ROLLING) as team:
        await is_worse(team)
        team.numbers.new = GOOD
        await is_replaced(team)
        await team.passes(60 * MINUTE)
        assert (await team.deployment("shop-2")).state is State.VERIFIED


@pytest.mark.parametrize(
    ("numbers", "state"), [(BAD, State.ROLLING_OUT), (GOOD, State.VERIFIED)], ids=["as bad", "good"]
)
async def test_a_canary_beside_a_version_that_is_worse_is_not_measured_against_it(
    team_with: Any, numbers: Any, state: State
) -> None:
    async with team_with(**FREE, strategy=CANARY) as team:
        await is_worse(team)
        team.numbers.new = GOOD  # only so that it gets on; it fails a moment later
        team.ci.ends["deploy"] = RunState.FAILED
        await team.passes(30 * MINUTE)
        assert (await team.deployment("shop-1")).state is State.FAILED
        del team.ci.ends["deploy"]
        team.numbers.new = numbers
        await team.says("ana", Deploy("shop", "production", "v3"))
        await team.passes(60 * MINUTE)
        assert (await team.deployment("shop-2")).state is state


async def test_what_nobody_has_measured_any_more_is_compared_with_now_and_proves_nothing(
    team_with: Any,
) -> None:
    async with team_with(**FREE, strategy=ROLLING) as team:
        await is_worse(team)
        team.numbers.since.insert(0, (BEGAN - timedelta(days=2), None))
        await is_replaced(team)
        assert "errors 6.0 % (baseline 6.0 %, was already so before)" in await team.shown("shop-2")
        await team.passes(60 * MINUTE)
        ended = await team.deployment("shop-2")
        assert (ended.state, ended.accepted) == (State.ACCEPTED, Acceptance.COMPARED)
        assert (
            "is *accepted*, not verified (compared only with a version that was worse itself)"
            in (await team.said("verified"))[-1]
        )


@pytest.mark.parametrize("numbers", [BAD, GOOD], ids=["as bad", "good"])
async def test_what_is_compared_only_with_what_was_bad_itself_is_called_healthy_nowhere(
    team_with: Any, numbers: Any
) -> None:
    """It says at the first step that its baseline is no proof."""
    async with team_with(**FREE, strategy=CANARY) as team:
        await is_worse(team)
        team.numbers.since.insert(0, (BEGAN - timedelta(days=2), None))
        team.numbers.new = GOOD  # only so that it gets on
        team.ci.ends["deploy"] = RunState.FAILED
        await team.passes(30 * MINUTE)
        assert (await team.deployment("shop-1")).state is State.FAILED
        del team.ci.ends["deploy"]
        team.numbers.new = numbers
        await team.says("ana", Deploy("shop", "production", "v3"))
        doors: list[str] = []
        for _ in range(30):
            await team.passes(2 * MINUTE)
            home = readable(str(Dialogs(team.words).home(await board.rows(team.context), roles=[])))
            doors += [await team.says("bo", Status("shop")), await team.shown("shop-2"), home]
            doors += [await team.says("bo", History("shop", "production"))]
            if len(doors) == 3 * 4:
                assert "*No proof*: compared with v2, which was worse itself." in doors[-3]
        assert (await team.deployment("shop-2")).accepted == Acceptance.COMPARED
        assert any("done, unproved" in door for door in doors)
        await summaries.after_deployment(team.context, "shop-2")
        summary = (await team.said("summary"))[-1]
        said = [*doors, summary, *await team.said("verified")]
        about_it = [
            line
            for text in said
            for line in text.splitlines()
            if "v3" in line or "end of the watch" in line
        ]
        assert about_it
        assert not [line for line in about_it if "healthy" in line]
        assert "accepted, unproved: no worse than what was bad itself" in summary.splitlines()[0]
        assert "· unproved: no worse than what was bad itself · accepted" in doors[-4]


async def test_another_day_is_no_baseline_and_the_next_version_after_that_can_be_verified(
    team_with: Any,
) -> None:
    async with team_with(**FREE, strategy=ROLLING) as team:
        await is_worse(team)
        await team.says("bo", Proceed("shop-1", "a campaign"))
        await team.passes(timedelta(days=1, hours=1))
        assert (await team.deployment("shop-1")).accepted == Acceptance.ON_WORD
        await team.says("ana", Deploy("shop", "production", "v3"))
        await team.passes(20 * MINUTE)
        assert (await team.deployment("shop-2")).accepted == Acceptance.COMPARED
        assert (await newest(team, "shop-2")).verdict is Verdict.UNPROVED
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(20 * MINUTE)
        assert (await team.deployment("shop-3")).state is State.VERIFIED


async def test_the_minutes_of_a_version_that_was_rolled_back_are_no_baseline(
    team_with: Any,
) -> None:
    async with team_with(**FREE, strategy=ROLLING, lock_after_rollback=False) as team:
        await is_worse(team)
        await team.rolls_back("bo", RollBack("shop", "production", reason="errors"))
        await team.passes(4 * MINUTE)
        assert (await team.deployment("shop-1")).state is State.ROLLED_BACK
        await team.says("ana", Deploy("shop", "production", "v3"))
        await team.passes(5 * MINUTE)
        assert "errors 6.0 % (baseline 0.2 %, 30 times" in await team.shown("shop-3")
