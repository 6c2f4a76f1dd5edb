"""A CI provider that says no: a rollback is not held up by what it undoes, and nothing that
waiting may cure ends for good.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from bot.domain.actions import Action
from bot.domain.changes import Changes
from bot.domain.commands import HandOver, RollBack
from bot.domain.deployment import State
from bot.domain.errors import IntegrationError, NotAllowed
from bot.domain.people import Person
from bot.domain.rollback import Passage, Way
from bot.domain.rollout import RunState, Stage
from bot.domain.shown import Seen, token
from bot.ports.ci import RunHint
from bot.services import leading, refusals, ways, webhooks
from tests.services.conftest import PEOPLE
from tests.services.test_still import alarm

Team = Any
"""The fixture ``team``."""
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
RELEASE = Stage("release", RunState.RUNNING)
UNAUTHORIZED = IntegrationError(
    "GitHub answered 401: the token has expired.", vendor="GitHub", status=401, retry=False
)
FORBIDDEN = IntegrationError(
    "GitHub answered 403: the token may not cancel.", vendor="GitHub", status=403, retry=False
)
STILL_RUNNING = IntegrationError(
    "GitLab took the request and the pipeline is still running.", vendor="GitLab"
)
UNKNOWN = IntegrationError("There is no such run.", vendor="GitHub", status=404, retry=False)
TWINS = IntegrationError(
    "2 runs carry shop-2:canary-5; which one is ours cannot be told.", vendor="GitHub", retry=False
)


async def under_way(team: Team) -> str:
    """Have v2 in the middle of its first step."""
    team.ci.stages = (RELEASE,)
    v2: str = await team.rolls_out_v2()
    return v2


def ways_back(team: Team) -> list[str]:
    return [run for run in team.ci.runs if "rollback" in run]


@pytest.mark.parametrize(
    ("question", "error"),
    [
        ("cancel", FORBIDDEN),
        ("cancel", STILL_RUNNING),
        ("look shop-2", UNKNOWN),
        ("look shop-2", UNAUTHORIZED),
    ],
)
async def test_a_run_that_cannot_be_stopped_does_not_hold_up_the_rollback(
    team: Team, question: str, error: IntegrationError
) -> None:
    v2 = await under_way(team)
    team.ci.refuses[question] = error
    await team.says("bo", RollBack(deployment=v2))
    await team.passes(10 * SECOND)
    assert ways_back(team) == []
    await team.passes(10 * SECOND)
    assert len(ways_back(team)) == 1
    (told,) = await team.said("not_stopped")
    assert f"The run of 5 % of *shop v2 → production* could not be stopped: {error}" in told
    assert "The rollback to v1 goes on without waiting for it." in told
    assert "not stopped" in await team.audited(v2)
    team.ci.stages = ()
    await team.passes(10 * MINUTE)
    assert (await team.deployment(v2)).state is State.ROLLED_BACK


@pytest.mark.parametrize("error", [None, FORBIDDEN, STILL_RUNNING])
async def test_a_run_that_failed_is_stopped_too_because_somebody_may_have_run_it_again(
    team: Team, error: IntegrationError | None
) -> None:
    v2 = await under_way(team)
    team.ci.stages, team.ci.ends["deploy"] = (), RunState.FAILED
    await team.passes(MINUTE)
    assert (await team.deployment(v2)).state is State.FAILED
    if error:
        team.ci.refuses["cancel"] = error
    await team.says("bo", RollBack(deployment=v2))
    await team.passes(10 * SECOND)
    assert team.ci.cancelled == ([] if error else ["shop-2:canary-5"])
    assert "shop-3:rollback" in ways_back(team)
    assert await team.said("not_stopped") == []


async def test_a_start_that_was_not_seen_to_its_end_and_cannot_be_told_does_not_hold_it_up_either(
    team: Team,
) -> None:
    async def answer_is_lost() -> None:
        team.ci.unanswered = {"shop-2:canary-5"}
        team.ci.refuses["find shop-2"] = TWINS

    team.ci.during["start shop-2:canary-5"] = answer_is_lost
    v2 = await team.rolls_out_v2()
    await team.says("bo", RollBack(deployment=v2))
    await team.passes(20 * SECOND)
    assert "shop-3:rollback" in ways_back(team)
    assert "which one is ours cannot be told" in (await team.said("not_stopped"))[0]


@pytest.mark.parametrize("run", ["shop-2:canary-5", "shop-2:canary-5:smoke"])
async def test_a_run_whose_start_was_not_answered_is_found_and_stopped_by_the_rollback(
    team: Team, run: str
) -> None:
    team.ci.unanswered = {run}
    v2 = await team.rolls_out_v2(timedelta(0))
    await team.says("bo", RollBack(deployment=v2))
    await team.passes(10 * SECOND)
    assert run in team.ci.cancelled
    assert await team.said("not_stopped") == []


async def test_a_new_lead_who_clicks_during_a_rollback_is_told_that_it_goes_on_already(
    team: Team,
) -> None:
    v2 = await team.rolls_out_v2(5 * MINUTE)
    team.ci.ends["rollback"] = RunState.RUNNING
    await team.says("bo", RollBack(deployment=v2))
    await team.passes(10 * SECOND)
    await team.says("bo", HandOver(v2, "UANA"))
    assert "is rolling back to v1 already, as shop-3." in await team.says(
        "ana", RollBack(deployment=v2)
    )


async def test_taking_over_after_a_refusal_is_about_the_lead_who_was_named_in_it(
    team: Team,
) -> None:
    v2 = await team.rolls_out_v2()
    await team.says("bo", HandOver(v2, "UANA"))
    with pytest.raises(NotAllowed) as refused:
        await leading.may_proceed(team.context, PEOPLE["bo"], v2)
    assert [offer.carries for offer in refused.value.offers] == [
        "",
        token(Action.TAKE_OVER, Seen(lead="T1/UANA")),
    ]


@pytest.mark.parametrize("question", ["find shop-3:rollback", "look shop-3:rollback"])
async def test_a_rollback_asks_a_provider_that_refuses_again_until_it_does_not(
    team: Team, question: str
) -> None:
    v2 = await team.rolls_out_v2(5 * MINUTE)
    team.ci.refuses[question] = UNAUTHORIZED
    await team.says("bo", RollBack(deployment=v2))
    await team.passes(5 * MINUTE)
    shown = await team.shown(v2)
    assert "The CI provider refuses since" in shown
    assert "the token has expired. It is asked again every half minute." in shown
    (told,) = await team.said("refused")
    assert (
        "The rollback to *shop v1 → production* stands still: GitHub answered "
        "401: the token has expired."
    ) in told
    team.ci.refuses.clear()
    await team.passes(2 * MINUTE)
    assert (await team.deployment(v2)).state is State.ROLLED_BACK
    assert await team.said("stuck") == []


async def test_a_rollback_that_is_refused_for_ten_minutes_has_failed_and_may_be_tried_again(
    team: Team,
) -> None:
    v2 = await team.rolls_out_v2(5 * MINUTE)
    team.ci.refuses["find shop-3:rollback"] = UNAUTHORIZED
    await team.says("bo", RollBack(deployment=v2))
    await team.passes(12 * MINUTE)
    assert (await team.deployment(v2)).state is State.FAILED
    (told,) = await team.said("failed")
    assert (
        "failed: whether it was started is not known; the CI provider says: GitHub answered "
        "401: the token has expired."
    ) in told
    assert Action.ROLL_BACK in (await team.card(v2)).actions
    await team.says("bo", RollBack(deployment=v2))
    await team.passes(5 * MINUTE)
    assert (await team.deployment(v2)).state is State.ROLLED_BACK


@pytest.mark.parametrize(
    ("question", "action", "way_out"),
    [
        ("find shop-2", Action.CANCEL, "it can be cancelled on"),
        ("look shop-2", Action.ROLL_BACK, "can roll back."),
    ],
)
async def test_a_rollout_that_is_refused_waits_until_it_is_not_and_can_be_rolled_back_or_cancelled_all_the_while(
    team: Team, question: str, action: Action, way_out: str
) -> None:
    team.ci.refuses[question] = UNAUTHORIZED
    v2 = await team.rolls_out_v2(12 * MINUTE)
    card = await team.card(v2)
    assert (card.deployment.state, {Action.ROLL_BACK, Action.CANCEL} & set(card.actions)) == (
        State.ROLLING_OUT,
        {action},
    )
    (told,) = await team.said("refused")
    assert "*shop v2 → production* stands still" in told
    assert way_out in await alarm(team, "refused")
    team.ci.refuses.clear()
    await team.passes(2 * MINUTE)
    assert "refuses" not in await team.shown(v2)
    assert await team.said("stuck") == []


async def test_a_rollback_that_is_cancelled_before_any_of_it_began_is_started_again(
    team: Team,
) -> None:
    v2 = await team.rolls_out_v2(5 * MINUTE)
    team.ci.ends["rollback"] = RunState.CANCELLED
    await team.says("bo", RollBack(deployment=v2))
    await team.passes(2 * MINUTE)
    assert "shop-3:rollback:2" in ways_back(team)
    team.ci.ends["rollback"] = RunState.SUCCEEDED
    await team.passes(5 * MINUTE)
    assert (await team.deployment(v2)).state is State.ROLLED_BACK


async def test_a_click_does_not_wait_long_for_a_comparison(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ways, "COMPARISON", timedelta(milliseconds=20))
    v2 = await under_way(team)
    async with team.context.store.transaction() as tx:
        await tx.save_changes(v2, Changes(known=False))
        await tx.save_way_back(v2, Way("b" * 40, "a" * 40, Passage.UNKNOWN))
    team.ci.slow = asyncio.Event()
    assert "It is the lead's decision." in await team.says("bo", RollBack(deployment=v2))
    await team.says("bo", RollBack(deployment=v2, although_unknown=True))
    assert (await team.deployment(v2)).state is State.ROLLING_BACK


async def test_notices_do_not_make_a_refusal_final(team: Team) -> None:
    v2 = await under_way(team)
    team.ci.refuses["look shop-2"] = UNAUTHORIZED
    async with team.context.store.reading() as reader:
        run = (await reader.steps(v2))[0].run
    for _ in range(8):
        await webhooks.wake(team.context.store, team.context.catalog, RunHint(run))
        await team.passes(SECOND / 10)
    team.ci.refuses.clear()
    team.ci.stages = ()
    await team.passes(60 * MINUTE)
    assert (await team.deployment(v2)).landed_at is not None


async def test_whoever_leads_a_deployment_reads_why_something_is_refused_also_without_any_role(
    team: Team,
) -> None:
    v2, eve = await team.rolls_out_v2(), Person("T1", "UEVE")
    refused = NotAllowed("Only the deployment lead can.")
    assert "You hold no role here" in str(await refusals.to_whom(team.context, eve, refused, v2))
    async with team.database.store.transaction() as tx:
        await tx.set_lead(v2, eve)
    assert await refusals.to_whom(team.context, eve, refused, v2) is refused
