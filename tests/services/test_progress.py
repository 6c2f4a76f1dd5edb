"""What the card says about the CI run that a step waits for: its stages, its silence, what is odd
about it, and its own gates.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.app import intervals_of
from bot.domain.actions import Action
from bot.domain.commands import OpenGate, RollBack
from bot.domain.deployment import State
from bot.domain.rollout import RunState, Stage, Step, StepState
from bot.ports.ci import CIRun, GateAnswer
from bot.ports.engine import Later
from bot.services import rollouts
from bot.services.context import Context, PollIntervals
from bot.services.rollouts import look, odd
from bot.services.standing_down import stand_down
from bot.settings import Settings

Team = Any
"""The fixture ``team``."""
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)
BUILD = Stage("build", RunState.SUCCEEDED, NOW, NOW + 12 * SECOND)
RELEASE = Stage("release", RunState.RUNNING, NOW + 12 * SECOND)
HELD = replace(RELEASE, state=RunState.WAITING, passable=True)
LOCKED = replace(HELD, passable=False)
STEP = Step(0, "canary-5", 5, MINUTE, StepState.RUNNING, "run-1", started_at=NOW)


async def test_the_card_follows_the_stages_and_the_thread_says_how_long_they_took(
    team: Team,
) -> None:
    team.ci.stages = (BUILD, RELEASE)
    v2 = await team.rolls_out_v2()
    assert "✓ build 12 s   ▶ release" in await team.shown(v2)
    team.ci.stages = ()
    await team.passes(MINUTE)
    assert "build" not in await team.shown(v2)
    done = [said for said in await team.said("step_done") if "5 % is deployed" in said]
    assert "build 12 s · release running" in done[0]


async def test_a_stage_that_runs_shows_how_long_it_usually_takes_once_three_were_seen(
    team: Team,
) -> None:
    team.ci.stages = (BUILD, RELEASE)
    v2 = await team.rolls_out_v2()
    assert "▶ release usually" not in await team.shown(v2)
    async with team.context.store.transaction() as tx:
        for index, seconds in enumerate((100, 40, 50), start=90):
            stage = Stage("release", RunState.SUCCEEDED, NOW, NOW + seconds * SECOND)
            await tx.save_steps(
                v2,
                [
                    replace(
                        STEP, index=index, state=StepState.DONE, deployed_at=NOW, stages=(stage,)
                    )
                ],
            )
    assert "✓ build 12 s   ▶ release usually within 1 min 30 s" in await team.shown(v2)


async def test_the_smoke_run_does_not_forget_the_stages_of_the_run_that_deployed(
    team: Team,
) -> None:
    team.ci.stages = (BUILD,)
    v2 = await team.rolls_out_v2()
    team.ci.stages = ()
    await team.passes(10 * MINUTE)
    async with team.context.store.reading() as reader:
        step, *_ = await reader.steps(v2)
        assert (step.state, step.deploying_stages) == (StepState.HOLDING, (BUILD,))
        took = await reader.stage_seconds("shop", "production", step.key)
    assert took["build"] == (12.0,)


async def test_the_silence_of_the_ci_provider_is_on_the_card_until_it_answers(team: Team) -> None:
    team.ci.stages = (BUILD, RELEASE)
    v2 = await team.rolls_out_v2()
    team.ci.away = True
    await team.passes(2 * MINUTE)
    assert "The CI provider has not answered since" in await team.shown(v2)
    assert (await team.card(v2)).deployment.state is State.ROLLING_OUT
    team.ci.away = False
    await team.passes(10 * MINUTE)
    assert "has not answered" not in await team.shown(v2)


async def test_a_rollback_that_the_ci_provider_does_not_answer_says_so_too(team: Team) -> None:
    team.ci.stages = (BUILD, RELEASE)
    v2 = await team.rolls_out_v2()
    await team.says("bo", RollBack(deployment=v2))
    await team.passes()
    assert "▶ release" in await team.shown(v2)
    team.ci.away = True
    await team.passes(MINUTE)
    shown = await team.shown(v2)
    assert "ROLLING BACK to v1" in shown
    assert "The CI provider has not answered since" in shown


async def test_a_gate_of_the_pipeline_is_opened_by_those_who_may_and_once(team: Team) -> None:
    team.ci.stages = (BUILD, HELD)
    v2 = await team.rolls_out_v2()
    assert Action.OPEN_GATE in (await team.card(v2)).actions
    assert "◇ release waits" in await team.shown(v2)
    assert "can let the pipeline of shop-2 go on." in await team.says("di", OpenGate(v2))
    assert "goes on with release, on your word" in await team.says("bo", OpenGate(v2), key="click")
    await team.says("bo", OpenGate(v2), key="click")
    team.ci.stages = ()
    assert await team.said("gate_opened") == ["<@UBO> let the pipeline go on with release at 5 %."]
    await team.passes(MINUTE)
    assert Action.OPEN_GATE not in (await team.card(v2)).actions
    assert "does not wait at this gate" in await team.says("bo", OpenGate(v2))
    assert (await team.audited(v2)).count("open_gate") == 3  # opened once, refused twice


async def test_a_gate_that_stays_shut_is_not_said_to_be_open(team: Team) -> None:
    team.ci.stages, team.ci.may_open = (BUILD, HELD), False
    v2 = await team.rolls_out_v2()
    assert "goes on with release, on your word" in await team.says("bo", OpenGate(v2))
    await team.passes(MINUTE)
    assert "Only maintainers may play this job" in "\n".join(await team.said("refused"))
    assert Action.OPEN_GATE in (await team.card(v2)).actions


@pytest.mark.case("trust-9")
@pytest.mark.parametrize(
    ("found", "said", "again"),
    [
        (
            GateAnswer.WAS_OPEN,
            "was open already when <@UBO> let the pipeline go on",
            "has been opened already",
        ),
        (
            GateAnswer.NOT_THERE,
            "Nothing was opened on the word of <@UBO>",
            "waits at no gate of production",
        ),
    ],
)
async def test_a_gate_that_was_not_opened_here_is_said_in_the_thread_once(
    team: Team, found: GateAnswer, said: str, again: str
) -> None:
    team.ci.stages, team.ci.gate_is = (BUILD, HELD), found
    v2 = await team.rolls_out_v2()
    await team.says("bo", OpenGate(v2))
    await team.passes(MINUTE)
    await team.passes(MINUTE)
    (spoken,) = await team.said("gate_not_opened")
    assert said in spoken
    assert len(team.ci.asked_to_open) == 1
    assert again in await team.says("cy", OpenGate(v2))


@pytest.mark.case("trust-9")
async def test_a_pipeline_that_somebody_let_go_on_elsewhere_is_said_to_have_been_open(
    team: Team,
) -> None:
    team.ci.stages = (BUILD, HELD)
    v2 = await team.rolls_out_v2()
    await team.says("bo", OpenGate(v2))
    team.ci.stages = (BUILD, RELEASE)
    await team.passes(MINUTE)
    assert "The gate before release was open already" in "\n".join(
        await team.said("gate_not_opened")
    )
    assert team.ci.asked_to_open == []


async def test_a_gate_that_was_opened_here_by_an_answer_that_was_lost_is_not_said_to_have_been_open(
    team: Team,
) -> None:
    team.ci.stages = (BUILD, HELD)
    v2 = await team.rolls_out_v2()
    team.ci.answer_to_open_is_lost = True
    await team.says("bo", OpenGate(v2))
    await team.passes()
    team.ci.stages = (BUILD, RELEASE)
    await team.passes(MINUTE)
    assert await team.said("gate_not_opened") == []


async def test_a_click_on_one_gate_never_opens_the_next(team: Team) -> None:
    team.ci.stages = (BUILD, HELD)
    v2 = await team.rolls_out_v2()
    before = (await team.card(v2)).under_way.gate
    team.ci.stages = (BUILD, replace(HELD, name="drop the old table"))
    assert "goes on with release" in await team.says("bo", OpenGate(v2, before))
    await team.passes()
    assert team.ci.opened == [], (
        "the pipeline waits elsewhere by now, and the card has not seen it yet"
    )
    await team.passes(MINUTE)
    assert "does not wait at this gate of its pipeline any more" in await team.says(
        "bo", OpenGate(v2, before)
    )
    assert "goes on with drop the old table" in await team.says(
        "bo", OpenGate(v2, (await team.card(v2)).under_way.gate)
    )
    await team.passes(MINUTE)
    assert len(team.ci.opened) == 1


UNREAD = "the report r.xml was not read: it is no plain file"


@pytest.mark.case("trust-11")
async def test_a_smoke_test_that_has_proved_nothing_has_failed(team: Team) -> None:
    v2 = await team.asks_for_v2()
    team.ci.unread["smoke"] = UNREAD
    await team.clears(v2)
    await team.passes(MINUTE)
    assert f"the smoke test failed at 5 %: {UNREAD}" in (await team.deployment("shop-3")).reason
    assert UNREAD in "\n".join(await team.said("smoke_failed"))


@pytest.mark.case("trust-11")
async def test_a_deployment_whose_report_cannot_be_read_goes_on_and_says_so(team: Team) -> None:
    v2 = await team.asks_for_v2()
    team.ci.unread["deploy"] = UNREAD
    await team.clears(v2)
    await team.passes(MINUTE)
    assert f"Evidence is missing: {UNREAD}" in (await team.said("step_done"))[-1]
    assert (await team.deployment(v2)).state is State.ROLLING_OUT


async def test_what_was_seen_before_the_click_does_not_undo_the_click(team: Team) -> None:
    team.ci.stages = (BUILD, RELEASE)
    v2 = await team.rolls_out_v2()

    async def the_lead_goes_back() -> None:
        await team.says("bo", RollBack(deployment=v2))
        async with team.database.store.reading() as reader:
            back = next(
                each
                for each in await reader.history("shop", "production", limit=5)
                if each.undoes == v2
            )
        assert await stand_down(team.context, back.id) is True

    team.ci.stages = (BUILD, replace(RELEASE, name="verify"))
    team.ci.meanwhile = the_lead_goes_back
    await look(team.context, v2, 0)
    async with team.database.store.reading() as reader:
        assert (await reader.steps(v2))[0].state is StepState.SKIPPED


async def looks(team: Team, context: Context, deployment: str, *after: float) -> list[float]:
    """Look at the first step each so many seconds later; give the pauses that are taken
    then, 0 for the usual one.
    """
    pauses = []
    for seconds in after:
        team.engine.clock.advance(seconds * SECOND)
        found = await rollouts.look(context, deployment, 0)
        pauses.append(found.pause.total_seconds() if isinstance(found, Later) else 0.0)
    return pauses


async def test_a_run_that_does_not_get_on_is_looked_at_less_and_less_until_it_moves(
    team: Team,
) -> None:
    team.ci.stages = (BUILD, RELEASE)
    v2 = await team.rolls_out_v2(timedelta(0))
    context = replace(team.context, intervals=PollIntervals())
    assert await looks(team, context, v2, 0, 5, 5, 10, 20, 30, 30) == [5, 5, 10, 20, 30, 30, 30]
    team.ci.stages = (BUILD, replace(RELEASE, sentence="2 of 3 pods"))
    assert await looks(team, context, v2, 7, 5, 5) == [5, 5, 10]


async def test_a_rollback_is_looked_at_often_throughout(team: Team) -> None:
    team.ci.stages = (BUILD, RELEASE)
    v2 = await team.rolls_out_v2()
    await team.says("bo", RollBack(deployment=v2))
    await team.passes()
    assert await looks(team, team.context, "shop-3", 5, 60, 600) == [0, 0, 0]


@pytest.mark.parametrize(
    ("quiet", "pause"), [(0, 5), (4, 5), (6, 6), (20, 20), (31, 30), (9999, 30)]
)
def test_the_pauses_double_between_two_bounds(quiet: float, pause: float) -> None:
    assert PollIntervals().after(quiet * SECOND) == pause * SECOND


@pytest.mark.parametrize(("every", "slowest"), [(0.2, 1.2), (5, 30), (10, 30), (60, 60)])
def test_the_bounds_follow_the_setting(every: float, slowest: float) -> None:
    intervals = intervals_of(Settings.read({"GONOGO_POLL_SECONDS": str(every)}))
    assert (intervals.run, intervals.after(timedelta(hours=1))) == (
        every * SECOND,
        slowest * SECOND,
    )


NOT_BEGUN = "the run has not begun within 30 s; see whether the CI provider has a free runner"
ELSEWHERE = "it waits before release at a gate of the CI provider's own; open it there"


@pytest.mark.parametrize(
    ("run", "after", "said"),
    [
        (CIRun("1", RunState.QUEUED), 30, ""),
        (CIRun("1", RunState.QUEUED), 31, NOT_BEGUN),
        (CIRun("1", RunState.RUNNING), 9999, ""),  # that it hangs is said elsewhere
        (CIRun("1", RunState.RUNNING, sentence="replaced by run 2"), 5, "replaced by run 2"),
        (CIRun("1", RunState.WAITING, stages=(BUILD, LOCKED)), 5, ELSEWHERE),
        (
            CIRun("1", RunState.WAITING),
            5,
            ("it waits at a gate of the CI provider's own; open it there"),
        ),
    ],
)
def test_what_is_odd_is_said_with_the_next_step(run: CIRun, after: float, said: str) -> None:
    assert odd(run, STEP, NOW + timedelta(seconds=after)) == said


def test_a_gate_that_can_be_opened_from_here_is_a_button_and_no_sentence() -> None:
    step = replace(STEP, stages=(BUILD, HELD))
    assert step.passable_stage == "release"
    assert odd(CIRun("1", RunState.WAITING, stages=step.stages), step, NOW) == ""
