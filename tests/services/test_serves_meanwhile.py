"""What serves is looked at however long the run of the next step, or a smoke test,
hangs, waits or is refused.
"""

from __future__ import annotations

from typing import Any

import pytest

from bot.domain.actions import Action
from bot.domain.catalog import AutomaticRollback
from bot.domain.commands import Deploy, OpenGate, Proceed, StopCountdown
from bot.domain.deployment import Acceptance, State
from bot.domain.errors import IntegrationError
from bot.domain.health import Observed
from bot.domain.rollout import RunState, Stage, StepState
from tests.services.conftest import GOOD, MINUTE

ALONE: dict[str, Any] = {
    "gates": (), "checklist": (), "approvals": (),
    "after": "", "strategy": "canary", "watch": 10 * MINUTE,
    "automatic_rollback": AutomaticRollback.OFF,
}  # fmt: skip
COUNTS = {**ALONE, "automatic_rollback": AutomaticRollback.COUNTDOWN, "countdown": 5 * MINUTE}
TERRIBLE = Observed(900, 1000, requests=1000)


def hangs(team: Any) -> None:
    team.ci.ends["deploy"] = RunState.RUNNING


def waits(team: Any) -> None:
    hangs(team)
    team.ci.stages = (Stage("approve", RunState.WAITING, passable=True),)


def is_refused(team: Any) -> None:
    team.ci.refuses["start shop-1:canary-100"] = IntegrationError(
        "401", vendor="the CI", status=401, retry=False
    )


async def serves_five(team: Any, then: Any) -> None:
    """Have a canary serve 5 %, well, and the next step's run come to nothing."""
    await team.says("ana", Deploy("shop", "production", "v2"))
    await team.passes(3 * MINUTE)
    then(team)
    await team.passes(12 * MINUTE)


@pytest.mark.case("races-4")
@pytest.mark.parametrize("then", [hangs, waits, is_refused])
async def test_what_serves_and_turns_worse_is_seen_while_the_next_run_comes_to_nothing(
    team_with: Any, then: Any
) -> None:
    async with team_with(**ALONE) as team:
        await serves_five(team, then)
        assert not await team.said("degraded")
        team.numbers.new = TERRIBLE
        await team.passes(3 * MINUTE)
        alarm = (await team.said("degraded"))[-1]
        assert "errors 90 %" in alarm
        assert "*DEGRADED* at 5 %" in await team.shown("shop-1")
        assert Action.PROCEED in (await team.card("shop-1")).actions
        await team.passes(10 * MINUTE)
        assert len(await team.said("degraded")) == 1


async def test_a_run_that_goes_on_meanwhile_is_named_on_the_card_and_in_the_alarm(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await serves_five(team, hangs)
        team.numbers.new = TERRIBLE
        await team.passes(3 * MINUTE)
        assert (
            "*DEGRADED* at 5 % · the run of 100 % goes on, what follows "
            "waits until the lead decides"
        ) in await team.shown("shop-1")
        assert (
            "The run of 100 % is under way and goes on; nothing that comes after it "
            "begins until the lead decides"
        ) in (await team.said("degraded"))[-1]


async def test_the_countdown_runs_and_ends_in_a_rollback_while_the_next_run_hangs(
    team_with: Any,
) -> None:
    async with team_with(**COUNTS) as team:
        await serves_five(team, hangs)
        team.numbers.new = TERRIBLE
        await team.passes(3 * MINUTE)
        assert "rolling back to v1" in await team.shown("shop-1")
        team.ci.ends["rollback"] = RunState.SUCCEEDED
        await team.passes(15 * MINUTE)
        assert (await team.deployment("shop-1")).state in {State.ROLLING_BACK, State.ROLLED_BACK}
        assert any(run.startswith("shop-1:canary-100") for run in team.ci.cancelled)


@pytest.mark.parametrize("key", ["rolling-100", "canary-5"])
async def test_what_serves_is_looked_at_while_its_own_smoke_test_hangs(
    team_with: Any, key: str
) -> None:
    strategy, _, percent = key.partition("-")
    async with team_with(**{**ALONE, "strategy": strategy, "smoke": True}) as team:
        team.ci.ends["smoke"] = RunState.RUNNING
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(3 * MINUTE)
        team.numbers.new = TERRIBLE
        await team.passes(5 * MINUTE)
        assert (await team.card("shop-1")).trouble.where == key
        assert (
            f"*DEGRADED* at {percent} % · its smoke test goes on, what follows "
            "waits until the lead decides"
        ) in await team.shown("shop-1")


@pytest.mark.case("races-4")
async def test_a_start_that_was_refused_is_not_made_up_for_over_what_was_found_meanwhile(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await serves_five(team, is_refused)
        team.numbers.new = TERRIBLE
        await team.passes(3 * MINUTE)
        team.ci.refuses.clear()
        await team.passes(10 * MINUTE)
        assert not any(run.startswith("shop-1:canary-100") for run in team.ci.runs)
        assert (
            "*DEGRADED* at 5 % · the rollout stands still until the lead decides"
            in await team.shown("shop-1")
        )
        await team.says("bo", Proceed("shop-1", "known noise"))
        await team.passes(10 * MINUTE)
        assert any(run.startswith("shop-1:canary-100") for run in team.ci.runs)


async def test_the_pipelines_gate_stays_shut_over_what_was_found_until_the_lead_has_spoken(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await serves_five(team, waits)
        team.numbers.new = TERRIBLE
        await team.passes(3 * MINUTE)
        assert Action.OPEN_GATE not in (await team.card("shop-1")).actions
        assert "is not let go on" in await team.says("cy", OpenGate("shop-1"))
        await team.says("bo", Proceed("shop-1", "known noise"))
        await team.passes(MINUTE)
        assert Action.OPEN_GATE in (await team.card("shop-1")).actions
        await team.says("cy", OpenGate("shop-1"))
        await team.passes(2 * MINUTE)
        assert team.ci.opened
        team.ci.stages, team.numbers.new = (), GOOD
        team.ci.ends["deploy"] = RunState.SUCCEEDED
        await team.passes(15 * MINUTE)
        assert {step.state for step in (await team.card("shop-1")).steps} == {StepState.DONE}


async def test_what_was_let_go_on_is_not_asked_again_while_the_next_run_is_under_way(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        team.numbers.new = TERRIBLE
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(5 * MINUTE)
        hangs(team)
        await team.says("bo", Proceed("shop-1", "known noise"))
        await team.passes(15 * MINUTE)
        assert len(await team.said("degraded")) == 1
        assert "canary 100 %" in await team.shown("shop-1")
        assert "DEGRADED" not in await team.shown("shop-1")


async def test_what_recovers_while_the_next_run_is_under_way_is_over(team_with: Any) -> None:
    async with team_with(**COUNTS) as team:
        await serves_five(team, hangs)
        team.numbers.new = TERRIBLE
        await team.passes(2 * MINUTE)
        team.numbers.new = GOOD
        await team.passes(10 * MINUTE)
        assert await team.said("recovered")
        assert "DEGRADED" not in await team.shown("shop-1")
        assert (await team.deployment("shop-1")).state is State.ROLLING_OUT


async def test_too_little_traffic_at_the_next_step_refutes_nothing_that_was_found_before_it(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await serves_five(team, hangs)
        team.numbers.new = TERRIBLE
        await team.passes(3 * MINUTE)
        team.numbers.new = Observed(1, 20, requests=20)
        team.ci.ends["deploy"] = RunState.SUCCEEDED
        await team.passes(10 * MINUTE)
        assert (await team.deployment("shop-1")).state is State.ROLLING_OUT
        assert "*DEGRADED*" in await team.shown("shop-1")


async def test_a_rollback_that_is_announced_comes_also_when_the_next_run_fails_before(
    team_with: Any,
) -> None:
    async with team_with(**COUNTS) as team:
        await serves_five(team, hangs)
        team.numbers.new = TERRIBLE
        await team.passes(2 * MINUTE)
        assert (await team.deployment("shop-1")).countdown_until is not None
        team.ci.ends["deploy"] = RunState.FAILED
        await team.passes(MINUTE)
        assert (await team.deployment("shop-1")).state in {State.ROLLING_BACK, State.ROLLED_BACK}
        assert (
            "It is rolled back by itself now, earlier than announced (02:"
            in (await team.said("failed"))[-1]
        )
        assert "because its run failed." in (await team.said("failed"))[-1]


async def test_an_announced_rollback_says_that_it_comes_at_once_should_its_run_fail(
    team_with: Any,
) -> None:
    async with team_with(**COUNTS) as team:
        await serves_five(team, hangs)
        team.numbers.new = TERRIBLE
        await team.passes(2 * MINUTE)
        (alarm,) = await team.said("degraded")
        assert (
            "The run of 100 % goes on until then; should it fail, or be cancelled at the CI "
            "provider, it is rolled back at once."
        ) in alarm
        assert "UTC, or as soon as the run of 100 % fails" in await team.shown("shop-1")


async def test_a_run_that_somebody_cancels_on_purpose_ends_the_countdown_and_is_said_to_be_cancelled(
    team_with: Any,
) -> None:
    async with team_with(**COUNTS) as team:
        await serves_five(team, hangs)
        team.numbers.new = TERRIBLE
        await team.passes(2 * MINUTE)
        until = (await team.deployment("shop-1")).countdown_until
        team.ci.ends["deploy"] = RunState.CANCELLED
        await team.passes(MINUTE)
        assert team.context.now() < until
        (said,) = await team.said("failed")
        assert "was cancelled at the CI provider at 100 %" in said
        assert "earlier than announced" in said
        assert "because its run was cancelled." in said
        assert "failed" not in said
        assert (await team.deployment("shop-1")).note == "its run was cancelled at 100 %"


@pytest.mark.case("races-4")
async def test_what_serves_and_cannot_be_judged_any_more_is_asked_about_before_a_refused_start_is_made_up_for(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await serves_five(team, is_refused)
        team.numbers.new = None
        await team.passes(10 * MINUTE)
        assert "no data" in (await team.said("degraded"))[-1]
        team.ci.refuses.clear()
        await team.passes(10 * MINUTE)
        assert "shop-1:canary-100" not in team.ci.runs
        await team.says("bo", Proceed("shop-1", "the metrics are down, the customers are fine"))
        await team.passes(5 * MINUTE)
        assert "shop-1:canary-100" in team.ci.runs


async def test_a_countdown_that_was_stopped_stays_stopped_when_the_next_run_ends(
    team_with: Any,
) -> None:
    async with team_with(**COUNTS) as team:
        await serves_five(team, hangs)
        team.numbers.new = TERRIBLE
        await team.passes(2 * MINUTE)
        await team.says("bo", StopCountdown("shop-1", "let me look"))
        team.ci.ends["deploy"] = RunState.SUCCEEDED
        await team.passes(15 * MINUTE)
        found = await team.deployment("shop-1")
        assert (found.state, found.countdown_until) == (State.ROLLING_OUT, None)
        assert (
            "*DEGRADED* at 100 % · the rollout stands still until the lead decides"
            in await team.shown("shop-1")
        )
        assert len(await team.said("degraded")) == 1


@pytest.mark.case("races-1")
@pytest.mark.parametrize("strategy", ["rolling", "canary"])
async def test_what_serves_is_there_also_when_its_smoke_test_is_refused(
    team_with: Any, strategy: str
) -> None:
    async with team_with(**{**ALONE, "strategy": strategy, "smoke": True}) as team:
        key = "rolling-100" if strategy == "rolling" else "canary-5"
        team.ci.refuses[f"start shop-1:{key}:smoke"] = IntegrationError(
            "403", vendor="the CI", status=403, retry=False
        )
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(5 * MINUTE)
        assert await team.said("refused")
        card = await team.card("shop-1")
        assert Action.ROLL_BACK in card.actions
        assert Action.CANCEL not in card.actions


@pytest.mark.case("races-4")
@pytest.mark.parametrize("key", ["rolling-100", "canary-5"])
async def test_what_the_first_run_has_brought_so_far_is_looked_at_while_it_hangs(
    team_with: Any, key: str
) -> None:
    strategy, _, percent = key.partition("-")
    async with team_with(**{**ALONE, "strategy": strategy}) as team:
        hangs(team)
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(3 * MINUTE)
        assert not await team.said("degraded")
        team.numbers.new = TERRIBLE
        await team.passes(3 * MINUTE)
        assert (await team.card("shop-1")).trouble.where == key
        assert (
            f"*DEGRADED* at {percent} % · its run goes on, what follows "
            "waits until the lead decides"
        ) in await team.shown("shop-1")
        alarm = (await team.said("degraded"))[-1]
        assert (
            f"The run of {percent} % is under way and goes on; nothing that comes after it "
            "begins until the lead decides"
        ) in alarm
        actions = (await team.card("shop-1")).actions
        assert {Action.PROCEED, Action.ROLL_BACK} <= set(actions)
        await team.passes(20 * MINUTE)
        assert len(await team.said("degraded")) == 1


@pytest.mark.case("races-4")
async def test_a_first_run_of_which_nothing_is_told_is_looked_at_by_its_numbers(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        hangs(team)
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes()
        team.ci.refuses["look shop-1:canary-5"] = IntegrationError(
            "401", vendor="the CI", status=401, retry=False
        )
        team.numbers.new = TERRIBLE
        await team.passes(3 * MINUTE)
        assert "*DEGRADED* at 5 %" in await team.shown("shop-1")


async def test_the_countdown_of_what_a_first_run_has_brought_ends_in_a_rollback(
    team_with: Any,
) -> None:
    async with team_with(**COUNTS) as team:
        hangs(team)
        team.numbers.new = TERRIBLE
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(3 * MINUTE)
        assert (await team.deployment("shop-1")).countdown_until is not None
        team.ci.ends["rollback"] = RunState.SUCCEEDED
        await team.passes(15 * MINUTE)
        assert (await team.deployment("shop-1")).state is State.ROLLED_BACK
        assert any(run.startswith("shop-1:canary-5") for run in team.ci.cancelled)


async def test_numbers_that_were_well_before_the_first_run_had_ended_are_not_those_of_the_hold(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        hangs(team)
        team.numbers.new = TERRIBLE
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(3 * MINUTE)
        team.numbers.new = GOOD
        await team.passes(3 * MINUTE)
        assert (await team.card("shop-1")).trouble.is_over
        team.numbers.new = None
        team.ci.ends["deploy"] = RunState.SUCCEEDED
        await team.passes(2 * MINUTE)
        card = await team.card("shop-1")
        assert (card.steps[0].state, card.judged) == (StepState.HOLDING, None)
        await team.passes(10 * MINUTE)
        assert "*NO DATA* at 5 %" in await team.shown("shop-1")


async def test_what_was_found_while_the_first_run_hung_is_not_refuted_by_too_little_traffic_in_the_hold(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        hangs(team)
        team.numbers.new = TERRIBLE
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(3 * MINUTE)
        team.numbers.new = Observed(1, 20, requests=20)
        team.ci.ends["deploy"] = RunState.SUCCEEDED
        await team.passes(15 * MINUTE)
        assert (await team.card("shop-1")).steps[0].state is StepState.HOLDING
        assert "*DEGRADED* at 5 %" in await team.shown("shop-1")
        assert not any(run.startswith("shop-1:canary-100") for run in team.ci.runs)


async def test_the_gate_of_a_first_run_stays_shut_over_what_it_has_brought_so_far(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        waits(team)
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(MINUTE)
        team.numbers.new = TERRIBLE
        await team.passes(3 * MINUTE)
        assert Action.OPEN_GATE not in (await team.card("shop-1")).actions
        assert "is not let go on" in await team.says("cy", OpenGate("shop-1"))


async def test_nothing_is_looked_at_before_a_first_run_is_there(team_with: Any) -> None:
    async with team_with(**ALONE) as team:
        team.ci.refuses["start shop-1"] = IntegrationError(
            "401", vendor="the CI", status=401, retry=False
        )
        team.numbers.new = TERRIBLE
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(10 * MINUTE)
        assert not await team.said("degraded")
        assert Action.CANCEL in (await team.card("shop-1")).actions


async def _lets_it_go_in_its_first_run(team: Any) -> None:
    hangs(team)
    await team.says("ana", Deploy("shop", "production", "v2"))
    team.numbers.new = Observed(60, 1000, requests=1000)
    await team.passes(3 * MINUTE)
    assert "on your word" in await team.says("bo", Proceed("shop-1", "noise"))
    team.ci.ends["deploy"] = RunState.SUCCEEDED


async def test_the_leads_word_at_the_step_with_all_requests_holds_on_in_the_watch_and_nothing_counts_down_over_it(
    team_with: Any,
) -> None:
    async with team_with(**{**COUNTS, "strategy": "rolling"}) as team:
        await _lets_it_go_in_its_first_run(team)
        await team.passes(8 * MINUTE)
        landed = await team.deployment("shop-1")
        assert (landed.state, landed.countdown_until) == (State.WATCHING, None)
        assert len(await team.said("degraded")) == 1
        assert "let it go on from 100 %: noise" in await team.shown("shop-1")
        await team.passes(5 * MINUTE)
        ended = await team.deployment("shop-1")
        assert (ended.state, ended.accepted) == (State.ACCEPTED, Acceptance.ON_WORD)


async def test_what_is_much_worse_in_the_watch_than_what_was_let_go_on_is_asked_about(
    team_with: Any,
) -> None:
    async with team_with(**{**COUNTS, "strategy": "rolling"}) as team:
        await _lets_it_go_in_its_first_run(team)
        await team.passes(3 * MINUTE)
        team.numbers.new = TERRIBLE
        await team.passes(2 * MINUTE)
        assert len(await team.said("degraded")) == 2
        assert (await team.deployment("shop-1")).countdown_until is not None
