"""A tag that has moved: each commit that it has meant has a name of its own, which can be typed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bot.domain.actions import Action
from bot.domain.commands import Check, Deploy, Quarantine, RollBack, Unquarantine
from bot.domain.rollout import RunState
from bot.slack.card_buttons import button_label
from tests.services import conftest

Team = Any
"""The fixture ``swift``."""
MINUTE = timedelta(minutes=1)
FIRST, SECOND = "b" * 40, "d" * 40


@pytest.fixture
async def moved(swift: Team, monkeypatch: pytest.MonkeyPatch) -> Team:
    """Give a team that has deployed v2, and again after the tag had moved to another commit."""
    monkeypatch.setitem(conftest.COMMITS, FIRST, FIRST)
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(4 * MINUTE)
    monkeypatch.setitem(conftest.COMMITS, "v2", SECOND)
    monkeypatch.setitem(conftest.COMMITS, SECOND, SECOND)
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(4 * MINUTE)
    assert "*shop v2@ddddddd → production* · live" in await swift.shown("shop-2")
    return swift


@pytest.mark.case("ci-and-refs-8")
async def test_a_rollback_to_a_name_whose_other_commit_is_quarantined_says_which_is_there_and_which_is_not(
    moved: Team,
) -> None:
    await moved.says("bo", Quarantine("shop", "v2@bbbbbbb", "it loses carts"))
    for ref in ("v2", "v2@bbbbbbb", "b" * 10):
        said = await moved.says("bo", RollBack("shop", "production", ref, "errors"))
        there = "v2@ddddddd is what is there already, and " if ref == "v2" else ""
        assert said.startswith(
            f"{there}v2@bbbbbbb is quarantined, so nothing goes back to it: it loses carts (<@UBO>)."
        )


@pytest.mark.case("ci-and-refs-8")
@pytest.mark.parametrize("ref", ["", "v2", "v2@bbbbbbb", "b" * 10])
async def test_each_commit_of_a_name_can_be_gone_back_to_by_the_name_that_is_shown(
    moved: Team, ref: str
) -> None:
    assert (
        button_label(Action.ROLL_BACK, await moved.card("shop-2"), moved.words)
        == "Roll back to v2@bbbbbbb"
    )
    said = await moved.rolls_back("bo", RollBack("shop", "production", ref, "errors"))
    assert "v2@bbbbbbb" in said
    await moved.passes(4 * MINUTE)
    assert "rolled back to v2@bbbbbbb" in await moved.shown("shop-2")
    runs = [run for run in moved.ci.runs.values() if run.commit == FIRST]
    assert {run.inputs["version"] for run in runs} == {"v2"}, "the pipeline knows the tag"


@pytest.mark.case("ci-and-refs-8")
async def test_the_commit_that_had_the_name_first_can_be_named_at_every_door(moved: Team) -> None:
    assert "v2@bbbbbbb → production" in await moved.says(
        "ana", Check("shop", "production", "v2@bbbbbbb")
    )
    assert "*v2@bbbbbbb* of shop is quarantined" in await moved.says(
        "bo", Quarantine("shop", "v2@bbbbbbb", "carts")
    )
    assert "*v2@bbbbbbb*" in await moved.says("bo", Unquarantine("shop", "v2@bbbbbbb", "no"))
    said = await moved.says("ana", Deploy("shop", "production", "v2@bbbbbbb"))
    assert "at commit bbbbbbb" in said


@pytest.mark.case("ci-and-refs-8")
async def test_a_name_of_two_commits_is_refused_with_both_while_the_ci_provider_is_away(
    moved: Team,
) -> None:
    moved.ci.away = True
    assert await moved.says("bo", Quarantine("shop", "v2", "it loses carts")) == (
        "v2 was the name of 2 commits here, dddddddddd and bbbbbbbbbb: it has moved. Name "
        "the commit that you mean."
    )


@pytest.mark.case("ci-and-refs-8")
async def test_the_other_commit_of_a_name_that_never_ended_its_watch_is_not_called_there_already(
    swift: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    swift.ci.ends["deploy"] = RunState.FAILED
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(4 * MINUTE)
    del swift.ci.ends["deploy"]
    monkeypatch.setitem(conftest.COMMITS, "v2", SECOND)
    monkeypatch.setitem(conftest.COMMITS, SECOND, SECOND)
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(4 * MINUTE)
    assert (await swift.says("bo", RollBack("shop", "production", "v2", "x"))).startswith(
        "v2@ddddddd is what is there already, and v2@bbbbbbb is not among the versions verified "
        "or accepted here."
    )
