"""After a word that stays unclear: card, alarm, status and command give one
answer about the way back.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.domain.actions import Action
from bot.domain.card import Card
from bot.domain.catalog import ApprovalRule, AutomaticGate, GateKind
from bot.domain.changes import Changes
from bot.domain.commands import (
    Check,
    ConfirmPlan,
    Deploy,
    GoNow,
    Quarantine,
    RollBack,
    SayLive,
    Status,
    Unlock,
)
from bot.domain.deployment import State
from bot.domain.places import Doubt, Unclear
from bot.domain.rollout import RunState
from bot.domain.shown import seen_on, token
from bot.services import endings
from tests.services.conftest import BAD, COMMITS, GOOD, MINUTE, Team

MIGRATION = Changes(total=1, files=("migrations/7.sql",))
README = Changes(total=1, files=("README",))
ABOVE = {"a b": MIGRATION, "b a": replace(MIGRATION, backwards=True)}
"""v2 is v1 with a migration."""
CANARY: dict[str, Any] = {
    "gates": (),
    "checklist": (),
    "approvals": (),
    "after": "",
    "watch": 2 * MINUTE,
}


async def fails(team: Team, version: str = "v2") -> None:
    """Have a version fail at 5 %, and keep its requests."""
    team.numbers.new, team.ci.ends["deploy"] = BAD, RunState.FAILED
    await team.says("ana", Deploy("shop", "production", version))
    await team.passes(5 * MINUTE)
    team.ci.ends.clear()


async def asked_of(team: Team, template: str) -> bool:
    """Tell whether an alarm still asks for something."""
    alarm = next(each for each in await team.outbox() if each.template == template)
    return await endings.ended(team.context, alarm) is None


@pytest.mark.case("card-and-people-10")
async def test_what_still_gets_requests_after_a_word_has_its_way_back_on_card_alarm_status_and_command(
    team_with: Any,
) -> None:
    async with team_with(**CANARY) as team:
        await fails(team)
        await team.says_live("bo", SayLive("shop", "production", "v1", "by hand"), is_gone=False)
        card = await team.card("shop-1")
        assert Action.ROLL_BACK in card.actions
        assert Action.ROLL_BACK in card.decisions
        assert await asked_of(team, "failed")
        assert (
            "Roll back: /rollback shop production because TEXT. Or deploy another version: "
            in await team.says("ana", Status())
        )
        assert "from v2 to *v1*" in await team.says(
            "bo", RollBack("shop", "production", reason="it serves")
        )
        assert (
            await team.rolls_back("bo", RollBack("shop", "production", reason="it serves"))
        ).startswith("Rolling shop in production back")
        team.numbers.new = GOOD
        await team.passes(5 * MINUTE)
        assert (await team.deployment("shop-1")).state is State.ROLLED_BACK
        assert "unclear" not in await team.says("ana", Status())


async def test_what_was_deployed_before_is_not_taken_away_in_its_stead(team_with: Any) -> None:
    async with team_with(**CANARY, strategy="rolling") as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(5 * MINUTE)
        await fails(team, "v3")
        await team.says_live("bo", SayLive("shop", "production", "v2", "by hand"), is_gone=False)
        assert "from v3 to *v2*" in await team.says(
            "bo", RollBack("shop", "production", reason="it serves")
        )
        assert Action.ROLL_BACK not in (await team.card("shop-1")).actions
        assert (
            "shop-2 has come to production after it" in (await team.card("shop-1")).rollback.refused
        )


async def test_of_a_half_rollout_that_was_said_to_be_live_that_one_is_rolled_back_and_not_what_serves_beside_it(
    team_with: Any,
) -> None:
    async with team_with(**CANARY, strategy="rolling") as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(5 * MINUTE)
        await fails(team, "v3")
        await team.says_live(
            "bo", SayLive("shop", "production", "v3", "it got through"), is_gone=False
        )
        assert "from v3 to *v2*" in await team.says(
            "bo", RollBack("shop", "production", reason="worse")
        )


async def test_once_it_gets_no_requests_its_card_and_alarm_ask_for_nothing(team_with: Any) -> None:
    async with team_with(**CANARY) as team:
        await fails(team)
        await team.says_live("bo", SayLive("shop", "production", "v1", "by hand"), is_gone=False)
        team.numbers.gone = {COMMITS["v2"]}
        await team.passes(5 * MINUTE)
        assert Action.ROLL_BACK not in (await team.card("shop-1")).actions
        assert not await asked_of(team, "failed")
        assert "to roll back" in await team.says("bo", RollBack("shop", "production", reason="x"))


@pytest.mark.case("races-2")
async def test_where_a_migration_stands_in_the_way_no_door_promises_a_rollback(
    team_with: Any,
) -> None:
    async with team_with(**CANARY) as team:
        team.ci.parted = ABOVE
        await fails(team)
        for _ in range(2):  # before a word, and after one that stays unclear
            status, card = await team.says("ana", Status()), await team.shown("shop-1")
            assert "Roll back" not in status
            assert (
                "Deploy another version: /deploy shop REF to production. Or say what "
                "is live: /deploy live shop"
            ) in status
            assert "rolled back" not in card.partition("\n")[0]
            assert (
                "A database migration lies between (migrations/7.sql). Going back needs the "
                "migration's own plan, not a button."
            ) in card
            by_hand = (
                "whoever has gone back by the migration's own plan says so: /deploy live shop "
                "production is REF because TEXT"
            )
            assert (
                "Its lead can go back by the migration's own plan and say so: /deploy live "
                "shop production is REF because TEXT"
            ) in card
            said = await team.says("bo", RollBack("shop", "production", reason="x"))
            assert "Going back needs the migration's own plan, not a button." in said
            assert f"Its lead decides; {by_hand}." in said
            await team.says_live(
                "bo", SayLive("shop", "production", "v1", "by hand"), is_gone=False
            )


async def test_the_card_of_what_was_said_to_be_live_again_names_who_brought_it(swift: Team) -> None:
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(5 * MINUTE)
    await fails(swift, "v3")
    await swift.says_live("bo", SayLive("shop", "production", "v2", "by hand"))
    assert "no deployment brought it" not in await swift.shown("shop-1")
    assert "no deployment brought it" not in await swift.shown("shop-2")


async def test_what_was_deployed_over_what_somebody_went_back_to_by_hand_goes_back_to_that(
    swift: Team,
) -> None:
    swift.ci.parted = {
        **ABOVE,
        "a c": Changes(total=1, files=("README",)),
        "c a": Changes(total=1, files=("README",), backwards=True),
        "b c": Changes(total=1, files=("README",)),
        "c b": MIGRATION,
    }
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(5 * MINUTE)
    await swift.says_live("bo", SayLive("shop", "production", "v1", "by hand"))
    await swift.says("ana", Deploy("shop", "production", "v3"))
    await swift.passes(5 * MINUTE)
    card = await swift.card("shop-2")
    assert (card.rollback.version, Action.ROLL_BACK in card.actions) == ("v1", True)
    assert "from v3 to *v1*" in await swift.says("bo", RollBack("shop", "production", reason="x"))


def go_now(card: Card, team: Team) -> str:
    return team.words.plain_line("verbs/go_now#question", {"card": card}, 300)


@pytest.mark.case("card-and-people-10")
async def test_the_dialog_of_going_now_says_what_the_rollback_after_it_does(team_with: Any) -> None:
    async with team_with(**CANARY, strategy="rolling") as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(MINUTE)
        await team.says("ana", Deploy("shop", "production", "v3"))
        await team.passes()
        first = await team.card("shop-2")
        assert "it is never verified there, and a rollback goes back to v1, not to it." in go_now(
            first, team
        )
        await team.passes(10 * MINUTE)
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(MINUTE)
        await team.says("ana", Deploy("shop", "production", "v1"))
        await team.passes()
        again = await team.card("shop-4")
        assert "it was verified there before, so a rollback goes back to it." in go_now(again, team)
        await team.says("ana", GoNow("shop-4", shown=token(Action.GO_NOW, seen_on(again))))
        await team.passes(MINUTE)
        assert (await team.card("shop-4")).rollback.version == "v2"
        assert Action.ROLL_BACK in (await team.card("shop-4")).actions


async def test_the_dialog_of_going_now_over_what_is_worse_names_what_a_rollback_goes_back_to(
    team_with: Any,
) -> None:
    async with team_with(**CANARY, strategy="rolling") as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(timedelta(seconds=30))
        team.numbers.new = BAD
        await team.passes(MINUTE)
        await team.says("ana", Deploy("shop", "production", "v3"))
        await team.passes()
        assert "it is never verified there, and a rollback goes back to v1, not to it." in go_now(
            await team.card("shop-2"), team
        )


async def test_the_dialog_of_going_now_over_the_only_version_says_that_the_lead_decides(
    team_with: Any,
) -> None:
    async with team_with(**CANARY, strategy="rolling") as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(MINUTE)
        await team.says("bo", Quarantine("shop", "v1", "old"))
        await team.says("ana", Deploy("shop", "production", "v3"))
        await team.passes()
        said = go_now(await team.card("shop-2"), team)
        assert (
            "it is never verified there: a rollback goes back to it when the lead decides "
            "so, and never by itself."
        ) in said


@pytest.mark.case("races-2")
async def test_a_version_without_a_migration_is_asked_for_no_plan_of_what_failed_before_it(
    team_with: Any,
) -> None:
    async with team_with(**{**CANARY, "gates": (AutomaticGate(GateKind.ROLLBACK),)}) as team:
        team.ci.parted = {
            **ABOVE,
            "a c": README,
            "c a": replace(README, backwards=True),
            "b c": README,
            "c b": MIGRATION,
        }
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes()
        await team.says("bo", ConfirmPlan("shop-1", "by hand"))
        await fails(team)
        assert (await team.deployment("shop-1")).state is State.FAILED
        said = await team.says("ana", Check("shop", "production", "v3"))
        assert "way back over migrations" not in said
        assert (
            "✓ way back: nothing of its own: v3 brings no migration that v1 has not; what "
            "failed here has left migrations/7.sql"
        ) in said
        assert "○ database fits: v2 brought migrations/7.sql, which v3 has not" in said
        assert "way back over migrations" in await team.says(
            "ana", Check("shop", "production", "v2")
        ), "it has one itself"


async def test_a_card_that_waits_while_it_is_unclear_what_runs_promises_a_rollback_only_for_later(
    team_with: Any,
) -> None:
    async with team_with(**{**CANARY, "approvals": (ApprovalRule("release_manager"),)}) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes()
        assert "\nRollback to v1 is ready" in await team.shown("shop-1")
        async with team.database.store.transaction() as tx:
            await tx.cast_doubt(
                "shop",
                "production",
                Doubt(
                    Unclear.SEEN, "v3 still got requests", team.context.now(), seen=(COMMITS["v3"],)
                ),
            )
        assert "Once it is there, rollback to v1 is ready" in await team.shown("shop-1")


async def test_of_what_was_rolled_back_and_is_said_to_be_live_again_it_is_said_that_it_was(
    swift: Team,
) -> None:
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(5 * MINUTE)
    await swift.rolls_back("bo", RollBack("shop", "production", reason="worse"))
    await swift.passes(5 * MINUTE)
    await swift.says("bo", Unlock("shop", "production"))
    await fails(swift, "v3")
    await swift.says_live("bo", SayLive("shop", "production", "v2", "by hand"))
    said = await swift.says("bo", RollBack("shop", "production", reason="x"))
    assert (
        "shop v2 → production is rolled back, so there is nothing to roll back. v2 is live "
        "there on the word of <@UBO>."
    ) in said
    assert "No deployment of ours" not in said
