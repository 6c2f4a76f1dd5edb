"""The way back over migrations: no button goes it; people confirm that the migrations have a plan
of their own, and are asked anew.
"""

from __future__ import annotations

from typing import Any

from bot.domain.actions import Action
from bot.domain.catalog import AutomaticGate, GateKind
from bot.domain.changes import Changes
from bot.domain.commands import Approve, Check, ConfirmPlan, Deploy, Quarantine, RollBack
from bot.domain.deployment import State
from bot.domain.rollback import Passage, Way
from bot.domain.shown import seen_on, token
from bot.services.asked import asked
from tests.services.conftest import COMMITS, MINUTE, Team

MIGRATES = Changes(total=1, files=("migrations/7.sql",))
ROLLBACK_GATE: dict[str, Any] = {
    "gates": (AutomaticGate(GateKind.ROLLBACK),),
    "checklist": (),
    "after": "",
    "strategy": "rolling",
}


async def v2_with_a_migration(team: Team) -> str:
    team.ci.changes = MIGRATES
    await team.says("ana", Deploy("shop", "production", "v2"))
    await team.passes()
    return "shop-1"


async def shown(team: Team, id: str) -> str:
    return token(Action.CONFIRM_PLAN, seen_on(await team.card(id)))


async def test_a_version_that_adds_a_migration_goes_to_production_once_somebody_says_how_one_goes_back(
    team_with: Any,
) -> None:
    async with team_with(**ROLLBACK_GATE) as team:
        v2 = await v2_with_a_migration(team)
        card = await team.shown(v2)
        assert "not ready: 1 of 1 gate open" in card
        assert "way back over migrations: going back to v1 leaves migrations/7.sql behind" in card
        assert "release manager can confirm it on the card" in card
        assert Action.CONFIRM_PLAN in (await team.card(v2)).actions
        said = await team.says(
            "bo", ConfirmPlan(v2, "the column is nullable, v1 ignores it", await shown(team, v2))
        )
        assert (
            "is confirmed. It counts for 1 migration, and is asked again when they change: the "
            "column is nullable, v1 ignores it"
        ) in said
        await team.passes()
        assert (await team.deployment(v2)).state is State.AWAITING_APPROVAL
        card = await team.shown(v2)
        assert (
            "No rollback by button: going back over migrations/7.sql takes its own plan, "
            "confirmed: the column is nullable"
        ) in card
        assert "confirms the way back" in (await team.said("plan_confirmed"))[0]
        await team.says("bo", Approve(v2))
        await team.passes(MINUTE)
        assert (await team.deployment(v2)).state is not State.AWAITING_APPROVAL


async def test_the_dialog_of_a_plan_names_the_version_that_it_leads_to_and_the_migrations(
    team_with: Any,
) -> None:
    async with team_with(**ROLLBACK_GATE) as team:
        about = (
            await asked(team.context, Action.CONFIRM_PLAN, await v2_with_a_migration(team))
        ).facts
        said = team.words.text("verbs/confirm_plan#dialog", {"title": "shop", "about": about})
        assert (
            "going back to *v1* leaves 1 database migration behind, so no button goes "
            "there: migrations/7.sql."
        ) in said
        assert (
            "\n"
            not in team.words.text(
                "verbs/confirm_plan#dialog",
                {"title": "shop", "about": {**about, "migrations": ["7.sql"] * 7}},
            ).strip()
        )


async def test_the_word_changes_nothing_about_the_rule_that_no_button_goes_back_over_a_migration(
    team_with: Any,
) -> None:
    async with team_with(**ROLLBACK_GATE, approvals=()) as team:
        v2 = await v2_with_a_migration(team)
        await team.says("bo", ConfirmPlan(v2, "see the wiki"))
        await team.passes(MINUTE)
        assert (await team.deployment(v2)).state in {State.ROLLING_OUT, State.WATCHING}
        assert Action.ROLL_BACK not in (await team.card(v2)).actions
        assert "A database migration lies between" in await team.says(
            "bo", RollBack("shop", "production", reason="errors")
        )


async def test_nobody_but_the_role_confirms_and_everybody_else_reads_who_can(
    team_with: Any,
) -> None:
    async with team_with(**ROLLBACK_GATE) as team:
        v2 = await v2_with_a_migration(team)
        refusal = await team.says("ana", ConfirmPlan(v2, "trust me"))
        assert (
            "You cannot confirm how one goes back from shop v2 → production. People with the "
            "role release manager can."
        ) in refusal
        assert "not ready" in await team.shown(v2)


async def test_without_a_role_the_refusal_names_the_key_of_the_configuration(
    team_with: Any,
) -> None:
    async with team_with(**ROLLBACK_GATE, plan_by=()) as team:
        v2 = await v2_with_a_migration(team)
        assert "No role can; name one in gonogo.yaml (plan_by)." in await team.says(
            "bo", ConfirmPlan(v2, "trust me")
        )


async def test_what_was_confirmed_for_other_migrations_is_asked_again(team_with: Any) -> None:
    async with team_with(**ROLLBACK_GATE) as team:
        v2 = await v2_with_a_migration(team)
        old = await shown(team, v2)
        await team.says("bo", ConfirmPlan(v2, "v1 ignores the column"))
        await team.passes()
        assert (await team.deployment(v2)).state is State.AWAITING_APPROVAL
        async with team.database.store.transaction() as tx:
            changed = Changes(
                total=2,
                files=("migrations/7.sql", "migrations/8.sql"),
                migrations=("migrations/7.sql", "migrations/8.sql"),
            )
            await tx.save_way_back(
                v2,
                Way(COMMITS["v2"], COMMITS["v1"], Passage.MIGRATION, "migrations/7.sql", changed),
            )
            await tx.wake(v2)
        await team.passes()
        assert "leaves migrations/7.sql and 1 more behind" in await team.shown(v2)
        assert "has changed since it was shown to you" in await team.says(
            "bo", ConfirmPlan(v2, "v1 ignores both", old)
        )
        await team.says("bo", ConfirmPlan(v2, "v1 ignores both", await shown(team, v2)))
        await team.passes()
        assert (await team.deployment(v2)).state is State.AWAITING_APPROVAL


async def test_another_version_to_go_back_to_is_another_plan(team_with: Any) -> None:
    async with team_with(**ROLLBACK_GATE) as team:
        v2 = await v2_with_a_migration(team)
        await team.says("bo", ConfirmPlan(v2, "v1 ignores the column"))
        await team.says("bo", Quarantine("shop", "v1", "it loses carts"))
        await team.passes(MINUTE)
        assert (await team.deployment(v2)).state is State.GATED


async def test_a_check_says_what_going_back_would_take_before_anything_is_asked_for(
    team_with: Any,
) -> None:
    async with team_with(**ROLLBACK_GATE) as team:
        team.ci.changes = MIGRATES
        said = await team.says("ana", Check("shop", "production", "v2"))
        assert "○ way back over migrations: going back to v1 leaves migrations/7.sql behind" in said
        assert "release manager can confirm it on the card" in said


async def test_confirming_twice_is_refused_with_a_sentence(team_with: Any) -> None:
    async with team_with(**ROLLBACK_GATE) as team:
        v2 = await v2_with_a_migration(team)
        await team.says("bo", ConfirmPlan(v2, "see the wiki"))
        assert "is confirmed already" in await team.says("bo", ConfirmPlan(v2, "see the wiki"))


async def test_without_a_migration_there_is_nothing_to_confirm(team: Team) -> None:
    v2 = await team.asks_for_v2()
    assert "there is nothing to confirm" in await team.says("bo", ConfirmPlan(v2, "see the wiki"))


async def test_a_way_back_that_nobody_knows_is_no_way_back_that_is_ready(team_with: Any) -> None:
    async with team_with(**ROLLBACK_GATE) as team:
        team.ci.changes = Changes(known=False)
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes()
        assert (
            "? rollback ready: whether a database migration lies between this "
            "version and v1 is not known"
        ) in await team.shown("shop-1")
