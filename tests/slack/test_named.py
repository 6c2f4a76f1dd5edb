"""Who is meant on a card: everybody is mentioned once, and called something
afterwards that says who it is.
"""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from bot.domain.card import Card
from bot.domain.deployment import State
from bot.domain.keeping import LetGo
from bot.domain.readiness import Gate, GateState, Review
from bot.slack.cards import deployment_card
from tests.slack.test_cards import (
    BO,
    CY,
    HEALTHY,
    LANDED,
    MINUTE,
    NOW,
    RUNS,
    WORDS,
    D,
    H,
    P,
    card,
    steps,
    texts,
)


def read(shown: Card) -> str:
    return re.sub(
        r"<!date\^\d+\^[^|]*\|([^>]*)>",
        r"\1",
        "\n".join(texts(deployment_card(shown, WORDS).blocks)),
    )


def test_a_name_that_was_said_in_another_line_is_said_again() -> None:
    gates = (
        Gate("item:qa", "looked at", GateState.GREEN, "ticked", by=CY),
        Gate(
            "rollback",
            "way back",
            GateState.GREEN,
            "v1.2.0 takes its own plan, confirmed: drop column b",
            by=CY,
            plan="7.sql",
        ),
    )
    waits = card(State.AWAITING_APPROVAL, review=Review(NOW, gates))
    waits = replace(waits, rollback=replace(waits.rollback, plan="7.sql", refused="No."))
    shown = read(waits)
    assert "drop column b (<@UCY>)" in shown
    assert "the same person" not in shown


def test_a_gate_names_whoever_quarantined_it_also_where_they_lead_this() -> None:
    gate = Gate(
        "quarantined",
        "not quarantined",
        GateState.OPEN,
        "v1.2.0 is quarantined: it leaks",
        who="T1/UBO",
    )
    assert "<@UBO> quarantined it" in read(card(State.GATED, review=Review(NOW, (gate,))))


def test_after_a_word_the_second_line_names_the_lead() -> None:
    word = LetGo(BO, "a campaign", "canary-25", 25)
    shown = read(card(State.ROLLING_OUT, RUNS, steps=steps(D, H, P), snapshot=HEALTHY, let_go=word))
    assert "lead <@UBO>" in shown
    assert "lead the lead" not in shown


@pytest.mark.parametrize("state", [State.VERIFIED, State.ACCEPTED])
@pytest.mark.parametrize("doubt", ["", "v1.1.0 still got requests"])
def test_what_was_away_is_live_since_it_is_live_again(state: State, doubt: str) -> None:
    again = NOW + 30 * MINUTE
    accepted = {"accepted": "on the lead's word"} if state is State.ACCEPTED else {}
    shown = read(card(state, {**LANDED, **accepted}, live_since=again, doubt=doubt)).splitlines()[0]
    assert "10:32" in shown
    assert "10:02" not in shown
