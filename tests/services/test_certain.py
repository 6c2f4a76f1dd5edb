"""What is certain of a start or a run, and what is not: only the first counts as harmless."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.domain.commands import Deploy, RollBack
from bot.domain.deployment import State
from bot.domain.errors import IntegrationError
from bot.domain.rollout import RunState, Stage, StepState
from bot.ports.ci import CIRun, StartRequest
from bot.services import starts

Team = Any
"""The fixture ``swift``."""
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
REFUSES = IntegrationError("403 not allowed", vendor="the CI", status=403, retry=False)
RUN, BACK = "shop-1:rolling-100", "shop-2:rollback"
BEGAN = datetime(2026, 11, 21, 2, 1, tzinfo=UTC)


async def doubt_in(swift: Team) -> str:
    async with swift.database.store.reading() as reader:
        doubt = await reader.doubt("shop", "production")
        strays = await reader.strays("shop", "production")
    return strays[0].in_words if strays else doubt.why if doubt else ""


async def asked_for_v2(swift: Team) -> None:
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(SECOND)


async def test_a_refusal_takes_back_only_its_own_asking_and_not_an_earlier_one_that_nobody_has_answered(
    swift: Team,
) -> None:
    swift.ci.unanswered.add(RUN)
    swift.ci.hidden.add(RUN)
    await asked_for_v2(swift)
    swift.ci.refuses["start shop-1"] = REFUSES
    await swift.passes(20 * SECOND)
    await swift.says("bo", RollBack(deployment="shop-1"))
    await swift.passes(30 * SECOND)
    assert "whether a run of shop-1 was started" in await doubt_in(swift)
    swift.ci.hidden.clear()
    swift.ci.ends["deploy"] = RunState.RUNNING
    await swift.passes(5 * MINUTE)
    assert RUN in swift.ci.cancelled
    assert (await swift.deployment("shop-1")).state is State.ROLLED_BACK


async def test_a_start_that_was_refused_and_nothing_else_is_not_looked_for(swift: Team) -> None:
    swift.ci.refuses["start shop-1"] = REFUSES
    await asked_for_v2(swift)
    await swift.passes(20 * SECOND)
    async with swift.database.store.reading() as reader:
        (step,) = await reader.steps("shop-1")
    assert step.asked_at is None


async def unstoppable(swift: Team) -> None:
    swift.ci.ends["deploy"] = RunState.RUNNING
    await asked_for_v2(swift)
    await swift.passes(MINUTE)
    swift.ci.deaf = True


async def test_a_run_that_ends_while_the_start_of_what_replaces_it_is_not_answered_may_have_come_after_it(
    swift: Team,
) -> None:
    await unstoppable(swift)
    swift.ci.unanswered.add(BACK)
    swift.ci.hidden.add(BACK)
    start = swift.ci.start

    async def once(request: StartRequest) -> CIRun:
        if BACK in swift.ci.runs:
            raise IntegrationError("no answer", vendor="the CI")
        answer: CIRun = await start(request)
        return answer

    swift.ci.start = once
    await swift.says("bo", RollBack(deployment="shop-1"))
    await swift.passes(40 * SECOND)
    swift.ci.ends["deploy"] = RunState.SUCCEEDED
    await swift.passes(40 * SECOND)
    assert "has ended only now: succeeded" in await doubt_in(swift)


async def cancelled_after_the_rollback(swift: Team, seen: CIRun) -> None:
    """Have a run that cannot be stopped be cancelled once the rollback has ended; the provider
    then shows it like ``seen``.
    """
    await unstoppable(swift)
    look = swift.ci.look

    async def shown(run: str) -> CIRun:
        found: CIRun = await look(run)
        return (
            replace(found, stages=seen.stages, started_at=seen.started_at) if run == RUN else found
        )

    swift.ci.look = shown
    await swift.says("bo", RollBack(deployment="shop-1"))
    await swift.passes(40 * SECOND)
    assert (await swift.deployment("shop-1")).state is State.ROLLED_BACK
    swift.ci.deaf = False
    await swift.passes(5 * MINUTE)


@pytest.mark.parametrize(
    ("stages", "began"),
    [
        ((), BEGAN),
        ((Stage("deploy", RunState.CANCELLED, BEGAN),), None),
        ((Stage("deploy", RunState.SUCCEEDED),), BEGAN),
    ],
)
async def test_a_run_that_was_cancelled_in_its_middle_after_it_was_replaced_leaves_its_place_unclear(
    swift: Team, stages: tuple[Stage, ...], began: datetime | None
) -> None:
    await cancelled_after_the_rollback(
        swift, CIRun(RUN, RunState.CANCELLED, stages=stages, started_at=began)
    )
    assert "has ended only now: cancelled" in await doubt_in(swift)


@pytest.mark.parametrize(
    ("stages", "began"), [((), None), ((Stage("deploy", RunState.CANCELLED),), BEGAN)]
)
async def test_a_run_of_which_it_is_certain_that_nothing_began_does_no_harm(
    swift: Team, stages: tuple[Stage, ...], began: datetime | None
) -> None:
    await cancelled_after_the_rollback(
        swift, CIRun(RUN, RunState.CANCELLED, stages=stages, started_at=began)
    )
    assert await doubt_in(swift) == ""


@pytest.mark.parametrize(("began", "starts"), [(None, 2), (BEGAN, 1)])
async def test_a_rollback_that_was_cancelled_in_its_middle_is_not_started_again_by_itself(
    swift: Team, began: datetime | None, starts: int
) -> None:
    await asked_for_v2(swift)
    await swift.passes(10 * MINUTE)
    look = swift.ci.look

    async def shown(run: str) -> CIRun:
        found: CIRun = await look(run)
        return replace(found, state=RunState.CANCELLED, started_at=began) if run == BACK else found

    swift.ci.look = shown
    await swift.says("bo", RollBack(deployment="shop-1"))
    await swift.passes(MINUTE)
    assert len({BACK, f"{BACK}:2"} & set(swift.ci.runs)) == starts


@pytest.mark.parametrize("meanwhile", ["found", "asked again"])
async def test_a_refusal_takes_back_nothing_that_was_stored_while_it_was_waited_for(
    swift: Team, meanwhile: str
) -> None:
    async def stored() -> None:
        async with swift.database.store.transaction() as tx:
            (step,) = await tx.steps("shop-1")
            assert step.asked_at is not None
            seen = (
                replace(step, run="seen")
                if meanwhile == "found"
                else replace(step, asked_at=step.asked_at + SECOND)
            )
            await tx.save_steps("shop-1", [seen])

    swift.ci.refuses["start shop-1"] = REFUSES
    swift.ci.during["start shop-1"] = stored
    await asked_for_v2(swift)
    async with swift.database.store.reading() as reader:
        (step,) = await reader.steps("shop-1")
        deployment = await reader.deployment("shop-1")
    assert step.asked_at is not None
    assert deployment is not None
    assert deployment.started_at is not None, "something of it may be there"


@pytest.mark.parametrize(("ago", "is_looked_for"), [(MINUTE, True), (3 * MINUTE, False)])
async def test_a_start_that_may_still_be_on_its_way_when_it_is_stopped_is_looked_for_and_an_older_one_is_not(
    swift: Team, ago: timedelta, *, is_looked_for: bool
) -> None:
    swift.ci.refuses["start shop-1"] = IntegrationError("no answer", vendor="the CI")
    await asked_for_v2(swift)
    async with swift.database.store.transaction() as tx:
        (step,) = await tx.steps("shop-1")
        step = replace(step, asked_at=swift.context.now() - ago)
        await tx.save_steps("shop-1", [step])
    await starts.stop(swift.context, await swift.deployment("shop-1"), step)
    async with swift.database.store.reading() as reader:
        (stored,) = await reader.steps("shop-1")
    assert stored.state is StepState.SKIPPED
    assert ("whether a run of shop-1 was started" in await doubt_in(swift)) is is_looked_for
