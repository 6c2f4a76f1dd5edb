"""The button with the corrected command, at the door: one person's, once, and read as if typed."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from bot.domain.actions import Action
from bot.domain.commands import Check, RollBack, Status
from bot.domain.corrected import offered
from bot.domain.people import Person
from tests.handlers.conftest import NOW, TEAM, click

if TYPE_CHECKING:
    from datetime import datetime

    from tests.handlers.conftest import Door

ANA = Person(TEAM, "UANA")


def button_in(text: str) -> dict[str, Any]:
    """Find the one button of an answer."""
    rows = [block for block in json.loads(text)["blocks"] if block["type"] == "actions"]
    [button] = [element for row in rows for element in row["elements"]]
    assert isinstance(button, dict)
    return button


def pressed(line: str, by: Person = ANA, at: datetime = NOW) -> dict[str, Any]:
    (offer,) = offered(line, by, at, "the typed one")
    return click(Action.RUN_CORRECTED, f"{offer.deployment} {offer.carries}")


@pytest.mark.parametrize(
    ("slash", "typed", "label", "command"),
    [
        ("/deploy", "stauts storefront", "/deploy status storefront", Status("storefront")),
        (
            "/deploy", "chekc storefront to production", "", None,
        ),
        (
            "/deploy", "chekc storefront v1 to production",
            "/deploy check storefront v1 to production", Check("storefront", "production", "v1"),
        ),
        (
            "/rollback", "storefront production becuase it &lt; burns",
            "/rollback storefront production because it < burns",
            RollBack("storefront", "production", reason="it < burns"),
        ),
    ],
)  # fmt: skip
async def test_a_line_with_one_misspelt_word_is_answered_with_a_button_that_runs_the_right_one(
    door: Door, slash: str, typed: str, label: str, command: object
) -> None:
    reply = await door.command(typed, slash)
    if command is None:
        assert len(door.accepted) == 1, "this can be a service, and is looked up"
        return
    assert (reply.status, door.accepted) == (200, [])
    assert json.loads(reply.text)["response_type"] == "ephemeral"
    assert "Did you mean" in reply.text
    button = button_in(reply.text)
    assert (button["text"]["text"], button["action_id"]) == (label, "gonogo.run_corrected")
    assert (await door.interaction(click(Action.RUN_CORRECTED, button["value"]))).status == 200
    [intent] = door.accepted
    assert (intent.command, intent.by) == (command, ANA)
    assert intent.place.channel == "C1"


async def test_a_button_that_is_pressed_twice_runs_its_command_once(door: Door) -> None:
    for trigger in ("t1", "t2", "t3"):
        reply = await door.interaction({**pressed("/deploy status"), "trigger_id": trigger})
        assert (reply.status, reply.text) == (200, "")
    assert [intent.command for intent in door.accepted] == [Status()]


@pytest.mark.parametrize(
    ("by", "minutes", "says"),
    [
        (Person(TEAM, "UBO"), 0, "This was offered to somebody else."),
        (Person("T2", "UANA"), 0, "This was offered to somebody else."),
        (ANA, 20, "This was offered 20 minutes ago; nothing was done."),
    ],
)
async def test_a_button_of_somebody_else_and_an_old_one_are_refused_and_nothing_is_stored(
    door: Door, by: Person, minutes: int, says: str
) -> None:
    reply = await door.interaction(pressed("/deploy status", by, NOW - timedelta(minutes=minutes)))
    assert reply.status == 200
    await door.intake.close()
    assert [says in str(each) for each in door.slack.state.ephemerals] == [True]
    assert door.accepted == []


@pytest.mark.parametrize(
    "value", ["0123456789abcdef T1/UANA 1 rm -rf /", "x y z", "0123456789abcdef"]
)
async def test_what_carries_no_line_of_ours_does_nothing(door: Door, value: str) -> None:
    assert (await door.interaction(click(Action.RUN_CORRECTED, value))).status == 200
    assert door.accepted == []


async def test_help_that_was_meant_is_shown_to_the_person_alone(door: Door) -> None:
    await door.interaction(pressed("/deploy help lock"))
    await door.intake.close()
    assert "/deploy lock SERVICE|all ENVIRONMENT" in str(door.slack.state.ephemerals)
    assert door.accepted == []
