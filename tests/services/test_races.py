"""Races, side doors, slices and wrong keys: what is said while something is looked at counts, at
every door, and about what was shown.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.dispatch import use_cases
from bot.dispatch.turns import Turns
from bot.domain.actions import BINDS, Action
from bot.domain.catalog import ApprovalRule, AutomaticRollback, ChecklistItem, Freeze
from bot.domain.changes import Changes
from bot.domain.commands import (
    Acknowledge,
    Approve,
    AskLead,
    Cancel,
    Command,
    Deploy,
    HandOver,
    Lock,
    Locks,
    OpenGate,
    Proceed,
    Quarantine,
    RollBack,
    SayLive,
    StopCountdown,
    TakeOver,
    Tick,
    Unlock,
    Unquarantine,
)
from bot.domain.deployment import State
from bot.domain.places import Obstacle
from bot.domain.rollback import Passage, Way
from bot.domain.rollout import RunState, Stage
from bot.domain.shown import Seen, seen_on, token
from bot.ports.talk import Intent, Place
from tests.services.conftest import BAD, COMMITS, GOOD, PEOPLE

Team = Any
"""The fixtures ``team`` and ``swift``."""
MINUTE = timedelta(minutes=1)
NOW = datetime(2026, 11, 21, tzinfo=UTC)
AHEAD = Changes(total=1, files=("shop.py",))
MIGRATES = Changes(total=1, files=("migrations/7.sql",), migrations=("migrations/7.sql",))
NO_RUN_FORWARD = "no run of it has been started"


def says(team: Team, name: str, command: Command) -> Any:
    return lambda: team.says(name, command)


async def approved_v2(team: Team) -> str:
    """Have v2 ready and approved; the next look would let it go."""
    v2: str = await team.asks_for_v2()
    await team.clears(v2)
    return v2


def runs_of(team: Team, id: str) -> list[str]:
    return [run for run in team.ci.runs if run.startswith(f"{id}:")]


def button(card: Any, action: Action) -> str:
    """Give the digest that a card's button carries."""
    return token(action, seen_on(card))


@pytest.mark.case("races-1")
async def test_a_lock_that_is_said_during_the_review_keeps_the_deployment(team: Team) -> None:
    v2 = await approved_v2(team)
    team.ci.during["quality b"] = says(team, "bo", Lock("shop", "production", "fire"))
    await team.passes(5 * MINUTE)
    assert runs_of(team, v2) == [], NO_RUN_FORWARD
    assert "is locked: fire" in await team.shown(v2)


@pytest.mark.case("races-1")
async def test_a_tick_that_is_taken_back_during_the_review_keeps_the_deployment(team: Team) -> None:
    v2 = await approved_v2(team)
    team.ci.during["quality b"] = says(team, "cy", Tick(v2, (), ("support",)))
    await team.passes(5 * MINUTE)
    assert runs_of(team, v2) == [], NO_RUN_FORWARD
    assert "support briefed" in await team.shown(v2)


@pytest.mark.case("races-1")
async def test_a_rollback_of_the_environment_before_during_the_review_keeps_the_deployment(
    team: Team,
) -> None:
    v2 = await approved_v2(team)
    team.ci.during["quality b"] = says(team, "bo", RollBack(deployment="shop-1"))
    await team.passes(5 * MINUTE)
    assert runs_of(team, v2) == [], NO_RUN_FORWARD


@pytest.mark.case("races-2")
@pytest.mark.parametrize(
    "command",
    [
        RollBack(deployment="shop-1"),
        RollBack("shop", "production", reason="x"),
        RollBack("shop", "production", "v1", reason="x"),
        RollBack(deployment="shop-1", ref="a" * 40),
    ],
    ids=["click", "typed", "typed with a version", "dialog"],
)
async def test_no_door_goes_back_over_a_migration(swift: Team, command: RollBack) -> None:
    swift.ci.changes = MIGRATES
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(4 * MINUTE)
    assert "A database migration lies between (migrations/7.sql)." in await swift.says(
        "bo", command
    )
    assert (await swift.deployment("shop-1")).state is State.VERIFIED


@pytest.mark.case("structure-9")
async def test_a_failed_smoke_test_does_not_go_back_over_a_migration_by_itself(team: Team) -> None:
    team.ci.changes = MIGRATES
    v2 = await team.asks_for_v2()
    async with team.database.store.transaction() as tx:
        # the gate would say so before; this is what follows if it is off
        await tx.move(v2, State.ROLLING_OUT, at=team.context.now())
    team.ci.ends["smoke"] = RunState.FAILED
    await team.passes(5 * MINUTE)
    assert (await team.deployment(v2)).state is State.FAILED
    assert (
        "It is not rolled back by itself: A database migration lies between"
        in (await team.said("smoke_failed"))[0]
    )


@pytest.mark.case("races-3")
async def test_the_forward_door_does_not_go_back_over_a_migration_either(swift: Team) -> None:
    swift.ci.changes = MIGRATES
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(4 * MINUTE)
    await swift.says("ana", Deploy("shop", "production", "previous"))
    await swift.passes(4 * MINUTE)
    assert runs_of(swift, "shop-2") == [], NO_RUN_FORWARD
    assert " brought migrations/7.sql, which v1 has not" in await swift.shown("shop-2")


@pytest.mark.case("races-3")
async def test_the_forward_door_does_not_go_back_over_what_a_failed_deployment_may_have_left(
    swift: Team,
) -> None:
    swift.ci.changes = MIGRATES
    swift.ci.ends["deploy"] = RunState.FAILED
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(4 * MINUTE)
    assert (await swift.deployment("shop-1")).state is State.FAILED
    swift.ci.ends["deploy"] = RunState.SUCCEEDED
    await swift.says("ana", Deploy("shop", "production", "v1"))
    await swift.passes(4 * MINUTE)
    assert runs_of(swift, "shop-2") == [], NO_RUN_FORWARD
    assert " brought migrations/7.sql, which v1 has not" in await swift.shown("shop-2")
    await swift.says("ana", Cancel("shop-2"))
    await swift.says_live(
        "bo", SayLive("shop", "production", "v1", "the migration was undone by hand")
    )
    await swift.says("ana", Deploy("shop", "production", "v1"))
    await swift.passes(4 * MINUTE)
    assert runs_of(swift, "shop-3") != [], "what somebody says is live ends the doubt"


@pytest.mark.case("races-2")
async def test_a_rollback_does_not_go_back_over_what_an_earlier_failure_may_have_left(
    swift: Team,
) -> None:
    swift.ci.changes = MIGRATES
    swift.ci.ends["deploy"] = RunState.FAILED
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(4 * MINUTE)
    swift.ci.changes = AHEAD
    await swift.says("ana", Deploy("shop", "production", "v3"))
    await swift.passes(4 * MINUTE)
    assert (await swift.deployment("shop-2")).state is State.FAILED
    async with swift.database.store.transaction() as tx:
        await tx.save_way_back("shop-2", Way(COMMITS["v3"], COMMITS["v1"], Passage.FREE))
    swift.ci.changes = MIGRATES
    said = await swift.says("bo", RollBack("shop", "production", reason="x"))
    assert "A database migration lies between (migrations/7.sql)." in said
    assert (await swift.deployment("shop-2")).state is State.FAILED, "no rollback has begun"


@pytest.mark.case("races-4")
async def test_a_commit_that_is_quarantined_while_it_waits_does_not_go(team: Team) -> None:
    v2 = await approved_v2(team)
    async with team.database.store.transaction() as tx:
        await tx.put_in_quarantine(
            "shop",
            COMMITS["v2"],
            reason="errors on staging",
            by=PEOPLE["bo"],
            at=team.context.now(),
        )
    await team.passes(5 * MINUTE)
    assert runs_of(team, v2) == [], NO_RUN_FORWARD
    assert "v2 is quarantined: errors on staging" in await team.shown(v2)


@pytest.mark.case("races-4")
async def test_a_commit_that_is_quarantined_under_way_stands_still_for_its_lead_and_is_not_verified(
    team: Team,
) -> None:
    v2 = await team.rolls_out_v2(5 * MINUTE)
    async with team.database.store.transaction() as tx:
        await tx.put_in_quarantine(
            "shop",
            COMMITS["v2"],
            reason="errors on staging",
            by=PEOPLE["bo"],
            at=team.context.now(),
        )
    await team.passes(60 * MINUTE)
    assert runs_of(team, v2) == [f"{v2}:canary-5", f"{v2}:canary-5:smoke"]
    assert "stands still before canary 100 %" in await team.shown(v2)
    assert "v2 is quarantined: errors on staging" in (await team.said("stands_still"))[0]


@pytest.mark.case("races-4")
async def test_a_commit_that_is_quarantined_while_it_is_watched_is_not_verified(team: Team) -> None:
    v2 = await team.rolls_out_v2(20 * MINUTE)
    assert (await team.deployment(v2)).state is State.WATCHING
    async with team.database.store.transaction() as tx:
        await tx.put_in_quarantine(
            "shop",
            COMMITS["v2"],
            reason="errors on staging",
            by=PEOPLE["bo"],
            at=team.context.now(),
        )
    await team.passes(60 * MINUTE)
    assert (await team.deployment(v2)).state is State.WATCHING


@pytest.mark.case("ci-and-refs-1")
@pytest.mark.parametrize(
    "moment", ["find {back}:rollback", "start {back}:rollback", "look {back}:rollback"]
)
async def test_what_is_approved_while_a_rollback_begins_in_its_place_starts_no_run_beside_it(
    team: Team, moment: str
) -> None:
    v2 = await team.rolls_out_v2(60 * MINUTE)
    assert (await team.deployment(v2)).state is State.VERIFIED
    await team.says("ana", Deploy("shop", "staging", "v3"))
    await team.passes(60 * MINUTE)
    await team.says("ana", Deploy("shop", "production", "v3"))
    await team.passes(MINUTE)
    v3, back = "shop-4", "shop-5"
    await team.says("bo", Acknowledge(v3))
    await team.says("cy", Tick(v3, ("support",)))
    await team.passes()
    assert (await team.deployment(v3)).state is State.AWAITING_APPROVAL
    team.ci.during[moment.format(back=back)] = says(team, "bo", Approve(v3))
    await team.says("bo", RollBack(deployment=v2, reason="carts are lost"))
    await team.passes(10 * MINUTE)
    assert (await team.deployment(back)).state is State.VERIFIED
    assert runs_of(team, v3) == [], NO_RUN_FORWARD
    assert (await team.deployment(v3)).state in {State.GATED, State.AWAITING_APPROVAL}


@pytest.mark.case("races-5")
async def test_a_start_that_waits_while_it_is_cancelled_does_not_happen(team: Team) -> None:
    v2 = await approved_v2(team)
    team.ci.during[f"find {v2}:canary-5"] = says(team, "bo", Cancel(v2))
    await team.passes(30 * MINUTE)
    assert runs_of(team, v2) == [], NO_RUN_FORWARD
    assert (await team.deployment(v2)).state is State.CANCELLED


@pytest.mark.case("races-5")
async def test_a_start_that_is_on_its_way_when_the_rollback_comes_is_stopped_and_followed_to_its_end(
    team: Team,
) -> None:
    v2 = await approved_v2(team)
    team.ci.ends["deploy"] = RunState.RUNNING
    team.ci.during[f"start {v2}:canary-5"] = says(team, "bo", RollBack(deployment=v2))
    await team.passes(timedelta(seconds=5))
    assert f"{v2}:canary-5" in team.ci.cancelled
    await team.passes(30 * MINUTE)
    async with team.database.store.reading() as reader:
        assert await reader.strays("shop", "production") == ()
    assert (await team.deployment(v2)).state is State.ROLLED_BACK
    assert await team.said("step_done") == (await team.said("step_done"))[:1], (
        "only what went to staging"
    )


@pytest.mark.case("races-6")
async def test_a_run_that_could_not_be_stopped_is_looked_for_until_it_has_ended_and_the_environment_is_unclear_so_long(
    team: Team,
) -> None:
    v2 = await team.asks_for_v2()
    team.ci.ends["deploy"] = RunState.RUNNING
    await team.clears(v2)
    await team.passes(MINUTE)
    team.ci.deaf = True
    await team.says("bo", RollBack(deployment=v2))
    await team.passes(2 * MINUTE)
    assert (await team.deployment(v2)).state is State.ROLLED_BACK
    assert (
        "It is unclear what runs in production: a run of shop-2 that was cut off"
        in await team.shown(v2)
    )
    await team.says("bo", Unlock(deployment=v2))
    await team.says("ana", Deploy("shop", "production", "v2"))
    await team.passes(MINUTE)
    assert "it is unclear what runs" in await team.shown("shop-4")
    team.ci.ends["deploy"] = RunState.SUCCEEDED
    await team.passes(5 * MINUTE)
    assert "What runs in production is unclear now." in (await team.said("given_up_ended"))[0]
    async with team.database.store.reading() as reader:
        doubt = await reader.doubt("shop", "production")
    assert doubt is not None
    assert "has ended only now: succeeded" in doubt.why


@pytest.mark.case("races-8", "trust-3")
async def test_a_click_means_the_version_that_the_dialog_named(swift: Team) -> None:
    for version in ("v2", "v3"):
        await swift.says("ana", Deploy("shop", "production", version))
        await swift.passes(4 * MINUTE)
    shown = button(await swift.card("shop-2"), Action.ROLL_BACK)
    async with swift.database.store.transaction() as tx:
        await tx.put_in_quarantine(
            "shop",
            COMMITS["v2"],
            reason="errors on staging",
            by=PEOPLE["bo"],
            at=swift.context.now(),
        )
    said = await swift.says("bo", RollBack(deployment="shop-2", shown=shown))
    assert "What you decided on has changed since it was shown to you; nothing was done." in said
    assert (await swift.deployment("shop-2")).state is State.VERIFIED


@pytest.mark.case("races-9")
async def test_a_rollback_that_comes_twice_takes_one_step_however_much_was_asked_for_in_between(
    swift: Team,
) -> None:
    for version in ("v2", "v3"):
        await swift.says("ana", Deploy("shop", "production", version))
        await swift.passes(4 * MINUTE)
    await swift.rolls_back("bo", RollBack("shop", "production", reason="errors"))
    await swift.passes(2 * MINUTE)
    for _ in range(35):
        await swift.says("ana", Deploy("shop", "production", "v3"))
        async with swift.database.store.reading() as reader:
            newest = (await reader.history("shop", "production", limit=1))[0]
        await swift.says("ana", Cancel(newest.id))
    assert "shop v3 → production is rolled back already." in await swift.says(
        "bo", RollBack("shop", "production", reason="errors")
    )


@pytest.mark.case("races-10")
async def test_a_rollbacks_lock_stands_beside_a_persons_and_outlives_it(team: Team) -> None:
    v2 = await team.rolls_out_v2(5 * MINUTE)
    await team.says("bo", Lock("shop", "production", "load test", 1800))
    await team.says("bo", RollBack(deployment=v2))
    await team.passes(40 * MINUTE)
    assert "is locked: v2 was rolled back" in await team.shown(v2)
    assert "load test" not in await team.says("ana", Locks())


@pytest.mark.case("races-11")
async def test_a_lock_keeps_deployments_out_where_no_gate_asks_for_it(swift: Team) -> None:
    await swift.says("bo", Lock("shop", "production", "fire"))
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(5 * MINUTE)
    assert runs_of(swift, "shop-1") == [], NO_RUN_FORWARD
    assert "shop in production is locked: fire" in await swift.shown("shop-1")
    await swift.says("bo", Unlock("shop", "production"))
    await swift.passes(5 * MINUTE)
    assert (await swift.deployment("shop-1")).state is State.VERIFIED


@pytest.mark.case("races-11")
async def test_a_lock_during_a_rollout_keeps_the_next_step_and_says_so_to_both(team: Team) -> None:
    v2 = await team.rolls_out_v2(5 * MINUTE)
    assert "shop v2 → production goes no further before that is over." in await team.says(
        "bo", Lock("shop", "production", "fire")
    )
    await team.passes(30 * MINUTE)
    assert runs_of(team, v2) == [f"{v2}:canary-5", f"{v2}:canary-5:smoke"]
    assert (
        "stands still before 100 %: shop in production is locked: fire."
        in (await team.said("stands_still"))[0]
    )
    await team.says("bo", Unlock("shop", "production"))
    await team.passes(10 * MINUTE)
    assert f"{v2}:canary-100" in team.ci.runs


@pytest.mark.case("races-12")
async def test_of_two_who_give_the_lead_away_one_is_told_no(team: Team) -> None:
    v2 = await team.rolls_out_v2(5 * MINUTE)
    await team.says("bo", HandOver(v2, "UCY"))
    team.rota.person = PEOPLE["di"]
    team.workspace.during = says(team, "di", TakeOver(v2, "cy is away"))
    assert (
        "Only <@UDI>, the deployment lead, or people with the role release manager"
        in await team.says("cy", HandOver(v2, "UANA"))
    )
    assert (await team.deployment(v2)).lead == PEOPLE["di"]


@pytest.mark.case("races-12")
async def test_who_has_lost_the_lead_while_the_versions_are_compared_does_not_roll_back(
    swift: Team,
) -> None:
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(4 * MINUTE)
    async with swift.database.store.transaction() as tx:
        await tx.save_changes("shop-1", Changes(known=False))
        await tx.save_way_back("shop-1", Way(COMMITS["v2"], COMMITS["v1"], Passage.UNKNOWN))
    swift.rota.person = PEOPLE["di"]
    swift.ci.during["compare a b"] = says(swift, "di", TakeOver("shop-1", "we go forward"))
    said = await swift.says("bo", RollBack(deployment="shop-1"))
    assert "Only <@UDI>, the deployment lead, can roll this back." in said
    assert (await swift.deployment("shop-1")).state is State.VERIFIED


@pytest.mark.case("races-13")
async def test_the_rota_does_not_overwrite_a_lead_who_was_named_while_it_was_asked(
    team: Team,
) -> None:
    await team.says("ana", Deploy("shop", "production", "v2"))
    team.rota.during = says(team, "bo", HandOver("shop-1", "UCY"))
    await team.passes(MINUTE)
    assert (await team.deployment("shop-1")).lead == PEOPLE["cy"]


@pytest.mark.case("races-14", "card-and-people-1")
async def test_a_stopped_countdown_covers_one_finding_and_no_later_one(team: Team) -> None:
    v2 = await team.rolls_out_v2(2 * MINUTE)
    team.numbers.new = BAD
    await team.passes(MINUTE)
    await team.says("bo", StopCountdown(v2, "known noise"))
    team.numbers.new = GOOD
    await team.passes(2 * MINUTE)
    team.numbers.new = replace(BAD, numerator=900)
    await team.passes(MINUTE)
    assert (await team.deployment(v2)).countdown_until is not None
    assert len(await team.said("degraded")) == 2


@pytest.mark.case("races-14")
async def test_what_gets_much_worse_is_said_again_though_it_never_recovered(team: Team) -> None:
    v2 = await team.rolls_out_v2(2 * MINUTE)
    team.numbers.new = BAD
    await team.passes(MINUTE)
    await team.says("bo", StopCountdown(v2, "known noise"))
    await team.passes(2 * MINUTE)
    assert len(await team.said("degraded")) == 1
    team.numbers.new = replace(BAD, numerator=900)
    await team.passes(MINUTE)
    assert len(await team.said("degraded")) == 2
    assert (await team.audited(v2)).count("degraded") == 2


@pytest.mark.case("races-14")
async def test_a_second_degradation_is_said_where_no_rule_counts_down(team_with: Any) -> None:
    async with team_with(automatic_rollback=AutomaticRollback.OFF) as team:
        v2 = await team.rolls_out_v2(2 * MINUTE)
        for new, time in ((BAD, MINUTE), (GOOD, 3 * MINUTE), (BAD, MINUTE)):
            team.numbers.new = new
            await team.passes(time)
        assert len(await team.said("degraded")) == 2
        assert (await team.audited(v2)).count("degraded") == 2


@pytest.mark.case("races-14")
async def test_nobody_lets_go_on_what_nothing_keeps(team: Team) -> None:
    v2 = await team.rolls_out_v2(2 * MINUTE)
    said = await team.says("bo", Proceed(v2, "in advance"))
    assert said == (
        "Nothing keeps shop v2 → production by its numbers now, so there is nothing to let go on."
    )
    team.numbers.new = replace(BAD, numerator=900)
    await team.passes(2 * MINUTE)
    assert (await team.deployment(v2)).countdown_until is not None


@pytest.mark.case("card-and-people-1")
async def test_a_word_for_one_step_is_refused_at_the_next(team: Team) -> None:
    v2 = await team.rolls_out_v2(2 * MINUTE)
    team.numbers.new = BAD
    await team.passes(MINUTE)
    shown = button(await team.card(v2), Action.PROCEED)
    await team.says("bo", Proceed(v2, "a campaign", shown))
    await team.passes(9 * MINUTE)
    card = await team.card(v2)
    assert "DEGRADED" not in (await team.shown(v2)).partition("\n")[0] or card.where == "canary-100"
    await team.passes(MINUTE)
    said = await team.says("bo", Proceed(v2, "a campaign", shown))
    assert "is not what was shown to you" in said or "Nothing keeps" in said


@pytest.mark.case("card-and-people-1")
async def test_a_step_that_begins_is_not_judged_and_offers_no_word(team: Team) -> None:
    v2 = await team.rolls_out_v2(2 * MINUTE)
    team.numbers.new = BAD
    await team.passes(MINUTE)
    await team.says("bo", Proceed(v2, "a campaign", button(await team.card(v2), Action.PROCEED)))
    team.ci.ends["deploy"] = RunState.RUNNING
    await team.passes(8 * MINUTE)
    card = await team.card(v2)
    assert [step.key for step in card.steps if step.is_under_way] == ["canary-100"]
    assert Action.PROCEED not in card.actions
    assert "DEGRADED" not in (await team.shown(v2)).partition("\n")[0]


@pytest.mark.case("card-and-people-2")
async def test_what_ended_on_a_word_is_accepted_and_no_target_by_itself(team: Team) -> None:
    v2 = await team.rolls_out_v2(17 * MINUTE)
    team.numbers.new = BAD
    await team.passes(MINUTE)
    await team.says("bo", Proceed(v2, "a campaign"))
    await team.passes(40 * MINUTE)
    deployment = await team.deployment(v2)
    assert (deployment.state, deployment.accepted) == (State.ACCEPTED, "on the lead's word")
    assert (
        "live, but *DEGRADED*: errors 6 % (0.2 %) · accepted (on the lead's word), not verified"
        in await team.shown(v2)
    )
    async with team.database.store.reading() as reader:
        assert [
            (each.version, each.accepted) for each in await reader.releases("shop", "production")
        ] == [
            ("v1", ""),
            ("v2", "on the lead's word"),
        ]


@pytest.mark.case("card-and-people-15")
async def test_too_little_traffic_asks_the_lead_before_everybody_gets_it(team: Team) -> None:
    v2 = await team.rolls_out_v2(MINUTE)
    team.numbers.new = replace(GOOD, denominator=10, numerator=0, requests=10)
    await team.passes(20 * MINUTE)
    assert runs_of(team, v2) == [f"{v2}:canary-5", f"{v2}:canary-5:smoke"]
    assert (
        "TOO LITTLE TRAFFIC* to tell at 5 % · the rollout stands still until the lead decides"
        in await team.shown(v2)
    )
    await team.says("bo", Proceed(v2, "it is night"))
    await team.passes(60 * MINUTE)
    assert (await team.deployment(v2)).accepted == "too little traffic"


@pytest.mark.case("races-15")
async def test_what_waited_before_a_failure_does_not_start_by_itself(team: Team) -> None:
    v2 = await team.rolls_out_v2(MINUTE)
    await team.says("cy", Deploy("shop", "production", "v3"))
    team.ci.ends["rollback"] = RunState.FAILED
    await team.says("bo", RollBack(deployment=v2))
    await team.passes(10 * MINUTE)
    assert (await team.deployment(v2)).state is State.FAILED
    await team.passes(10 * MINUTE)
    (waits,) = [
        each for each in (await team.card("shop-3")).review.gates if each.key == Obstacle.UNCLEAR
    ]
    assert "the rollback of shop-2 to v1 failed" in waits.sentence
    assert "/deploy live shop production is REF because TEXT" in waits.sentence


@pytest.mark.case("races-15")
async def test_what_is_asked_for_after_a_failure_is_the_answer_to_it(swift: Team) -> None:
    swift.ci.ends["deploy"] = RunState.FAILED
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(2 * MINUTE)
    assert (await swift.deployment("shop-1")).state is State.FAILED
    assert (
        "It is unclear what runs in production: v2 (shop-1) failed at 100 %."
        in await swift.shown("shop-1")
    )
    swift.ci.ends["deploy"] = RunState.SUCCEEDED
    await swift.says("ana", Deploy("shop", "production", "v3"))
    await swift.passes(5 * MINUTE)
    assert (await swift.deployment("shop-2")).state is State.VERIFIED
    assert "It is unclear" not in await swift.shown("shop-2")


@pytest.mark.case("races-16", "trust-9")
async def test_a_gate_is_not_opened_after_the_rollback(team: Team) -> None:
    held = Stage("release", RunState.WAITING, passable=True)
    team.ci.stages = (held,)
    v2 = await team.rolls_out_v2()
    await team.says("cy", OpenGate(v2))
    team.ci.during[f"look {v2}:canary-5"] = says(team, "bo", RollBack(deployment=v2))
    await team.passes(MINUTE)
    assert team.ci.opened == []


@pytest.mark.case("trust-9")
async def test_the_requester_does_not_open_the_pipelines_second_pair_of_eyes_in_production(
    team: Team,
) -> None:
    team.ci.stages = (Stage("release", RunState.WAITING, passable=True),)
    v2 = await team.rolls_out_v2()
    assert (
        "the pipeline's gate is a second pair of eyes, so somebody else opens it."
        in await team.says("ana", OpenGate(v2))
    )
    assert "goes on with release" in await team.says("cy", OpenGate(v2))
    assert (await team.says("bo", OpenGate(v2))).startswith(
        "<@UCY> has let the pipeline of shop v2 → production go on already"
    )


@pytest.mark.case("races-17")
async def test_an_approval_counts_for_what_it_was_compared_with(team_with: Any) -> None:
    two = (ApprovalRule("release_manager", 2),)
    async with team_with(
        gates=(), checklist=(), after="", strategy="rolling", watch=MINUTE, approvals=()
    ) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(5 * MINUTE)
        production = replace(
            team.context.catalog.services["shop"].environments["production"], approvals=two
        )
        team.context.catalog.services["shop"].environments["production"] = production
        await team.says("ana", Deploy("shop", "production", "v3"))
        await team.passes(MINUTE)
        await team.says("bo", Approve("shop-2"))
        await team.says("bo", RollBack(deployment="shop-1"))
        await team.passes(MINUTE)
        await team.says("bo", Unlock(deployment="shop-1"))
        await team.passes(2 * MINUTE)
        await team.says("di", Approve("shop-2"))
        await team.passes(2 * MINUTE)
        assert runs_of(team, "shop-2") == [], "bo has approved v2..v3, not v1..v3"
        await team.says("bo", Approve("shop-2"))
        await team.passes(2 * MINUTE)
        assert runs_of(team, "shop-2") != []


@pytest.mark.case("races-18")
async def test_an_older_dialog_takes_back_nobodys_tick(team_with: Any) -> None:
    items = (
        ChecklistItem("db", "database looked at", "support"),
        ChecklistItem("support", "support briefed", "support"),
    )
    async with team_with(gates=(), checklist=items) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes()
        await team.says("cy", Tick("shop-1", ("db",), ()))
        await team.says("cy", Tick("shop-1", ("support",), ()))
        await team.passes(MINUTE)
        assert (await team.deployment("shop-1")).state is State.AWAITING_APPROVAL


@pytest.mark.case("races-21")
async def test_who_lets_it_go_on_hears_no_countdown_for_the_same_finding(team: Team) -> None:
    v2 = await team.rolls_out_v2(2 * MINUTE)
    team.numbers.new = BAD
    await team.passes(MINUTE)
    await team.says("bo", Proceed(v2, "a campaign"))
    await team.passes(3 * MINUTE)
    assert (await team.deployment(v2)).countdown_until is None
    assert len(await team.said("degraded")) == 1
    assert await team.said("recovered") == []


@pytest.mark.case("races-22")
async def test_nobody_is_asked_about_what_was_cancelled_while_the_rota_was_asked(
    team: Team,
) -> None:
    await team.says("ana", Deploy("shop", "production", "v2"))
    team.rota.during = says(team, "ana", Cancel("shop-1"))
    await team.passes(MINUTE)
    assert await team.said("acknowledge_request") == []
    assert "impossible" not in await team.audited("shop-1")


@pytest.mark.case("races-23")
async def test_whoever_leads_now_is_asked_though_the_one_before_was(team: Team) -> None:
    v2 = await team.rolls_out_v2(MINUTE)
    await team.says("ana", AskLead(v2))
    await team.says("bo", HandOver(v2, "UDI"))
    await team.says("ana", AskLead(v2))
    assert "ask_lead" in await team.said_to("T1/UDI")


@pytest.mark.case("races-24")
async def test_the_locks_are_for_those_who_may_look(team: Team) -> None:
    assert "You cannot see the locks." in await team.says("di", Locks())


@pytest.mark.case("races-27")
async def test_a_command_that_is_replayed_after_a_crash_is_answered_as_it_was(swift: Team) -> None:
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(4 * MINUTE)
    first = await swift.says("bo", RollBack(deployment="shop-1"), key="one")
    await swift.passes(2 * MINUTE)
    assert await swift.says("bo", RollBack(deployment="shop-1"), key="one") == first
    async with swift.database.store.reading() as reader:
        assert [
            each.outcome for each in await reader.entries("shop-1") if each.action == "rollback"
        ] == ["done"]


@pytest.mark.case("races-28")
@pytest.mark.parametrize(("minutes", "is_done"), [(14, True), (16, False), (240, False)])
async def test_what_was_said_long_ago_is_not_done_any_more(
    team: Team, minutes: int, is_done: bool
) -> None:
    intent = Intent(
        "old", Deploy("shop", "staging", "v2"), PEOPLE["ana"], Place("C1"), team.context.now()
    )
    team.engine.clock.at += timedelta(minutes=minutes)
    answer = await use_cases.carry_out(team.context, intent)
    assert answer is not None
    assert (answer.name == "asked") is is_done


@pytest.mark.case("races-28")
async def test_a_rollout_that_stood_for_hours_does_not_go_on_into_a_freeze(team: Team) -> None:
    v2 = await team.rolls_out_v2(5 * MINUTE)
    await team.says("bo", Lock("shop", "production", "fire"))
    await team.passes(180 * MINUTE)
    now = team.context.now()
    object.__setattr__(
        team.context.catalog,
        "freezes",
        (Freeze("production", now - MINUTE, now + 60 * MINUTE, "quarter end"),),
    )
    await team.says("bo", Unlock("shop", "production"))
    await team.passes(10 * MINUTE)
    assert f"{v2}:canary-100" not in team.ci.runs
    assert "production is frozen: quarter end" in "\n".join(await team.said("stands_still"))


@pytest.mark.case("races-29")
async def test_an_old_dialog_does_not_stop_a_later_countdown(team: Team) -> None:
    v2 = await team.rolls_out_v2(2 * MINUTE)
    team.numbers.new = BAD
    await team.passes(MINUTE)
    shown = button(await team.card(v2), Action.STOP_COUNTDOWN)
    team.numbers.new = GOOD
    await team.passes(MINUTE)
    team.numbers.new = BAD
    await team.passes(MINUTE)
    assert "What keeps it now is not what was shown to you" in await team.says(
        "bo", StopCountdown(v2, "noise", shown)
    )
    assert (await team.deployment(v2)).countdown_until is not None


@pytest.mark.case("races-30")
async def test_a_comparison_is_kept_with_what_it_was_made_with(team: Team) -> None:
    v2 = await team.asks_for_v2()
    async with team.database.store.reading() as reader:
        changes = await reader.changes(v2)
    assert changes is not None
    assert changes.base == COMMITS["v1"] == (await team.deployment(v2)).base_commit


@pytest.mark.case("races-31")
async def test_any_version_that_was_verified_here_can_be_named(swift: Team) -> None:
    now = swift.context.now()
    async with swift.database.store.transaction() as tx:
        (old,) = await tx.releases("shop", "production")
        for number in range(9):
            at = now - timedelta(days=1) + number * MINUTE
            await tx.set_live(
                replace(
                    old, commit=f"{number}" * 40, version=f"v0.{number}", since=at, verified_at=at
                )
            )
        await tx.set_live(old)
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(4 * MINUTE)
    assert "back from v2 to *v0.0*?" in await swift.says(
        "bo", RollBack("shop", "production", "v0.0", reason="x")
    )


@pytest.mark.case("races-33")
async def test_the_unlock_button_takes_the_lock_that_it_showed(team: Team) -> None:
    v2 = await team.rolls_out_v2(5 * MINUTE)
    await team.says("bo", RollBack(deployment=v2))
    await team.passes(2 * MINUTE)
    shown = button(await team.card(v2), Action.UNLOCK)
    await team.says("bo", Unlock(deployment=v2, shown=shown))
    await team.says("bo", Lock("shop", "production", "another"))
    assert "The lock of this rollback is gone already." in await team.says(
        "bo", Unlock(deployment=v2, shown=shown)
    )
    assert "another" in await team.says("ana", Locks())


@pytest.mark.case("races-34")
async def test_cancel_asks_who_leads_now(team: Team) -> None:
    v2 = await team.asks_for_v2()
    await team.says("bo", HandOver(v2, "UDI"))
    assert "can cancel shop-2." not in await team.says("di", Cancel(v2))
    assert (await team.deployment(v2)).state is State.CANCELLED


@pytest.mark.case("races-20")
async def test_one_person_counts_for_one_rule_and_is_moved_where_that_helps(team_with: Any) -> None:
    rules = (ApprovalRule("release_manager"), ApprovalRule("second"))
    async with team_with(gates=(), checklist=(), after="", approvals=rules) as team:
        roles = team.context.catalog.roles
        roles["second"] = replace(roles["release_manager"], name="second", groups=frozenset())
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes()
        await team.says("bo", Approve("shop-1"))
        await team.passes(MINUTE)
        assert (await team.deployment("shop-1")).state is State.AWAITING_APPROVAL
        await team.says("di", Approve("shop-1"))
        await team.passes(MINUTE)
        assert (await team.deployment("shop-1")).state is State.ROLLING_OUT


@pytest.mark.case("trust-2")
async def test_an_approval_counts_by_who_may_approve_when_the_deployment_goes(team: Team) -> None:
    v2 = await team.asks_for_v2()
    await team.says("bo", Acknowledge(v2))
    await team.passes()
    team.ci.quality_state = "red"
    await team.passes(MINUTE)
    team.ci.quality_state = "green"
    await team.says("cy", Tick(v2, ("support",)))
    await team.passes()
    assert await team.says("di", Approve(v2)) != ""
    team.workspace.readable = False
    await team.passes(5 * MINUTE)
    assert runs_of(team, v2) == [], "who approves cannot be looked up now"
    card = await team.card(v2)
    assert [need.missing for need in card.approvals] == [1], (
        "the card counts as the deployment does"
    )
    assert "cannot be looked up now" in card.uncounted[0].why
    assert len(await team.said("recounted")) == 1
    team.workspace.readable = True
    await team.passes(2 * MINUTE)
    assert runs_of(team, v2) != []
    assert not (await team.card(v2)).uncounted


@pytest.mark.case("races-26")
async def test_one_persons_commands_about_one_service_keep_their_order() -> None:
    turns, done = Turns(), []
    slow = asyncio.Event()

    async def carries_out(command: Command, *, waits: bool) -> None:
        async with turns.of(Intent("k", command, PEOPLE["bo"], Place(), NOW)):
            if waits:
                await slow.wait()
            done.append(command.verb)

    async with asyncio.TaskGroup() as group:
        group.create_task(carries_out(Lock("shop", "production", "x"), waits=True))
        await asyncio.sleep(0)
        group.create_task(carries_out(Unlock("shop", "production"), waits=False))
        group.create_task(carries_out(Lock("pay", "production", "x"), waits=False))
        await asyncio.sleep(0)
        slow.set()
    assert done == ["lock", "lock", "unlock"]


def test_what_decides_is_bound_to_what_it_is_about_and_to_nothing_else() -> None:
    assert token(Action.APPROVE, Seen(commit="a")) != token(Action.APPROVE, Seen(commit="b"))
    assert token(Action.WATCH, Seen(commit="a", base="x")) == token(
        Action.WATCH, Seen(commit="a", base="y")
    )
    assert set(BINDS) == set(Action)


@pytest.mark.case("card-and-people-9")
async def test_after_a_rollback_the_numbers_are_looked_at_and_the_card_says_whether_it_was_the_cure(
    team: Team,
) -> None:
    v2 = await team.rolls_out_v2(2 * MINUTE)
    team.numbers.new = BAD
    await team.passes(MINUTE)
    await team.says("bo", RollBack(deployment=v2))
    await team.passes(timedelta(seconds=20))
    team.numbers.new = GOOD
    await team.passes(15 * MINUTE)
    assert (
        "*v1* is back, and its numbers are not shown to be worse than before v2."
        in (await team.said("looked_after"))[0]
    )
    assert "v1 is live again since 2026-11-21" in await team.shown(v2)
    assert "its numbers have not been looked at yet" not in await team.shown(v2)


@pytest.mark.case("card-and-people-9")
async def test_a_rollback_that_was_not_the_cure_is_said_to_the_lead(team: Team) -> None:
    v2 = await team.rolls_out_v2(2 * MINUTE)
    team.numbers.new = BAD
    await team.passes(MINUTE)
    await team.says("bo", RollBack(deployment=v2))
    await team.passes(15 * MINUTE)
    assert (
        "the numbers are *still worse* than before v2: it was not the cure, or not the "
        "cause. <@UBO>, please look."
    ) in (await team.said("looked_after"))[0]


async def test_nobody_leads_who_has_no_say_in_deployments(team_with: Any) -> None:
    async with team_with() as team:
        v2 = await team.rolls_out_v2(MINUTE)
        team.context.catalog.roles["release_manager"] = replace(
            team.context.catalog.roles["release_manager"], groups=frozenset()
        )
        refused = (
            "<@UDI> cannot lead: that takes somebody who may deploy, or who is on call for shop."
        )
        assert refused in await team.says("bo", HandOver(v2, "UDI"))
        assert refused in await team.says("ana", Deploy("shop", "staging", "v3", lead="UDI"))
        team.rota.person = PEOPLE["di"]
        assert "<@UDI> leads" in await team.says("bo", HandOver(v2, "UDI"))


async def test_numbers_that_only_grow_clearer_are_one_alarm(team: Team) -> None:
    await team.rolls_out_v2(2 * MINUTE)
    for bad in (60, 90, 150):
        team.numbers.new = replace(BAD, numerator=bad)
        await team.passes(MINUTE)
    assert len(await team.said("degraded")) == 1


async def test_a_quarantine_and_its_end_are_said_to_all_deployments_of_the_version(
    swift: Team,
) -> None:
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(4 * MINUTE)
    said = await swift.says("bo", Quarantine("shop", "v2", "it loses carts"))
    stays = (
        "It is live in production and stays there until <@UBO> rolls it back: /rollback shop "
        "production because TEXT."
    )
    assert stays in said
    await swift.says("bo", Unquarantine("shop", "v2", "the database was the cause"))
    assert await swift.said("quarantine_said") == [
        (
            "<@UBO> put *v2* in quarantine: it loses carts. It goes no further by itself, and "
            f"nothing goes back to it. {stays}"
        ),
        (
            "<@UBO> lifted the quarantine of *v2*: the database was the cause. "
            "It can be deployed again."
        ),
    ]
