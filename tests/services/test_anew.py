"""What waits and is asked for anew is the answer to what has made its place unclear since."""

from __future__ import annotations

from typing import Any

import pytest

from bot.domain.actions import Action
from bot.domain.catalog import ApprovalRule
from bot.domain.commands import Approve, Deploy, Quarantine, SayLive
from bot.domain.deployment import WAITING, State
from bot.domain.rollout import RunState
from tests.services.conftest import BAD, GOOD, MINUTE, PEOPLE, Team
from tests.services.test_after_a_word import CANARY

ANEW = Deploy("shop", "production", "v1")
ONE, TWO = (
    (ApprovalRule("release_manager"),),
    (ApprovalRule("release_manager"), ApprovalRule("support")),
)


async def waits(team: Team) -> None:
    """Have v1 asked for after v2 failed at 5 %, and keep its requests."""
    team.numbers.new, team.ci.ends["deploy"] = BAD, RunState.FAILED
    await team.says("ana", Deploy("shop", "production", "v2"))
    await team.passes()
    await team.says("bo", Approve("shop-1"))
    await team.says("cy", Approve("shop-1"))
    await team.passes(MINUTE)
    team.ci.ends.clear()
    await team.says("ana", ANEW)
    await team.passes(MINUTE)


async def is_said(team: Team) -> str:
    """Have somebody say that v1 is live, although v2 still gets requests."""
    word = SayLive("shop", "production", "v1", "by hand")
    said = (await team.says_live("bo", word, is_gone=False))[1]
    await team.passes(MINUTE)
    return said


@pytest.mark.case("races-15")
async def test_what_was_asked_for_before_a_word_goes_once_it_is_asked_for_anew(
    team_with: Any,
) -> None:
    async with team_with(**{**CANARY, "approvals": ONE}) as team:
        await waits(team)
        assert "what waits there already goes once it is asked for anew" in await is_said(team)
        assert (
            "if this is the answer to it, ask for it anew: /deploy shop v1 to production"
            in await team.shown("shop-2")
        )
        assert Action.APPROVE not in (await team.card("shop-2")).actions
        said = await team.says("cy", ANEW)
        assert "*shop v1 → production* waits already, as shop-2" in said
        assert "v2 still got requests" in said
        await team.passes(MINUTE)
        assert (await team.deployment("shop-2")).requested_by == PEOPLE["cy"]
        await team.says("bo", Approve("shop-2"))
        team.numbers.new = GOOD
        await team.passes(20 * MINUTE)
        assert (await team.deployment("shop-2")).landed_at is not None


async def test_once_it_is_an_answer_asking_again_is_refused_as_before(team_with: Any) -> None:
    async with team_with(**{**CANARY, "approvals": ONE}) as team:
        await waits(team)
        assert "shop-2 brings v1 to production already." in await team.says("cy", ANEW)
        await is_said(team)
        await team.says("cy", ANEW)
        assert "shop-2 brings v1 to production already." in await team.says("cy", ANEW)


async def test_who_approved_it_before_has_not_seen_what_is_the_matter_and_is_asked_again(
    team_with: Any,
) -> None:
    async with team_with(**{**CANARY, "approvals": TWO}) as team:
        await waits(team)
        await team.says("bo", Approve("shop-2"))
        await is_said(team)
        await team.says("ana", ANEW)
        await team.passes(MINUTE)
        assert [need.missing for need in (await team.card("shop-2")).approvals] == [1, 1]
        await team.says("bo", Approve("shop-2"))
        await team.says("cy", Approve("shop-2"))
        await team.passes(MINUTE)
        assert (await team.deployment("shop-2")).state is State.ROLLING_OUT


async def test_what_is_quarantined_meanwhile_is_not_asked_for_anew(team_with: Any) -> None:
    async with team_with(**{**CANARY, "approvals": ONE}) as team:
        await waits(team)
        await is_said(team)
        await team.says("bo", Quarantine("shop", "v1", "bad"))
        said = await team.says("cy", ANEW)
        assert (
            "v1 is quarantined: bad. shop-2, which is to bring it to production, does not "
            "begin: /deploy cancel shop-2"
        ) in said
        assert (await team.deployment("shop-2")).state in WAITING
        assert (await team.deployment("shop-2")).asked_anew_at is None
