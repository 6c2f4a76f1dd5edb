"""What a rollback does step by step: what it stops and waits for, what it leaves
behind, and what it says.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.domain.commands import Deploy, Quarantine, RollBack
from bot.domain.deployment import Kind, State
from bot.domain.errors import IntegrationError
from bot.domain.live import Live
from bot.domain.outcomes import Closed
from bot.domain.places import Doubt, Stray, Unclear
from bot.domain.rollout import RunState, Stage, Step, StepState
from bot.ports.engine import Later
from bot.services import standing_down
from bot.services.rollback_steps import clear, close
from bot.services.standing_down import stand_down
from tests.services.conftest import BAD, COMMITS, MINUTE, PEOPLE

Team = Any
"""The fixture ``team``."""
SECOND = timedelta(seconds=1)
NO_ANSWER = IntegrationError("no answer", vendor="the CI")


async def goes_back(team: Team, *, ends: bool = True) -> None:
    """Have v2 roll out as shop-2 and the rollback shop-3 asked for; v2's run goes on for
    ever unless it ``ends``.
    """
    team.ci.stages, team.ci.deaf = (Stage("release", RunState.RUNNING),), not ends
    v2 = await team.rolls_out_v2()
    await team.says("bo", RollBack(deployment=v2, reason="carts are lost"))


@pytest.mark.parametrize(
    ("after", "pause"),
    [(0, 0.5), (1, 0.5), (4, 2), (8, 4), (12, 3.5), (14, 1.5), (15, None), (60, None)],
)
async def test_a_run_that_does_not_end_is_waited_for_ever_longer_and_a_quarter_of_a_minute_in_all(
    team: Team, after: float, pause: float | None
) -> None:
    await goes_back(team, ends=False)
    team.engine.clock.advance(after * SECOND)
    found = await stand_down(team.context, "shop-3")
    assert found == (True if pause is None else Later(pause * SECOND))
    assert len(await team.said("not_stopped")) == (pause is None)


async def test_what_has_ended_is_waited_for_no_longer(team: Team) -> None:
    await goes_back(team)
    assert await stand_down(team.context, "shop-3") is True
    (step, *_) = (await team.card("shop-2")).steps
    assert (step.state, step.sentence, step.finished_at) == (
        StepState.SKIPPED,
        "stopped",
        team.context.now(),
    )
    assert await team.said("not_stopped") == []


async def test_a_run_that_was_given_up_before_is_stopped_too_and_said_to_be_there(
    team: Team,
) -> None:
    await goes_back(team)
    stray = Stray(
        "shop",
        "production",
        "run 7",
        "shop-1",
        "canary-5",
        team.context.now(),
        "https://ci.example.com/7",
    )
    async with team.database.store.transaction() as tx:
        await tx.give_up(stray)
    assert isinstance(await stand_down(team.context, "shop-3"), Later)
    team.engine.clock.advance(15 * SECOND)
    assert await stand_down(team.context, "shop-3") is True
    (message,) = [message for message in await team.outbox() if message.template == "not_stopped"]
    assert (message.deployment, message.to) == ("shop-2", "channel")
    told = {key: message.facts[key] for key in ("id", "step", "why", "url", "target")}
    assert told == {
        "id": "shop-1", "step": "canary-5", "why": 'There is no run "run 7".',
        "url": "https://ci.example.com/7", "target": "v1",
    }  # fmt: skip
    assert "not stopped" in await team.audited("shop-1")


async def test_a_run_that_failed_is_stopped_once_more_and_one_that_is_done_is_left_alone(
    team: Team,
) -> None:
    await goes_back(team)
    async with team.database.store.transaction() as tx:
        first, second = await tx.steps("shop-2")
        await tx.save_steps(
            "shop-2",
            [
                replace(first, state=StepState.DONE),
                replace(second, state=StepState.FAILED, run="run 8"),
            ],
        )
    assert await stand_down(team.context, "shop-3") is True
    assert team.ci.cancelled == ["run 8"]


@pytest.mark.parametrize(
    ("kind", "began", "stays"),
    [
        (Unclear.FAILED, None, False),
        (Unclear.FAILED, -1, False),
        (Unclear.STRAY, None, True),
        (Unclear.STRAY, -1, True),
        (Unclear.STRAY, 0, False),
        (Unclear.RESTORED, 1, False),
    ],
)
async def test_a_doubt_ends_with_what_began_after_it(
    team: Team, kind: Unclear, began: int | None, *, stays: bool
) -> None:
    now = team.context.now()
    steps = [
        Step(0, "canary-5", 5, MINUTE, started_at=now - MINUTE if began is not None else None),
        Step(1, "canary-100", 100, MINUTE),
    ]
    steps += (
        [Step(2, "more", 100, MINUTE, started_at=now + began * SECOND)] if began is not None else []
    )
    deployment = await team.deployment(await team.asks_for_v2())
    async with team.database.store.transaction() as tx:
        await tx.cast_doubt("shop", "production", Doubt(kind, "nobody knows", now))
        await clear(tx, deployment, steps)
        assert (await tx.doubt("shop", "production") is not None) is stays
        await clear(tx, deployment, steps)  # where there is no doubt, nothing ends


async def test_that_the_database_was_put_back_is_ended_by_no_rollback(team: Team) -> None:
    now = team.context.now()
    back = replace(await team.deployment(await team.asks_for_v2()), kind=Kind.ROLLBACK)
    async with team.database.store.transaction() as tx:
        await tx.cast_doubt("shop", "production", Doubt(Unclear.RESTORED, "nobody knows", now))
        await clear(tx, back, [Step(0, "rollback", 100, MINUTE, started_at=now + SECOND)])
        assert await tx.doubt("shop", "production") is not None


async def test_what_is_back_is_as_proved_as_it_was_and_counts_as_brought_by_the_rollback(
    team: Team,
) -> None:
    async with team.database.store.reading() as reader:
        before = await reader.live("shop", "production")
    await goes_back(team)
    team.ci.stages = ()
    await team.passes(MINUTE)
    back = await team.deployment("shop-3")
    async with team.database.store.reading() as reader:
        live, steps = await reader.live("shop", "production"), await reader.steps("shop-3")
    assert back.state is State.VERIFIED
    assert (live.commit, live.version, live.deployment, live.by) == (
        COMMITS["v1"],
        "v1",
        "shop-3",
        PEOPLE["bo"],
    )
    assert (live.verified_at, live.accepted, live.since) == (
        before.verified_at,
        "",
        back.state_since,
    )
    assert [(step.state, step.finished_at) for step in steps] == [(StepState.DONE, live.since)]
    assert await close(team.context, "shop-3") is Closed.OVER


async def test_the_retrospective_is_due_in_three_days_by_whoever_asked_and_names_everybody(
    team: Team,
) -> None:
    await goes_back(team)
    team.ci.stages = ()
    await team.passes(MINUTE)
    (message,) = [message for message in await team.outbox() if message.template == "retrospective"]
    finished = (await team.deployment("shop-2")).state_since
    assert message.facts["due"] == (finished + timedelta(days=3)).isoformat()
    assert message.facts["owner"] == str(PEOPLE["ana"])
    assert {str(PEOPLE[name]) for name in ("ana", "bo", "cy")} <= set(message.facts["people"])
    (told,) = [message for message in await team.outbox() if message.template == "rolled_back"]
    assert (told.facts["by"], told.facts["target"], told.facts["reason"]) == (
        str(PEOPLE["bo"]),
        "v1",
        "carts are lost",
    )
    assert (
        told.facts["seconds"]
        == (finished - (await team.deployment("shop-3")).requested_at).total_seconds()
    )
    assert (told.facts["authors"], told.facts["quarantined"], told.facts["locked"]) == (
        ["cy"],
        False,
        True,
    )


@pytest.mark.parametrize(("bad", "kept_out"), [(True, True), (False, False)])
async def test_the_same_commit_elsewhere_is_told_only_where_it_was_shown_to_be_bad(
    team: Team, *, bad: bool, kept_out: bool
) -> None:
    v2 = await team.rolls_out_v2(2 * MINUTE)
    team.numbers.new = BAD if bad else team.numbers.new
    await team.passes(MINUTE)
    async with team.database.store.transaction() as tx:
        await tx.set_live(
            Live(
                "shop",
                "staging",
                COMMITS["v1"],
                "v1",
                team.context.now(),
                "",
                PEOPLE["ana"],
                team.context.now(),
            )
        )
    await team.says("ana", Deploy("shop", "staging", "v2"))
    await team.says("ana", Deploy("shop", "staging", "v3"))
    await team.says("bo", RollBack(deployment=v2))
    await team.passes(MINUTE)
    async with team.database.store.reading() as reader:
        assert bool(await reader.quarantine("shop", COMMITS["v2"])) is kept_out
    told = [
        message.deployment for message in await team.outbox() if message.template == "quarantined"
    ]
    assert told == (["shop-3"] if kept_out else [])
    assert ("quarantined" in await team.audited("shop-3")) is kept_out


async def test_a_failed_step_is_shown_to_be_bad_and_a_quarantine_that_is_there_stays_as_it_is(
    team: Team,
) -> None:
    team.ci.ends["deploy"] = RunState.SUCCEEDED
    v2 = await team.rolls_out_v2()
    await team.says("bo", Quarantine("shop", "v2", "it leaks"))
    async with team.database.store.transaction() as tx:
        await tx.save_steps(v2, [replace((await tx.steps(v2))[0], state=StepState.FAILED)])
    await team.says("bo", RollBack(deployment=v2, reason="it leaks"))
    await team.passes(MINUTE)
    async with team.database.store.reading() as reader:
        assert await reader.quarantine("shop", COMMITS["v2"])


async def test_a_rollback_that_failed_says_at_which_step_and_leaves_what_it_undid_failed(
    team: Team,
) -> None:
    team.ci.ends["rollback"] = RunState.FAILED
    v2 = await team.rolls_out_v2()
    await team.says("bo", RollBack(deployment=v2))
    await team.passes(MINUTE)
    undone = await team.deployment(v2)
    assert (undone.state, undone.note) == (
        State.FAILED,
        "the rollback to v1 failed: its run failed",
    )
    (message,) = [message for message in await team.outbox() if message.template == "failed"]
    told = {key: message.facts[key] for key in ("id", "step", "percent", "why", "url", "held")}
    assert told == {
        "id": v2,
        "step": "rollback",
        "percent": 100,
        "why": "its run failed",
        "url": "",
        "held": "",
    }
    assert (message.to, message.deployment) == ("channel", v2)
    assert "rollback failed" in await team.audited(v2)
    async with team.database.store.reading() as reader:
        assert await reader.holder("shop", "production") == ""


async def test_why_a_run_may_still_be_running_is_said_in_the_providers_words_up_to_a_length(
    team: Team,
) -> None:
    await goes_back(team)
    back = await team.deployment("shop-3")

    async def refuses(error: str) -> bool:
        raise IntegrationError(error, vendor="the CI")

    async def answers(*, ended: bool) -> bool:
        return ended

    assert await standing_down.why_it_may_run(team.context, back, refuses("x" * 301)) == "x" * 300
    assert await standing_down.why_it_may_run(team.context, back, answers(ended=True)) == ""
    assert (
        await standing_down.why_it_may_run(team.context, back, answers(ended=False))
        == "it has not ended"
    )
