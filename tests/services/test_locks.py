"""Locks: each is taken away by itself, and whoever asks for one that is not there is
told of the one that is.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.dispatch import use_cases
from bot.dispatch.tables import AT_ONCE
from bot.domain.actions import Action
from bot.domain.commands import (
    Check,
    Deploy,
    History,
    Lock,
    Locks,
    Quarantine,
    RollBack,
    SayLive,
    Status,
    Unlock,
    Unquarantine,
)
from bot.domain.locks import Lock as Held
from bot.domain.rollout import RunState, Stage
from bot.domain.shown import Seen, token
from bot.ports.talk import Answer, Intent, Place
from bot.services import locks
from tests.services.conftest import MINUTE, PEOPLE

Team = Any
"""The fixture ``team``."""
HOUR = timedelta(hours=1)


async def holds(team: Team) -> set[str]:
    """Name the reasons of the locks that are kept."""
    async with team.database.store.reading() as reader:
        return {lock.reason for lock in await reader.locks()}


async def asked(team: Team, command: Lock | Unlock | Locks, name: str = "bo") -> Answer:
    intent = Intent(
        f"asked {command} at {team.context.now()}",
        command,
        PEOPLE[name],
        Place("C2"),
        team.context.now(),
    )
    answer = await use_cases.carry_out(team.context, intent)
    assert answer is not None
    return answer


def of_rollback(team: Team, deployment: str) -> Held:
    return Held(
        "shop",
        "production",
        f"{deployment} was rolled back",
        PEOPLE["di"],
        team.context.now(),
        deployment=deployment,
    )


async def three_locks(team: Team) -> None:
    """Lock everything in production, shop there by a rollback, and shop
    there on somebody's word.
    """
    await team.asks_for_v2()
    await team.says("bo", Lock("", "production", "an incident"))
    async with team.database.store.transaction() as tx:
        await tx.add_lock(of_rollback(team, "shop-2"))
    await team.says("bo", Lock("shop", "production", "a sale"))


async def test_a_second_lock_of_the_same_place_is_refused_with_whose_the_first_is(
    team: Team,
) -> None:
    await three_locks(team)
    assert (await team.says("di", Lock("shop", "production", "x"))).endswith(
        "is locked already, by <@UBO>: a sale"
    )
    assert (await team.says("di", Lock("", "production", "x"))).endswith(
        "is locked already, by <@UBO>: an incident"
    )
    assert await holds(team) == {"an incident", "shop-2 was rolled back", "a sale"}


async def test_only_the_lock_that_was_named_is_taken_away_and_the_others_are_told(
    team: Team,
) -> None:
    await three_locks(team)
    answer = await asked(team, Unlock("shop", "production"))
    assert (answer.name, {offer.deployment for offer in answer.offers}) == (
        "refusal",
        {"shop-2", "shop/production"},
    )
    sentence = str(answer.facts["sentence"])
    assert "has 2 locks (" in sentence
    assert {"by <@UDI>: shop-2 was rolled back", "by <@UBO>: a sale"} == set(
        sentence.partition("(")[2].partition(")")[0].split("; ")
    )
    pressed = next(offer.carries for offer in answer.offers if offer.deployment == "shop-2")
    assert pressed == token(Action.UNLOCK, Seen(lock=of_rollback(team, "shop-2").mark))
    answer = await asked(team, Unlock(deployment="shop-2", shown=pressed))
    assert (answer.name, answer.facts["reason"]) == ("unlocked", "shop-2 was rolled back")
    assert {each["reason"] for each in answer.facts["still"]} == {"an incident", "a sale"}
    answer = await asked(team, Unlock("shop", "production"))
    assert (answer.facts["reason"], [each["reason"] for each in answer.facts["still"]]) == (
        "a sale",
        ["an incident"],
    )
    assert await holds(team) == {"an incident"}


async def test_the_lock_that_somebody_typed_can_be_taken_away_before_that_of_a_rollback(
    team: Team,
) -> None:
    await three_locks(team)
    answer = await asked(team, Unlock("shop", "production"))
    typed = next(offer for offer in answer.offers if offer.deployment == "shop/production")
    command = AT_ONCE[Action.UNLOCK](typed.deployment, typed.carries)
    assert isinstance(command, Unlock)
    assert (await asked(team, command)).facts["reason"] == "a sale"
    assert await holds(team) == {"an incident", "shop-2 was rolled back"}
    assert "is not" not in await team.says("bo", command)
    assert await holds(team) == {"an incident", "shop-2 was rolled back"}, (
        "a second press takes no other lock away"
    )


def test_the_lock_of_everything_has_a_button_of_its_own_place() -> None:
    command = AT_ONCE[Action.UNLOCK]("all/production", "0")
    assert command == Unlock("", "production", shown="0")


async def test_a_button_takes_away_the_lock_that_it_was_shown_with_and_no_other(team: Team) -> None:
    await three_locks(team)
    older = replace(of_rollback(team, "shop-2"), at=team.context.now() - HOUR)
    shown = token(Action.UNLOCK, Seen(lock=older.mark))
    said = await team.says("bo", Unlock(deployment="shop-2", shown=shown))
    assert said.startswith("The lock of this rollback is gone already.")
    assert len(await holds(team)) == 3


@pytest.mark.parametrize(
    ("held", "command", "says"),
    [
        (
            (),
            Unlock("shop", "production"),
            "There is no lock on shop in production alone. /deploy locks lists what is locked.",
        ),
        (
            (),
            Unlock("", "production"),
            "There is no lock on everything in production. /deploy locks lists what is locked.",
        ),
        (
            (),
            Unlock(deployment="shop-2"),
            "The lock of this rollback is gone already. Nothing is locked there now.",
        ),
        (
            (Lock("", "production", "an incident"),),
            Unlock("shop", "production"),
            (
                "There is no lock on shop in production alone. Everything in production is locked, "
                "by <@UBO>: an incident. "
                "/deploy unlock all production takes that away."
            ),
        ),
        (
            (Lock("shop", "production", "a sale"),),
            Unlock("", "production"),
            (
                "There is no lock on everything in production. shop in production is "
                "locked, by <@UBO>: a sale. "
                "/deploy unlock shop production takes that away."
            ),
        ),
        (
            (Lock("shop", "production", "a sale"),),
            Unlock(deployment="shop-2"),
            (
                "The lock of this rollback is gone already. shop in production is "
                "locked, by <@UBO>: a sale. "
                "/deploy unlock shop production takes that away."
            ),
        ),
    ],
)
async def test_whoever_unlocks_what_is_not_locked_is_told_what_is(
    team: Team, held: tuple[Lock, ...], command: Unlock, says: str
) -> None:
    await team.asks_for_v2()
    for lock in held:
        await team.says("bo", lock)
    assert await team.says("bo", command) == says


async def test_a_lock_that_has_ended_is_none(team: Team) -> None:
    await team.says("bo", Lock("shop", "production", "a sale", 3600))
    assert [each["reason"] for each in (await asked(team, Locks(), "ana")).facts["locks"]] == [
        "a sale"
    ]
    team.engine.clock.advance(HOUR)
    assert (await asked(team, Locks(), "ana")).facts["locks"] == []
    assert (await team.says("bo", Unlock("shop", "production"))).startswith(
        "There is no lock on shop in production alone."
    )


async def test_whoever_locks_is_told_what_is_kept_from_its_next_step(team: Team) -> None:
    team.ci.stages = (Stage("release", RunState.RUNNING),)
    v2 = await team.rolls_out_v2()
    await team.says("ana", Deploy("shop", "production", "v3"))
    await team.passes()
    assert (await asked(team, Lock("shop", "production", "a sale"))).facts["under_way"] == [
        "shop v2 → production"
    ]
    assert (await asked(team, Lock("shop", "staging", "a sale"))).facts["under_way"] == []
    await team.says("bo", RollBack(deployment=v2))
    await team.passes()
    assert (await asked(team, Lock("", "production", "a sale"))).facts["under_way"] == []


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (
            Unlock("shop", "produktion"),
            'shop has no environment "produktion". Did you mean production?',
        ),
        (
            Unlock("", "produktion"),
            'No service has an environment "produktion". Did you mean production?',
        ),
        (Unlock("shp", "production"), 'I don\'t know the service "shp". Did you mean shop?'),
        (
            Lock("shop", "produktion", "x"),
            'shop has no environment "produktion". Did you mean production?',
        ),
        (
            Lock("", "produktion", "x"),
            'No service has an environment "produktion". Did you mean production?',
        ),
        (
            Deploy("shop", "produktion", "v2"),
            'shop has no environment "produktion". Did you mean production?',
        ),
        (
            RollBack("shop", "produktion", reason="x"),
            'shop has no environment "produktion". Did you mean production?',
        ),
        (
            SayLive("shop", "produktion", "v1", "x"),
            'shop has no environment "produktion". Did you mean production?',
        ),
        (
            Check("shop", "produktion", "v2"),
            'shop has no environment "produktion". Did you mean production?',
        ),
        (
            History("shop", "produktion"),
            'shop has no environment "produktion". Did you mean production?',
        ),
        (Status("shp"), 'I don\'t know the service "shp". Did you mean shop?'),
        (Quarantine("shp", "v2", "x"), 'I don\'t know the service "shp". Did you mean shop?'),
        (Unquarantine("shp", "v2", "x"), 'I don\'t know the service "shp". Did you mean shop?'),
    ],
)
async def test_a_place_that_is_not_there_is_answered_with_the_nearest_one_at_every_door(
    team: Team, command: Any, says: str
) -> None:
    assert await team.says("bo", command) == says


async def test_whoever_locks_is_told_what_waits_and_does_not_begin(team: Team) -> None:
    v2 = await team.asks_for_v2()
    said = await team.says("bo", Lock("shop", "production", "a sale"))
    assert f"{(await team.deployment(v2)).title} does not begin before that is over." in said


async def test_an_environment_that_no_service_has_cannot_be_locked(team: Team) -> None:
    assert (
        await team.says("bo", Lock("", "nowhere", "x"))
        == 'No service has an environment "nowhere". Known: production, staging.'
    )
    assert 'no environment "nowhere"' in await team.says("bo", Lock("shop", "nowhere", "x"))
    assert await holds(team) == set()


async def test_each_lock_and_its_end_are_in_the_log_with_everything_about_them(team: Team) -> None:
    await team.says("bo", Lock("shop", "production", "a sale", 3600))
    async with team.database.store.reading() as reader:
        (lock,) = await reader.locks()
    await team.says("di", Unlock("shop", "production"))
    async with team.database.reader.begin() as connection:
        rows = (
            await connection.exec_driver_sql(
                "SELECT actor, action, deployment, facts FROM audit WHERE action LIKE '%lock'"
            )
        ).all()
    assert [(row[0], row[1], row[2]) for row in rows] == [
        (str(PEOPLE["bo"]), "lock", ""),
        (str(PEOPLE["di"]), "unlock", ""),
    ]
    assert [json.loads(row[3]) for row in rows] == [locks.facts_of_lock(lock)] * 2


async def test_what_waits_looks_again_when_a_lock_comes_or_goes(team: Team) -> None:
    v2 = await team.asks_for_v2()

    async def signals() -> int:
        return int((await team.database.journal.get(v2)).wakes)

    before = await signals()
    await team.says("bo", Lock("shop", "production", "a sale"))
    await team.says("bo", Unlock("shop", "production"))
    assert await signals() >= before + 2
    await team.passes(MINUTE)


async def test_the_button_of_an_older_lock_of_everything_names_the_one_that_is_there_now_and_none_of_a_service(
    team: Team,
) -> None:
    await team.says("bo", Lock("shop", "production", "a sale"))
    await team.says("bo", Lock("", "production", "incident 8"))
    async with team.database.store.reading() as reader:
        now = next(lock for lock in await reader.locks("", "production") if not lock.service)
    older = replace(now, at=now.at - HOUR)
    said = await team.says(
        "bo", Unlock("", "production", shown=token(Action.UNLOCK, Seen(lock=older.mark)))
    )
    assert "Everything in production is locked, by <@UBO>: incident 8." in said
    assert len(await holds(team)) == 2
