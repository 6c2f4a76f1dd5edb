"""What a rollback goes back to: by no button to what was worse itself, and first to what was there before."""

from __future__ import annotations

from typing import Any

import pytest

from bot.domain.actions import Action
from bot.domain.catalog import AutomaticGate, AutomaticRollback, GateKind
from bot.domain.commands import Check, Deploy, GoNow, Proceed, RollBack
from bot.domain.deployment import Acceptance, State
from bot.ports import Live
from bot.services.rollbacks import why_not_by_rule
from tests.services.conftest import BAD, COMMITS, GOOD, MINUTE, PEOPLE, Team

QUICK: dict[str, Any] = {
    "gates": (AutomaticGate(GateKind.ROLLBACK),), "checklist": (), "approvals": (), "after": "", "strategy": "rolling",
    "automatic_rollback": AutomaticRollback.OFF, "watch": 2 * MINUTE,
}  # fmt: skip


async def lives(team: Team, version: str) -> None:
    await team.says("ana", Deploy("shop", "production", version))
    await team.passes(5 * MINUTE)


async def v1_is_only_accepted(team: Team) -> None:
    async with team.database.store.transaction() as tx:
        v1 = Live("shop", "production", COMMITS["v1"], "v1", team.house.now(), "", PEOPLE["ana"], None, Acceptance.ADOPTED)
        await tx.set_live(v1)


async def v2_ends_worse(team: Team) -> None:
    """Have v2 accepted on the lead's word although its numbers are worse."""
    team.numbers.new = BAD
    await lives(team, "v2")
    for _where in ("at the step", "in the watch"):
        await team.says("bo", Proceed("shop-1", "customers agreed"))
        await team.passes(5 * MINUTE)
    assert (await team.deployment("shop-1")).state is State.ACCEPTED
    team.numbers.new = GOOD


async def test_what_ended_worse_is_offered_by_no_button_no_rule_and_no_gate(team_with: Any) -> None:
    async with team_with(**QUICK) as team:
        await v1_is_only_accepted(team)
        await v2_ends_worse(team)
        assert "v1 was accepted (on an operator's word)" in await team.says("ana", Check("shop", "production", "v3"))
        await team.says("ana", Deploy("shop", "production", "v3"))
        await team.passes(MINUTE)
        assert (await team.card("shop-2")).rollback.version == "v1"
        assert "to *v1*" in await team.says("bo", RollBack("shop", "production", reason="x"))
        async with team.database.store.reading() as reader:
            assert "never verified" in await why_not_by_rule(team.house, reader, await team.deployment("shop-2"))


async def test_a_dialog_that_goes_back_to_what_was_worse_says_what_its_numbers_were(team_with: Any) -> None:
    async with team_with(**QUICK) as team:
        await v2_ends_worse(team)
        await lives(team, "v3")
        said = await team.says("bo", RollBack("shop", "production", "v2", "x"))
        assert "*When it was last here, v2 was worse itself*: errors 6.0 %" in said


async def test_where_only_what_was_worse_is_left_the_card_says_so_and_the_typed_command_alone_puts_it_back(team_with: Any) -> None:
    async with team_with(**{**QUICK, "gates": ()}) as team:
        await v2_ends_worse(team)
        async with team.database.store.transaction() as tx:
            await tx.put_in_quarantine("shop", COMMITS["v1"], by=PEOPLE["bo"], at=team.house.now(), reason="it leaks")
        await lives(team, "v3")
        card = await team.card("shop-2")
        assert Action.ROLL_BACK not in card.actions
        assert card.rollback.refused.startswith("v2 was worse itself when it was last here (errors 6.0 %")
        assert card.rollback.refused.endswith("/rollback shop production to v2 because TEXT.")
        assert "v2 was worse itself when it was last here" in await team.says("bo", RollBack("shop", "production", reason="x"))
        await team.rolls_back("bo", RollBack("shop", "production", "v2", "it is still better"))
        await team.passes(MINUTE)
        assert (await team.deployment("shop-2")).state is State.ROLLED_BACK


@pytest.mark.parametrize("is_worse", [False, True])
async def test_what_was_live_before_is_gone_back_to_although_its_watch_did_not_end_unless_it_was_worse(
    team_with: Any, *, is_worse: bool
) -> None:
    async with team_with(**QUICK) as team:
        await v1_is_only_accepted(team)
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes()
        team.numbers.new = BAD if is_worse else GOOD
        await team.passes(MINUTE)
        await team.says("ana", Deploy("shop", "production", "v3"))
        await team.passes()
        await team.says("ana", GoNow("shop-2"))
        await team.passes(MINUTE)
        assert (await team.deployment("shop-1")).state is State.SUPERSEDED
        offer = (await team.card("shop-2")).rollback
        assert (offer.version, offer.accepted) == (("v1", Acceptance.ADOPTED) if is_worse else ("v2", Acceptance.CUT_SHORT))


async def test_a_verified_version_that_was_there_before_goes_before_a_newer_one(swift: Team) -> None:
    await lives(swift, "v2")
    async with swift.database.store.transaction() as tx:
        now = swift.house.now()
        await tx.set_live(Live("shop", "production", COMMITS["v1"], "v1", now, "", PEOPLE["ana"], now - 60 * MINUTE))
    await lives(swift, "v3")
    assert (await swift.card("shop-2")).rollback.version == "v1"
