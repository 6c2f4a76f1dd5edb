"""What happens in the stories: a version that is good, one that is bad, a lead who decides, and
what people say of locks and refs.
"""

from __future__ import annotations

from datetime import timedelta

from bot.domain.commands import (
    Acknowledge,
    Approve,
    AskLead,
    Cancel,
    Check,
    Deploy,
    DeployFirst,
    HandOver,
    History,
    Lock,
    Locks,
    OpenGate,
    Proceed,
    Quarantine,
    Reject,
    Retest,
    RollBack,
    SayLive,
    Status,
    StopCountdown,
    TakeOver,
    Tick,
    Unlock,
    Unquarantine,
    Watch,
)
from bot.domain.quality import QualityState
from bot.domain.rollout import RunState, Stage
from bot.services import summaries
from tests.services.conftest import BAD, GOOD, MINUTE
from tests.services.storyteller import Story

HOUR = timedelta(hours=1)


async def a_version_that_is_good(story: Story) -> None:
    """Two gates, an approval, two steps, a watch, summaries."""
    await story.says("ana", Deploy("shop", "staging", "v2", reason="the basket is faster"))
    await story.goes_on(10 * MINUTE)
    await story.says("ana", Check("shop", "production", "v2"))
    await story.says("ana", Deploy("shop", "production", "v2", reason="the basket is faster"))
    await story.looks("shop-2")
    await story.says("bo", Acknowledge("shop-2"))
    await story.says("cy", Tick("shop-2", ("support",)))
    await story.looks("shop-2")
    await story.says("ana", Approve("shop-2"))
    await story.says("bo", Approve("shop-2"))
    await story.goes_on(MINUTE)
    await story.looks("shop-2")
    await story.says("cy", AskLead("shop-2"))
    await story.says("bo", Watch("shop-2"))
    await story.says("cy", Status("shop"))
    await story.goes_on(20 * MINUTE)
    await story.looks("shop-2")
    await story.says("ana", Status())
    await story.goes_on(HOUR)
    await summaries.after_deployment(story.team.context, "shop-2")
    await summaries.morning(story.team.context, story.team.context.now())
    await story.goes_on()
    await story.looks("shop-2")
    await story.says("ana", History("shop"))


async def a_version_that_is_bad(story: Story) -> None:
    """The numbers are worse, a countdown runs out, the rollback goes by itself; the version is kept
    out until somebody lets it in again.
    """
    await story.team.rolls_out_v2()
    await story.goes_on()
    story.team.numbers.new = BAD
    await story.goes_on(2 * MINUTE)
    await story.looks("shop-2")
    await story.says("cy", Status("shop"))
    await story.says("cy", RollBack("shop", "production", reason="carts are lost"))
    await story.goes_on(6 * MINUTE)
    story.team.numbers.new = GOOD
    await story.looks("shop-2")
    await story.goes_on(12 * MINUTE)
    await story.looks("shop-2")
    await story.says("ana", Deploy("shop", "production", "v2"))
    await story.says("ana", Check("shop", "production", "v2"))
    await story.says("ana", Unquarantine("shop", "v2", "the numbers were wrong"))
    await story.says("bo", Unquarantine("shop", "v2", "the numbers were wrong"))
    await story.says("bo", Unquarantine("shop", "v2", "the numbers were wrong"))
    await story.says("cy", Locks())
    await story.says("cy", Unlock("shop", "production"))
    await story.says("bo", Unlock(deployment="shop-2"))
    await story.says("bo", Unlock(deployment="shop-2"))
    await story.says("ana", History("shop", "production"))
    await story.looks("shop-2")
    await story.opens("shop-2")


async def a_lead_who_decides(story: Story) -> None:
    """A countdown is stopped, the lead changes hands, and what goes on with no
    numbers is accepted on a word.
    """
    await story.team.rolls_out_v2()
    await story.goes_on()
    story.team.numbers.new = BAD
    await story.goes_on(2 * MINUTE)
    await story.says("cy", StopCountdown("shop-2", "a known spike"))
    await story.says("bo", StopCountdown("shop-2", "a known spike"))
    await story.says("bo", StopCountdown("shop-2", "a known spike"))
    await story.looks("shop-2")
    await story.says("cy", HandOver("shop-2", "UCY"))
    await story.says("bo", HandOver("shop-2", "UANA"))
    await story.says("bo", HandOver("shop-2", "UANA"))
    await story.says("ana", AskLead("shop-2"))
    await story.says("cy", TakeOver("shop-2", "she sleeps"))
    await story.says("bo", TakeOver("shop-2", "she sleeps"))
    await story.says("bo", Proceed("shop-2", "the spike is over"))
    story.team.numbers.new = GOOD
    await story.goes_on(5 * MINUTE)
    story.team.numbers.new = None
    await story.goes_on(30 * MINUTE)
    await story.looks("shop-2")
    await story.says("bo", Proceed("shop-2", "the graphs are down"))
    await story.goes_on(10 * MINUTE)
    await story.looks("shop-2")
    await story.says("bo", Cancel("shop-2"))
    await story.goes_on(HOUR)
    await story.says("bo", Proceed("shop-2", "the graphs are still down"))
    await story.goes_on(HOUR)
    await story.looks("shop-2")
    await story.says("bo", Watch("shop-2"))
    await story.says("ana", Status("shop"))
    await story.opens("shop-2")


async def a_run_that_fails(story: Story) -> None:
    """The run fails, the lead goes back by the dialog, and the rollback fails
    once before it succeeds.
    """
    team = story.team
    team.ci.stages = (Stage("build", RunState.SUCCEEDED), Stage("release", RunState.RUNNING))
    await team.rolls_out_v2()
    await story.goes_on()
    await story.looks("shop-2")
    await story.says("bo", Lock("shop", "production", "incident 7", 7200))
    team.ci.stages, team.ci.ends["deploy"] = (), RunState.FAILED
    await story.goes_on(MINUTE)
    await story.looks("shop-2")
    await story.says("ana", Status("shop"))
    team.ci.ends["rollback"] = RunState.FAILED
    await story.says("bo", RollBack("shop", "production", reason="it failed"))
    await story.says("bo", RollBack(deployment="shop-2", reason="it failed"))
    await story.says("bo", RollBack(deployment="shop-2", reason="it failed"))
    await story.goes_on(MINUTE)
    await story.looks("shop-2")
    del team.ci.ends["rollback"]
    await story.says("bo", RollBack("shop", "production", reason="again"))
    await story.presses("bo")
    await story.goes_on(20 * MINUTE)
    await story.looks("shop-2")
    await story.says("bo", RollBack("shop", "production", reason="once more"))
    await story.says("bo", RollBack(deployment="shop-2", reason="once more"))
    await story.says("bo", Unlock("shop", "production"))
    await story.says("ana", Status("shop"))


async def a_smoke_test_that_fails(story: Story) -> None:
    """It goes back by itself; the same commit elsewhere stands still, and so does a
    gate of the pipeline's own.
    """
    team = story.team
    await team.asks_for_v2()
    await team.clears("shop-2")
    team.ci.ends["smoke"] = RunState.FAILED
    await story.says("ana", Deploy("shop", "staging", "v2"))
    await story.goes_on(MINUTE)
    await story.looks("shop-2")
    await story.goes_on(15 * MINUTE)
    await story.looks("shop-2")
    await story.says("ana", History("shop"))


async def a_gate_of_the_pipeline(story: Story) -> None:
    """It is opened by those who may, once."""
    team = story.team
    team.ci.stages = (
        Stage("build", RunState.SUCCEEDED),
        Stage("release", RunState.WAITING, passable=True),
    )
    await team.rolls_out_v2()
    await story.goes_on()
    await story.looks("shop-2")
    await story.says("ana", OpenGate("shop-2"))
    await story.says("di", OpenGate("shop-2"))
    await story.says("bo", OpenGate("shop-2"))
    await story.says("cy", OpenGate("shop-2"))
    await story.goes_on(MINUTE)
    await story.looks("shop-2")


async def what_ends_before_it_begins(story: Story) -> None:
    """Rejected, cancelled, expired, impossible, queued and needless; tests that
    have failed are run again.
    """
    team = story.team
    await story.says("ana", Deploy("shop", "production", "v9"))
    await story.says("ana", Deploy("shop", "production", "v1"))
    await story.says("di", Deploy("shop", "production", "v2"))
    await story.says("ana", Deploy("shop", "production", "v2", strategy="blue"))
    await story.says("ana", Deploy("shop", "production", "v2", lead="UDI"))
    await story.says("ana", Deploy("shop", "production", "v2", lead="UCY"))
    await story.says("cy", Deploy("shop", "production", "v3"))
    await story.looks("shop-2")
    await story.says("ana", DeployFirst("shop-1"))
    await story.goes_on(10 * MINUTE)
    await story.says("ana", DeployFirst("shop-1"))
    team.ci.quality_state = QualityState.RED
    await story.goes_on(2 * MINUTE)
    await story.looks("shop-1")
    await story.says("ana", Retest("shop-1"))
    team.ci.quality_state = QualityState.GREEN
    await story.says("ana", Tick("shop-1", ("support",)))
    await story.says("cy", Tick("shop-1", ("support",)))
    await story.says("cy", Tick("shop-1", (), ("support",)))
    await story.says("cy", Acknowledge("shop-1"))
    await team.clears("shop-1")
    await story.says("cy", Reject("shop-1", "not today"))
    await story.says("bo", RollBack(deployment="shop-1"))
    await story.says("ana", Cancel("shop-1"))
    await story.says("cy", Cancel("shop-2"))
    await story.says("ana", Deploy("shop", "production", "latest"))
    await story.goes_on(26 * HOUR)
    await story.looks("shop-4")
    await story.says("ana", History("shop"))


async def what_is_said_to_be_live(story: Story) -> None:
    """Locks, quarantines and what runs where, on somebody's word."""
    await story.says("cy", Lock("", "production", "incident 7"))
    await story.says("bo", Lock("", "production", "incident 7"))
    await story.says("bo", Lock("", "production", "incident 8"))
    await story.says("bo", Lock("shop", "production", "end of the quarter", 3600))
    await story.says("ana", Deploy("shop", "production", "v2"))
    await story.says("ana", Check("shop", "production", "v2"))
    await story.says("ana", Quarantine("shop", "v2", "it leaks"))
    await story.says("bo", Quarantine("shop", "v2", "it leaks"))
    await story.says("bo", Quarantine("shop", "v2", "it leaks"))
    await story.looks("shop-1")
    await story.says("cy", SayLive("shop", "production", "v3", "I put it there"))
    await story.says("bo", SayLive("shop", "production", "v3", "I put it there"))
    await story.says("bo", SayLive("shop", "production", "v9", "I put it there"))
    await story.says("bo", Locks())
    await story.says("bo", Unlock("", "production"))
    await story.says("bo", Unlock("", "production"))
    await story.says("ana", Status())
    await story.says("bo", RollBack("shop", "production", reason="it is slow"))
    await story.goes_on(2 * HOUR)
    await story.says("bo", Locks())
