"""Every offer of a rollback says that what was there before is passed over, why, and
that its share goes as well.
"""

from __future__ import annotations

from typing import Any

import pytest

from bot.domain.catalog import AutomaticGate, AutomaticRollback, GateKind
from bot.domain.commands import Check, Deploy, Quarantine, RollBack
from bot.slack.card_buttons import rollback_truth
from tests.services.conftest import BAD, GOOD, MINUTE, Team
from tests.services.test_targets import QUICK, lives, v2_ends_worse

ALONE: dict[str, Any] = {
    "gates": (AutomaticGate(GateKind.ROLLBACK),), "checklist": (),
    "approvals": (), "after": "", "strategy": "canary",
    "watch": 5 * MINUTE, "automatic_rollback": AutomaticRollback.OFF,
}  # fmt: skip


async def v3_beside_v2(team: Team) -> None:
    """Have v3 at 5 % over v2, which has the others; before that there was v1."""
    await team.says("ana", Deploy("shop", "production", "v2"))
    await team.passes(40 * MINUTE)
    await team.says("ana", Deploy("shop", "production", "v3"))
    await team.passes(3 * MINUTE)


async def test_the_dialog_and_the_button_name_what_is_quarantined_by_whom_why_and_whose_share_goes_too(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await v3_beside_v2(team)
        await team.says("bo", Quarantine("shop", "v2", "bad way back"))
        typed = await team.says("bo", RollBack("shop", "production", reason="x"))
        assert "v3 has 5 % of the traffic so far." in typed
        assert (
            "*v2*, which was there before, is passed over: it is "
            "quarantined: bad way back (<@UBO>). "
            "The other 95 %, which are its, go to v1 as well."
        ) in typed
        button = rollback_truth(await team.card("shop-2"), team.words)
        assert "v2, there before, is quarantined: bad way back; its 95 % go as well." in button


async def test_the_gate_says_what_it_passes_over(team_with: Any) -> None:
    async with team_with(**ALONE) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(40 * MINUTE)
        await team.says("bo", Quarantine("shop", "v2", "bad way back"))
        shown = await team.says("ana", Check("shop", "production", "v3"))
        assert (
            "v1 is verified and can be put back; v2, which was there before, is "
            "quarantined: bad way back"
        ) in shown


async def test_where_the_target_is_what_was_there_before_nothing_is_passed_over(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await v3_beside_v2(team)
        typed = await team.says("bo", RollBack("shop", "production", reason="x"))
        assert "back from v3 to *v2*" in typed
        for shown in (
            typed,
            rollback_truth(await team.card("shop-2"), team.words),
            await team.says("ana", Check("shop", "staging", "v3")),
        ):
            assert "there before" not in shown
            assert "as well" not in shown


async def test_a_version_that_is_named_says_that_the_one_before_is_not_gone_back_to(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await v3_beside_v2(team)
        typed = await team.says("bo", RollBack("shop", "production", "v1", "x"))
        assert (
            "*v2*, which was there before, is not gone back to. The other 95 %, which "
            "are its, go to v1 as well."
        ) in typed


@pytest.mark.parametrize("counts", [True, False])
async def test_dialog_and_button_say_when_it_goes_back_by_itself(
    team_with: Any, *, counts: bool
) -> None:
    how = AutomaticRollback.COUNTDOWN if counts else AutomaticRollback.OFF
    async with team_with(**{**ALONE, "automatic_rollback": how, "countdown": 5 * MINUTE}) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(2 * MINUTE)
        team.numbers.new = BAD
        await team.passes(2 * MINUTE)
        typed = await team.says("bo", RollBack("shop", "production", reason="x"))
        assert ("It rolls back by itself at" in typed) is counts
        assert (
            "It goes back by itself at" in rollback_truth(await team.card("shop-1"), team.words)
        ) is counts
        team.numbers.new = GOOD
        await team.passes(2 * MINUTE)
        assert "by itself" not in await team.says("bo", RollBack("shop", "production", reason="x"))


async def test_what_is_passed_over_for_its_numbers_is_so_on_nobodys_word(team_with: Any) -> None:
    async with team_with(**{**QUICK, "gates": ()}) as team:
        await v2_ends_worse(team)
        await lives(team, "v3")
        typed = await team.says("bo", RollBack("shop", "production", reason="x"))
        assert "*v2*, which was there before, is passed over: it " in typed
        assert "None" not in typed
