"""Why something was done with one click: whoever did it is asked afterwards,
and every place says it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from bot.domain.actions import Action
from bot.domain.commands import Cancel, HandOver, History, RollBack, SayWhy
from bot.domain.deployment import State
from bot.domain.people import Person
from bot.domain.rollout import RunState
from bot.domain.shown import seen_on, token
from bot.services.asked import asked
from bot.services.timely import still_true
from tests.services.conftest import MINUTE
from tests.services.test_stopping import OPEN, goes_bad_with_no_way_back
from tests.services.test_told import thread

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from bot.ports.talk import Answer
    from tests.services.conftest import Team

    TeamWith = Callable[..., AbstractAsyncContextManager[Team]]

WHY = [(Action.SAY_WHY, "Say why…")]


async def _answered(team: Team, key: str) -> Answer:
    async with team.database.store.reading() as reader:
        answer = await reader.kept(key)
    assert answer is not None
    return answer


async def test_whoever_stops_a_rollout_is_asked_why_and_every_place_says_it(
    team_with: TeamWith,
) -> None:
    async with team_with(**OPEN) as team:
        await goes_bad_with_no_way_back(team)
        await team.says("bo", Cancel("shop-1"), key="click")
        offers = (await _answered(team, "click")).offers
        assert [(offer.action, offer.label) for offer in offers] == WHY
        card = await team.card("shop-1")
        assert card.actions == (Action.SAY_WHY, Action.SHOW_TIMELINE)
        assert card.decisions == (Action.SAY_WHY,)
        assert offers[0].carries == token(Action.SAY_WHY, seen_on(card))
        assert (await team.says("cy", SayWhy("shop-1", "I know"))).startswith(
            "Only <@UBO>, who led it, can say why shop v2 → production was stopped"
        )
        assert (await asked(team.context, Action.SAY_WHY, "shop-1")).facts == {
            "has_lock": False,
            "deed": "stop",
        }
        said = await team.says("bo", SayWhy("shop-1", "carts are lost", offers[0].carries))
        assert said == (
            "Noted why *shop v2 → production* was stopped: carts are lost. The "
            "history and the thread say so."
        )
        await team.passes(MINUTE)
        assert "Reason: carts are lost" in await team.shown("shop-1")
        assert Action.SAY_WHY not in (await team.card("shop-1")).actions
        assert "(shop-1) · why stopped: carts are lost" in await team.says(
            "ana", History("shop", "production")
        )
        assert await thread(team, "said_why") == ["Why it was stopped, says <@UBO>: carts are lost"]
        again = await team.says("bo", SayWhy("shop-1", "no, the errors"))
        assert again == "Why shop v2 → production was stopped is said already: carts are lost"


async def test_what_was_stopped_has_its_retrospective_and_its_message_says_why(
    team_with: TeamWith,
) -> None:
    async with team_with(**OPEN) as team:
        await goes_bad_with_no_way_back(team)
        await team.says("bo", Cancel("shop-1"))
        drafted = (await thread(team, "retrospective"))[0]
        assert "*shop v2 → production* was stopped at 5 %" in drafted
        assert "stopped where it was by UBO, at 5 %" in drafted
        await team.says("bo", SayWhy("shop-1", "carts are lost"))
        alarm = next(each for each in await team.outbox() if each.template == "stopped")
        now = await still_true(team.context, alarm)
        assert now is not None
        assert "It is quarantined. Reason: carts are lost." in team.reads(now)


async def _hangs(team: Team) -> str:
    v2 = await team.rolls_out_v2()
    team.ci.ends["rollback"] = RunState.RUNNING
    await team.says("bo", RollBack(deployment=v2, reason="carts are lost"))
    await team.passes(12 * MINUTE)
    return v2


async def _gives_up(team: Team, v2: str, *, reason: str = "", key: str = "up") -> str:
    shown = token(Action.ROLL_BACK, seen_on(await team.card(v2)))
    return await team.says("bo", RollBack(deployment=v2, reason=reason, shown=shown), key=key)


async def test_whoever_gives_a_rollback_up_is_asked_why(team: Team) -> None:
    v2 = await _hangs(team)
    assert "is given up" in await _gives_up(team, v2)
    assert [(offer.action, offer.label) for offer in (await _answered(team, "up")).offers] == WHY
    card = await team.card(v2)
    assert card.deployment.state is State.FAILED
    assert Action.SAY_WHY in card.actions
    assert Action.SAY_WHY in card.decisions
    said = await team.says(
        "bo", SayWhy(v2, "its runner is gone", token(Action.SAY_WHY, seen_on(card)))
    )
    assert said.startswith(
        "Noted why the rollback of *shop v2 → production* was given up: its runner is gone."
    )
    await team.passes()
    assert (
        "The lead gave the rollback to v1 up after 12 min: its runner is gone."
        in await team.shown(v2)
    )
    assert Action.SAY_WHY not in (await team.card(v2)).actions
    assert (
        "asked for and given up by <@UBO> (shop-3, undoes shop-2): carts are lost · why "
        "given up: its runner is gone"
    ) in await team.says("ana", History("shop", "production"))
    assert await thread(team, "said_why") == [
        "Why its rollback was given up, says <@UBO>: its runner is gone"
    ]


@pytest.mark.parametrize("reason", ["its runner is gone", ""])
async def test_a_rollback_after_one_that_was_given_up_asks_for_a_reason_of_its_own(
    team: Team, reason: str
) -> None:
    v2 = await _hangs(team)
    await _gives_up(team, v2, reason=reason)
    assert bool((await _answered(team, "up")).offers) == (not reason)
    older = token(Action.SAY_WHY, seen_on(await team.card(v2)))
    team.ci.ends.clear()
    await team.says("bo", RollBack(deployment=v2))
    assert "has changed since it was shown" in await team.says(
        "bo", SayWhy(v2, "its runner was gone", older)
    )
    assert (await team.says("bo", SayWhy(v2, "carts are still lost"))).startswith(
        "Noted why *shop v2 → production* was rolled back: carts are still lost."
    )


async def test_nobody_is_asked_why_a_rollback_failed_by_itself(team: Team) -> None:
    v2 = await team.rolls_out_v2()
    team.ci.ends["rollback"] = RunState.FAILED
    await team.says("bo", RollBack(deployment=v2))
    await team.passes(5 * MINUTE)
    assert Action.SAY_WHY not in (await team.card(v2)).actions
    assert "neither rolled back nor stopped" in await team.says("bo", SayWhy(v2, "because"))


async def test_after_a_hand_over_both_may_say_why_and_everybody_else_reads_whom_to_ask(
    team_with: TeamWith,
) -> None:
    async with team_with(**OPEN) as team:
        await goes_bad_with_no_way_back(team)
        await team.says("bo", Cancel("shop-1"))
        await team.says("bo", HandOver("shop-1", "UCY"))
        assert (await team.says("ana", SayWhy("shop-1", "I know"))).startswith(
            "Only <@UBO>, who did it, or <@UCY>, who leads it now, can say why"
        )
        assert "Noted why" in await team.says("cy", SayWhy("shop-1", "carts are lost"))


async def test_an_alarm_that_only_asks_why_is_taken_over_by_nobody(team_with: TeamWith) -> None:
    """Nothing is left to decide about what was stopped but where it is deployed
    over, which anybody may.
    """
    async with team_with(**OPEN) as team:
        await goes_bad_with_no_way_back(team)
        await team.says("bo", Cancel("shop-1"))
        team.rota.person = Person("T1", "UCY")
        await team.passes(timedelta(minutes=2))
        assert (await team.card("shop-1")).decisions == (Action.SAY_WHY,)


async def test_what_is_being_rolled_back_is_asked_of_nobody_else(team: Team) -> None:
    """Nobody's lead is to be asked for what is under way; once it hangs there is something
    that the lead alone can do.
    """
    v2 = await team.rolls_out_v2()
    team.ci.ends["rollback"] = RunState.RUNNING
    await team.says("bo", RollBack(deployment=v2, reason="carts are lost"))
    said = await team.says("cy", RollBack(deployment=v2))
    assert said == "shop v2 → production is rolling back to v1 already, as shop-3. <@UBO> leads it."
    await team.passes(12 * MINUTE)
    late = await team.says("cy", RollBack(deployment=v2))
    assert (
        "It takes longer than it should. Only <@UBO>, the deployment lead, can give it up." in late
    )
