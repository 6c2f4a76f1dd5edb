"""Going back by hand over a migration: who says so is asked about exactly that, and
no button undoes it again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.domain.actions import Action
from bot.domain.changes import Changes
from bot.domain.commands import Check, Deploy, RollBack, SayLive, Status
from bot.domain.deployment import State
from bot.domain.live import Live
from bot.domain.rollout import RunState
from bot.domain.shown import Seen, token
from bot.services.offers import why_not_by_rule
from tests.services.conftest import BAD, COMMITS, GOOD, MINUTE, PEOPLE, Team

README, MIGRATION = (
    Changes(total=1, files=("README",)),
    Changes(total=1, files=("migrations/7.sql",)),
)
PARTED = {
    "a b": MIGRATION, "b a": replace(MIGRATION, backwards=True),
    "a c": README, "c a": replace(README, backwards=True),
    "b c": README, "c b": MIGRATION,
}  # fmt: skip
"""v2 is v1 with a migration, v3 is v1 without it."""
ABOVE = {
    **PARTED,
    "a c": replace(MIGRATION, files=("README", "migrations/7.sql")),
    "c b": replace(README, backwards=True),
}
"""v2 is v1 with a migration, and v3 is v2 with more that is none."""


async def lives(team: Team, version: str) -> None:
    await team.says("ana", Deploy("shop", "production", version))
    await team.passes(4 * MINUTE)


async def is_live(team: Team) -> Live:
    async with team.database.store.reading() as reader:
        found = await reader.live("shop", "production")
    assert isinstance(found, Live)
    return found


async def goes_back_by_hand(team: Team, to: str = "v1") -> tuple[str, str]:
    return await team.says_live("bo", SayLive("shop", "production", to, "dropped q.z"))


@pytest.mark.case("races-2")
async def test_what_somebody_has_gone_back_from_by_hand_is_put_back_by_no_button_and_no_command(
    swift: Team,
) -> None:
    swift.ci.parted = PARTED
    await lives(swift, "v2")
    await goes_back_by_hand(swift)
    await lives(swift, "v3")
    card = await swift.card("shop-2")
    assert (card.rollback.version, card.rollback.refused) == ("v1", "")
    assert Action.ROLL_BACK in card.actions
    said = await swift.says("bo", RollBack("shop", "production", "v2", "carts"))
    assert said.startswith(
        "<@UBO> has gone back from v2 by hand, so no rollback puts it back. It counts "
        "again once it is deployed:"
    )
    pressed = RollBack(
        deployment="shop-2",
        shown=token(Action.ROLL_BACK, Seen(commit=COMMITS["v3"], target=COMMITS["v2"])),
    )
    assert "has changed since it was shown to you" in await swift.says("bo", pressed)
    assert "*v1*" in await swift.says("bo", RollBack("shop", "production", reason="carts"))
    assert "v2" not in await swift.says("ana", Check("shop", "production", "v3"))


async def test_a_version_that_was_gone_back_from_by_hand_counts_again_once_it_is_deployed_and_verified(
    swift: Team,
) -> None:
    swift.ci.parted = ABOVE
    await lives(swift, "v2")
    await goes_back_by_hand(swift)
    await lives(swift, "v2")
    await lives(swift, "v3")
    offer = (await swift.card("shop-3")).rollback
    assert (offer.version, offer.refused) == ("v2", "")


@pytest.mark.case("races-2")
async def test_a_migration_that_only_the_target_has_blocks_a_rollback_at_every_door(
    swift: Team,
) -> None:
    swift.ci.parted = PARTED
    now = swift.context.now() + MINUTE
    async with swift.database.store.transaction() as tx:
        await tx.set_live(
            Live("shop", "production", COMMITS["v2"], "v2", now, "", PEOPLE["ana"], now)
        )
        await tx.set_live(Live("shop", "production", COMMITS["v1"], "v1", now, "", PEOPLE["ana"]))
        await tx.put_in_quarantine(
            "shop", COMMITS["v1"], by=PEOPLE["bo"], at=now, reason="it leaks"
        )
    await lives(swift, "v3")
    has = (
        "v2 has a database migration that {} has not (migrations/7.sql). Nothing "
        "goes back to it by a button."
    )
    assert has.format("this version") in await swift.shown("shop-1")
    assert Action.ROLL_BACK not in (await swift.card("shop-1")).actions
    pressed = RollBack(
        deployment="shop-1",
        shown=token(Action.ROLL_BACK, Seen(commit=COMMITS["v3"], target=COMMITS["v2"])),
    )
    for command in (
        RollBack("shop", "production", reason="x"),
        RollBack("shop", "production", "v2", "x"),
        pressed,
    ):
        said = await swift.says("bo", command)
        assert said == f"{has.format('v3')} It is deployed: /deploy shop REF to production."
    assert (await swift.deployment("shop-1")).state is State.VERIFIED
    async with swift.database.store.reading() as reader:
        assert has.format("this version") in await why_not_by_rule(
            swift.context, reader, await swift.deployment("shop-1")
        )
    assert Action.ROLL_BACK not in (await swift.card("shop-1")).actions
    assert (await is_live(swift)).version == "v3"


@pytest.mark.case("races-2")
async def test_the_dialog_over_a_healthy_version_says_that_it_is_healthy_and_names_the_migration(
    swift: Team,
) -> None:
    swift.ci.parted = PARTED
    await lives(swift, "v2")
    shown = await swift.says("bo", SayLive("shop", "production", "v1", "typo"))
    assert "It is unclear what runs" not in shown
    assert "\n*Nothing makes it unclear what runs*: v2 is verified good." in shown
    assert (
        "no button goes back over migrations/7.sql: whoever has gone back by its own plan says so."
        in shown
    )
    assert "*Database migrations may be there that* v1 *has not*: migrations/7.sql." in shown
    assert "v2 (bbbbbbb): 1,000" in shown


@pytest.mark.parametrize("version", ["v2", "v3"])
async def test_over_a_healthy_version_nothing_is_said_but_what_lies_behind_a_migration(
    swift: Team, version: str
) -> None:
    swift.ci.parted = ABOVE
    await lives(swift, "v2")
    assert "so nobody's word is needed" in await swift.says(
        "bo", SayLive("shop", "production", version, "typo")
    )


async def test_the_word_is_bound_to_the_migrations_that_the_dialog_named(swift: Team) -> None:
    swift.ci.parted = PARTED
    await lives(swift, "v2")
    key = "typed"
    await swift.says("bo", SayLive("shop", "production", "v1", "dropped"), key=key)
    async with swift.database.store.reading() as reader:
        dialog = await reader.kept(key)
    assert dialog is not None
    shown = str(dialog.offers[0].carries).partition(" ")[0]
    swift.ci.parted = {
        **PARTED,
        "a b": replace(MIGRATION, files=("migrations/7.sql", "migrations/8.sql")),
    }
    said = await swift.says(
        "bo", SayLive("shop", "production", COMMITS["v1"], "dropped", shown, "v1")
    )
    assert "has changed since it was shown to you" in said
    assert (await is_live(swift)).version == "v2"


@pytest.mark.case("races-2")
async def test_one_version_above_a_migration_the_gate_names_who_brought_it_and_the_way_that_it_prints_is_open(
    swift: Team,
) -> None:
    swift.ci.parted = ABOVE
    await lives(swift, "v2")
    await lives(swift, "v3")
    await swift.says("ana", Deploy("shop", "production", "v1"))
    await swift.passes(MINUTE)
    card = await swift.shown("shop-3")
    assert (
        "database fits: v2 brought migrations/7.sql, which v1 has not: deploy a version that has it"
        in card
    )
    assert "/deploy live shop production is REF because TEXT" in card
    _, said = await goes_back_by_hand(swift)
    assert said.startswith("*v1* counts as live in shop production, on your word")
    await swift.passes(4 * MINUTE)
    assert (await swift.deployment("shop-3")).state is State.VERIFIED
    assert (
        "v2 has a database migration that this version has not"
        in (await swift.card("shop-3")).rollback.refused
    )


@pytest.mark.case("races-2")
async def test_what_failed_over_what_is_live_is_named_as_what_brought_the_migration(
    swift: Team,
) -> None:
    swift.ci.parted = PARTED
    swift.ci.ends["deploy"] = RunState.FAILED
    await lives(swift, "v2")
    swift.ci.ends.clear()
    await swift.says("ana", Deploy("shop", "production", "v1"))
    await swift.passes(MINUTE)
    assert "v2 brought migrations/7.sql, which v1 has not" in await swift.shown("shop-2")


CANARY: dict[str, Any] = {
    "gates": (),
    "checklist": (),
    "approvals": (),
    "after": "",
    "watch": 2 * MINUTE,
}


async def a_bad_canary(team: Team) -> None:
    """Have v2, which adds a migration, stand still at 5 % with bad numbers."""
    team.ci.parted = PARTED
    team.numbers.new = BAD
    await team.says("ana", Deploy("shop", "production", "v2"))
    await team.passes(5 * MINUTE)
    assert (await team.deployment("shop-1")).state is State.ROLLING_OUT


@pytest.mark.case("races-2")
async def test_a_word_claims_nothing_while_another_version_still_gets_requests(
    team_with: Any,
) -> None:
    async with team_with(**CANARY) as team:
        await a_bad_canary(team)
        shown, said = await team.says_live(
            "bo", SayLive("shop", "production", "v1", "by hand"), is_gone=False
        )
        assert "v2 (bbbbbbb): 1,000" in shown, "the version in question is named and counted"
        still = "v2 still got requests, as the metrics see it, when v1 was said to be live"
        assert f"What runs there stays unclear: {still}." in said
        assert still in (await team.said("said_live"))[0]
        await team.passes(10 * MINUTE)
        status = await team.says("ana", Status())
        assert (
            "*shop production*: *unclear what runs*, recorded last: v1 live on the word of <@UBO>"
            in status
        )
        assert (
            "Deploy another version: /deploy shop REF to production. Or say what "
            "is live: /deploy live shop"
        ) in status
        assert "Roll back" not in status, "there is nothing that a rollback takes"
        card = await team.shown("shop-1")
        assert (
            "FAILED* at 5 % · <@UBO> said 2026-11-21 02:05 UTC that v1 was live, which is unclear"
            in card
        )
        assert "replaced by" not in card
        assert f"It is unclear what runs in production: {still}." in card


@pytest.mark.case("races-2")
async def test_the_place_is_clear_once_the_other_version_gets_no_requests(team_with: Any) -> None:
    async with team_with(**CANARY) as team:
        await a_bad_canary(team)
        await team.says_live("bo", SayLive("shop", "production", "v1", "by hand"), is_gone=False)
        team.numbers.gone = {COMMITS["v2"]}
        await team.passes(5 * MINUTE)
        assert "unclear" not in await team.says("ana", Status())
        assert (await team.said("unseen")) == [
            (
                "shop in production gets no requests of another version any more: *v1* "
                "counts as what runs there."
            )
        ]


async def test_metrics_that_are_silent_do_not_say_that_a_version_is_gone(team_with: Any) -> None:
    async with team_with(**CANARY) as team:
        await a_bad_canary(team)
        await team.says_live("bo", SayLive("shop", "production", "v1", "by hand"), is_gone=False)
        team.numbers.gone, team.numbers.since = (
            {COMMITS["v2"]},
            [(team.context.now() - MINUTE, None)],
        )
        await team.passes(5 * MINUTE)
        assert "unclear what runs" in await team.says("ana", Status())


async def test_whoever_puts_a_version_there_ends_it(team_with: Any) -> None:
    async with team_with(**CANARY, strategy="rolling") as team:
        team.ci.parted, team.ci.ends["deploy"] = PARTED, RunState.FAILED
        await lives(team, "v2")
        team.ci.ends.clear()
        await team.says_live("bo", SayLive("shop", "production", "v1", "by hand"), is_gone=False)
        assert "unclear what runs" in await team.says("ana", Status())
        team.numbers.new = GOOD
        await team.passes(MINUTE)
        await team.says("ana", Deploy("shop", "production", "v1"))
        await team.passes(MINUTE)
        assert "unclear" not in await team.says("ana", Status())


@pytest.mark.case("races-2")
async def test_a_wrong_word_is_corrected_by_another_word_of_who_gave_it_and_of_nobody_else(
    swift: Team,
) -> None:
    swift.rota.person = PEOPLE["cy"]
    swift.ci.parted = PARTED
    await lives(swift, "v2")
    await swift.says_live("cy", SayLive("shop", "production", "v1", "typo"))
    assert "so nobody's word is needed" in await swift.says(
        "cy", SayLive("shop", "production", "v1", "again")
    )
    assert (await swift.says("ana", SayLive("shop", "production", "v2", "no"))).startswith(
        "You cannot say what is live"
    )
    shown, said = await swift.says_live(
        "cy", SayLive("shop", "production", "v2", "it is v2 after all")
    )
    assert "Recorded last: v1, since 2026-11-21 02:04 UTC, on the word of <@UCY>" in shown
    assert said == "*v2* counts as live in shop production, on your word: it is v2 after all."
    await lives(swift, "v3")
    assert (await is_live(swift)).version == "v2", "v3 has not what v2 brought"
    assert "database fits: v2 brought migrations/7.sql" in await swift.shown("shop-2")


async def test_the_card_of_what_was_gone_back_from_prints_no_word_that_was_said_already(
    team_with: Any,
) -> None:
    async with team_with(**CANARY) as team:
        await a_bad_canary(team)
        await team.says_live("bo", SayLive("shop", "production", "v1", "by hand"))
        assert "/deploy live" not in await team.shown("shop-1")


@pytest.mark.parametrize("who", ["bo", "di"])
async def test_a_word_that_is_said_again_claims_no_more_than_it_did_the_first_time(
    team_with: Any, who: str
) -> None:
    async with team_with(**CANARY) as team:
        await a_bad_canary(team)
        await team.says_live("bo", SayLive("shop", "production", "v1", "by hand"), is_gone=False)
        for version in ("v1", "v1", "v3", "v1"):
            await team.passes(4 * MINUTE)
            shown, said = await team.says_live(
                who, SayLive("shop", "production", version, "again"), is_gone=False
            )
            assert "v2 (bbbbbbb): 1,000" in shown, "what gets requests is named each time"
            assert "What runs there stays unclear" in said
            assert "v2" in said.partition("stays unclear")[2]
            assert "unclear what runs" in await team.says("ana", Status())
        team.numbers.gone = {COMMITS["v2"], COMMITS["v3"]}
        await team.passes(5 * MINUTE)
        assert "unclear" not in await team.says("ana", Status())


async def test_metrics_that_are_silent_at_the_second_word_do_not_forget_what_they_saw_at_the_first(
    team_with: Any,
) -> None:
    async with team_with(**CANARY) as team:
        await a_bad_canary(team)
        await team.says_live("bo", SayLive("shop", "production", "v1", "by hand"), is_gone=False)
        team.numbers.new, team.numbers.since = None, [(team.context.now() - MINUTE, None)]
        _, said = await team.says_live(
            "bo", SayLive("shop", "production", "v1", "again"), is_gone=False
        )
        silent = (
            "v2 got requests before, and no metrics said that it was gone "
            "when v1 was said to be live"
        )
        assert f"What runs there stays unclear: {silent}." in said
        _, said = await team.says_live(
            "bo", SayLive("shop", "production", "v2", "it is v2"), is_gone=False
        )
        assert said == "*v2* counts as live in shop production, on your word: it is v2."


async def test_what_somebody_said_to_be_live_is_rolled_back_by_the_lead_of_what_brought_it(
    swift: Team,
) -> None:
    swift.ci.ends["deploy"] = RunState.FAILED
    await lives(swift, "v2")
    swift.ci.ends.clear()
    await swift.says_live("bo", SayLive("shop", "production", "v2", "it got through"))
    assert "counts as live" not in await swift.says(
        "cy", RollBack("shop", "production", reason="x")
    )
    assert (
        await swift.rolls_back("bo", RollBack("shop", "production", reason="worse"))
    ).startswith("Rolling shop in production back to *v1*.")
    await swift.passes(MINUTE)
    assert (await swift.deployment("shop-1")).state is State.ROLLED_BACK
    assert (await is_live(swift)).version == "v1"


async def test_a_rollback_after_one_that_failed_is_offered_again_and_not_said_to_be_done(
    swift: Team,
) -> None:
    await lives(swift, "v2")
    await lives(swift, "v3")
    await swift.rolls_back("bo", RollBack("shop", "production", reason="worse"))
    await swift.passes(MINUTE)
    swift.ci.ends["rollback"] = RunState.FAILED
    await swift.rolls_back("bo", RollBack("shop", "production", "v1", "worse, too"))
    await swift.passes(MINUTE)
    said = await swift.says("bo", RollBack("shop", "production", reason="still worse"))
    assert said.startswith(
        "*It is unclear what runs* in shop production: the rollback of shop-1 to v1 failed."
    )
    assert "from v2 to *v1*" in said
