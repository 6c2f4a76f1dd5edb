"""The bot as it is shipped, against a workspace that we did not write, over HTTP and over Socket
Mode. See ``make test-emulator``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.emulator.conftest import Place

ANA, BO, CY, DI, EVE = "U0ANA", "U0BO", "U0CY", "U0DI", "U0EVE"
STAGING = {
    "gonogo.field.service": {
        "selected_option": {
            "text": {"type": "plain_text", "text": "storefront"},
            "value": "storefront",
        }
    },
    "gonogo.field.environment": {
        "selected_option": {"text": {"type": "plain_text", "text": "staging"}, "value": "staging"}
    },
}

pytestmark = [pytest.mark.emulator, pytest.mark.timeout(300)]


async def test_a_deployment_is_asked_for_approved_and_rolled_back(place: Place) -> None:
    slack = place.slack
    await slack.says(ANA, "/deploy")
    await slack.submits(ANA, {**STAGING, "gonogo.field.ref": {"value": "-rf"}})
    await slack.until(lambda: "gonogo.field.ref" in slack.errors)
    await slack.submits(ANA, {**STAGING, "gonogo.field.ref": {"value": "v1.2.0"}})
    await slack.card("storefront v1.2.0", "staging", "live and healthy")

    await slack.says(ANA, "/deploy storefront v1.2.0 to production")
    await slack.reply(ANA, "*storefront v1.2.0 → production* is asked for as storefront-")
    card = await slack.card("storefront v1.2.0 → production", "not ready")
    await slack.clicks(BO, card, "acknowledge")
    await slack.clicks(DI, card, "tick")
    box = {"text": {"type": "mrkdwn", "text": "Support briefed"}, "value": "support-briefed"}
    await slack.submits(DI, {"gonogo.field.items": {"selected_options": [box]}})
    card = await slack.card("storefront v1.2.0 → production", "waiting for")
    await slack.clicks(CY, card, "approve")
    card = await slack.card("*storefront v1.2.0 → production* · live and healthy")

    await slack.clicks(EVE, card, "roll_back")
    await slack.reply(EVE, "You hold no role here, so you cannot do this.")
    await slack.clicks(ANA, card, "roll_back")
    await slack.reply(ANA, "Only <@U0BO>, the deployment lead, can roll this back.")
    await slack.clicks(BO, card, "roll_back")
    await slack.card("storefront v1.2.0 → production", "rolled back to v1.0.0")
    ran = [
        place.commits["v1.2.0"] + " 100",
        place.commits["v1.2.0"] + " 5",
        place.commits["v1.2.0"] + " 100",
        place.commits["v1.0.0"] + " 100",
    ]
    assert place.ci.started() == ran
