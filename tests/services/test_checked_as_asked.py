"""The check of a version shows the gates that its card shows once it is asked for: what keeps it
has a gate in both.
"""

from __future__ import annotations

from typing import Any

import pytest

from bot.dispatch import use_cases
from bot.domain.commands import Check, Deploy
from bot.domain.locks import Lock
from bot.domain.places import Doubt, Stray, Unclear
from bot.ports.store import Restored
from bot.ports.talk import Intent, Place
from bot.services import restoring
from tests.services.conftest import MINUTE, PEOPLE, Team

PLACE = ("shop", "production")


async def nothing(team: Team) -> None:
    await team.passes()


async def is_restored(team: Team) -> None:
    await restoring.notice(team.context, Restored(7, 12, team.context.now()), ["C0OPS"])


async def is_locked(team: Team) -> None:
    async with team.context.store.transaction() as tx:
        await tx.add_lock(Lock(*PLACE, "quarter end", PEOPLE["bo"], team.context.now()))


async def has_a_stray(team: Team) -> None:
    async with team.context.store.transaction() as tx:
        await tx.give_up(Stray(*PLACE, "run 7", "shop-0", "5", team.context.now()))


async def is_in_doubt(team: Team, kind: Unclear) -> None:
    async with team.context.store.transaction() as tx:
        await tx.cast_doubt(*PLACE, Doubt(kind, "nobody looked", team.context.now()))


@pytest.mark.parametrize(
    "happens",
    [nothing, is_restored, is_locked, has_a_stray],
    ids=lambda each: each.__name__,
)
async def test_it_has_the_gates_that_the_card_has_a_moment_later(team: Team, happens: Any) -> None:
    await happens(team)
    intent = Intent("check", Check(*PLACE, "v3"), PEOPLE["ana"], Place("C2"), team.context.now())
    answer = await use_cases.carry_out(team.context, intent)
    assert answer is not None
    checked: Any = answer.facts["gates"]
    await team.says("ana", Deploy(*PLACE, "v3"))
    await team.passes()
    async with team.context.store.reading() as reader:
        asked = next(each for each in await reader.open_deployments(*PLACE) if each.version == "v3")
    card = await team.card(asked.id)
    assert card.review is not None
    assert [(each["key"], each["state"]) for each in checked] == [
        (each.key, str(each.state)) for each in card.review.gates
    ]
    assert (happens in {is_restored, has_a_stray}) == any(
        each["title"] == "known what runs" for each in checked
    )


@pytest.mark.parametrize("kind", list(Unclear))
async def test_a_doubt_that_is_of_no_deployment_is_no_ones_own(team: Team, kind: Unclear) -> None:
    await is_in_doubt(team, kind)
    await team.passes(MINUTE)
    said = await team.says("ana", Check(*PLACE, "v3"))
    assert ("known what runs" in said) == (kind in {Unclear.STRAY, Unclear.RESTORED})
