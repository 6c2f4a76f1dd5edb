"""What every use case stands on: one decision for one command, one name for each thing, and an
entry for whatever was done.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.domain.actions import Action
from bot.domain.commands import Deploy, Lock
from bot.domain.errors import NotPossible
from bot.domain.people import GONOGO
from bot.domain.places import Doubt, Stray, Unclear
from bot.domain.shown import Seen, seen_on, token
from bot.ports.talk import Answer, Intent, Place
from bot.services.context import (
    LOOKS,
    MovedError,
    act,
    as_shown,
    existing,
    facts_of,
    looking,
    note,
    seen,
    unclear,
)
from tests.services.conftest import COMMITS, PEOPLE

Team = Any
"""The fixture ``team``."""


async def test_whatever_was_done_is_written_down_with_who_what_about_which_deployment_and_how_it_ended(
    team: Team,
) -> None:
    await team.says("ana", Deploy("shop", "production", "v2"))
    await team.passes()
    deployment, now = await team.deployment("shop-1"), team.context.now()
    async with team.database.store.transaction() as tx:
        await note(
            tx, now, "not stopped", deployment, PEOPLE["bo"], outcome="failed", why="because"
        )
        await note(tx, now, "landed", deployment)
    async with team.database.store.reading() as reader:
        tried, by_rule = (await reader.entries("shop-1"))[-2:]
    about = {"service": "shop", "environment": "production", "commit": COMMITS["v2"]}
    assert (tried.at, tried.actor, tried.action, tried.deployment, tried.outcome) == (
        now,
        PEOPLE["bo"],
        "not stopped",
        "shop-1",
        "failed",
    )
    assert tried.facts == {**about, "why": "because"}
    assert (by_rule.actor, by_rule.outcome, by_rule.facts) == (GONOGO, "done", about)


async def test_a_command_is_decided_once_and_answered_as_it_was_when_it_comes_again(
    team: Team,
) -> None:
    intent = Intent(
        "a key", Lock("shop", "production", "x"), PEOPLE["bo"], Place("C2"), team.context.now()
    )
    decided: list[str] = []

    async def decide(_tx: object) -> Answer:
        decided.append("once")
        return Answer("locked", {"number": len(decided)})

    first = await act(team.context, intent, decide)
    assert first == Answer("locked", {"number": 1})
    again = await act(team.context, intent, decide)
    assert again is not None
    assert (again.name, dict(again.facts), decided) == ("locked", {"number": 1}, ["once"])


@pytest.mark.parametrize("moves", [0, 1, LOOKS - 1, LOOKS])
async def test_what_moves_while_it_is_looked_at_is_looked_at_again_three_times_at_most(
    moves: int,
) -> None:
    looks = 0

    async def attempt() -> str:
        nonlocal looks
        looks += 1
        if looks <= moves:
            raise MovedError
        return "decided"

    if moves == LOOKS:
        with pytest.raises(
            NotPossible, match="keeps changing while it is looked at; nothing was changed"
        ):
            await looking(attempt)
        assert looks == LOOKS
    else:
        assert await looking(attempt) == "decided"
        assert looks == moves + 1


def test_a_decision_is_about_what_was_shown_and_what_was_typed_has_seen_nothing() -> None:
    there = Seen(commit="a")
    as_shown(Action.REJECT, "", there)
    as_shown(Action.REJECT, token(Action.REJECT, there), there)
    for shown in (token(Action.REJECT, Seen(commit="b")), token(Action.CANCEL, there), "0"):
        with pytest.raises(NotPossible, match="has changed since it was shown to you"):
            as_shown(Action.REJECT, shown, there)


async def test_services_environments_and_deployments_that_are_not_there_are_told_with_the_nearest_name(
    team: Team,
) -> None:
    context = team.context
    assert context.service("shop").name == "shop"
    assert context.policy("shop", "staging").name == "staging"
    for name, says in (("shoop", "Did you mean shop"), ("zzz", "Known: shop.")):
        with pytest.raises(NotPossible, match=says):
            context.service(name)
    for name, says in (
        ("prodution", "Did you mean production"),
        ("zzz", r"Known: production, staging\."),
    ):
        with pytest.raises(NotPossible, match=says):
            context.policy("shop", name)
    nothing = replace(context, catalog=replace(context.catalog, services={}))
    with pytest.raises(NotPossible, match="None is configured"):
        nothing.service("shop")
    async with team.database.store.reading() as reader:
        with pytest.raises(NotPossible, match='I don\'t know a deployment "shop-9"'):
            await existing(reader, "shop-9")


async def test_the_facts_of_a_deployment_are_the_same_everywhere(team: Team) -> None:
    v2 = await team.deployment(await team.asks_for_v2())
    told = {
        "id": "shop-2", "service": "shop", "environment": "production",
        "version": "v2", "lead": str(PEOPLE["bo"]),
        "requested_by": str(PEOPLE["ana"]),
    }  # fmt: skip
    assert facts_of(v2) == told
    assert facts_of(replace(v2, lead=None)) == {**told, "lead": ""}
    assert team.context.items_of(v2) == {"item:support": "support briefed"}
    service, policy, providers = team.context.of(v2)
    assert (service.name, policy.name, providers) == (
        "shop",
        "production",
        team.context.providers["shop"],
    )


async def test_what_was_seen_is_what_the_card_shows(team: Team) -> None:
    v2 = await team.deployment(await team.asks_for_v2())
    async with team.database.store.reading() as reader:
        found = await seen(reader, v2)
        nobodys = await seen(reader, replace(v2, lead=None))
    card = seen_on(await team.card("shop-2"))
    for name in ("commit", "base", "strategy", "lead", "gates", "finding", "watched"):
        assert getattr(found, name) == getattr(card, name), name
    assert (found.lead, nobodys.lead) == (str(PEOPLE["bo"]), "")


async def test_why_a_place_is_unclear_is_said_and_nothing_where_it_is_clear(team: Team) -> None:
    now = team.context.now()
    async with team.database.store.transaction() as tx:
        assert await unclear(tx, "shop", "production") == ""
        await tx.cast_doubt("shop", "production", Doubt(Unclear.FAILED, "shop-1 failed", now))
        assert await unclear(tx, "shop", "production") == "shop-1 failed"
        await tx.give_up(
            Stray("shop", "production", "run 7", "shop-1", "canary-5", now - timedelta(minutes=1))
        )
        assert (await unclear(tx, "shop", "production")).startswith(
            "a run of shop-1 that was cut off"
        )
        assert await unclear(tx, "shop", "staging") == ""
