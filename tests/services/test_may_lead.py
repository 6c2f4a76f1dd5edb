"""Who can be a lead: one rule at every door that makes somebody one, and at every door at which a
lead lets something go forward.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.dispatch.doors import Doors
from bot.domain.actions import Action
from bot.domain.commands import (
    Command,
    Deploy,
    HandOver,
    OpenGate,
    Proceed,
    RollBack,
    SayLive,
    StopCountdown,
    TakeOver,
    Watch,
)
from bot.domain.deployment import State
from bot.domain.errors import Refusal
from bot.domain.people import Person
from bot.domain.places import Doubt, Unclear
from bot.domain.rollout import RunState, Stage
from tests.services.conftest import BAD, PEOPLE, Quiet

Team = Any
"""The fixture ``team``."""
MINUTE = timedelta(minutes=1)
DI = PEOPLE["di"]


def without_a_role(team: Team, *people: Person) -> None:
    """Take every role from some people."""
    for name, role in list(team.context.catalog.roles.items()):
        groups = frozenset() if DI in people else role.groups
        team.context.catalog.roles[name] = replace(
            role, people=role.people - {*people}, groups=groups
        )


MAKES_A_LEAD: dict[str, Callable[[Team, str], Awaitable[str]]] = {
    "at the request": lambda team, _: team.says("ana", Deploy("shop", "staging", "v3", lead="UDI")),
    "handed over by the lead": lambda team, v2: team.says("bo", HandOver(v2, "UDI")),
    "handed over by a release manager": lambda team, v2: team.says("cy", HandOver(v2, "UDI")),
    "taken over": lambda team, v2: team.says("di", TakeOver(v2, "I am here")),
}


@pytest.mark.case("races-12", "trust-2")
@pytest.mark.parametrize("door", MAKES_A_LEAD)
@pytest.mark.parametrize("right", ["", "a role", "on call"])
async def test_nobody_without_a_role_or_the_shift_becomes_a_lead_by_any_door(
    team: Team, door: str, right: str
) -> None:
    v2 = await team.rolls_out_v2(MINUTE)
    without_a_role(team, DI)
    manager = team.context.catalog.roles["release_manager"]
    team.context.catalog.roles["release_manager"] = replace(
        manager, people=frozenset({PEOPLE["bo"], PEOPLE["cy"]})
    )
    if right == "a role":
        developers = team.context.catalog.roles["developer"]
        team.context.catalog.roles["developer"] = replace(
            developers, people=developers.people | {DI}
        )
    team.rota.person = DI if right == "on call" else PEOPLE["bo"]
    before = {each.id for each in await open_now(team)}
    said = await MAKES_A_LEAD[door](team, v2)
    leads = [each.lead for each in await open_now(team) if each.id == v2 or each.id not in before]
    may = right == "on call" or (right == "a role" and door != "taken over")
    assert (DI in leads) is may, said


async def open_now(team: Team) -> Any:
    async with team.database.store.reading() as reader:
        return await reader.open_deployments("shop")


async def degraded(team: Team) -> str:
    v2: str = await team.rolls_out_v2(5 * MINUTE)
    team.numbers.new = BAD
    await team.passes(2 * MINUTE)
    return v2


async def at_a_gate(team: Team) -> str:
    team.ci.stages = (Stage("approve", RunState.WAITING, passable=True),)
    v2: str = await team.rolls_out_v2(5 * MINUTE)
    return v2


async def watched(team: Team) -> str:
    v2: str = await team.rolls_out_v2(20 * MINUTE)
    return v2


async def in_doubt(team: Team) -> str:
    v2 = await watched(team)
    async with team.database.store.transaction() as tx:
        await tx.cast_doubt(
            "shop",
            "production",
            Doubt(Unclear.RESTORED, "the database was put back", team.context.now()),
        )
    return v2


FORWARD: dict[str, tuple[Callable[[Team], Awaitable[str]], Callable[[str], Command]]] = {
    "lets it go on": (degraded, lambda v2: Proceed(v2, "a campaign")),
    "stops the countdown": (degraded, lambda v2: StopCountdown(v2, "a campaign")),
    "says that it is watched": (watched, Watch),
    "opens the pipeline's gate": (at_a_gate, OpenGate),
    "hands over": (watched, lambda v2: HandOver(v2, "UCY")),
    "says what is live": (in_doubt, lambda _v2: SayLive("shop", "production", "v1", "I looked")),
}


@pytest.mark.case("trust-2")
@pytest.mark.parametrize("deed", FORWARD)
async def test_a_lead_who_has_lost_every_role_lets_nothing_go_forward(
    team: Team, deed: str
) -> None:
    prepare, command = FORWARD[deed]
    v2 = await prepare(team)
    without_a_role(team, PEOPLE["bo"])
    team.rota.person = PEOPLE["cy"]
    said = await team.says("bo", command(v2))
    assert said.startswith(
        "You lead shop v2 → production, but no role of yours may deploy any more, and you "
        "are not on call for shop."
    )
    assert f"handed over: /deploy lead {v2} @user." in said
    team.rota.person = PEOPLE["bo"]
    assert "but no role of yours" not in await team.says("bo", command(v2)), (
        "whoever is on call needs no role"
    )


@pytest.mark.case("trust-2")
@pytest.mark.parametrize("action", [Action.PROCEED, Action.STOP_COUNTDOWN])
async def test_no_dialog_asks_them_why(team: Team, action: Action) -> None:
    v2 = await degraded(team)
    without_a_role(team, PEOPLE["bo"])
    team.rota.person = PEOPLE["cy"]
    with pytest.raises(Refusal, match="but no role of yours may deploy any more"):
        await Doors(team.context, Quiet()).may_ask(action, v2, PEOPLE["bo"])


@pytest.mark.case("reliability-1", "trust-2")
async def test_a_lead_who_has_lost_every_role_still_rolls_back(team: Team) -> None:
    v2 = await degraded(team)
    without_a_role(team, PEOPLE["bo"])
    team.rota.person = PEOPLE["cy"]
    assert "Rolling shop in production back to *v1*." in await team.says(
        "bo", RollBack(deployment=v2, reason="errors")
    )
    await team.passes(2 * MINUTE)
    assert (await team.deployment(v2)).state is State.ROLLED_BACK
