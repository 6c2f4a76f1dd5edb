"""What serves while a rollback is under way is looked at, shown, and decides nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bot.domain.catalog import AutomaticRollback
from bot.domain.commands import Deploy, RollBack
from bot.domain.deployment import State
from bot.domain.errors import IntegrationError
from bot.domain.health import Observed, Verdict
from bot.domain.rollout import RunState
from bot.services.timely import still_true
from tests.services.conftest import GOOD, MINUTE

ALONE: dict[str, Any] = {
    "gates": (), "checklist": (), "approvals": (),
    "after": "", "strategy": "rolling", "watch": 20 * MINUTE,
    "automatic_rollback": AutomaticRollback.OFF,
}  # fmt: skip
COUNTS = {**ALONE, "automatic_rollback": AutomaticRollback.COUNTDOWN, "countdown": 5 * MINUTE}
TERRIBLE = Observed(900, 1000, requests=1000)
WORSE_STILL = Observed(990, 1000, requests=1000)


async def rolls_back(team: Any) -> None:
    """Have v2 turn bad in its watch, and bo roll it back."""
    await team.says("ana", Deploy("shop", "production", "v2"))
    await team.passes(2 * MINUTE)
    team.numbers.new = TERRIBLE
    await team.passes(2 * MINUTE)
    await team.rolls_back("bo", RollBack("shop", "production", reason="errors"))


async def hangs(team: Any) -> None:
    team.ci.ends["rollback"] = RunState.RUNNING
    await rolls_back(team)


async def is_away(team: Any) -> None:
    team.ci.refuses["start shop-2:rollback"] = IntegrationError(
        "down", vendor="the CI", status=503, retry=True
    )
    await rolls_back(team)


async def goes_back_by_itself(team: Any) -> None:
    team.ci.ends["rollback"] = RunState.RUNNING
    await team.says("ana", Deploy("shop", "production", "v2"))
    await team.passes(2 * MINUTE)
    team.numbers.new = TERRIBLE
    await team.passes(7 * MINUTE)


async def alarm(team: Any) -> str:
    """Read the alarm about the rollback that hangs as it reads now."""
    message = next(each for each in await team.outbox() if each.template == "rollback_hangs")
    now = await still_true(team.context, message)
    assert now is not None
    return str(team.reads(now))


@pytest.mark.case("races-4")
@pytest.mark.parametrize(
    ("begins", "more"), [(hangs, ALONE), (is_away, ALONE), (goes_back_by_itself, COUNTS)]
)
async def test_what_still_serves_while_a_rollback_comes_to_nothing_is_on_its_card_and_in_its_alarm(
    team_with: Any, begins: Any, more: dict[str, Any]
) -> None:
    async with team_with(**more) as team:
        await begins(team)
        await team.passes(12 * MINUTE)
        team.numbers.new = WORSE_STILL
        await team.passes(12 * MINUTE)
        card = await team.card("shop-1")
        assert (card.deployment.state, card.meanwhile.verdict) == (
            State.ROLLING_BACK,
            Verdict.DEGRADED,
        )
        assert team.context.now() - card.meanwhile.at <= team.context.intervals.hold
        assert "During the rollback v2 has at 02:" in await team.shown("shop-1")
        assert "*DEGRADED* · errors 99 %" in await team.shown("shop-1")
        assert "*DEGRADED* · errors 99 %" in await alarm(team)
        assert "nothing looks" not in await alarm(team)


async def test_it_decides_nothing_whatever_the_numbers_say(team_with: Any) -> None:
    async with team_with(**COUNTS) as team:
        await goes_back_by_itself(team)
        before, said = (await team.card("shop-1")).trouble, await team.said()
        team.numbers.new = GOOD
        await team.passes(4 * MINUTE)
        assert "healthy · errors 0.2 %" in await team.shown("shop-1")
        assert "Before the rollback" in await team.shown("shop-1")
        team.numbers.new = WORSE_STILL
        await team.passes(2 * MINUTE)
        now = await team.card("shop-1")
        assert (now.trouble, now.deployment.countdown_until, now.deployment.state) == (
            before,
            None,
            State.ROLLING_BACK,
        )
        assert await team.said() == said
        assert (await team.deployment("shop-2")).state is State.ROLLING_OUT


async def test_a_source_that_does_not_answer_meanwhile_is_said_so(team_with: Any) -> None:
    async with team_with(**ALONE) as team:
        await hangs(team)
        team.numbers.breaks = IntegrationError("answers 503", vendor="the metrics")
        await team.passes(12 * MINUTE)
        shown = await team.shown("shop-1")
        assert (
            "*NO DATA* to judge it by: the metrics: answers 503" in shown
            or "*NO DATA* to judge it by: answers 503" in shown
        )
        assert "Before the rollback" in shown
        assert "*NO DATA* to judge it by" in await alarm(team)


@pytest.mark.case("races-4")
async def test_while_the_smoke_test_of_what_is_back_hangs_its_own_numbers_are_shown(
    team_with: Any,
) -> None:
    async with team_with(**{**ALONE, "smoke": True}) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(3 * MINUTE)
        team.numbers.new = TERRIBLE
        await team.passes(2 * MINUTE)
        team.ci.ends["smoke"] = RunState.RUNNING
        await team.rolls_back("bo", RollBack("shop", "production", reason="errors"))
        await team.passes(14 * MINUTE)
        card = await team.card("shop-1")
        assert card.is_back
        assert "Put back, v1 has at 02:" in await team.shown("shop-1")
        assert "v1 is put back, but its smoke test has not ended. v1 has at" in await alarm(team)


async def test_what_was_seen_meanwhile_judges_neither_what_is_undone_nor_what_is_back(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await hangs(team)
        await team.passes(8 * MINUTE)
        team.ci.ends.clear()
        team.numbers.new = GOOD
        await team.passes(3 * MINUTE)
        card = await team.card("shop-1")
        assert card.deployment.state is State.ROLLED_BACK
        assert "During the rollback" not in await team.shown("shop-1")
        assert card.snapshot.verdict is Verdict.DEGRADED
        async with team.database.store.reading() as reader:
            assert {shot.label for shot in await reader.snapshots("shop-2")} <= {"after"}


async def test_a_rollback_that_takes_its_usual_time_is_not_looked_at_besides(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await rolls_back(team)
        await team.passes(timedelta(seconds=5))
        async with team.database.store.reading() as reader:
            assert await reader.meanwhile("shop-2") is None


async def test_where_nothing_is_watched_nothing_is_looked_at(team_with: Any) -> None:
    async with team_with(**{**ALONE, "is_watched": False}) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(2 * MINUTE)
        team.ci.ends["rollback"] = RunState.RUNNING
        await team.rolls_back("bo", RollBack("shop", "production", reason="errors"))
        await team.passes(12 * MINUTE)
        assert (await team.card("shop-1")).meanwhile is None
        assert await team.said("rollback_hangs")


async def test_numbers_from_before_it_was_back_are_not_printed_as_those_of_what_is_back(
    team_with: Any,
) -> None:
    async with team_with(**{**ALONE, "smoke": True}) as team:
        await hangs(team)
        await team.passes(12 * MINUTE)
        assert "During the rollback v2 has at 02:" in await team.shown("shop-1")
        team.ci.ends.clear()
        team.ci.ends["smoke"] = RunState.RUNNING
        while not (card := await team.card("shop-1")).is_back:
            await team.passes(timedelta(seconds=15))
        assert card.meanwhile is None
        assert "Put back, v1 has" not in await team.shown("shop-1")
        assert "v1 has at" not in await alarm(team)
        team.numbers.new = GOOD
        await team.passes(4 * MINUTE)
        assert "Put back, v1 has at 02:" in await team.shown("shop-1")
        assert "healthy · errors 0.2 %" in await team.shown("shop-1")
        assert "v1 has at 02:" in await alarm(team)
