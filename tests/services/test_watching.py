"""What is being watched is not replaced before the watch has ended, unless somebody says so; and
whoever that concerns is told.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bot.domain.actions import Action
from bot.domain.catalog import ApprovalRule, AutomaticRollback
from bot.domain.commands import Approve, Check, Deploy, GoNow, Lock, RollBack, Status, Unlock
from bot.domain.deployment import State
from bot.domain.shown import seen_on, token
from tests.services.conftest import BAD, COMMITS, MINUTE

Team = Any
"""The fixtures ``team`` and ``swift``."""
HALF = timedelta(seconds=30)
FREE: dict[str, Any] = {
    "gates": (),
    "checklist": (),
    "approvals": (),
    "after": "",
    "strategy": "rolling",
    "watch": MINUTE,
}


async def v2_is_watched(team: Team) -> None:
    """Have v2 live in production as shop-1, and being watched for a minute."""
    await team.says("ana", Deploy("shop", "production", "v2"))
    while (await team.deployment("shop-1")).state is not State.WATCHING:
        await team.passes(HALF)


async def v3_waits(team: Team) -> str:
    """Have v3 asked for as shop-2 while v2 is being watched; gives what was answered."""
    await v2_is_watched(team)
    said: str = await team.says("ana", Deploy("shop", "production", "v3"))
    await team.passes()
    return said


async def test_the_next_deployment_waits_until_the_one_before_is_verified(swift: Team) -> None:
    await v3_waits(swift)
    assert (await swift.deployment("shop-1")).state is State.WATCHING
    assert (await swift.deployment("shop-2")).state is State.GATED
    await swift.passes(2 * MINUTE)
    assert (await swift.deployment("shop-1")).state is State.VERIFIED
    await swift.passes(4 * MINUTE)
    assert (await swift.deployment("shop-2")).state is State.VERIFIED


async def test_the_card_the_board_and_a_check_say_what_is_waited_for_and_until_when(
    swift: Team,
) -> None:
    await v3_waits(swift)
    shown = await swift.shown("shop-2")
    assert "ready, goes when shop-1 (v2) has been watched, at " in shown
    assert "no watch under way: shop-1 (v2) is being watched · it began " in shown
    assert " · it ends by itself " in shown
    assert "ready, goes when shop-1 has been watched" in await swift.says("ana", Status("shop"))
    assert "shop-1 (v2) is being watched" in await swift.says(
        "ana", Check("shop", "production", "v3")
    )


@pytest.mark.case("card-and-people-8")
async def test_a_queue_says_behind_whom_and_since_when(team: Team) -> None:
    await team.rolls_out_v2()
    await team.says("ana", Deploy("shop", "production", "v3"))
    await team.passes()
    assert "queued behind shop-2 since " in await team.shown("shop-3")


async def test_whoever_asks_is_told_at_once_what_is_being_watched_and_who_waits_for_it(
    team: Team,
) -> None:
    await team.says("ana", Deploy("shop", "staging", "v2"))
    await team.says("ana", Deploy("shop", "production", "v2"))
    await team.passes(MINUTE)
    said = await team.says("cy", Deploy("shop", "staging", "v3"))
    assert "v2 (shop-1) is being watched there until " in said
    assert (
        "and shop-2 waits for it. This one goes when that has ended; *Go now* "
        "on its card does not wait."
    ) in said


async def test_somebody_who_may_deploy_lets_it_go_now_and_everybody_concerned_reads_it(
    team: Team,
) -> None:
    await team.says("ana", Deploy("shop", "staging", "v2"))
    await team.says("ana", Deploy("shop", "production", "v2"))
    await team.passes(MINUTE)
    await team.says("cy", Deploy("shop", "staging", "v3"))
    await team.passes()
    assert Action.GO_NOW in (await team.card("shop-3")).actions
    assert "You cannot let a deployment go" in await team.says("di", GoNow("shop-3"))
    assert "does not wait for the watch of shop-1 (v2)" in await team.says("cy", GoNow("shop-3"))
    told = await team.said("not_waited")
    assert len(told) == 3, (
        "in its own thread, in that of what it replaces, and in that of what waits for it"
    )
    assert all(
        (
            "(shop-3) go without waiting for the watch of shop-1 to end: v2 is "
            "then not verified in staging"
        )
        in each
        for each in told
    )
    assert all("shop-2 waits for that." in each for each in told)
    await team.passes(MINUTE)
    first = await team.deployment("shop-1")
    assert (first.state, first.note) == (
        State.SUPERSEDED,
        "shop-3 was let go before its watch had ended",
    )
    assert "go_now" in await team.audited("shop-3")


async def test_a_word_is_about_the_watch_that_was_shown_and_is_given_once(swift: Team) -> None:
    await v3_waits(swift)
    card = await swift.card("shop-2")
    shown = token(Action.GO_NOW, seen_on(card))
    assert "has changed since it was shown" in await swift.says("ana", GoNow("shop-2", "00000000"))
    assert "does not wait" in await swift.says("ana", GoNow("shop-2", shown))
    assert "Somebody has let" in await swift.says("cy", GoNow("shop-2", shown))
    await swift.passes(6 * MINUTE)
    assert "waits for no watch" in await swift.says("cy", GoNow("shop-2", shown))


async def test_a_version_in_trouble_is_replaced_on_a_word_alone_however_long_it_is_watched(
    team_with: Any,
) -> None:
    async with team_with(**FREE, automatic_rollback=AutomaticRollback.OFF) as team:
        await v2_is_watched(team)
        team.numbers.new = BAD
        await team.passes(2 * MINUTE)
        await team.says("ana", Deploy("shop", "production", "v3", reason="hotfix"))
        await team.passes(10 * MINUTE)
        assert (await team.deployment("shop-2")).state is State.GATED
        assert "ready, waits until the lead of shop-1 (v2) has decided" in await team.shown(
            "shop-2"
        )
        team.numbers.new = None
        await team.says("ana", GoNow("shop-2"))
        await team.passes(MINUTE)
        assert (await team.deployment("shop-1")).state is State.SUPERSEDED


async def test_a_rollback_waits_for_no_watch(swift: Team) -> None:
    await v3_waits(swift)
    await swift.rolls_back("bo", RollBack("shop", "production", reason="errors"))
    await swift.passes(MINUTE)
    assert (await swift.deployment("shop-1")).state is State.ROLLED_BACK


async def test_approvals_are_given_while_the_one_before_is_watched(team_with: Any) -> None:
    rules = (ApprovalRule("release_manager"),)
    async with team_with(**{**FREE, "approvals": rules, "watch": 20 * MINUTE}) as team:
        await v2_is_watched_with_approval(team)
        await team.says("ana", Deploy("shop", "production", "v3"))
        await team.passes()
        assert (await team.deployment("shop-2")).state is State.AWAITING_APPROVAL
        assert "Approved, it goes when shop-1 (v2) has been watched, at " in await team.shown(
            "shop-2"
        )
        assert "Rollback" not in await team.says("bo", Approve("shop-2"))
        await team.passes()
        assert (await team.deployment("shop-2")).state is State.GATED
        assert "ready, goes when shop-1 (v2) has been watched" in await team.shown("shop-2")
        await team.passes(25 * MINUTE)
        assert (await team.deployment("shop-1")).state is State.VERIFIED
        assert (await team.deployment("shop-2")).state is State.WATCHING


async def v2_is_watched_with_approval(team: Team) -> None:
    await team.says("ana", Deploy("shop", "production", "v2"))
    await team.passes()
    await team.says("bo", Approve("shop-1"))
    while (await team.deployment("shop-1")).state is not State.WATCHING:
        await team.passes(HALF)


async def test_a_word_on_a_healthy_watch_is_asked_for_again_once_that_version_is_in_trouble(
    team_with: Any,
) -> None:
    rules = (ApprovalRule("release_manager"),)
    async with team_with(
        **{**FREE, "approvals": rules, "watch": 10 * MINUTE}, countdown=30 * MINUTE
    ) as team:
        await v2_is_watched_with_approval(team)
        await team.says("ana", Deploy("shop", "production", "v3"))
        await team.passes()
        await team.says("bo", Approve("shop-2"))
        await team.passes(HALF)
        shown = token(Action.GO_NOW, seen_on(await team.card("shop-2")))
        assert "does not wait" in await team.says("cy", GoNow("shop-2", shown))
        await team.says("bo", Lock("shop", "production", "load test"))
        team.numbers.new = BAD
        await team.passes(2 * MINUTE)
        await team.says("bo", Unlock("shop", "production"))
        await team.passes(MINUTE)
        assert (await team.deployment("shop-1")).state is State.WATCHING, (
            "it is in trouble, and its countdown runs"
        )
        assert (await team.deployment("shop-1")).countdown_until is not None
        assert (await team.deployment("shop-2")).state is State.GATED
        assert "has changed since it was shown" in await team.says("cy", GoNow("shop-2", shown))
        again = token(Action.GO_NOW, seen_on(await team.card("shop-2")))
        assert "does not wait" in await team.says("cy", GoNow("shop-2", again))
        assert len(await team.said("not_waited")) == 4, "in both threads, each time"
        await team.passes(MINUTE)
        assert (await team.deployment("shop-1")).state is State.SUPERSEDED


async def test_an_approval_of_what_waits_for_a_version_in_trouble_is_asked_for_with_that(
    team_with: Any,
) -> None:
    rules = (ApprovalRule("release_manager"),)
    async with team_with(
        **{**FREE, "approvals": rules, "watch": 10 * MINUTE}, countdown=30 * MINUTE
    ) as team:
        await v2_is_watched_with_approval(team)
        await team.says("ana", Deploy("shop", "production", "v3"))
        team.numbers.new = BAD
        await team.passes(2 * MINUTE)
        assert Action.GO_NOW not in (await team.card("shop-2")).actions
        assert "Approved, it waits until the lead of shop-1 (v2) has decided" in await team.shown(
            "shop-2"
        )


async def test_whoever_asks_behind_what_is_worse_reads_whose_decision_it_waits_for_and_not_when_it_ends(
    team_with: Any,
) -> None:
    async with team_with(
        **{**FREE, "watch": 10 * MINUTE, "automatic_rollback": AutomaticRollback.OFF}
    ) as team:
        await v2_is_watched(team)
        team.numbers.new = BAD
        await team.passes(2 * MINUTE)
        said = await team.says("ana", Deploy("shop", "production", "v3"))
        assert (
            "v2 (shop-1) is live there, and its numbers are worse or unclear: "
            "<@UBO> decides about it first"
        ) in said
        assert "*Go now* on its card does not wait" in said
        await team.passes(HALF)
        assert "ready, waits until the lead of shop-1 (v2) has decided" in await team.shown(
            "shop-2"
        )
        assert "ready, waits until the lead of shop-1 has decided" in await team.says(
            "ana", Status("shop")
        )


async def test_what_is_queued_behind_what_is_worse_says_so_too_and_where_go_now_is(
    team_with: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(COMMITS, "v4", "d" * 40)
    async with team_with(
        **{**FREE, "watch": 10 * MINUTE, "automatic_rollback": AutomaticRollback.OFF}
    ) as team:
        await v2_is_watched(team)
        team.numbers.new = BAD
        await team.passes(2 * MINUTE)
        await team.says("ana", Deploy("shop", "production", "v3"))
        await team.passes(HALF)
        said = await team.says("ana", Deploy("shop", "production", "v4"))
        assert (
            "it is queued behind shop-2, which has *Go now* on its card once nothing else keeps it"
            in said
        )
        await team.passes(HALF)
        assert "queued behind shop-2 since" in await team.shown("shop-3")
        assert " · the lead of shop-1 (v2) decides first" in await team.shown("shop-3")
        assert "queued behind shop-2; the lead of shop-1 decides first" in await team.says(
            "ana", Status("shop")
        )
        assert Action.GO_NOW in (await team.card("shop-2")).actions
        assert Action.GO_NOW not in (await team.card("shop-3")).actions
