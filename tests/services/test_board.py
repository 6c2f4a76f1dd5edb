"""What the card, the history and the board say of what went before and of what is still to come."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.dispatch import use_cases
from bot.domain.commands import Deploy, History, Lock, RollBack, Unlock
from bot.domain.declared import Declared, Origin
from bot.domain.deployment import Kind, State
from bot.domain.live import Live
from bot.domain.rollout import RunState, Stage, Step, StepState
from bot.ports.store import NewDeployment
from bot.ports.talk import Intent, Place
from bot.queries import board, history
from tests.services.conftest import COMMITS, MINUTE, PEOPLE

Team = Any
"""The fixtures ``team`` and ``swift``."""
SECOND = timedelta(seconds=1)


async def happened(team: Team, *, deployments: int = 0, words: int = 0) -> None:
    """Have so many things in the history of production, a minute between each two."""
    for number in range(deployments + words):
        at = team.context.now() + number * MINUTE
        async with team.database.store.transaction() as tx:
            if number < deployments:
                asked = NewDeployment(
                    Kind.FORWARD,
                    "shop",
                    "production",
                    f"v{number}",
                    "canary",
                    PEOPLE["ana"],
                    at,
                    version=f"v{number}",
                )
                await tx.add_deployment(asked)
            else:
                word = Declared(
                    "shop",
                    "production",
                    COMMITS["v1"],
                    f"v{number}",
                    Origin.SAID,
                    PEOPLE["bo"],
                    at,
                    "I looked",
                )
                await tx.set_live(
                    Live(
                        "shop",
                        "production",
                        COMMITS["v1"],
                        f"v{number}",
                        at,
                        "",
                        PEOPLE["bo"],
                        declared=word,
                    )
                )


@pytest.mark.parametrize(
    ("deployments", "words", "shown", "older"),
    [
        (9, 0, 9, False),
        (10, 0, 10, False),
        (11, 0, 10, True),
        (9, 1, 10, False),
        (9, 2, 10, True),
        (0, 11, 10, True),
    ],
)
async def test_a_history_lists_the_newest_ten_and_says_whether_there_are_older_ones(
    team: Team, deployments: int, words: int, shown: int, *, older: bool
) -> None:
    await happened(team, deployments=deployments, words=words)
    answer = await history.history(
        team.context,
        Intent("k", History("shop"), PEOPLE["ana"], Place("C2"), team.context.now()),
        History("shop", "production"),
    )
    last = deployments + words - 1
    assert [each["version"] for each in answer.facts["deployments"]] == [
        f"v{last - number}" for number in range(shown)
    ]
    assert answer.facts["older"] is older


async def test_the_card_of_what_was_replaced_names_what_came_right_after_it_whatever_came_later(
    swift: Team,
) -> None:
    for version in ("v2", "v3", "v2"):
        await swift.says("ana", Deploy("shop", "production", version))
        await swift.passes(4 * MINUTE)
    first, second, third = [await swift.card(f"shop-{number}") for number in (1, 2, 3)]
    assert [first.replaced_by, second.replaced_by, third.replaced_by] == ["v3", "v2", ""]
    assert [first.replaced_at, second.replaced_at] == [
        second.deployment.landed_at,
        third.deployment.landed_at,
    ]
    assert [first.declared, third.replaced_at] == [None, None]


async def drawn_again(team: Team, live: Live) -> set[str]:
    """Put something live, and say whose cards are drawn again by that."""
    async with team.database.store.transaction() as tx:
        await tx.set_live(live)
        return {each for each in tx.cards if each}


def went_live(team: Team, version: str, by: str = "", word: str = "") -> Live:
    now = team.context.now()
    said = (
        Declared(
            "shop", "production", COMMITS[version], version, Origin.SAID, PEOPLE[word], now, "x"
        )
        if word
        else None
    )
    return Live(
        "shop", "production", COMMITS[version], version, now, by, PEOPLE["bo"], declared=said
    )


async def test_only_the_card_of_what_is_replaced_is_drawn_again_when_something_else_goes_live(
    swift: Team,
) -> None:
    for version in ("v2", "v3", "v2"):
        await swift.says("ana", Deploy("shop", "production", version))
        await swift.passes(4 * MINUTE)
    assert await drawn_again(swift, went_live(swift, "v1", by="shop-9")) == {"shop-3"}
    assert await drawn_again(swift, went_live(swift, "v3", by="shop-10")) == {"shop-2"}, (
        "it brought the same commit"
    )


async def test_what_is_put_back_stands_again_and_names_what_replaces_it_then(swift: Team) -> None:
    for version in ("v2", "v3"):
        await swift.says("ana", Deploy("shop", "production", version))
        await swift.passes(4 * MINUTE)
    assert (await swift.card("shop-1")).replaced_by == "v3"
    await swift.rolls_back("bo", RollBack("shop", "production", reason="errors"))
    await swift.passes(2 * MINUTE)
    assert (await swift.card("shop-1")).replaced_by == ""
    await drawn_again(swift, went_live(swift, "v1", by="shop-9"))
    assert (await swift.card("shop-1")).replaced_by == "v1"
    assert "v2 was live again from" in await swift.shown("shop-2")
    assert "replaced by v1" in await swift.shown("shop-2")
    await drawn_again(swift, went_live(swift, "v3", by="shop-10"))
    assert "replaced by v1" in await swift.shown("shop-2")
    assert "v3 is live" not in await swift.shown("shop-2")


async def test_that_one_has_gone_back_by_hand_is_said_on_the_card_with_a_name(swift: Team) -> None:
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(4 * MINUTE)
    await drawn_again(swift, went_live(swift, "v1", word="bo"))
    says = (
        "was live from 2026-11-21 02:00 UTC; <@UBO> said 2026-11-21 02:04 "
        "UTC that v1 was live instead"
    )
    assert says in await swift.shown("shop-1")
    await drawn_again(swift, went_live(swift, "v3", by="shop-9"))
    assert says in await swift.shown("shop-1"), "what came later is on the cards of what came later"


@pytest.mark.parametrize("on_call", ["bo", "cy", None])
async def test_the_card_says_until_when_its_lead_is_on_call_or_that_somebody_else_is(
    team: Team, on_call: str | None
) -> None:
    v2 = await team.rolls_out_v2()
    team.rota.person = PEOPLE[on_call] if on_call else None
    card = await team.card(v2)
    is_lead = on_call == "bo"
    assert card.on_call_until == (team.context.now() + timedelta(hours=8) if is_lead else None)
    assert card.can_be_taken_over == (on_call == "cy")


async def test_nobody_is_asked_who_is_on_call_for_what_is_over(swift: Team) -> None:
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(4 * MINUTE)
    card = await swift.card("shop-1")
    assert (card.deployment.state, card.on_call_until, card.can_be_taken_over) == (
        State.VERIFIED,
        None,
        False,
    )


async def test_while_it_is_watched_the_card_says_until_when_and_when_its_summary_comes(
    team_with: Any,
) -> None:
    free: dict[str, Any] = {
        "gates": (),
        "checklist": (),
        "approvals": (),
        "after": "",
        "strategy": "rolling",
        "watch": 60 * MINUTE,
    }
    async with team_with(**free, summary_after=10 * MINUTE) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(2 * MINUTE)
        card = await team.card("shop-1")
        landed = card.deployment.landed_at
        assert (card.watch_until, card.next_summary_at) == (
            landed + 60 * MINUTE,
            landed + 10 * MINUTE,
        )
        await team.passes(10 * MINUTE)
        assert (await team.card("shop-1")).next_summary_at is None


RUNS = Stage("release", RunState.RUNNING)


async def took(team: Team, key: str, *seconds: int) -> None:
    """Have a step in production that took so long before."""
    now = team.context.now()
    for number, each in enumerate(seconds):
        earlier = NewDeployment(
            Kind.FORWARD, "shop", "production", "v0", "canary", PEOPLE["ana"], now
        )
        async with team.database.store.transaction() as tx:
            id = (await tx.add_deployment(earlier)).id  # noqa: A001 - what it is
            stage = Stage("release", RunState.SUCCEEDED, now, now + each * SECOND)
            began = now - each * SECOND
            step = Step(
                number,
                key,
                5,
                MINUTE,
                StepState.DONE,
                "run",
                started_at=began,
                deployed_at=now,
                stages=(stage,),
            )
            await tx.save_steps(id, [step])


async def test_what_a_rollout_still_needs_is_estimated_from_what_nine_of_ten_of_its_steps_took_at_most(
    team: Team,
) -> None:
    team.ci.stages = (RUNS,)
    v2 = await team.rolls_out_v2()
    await took(team, "canary-5", 10, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200)
    await took(team, "canary-100", 30)
    assert (await team.card(v2)).about_left == (200 + 30) * SECOND + 15 * MINUTE


@pytest.mark.parametrize(("seen", "usual"), [(2, {}), (3, {"release": 28 * SECOND})])
async def test_how_long_a_stage_takes_is_known_from_three_on(
    team: Team, seen: int, usual: dict[str, timedelta]
) -> None:
    team.ci.stages = (RUNS,)
    v2 = await team.rolls_out_v2()
    await took(team, "canary-5", *(10, 20, 30)[:seen])
    assert (await team.card(v2)).stages_take == usual


async def test_the_board_shows_the_locks_that_hold_and_the_freeze_that_is_in_force(
    team: Team,
) -> None:
    await team.says("bo", Lock("shop", "production", "a sale", 3600))
    await team.says("bo", Lock("", "production", "an incident"))
    staging, production = await board.rows(team.context)
    assert [(row.service, row.environment) for row in (staging, production)] == [
        ("shop", "staging"),
        ("shop", "production"),
    ]
    assert (staging.locks, {lock.reason for lock in production.locks}) == (
        (),
        {"a sale", "an incident"},
    )
    await team.passes(61 * MINUTE)
    await team.says("bo", Unlock("", "production"))
    assert [row.locks for row in await board.rows(team.context, "shop")] == [(), ()]


async def test_questions_name_what_is_not_known_instead_of_answering_nothing(team: Team) -> None:
    intent = Intent("k", History("shop"), PEOPLE["ana"], Place("C2"), team.context.now())
    for asked in (History("shoop"), History("shop", "prodution")):
        answer = await use_cases.carry_out(
            team.context, replace(intent, key=str(asked), command=asked)
        )
        assert answer is not None
        assert (answer.name, "Did you mean" in str(answer.facts["sentence"])) == ("refusal", True)


async def test_a_row_of_the_board_has_every_fact_of_what_is_live_and_none_where_nothing_is(
    swift: Team,
) -> None:
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(4 * MINUTE)
    await swift.says("bo", Lock("shop", "production", "a sale", 3600))
    (_, row) = await board.rows(swift.context)
    facts, live = board.facts_of_row(row), row.live
    assert live is not None
    told = {
        "service": "shop", "environment": "production", "version": "v2",
        "since": live.since.isoformat(), "by": str(PEOPLE["ana"]),
        "deployment": "shop-1", "quarantined": "", "declared": None,
        "unclear": "", "frozen_until": "", "frozen_because": "",
    }  # fmt: skip
    assert {key: facts[key] for key in told} == told
    assert facts["snapshot"]["verdict"] == "healthy"
    assert [lock["reason"] for lock in facts["locks"]] == ["a sale"]
    assert facts["open"] == []
    now = swift.context.now()
    word = Declared(
        "shop", "production", COMMITS["v2"], "v2", Origin.SAID, PEOPLE["bo"], now, "I looked"
    )
    other = replace(
        row, live=replace(live, declared=word), frozen_until=now,
        frozen_because="a sale", unclear="nobody knows", quarantined="it leaks",
        snapshot=None,
    )  # fmt: skip
    found = board.facts_of_row(other)
    assert found["declared"] == {
        "origin": "said",
        "by": str(PEOPLE["bo"]),
        "at": now.isoformat(),
        "reason": "I looked",
    }
    assert (found["frozen_until"], found["frozen_because"]) == (now.isoformat(), "a sale")
    assert (found["unclear"], found["quarantined"], found["snapshot"]) == (
        "nobody knows",
        "it leaks",
        None,
    )
    nothing = board.facts_of_row(replace(row, live=None))
    assert [nothing[key] for key in ("version", "since", "by", "deployment", "declared")] == [
        "",
        "",
        "",
        "",
        None,
    ]


async def test_a_line_of_the_history_tells_who_asked_who_leads_and_who_undid_it(team: Team) -> None:
    v2 = await team.rolls_out_v2(2 * MINUTE)
    await team.says("bo", RollBack(deployment=v2, reason="carts are lost"))
    await team.passes(MINUTE)
    intent = Intent("k", History("shop"), PEOPLE["ana"], Place("C2"), team.context.now())
    answer = await history.history(team.context, intent, History("shop", "production"))
    back, undone = answer.facts["deployments"]
    shown = (
        "id",
        "kind",
        "version",
        "state",
        "by",
        "lead",
        "note",
        "reason",
        "undoes",
        "undone_by",
        "ended_by",
    )
    bo = str(PEOPLE["bo"])
    assert [back[key] for key in shown] == [
        "shop-3",
        "rollback",
        "v1",
        "verified",
        bo,
        bo,
        "",
        "carts are lost",
        v2,
        "",
        "",
    ]
    assert [undone[key] for key in shown] == [
        v2,
        "forward",
        "v2",
        "rolled back",
        str(PEOPLE["ana"]),
        bo,
        "carts are lost",
        "",
        "",
        bo,
        "",
    ]
    assert (undone["snapshot"]["verdict"], undone["environment"]) == ("healthy", "production")
    assert (answer.facts["service"], answer.facts["environment"], answer.facts["doubts"]) == (
        "shop",
        "production",
        [],
    )
