"""A version that was only accepted is said to be wherever it could be gone back to, and nothing
calls it ready or verified.
"""

from __future__ import annotations

from typing import Any

import pytest

from bot.domain.catalog import AutomaticGate, GateKind
from bot.domain.commands import Check, Deploy, RollBack, Status
from bot.domain.deployment import Acceptance, State
from bot.domain.health import Observed
from bot.domain.live import Live
from bot.slack.card_buttons import rollback_truth
from tests.services.conftest import COMMITS, MINUTE, PEOPLE, Team

ALONE: dict[str, Any] = {
    "gates": (AutomaticGate(GateKind.ROLLBACK),),
    "checklist": (),
    "after": "",
    "strategy": "rolling",
}


async def v1_is_only_accepted(team: Team, how: Acceptance) -> None:
    async with team.database.store.transaction() as tx:
        live = Live(
            "shop",
            "production",
            COMMITS["v1"],
            "v1",
            team.context.now(),
            "",
            PEOPLE["ana"],
            None,
            str(how),
        )
        await tx.set_live(live)


@pytest.mark.case("card-and-people-2")
@pytest.mark.parametrize("how", Acceptance)
async def test_check_card_dialog_and_command_say_that_the_version_to_go_back_to_was_never_verified(
    team_with: Any, how: Acceptance
) -> None:
    async with team_with(**ALONE) as team:
        await v1_is_only_accepted(team, how)
        said = await team.says("ana", Check("shop", "production", "v2"))
        assert (
            f"rollback ready, not verified: v1 was accepted ({how}), never "
            "verified; it can be put back"
        ) in said
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes()
        card = await team.shown("shop-1")
        assert f"Rollback to v1, accepted ({how}), never verified, is possible" in card
        assert "is ready" not in card
        assert f"v1 was never verified, only accepted ({how})." in rollback_truth(
            await team.card("shop-1"), team.words
        )


@pytest.mark.case("card-and-people-2")
async def test_a_typed_rollback_to_what_was_adopted_says_on_whose_word_it_rests(
    team_with: Any,
) -> None:
    async with team_with(**{**ALONE, "gates": ()}, approvals=(), watch=MINUTE) as team:
        await v1_is_only_accepted(team, Acceptance.ADOPTED)
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(10 * MINUTE)
        said = await team.says("bo", RollBack("shop", "production", reason="errors"))
        assert "v1 was never verified, only accepted (on an operator's word)." in said
        assert "erified good" not in said


@pytest.mark.case("card-and-people-2")
async def test_the_status_says_that_what_is_live_was_accepted_and_how(team_with: Any) -> None:
    async with team_with(
        gates=(), checklist=(), approvals=(), after="", strategy="rolling", watch=5 * MINUTE
    ) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(3 * MINUTE)
        team.numbers.new = Observed(0, 3, requests=3)
        await team.passes(10 * MINUTE)
        assert (await team.deployment("shop-1")).state is State.ACCEPTED
        said = await team.says("ana", Status())
        assert f"too little traffic to tell · accepted ({Acceptance.LITTLE}), not verified" in said
