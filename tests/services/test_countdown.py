"""The automatic rollback: it counts down where people see it, calls itself off, and
never counts towards nothing.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.domain.actions import Action
from bot.domain.catalog import AutomaticRollback
from bot.domain.changes import Changes
from bot.domain.commands import (
    Deploy,
    Proceed,
    Quarantine,
    RollBack,
    StopCountdown,
    Unquarantine,
    Watch,
)
from bot.domain.deployment import State
from bot.domain.health import Observed
from bot.services import endings, timely

Team = Any
"""The fixture ``team``."""
MINUTE = timedelta(minutes=1)
GOOD, BAD = Observed(2, 1000, requests=1000), Observed(60, 1000, requests=1000)


async def state(team: Team, deployment: str) -> State:
    found: State = (await team.deployment(deployment)).state
    return found


async def degraded(team: Team) -> str:
    """Have v2 degraded at 5 %, with the countdown running."""
    v2: str = await team.rolls_out_v2(2 * MINUTE)
    team.numbers.new = BAD
    await team.passes(MINUTE)
    assert (await team.deployment(v2)).countdown_until is not None
    return v2


async def test_a_degraded_rollout_counts_down_and_goes_back_by_itself(team: Team) -> None:
    v2 = await degraded(team)
    assert "DEGRADED* at 5 % · rolling back to v1 at" in await team.shown(v2)
    (alarm,) = await team.said("degraded")
    assert "It rolls back by itself at" in alarm
    await team.passes(10 * MINUTE)
    assert await state(team, v2) is State.ROLLED_BACK
    (told,) = await team.said("rolled_back")
    assert "is rolled back to *v1* by itself in " in told
    assert "Reason: errors 6.0 % (baseline 0.2 %, 30 times, 1,000 requests" in told
    assert await team.said("countdown") == []


async def test_the_countdown_is_called_off_when_the_numbers_recover_and_a_second_one_is_news(
    team: Team,
) -> None:
    v2 = await degraded(team)
    team.numbers.new = GOOD
    await team.passes(MINUTE)
    assert (await team.deployment(v2)).countdown_until is None
    assert (
        "the countdown to the rollback is called off" in (await team.said("recovered"))[0].lower()
    )
    team.numbers.new = BAD
    await team.passes(MINUTE)
    assert len(await team.said("degraded")) == 2, "what comes back after it was over is news"
    audited = await team.audited(v2)
    assert [action for action in audited if action in {"countdown", "recovered"}] == [
        "countdown",
        "recovered",
        "countdown",
    ]


async def test_numbers_that_disappear_have_not_recovered(team: Team) -> None:
    v2 = await degraded(team)
    team.numbers.new = None
    await team.passes(MINUTE)
    assert (await team.deployment(v2)).countdown_until is not None
    assert "DEGRADED" in await team.shown(v2)
    await team.passes(10 * MINUTE)
    assert await state(team, v2) is State.ROLLED_BACK


async def test_nothing_counts_down_where_there_is_no_way_back(team_with: Any) -> None:
    async with team_with(gates=()) as team:
        team.ci.changes = Changes(
            total=1, files=("migrations/7.sql",), migrations=("migrations/7.sql",)
        )
        v2 = await team.rolls_out_v2(2 * MINUTE)
        team.numbers.new = BAD
        await team.passes(10 * MINUTE)
        deployment = await team.deployment(v2)
        assert (deployment.state, deployment.countdown_until) == (State.ROLLING_OUT, None)
        shown = await team.shown(v2)
        assert "the rollout stands still until the lead decides" in shown
        assert (
            "No rollback by button: A database migration lies between (migrations/7.sql)." in shown
        )
        refusal = await team.says("bo", RollBack(deployment=v2))
        assert refusal.startswith(
            "A database migration lies between (migrations/7.sql). Going back needs "
            "the migration's own plan"
        )
        assert "/deploy live shop production is REF because TEXT" in refusal


async def test_the_lead_stops_the_countdown_and_the_rollout_stands_still(team: Team) -> None:
    v2 = await degraded(team)
    assert "Only <@UBO>, the deployment lead, can stop the countdown." in await team.says(
        "cy", StopCountdown(v2, "known")
    )
    assert "countdown for *shop v2 → production* is stopped" in await team.says(
        "bo", StopCountdown(v2, "known noise")
    )
    await team.passes(20 * MINUTE)
    assert await state(team, v2) is State.ROLLING_OUT
    assert (
        await team.says("bo", StopCountdown(v2, "again"))
        == "No countdown runs for shop v2 → production."
    )


async def test_the_lead_lets_a_degraded_rollout_go_on(team: Team) -> None:
    v2 = await degraded(team)
    assert "on your word, once its time at 5 % is over (02:20 UTC): a campaign." in await team.says(
        "bo", Proceed(v2, "a campaign")
    )
    await team.passes(10 * MINUTE)
    assert (await team.deployment(v2)).countdown_until is not None, (
        "the word counts for one step only"
    )
    assert await team.says("bo", Proceed(v2, "a campaign"))
    await team.passes(6 * MINUTE)
    assert await state(team, v2) is State.WATCHING


async def test_without_numbers_a_rollout_waits_for_the_lead(team: Team) -> None:
    v2 = await team.rolls_out_v2()
    team.numbers.new = None
    await team.passes(10 * MINUTE)
    assert (
        "*NO DATA* at 5 % since 02:11 UTC · the rollout stands still until the lead decides"
        in await team.shown(v2)
    )
    assert "*no data* to judge it by at canary 5 %" in (await team.said("degraded"))[0]
    assert Action.PROCEED in (await team.card(v2)).actions


async def test_a_watched_deployment_counts_down_too_and_says_where(team: Team) -> None:
    v2 = await team.rolls_out_v2(18 * MINUTE)
    assert await state(team, v2) is State.WATCHING
    assert "Only <@UBO>, the deployment lead, can say that it is being watched." in await team.says(
        "ana", Watch(v2)
    )
    assert "Noted: you watch *shop v2 → production*." in await team.says("bo", Watch(v2))
    assert "watched by" in await team.shown(v2)
    team.numbers.new = BAD
    await team.passes(MINUTE)
    assert "*degraded* while it is watched." in (await team.said("degraded"))[0]
    await team.passes(10 * MINUTE)
    assert await state(team, v2) is State.ROLLED_BACK


async def test_a_watch_without_numbers_does_not_verify(team: Team) -> None:
    v2 = await team.rolls_out_v2(18 * MINUTE)
    team.numbers.new = None
    await team.passes(40 * MINUTE)
    assert await state(team, v2) is State.WATCHING
    assert "live, *NO DATA* to judge it by" in await team.shown(v2)
    await team.says("bo", Proceed(v2, "the dashboard is down, orders come in"))
    await team.passes(2 * MINUTE)
    assert await state(team, v2) is State.ACCEPTED
    assert (
        "is *accepted*, not verified (on the lead's word): at the end of the watch "
        "the numbers said no data."
    ) in (await team.said("verified"))[-1]


WATCHED: dict[str, Any] = {
    "gates": (),
    "checklist": (),
    "approvals": (),
    "after": "",
    "strategy": "rolling",
    "watch": 60 * MINUTE,
}


async def watched_and_worse(team: Team) -> None:
    await team.says("ana", Deploy("shop", "production", "v2"))
    await team.passes(3 * MINUTE)
    team.numbers.new = BAD
    await team.passes(MINUTE)


@pytest.mark.case("races-4")
async def test_a_countdown_is_called_off_when_its_way_back_goes_and_what_was_said_stays_so(
    team_with: Any,
) -> None:
    async with team_with(**WATCHED) as team:
        await watched_and_worse(team)
        assert (await team.deployment("shop-1")).countdown_until is not None
        await team.says("bo", Quarantine("shop", "v1", "holes"))
        assert (await team.deployment("shop-1")).countdown_until is None
        assert "rolling back to" not in await team.shown("shop-1")
        (held,) = await team.said("not_by_itself")
        assert await team.said("way_back_lost") == [], "its lead is called once for one act"
        assert held.startswith(
            "<@UBO> put *v1* in quarantine, to which it would have gone back. "
            "*shop v2 → production* is not"
        )
        assert "is not rolled back by itself: v1 was verified here and is quarantined" in held
        said = await team.says("bo", Unquarantine("shop", "v1", "none"))
        assert (
            "*shop v2 → production* can be rolled back to it again. <@UBO>, its lead, is told."
            in said
        )
        message = next(each for each in await team.outbox() if each.template == "not_by_itself")
        now = await timely.still_true(team.context, message)
        assert now is not None
        assert "is not rolled back by itself: what stood in its way is over" in team.reads(now)
        assert (
            "the lead decides whether to go back to v1. <@UBO> decides on the card"
            in team.reads(now)
        )
        (told,) = await team.said("way_back_again")
        assert told.startswith(
            "<@UBO> lifted the quarantine of *v1*: *shop v2 → production* can be "
            "rolled back to it again."
        )
        assert (
            "Nothing goes back by itself for what was found before. <@UBO> decides on the card."
            in told
        )
        await team.passes(20 * MINUTE)
        assert await state(team, "shop-1") is State.WATCHING
        assert len(await team.said("not_by_itself")) == 1
        assert Action.ROLL_BACK in (await team.card("shop-1")).actions
        team.numbers.new = Observed(900, 1000, requests=1000)
        await team.passes(MINUTE)
        ended = await endings.ended(team.context, message)
        assert ended is not None
        assert (ended.sentence, ended.is_final) == (
            "Something else was found since; it is said anew.",
            True,
        )
        said = team.reads(replace(now, facts={**now.facts, "end": ended.sentence}))
        assert "was not to go back by itself for what was found then: " in said


@pytest.mark.case("races-4")
async def test_no_countdown_begins_later_than_the_alarm_that_says_that_nothing_goes_back_by_itself(
    team_with: Any,
) -> None:
    async with team_with(**WATCHED) as team:
        await team.says("bo", Quarantine("shop", "v1", "holes"))
        await watched_and_worse(team)
        assert (
            "Nothing goes back by itself: v1 was verified here and is quarantined"
            in (await team.said("degraded"))[0]
        )
        await team.says("bo", Unquarantine("shop", "v1", "none"))
        await team.passes(20 * MINUTE)
        assert (await state(team, "shop-1"), (await team.deployment("shop-1")).countdown_until) == (
            State.WATCHING,
            None,
        )
        team.numbers.new = GOOD
        await team.passes(3 * MINUTE)
        team.numbers.new = BAD
        await team.passes(MINUTE)
        assert (await team.deployment("shop-1")).countdown_until is not None, (
            "the next finding is said with its own countdown"
        )
        assert "It rolls back by itself at" in (await team.said("degraded"))[1]


async def test_what_is_under_way_and_not_worse_is_said_to_have_its_way_back_again_and_to_nothing_else(
    team_with: Any,
) -> None:
    async with team_with(**WATCHED) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(3 * MINUTE)
        await team.says("bo", Quarantine("shop", "v1", "holes"))
        await team.says("bo", Unquarantine("shop", "v1", "none"))
        (told,) = await team.said("way_back_again")
        assert "Nothing goes back by itself" not in told
        assert await team.said("not_by_itself") == []


@pytest.mark.case("races-21")
async def test_a_retrospective_tells_of_a_countdown_only_where_there_was_one(
    team_with: Any,
) -> None:
    async with team_with(**WATCHED, automatic_rollback=AutomaticRollback.OFF) as team:
        await watched_and_worse(team)
        team.numbers.new = GOOD
        await team.passes(3 * MINUTE)
        await team.says("bo", RollBack(deployment="shop-1", reason="it loses carts"))
        await team.passes(2 * MINUTE)
        (told,) = await team.said("retrospective")
        assert "the numbers recovered\n" in told
        assert "countdown" not in told
