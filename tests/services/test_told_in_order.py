"""What is said of a rollout, in its order, and what the log keeps of it: to whom, about which
deployment, with which facts.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.domain.commands import Cancel, Deploy, Lock, RollBack
from bot.domain.deployment import Acceptance, State
from bot.domain.health import Observed
from bot.domain.rollout import RunState, Stage, StepState
from bot.ports.talk import Message
from bot.queries.card import card_of
from bot.services import (
    approvals,
    clearance,
    deployments,
    findings,
    health,
    quarantine_news,
    quarantines,
    queueing,
    readiness,
    rollback_starts,
    rollback_steps,
    rollbacks,
    rollout_ends,
    rollout_starts,
    rollouts,
    standstills,
    starts,
    ticks,
)
from bot.services.context import facts_of
from tests.services.conftest import BAD, MINUTE, PEOPLE
from tests.services.test_stopping import OPEN, goes_bad_with_no_way_back

Team = Any
"""The fixtures ``team`` and ``swift``."""
TELL = (
    approvals, clearance, deployments, findings, health, quarantine_news, quarantines, queueing,
    readiness, rollback_starts, rollback_steps, rollbacks, rollout_ends, rollout_starts,
    rollouts, standstills, starts, ticks,
)  # fmt: skip
"""Whose words and entries these are."""
NAMES = ("step", "percent", "seconds", "where", "finding", "held", "target", "by", "accepted")
BEGIN = [
    "acknowledge_request to T1/UBO",
    "gates to thread",
    "approved to thread: by=T1/UBO",
    "gates to thread",
    "step_started to thread: step=canary-5 percent=5",
]
LOGGED = ["deploy", "pinned", "lead", "acknowledge", "tick", "approve", "go", "started"]


async def told(team: Team, deployment: str) -> list[str]:
    """Write down what was said about a deployment, and see that all of it has the
    facts that every message has.
    """
    messages = [message for message in await team.outbox() if message.deployment == deployment]
    about = {
        key: value
        for key, value in facts_of(await team.deployment(deployment)).items()
        if key != "lead"
    }
    assert all(message.facts.items() >= about.items() for message in messages)
    return [_line(message) for message in messages]


def _line(message: Message) -> str:
    facts = " ".join(
        f"{name}={message.facts[name]}"
        for name in NAMES
        if message.facts.get(name) not in {None, ""}
    )
    return (
        f"{message.template} to {message.to}{' with a chart' if message.chart else ''}: {facts}"
    ).removesuffix(": ")


async def test_a_version_that_is_good_is_told_of_step_by_step(team: Team) -> None:
    v2 = await team.rolls_out_v2(60 * MINUTE)
    assert await told(team, v2) == [
        *BEGIN,
        "step_done to thread: step=canary-5 percent=5 seconds=0.0",
        "snapshot to thread with a chart: step=canary-5 percent=5",
        "step_started to thread: step=canary-100 percent=100",
        "step_done to thread: step=canary-100 percent=100 seconds=0.0",
        "snapshot to thread with a chart: step=canary-100 percent=100",
        "live to thread",
        "verified to thread with a chart",
    ]
    again = ["smoke", "step done", "started", "smoke", "step done"]
    assert await team.audited(v2) == [*LOGGED, *again, "landed", "verified"]


async def test_a_version_that_is_bad_is_told_of_until_the_one_before_is_back(team: Team) -> None:
    v2 = await team.rolls_out_v2(2 * MINUTE)
    team.numbers.new = BAD
    await team.passes(8 * MINUTE)
    assert await told(team, v2) == [
        *BEGIN,
        "step_done to thread: step=canary-5 percent=5 seconds=0.0",
        "degraded to channel with a chart: where=canary-5 finding=1",
        "rolling_back to thread: target=v1 by=/gonogo",
        "rolled_back to thread: seconds=0.0 target=v1 by=/gonogo",
        "retrospective to thread: percent=0 target=v1",
        "lock_said to thread: by=/gonogo",
        "back_and_worse to channel: target=v1",
    ]
    assert await team.audited(v2) == [
        *LOGGED,
        "smoke",
        "degraded",
        "countdown",
        "rollback",
        "quarantined",
        "rolled back",
    ]


async def test_a_run_that_fails_and_a_rollback_that_fails_too_are_told_in_the_channel(
    team: Team,
) -> None:
    team.ci.ends["rollback"] = RunState.FAILED
    v2 = await team.asks_for_v2()
    team.ci.ends["deploy"] = RunState.FAILED
    await team.clears(v2)
    await team.passes(MINUTE)
    await team.says("bo", RollBack(deployment=v2, reason="it failed"))
    await team.passes(MINUTE)
    assert await told(team, v2) == [
        *BEGIN,
        "failed to channel: step=canary-5 percent=5",
        "rolling_back to channel: target=v1 by=T1/UBO",
        "failed to channel: step=rollback percent=100",
        "retrospective to thread: percent=0 target=v1",
    ]
    ends = ["step failed", "rollback", "quarantined", "rollback failed"]
    assert await team.audited(v2) == [*LOGGED, *ends]


async def test_a_smoke_test_that_fails_is_told_before_the_rollback_and_the_quarantine_that_it_brings(
    team: Team,
) -> None:
    v2 = await team.asks_for_v2()
    team.ci.ends["smoke"] = RunState.FAILED
    await team.clears(v2)
    await team.passes(MINUTE)
    said = await told(team, v2)
    at = next(at for at, line in enumerate(said) if line.startswith("smoke_failed"))
    assert said[at : at + 2] == [
        "smoke_failed to channel: step=canary-5 percent=5",
        "rolling_back to thread: target=v1 by=/gonogo",
    ]
    logged = await team.audited(v2)
    assert logged.index("smoke failed") < logged.index("rollback") < logged.index("quarantined")


async def test_a_stop_is_told_before_the_quarantine_that_it_brings(team_with: Any) -> None:
    async with team_with(**OPEN) as team:
        await team.says("ana", Deploy("shop", "staging", "v2"))
        await team.passes(10 * MINUTE)
        await goes_bad_with_no_way_back(team)
        await team.says("bo", Cancel("shop-2"))
        order = [(each.template, each.deployment) for each in await team.outbox()]
        stopped = order.index(("stopped", "shop-2"))
        elsewhere = [
            at
            for at, (template, deployment) in enumerate(order)
            if template in {"quarantined", "quarantine_said"} and deployment == "shop-1"
        ]
        assert elsewhere
        assert stopped < min(elsewhere)
        logged = await team.audited("shop-2")
        assert logged.index("stop") < logged.index("quarantined")


@pytest.mark.parametrize("is_next", [False, True])
async def test_the_card_of_what_waits_shows_what_is_watched_there_and_no_other_card_does(
    swift: Team, *, is_next: bool
) -> None:
    await swift.says("ana", Deploy("shop", "production", "v2"))
    while (await swift.deployment("shop-1")).state is not State.WATCHING:
        await swift.passes(MINUTE / 3)
    await swift.says("ana", Deploy("shop", "production", "v3"))
    await swift.passes()
    card = await card_of(swift.context, "shop-2" if is_next else "shop-1")
    assert card is not None
    assert (card.watched.deployment if card.watched else "") == ("shop-1" if is_next else "")


async def test_a_step_that_the_rules_keep_has_not_begun_and_whoever_frees_it_is_told_whose_it_is(
    team: Team,
) -> None:
    v2 = await team.rolls_out_v2(2 * MINUTE)
    await team.says("bo", Lock("shop", "production", "a sale"))
    await team.passes(15 * MINUTE)
    card = await team.card(v2)
    assert [step.state for step in card.steps] == [StepState.HOLDING, StepState.PENDING]
    assert card.stands_still
    deployment = await team.deployment(v2)
    (freed,) = standstills.facts_of_freed([deployment], {v2: standstills.Freed(100)})
    assert freed == {
        "title": "shop v2 → production",
        "percent": 100,
        "gate": "",
        "is_let": False,
        "lead": str(PEOPLE["bo"]),
    }
    assert standstills.facts_of_freed([deployment], {}) == []


async def test_what_too_few_saw_to_judge_is_accepted_and_says_so(swift: Team) -> None:
    swift.numbers.new = Observed(0, 3, requests=3)
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(4 * MINUTE)
    it = await swift.deployment("shop-1")
    assert (it.state, it.accepted) == (State.ACCEPTED, Acceptance.LITTLE)
    message = (await swift.outbox())[-1]
    assert (
        message.deployment,
        message.facts["accepted"],
        message.facts["snapshot"]["verdict"],
    ) == (
        "shop-1",
        Acceptance.LITTLE,
        "not enough traffic",
    )
    assert (await swift.audited("shop-1"))[-1] == "accepted"


async def test_an_intent_to_start_is_stored_before_anything_is_started(team: Team) -> None:
    team.ci.stages = (Stage("release", RunState.RUNNING),)
    v2 = await team.rolls_out_v2()
    async with team.database.store.transaction() as tx:
        first, _ = await tx.steps(v2)
        await tx.save_steps(
            v2, [replace(first, state=StepState.PENDING, run="", started_at=None, stages=())]
        )
    intended = await starts.intend(team.context, v2, 0, StepState.RUNNING)
    (stored, _) = (await team.card(v2)).steps
    assert stored == intended
    assert (stored.state, stored.run, stored.started_at) == (
        StepState.RUNNING,
        "",
        team.context.now(),
    )
