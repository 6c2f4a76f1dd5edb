"""How a person is written where they can be mentioned, and where they cannot."""

from __future__ import annotations

import pytest

from bot.domain.people import GONOGO, Person


@pytest.mark.parametrize(
    ("person", "mention"),
    [
        (Person("T1", "UBO"), "<@UBO>"),
        (Person("E1", "WBO"), "<@WBO>"),
        (Person("terminal", "operator"), "operator"),
        (Person("", ""), "nobody"),
        (GONOGO, "Go/No-Go"),
    ],
)
def test_somebody_is_mentioned_where_the_workspace_knows_them(person: Person, mention: str) -> None:
    assert person.mention == mention
    assert Person.parse(str(person)) == person
