"""A refusal that knows which one word was meant has the corrected command as a button, for those
alone who may hear what there is.
"""

from __future__ import annotations

from typing import Any

import pytest

from bot.dispatch import use_cases
from bot.dispatch.typed import parse
from bot.domain.actions import Action
from bot.domain.commands import (
    Check,
    Command,
    Deploy,
    History,
    Lock,
    Quarantine,
    RollBack,
    SayLive,
    Status,
    Unlock,
    Unquarantine,
)
from bot.domain.corrected import taken
from bot.domain.people import Person
from bot.ports.talk import Answer, Intent, Place
from tests.services.conftest import PEOPLE

Team = Any
"""The fixture ``team``."""
ANA, BO = PEOPLE["ana"], PEOPLE["bo"]

MEANT: dict[str, Command] = {
    "/deploy shop v2 to production because it is time": Deploy(
        "shpo", "production", "v2", reason="it is time"
    ),
    "/deploy shop v2 to staging": Deploy("shop", "stagign", "v2"),
    "/deploy shop v2 to production with canary": Deploy(
        "shop", "production", "v2", strategy="canry"
    ),
    "/deploy shop v3 to production": Deploy("shop", "production", "V3"),
    "/deploy check shop to production": Deploy("chekc", "production", "shop"),
    "/deploy check shop v3 to production": Check("shop", "production", "V3"),
    "/deploy check shop v2 to production": Check("shop", "prod", "v2"),
    "/deploy status shop": Status("shpo"),
    "/deploy history shop production": History("shop", "produktion"),
}
AS_BO: dict[str, Command] = {
    "/deploy lock shop production for 120m because a fire": Lock(
        "shop", "produktion", "a fire", 7200
    ),
    "/deploy lock all production because a fire": Lock("", "produktion", "a fire"),
    "/deploy unlock shop production": Unlock("shpo", "production"),
    "/deploy quarantine shop v2 because a fire": Quarantine("shpo", "v2", "a fire"),
    "/deploy unquarantine shop v2 because a fire": Unquarantine("shpo", "v2", "a fire"),
    "/deploy live shop production is v2 because I looked": SayLive(
        "shop", "prod", "v2", "I looked"
    ),
    "/rollback shop in production because a fire": RollBack("shop", "prod", reason="a fire"),
}
NOT_CERTAIN: list[Command] = [
    Deploy("zebra", "production", "v2"), Deploy("shop", "moon", "v2"),
    Deploy("shop", "production", "v9"), Status("zebra"), RollBack("shop", "moon", reason="x"),
]  # fmt: skip


async def says(team: Team, by: Person, command: Command) -> Answer:
    now = team.context.now()
    intent = Intent(f"key {next(team.keys)}", command, by, Place("C2"), now)
    answer = await use_cases.carry_out(team.context, intent)
    assert answer is not None
    return answer


def line_of(answer: Answer) -> str:
    """Give the corrected line that an answer offers."""
    offered = [each for each in answer.offers if each.action == Action.RUN_CORRECTED]
    return offered[0].label if offered else ""


@pytest.mark.parametrize(("line", "asked"), MEANT.items(), ids=MEANT)
async def test_a_refusal_that_knows_what_was_meant_offers_the_corrected_command(
    team: Team, line: str, asked: Command
) -> None:
    team.ci.near = {"V3": ("v3",)}
    answer = await says(team, ANA, asked)
    assert (answer.name, line_of(answer)) == ("refusal", line)
    assert "Did you mean" in str(answer.facts["sentence"])


@pytest.mark.parametrize(("line", "asked"), AS_BO.items(), ids=AS_BO)
async def test_so_does_every_other_command_that_names_a_place_or_a_version(
    team: Team, line: str, asked: Command
) -> None:
    assert line_of(await says(team, BO, asked)) == line


@pytest.mark.parametrize("asked", NOT_CERTAIN)
async def test_where_nothing_or_several_things_are_near_there_is_no_button(
    team: Team, asked: Command
) -> None:
    answer = await says(team, ANA, asked)
    assert (answer.name, line_of(answer)) == ("refusal", "")
    assert "Did you mean" not in str(answer.facts["sentence"])


async def test_of_several_versions_that_are_near_all_are_named_and_none_is_run(team: Team) -> None:
    team.ci.near = {"v": ("v1", "v2")}
    answer = await says(team, ANA, Deploy("shop", "production", "v"))
    assert (line_of(answer), answer.facts["sentence"]) == (
        "", 'There is no tag, branch or commit "v" in acme/shop. Did you mean v1 or v2?',
    )  # fmt: skip


@pytest.mark.parametrize("stranger", [Person("T2", "UANA"), Person("T1", "UGUEST")])
async def test_a_stranger_hears_of_no_name_and_gets_no_button(team: Team, stranger: Person) -> None:
    answer = await says(team, stranger, Deploy("shpo", "production", "v2"))
    assert (line_of(answer), "shop" in str(answer.facts)) == ("", False)


async def test_the_button_runs_the_command_as_that_person_by_the_rules_of_a_typed_one(
    team: Team,
) -> None:
    for by, says_then in ((ANA, "is asked for as shop-1"), (PEOPLE["di"], "cannot ask for a dep")):
        (offer,) = (await says(team, by, Deploy("shpo", "production", "v2"))).offers
        found = taken(f"{offer.deployment} {offer.carries}", by, team.context.now())
        again = parse(found.line)
        assert again == Deploy("shop", "production", "v2")
        for _ in range(2):
            assert says_then in await team.says("", again, person=by, key=found.key)
    assert (await team.deployment("shop-1")).requested_by == ANA
