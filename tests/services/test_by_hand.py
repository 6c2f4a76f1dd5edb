"""Where no button goes back: whose word is taken, what is let go of, and what is shown of
what keeps a deployment.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.dispatch.tables import AT_ONCE
from bot.domain.actions import Action
from bot.domain.catalog import Need
from bot.domain.changes import Changes
from bot.domain.commands import Deploy, Lock, Quarantine, RollBack, SayLive
from bot.domain.deployment import Acceptance, Kind, State
from bot.domain.live import Live
from bot.domain.places import Doubt, Hindrance, Obstacle, Unclear, is_left
from bot.domain.readiness import GateState
from bot.domain.rollout import RunState, Stage, StepState
from bot.domain.trouble import Sort, Trouble, over
from bot.services import claims, quarantine_news, readiness
from bot.services.passing import compared_with, there
from tests.services.conftest import COMMITS, MINUTE, PEOPLE

Team = Any
"""The fixtures ``team`` and ``swift``."""


async def by_hand(team: Team) -> Doubt | None:
    async with team.database.store.reading() as reader:
        present = await there(reader, "shop", "production", but=COMMITS["v1"])
    passing = await compared_with(team.context, "shop", COMMITS["v1"], present)
    async with team.database.store.reading() as reader:
        found: Doubt | None = await claims.gone_by_hand(
            team.context, reader, SayLive("shop", "production", "v1", "by hand"), passing
        )
    return found


def goes_over_a_migration(team: Team) -> None:
    team.ci.changes = Changes(total=1, files=("migrations/7.sql",))


async def test_what_is_live_and_adds_a_migration_is_gone_back_from_by_hand(swift: Team) -> None:
    assert await by_hand(swift) is None
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(4 * MINUTE)
    verified = await swift.deployment("shop-1")
    assert verified.state is State.VERIFIED
    assert await by_hand(swift) is None
    goes_over_a_migration(swift)
    found = await by_hand(swift)
    assert found is not None
    assert (found.kind, found.deployment, found.since) == (
        Unclear.FAILED,
        "shop-1",
        verified.state_since,
    )
    await swift.says("bo", Lock("shop", "production", "a sale"))
    await swift.says("ana", Deploy("shop", "production", "v3"))
    await swift.passes()
    assert (await swift.deployment("shop-2")).state is State.GATED
    waiting = await by_hand(swift)
    assert waiting is not None, "what waits has touched nothing"
    assert waiting.deployment == "shop-1"


async def test_a_rollout_over_a_migration_is_left_by_hand_once_its_numbers_are_bad(
    swift: Team,
) -> None:
    swift.ci.stages = (Stage("release", RunState.RUNNING),)
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(MINUTE)
    goes_over_a_migration(swift)
    assert await by_hand(swift) is None, "nothing is the matter with it"
    async with swift.database.store.transaction() as tx:
        await tx.save_trouble("shop-1", Trouble(1, Sort.DEGRADED, "rolling-100"))
    found = await by_hand(swift)
    assert found is not None
    assert found.deployment == "shop-1"


@pytest.mark.parametrize(
    ("kind", "state", "title"),
    [
        (Obstacle.UNCLEAR, GateState.OPEN, "known what runs"),
        (Obstacle.LOCKED, GateState.OPEN, "not locked"),
        (Obstacle.QUARANTINED, GateState.OPEN, "not quarantined"),
        (Obstacle.BACKWARDS, GateState.OPEN, "database fits"),
        (Obstacle.UNKNOWN_WAY, GateState.UNKNOWN, "database fits"),
    ],
)
async def test_what_keeps_a_deployment_is_a_gate_with_everything_that_is_known_of_it(
    team: Team, kind: Obstacle, state: GateState, title: str
) -> None:
    deployment, now = await team.deployment(await team.asks_for_v2()), team.context.now()
    async with team.database.store.reading() as reader:
        found = [
            Hindrance(kind, "a sentence", PEOPLE["bo"], now, now + MINUTE),
            Hindrance(kind, "a sentence"),
        ]
        gate, nobodys = [
            await readiness.gate_of(team.context, reader, deployment, each) for each in found
        ]
    assert (gate.key, gate.title, gate.state, gate.sentence, gate.need) == (
        str(kind),
        title,
        state,
        "a sentence",
        Need.REQUIRED,
    )
    assert (gate.who, gate.by, gate.at, gate.clears_at) == (
        str(PEOPLE["bo"]),
        PEOPLE["bo"],
        now,
        now + MINUTE,
    )
    is_gone_back_from = kind is Obstacle.BACKWARDS
    assert (nobodys.who, nobodys.by, nobodys.at, nobodys.clears_at) == (
        "release manager" if is_gone_back_from else "",
        None,
        None,
        None,
    )
    assert nobodys.how == (
        "/deploy live shop production is REF because TEXT" if is_gone_back_from else ""
    )


@pytest.mark.parametrize(
    ("state", "kind", "commit", "doubt", "leaves"),
    [
        (State.WATCHING, Kind.FORWARD, "v3", None, True),
        (State.WATCHING, Kind.FORWARD, "v2", None, False),
        (State.WATCHING, Kind.FORWARD, "v2", (Unclear.RESTORED, 0, ""), False),
        (State.ROLLING_OUT, Kind.FORWARD, "v3", None, False),
        (State.ROLLING_OUT, Kind.FORWARD, "v3", (Unclear.FAILED, 0, "shop-1"), True),
        (State.ROLLING_OUT, Kind.FORWARD, "v3", (Unclear.FAILED, 0, "shop-9"), False),
        (State.ROLLING_OUT, Kind.FORWARD, "v3", (Unclear.RESTORED, 0, ""), True),
        (State.ROLLING_OUT, Kind.FORWARD, "v3", (Unclear.RESTORED, -1, ""), False),
        (State.ROLLING_OUT, Kind.ROLLBACK, "v3", (Unclear.RESTORED, 0, ""), False),
        (State.ROLLING_BACK, Kind.FORWARD, "v3", (Unclear.RESTORED, 0, ""), False),
        (State.GATED, Kind.FORWARD, "v3", (Unclear.RESTORED, 0, ""), False),
    ],
)
async def test_what_is_let_go_of_when_something_else_is_said_to_be_live(
    swift: Team,
    state: State,
    kind: Kind,
    commit: str,
    doubt: tuple[Unclear, int, str] | None,
    *,
    leaves: bool,
) -> None:
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes()
    shown = replace(await swift.deployment("shop-1"), state=state, kind=kind)
    told = (
        Doubt(doubt[0], "nobody knows", shown.state_since + doubt[1] * MINUTE, doubt[2])
        if doubt
        else None
    )
    assert is_left(shown, told, COMMITS[commit]) is leaves


async def rolls_out_over_a_migration(swift: Team) -> None:
    """Have v2 on its way, by a run that does not end; nothing is the matter with it."""
    goes_over_a_migration(swift)
    swift.ci.stages = (Stage("release", RunState.RUNNING),)
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(MINUTE)


async def test_a_rollout_whose_trouble_is_over_is_left_by_hand_no_more_than_one_that_was_never_in_any(
    swift: Team,
) -> None:
    await rolls_out_over_a_migration(swift)
    async with swift.database.store.transaction() as tx:
        await tx.save_trouble("shop-1", over(Trouble(1, Sort.DEGRADED, "rolling-100")))
    assert await by_hand(swift) is None
    shown, said = await swift.says_live("bo", SayLive("shop", "production", "v1", "typo"))
    assert (shown, said) == (
        (
            "shop-1 is under way in shop production; what is live is changing. Wait for "
            "its end, or stop it first."
        ),
        "",
    )  # fmt: skip
    assert "/deploy cancel shop-1" in await swift.says(
        "bo", RollBack("shop", "production", reason="it is slow")
    )
    assert (await swift.deployment("shop-1")).state is State.ROLLING_OUT


@pytest.mark.parametrize("what", ["finding", "lock", "quarantine"])
async def test_what_keeps_a_rollout_over_a_migration_opens_the_way_to_say_that_one_has_gone_back(
    swift: Team, what: str
) -> None:
    await rolls_out_over_a_migration(swift)
    if what == "finding":
        async with swift.database.store.transaction() as tx:
            await tx.save_trouble("shop-1", Trouble(1, Sort.DEGRADED, "rolling-100"))
    else:
        await swift.says(
            "bo",
            Lock("shop", "production", "a sale")
            if what == "lock"
            else Quarantine("shop", "v2", "it leaks"),
        )
    assert "/deploy live shop production is REF" in await swift.says(
        "bo", RollBack("shop", "production", reason="it is slow")
    )
    shown, said = await swift.says_live("bo", SayLive("shop", "production", "v1", "went back"))
    assert "*Your word ends shop-1*, v2, which has 0 % so far. Its" in shown
    assert "run> of 100 % is under way and is given up in the middle." in shown
    assert "counts as live" in said
    assert (await swift.deployment("shop-1")).state is State.FAILED


async def test_a_word_is_bound_to_the_run_that_its_dialog_named(swift: Team) -> None:
    await rolls_out_over_a_migration(swift)
    await swift.says("bo", Lock("shop", "production", "a sale"))
    await swift.says("bo", SayLive("shop", "production", "v1", "went back"), key="typed")
    async with swift.database.store.reading() as reader:
        offer = (await reader.kept("typed")).offers[0]
        steps = await reader.steps("shop-1")
    async with swift.database.store.transaction() as tx:
        await tx.save_steps("shop-1", [replace(each, state=StepState.HOLDING) for each in steps])
    said = await swift.says("bo", AT_ONCE[Action.SAY_LIVE](offer.deployment, offer.carries))
    assert "has changed since it was shown to you" in said


async def test_where_a_commit_is_live_is_told_with_the_deployment_that_brought_it_and_its_lead(
    team: Team,
) -> None:
    await team.asks_for_v2()
    async with team.database.store.reading() as reader:
        found = await quarantine_news.where_live(team.context, reader, "shop", COMMITS["v2"])
        adopted = await quarantine_news.where_live(team.context, reader, "shop", COMMITS["v1"])
        nowhere = await quarantine_news.where_live(team.context, reader, "shop", COMMITS["v3"])
    assert [(each["environment"], each["deployment"], each["lead"]) for each in found] == [
        ("staging", "shop-1", str(PEOPLE["bo"]))
    ]
    assert [(each["environment"], each["deployment"], each["lead"]) for each in adopted] == [
        ("production", "", "")
    ]
    assert nowhere == []


async def test_a_second_quarantine_is_refused_with_the_reason_of_the_first(team: Team) -> None:
    await team.says("bo", Quarantine("shop", "v2", "it leaks"))
    assert (
        await team.says("di", Quarantine("shop", "v2", "x"))
        == "v2 is quarantined already: it leaks"
    )


@pytest.mark.parametrize(
    ("is_verified", "accepted", "proof"),
    [
        (True, "", "verified good"),
        (False, str(Acceptance.ADOPTED), f"accepted, {Acceptance.ADOPTED}"),
        (False, "", "not verified"),
    ],
)
async def test_whoever_says_that_one_went_back_by_hand_reads_what_is_known_of_what_was_there(
    swift: Team, accepted: str, proof: str, *, is_verified: bool
) -> None:
    goes_over_a_migration(swift)
    now = swift.context.now()
    async with swift.database.store.transaction() as tx:
        await tx.set_live(
            Live(
                "shop",
                "production",
                COMMITS["v2"],
                "v2",
                now,
                "",
                PEOPLE["ana"],
                now if is_verified else None,
                accepted,
            )
        )
    shown = await swift.says("bo", SayLive("shop", "production", "v1", "typo"))
    assert (
        f"*Nothing makes it unclear what runs*: v2 is {proof}. But no button goes "
        "back over migrations/7.sql"
    ) in shown


@pytest.mark.parametrize("is_unclear", [False, True])
async def test_what_has_how_many_requests_is_told_only_where_it_is_clear_what_runs(
    team_with: Any, *, is_unclear: bool
) -> None:
    async with team_with(gates=(), checklist=(), approvals=(), after="") as team:
        goes_over_a_migration(team)
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(3 * MINUTE)
        await team.says("bo", Quarantine("shop", "v2", "it leaks"))
        if is_unclear:
            async with team.database.store.transaction() as tx:
                await tx.cast_doubt(
                    "shop",
                    "production",
                    Doubt(Unclear.RESTORED, "it was put back", team.context.now()),
                )
        shown = await team.says("bo", SayLive("shop", "production", "v1", "I looked"))
        assert ("v2 (shop-1) has the others" in shown) is not is_unclear
