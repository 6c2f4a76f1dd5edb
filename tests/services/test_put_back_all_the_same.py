"""A rollback that is given up when nothing but its smoke test was missing has put the other
version back, and that is said.
"""

from __future__ import annotations

from typing import Any

from bot.domain.commands import Status
from bot.domain.rollout import RunState
from tests.services.conftest import MINUTE
from tests.services.test_hanging import ALONE, TYPED, answered, gives_up, hangs, rolls_back

WHEN = "when v1 was put back and served, and only its smoke test was missing"


async def waits_for_its_smoke_test(team: Any) -> None:
    team.ci.ends["smoke"] = RunState.RUNNING
    await rolls_back(team, RunState.SUCCEEDED)
    await team.passes(12 * MINUTE)


async def test_it_is_said_before_it_is_given_up_and_everywhere_after(team_with: Any) -> None:
    async with team_with(**ALONE, smoke=True) as team:
        await waits_for_its_smoke_test(team)
        asked = await answered(team, "bo", TYPED)
        assert "v1 is put back already and serves; only its smoke test is missing." in str(
            asked.facts["sentence"]
        )
        said = await gives_up(team)
        assert (
            "*v1* is put back and serves; only its smoke test was missing. Until somebody "
            "says so it counts as unclear"
        ) in said
        assert "when v1 was put back and only its smoke test was missing" in await team.shown(
            "shop-1"
        )
        await team.passes(MINUTE)
        assert WHEN in await team.says("ana", Status("shop"))
        (alarm,) = await team.said("failed")
        assert (
            "*v1* is put back and serves; that it works has not been shown. Its lead "
            "decides: if it does, say so: "
        ) in alarm
        assert "/deploy live shop production is v1 because TEXT" in alarm
        assert "What runs in production is unclear" not in alarm


async def test_one_whose_run_was_given_up_has_put_nothing_back(team_with: Any) -> None:
    async with team_with(**ALONE) as team:
        await hangs(team)
        assert "is put back" not in await gives_up(team)
        assert "put back" not in await team.shown("shop-1")
        (alarm,) = await team.said("failed")
        assert (
            "What runs in production is unclear, since the rollback of *shop v2 → "
            "production* was given up."
        ) in alarm
