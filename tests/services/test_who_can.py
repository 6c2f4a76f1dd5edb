"""A refusal names people who can do it, and offers only what this person can do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.domain.actions import Action
from bot.domain.commands import Approve, Lock, RollBack, Watch
from bot.domain.errors import NotAllowed, Offer
from bot.domain.people import Person
from bot.services import refusals
from tests.services.conftest import CATALOG, PEOPLE

Team = Any
"""The fixture ``team``."""


@pytest.mark.case("card-and-people-14")
async def test_a_refusal_names_members_of_the_role(team: Team) -> None:
    v2 = await team.asks_for_v2()
    said = await team.says("cy", Lock("shop", "production", "x"))
    assert said == (
        "You cannot lock an environment. People with the role release manager "
        "can. Now: <@UBO> and <@UDI>."
    )
    assert (await team.says("ana", Approve(v2))).endswith(
        "with the role release manager. Now: <@UBO> and <@UDI>."
    )


@pytest.mark.case("card-and-people-14")
@pytest.mark.parametrize(
    ("members", "says"),
    [(3, "<@U1>, <@U2> and <@U3>."), (4, "<@U1>, <@U2>, <@U3> and 1 other."), (0, "")],
)
async def test_of_many_people_a_few_are_named_and_the_others_counted(
    team: Team, members: int, says: str
) -> None:
    crowd = frozenset(Person("T1", f"U{number}") for number in range(1, members + 1))
    roles = {
        **CATALOG.roles,
        "release_manager": replace(
            CATALOG.roles["release_manager"], people=crowd, groups=frozenset()
        ),
    }
    people = type(team.context.people)(replace(CATALOG, roles=roles), team.workspace)
    answer = await refusals.told(
        replace(team.context, people=people),
        PEOPLE["cy"],
        NotAllowed("No.", roles=["release_manager"]),
    )
    found = answer.facts
    assert (len(found["people"]), found["more"]) == (min(members, 3), max(0, members - 3))
    assert says in team.words.text("answers/refusal", found)


@pytest.mark.case("card-and-people-14")
async def test_a_group_that_is_gone_takes_nothing_from_the_refusal(team: Team) -> None:
    team.workspace.readable, team.workspace.gone = False, True
    said = await team.says("cy", Lock("shop", "production", "x"))
    assert (
        said
        == "You cannot lock an environment. People with the role release manager can. Now: <@UBO>."
    )


TAKE_OVER = Offer(Action.TAKE_OVER, "Take over as on-call…", "shop-2")


@pytest.mark.case("card-and-people-13")
@pytest.mark.parametrize(
    ("on_call", "away", "by", "offered", "named"),
    [
        ("di", False, "di", True, ""), ("di", False, "cy", False, "T1/UDI"),
        (None, False, "cy", False, ""), ("di", True, "cy", True, ""),
    ],
)  # fmt: skip
async def test_taking_over_is_offered_to_whoever_is_on_call(
    team: Team, *, on_call: str | None, away: bool, by: str, offered: bool, named: str
) -> None:
    await team.rolls_out_v2()
    team.rota.person, team.rota.away = PEOPLE[on_call] if on_call else None, away
    answer = await refusals.told(
        team.context, PEOPLE[by], NotAllowed("Only the lead can.", TAKE_OVER)
    )
    assert ((TAKE_OVER in answer.offers), answer.facts["on_call"]) == (offered, named)


@pytest.mark.case("card-and-people-13")
async def test_a_refusal_says_who_can_take_over(team: Team) -> None:
    v2 = await team.rolls_out_v2()
    team.rota.person = PEOPLE["di"]
    for command in (RollBack(deployment=v2), Watch(v2)):
        assert (await team.says("cy", command)).endswith("<@UDI> is on call and can take over.")
        assert "is on call" not in await team.says("di", command)
