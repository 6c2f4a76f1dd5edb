"""Runs that were given up, and starts that nobody has answered: shown as unclear until their end
is known, and no longer.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.domain.commands import Cancel, Deploy, Lock, RollBack, SayLive
from bot.domain.deployment import State
from bot.domain.errors import IntegrationError
from bot.domain.outcomes import Went
from bot.domain.places import Doubt, Stray, Unclear
from bot.domain.rollout import RunState, Step, StepState, correlation
from bot.ports.ci import CIRun, StartRequest
from bot.services import rollouts, starts
from bot.services.starts import Begun, Found
from bot.services.strays import give_up

Team = Any
"""The fixture ``team``."""
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
CANNOT_TELL = IntegrationError(
    "GitHub gave no answer to the start and does not show the run yet.", vendor="GitHub"
)
GONE = IntegrationError("There is no such run.", vendor="GitHub", status=404, retry=False)
REFUSES = IntegrationError("401 bad credentials", vendor="the CI", status=401, retry=False)
FIRST = "shop-2:canary-5"


async def strays(team: Team) -> tuple[Stray, ...]:
    async with team.database.store.reading() as reader:
        found: tuple[Stray, ...] = await reader.strays("shop", "production")
    return found


async def rolled_back_while_nobody_tells(team: Team, start: set[str]) -> str:
    """Have v2's first start go without an answer, and v2 rolled back while the provider
    cannot tell what became of it.
    """
    start.add(FIRST)
    v2: str = await team.asks_for_v2()
    team.ci.ends["deploy"] = RunState.RUNNING
    team.ci.during[f"start {v2}"] = lambda: _cannot_tell(team)
    await team.clears(v2)
    await team.passes(MINUTE)
    await team.says("bo", RollBack(deployment=v2))
    await team.passes(20 * SECOND)
    assert "shop-3:rollback" in team.ci.runs
    return v2


async def _cannot_tell(team: Team) -> None:
    team.ci.refuses[f"find {FIRST}"] = CANNOT_TELL


@pytest.mark.case("races-6")
async def test_a_start_that_nobody_has_answered_makes_its_place_unclear_and_its_run_is_followed_to_its_end(
    team: Team,
) -> None:
    v2 = await rolled_back_while_nobody_tells(team, team.ci.unanswered)
    (stray,) = await strays(team)
    assert stray.unanswered
    assert (
        "whether a run of shop-2 was started before it was stopped is not known yet"
        in await team.shown(v2)
    )
    await team.passes(10 * MINUTE)
    assert len(await strays(team)) == 1, "as long as the provider cannot tell"
    team.ci.refuses.clear()
    await team.passes(2 * MINUTE)
    assert FIRST in team.ci.cancelled
    assert await strays(team) == ()
    assert (await team.deployment(v2)).state is State.ROLLED_BACK


@pytest.mark.case("races-6")
async def test_of_a_start_that_nobody_has_answered_it_is_said_that_it_is_not_known_and_what_comes_next(
    team: Team,
) -> None:
    v2 = await rolled_back_while_nobody_tells(team, team.ci.unanswered)
    (told,) = await team.said("not_stopped")
    assert (
        "Whether the run of 5 % of *shop v2 → production* was started is not known: GitHub "
        "gave no answer to the start"
    ) in told
    assert "what is found is stopped, and what is not there was never started" in told
    assert "could not be stopped" not in told
    await team.passes(5 * MINUTE)
    assert (await team.deployment(v2)).state is State.ROLLED_BACK
    (drafted,) = await team.said("retrospective")
    assert (
        "whether the run of canary 5 % was started was not known: GitHub gave no answer to the start"
        in drafted
    )
    assert "could not be stopped" not in drafted
    assert "was started, and given up at once" not in drafted


@pytest.mark.case("races-6")
async def test_while_the_provider_is_away_the_card_of_a_rollback_that_has_not_begun_says_so(
    team: Team,
) -> None:
    v2 = await team.asks_for_v2()
    team.ci.ends["deploy"] = RunState.RUNNING
    await team.clears(v2)
    await team.passes(MINUTE)
    team.ci.away = True
    await team.passes(2 * MINUTE)
    assert "The CI provider has not answered since 02:" in await team.shown(v2)
    await team.says("bo", RollBack(deployment=v2))
    await team.passes(timedelta(seconds=2))
    shown = await team.shown(v2)
    assert "ROLLING BACK to v1" in shown
    assert "what runs cannot be stopped, and the rollback begins all the same" in shown


@pytest.mark.case("races-6")
async def test_a_run_that_the_provider_has_not_shown_is_not_said_to_have_not_ended(
    team: Team,
) -> None:
    team.ci.unanswered.add(FIRST)
    team.ci.hidden.add(FIRST)
    await stopped_while_its_start_is_on_its_way(team)
    (told,) = await team.said("not_stopped")
    assert "was started is not known: the CI provider has not shown it so far." in told


@pytest.mark.case("races-6")
async def test_a_start_that_has_not_happened_keeps_its_place_unclear_no_longer_than_it_could_be_on_its_way(
    team: Team,
) -> None:
    v2 = await rolled_back_while_nobody_tells(team, team.ci.refused)
    assert len(await strays(team)) == 1
    team.ci.refuses.clear()
    await team.passes(4 * MINUTE)
    assert await strays(team) == ()
    assert "not started" in await team.audited(v2)


@pytest.mark.case("races-6")
async def test_a_run_that_a_provider_does_not_tell_about_is_for_people_to_look_at(
    team: Team,
) -> None:
    v2 = await team.asks_for_v2()
    team.ci.ends["deploy"] = RunState.RUNNING
    await team.clears(v2)
    await team.passes(MINUTE)
    team.ci.refuses[f"look {FIRST}"] = GONE
    await team.says("bo", RollBack(deployment=v2))
    await team.passes(5 * MINUTE)
    assert len(await strays(team)) == 1
    await team.passes(10 * MINUTE)
    assert await strays(team) == ()
    (told,) = await team.said("given_up_ended")
    assert "may still be going; the CI provider does not tell: There is no such run." in told
    assert (
        "It is unclear what runs in production: what became of a run of shop-2"
        in await team.shown(v2)
    )
    await team.says_live("bo", SayLive("shop", "production", "v1", "I looked"))
    assert "It is unclear" not in await team.shown(v2)


@pytest.mark.case("races-6")
async def test_a_run_that_is_given_up_a_second_time_is_followed_a_second_time(team: Team) -> None:
    v2 = await team.rolls_out_v2(15 * MINUTE)
    stray = Stray("shop", "production", FIRST, v2, "canary-5", team.context.now())
    for _ in range(2):
        async with team.database.store.transaction() as tx:
            await tx.give_up(replace(stray, since=team.context.now()))
        await team.passes(5 * MINUTE)
        assert await strays(team) == ()


@pytest.mark.case("races-6")
@pytest.mark.parametrize(
    "refusal",
    [
        IntegrationError("500", vendor="the CI"),
        IntegrationError("409", vendor="the CI", status=409, retry=False),
    ],
)
async def test_a_run_that_cannot_be_stopped_is_looked_at_all_the_same(
    team: Team, refusal: IntegrationError
) -> None:
    v2 = await team.rolls_out_v2(15 * MINUTE)
    team.ci.refuses[f"cancel {FIRST}"] = refusal
    team.ci.ends["deploy"] = RunState.RUNNING
    async with team.database.store.transaction() as tx:
        await tx.give_up(Stray("shop", "production", FIRST, v2, "canary-5", team.context.now()))
    await team.passes(20 * MINUTE)
    assert len(await strays(team)) == 1, "it goes on"
    team.ci.ends["deploy"] = RunState.SUCCEEDED
    await team.passes(5 * MINUTE)
    assert await strays(team) == ()
    assert "given up run ended" in await team.audited(v2)


@pytest.mark.case("races-6")
async def test_a_run_that_has_ended_is_not_stopped(team: Team) -> None:
    v2 = await team.rolls_out_v2(15 * MINUTE)
    async with team.database.store.transaction() as tx:
        await tx.give_up(Stray("shop", "production", FIRST, v2, "canary-5", team.context.now()))
    await team.passes(MINUTE)
    assert FIRST not in team.ci.cancelled
    assert await strays(team) == ()


@pytest.mark.case("races-5")
async def test_what_was_never_started_is_cancelled_and_nobody_is_told_that_it_runs(
    team: Team,
) -> None:
    v2 = await team.asks_for_v2()
    team.ci.during[f"find {FIRST}"] = lambda: team.says("bo", Cancel(v2))
    await team.clears(v2)
    await team.passes(5 * SECOND)
    assert FIRST not in team.ci.runs
    assert await team.said("not_stopped") == []
    assert (await strays(team), (await team.card(v2)).steps[0].state) == ((), StepState.SKIPPED)


async def stopped_while_its_start_is_on_its_way(team: Team) -> str:
    """Have v2 rolled back during its first start, the answer to which is lost."""
    v2: str = await team.asks_for_v2()
    team.ci.during[f"start {FIRST}"] = lambda: team.says("bo", RollBack(deployment=v2))
    await team.clears(v2)
    await team.passes(30 * SECOND)
    return v2


@pytest.mark.case("races-6")
async def test_a_start_of_which_a_provider_says_too_early_that_there_is_none_is_looked_for_until_it_could_be_no_more(
    team: Team,
) -> None:
    team.ci.unanswered.add(FIRST)
    team.ci.hidden.add(FIRST)
    v2 = await stopped_while_its_start_is_on_its_way(team)
    (stray,) = await strays(team)
    assert (stray.unanswered, stray.step) == (True, "canary-5")
    assert (
        "whether a run of shop-2 was started before it was stopped is not known yet"
        in await team.shown(v2)
    )
    assert FIRST not in team.ci.cancelled
    team.ci.ends["deploy"] = RunState.RUNNING
    team.ci.hidden.clear()
    await team.passes(2 * MINUTE)
    assert FIRST in team.ci.cancelled
    assert await strays(team) == ()


@pytest.mark.case("races-6")
async def test_a_start_that_was_asked_for_and_never_came_is_forgotten_when_it_could_be_no_more(
    team: Team,
) -> None:
    team.ci.refused.add(FIRST)
    v2 = await stopped_while_its_start_is_on_its_way(team)
    assert [stray.step for stray in await strays(team)] == ["canary-5"]
    await team.passes(4 * MINUTE)
    assert await strays(team) == ()
    assert "not started" in await team.audited(v2)


@pytest.mark.case("races-6")
async def test_a_start_that_the_provider_refused_is_on_no_way_and_makes_nothing_unclear(
    team: Team,
) -> None:
    team.ci.refuses[f"start {FIRST}"] = REFUSES
    v2 = await stopped_while_its_start_is_on_its_way(team)
    assert (await strays(team), (await team.card(v2)).steps[0].state) == ((), StepState.SKIPPED)
    assert await team.said("not_stopped") == []


@pytest.mark.case("races-5")
@pytest.mark.parametrize(
    ("run", "followed"),
    [("another", ["another"]), (FIRST, [])],
    ids=["another run", "the same run"],
)
async def test_a_start_under_an_older_permit_changes_nothing_and_another_run_of_it_is_given_up(
    team: Team, run: str, followed: list[str]
) -> None:
    v2 = await team.asks_for_v2()
    team.ci.ends["deploy"] = RunState.RUNNING
    await team.clears(v2)
    await team.passes(SECOND)
    async with team.database.store.transaction() as tx:
        deployment = await tx.deployment(v2)
        older, step = await tx.permit(deployment, "canary-5"), (await tx.steps(v2))[0]
        await tx.permit(deployment, "canary-5")
    begun = await starts.record(
        team.context, v2, replace(step, run=""), Found(CIRun(run, RunState.RUNNING), older)
    )
    assert begun is (Begun.OVER if followed else Begun.STARTED)
    assert [stray.run for stray in await strays(team)] == followed
    async with team.database.store.reading() as reader:
        assert (await reader.steps(v2))[0] == step


@pytest.mark.case("races-6")
async def test_nothing_goes_forward_while_it_is_not_known_whether_something_was_started(
    team: Team,
) -> None:
    await rolled_back_while_nobody_tells(team, team.ci.refused)
    await team.passes(MINUTE)
    await team.says("ana", Deploy("shop", "production", "v3"))
    await team.passes()
    assert "it is unclear what runs: whether a run of shop-2 was started" in await team.shown(
        "shop-4"
    )


@pytest.mark.case("races-6")
async def test_a_second_run_that_is_given_up_does_not_make_the_first_one_forgotten(
    team: Team,
) -> None:
    v2 = await team.asks_for_v2()
    deployment = await team.deployment(v2)
    step = Step(0, "canary-5", 5, timedelta(0), StepState.RUNNING)
    named = correlation(v2, deployment.requested_at, step)
    async with team.database.store.transaction() as tx:
        for run in (named, "another"):
            await give_up(team.context, tx, deployment, replace(step, run=run))
        assert {stray.run for stray in await tx.strays("shop")} == {named, "another"}


@pytest.mark.case("races-6")
async def test_a_start_whose_answer_was_lost_is_followed_although_the_place_was_locked_meanwhile(
    team: Team,
) -> None:
    team.ci.unanswered.add(FIRST)
    v2 = await team.asks_for_v2()
    team.ci.ends["deploy"] = RunState.FAILED
    team.ci.during[f"start {FIRST}"] = lambda: _lock(team)
    await team.clears(v2)
    await team.passes(5 * MINUTE)
    assert (await team.deployment(v2)).state is State.FAILED
    assert len(await team.said("failed")) == 1
    assert await team.said("stands_still") == [], "it was started"


async def _lock(team: Team) -> None:
    await team.says("bo", Lock("shop", "production", "fire"))


async def rollback_of_which_nobody_tells(swift: Team, question: str, after: str) -> str:
    """Have v2 verified and rolled back, and the provider refuse to tell about the
    rollback until it is given up.
    """

    async def refuses() -> None:
        swift.ci.refuses[question] = REFUSES

    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(10 * MINUTE)
    swift.ci.ends["rollback"] = RunState.RUNNING
    if after:
        swift.ci.unanswered.add("shop-2:rollback")
        swift.ci.during[after] = refuses
    await swift.says("bo", RollBack(deployment="shop-1"))
    await swift.passes(MINUTE)
    await refuses()
    await swift.passes(12 * MINUTE)
    assert (await swift.deployment("shop-1")).state is State.FAILED
    assert "shop-2:rollback" in swift.ci.runs
    return "shop-1"


LOOK, FIND = ("look shop-2", ""), ("find shop-2", "start shop-2:rollback")
"""What the provider refuses about a rollback: how its run goes, or whether its start, whose answer
was lost, was carried out.
"""


@pytest.mark.case("races-6")
@pytest.mark.parametrize(("refused", "after"), [LOOK, FIND], ids=["its run", "its start"])
async def test_the_run_of_a_rollback_that_was_given_up_is_not_forgotten(
    swift: Team, refused: str, after: str
) -> None:
    v2 = await rollback_of_which_nobody_tells(swift, refused, after)
    (stray,) = await strays(swift)
    assert (stray.deployment, stray.unanswered) == ("shop-2", bool(after))
    assert "It is unclear what runs in production" in await swift.shown(v2)
    await swift.says("ana", Deploy("shop", "production", "v3"))
    await swift.passes(5 * MINUTE)
    assert not [run for run in swift.ci.runs if run.startswith("shop-3")], (
        "nothing goes forward beside it"
    )
    swift.ci.refuses.clear()
    await swift.passes(10 * MINUTE)
    assert "shop-2:rollback" in swift.ci.cancelled
    assert await strays(swift) == ()
    assert (await swift.deployment("shop-3")).state is State.VERIFIED, (
        "it answers the failure, once nothing runs there any more"
    )


@pytest.mark.case("races-6", "reliability-7")
@pytest.mark.parametrize(("refused", "after"), [LOOK, FIND], ids=["its run", "its start"])
async def test_a_second_rollback_stops_the_run_of_the_first_before_it_begins(
    swift: Team, refused: str, after: str
) -> None:
    v2 = await rollback_of_which_nobody_tells(swift, refused, after)
    swift.ci.refuses.clear()
    swift.ci.during["start shop-3:rollback"] = lambda: _was_stopped(swift)
    await swift.says("bo", RollBack(deployment=v2))
    await swift.passes(timedelta(seconds=5))
    assert "shop-3:rollback" in swift.ci.runs
    assert (await strays(swift), await swift.said("not_stopped")) == ((), [])
    swift.ci.ends["rollback"] = RunState.SUCCEEDED
    await swift.passes(2 * MINUTE)
    assert (await swift.deployment(v2)).state is State.ROLLED_BACK
    assert "It is unclear" not in await swift.shown(v2)


async def _was_stopped(swift: Team) -> None:
    assert "shop-2:rollback" in swift.ci.cancelled


@pytest.mark.case("races-6", "reliability-7")
async def test_a_second_rollback_waits_no_longer_than_the_first_for_a_provider_that_refuses_and_says_so(
    swift: Team,
) -> None:
    v2 = await rollback_of_which_nobody_tells(swift, *LOOK)
    await swift.says("bo", RollBack(deployment=v2))
    await swift.passes(10 * SECOND)
    assert "shop-3:rollback" not in swift.ci.runs
    swift.ci.ends["rollback"] = RunState.SUCCEEDED
    await swift.passes(10 * SECOND)
    assert "shop-3:rollback" in swift.ci.runs
    (told,) = await swift.said("not_stopped")
    assert (
        "The run of the rollback of shop in production to *v1* could not be "
        "stopped: 401 bad credentials."
    ) in told
    await swift.passes(MINUTE)
    assert (await swift.deployment(v2)).state is State.ROLLED_BACK
    assert (
        "It is unclear what runs in production: a run of shop-2 that was cut off"
        in await swift.shown(v2)
    )
    await swift.passes(15 * MINUTE)
    assert (
        "It is unclear what runs in production: what became of a run of shop-2"
        in await swift.shown(v2)
    )


@pytest.mark.case("races-6")
async def test_a_rollback_that_was_given_up_and_did_something_after_the_second_had_begun_makes_its_place_unclear(
    swift: Team,
) -> None:
    swift.ci.deaf = True
    v2 = await rollback_of_which_nobody_tells(swift, *LOOK)
    await swift.says("bo", RollBack(deployment=v2))
    await swift.passes(MINUTE)
    swift.ci.refuses.clear()
    swift.ci.ends["rollback"] = RunState.SUCCEEDED
    await swift.passes(3 * MINUTE)
    assert "a run of shop-2 that was cut off has ended only now: succeeded" in await swift.shown(v2)


@pytest.mark.case("races-6")
async def test_a_provider_that_never_tells_about_a_rollback_leaves_its_place_to_peoples_word(
    swift: Team,
) -> None:
    v2 = await rollback_of_which_nobody_tells(swift, *LOOK)
    await swift.passes(12 * MINUTE)
    await swift.says("ana", Deploy("shop", "production", "v3"))
    await swift.passes(MINUTE)
    assert "it is unclear what runs: what became of a run of shop-2" in await swift.shown("shop-3")
    await swift.says_live("bo", SayLive("shop", "production", "v1", "I looked"))
    assert "It is unclear" not in await swift.shown(v2)


@pytest.mark.case("races-15")
@pytest.mark.parametrize("kind", [Unclear.RESTORED, Unclear.STRAY])
async def test_a_failure_in_a_place_that_only_people_can_make_clear_opens_it_to_nobody(
    swift: Team, kind: Unclear
) -> None:
    swift.ci.ends["deploy"] = RunState.RUNNING
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(2 * MINUTE)
    async with swift.database.store.transaction() as tx:
        await tx.cast_doubt("shop", "production", Doubt(kind, "nobody knows", swift.context.now()))
    swift.ci.ends["deploy"] = RunState.FAILED
    await swift.passes(2 * MINUTE)
    assert (await swift.deployment("shop-1")).state is State.FAILED
    swift.ci.ends |= {"deploy": RunState.SUCCEEDED, "rollback": RunState.FAILED}
    await swift.says("bo", RollBack(deployment="shop-1"))
    await swift.passes(2 * MINUTE)
    await swift.says("ana", Deploy("shop", "production", "v3"))
    await swift.passes(2 * MINUTE)
    assert not [run for run in swift.ci.runs if run.startswith("shop-3")]
    assert "it is unclear what runs: nobody knows" in await swift.shown("shop-3")


@pytest.mark.case("races-15")
async def test_the_claim_of_a_failed_rollback_is_let_go_in_the_moment_in_which_its_place_is_unclear(
    swift: Team,
) -> None:
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(10 * MINUTE)
    swift.ci.ends["rollback"] = RunState.FAILED
    await swift.says("bo", RollBack(deployment="shop-1"))
    async with swift.database.store.transaction() as tx:
        back, step = (
            await tx.deployment("shop-2"),
            replace((await tx.steps("shop-2"))[0], state=StepState.RUNNING, run="shop-2:rollback"),
        )
        await tx.save_steps("shop-2", [step])
    swift.ci.runs["shop-2:rollback"] = StartRequest(
        "shop-2:rollback", back.commit, "production", "rollback", {}
    )
    assert await rollouts.look(swift.context, "shop-2", 0) is Went.OVER
    async with swift.database.store.reading() as reader:
        assert (
            await reader.holder("shop", "production"),
            (await reader.doubt("shop", "production")).kind,
        ) == ("", Unclear.FAILED)
