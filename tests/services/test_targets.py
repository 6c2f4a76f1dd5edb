"""What a rollback goes back to: by no button to what was worse itself, and first
to what was there before.
"""

from __future__ import annotations

from typing import Any

import pytest

from bot.domain.actions import Action
from bot.domain.catalog import AutomaticGate, AutomaticRollback, GateKind
from bot.domain.changes import Changes
from bot.domain.commands import Check, Deploy, GoNow, Proceed, RollBack, SayLive, Unlock
from bot.domain.declared import Declared, Left, Origin
from bot.domain.deployment import Acceptance, State
from bot.domain.live import Live
from bot.domain.places import Doubt, Unclear
from bot.domain.rollout import RunState
from bot.domain.trouble import Sort, Trouble
from bot.services.offers import why_not_by_rule
from tests.services.conftest import BAD, COMMITS, GOOD, MINUTE, PEOPLE, Team

QUICK: dict[str, Any] = {
    "gates": (AutomaticGate(GateKind.ROLLBACK),), "checklist": (),
    "approvals": (), "after": "", "strategy": "rolling",
    "automatic_rollback": AutomaticRollback.OFF, "watch": 2 * MINUTE,
}  # fmt: skip


async def lives(team: Team, version: str) -> None:
    await team.says("ana", Deploy("shop", "production", version))
    await team.passes(5 * MINUTE)


async def v1_is_only_accepted(team: Team) -> None:
    async with team.database.store.transaction() as tx:
        v1 = Live(
            "shop",
            "production",
            COMMITS["v1"],
            "v1",
            team.context.now(),
            "",
            PEOPLE["ana"],
            None,
            Acceptance.ADOPTED,
        )
        await tx.set_live(v1)


async def v2_ends_worse(team: Team) -> None:
    """Have v2 accepted on the lead's word although its numbers are worse."""
    team.numbers.new = BAD
    await lives(team, "v2")
    for _where in ("at the step", "in the watch"):
        await team.says("bo", Proceed("shop-1", "customers agreed"))
        await team.passes(5 * MINUTE)
    assert (await team.deployment("shop-1")).state is State.ACCEPTED
    team.numbers.new = GOOD


async def test_what_ended_worse_is_offered_by_no_button_no_rule_and_no_gate(team_with: Any) -> None:
    async with team_with(**QUICK) as team:
        await v1_is_only_accepted(team)
        await v2_ends_worse(team)
        assert "v1 was accepted (on an operator's word)" in await team.says(
            "ana", Check("shop", "production", "v3")
        )
        await team.says("ana", Deploy("shop", "production", "v3"))
        await team.passes(MINUTE)
        assert (await team.card("shop-2")).rollback.version == "v1"
        assert "to *v1*" in await team.says("bo", RollBack("shop", "production", reason="x"))
        async with team.database.store.reading() as reader:
            assert "never verified" in await why_not_by_rule(
                team.context, reader, await team.deployment("shop-2")
            )


async def test_a_dialog_that_goes_back_to_what_was_worse_says_what_its_numbers_were(
    team_with: Any,
) -> None:
    async with team_with(**QUICK) as team:
        await v2_ends_worse(team)
        await lives(team, "v3")
        said = await team.says("bo", RollBack("shop", "production", "v2", "x"))
        assert "*When it was last here, v2 was worse itself (errors 6.0 % " in said


async def test_where_only_what_was_worse_is_left_the_card_says_so_and_the_typed_command_alone_puts_it_back(
    team_with: Any,
) -> None:
    async with team_with(**{**QUICK, "gates": ()}) as team:
        await v2_ends_worse(team)
        async with team.database.store.transaction() as tx:
            await tx.put_in_quarantine(
                "shop", COMMITS["v1"], by=PEOPLE["bo"], at=team.context.now(), reason="it leaks"
            )
        await lives(team, "v3")
        card = await team.card("shop-2")
        assert Action.ROLL_BACK not in card.actions
        assert card.rollback.refused.startswith(
            "When it was last here, v2 was worse itself (errors 6.0 %"
        )
        assert card.rollback.refused.endswith("/rollback shop production to v2 because TEXT.")
        assert "When it was last here, v2 was worse itself (" in await team.says(
            "bo", RollBack("shop", "production", reason="x")
        )
        await team.rolls_back("bo", RollBack("shop", "production", "v2", "it is still better"))
        await team.passes(MINUTE)
        assert (await team.deployment("shop-2")).state is State.ROLLED_BACK


@pytest.mark.parametrize("is_worse", [False, True])
async def test_what_was_live_before_is_gone_back_to_although_its_watch_did_not_end_unless_it_was_worse(
    team_with: Any, *, is_worse: bool
) -> None:
    async with team_with(**QUICK) as team:
        await v1_is_only_accepted(team)
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes()
        team.numbers.new = BAD if is_worse else GOOD
        await team.passes(MINUTE)
        await team.says("ana", Deploy("shop", "production", "v3"))
        await team.passes()
        await team.says("ana", GoNow("shop-2"))
        await team.passes(MINUTE)
        assert (await team.deployment("shop-1")).state is State.SUPERSEDED
        offer = (await team.card("shop-2")).rollback
        assert (offer.version, offer.accepted) == (
            ("v1", Acceptance.ADOPTED) if is_worse else ("v2", Acceptance.CUT_SHORT)
        )


async def test_a_verified_version_that_was_there_before_goes_before_a_newer_one(
    swift: Team,
) -> None:
    await lives(swift, "v2")
    async with swift.database.store.transaction() as tx:
        now = swift.context.now()
        await tx.set_live(
            Live(
                "shop", "production", COMMITS["v1"], "v1", now, "", PEOPLE["ana"], now - 60 * MINUTE
            )
        )
    await lives(swift, "v3")
    assert (await swift.card("shop-2")).rollback.version == "v1"


async def v2_fails(team: Team, action: str) -> None:
    """Have v2 fail, and said to be live all the same."""
    team.ci.ends[action] = RunState.FAILED
    await lives(team, "v2")
    team.ci.ends.clear()
    assert (await team.deployment("shop-1")).state is State.FAILED
    await team.says_live("bo", SayLive("shop", "production", "v2", "it works"))


FAILURES = [
    ("smoke", "failed its smoke test (at 100 %: its run failed)"),
    ("deploy", "failed in its run (at 100 %: its run failed)"),
]


@pytest.mark.parametrize(("action", "known"), FAILURES)
async def test_what_failed_here_is_offered_by_no_button_and_no_gate_also_when_it_is_said_to_be_live(
    team_with: Any, action: str, known: str
) -> None:
    async with team_with(**QUICK, smoke=True) as team:
        await v1_is_only_accepted(team)
        await v2_fails(team, action)
        assert "v1 was accepted (on an operator's word)" in await team.says(
            "ana", Check("shop", "production", "v3")
        )
        await lives(team, "v3")
        assert (await team.card("shop-2")).rollback.version == "v1"
        assert f"*When it was last here, v2 {known}*." in await team.says(
            "bo", RollBack("shop", "production", "v2", "x")
        )


async def v1_comes_back_worse(team: Team) -> None:
    """Have v2 rolled back to v1, which is found worse by the look after it."""
    team.numbers.new = GOOD
    await team.says("ana", Deploy("shop", "production", "v2"))
    await team.passes(MINUTE)
    await team.says("bo", RollBack(deployment="shop-1", reason="x"))
    team.numbers.new = BAD
    await team.passes(5 * MINUTE)
    assert await team.said("back_and_worse")
    team.numbers.new = GOOD
    await team.says("bo", Unlock("shop", "production"))


@pytest.mark.parametrize("word", [False, True])
async def test_what_came_back_worse_is_offered_by_no_button_and_what_mends_it_is_let_go_all_the_same(
    team_with: Any, *, word: bool
) -> None:
    known = (
        "When it was last here, v1 was worse itself after a rollback had put it back (errors 6.0 %"
    )
    async with team_with(**QUICK) as team:
        await v1_comes_back_worse(team)
        if word:
            async with team.database.store.transaction() as tx:
                await tx.cast_doubt(
                    "shop", "production", Doubt(Unclear.RESTORED, "a copy", team.context.now())
                )
            await team.says_live("bo", SayLive("shop", "production", "v1", "it is"))
        checked = await team.says("ana", Check("shop", "production", "v3"))
        assert "rollback ready, not by a button" in checked
        assert known in checked
        await lives(team, "v3")
        v3 = (await team.card("shop-3")).deployment
        assert v3.state is State.VERIFIED
        card = await team.card(v3.id)
        assert Action.ROLL_BACK not in card.actions
        assert card.rollback.refused.startswith(known)
        assert f"*{known}" in await team.says("bo", RollBack("shop", "production", "v1", "x"))


async def test_what_would_leave_a_migration_over_what_came_back_worse_waits_for_a_way_back(
    team_with: Any,
) -> None:
    async with team_with(**QUICK) as team:
        await v1_comes_back_worse(team)
        team.ci.parted = {
            "a c": Changes(total=1, files=("migrations/7.sql",)),
            "c a": Changes(total=1, files=("migrations/7.sql",), backwards=True),
        }
        assert "rollback ready, not by a button" not in await team.says(
            "ana", Check("shop", "production", "v3")
        )
        await lives(team, "v3")
        assert (await team.deployment("shop-3")).state is State.GATED


async def test_what_came_back_worse_and_was_verified_again_is_a_target_again(
    team_with: Any,
) -> None:
    async with team_with(**{**QUICK, "gates": ()}) as team:
        await v1_comes_back_worse(team)
        await lives(team, "v3")
        await lives(team, "v1")
        await lives(team, "v3")
        last = max(
            [await team.deployment(f"shop-{n}") for n in (3, 4, 5)],
            key=lambda each: each.requested_at,
        )
        assert (await team.card(last.id)).rollback.version == "v1"


@pytest.mark.parametrize("against", ["left by hand", "no numbers"])
async def test_what_was_live_before_and_is_spoken_against_is_gone_back_to_by_no_button(
    team_with: Any, against: str
) -> None:
    async with team_with(**QUICK) as team:
        await v1_is_only_accepted(team)
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(MINUTE)
        await team.says("ana", Deploy("shop", "production", "v3"))
        await team.passes()
        await team.says("ana", GoNow("shop-2"))
        await team.passes(MINUTE)
        assert (await team.card("shop-2")).rollback.version == "v2"
        place, now = ("shop", "production"), team.context.now()
        async with team.database.store.transaction() as tx:
            if against == "no numbers":
                await tx.save_trouble("shop-1", Trouble(1, Sort.BLIND, "watch"))
            else:
                word = Declared(
                    *place, COMMITS["v1"], "v1", Origin.SAID, PEOPLE["bo"], now, "by hand"
                )
                await tx.leave_by_hand(word, [Left(*place, COMMITS["v2"], "v2", PEOPLE["bo"], now)])
        assert (await team.card("shop-2")).rollback.version == "v1"


async def test_what_cannot_be_compared_is_gone_back_to_by_no_rule(team_with: Any) -> None:
    async with team_with(**{**QUICK, "gates": ()}) as team:
        team.ci.changes = Changes(known=False)
        await lives(team, "v2")
        async with team.database.store.reading() as reader:
            why = await why_not_by_rule(team.context, reader, await team.deployment("shop-1"))
        assert why == (
            "Whether a database migration lies between this version and v1 is not "
            "known: the lead decides."
        )
