"""Wherever more than one version may serve it is said which has what share, with its newest
numbers: in status, Home and dialog alike.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from bot.domain.commands import Cancel, Deploy, Proceed, RollBack, SayLive, Status
from bot.domain.deployment import State
from bot.domain.rollout import RunState
from bot.queries import board
from bot.slack.dialogs import Dialogs
from tests.services.conftest import BAD, MINUTE
from tests.services.test_hanging import ALONE, answered, begun, gives_up, hangs, rolls_back
from tests.services.test_stopping import OPEN, goes_bad_with_no_way_back


async def _home(team: Any) -> str:
    drawn = str(Dialogs(team.words).home(await board.rows(team.context), roles=[])).replace(
        "\\n", "\n"
    )
    return re.sub(r"<!date\^[^|>]*\|([^>]*)>", r"\1", drawn)


DOORS: dict[str, Callable[[Any], Any]] = {
    "status": lambda team: team.says("ana", Status("shop")),
    "home": _home,
    "dialog": lambda team: team.says("bo", SayLive("shop", "production", "v1", "looked")),
}


@pytest.fixture(params=DOORS)
def shown(request: pytest.FixtureRequest) -> Callable[[Any], Any]:
    door: Callable[[Any], Any] = DOORS[request.param]
    return door


async def test_a_rollback_that_hangs_is_said_with_the_share_and_the_numbers_of_what_still_serves(
    team_with: Any, shown: Any
) -> None:
    async with team_with(**ALONE) as team:
        await hangs(team)
        text = await shown(team)
        assert "v2 (shop-1) still has all the requests; its numbers of 02:1" in text
        assert "*DEGRADED* · errors 90 % (0.2 %)" in text
        assert "shop-2, the rollback, takes longer than it should: it began 2026-11-21 02:0" in text
        assert "Its lead can give it up: /rollback shop production because TEXT" in text
        assert "Nothing makes it unclear" not in text


async def test_a_rollback_under_way_is_said_with_what_still_serves_and_does_not_hang(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await rolls_back(team)
        await team.passes(MINUTE)
        for door in (DOORS["status"], DOORS["home"]):
            text = await door(team)
            assert "v2 (shop-1) still has all the requests" in text
            assert "DEGRADED" in text
            assert "takes longer" not in text


async def test_what_is_put_back_is_said_to_serve_while_its_smoke_test_is_missing(
    team_with: Any, shown: Any
) -> None:
    async with team_with(**ALONE) as team:
        begun(team)
        team.ci.ends["smoke"] = RunState.RUNNING
        await rolls_back(team, RunState.SUCCEEDED)
        await team.passes(15 * MINUTE)
        assert (
            "v1 is put back by shop-2, and serves; only its smoke test is "
            "missing; its numbers of 02:"
        ) in await shown(team)


async def test_what_its_lead_stopped_is_said_with_its_share_its_numbers_and_every_way_on(
    team_with: Any, shown: Any
) -> None:
    async with team_with(**OPEN) as team:
        await goes_bad_with_no_way_back(team)
        await team.says("bo", Cancel("shop-1"))
        await team.passes(5 * MINUTE)
        text = await shown(team)
        assert "v2 (shop-1) was seen last 2026-11-21 02:1" in text
        assert "with 5 % of the requests; its numbers of 02:1" in text
        assert "*DEGRADED* · errors 6 % (0.2 %)" in text
        if "Say that" not in text:  # the dialog is one of the ways
            assert (
                "Deploy another version: /deploy shop REF to production. Or say what "
                "is live: /deploy live shop"
            ) in text
            assert "REF is v2 only if that is what runs and is to stay" in text


async def test_a_run_that_was_cut_off_may_have_brought_more_than_was_seen(team_with: Any) -> None:
    async with team_with(**OPEN) as team:
        await goes_bad_with_no_way_back(team)
        team.ci.ends["deploy"] = RunState.RUNNING
        await team.says("bo", Proceed("shop-1", "noise"))
        await team.passes(MINUTE)
        await team.says("bo", Cancel("shop-1"))
        await team.passes(MINUTE)
        text = await team.says("ana", Status("shop"))
        assert (
            "with 5 % of the requests, and may have more: its run of 100 % did not end "
            "well; its numbers of 02:1"
        ) in text


async def test_what_failed_at_its_first_run_may_be_there_in_part(team_with: Any) -> None:
    async with team_with(**OPEN) as team:
        team.ci.ends["deploy"] = RunState.FAILED
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(3 * MINUTE)
        text = await team.says("ana", Status("shop"))
        assert (
            "v2 (shop-1) may be there in part: its first run, of 5 %, did not end well; its "
            "numbers have not been looked at"
        ) in text
        assert (
            "Roll back: /rollback shop production because TEXT. Or deploy another "
            "version: /deploy shop REF to"
        ) in text


async def test_a_rollback_given_up_leaves_what_served_last_with_its_newest_numbers(
    team_with: Any, shown: Any
) -> None:
    async with team_with(**ALONE) as team:
        await hangs(team)
        before = await team.says("ana", Status("shop"))
        await gives_up(team)
        await team.passes(2 * MINUTE)
        assert (await team.deployment("shop-1")).state is State.FAILED
        text = await shown(team)
        assert "v2 (shop-1) was seen last 2026-11-21 02:1" in text
        numbers = (
            before.partition("its numbers of ")[2].partition(".\n")[0].partition("Its lead")[0][:40]
        )
        assert f"with all the requests; its numbers of {numbers}" in text


async def test_what_stands_still_is_said_with_its_numbers(team_with: Any) -> None:
    async with team_with(**OPEN) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        team.numbers.new = BAD
        await team.passes(12 * MINUTE)
        for door in (DOORS["status"], DOORS["home"]):
            assert "v2 (shop-1) has 5 % of the requests; its numbers of 02:1" in await door(team)


async def test_what_somebody_said_to_be_live_is_shown_beside_nothing_that_was_left(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await hangs(team)
        await gives_up(team)
        await team.passes(2 * MINUTE)
        await team.says_live("bo", SayLive("shop", "production", "v2", "it serves"))
        text = await team.says("ana", Status("shop"))
        assert "was seen last" not in text
        assert "v2 live on the word of <@UBO>" in text


async def test_the_typed_rollback_that_hangs_is_still_answered_with_its_way_out(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await hangs(team)
        answer = await answered(team, "bo", RollBack("shop", "production", reason="x"))
        assert "takes longer than it should" in str(answer.facts["sentence"])
