"""What happens in the stories in which something stands in the way: runs, providers, approvers,
migrations, those who came before.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from bot.domain.catalog import Freeze
from bot.domain.commands import (
    Acknowledge,
    Approve,
    AskLead,
    Check,
    ConfirmPlan,
    Deploy,
    GoNow,
    HandOver,
    History,
    Reject,
    RollBack,
    SayLive,
    Status,
    TakeOver,
    Tick,
)
from bot.domain.errors import IntegrationError
from bot.domain.rollout import RunState, Stage
from bot.ports.store import Restored
from bot.services import restoring
from tests.services.conftest import BAD, MINUTE, PEOPLE
from tests.services.storyteller import Story

HOUR = timedelta(hours=1)


async def a_run_that_cannot_be_stopped(story: Story) -> None:
    """The rollback does not wait for it; what runs is unclear until the run has ended and
    somebody has said what is live.
    """
    team = story.team
    team.ci.stages, team.ci.deaf = (
        (Stage("release", RunState.RUNNING, story.team.context.now()),),
        True,
    )
    await team.rolls_out_v2()
    await story.goes_on()
    await story.says("bo", RollBack(deployment="shop-2", reason="carts are lost"))
    await story.goes_on(MINUTE)
    await story.looks("shop-2")
    await story.says("ana", Deploy("shop", "production", "v3"))
    await story.says("ana", Check("shop", "production", "v3"))
    await story.says("ana", Status("shop"))
    team.ci.stages = ()
    await story.goes_on(10 * MINUTE)
    await story.looks("shop-2")
    await story.says("ana", Status("shop"))
    await story.says("bo", SayLive("shop", "production", "v1", "I looked at all hosts"))
    await story.presses("bo")
    await story.says("ana", Status("shop"))


async def a_provider_that_refuses_and_is_silent(story: Story) -> None:
    """What waits says so, goes on when it is answered, and ends nothing for good."""
    team = story.team
    refusal = IntegrationError(
        "GitHub answered 401: the token has expired.", vendor="GitHub", status=401, retry=False
    )
    team.ci.stages = (Stage("release", RunState.RUNNING),)
    await team.rolls_out_v2()
    await story.goes_on()
    team.ci.refuses["look shop-2"] = refusal
    await story.goes_on(5 * MINUTE)
    await story.looks("shop-2")
    team.ci.refuses.clear()
    team.ci.away = True
    await story.goes_on(5 * MINUTE)
    await story.looks("shop-2")
    await story.says("ana", Deploy("shop", "staging", "v3"))
    await story.says("ana", Check("shop", "staging", "v3"))
    team.ci.away = False
    await story.goes_on(2 * MINUTE)
    await story.looks("shop-2")
    await story.says("bo", RollBack(deployment="shop-2"))
    team.ci.refuses["find shop-3"] = refusal
    await story.goes_on(15 * MINUTE)
    await story.looks("shop-2")
    team.ci.refuses.clear()
    await story.says("bo", RollBack(deployment="shop-2"))
    await story.goes_on(5 * MINUTE)
    await story.looks("shop-2")


async def two_approvers(story: Story) -> None:
    """Each role counts for itself, nobody twice, and one no ends it."""
    await story.team.asks_for_v2()
    await story.goes_on()
    await story.says("bo", Acknowledge("shop-2"))
    await story.says("cy", Tick("shop-2", ("support",)))
    await story.looks("shop-2")
    await story.says("bo", Approve("shop-2"))
    await story.says("bo", Approve("shop-2"))
    await story.looks("shop-2")
    await story.says("ana", Reject("shop-2", "no"))
    await story.says("cy", Tick("shop-2", (), ("support",)))
    await story.looks("shop-2")
    await story.says("cy", Tick("shop-2", ("support",)))
    await story.says("cy", Reject("shop-2", "the shop is full"))
    await story.looks("shop-2")
    await story.says("cy", Approve("shop-2"))
    await story.says("bo", HandOver("shop-2", "UANA"))
    await story.says("ana", Deploy("shop", "production", "v2"))
    await story.says("bo", Acknowledge("shop-3"))
    await story.says("cy", Tick("shop-3", ("support",)))
    await story.says("bo", Approve("shop-3"))
    await story.says("di", Approve("shop-3"))
    await story.says("cy", Approve("shop-3"))
    await story.looks("shop-3")


async def nobody_on_call(story: Story) -> None:
    """Without a lead nothing begins; whoever is named leads, and freezes hold it up too."""
    team = story.team
    team.rota.person = None
    begin = team.context.now()
    team.ci.frozen = (Freeze("production", begin, begin + HOUR, "end of the quarter"),)
    await team.asks_for_v2()
    await story.goes_on()
    await story.looks("shop-2")
    await story.says("bo", Acknowledge("shop-2"))
    await story.says("bo", RollBack(deployment="shop-2"))
    await story.says("bo", AskLead("shop-2"))
    await story.says("cy", HandOver("shop-2", "UCY"))
    await story.says("bo", HandOver("shop-2", "UCY"))
    await story.says("ana", TakeOver("shop-2", "I am here"))
    await story.says("ana", Check("shop", "production", "v2"))
    team.rota.person = PEOPLE["cy"]
    await story.says("cy", Acknowledge("shop-2"))
    await story.goes_on(HOUR)
    await story.looks("shop-2")
    team.rota.away = True
    await story.goes_on(2 * MINUTE)
    await story.looks("shop-2")


async def a_migration_in_between(story: Story) -> None:
    """No button goes back over it; the countdown does not even begin."""
    team = story.team
    team.ci.changes = replace(
        team.ci.changes, files=("migrations/7.sql", "app.py"), migrations=("migrations/7.sql",)
    )
    await team.asks_for_v2()
    await team.clears("shop-2")
    await story.goes_on(MINUTE)
    await story.looks("shop-2")
    await story.says("cy", ConfirmPlan("shop-2", "expand only"))
    await story.says("bo", ConfirmPlan("shop-2", "expand only"))
    await story.looks("shop-2")
    await story.says("bo", Approve("shop-2"))
    await story.goes_on(MINUTE)
    await story.looks("shop-2")
    team.numbers.new = BAD
    await story.goes_on(10 * MINUTE)
    await story.looks("shop-2")
    await story.says("bo", RollBack("shop", "production", reason="carts are lost"))
    await story.says("bo", RollBack(deployment="shop-2", reason="carts are lost"))


async def somebody_who_does_not_wait(story: Story) -> None:
    """The next one goes before the watch of the one before has ended; what nobody
    verified is no way back.
    """
    team = story.team
    await team.says("ana", Deploy("shop", "production", "v2"))
    await story.goes_on(MINUTE)
    await story.says("cy", Deploy("shop", "production", "v3"))
    await story.says("di", GoNow("shop-2"))
    await story.says("cy", GoNow("shop-2"))
    await story.goes_on(MINUTE)
    await story.looks("shop-1")
    await story.looks("shop-2")
    team.numbers.new = BAD
    await story.goes_on(2 * MINUTE)
    await story.looks("shop-2")
    await story.says("bo", RollBack("shop", "production", ref="v2", reason="carts are lost"))
    await story.says("bo", RollBack("shop", "production", reason="carts are lost"))
    await story.presses("bo")
    await story.goes_on(MINUTE)
    await story.says("ana", History("shop", "production"))


async def one_after_the_other(story: Story) -> None:
    """What comes next waits for the watch of what is there; what was
    replaced cannot be gone back to.
    """
    team = story.team
    await team.says("ana", Deploy("shop", "production", "v2"))
    await story.goes_on(MINUTE)
    await story.says("cy", Deploy("shop", "production", "v3"))
    await story.looks("shop-2")
    await story.says("ana", Status("shop"))
    await story.goes_on(40 * MINUTE)
    await story.looks("shop-2")
    await story.looks("shop-1")
    await story.says("bo", RollBack(deployment="shop-1"))
    await story.says("bo", RollBack("shop", "production", ref="v1", reason="both are bad"))
    await story.says("bo", RollBack("shop", "production", ref="v9", reason="both are bad"))
    await story.says("ana", History("shop", "production"))
    await restoring.notice(team.context, Restored(3, 7, team.context.now() - HOUR), ("C1",))
    await story.goes_on()
    await story.says("ana", Status("shop"))
    await story.says("ana", Deploy("shop", "staging", "v3"))
    await story.says("bo", SayLive("shop", "production", "v3", "I looked"))
    await story.presses("bo")
    await story.says("ana", Status("shop"))
