"""Whatever a deployment goes by counts while whoever gave it could give it now: the request, the
ticks, the confirmed plan.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bot.domain.actions import Action
from bot.domain.catalog import Role
from bot.domain.changes import Changes
from bot.domain.commands import (
    Acknowledge,
    Approve,
    AskLead,
    Cancel,
    ConfirmPlan,
    Deploy,
    RollBack,
    Tick,
)
from bot.domain.deployment import State
from bot.domain.errors import IntegrationError
from bot.domain.readiness import REQUESTER
from bot.services import ticks
from tests.services.conftest import PEOPLE

Team = Any
"""The fixture ``team``."""
MINUTE = timedelta(minutes=1)
LEFT = "is no member of the workspace any more"


def loses(team: Team, name: str, role: str) -> None:
    """Have somebody lose a role."""
    roles = team.context.catalog.roles
    roles[role] = Role(role, roles[role].people - {PEOPLE[name]}, roles[role].groups)


async def waits_for_approval(team: Team) -> str:
    v2: str = await team.asks_for_v2()
    await team.says("cy", Tick(v2, ("support",)))
    await team.says("bo", Acknowledge(v2))
    await team.passes()
    assert (await team.deployment(v2)).state is State.AWAITING_APPROVAL
    return v2


@pytest.mark.case("trust-2")
@pytest.mark.parametrize("how", ["leaves", "loses the right"])
async def test_what_somebody_asked_for_who_could_not_ask_for_it_now_does_not_go(
    team: Team, how: str
) -> None:
    v2 = await waits_for_approval(team)
    if how == "leaves":
        team.workspace.left.add(PEOPLE["ana"])
    else:
        loses(team, "ana", "developer")
    await team.says("bo", Approve(v2))
    await team.passes(2 * MINUTE)
    assert (await team.deployment(v2)).state is State.GATED
    assert (
        f"whoever asked for it {LEFT if how == 'leaves' else 'may not deploy any more'}"
        in await team.shown(v2)
    )
    await team.says("bo", Cancel(v2))
    await team.says("bo", Deploy("shop", "production", "v2"))
    assert (await team.deployment("shop-3")).requested_by == PEOPLE["bo"], (
        "somebody else may ask for it"
    )


@pytest.mark.case("trust-2")
async def test_an_outage_of_the_directory_holds_nothing_that_was_asked_for(team: Team) -> None:
    await team.says("ana", Deploy("shop", "staging", "v2"))
    team.workspace.away = IntegrationError("no answer", vendor="Slack")
    await team.passes(10 * MINUTE)
    assert (await team.deployment("shop-1")).state is State.VERIFIED


@pytest.mark.case("trust-2")
@pytest.mark.parametrize("how", ["leaves", "loses the role"])
async def test_a_tick_of_somebody_who_could_not_give_it_now_does_not_count_and_another_gives_it_anew(
    team: Team, how: str
) -> None:
    v2 = await waits_for_approval(team)
    if how == "leaves":
        team.workspace.left.add(PEOPLE["cy"])
    else:
        loses(team, "cy", "support")
    await team.says("bo", Approve(v2))
    await team.passes(2 * MINUTE)
    assert (await team.deployment(v2)).state is State.GATED
    why = f"this account {LEFT}" if how == "leaves" else "who gave it is not support any more"
    assert f"○ support briefed: ticked, and it does not count: {why}" in await team.shown(v2)
    team.context.catalog.roles["support"] = Role("support", frozenset({PEOPLE["di"]}))
    ((key, _title, is_ticked),) = await ticks.tickable(team.context, v2, PEOPLE["di"])
    assert (key, is_ticked) == ("support", False)
    await team.says("di", Tick(v2, ("support",)))
    await team.passes(2 * MINUTE)
    assert (await team.deployment(v2)).state is State.ROLLING_OUT


@pytest.mark.case("trust-2")
async def test_a_tick_by_somebody_whose_roles_cannot_be_looked_up_is_unknown_until_they_can(
    team: Team,
) -> None:
    v2 = await team.asks_for_v2()
    team.context.catalog.roles["support"] = Role("support", groups=frozenset({"S1"}))
    await team.says("di", Tick(v2, ("support",)))
    await team.passes(MINUTE)
    team.workspace.readable = False
    await team.passes(2 * MINUTE)
    assert (
        "? support briefed: ticked, and it does not count: which roles they "
        "hold cannot be looked up now"
    ) in await team.shown(v2)
    team.workspace.readable = True
    await team.passes(2 * MINUTE)
    assert "✓ support briefed" in await team.shown(v2)


@pytest.mark.case("trust-2")
async def test_a_plan_confirmed_by_somebody_who_could_not_confirm_it_now_is_confirmed_anew(
    team: Team,
) -> None:
    team.ci.changes = Changes(
        total=1, files=("migrations/7.sql",), migrations=("migrations/7.sql",)
    )
    v2 = await team.asks_for_v2()
    await team.says("bo", ConfirmPlan(v2, reason="wiki/7"))
    await team.passes(2 * MINUTE)
    assert Action.CONFIRM_PLAN not in (await team.card(v2)).actions
    loses(team, "bo", "release_manager")
    await team.passes(2 * MINUTE)
    assert (
        "what was confirmed does not count: who gave it is not release manager any more"
        in await team.shown(v2)
    )
    assert "confirmed already" not in await team.says("di", ConfirmPlan(v2, reason="wiki/8"))
    await team.passes(2 * MINUTE)
    assert Action.CONFIRM_PLAN not in (await team.card(v2)).actions


@pytest.mark.case("trust-2")
async def test_no_gate_tells_of_a_requester_who_may_ask(team: Team) -> None:
    v2 = await waits_for_approval(team)
    review = (await team.card(v2)).review
    assert REQUESTER not in [gate.key for gate in review.gates]


# What a refusal tells ---------------------------------------------------------------------------


@pytest.mark.case("trust-4")
async def test_a_refusal_tells_its_reason_to_nobody_whose_roles_cannot_be_looked_up_but_the_lead(
    team: Team,
) -> None:
    v2 = await team.rolls_out_v2()
    team.workspace.readable = False
    for command in (Approve("shop-99"), Deploy("shopp", "production"), RollBack(deployment=v2)):
        said = await team.says("di", command)
        assert said == (
            "Nothing was done: which roles you hold cannot be looked up now, and the reason is "
            "told to those who hold one."
        )
    assert "shop has no environment" in await team.says("bo", RollBack("shop", "prod"))


@pytest.mark.case("trust-4")
async def test_whoever_holds_no_role_asks_no_lead_to_look_and_hears_of_no_deployment(
    team: Team,
) -> None:
    v2 = await team.rolls_out_v2()
    roles = team.context.catalog.roles
    roles["developer"] = Role("developer", frozenset({PEOPLE["bo"]}))
    roles["support"] = Role("support", frozenset({PEOPLE["cy"]}))
    assert [await team.says("ana", AskLead(each)) for each in (v2, "shop-99")] == [
        "You hold no role here, so you cannot do this. People with the role developer can."
    ] * 2
    assert await team.said("ask_lead") == []
    assert "has been asked to look" in await team.says("cy", AskLead(v2))
