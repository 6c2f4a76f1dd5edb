"""What an environment stands on: what can be rolled back once, twice, and not any more; and that
nothing is deployed for nothing.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from bot.domain.actions import Action
from bot.domain.commands import Approve, Check, Deploy, DeployFirst, Lock, RollBack, Unlock
from bot.domain.deployment import State

Team = Any
"""The fixtures ``team`` and ``swift``."""
MINUTE = timedelta(minutes=1)


async def deploys(team: Team, version: str) -> None:
    """Have a version verified in production."""
    await team.says("ana", Deploy("shop", "production", version))
    await team.passes(4 * MINUTE)


async def v3_is_rolled_back(team: Team, *, to: str = "") -> None:
    """Have v2 verified in production as shop-1, and v3 deployed after it
    as shop-2 and rolled back.
    """
    await deploys(team, "v2")
    await deploys(team, "v3")
    assert "was live from" in await team.shown("shop-1")
    assert Action.ROLL_BACK not in (await team.card("shop-1")).actions
    await team.says("bo", RollBack(deployment="shop-2", ref=to, reason="errors"))
    await team.passes(2 * MINUTE)
    assert (await team.deployment("shop-2")).state is State.ROLLED_BACK


async def test_after_a_rollback_the_version_that_is_back_can_be_rolled_back_too(
    swift: Team,
) -> None:
    await v3_is_rolled_back(swift)
    assert "live again and healthy" in await swift.shown("shop-1")
    assert Action.ROLL_BACK in (await swift.card("shop-1")).actions
    assert "Rolling shop in production back to *v1*" in await swift.says(
        "bo", RollBack(deployment="shop-1", reason="errors as well")
    )
    await swift.passes(2 * MINUTE)
    assert (await swift.deployment("shop-1")).state is State.ROLLED_BACK


async def test_a_rollback_that_is_typed_a_second_time_takes_nothing_more_back(swift: Team) -> None:
    await v3_is_rolled_back(swift)
    again = await swift.says("bo", RollBack("shop", "production", reason="errors"))
    assert again == (
        "shop v3 → production is rolled back already. v2 is live. To go back further: /rollback "
        "shop production to v1 because TEXT, "
        "or the card of shop-1."
    )
    assert "Rolling shop in production back to *v1*" in await swift.rolls_back(
        "bo", RollBack("shop", "production", "v1", reason="errors")
    )


async def test_a_rollback_to_an_older_version_leaves_the_card_between_without_a_button(
    swift: Team,
) -> None:
    await v3_is_rolled_back(swift, to="v1")
    assert "replaced by v3" in await swift.shown("shop-1")
    said = await swift.says("bo", RollBack(deployment="shop-1", reason="errors"))
    assert said == "shop v2 → production was replaced and is not live any more."
    assert await swift.says("bo", RollBack("shop", "production", reason="x")) == (
        "shop v3 → production is rolled back already. v1 is live. To put another version there: "
        "/deploy shop REF to production."
    )


async def test_what_is_live_is_not_deployed_again(swift: Team) -> None:
    await deploys(swift, "v2")
    said = await swift.says("ana", Deploy("shop", "production", "v2"))
    assert said == "v2 is live in production already, so there is nothing to deploy."


async def test_what_has_failed_half_way_may_be_deployed_again_and_so_may_what_was_live_before(
    team: Team,
) -> None:
    v2 = await team.rolls_out_v2()
    assert (await team.deployment(v2)).state is State.ROLLING_OUT
    await team.says("ana", Deploy("shop", "production", "v1"))
    await team.passes(MINUTE)
    assert (await team.deployment("shop-3")).state is State.QUEUED


async def test_the_same_is_not_asked_for_twice_while_it_comes(team: Team) -> None:
    await team.asks_for_v2()
    assert (
        await team.says("ana", Deploy("shop", "production", "v2"))
        == "shop-2 brings v2 to production already."
    )


async def test_the_environment_before_is_deployed_to_once_however_often_the_button_is_pressed(
    team: Team,
) -> None:
    await team.says("ana", Deploy("shop", "production", "v2"))
    await team.passes(MINUTE)
    said = await asyncio.gather(*(team.says("ana", DeployFirst("shop-1")) for _ in range(3)))
    assert sorted(said) == [
        "*shop v2 → staging* is asked for as shop-2, at commit bbbbbbb.",
        *["shop v2 → staging is under way already, as shop-2."] * 2,
    ]  # fmt: skip
    await team.passes(MINUTE)
    said_later = await team.says("ana", DeployFirst("shop-1"))
    assert (
        said_later
        == "v2 is live in staging already. The gate opens when it has been watched and verified."
    )


async def test_a_check_of_what_waits_shows_what_was_ticked_for_it(team: Team) -> None:
    v2 = await team.asks_for_v2()
    assert "support briefed: not ticked" in await team.says(
        "ana", Check("shop", "production", "v2")
    )
    await team.clears(v2)
    assert "not ticked" not in await team.says("ana", Check("shop", "production", "v2"))


async def test_a_check_knows_the_version_before(swift: Team) -> None:
    await deploys(swift, "v2")
    assert "*shop v1 → production*" in await swift.says(
        "ana", Check("shop", "production", "previous")
    )


async def test_who_approves_reads_what_changes_from_what_is_live_now(team_with: Any) -> None:
    async with team_with(
        gates=(), checklist=(), after="", strategy="rolling", watch=MINUTE
    ) as team:
        await deploys(team, "v2")
        await deploys(team, "v3")
        assert (await team.deployment("shop-2")).base_version == "v1"
        await team.says("bo", Approve("shop-1"))
        await team.passes(4 * MINUTE)
        second = await team.deployment("shop-2")
        assert (second.base_version, second.state) == ("v2", State.AWAITING_APPROVAL)


async def test_the_card_of_a_rollback_lifts_its_own_lock_and_no_other(swift: Team) -> None:
    await v3_is_rolled_back(swift)
    assert Action.UNLOCK in (await swift.card("shop-2")).actions
    await swift.says("bo", Unlock("shop", "production"))
    await swift.says("bo", Lock("shop", "production", "incident"))
    assert Action.UNLOCK not in (await swift.card("shop-2")).actions
    assert "incident" not in await swift.shown("shop-2")
    said = await swift.says("bo", Unlock(deployment="shop-2"))
    assert said.startswith(
        "The lock of this rollback is gone already. shop in production is "
        "locked, by <@UBO>: incident."
    )
    async with swift.database.store.reading() as reader:
        assert [lock.reason for lock in await reader.locks("shop", "production")] == ["incident"]


async def test_the_dialog_says_that_a_rollback_locks_also_beside_a_lock_of_somebody(
    team: Team,
) -> None:
    v2 = await team.rolls_out_v2()
    await team.says("bo", Lock("shop", "production", "incident"))
    assert (await team.card(v2)).rollback_locks
    assert "The environment will be locked." in await team.says(
        "bo", RollBack("shop", "production", reason="errors")
    )
    await team.says("bo", RollBack(deployment=v2, reason="errors"))
    await team.passes(MINUTE)
    async with team.database.store.reading() as reader:
        assert len(await reader.locks("shop", "production")) == 2


async def test_the_dialog_of_a_rollback_that_locks_nothing_says_nothing_of_a_lock(
    team_with: Any,
) -> None:
    async with team_with(lock_after_rollback=False) as team:
        v2 = await team.rolls_out_v2()
        assert not (await team.card(v2)).rollback_locks
        assert "locked" not in await team.says(
            "bo", RollBack("shop", "production", reason="errors")
        )
