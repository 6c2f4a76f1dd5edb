"""The small print of what is decided: who counts, when one looks again, what is asked of
whom, and what is said once.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.domain.actions import Action
from bot.domain.catalog import ApprovalRule, Freeze
from bot.domain.commands import (
    Approve,
    Deploy,
    HandOver,
    Lock,
    OpenGate,
    Quarantine,
    RollBack,
    Unlock,
    Watch,
)
from bot.domain.decisions import Decision
from bot.domain.deployment import OPEN, State
from bot.domain.errors import NotAllowed, NotPossible, Offer
from bot.domain.live import Live
from bot.domain.outcomes import Chased
from bot.domain.people import Person
from bot.domain.places import Stray
from bot.domain.quality import QualityState
from bot.domain.readiness import Review
from bot.domain.rollout import RunState, Stage, Step, StepState
from bot.domain.shown import seen_on, token
from bot.engine.simulated import VirtualClock
from bot.ports.ci import CIRun, GateAnswer, RefKind, Resolved
from bot.ports.engine import Later
from bot.ports.people import Profile
from bot.ports.providers import Providers
from bot.services import (
    approvals,
    clearance,
    gates,
    leading,
    leads,
    plans,
    queueing,
    refs,
    refusals,
    standing_down,
    starts,
    strays,
    ticks,
)
from bot.services.clearance import Looked
from bot.services.endings import ended
from bot.services.people import UNKNOWN, Held
from bot.services.provider_facts import Facts
from bot.services.rollouts import odd
from bot.services.shared import SharedAnswers
from bot.services.shared_providers import shared
from tests.services.conftest import BAD, COMMITS, MINUTE, PEOPLE, SHOP, ToldCI, Workspace

Team = Any
"""The fixtures ``team`` and ``team_with``."""
SECOND = timedelta(seconds=1)
RULES = (ApprovalRule("release_manager"),)


async def test_only_a_yes_to_this_commit_over_what_is_live_by_somebody_else_counts(
    team: Team,
) -> None:
    deployment = await team.deployment(await team.asks_for_v2())
    yes = Decision(
        deployment.id, PEOPLE["bo"], ("release_manager",), approved=True,
        commit=deployment.commit, base=deployment.base_commit,
        at=team.context.now(),
    )  # fmt: skip
    for decision, missing in (
        (yes, 0),
        (replace(yes, approved=False), 1),
        (replace(yes, commit=COMMITS["v3"]), 1),
        (replace(yes, base=COMMITS["v3"]), 1),
        (replace(yes, by=deployment.requested_by), 1),
        (replace(yes, roles=("support",)), 1),
        (replace(yes, why_not=UNKNOWN), 1),
    ):
        assert [need.missing for need in approvals.needs(RULES, [decision], deployment)] == [
            missing
        ], decision
    for held, missing in ((Held(frozenset({"release_manager"})), 0), (Held(), 1)):
        assert [
            need.missing for need in approvals.needs(RULES, [yes], deployment, now={yes.by: held})
        ] == [missing]
    assert [need.missing for need in approvals.needs(RULES, [yes], deployment, now={})] == [1]


@pytest.mark.parametrize(
    ("freezes", "held", "pause"),
    [
        ((), Held(), 150),
        ((), Held(why_not=UNKNOWN), 30),
        ((("production", 40),), Held(), 40),
        ((("production", -40),), Held(), 150),
        ((("staging", 40),), Held(), 150),
    ],
)
async def test_what_waits_is_looked_at_at_every_moment_that_is_known_and_soon_where_an_approver_is_not(
    team: Team, freezes: tuple[tuple[str, int], ...], held: Held, pause: int
) -> None:
    v2 = await team.asks_for_v2()
    team.engine.clock.advance(5 * MINUTE)
    now = team.context.now()
    frozen = tuple(
        Freeze(environment, now + begins * SECOND, now + timedelta(days=1), "a sale")
        for environment, begins in freezes
    )
    context = replace(
        team.context,
        catalog=replace(team.context.catalog, freezes=frozen),
        intervals=replace(team.context.intervals, slowest=30 * SECOND),
    )
    async with team.database.store.reading() as reader:
        since = max((await reader.review(v2)).at, (await reader.deployment(v2)).state_since)
        assert now - since == 5 * MINUTE
        looked = Looked(Facts("b", None, (), None), {PEOPLE["bo"]: held})
        assert await clearance.look_again_in(context, reader, v2, looked) == Later(pause * SECOND)


async def test_it_expires_at_the_very_moment_that_was_said(team: Team) -> None:
    v2 = await team.asks_for_v2()
    card = await team.card(v2)
    team.engine.clock.at = card.approval_expires_at - SECOND
    await team.passes()
    assert (await team.deployment(v2)).state is State.GATED
    await team.passes(SECOND)
    assert (await team.deployment(v2)).state is State.EXPIRED


async def test_whoever_is_on_call_is_asked_to_acknowledge_also_where_somebody_else_leads(
    team: Team,
) -> None:
    await team.says("ana", Deploy("shop", "production", "v2", lead="UCY"))
    await team.passes()
    assert (await team.deployment("shop-1")).lead == PEOPLE["cy"]
    assert [
        message.to for message in await team.outbox() if message.template == "acknowledge_request"
    ] == [str(PEOPLE["bo"])]


async def test_whoever_approves_too_early_is_told_what_is_open(team: Team) -> None:
    v2 = await team.asks_for_v2()
    said = await team.says("bo", Approve(v2))
    assert "not for approval now. Open: " in said
    assert " and 1 more." in said


async def test_whoever_approves_what_has_no_open_gate_any_more_is_told_where_it_stands(
    team: Team,
) -> None:
    v2 = await team.asks_for_v2()
    async with team.database.store.transaction() as tx:
        await tx.save_review(v2, Review(team.context.now(), ()))
    assert (await team.says("bo", Approve(v2))).endswith("; it does not wait for approval.")


TAG, BRANCH = RefKind.TAG, RefKind.BRANCH
PLAIN = Resolved(COMMITS["v2"], "v2", kind=TAG, name="v2")


@pytest.mark.parametrize(
    ("resolved", "moved_from", "told"),
    [
        (None, "", None),
        (None, "a" * 40, None),
        (PLAIN, "", None),
        (PLAIN, "a" * 40, ("", "", "a" * 40)),
        (replace(PLAIN, also=BRANCH), "", ("", BRANCH.value, "")),
    ],
)
def test_what_a_ref_was_taken_for_is_said_only_where_it_could_have_meant_something_else(
    resolved: Resolved | None, moved_from: str, told: tuple[str, str, str] | None
) -> None:
    found = refs.what_was_taken(resolved, moved_from)
    if told is None:
        assert found == {}
        return
    assert (found["latest"], found["also"], found["moved_from"]) == told
    assert (found["version"], found["kind"], found["name"]) == ("v2", TAG.value, "v2")


async def test_a_plan_is_confirmed_only_where_going_back_takes_one(team: Team) -> None:
    v2 = await team.asks_for_v2()
    with pytest.raises(
        NotPossible, match="takes no plan of a migration's own, so there is nothing to confirm"
    ):
        await plans.may_confirm(team.context, PEOPLE["bo"], v2)


async def test_the_dialog_that_lets_go_on_is_not_opened_where_more_than_numbers_keep_it(
    team: Team,
) -> None:
    v2 = await team.rolls_out_v2(2 * MINUTE)
    team.numbers.new = BAD
    await team.passes(MINUTE)
    await leading.may_proceed(team.context, PEOPLE["bo"], v2)
    await team.says("bo", Quarantine("shop", "v2", "it leaks"))
    with pytest.raises(NotPossible, match="More than its numbers keeps"):
        await leading.may_proceed(team.context, PEOPLE["bo"], v2)


async def test_whoever_does_not_lead_is_offered_to_take_over_from_the_lead_that_was_shown(
    team: Team,
) -> None:
    v2 = await team.rolls_out_v2()
    with pytest.raises(
        NotAllowed, match="Only <@UBO>, the deployment lead, can let it go on"
    ) as refused:
        await leading.may_proceed(team.context, PEOPLE["cy"], v2)
    ask, take = refused.value.offers
    assert (ask.action, take.action) == (Action.ASK_LEAD, Action.TAKE_OVER)
    assert take.carries == token(Action.TAKE_OVER, seen_on(await team.card(v2)))


async def test_a_lead_who_is_on_call_is_not_named_as_somebody_else_who_is(team: Team) -> None:
    v2 = await team.rolls_out_v2()
    over = Offer(Action.TAKE_OVER, "Take over as on-call…", v2)
    refusal = NotPossible("No.", over)
    assert (await refusals.told(team.context, PEOPLE["cy"], refusal)).facts["on_call"] == ""
    await team.says("bo", HandOver(v2, "UANA"))
    assert (await refusals.told(team.context, PEOPLE["cy"], refusal)).facts["on_call"] == str(
        PEOPLE["bo"]
    )
    assert (await refusals.told(team.context, PEOPLE["bo"], refusal)).offers == (over,)


class Asked(Workspace):
    """Notes whether a look-up of a minute ago would have been believed."""

    def __init__(self) -> None:
        super().__init__()
        self.fresh: list[tuple[str, bool]] = []

    async def profile(self, person: Person, **how: bool) -> Profile:
        self.fresh.append((person.user, how.get("fresh", False)))
        return await super().profile(person)


async def test_whoever_is_made_the_lead_is_looked_up_afresh(team: Team) -> None:
    v2 = await team.rolls_out_v2()
    asked = Asked()
    team.context.people._directory = asked
    await team.says("bo", HandOver(v2, "UANA"))
    assert ("UANA", True) in asked.fresh


async def test_what_keeps_a_rollout_twice_over_is_one_post_in_the_channel(team: Team) -> None:
    await team.rolls_out_v2()
    await team.says("bo", Lock("shop", "production", "a sale"))
    await team.says("bo", Quarantine("shop", "v2", "it leaks"))
    await team.passes(15 * MINUTE)
    (post,) = await team.said("stands_still")
    assert "stands still before 100 %: shop in production is locked: a sale." in post
    assert "Also: v2 is quarantined: it leaks. Quarantined by <@UBO>" in post
    assert "It goes on by itself when all of that is over" in post


@pytest.mark.case("card-and-people-11")
async def test_what_keeps_a_rollout_besides_is_said_anew_with_all_that_keeps_it_and_ends_the_word_before(
    team: Team,
) -> None:
    await team.rolls_out_v2()
    await team.says("bo", Lock("shop", "production", "a sale"))
    await team.passes(15 * MINUTE)
    await team.says("bo", Quarantine("shop", "v2", "it leaks"))
    await team.passes(MINUTE)
    first, second = [
        message for message in await team.outbox() if message.template == "stands_still"
    ]
    end = await ended(team.context, first)
    assert end is not None
    assert end.sentence == "Something else keeps it besides now; it is said anew."
    assert "a sale" in team.reads(second)
    assert "it leaks" in team.reads(second)
    assert "Also: v2 is quarantined: it leaks." in (await team.said("standstill"))[1]
    await team.says("bo", Unlock("shop", "production"))
    await team.passes(MINUTE)
    assert len(await team.said("stands_still")) == 2, "what was said already is not said again"
    assert await ended(team.context, second) is None


async def test_what_became_of_a_gate_is_written_down_once(team: Team) -> None:
    team.ci.stages, team.ci.gate_is = (
        (Stage("release", RunState.WAITING, passable=True),),
        GateAnswer.NOT_THERE,
    )
    v2 = await team.rolls_out_v2()
    await team.says("bo", OpenGate(v2))
    deployment, (step, *_) = await team.deployment(v2), (await team.card(v2)).steps
    for answer in (GateAnswer.NOT_THERE, GateAnswer.WAS_OPEN):
        await gates.tell_what_became(team.context, deployment, step, PEOPLE["bo"], answer)
    assert (await team.audited(v2)).count("gate_not_opened") == 1


@pytest.mark.parametrize(
    ("stored", "run"),
    [
        ((StepState.RUNNING, ""), "found"),
        ((StepState.RUNNING, "run 9"), "run 9"),
        ((StepState.DONE, "run 9"), "run 9"),
        ((StepState.SKIPPED, ""), "found"),
    ],
)
async def test_a_run_that_was_found_takes_the_place_of_none_that_is_known(
    team: Team, stored: tuple[StepState, str], run: str
) -> None:
    v2 = await team.rolls_out_v2()
    async with team.database.store.transaction() as tx:
        step = replace((await tx.steps(v2))[0], state=stored[0], run=stored[1])
        await tx.save_steps(v2, [step])
    kept = await standing_down.keep_found(
        team.context, await team.deployment(v2), step, CIRun("found", RunState.RUNNING)
    )
    assert kept.run == run
    (first, *_) = (await team.card(v2)).steps
    assert (first.state, first.run) == (
        stored[0],
        "found" if stored == (StepState.RUNNING, "") else stored[1],
    )


async def test_a_start_is_said_to_be_impossible_or_overtaken_to_its_own_runbook(team: Team) -> None:
    deployment = await team.deployment(await team.asks_for_v2())
    async with team.database.store.transaction() as tx:
        assert await queueing.pin_to(team.context, tx, deployment, PLAIN) is False, (
            "it is pinned already"
        )
        assert await queueing.end(team.context, tx, deployment, "there is nothing to do") is False


@pytest.mark.parametrize(("after", "told"), [(599, False), (600, True)])
async def test_a_provider_that_refuses_is_asked_for_ten_minutes_and_then_people_have_to_look(
    team: Team, after: int, *, told: bool
) -> None:
    await team.asks_for_v2()
    stray = Stray("shop", "production", "run 7", "shop-2", "canary-5", team.context.now())
    async with team.database.store.transaction() as tx:
        await tx.give_up(stray)
    team.engine.clock.advance(after * SECOND)
    found = await strays.chase(team.context, "shop", "run 7")
    assert (found is Chased.UNTOLD) is told
    assert isinstance(found, Later) is not told


async def test_tests_that_somebody_is_about_to_start_are_asked_about_again_within_seconds() -> None:
    ci, clock = ToldCI(), VirtualClock()
    it = shared(Providers(ci, None, None), SHOP, SharedAnswers(clock), clock, {}).ci  # type: ignore[arg-type]
    ci.startable, ci.quality_state = True, QualityState.NONE
    assert (await it.quality(COMMITS["v2"])).state is QualityState.NONE
    ci.quality_state = QualityState.RED
    clock.advance(6 * SECOND)
    assert (await it.quality(COMMITS["v2"])).state is QualityState.RED


async def test_whoever_says_that_they_watch_is_the_lead_now(team: Team) -> None:
    v2 = await team.rolls_out_v2()
    assert "Only <@UBO>" in await team.says("cy", Watch(v2))
    assert PEOPLE["bo"] not in (await team.card(v2)).watched_by
    await team.says("bo", Watch(v2))
    assert (await team.card(v2)).watched_by == (PEOPLE["bo"],)


async def test_a_checklist_item_is_shown_to_those_who_may_tick_it_and_to_nobody_else(
    team: Team,
) -> None:
    v2 = await team.asks_for_v2()
    assert await ticks.tickable(team.context, v2, PEOPLE["cy"]) == (
        ("support", "support briefed", False),
    )
    with pytest.raises(NotAllowed, match="None of the open items is yours"):
        await ticks.tickable(team.context, v2, PEOPLE["ana"])


def test_a_step_that_was_not_asked_for_has_waited_for_nothing() -> None:
    step = Step(0, "canary-5", 5, MINUTE, StepState.RUNNING, "run-1")
    assert odd(CIRun("1", RunState.QUEUED), step, VirtualClock().now()) == ""


async def test_a_run_may_go_on_while_it_is_the_one_that_is_known_and_nothing_keeps_its_step(
    team: Team,
) -> None:
    team.ci.stages = (Stage("release", RunState.RUNNING),)
    v2 = await team.rolls_out_v2()
    deployment, (step, *_) = await team.deployment(v2), (await team.card(v2)).steps
    assert step.run
    assert await starts.may_go_on(team.context, deployment, step)
    assert not await starts.may_go_on(team.context, deployment, replace(step, run="another run"))
    await team.says("bo", Lock("shop", "production", "a sale"))
    assert not await starts.may_go_on(team.context, deployment, step)
    assert await starts.may_go_on(team.context, deployment, replace(step, state=StepState.SMOKE)), (
        "a smoke test changes nothing"
    )
    await team.says("bo", RollBack(deployment=v2))
    assert not await starts.may_go_on(
        team.context, deployment, replace(step, state=StepState.SMOKE)
    )


async def test_what_waits_is_compared_with_what_is_live_now(team: Team) -> None:
    v2 = await team.asks_for_v2()
    now = team.context.now()
    assert (await team.deployment(v2)).base_commit == COMMITS["v1"]
    async with team.database.store.transaction() as tx:
        await tx.set_live(
            Live("shop", "production", COMMITS["v3"], "v3", now, "", PEOPLE["ana"], now)
        )
    await clearance.cleared(team.context, v2)
    after = await team.deployment(v2)
    assert (after.base_commit, after.base_version) == (COMMITS["v3"], "v3")


async def test_whatever_can_still_be_rolled_back_can_change_its_lead(every: Any) -> None:
    can = {State.VERIFIED, State.ACCEPTED, State.FAILED} | OPEN
    async with every.database.store.reading() as reader:
        for state, deployment in every.deployments.items():
            if state in can:
                assert await leads.still_open(reader, deployment.id) == deployment
                continue
            with pytest.raises(NotPossible, match="its lead has nothing left to decide"):
                await leads.still_open(reader, deployment.id)
