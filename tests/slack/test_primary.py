"""The primary button: what brings a deployment on, and nothing where nobody can."""

from __future__ import annotations

import pytest

from bot.domain.catalog import Need
from bot.domain.deployment import State
from bot.domain.readiness import Gate, GateState, Review
from bot.slack.cards import deployment_card
from tests.slack.test_cards import NOW, WORDS, buttons, card

OPEN, GREEN = GateState.OPEN, GateState.GREEN
TICKED = Gate("item:support", "support briefed", GREEN, "ticked")
TO_TICK = Gate("item:support", "support briefed", OPEN, "not ticked", who="support")
MAY_TICK = Gate("item:uat", "UAT", OPEN, "not ticked", Need.OPTIONAL, who="qa")
STAGED = Gate("staged", "live on staging", OPEN, "v1.2.0 is not live on staging", first="staging")
LOCKED = Gate("unlocked", "not locked", OPEN, "production is locked")
RED = Gate("tests", "tests green", OPEN, "red", again=True)
PLAN = Gate("rollback", "way back", OPEN, "nobody has confirmed", plan="7.sql")
ON_CALL = Gate("on-call", "on-call knows", OPEN, "not acknowledged")


@pytest.mark.parametrize(
    ("gates", "primary"),
    [
        ((TICKED, STAGED), "Deploy to staging first"),
        ((TO_TICK, STAGED), "Tick my items…"),
        ((TO_TICK, ON_CALL), "Acknowledge as on-call"),
        ((TICKED, RED), "Run the tests again"),
        ((TICKED, PLAN, RED), "Confirm the way back…"),
        ((TICKED, LOCKED), ""),
        ((MAY_TICK, LOCKED), ""),
        ((MAY_TICK, STAGED), "Deploy to staging first"),
    ],
)
def test_what_helps_is_the_primary_button(gates: tuple[Gate, ...], primary: str) -> None:
    drawn = deployment_card(card(State.GATED, review=Review(NOW, gates)), WORDS)
    labels = [
        each["text"]["text"] for each in buttons(drawn.blocks) if each.get("style") == "primary"
    ]
    assert labels == ([primary] if primary else [])
