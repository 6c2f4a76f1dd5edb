"""One flaky test does not make a commit undeployable: its tests can be asked for again."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from bot.domain.actions import Action
from bot.domain.commands import Retest
from bot.domain.errors import IntegrationError
from bot.domain.quality import QualityState

Team = Any
"""The fixture ``team``."""


@pytest.mark.case("ci-and-refs-7")
async def test_red_tests_are_run_again_by_whoever_may_deploy_and_the_newest_run_decides(
    team: Team,
) -> None:
    team.ci.quality_state = QualityState.RED
    v2 = await team.asks_for_v2()
    await team.passes(timedelta(minutes=2))
    assert Action.RETEST in (await team.card(v2)).actions
    assert "You cannot have the tests of shop-2 run again." in await team.says("di", Retest(v2))
    assert " run again. The newest run decides." in await team.says("ana", Retest(v2))
    assert len(team.ci.tested_again) == 1
    assert "retest" in await team.audited(v2)
    team.ci.quality_state = QualityState.GREEN
    await team.passes(timedelta(minutes=2))
    assert Action.RETEST not in (await team.card(v2)).actions


@pytest.mark.parametrize("has_run", [False, True])
async def test_tests_that_never_ran_are_not_run_again_and_those_that_were_stopped_are(
    team: Team, has_run: bool
) -> None:
    team.ci.quality_state, team.ci.has_run = QualityState.NONE, has_run
    v2 = await team.asks_for_v2()
    await team.passes(timedelta(minutes=2))
    assert (Action.RETEST in (await team.card(v2)).actions) is has_run


async def test_tests_that_left_nothing_to_read_are_unknown_and_can_be_run_again(team: Team) -> None:
    team.ci.quality_state = QualityState.UNKNOWN
    v2 = await team.asks_for_v2()
    await team.passes(timedelta(minutes=2))
    assert re.search(r"\? [^ ]*tests green>: 212 tests", await team.shown(v2))
    assert Action.RETEST in (await team.card(v2)).actions


async def test_tests_that_a_deployment_has_started_are_said_to_run_and_since_when(
    team: Team,
) -> None:
    team.ci.startable, team.ci.quality_state, team.ci.once_started = (
        True,
        QualityState.NONE,
        QualityState.RUNNING,
    )
    v2 = await team.asks_for_v2()
    shown = await team.shown(v2)
    assert "212 tests of bbbbbbb · it began " in shown
    assert Action.RETEST not in (await team.card(v2)).actions


@pytest.mark.case("ci-and-refs-7")
async def test_tests_that_run_or_are_green_offer_no_rerun(team: Team) -> None:
    team.ci.quality_state = QualityState.RUNNING
    v2 = await team.asks_for_v2()
    await team.passes(timedelta(minutes=2))
    assert Action.RETEST not in (await team.card(v2)).actions


async def loses_the_answer() -> None:
    raise IntegrationError("the answer was lost", vendor="the CI")


@pytest.mark.case("reliability-5")
@pytest.mark.parametrize(
    ("found", "runs"), [(QualityState.RUNNING, 1), (QualityState.GREEN, 1), (QualityState.RED, 2)]
)
async def test_tests_that_were_asked_for_without_an_answer_are_looked_for_before_they_run_again(
    team: Team, found: QualityState, runs: int
) -> None:
    team.ci.quality_state = QualityState.RED
    v2 = await team.asks_for_v2()
    await team.passes(timedelta(minutes=2))
    team.ci.during["test again"] = loses_the_answer
    with pytest.raises(IntegrationError):
        await team.says("ana", Retest(v2), key="pressed")
    team.ci.quality_state = found
    assert "The tests of *shop v2 → production* run again" in await team.says(
        "ana", Retest(v2), key="pressed"
    ), "the command is taken up again"
    assert len(team.ci.tested_again) == runs
    assert "The tests of *shop v2 → production* run again" in await team.says(
        "ana", Retest(v2), key="pressed"
    )
    assert len(team.ci.tested_again) == runs, "what was answered is answered as it was"


async def test_what_waits_for_no_tests_is_said_before_anything_is_stored(team: Team) -> None:
    v2 = await team.rolls_out_v2()
    assert "waits for no tests." in await team.says("ana", Retest(v2))
    assert team.ci.tested_again == []
