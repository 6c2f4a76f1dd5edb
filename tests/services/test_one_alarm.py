"""People are called once for what they decide about once: an alarm is edited while what is found
grows, ebbs and comes back.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.domain.catalog import AutomaticRollback, MetricKind, MetricSpec, TooLittleTraffic
from bot.domain.commands import (
    Deploy,
    HandOver,
    Proceed,
    Quarantine,
    RollBack,
    SayLive,
    Unquarantine,
)
from bot.domain.errors import IntegrationError
from bot.domain.health import Observed
from bot.domain.rollout import RunState, StepState
from bot.ports.talk import Message
from bot.services import endings, timely
from tests.services.conftest import BAD, BEGAN, GOOD, MINUTE, PEOPLE

Team = Any
ALONE: dict[str, Any] = {
    "gates": (), "checklist": (), "approvals": (),
    "after": "", "strategy": "canary", "watch": 10 * MINUTE,
    "automatic_rollback": AutomaticRollback.OFF,
}  # fmt: skip
BOTH = (
    MetricSpec("errors", "errors", MetricKind.RATIO, unit="%"),
    MetricSpec("crashes", "crashes", MetricKind.RATIO, unit="%"),
)
FEW, TERRIBLE = Observed(0, 4, requests=4), Observed(900, 1000, requests=1000)
SAYS = "shop.example.com/metrics answers 503"


async def serves_five(team: Team, *metrics: MetricSpec) -> None:
    """Have v2 serve 5 %."""
    if metrics:
        shop = team.context.catalog.services["shop"]
        team.context.catalog.services["shop"] = replace(shop, metric_specs=metrics)
        team.numbers.besides["crashes"] = GOOD
    await team.says("ana", Deploy("shop", "production", "v2"))
    await team.passes(3 * MINUTE)


async def alarms(team: Team) -> list[Message]:
    return [message for message in await team.outbox() if message.template == "degraded"]


async def reads(team: Team, alarm: Message) -> str:
    """Read an alarm as it is now: edited to its end, or to what is found by now."""
    ended = await endings.ended(team.context, alarm)
    now = (
        replace(alarm, facts={**alarm.facts, "end": ended.sentence})
        if ended
        else await timely.still_true(team.context, alarm)
    )
    assert now is not None
    words: str = team.reads(now)
    return words


@pytest.mark.case("card-and-people-11")
async def test_another_metric_that_turns_worse_joins_the_alarm_that_is_there(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await serves_five(team, *BOTH)
        team.numbers.new = BAD
        await team.passes(MINUTE)
        team.numbers.besides["crashes"] = BAD
        await team.passes(MINUTE)
        (alarm,) = await alarms(team)
        now = await reads(team, alarm)
        assert "please look" in now
        assert "errors 6.0 %" in now
        assert "crashes 6.0 %" in now


@pytest.mark.case("card-and-people-11")
async def test_another_metric_joins_it_also_where_the_first_is_well_again(team_with: Any) -> None:
    async with team_with(**ALONE) as team:
        await serves_five(team, *BOTH)
        team.numbers.new = BAD
        await team.passes(MINUTE)
        team.numbers.new, team.numbers.besides["crashes"] = GOOD, BAD
        await team.passes(MINUTE)
        (alarm,) = await alarms(team)
        assert "worse: crashes 6.0 %" in (await reads(team, alarm)).replace("*", "")
        assert (await team.card("shop-1")).trouble.alarm == alarm.facts["finding"], (
            "its buttons are those of the card"
        )


@pytest.mark.case("card-and-people-11")
async def test_what_recovers_and_comes_back_within_two_minutes_asks_again_on_the_same_alarm(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await serves_five(team)
        team.numbers.new = BAD
        await team.passes(MINUTE)
        (alarm,) = await alarms(team)
        for _ in range(3):
            team.numbers.new = GOOD
            await team.passes(MINUTE)
            ended = await endings.ended(team.context, alarm)
            assert ended is not None
            assert (ended.sentence, ended.is_final) == (
                "The numbers are no longer worse, so it goes on by itself.",
                False,
            )
            team.numbers.new = BAD
            await team.passes(MINUTE)
            assert "please look" in await reads(team, alarm)
        assert await alarms(team) == [alarm]


@pytest.mark.case("card-and-people-11")
async def test_what_comes_back_later_calls_people_anew_and_the_older_alarm_says_so(
    team_with: Any,
) -> None:
    async with team_with(**{**ALONE, "watch": 30 * MINUTE, "strategy": "rolling"}) as team:
        await serves_five(team)
        team.numbers.new = BAD
        await team.passes(MINUTE)
        team.numbers.new = GOOD
        await team.passes(5 * MINUTE)
        team.numbers.new = BAD
        await team.passes(2 * MINUTE)
        first, second = await alarms(team)
        assert "said anew" in await reads(team, first)
        assert "please look" in await reads(team, second)


@pytest.mark.case("card-and-people-11")
async def test_what_gets_much_worse_calls_people_anew_and_ends_the_alarm_before_in_the_same_act(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await serves_five(team)
        team.numbers.new = BAD
        await team.passes(MINUTE)
        team.numbers.new = TERRIBLE
        await team.passes(MINUTE)
        first, second = await alarms(team)
        ended = await endings.ended(team.context, first)
        assert ended is not None
        assert ended.is_final
        assert "errors 90 %" in await reads(team, second)


@pytest.mark.case("card-and-people-11")
async def test_where_a_countdown_begins_people_are_called_for_each(team_with: Any) -> None:
    counts = {**ALONE, "automatic_rollback": AutomaticRollback.COUNTDOWN, "countdown": 15 * MINUTE}
    async with team_with(**counts) as team:
        await serves_five(team)
        for numbers in (BAD, GOOD, BAD):
            team.numbers.new = numbers
            await team.passes(MINUTE)
        first, second = await alarms(team)
        assert first.facts["until"] < second.facts["until"]


@pytest.mark.case("card-and-people-11")
async def test_too_little_traffic_that_turns_out_to_be_a_silent_source_is_said_on_the_same_alarm(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        strategy = team.context.catalog.strategies["canary"]
        team.context.catalog.strategies["canary"] = replace(
            strategy, too_little_traffic=TooLittleTraffic.ASK
        )
        team.numbers.new = FEW
        await serves_five(team)
        await team.passes(10 * MINUTE)
        (alarm,) = await alarms(team)
        assert "too little traffic" in await reads(team, alarm)
        team.numbers.breaks = IntegrationError(f"{SAYS}.", vendor="metrics endpoint")
        await team.passes(5 * MINUTE)
        assert await alarms(team) == [alarm]
        now = await reads(team, alarm)
        assert "*no data* to judge it by" in now
        assert SAYS in now
        team.numbers.breaks, team.numbers.new = None, BAD
        await team.passes(3 * MINUTE)
        assert len(await alarms(team)) == 2, "that it is worse is another thing to decide"


@pytest.mark.case("card-and-people-11")
async def test_an_alarm_that_there_are_no_numbers_still_asks_at_the_next_step_after_a_word_at_the_one_before(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        team.numbers.breaks = IntegrationError(f"{SAYS}.", vendor="metrics endpoint")
        await serves_five(team)
        await team.passes(10 * MINUTE)
        await team.says("bo", Proceed("shop-1", "the graphs are down"))
        await team.passes(20 * MINUTE)
        _, second = await alarms(team)
        assert second.facts["where"] == "canary-100"
        assert await endings.ended(team.context, second) is None, "the word was for the step before"


@pytest.mark.case("card-and-people-11")
async def test_once_it_was_said_that_it_goes_on_by_itself_a_silent_source_that_keeps_it_calls_its_lead(
    team_with: Any,
) -> None:
    async with team_with(**{**ALONE, "strategy": "rolling"}) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(7 * MINUTE)
        team.numbers.new = BAD
        await team.passes(MINUTE)
        team.numbers.new = GOOD
        await team.passes(MINUTE)
        assert "so its watch goes on by itself" in await reads(team, (await alarms(team))[0])
        team.numbers.breaks = IntegrationError(f"{SAYS}.", vendor="metrics endpoint")
        await team.passes(30 * MINUTE)
        _, second = await alarms(team)
        assert "*no data* to judge it by" in await reads(team, second)


@pytest.mark.case("card-and-people-11")
async def test_another_metric_than_the_one_that_was_said_to_be_over_calls_people_however_soon(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await serves_five(team, *BOTH)
        for crashes, errors in ((BAD, GOOD), (GOOD, GOOD), (GOOD, TERRIBLE)):
            team.numbers.besides["crashes"], team.numbers.new = crashes, errors
            await team.passes(MINUTE)
        _, second = await alarms(team)
        assert "errors 90 %" in await reads(team, second)


@pytest.mark.case("card-and-people-11")
async def test_another_metric_that_is_far_worse_than_all_that_was_said_calls_people_while_the_alarm_asks(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await serves_five(team, *BOTH)
        team.numbers.besides["crashes"] = BAD
        await team.passes(MINUTE)
        team.numbers.new = TERRIBLE
        await team.passes(MINUTE)
        first, second = await alarms(team)
        assert "errors 90 %" in await reads(team, second)
        assert "said anew" in await reads(team, first)


@pytest.mark.case("card-and-people-11")
async def test_what_is_far_worse_than_what_came_back_on_an_alarm_has_one_of_its_own(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await serves_five(team)
        for numbers in (BAD, GOOD, BAD, TERRIBLE):
            team.numbers.new = numbers
            await team.passes(MINUTE)
        _, second = await alarms(team)
        assert "errors 90 %" in await reads(team, second)


@pytest.mark.case("card-and-people-11")
async def test_nothing_is_said_on_an_alarm_from_before_a_rollback_cut_the_watch_off(
    team_with: Any,
) -> None:
    async with team_with(**{**ALONE, "strategy": "rolling", "watch": 20 * MINUTE}) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(4 * MINUTE)
        for numbers in (BAD, GOOD):
            team.numbers.new = numbers
            await team.passes(MINUTE)
        team.ci.ends["rollback"] = RunState.FAILED
        await team.rolls_back("bo", RollBack("shop", "production", reason="errors"))
        await team.passes(MINUTE / 3)
        await team.says_live("bo", SayLive("shop", "production", "v2", "I looked at it"))
        team.numbers.new = BAD
        await team.passes(MINUTE)
        assert (await team.card("shop-1")).trouble.ended_at is None
        _, second = await alarms(team)
        assert "please look" in await reads(team, second)


@pytest.mark.case("card-and-people-11")
async def test_a_baseline_that_settles_calls_nobody_and_begins_no_countdown_after_it_was_said_that_none_does(
    team_with: Any,
) -> None:
    counts = {**ALONE, "automatic_rollback": AutomaticRollback.COUNTDOWN, "countdown": 15 * MINUTE}
    async with team_with(**counts) as team:
        await serves_five(team)
        team.numbers.new, team.numbers.since = (
            Observed(120, 1000, requests=1000),
            [(BEGAN, Observed(11, 1000, requests=1000))],
        )
        await team.passes(MINUTE)
        await team.says("bo", Quarantine("shop", "v1", "holes"))
        await team.says("bo", Unquarantine("shop", "v1", "none"))
        team.numbers.new, team.numbers.since = (
            Observed(122, 1000, requests=1000),
            [(BEGAN, Observed(36, 10000, requests=10000))],
        )
        await team.passes(2 * MINUTE)
        assert (len(await alarms(team)), (await team.deployment("shop-1")).countdown_until) == (
            1,
            None,
        )
        for numbers in (GOOD, Observed(122, 1000, requests=1000)):
            team.numbers.new = numbers
            await team.passes(MINUTE)
        assert (len(await alarms(team)), (await team.deployment("shop-1")).countdown_until) == (
            1,
            None,
        ), "it is the same again"
        team.numbers.new = TERRIBLE
        await team.passes(MINUTE)
        assert (
            len(await alarms(team)),
            (await team.deployment("shop-1")).countdown_until is None,
        ) == (2, False)


@pytest.mark.case("card-and-people-11")
async def test_an_alarm_that_goes_on_names_the_step_and_the_run_of_now(team_with: Any) -> None:
    async with team_with(**ALONE) as team:
        await serves_five(team)
        await team.passes(5 * MINUTE)
        team.ci.ends["deploy"] = RunState.RUNNING
        await team.passes(5 * MINUTE)
        team.numbers.new = BAD
        await team.passes(2 * MINUTE)
        (alarm,) = await alarms(team)
        before = await reads(team, alarm)
        assert "*degraded* at canary 5 %" in before
        assert "The run of 100 % is under way" in before
        team.ci.ends["deploy"] = RunState.SUCCEEDED
        await team.passes(3 * MINUTE)
        now = await reads(team, alarm)
        assert "*degraded* at canary 100 %" in now
        assert "The rollout stands still" in now


@pytest.mark.case("card-and-people-11")
async def test_what_comes_back_once_it_has_gone_on_calls_people_anew_however_soon(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await serves_five(team)
        team.ci.ends["deploy"] = RunState.RUNNING
        team.numbers.new = BAD
        await team.passes(9 * MINUTE)
        (first,) = await alarms(team)
        assert "The rollout stands still" in await reads(team, first)
        team.numbers.new = GOOD
        while (await team.card("shop-1")).steps[1].started_at is None:
            await team.passes(MINUTE / 4)
        team.numbers.new = BAD
        await team.passes(MINUTE)
        _, second = await alarms(team)
        assert "said anew" in await reads(team, first)
        assert (
            "The run of 100 % is under way and goes on; nothing that comes after it begins"
            in await reads(team, second)
        )


@pytest.mark.case("card-and-people-11")
@pytest.mark.parametrize("is_over", [True, False])
async def test_nothing_is_said_to_another_lead_on_an_alarm_that_never_called_them(
    team_with: Any, *, is_over: bool
) -> None:
    async with team_with(**ALONE) as team:
        strategy = team.context.catalog.strategies["canary"]
        team.context.catalog.strategies["canary"] = replace(
            strategy, too_little_traffic=TooLittleTraffic.ASK
        )
        await serves_five(team)
        team.numbers.new = BAD if is_over else FEW
        await team.passes(MINUTE if is_over else 10 * MINUTE)
        if is_over:
            team.numbers.new = GOOD
            await team.passes(MINUTE)
        await team.says("bo", HandOver("shop-1", PEOPLE["cy"].user))
        team.numbers.new = BAD
        if not is_over:
            team.numbers.breaks = IntegrationError(f"{SAYS}.", vendor="metrics endpoint")
        await team.passes(3 * MINUTE)
        first, second = await alarms(team)
        assert (first.facts["lead"], second.facts["lead"]) == (str(PEOPLE["bo"]), str(PEOPLE["cy"]))
        assert "<@UCY>, please look" in await reads(team, second)
        assert "said anew" in await reads(team, first)


@pytest.mark.case("card-and-people-11")
@pytest.mark.parametrize("is_asked_for", [True, False])
async def test_a_card_says_that_it_stands_still_only_where_no_run_was_asked_for(
    team_with: Any, *, is_asked_for: bool
) -> None:
    async with team_with(**ALONE) as team:
        await serves_five(team)
        team.numbers.new = BAD
        await team.passes(MINUTE)
        before, after = (await team.card("shop-1")).steps
        asked_at = team.context.now() if is_asked_for else None
        begun = replace(
            after, state=StepState.RUNNING, started_at=team.context.now(), asked_at=asked_at
        )
        async with team.database.store.transaction() as tx:
            await tx.save_steps(
                "shop-1",
                [replace(before, state=StepState.DONE, finished_at=team.context.now()), begun],
            )
        card = await team.shown("shop-1")
        assert (
            "the run of 100 % goes on, what follows waits until the lead decides" in card
        ) is is_asked_for
        assert ("the rollout stands still until the lead decides" in card, "○ 100 %" in card) == (
            not is_asked_for,
        ) * 2
