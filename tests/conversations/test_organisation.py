"""An Enterprise Grid whose organisation the bot has not heard of yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.conversations.conftest import CHANNEL

if TYPE_CHECKING:
    from tests.conversations.conftest import World

ANA = "U0ANA"
BY_THE_ORGANISATION: dict[str, Any] = {
    "type": "block_actions",
    "team": None,
    "enterprise": {"id": "E0ORG", "name": "org"},
    "user": {"id": ANA, "team_id": "E0ORG"},
}


@pytest.mark.case("trust-14")
async def test_a_click_by_the_organisation_works_after_a_start_while_slack_was_away(
    world: World,
) -> None:
    await world.says(ANA, "/deploy storefront v1.1.0 to production")
    card = await world.card("storefront v1.1.0 → production", "not ready")
    await world.stop_bot()
    world.slack.state.enterprise = "E0ORG"
    world.slack.faults.away_until = float("inf")
    await world.start_bot()
    world.slack.faults.away_until = 0.0
    pressed = {**BY_THE_ORGANISATION, "actions": [cancel_on(card)], "message": card}
    outcome = await world.slack.delivery.interaction(ANA, pressed, CHANNEL)
    assert outcome.status == 200
    await world.card("storefront v1.1.0 → production", "cancelled")


def cancel_on(card: dict[str, Any]) -> dict[str, Any]:
    rows = [block for block in card["blocks"] if block["type"] == "actions"]
    buttons = [element for row in rows for element in row["elements"]]
    (found,) = [each for each in buttons if each["action_id"] == "gonogo.cancel"]
    return {"action_id": found["action_id"], "value": found["value"], "type": "button"}
