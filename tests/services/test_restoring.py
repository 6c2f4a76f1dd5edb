"""What the bot says and holds after its database was put back from a copy."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.domain.actions import Action
from bot.domain.audit import Entry
from bot.domain.commands import Approve, Deploy, RollBack, SayLive, Status
from bot.domain.deployment import State
from bot.domain.places import Unclear
from bot.domain.rollout import RunState
from bot.ports.store import Restored
from bot.services import restoring
from bot.services.rollback_starts import by_rule
from tests.services.conftest import BAD, PEOPLE

Team = Any
"""The fixture ``team``."""
COPIED = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
WHY = "it is unclear what runs: the database was put back from a copy of 2026-11-21 08:00 UTC"
pytestmark = pytest.mark.case("reliability-7")


async def put_back(team: Team) -> None:
    await restoring.notice(team.context, Restored(7, 12, COPIED), ["C0OPS"])


async def last_entry(team: Team) -> int:
    """Write an entry of the audit log, and give its number."""
    async with team.database.store.transaction() as tx:
        await tx.audit(Entry(team.context.now(), PEOPLE["bo"], "tick"))
        assert tx.audited is not None
        return int(tx.audited.n)


async def is_still_restored(team: Team) -> bool:
    async with team.context.store.reading() as reader:
        doubt = await reader.doubt("shop", "production")
    return doubt is not None and doubt.kind is Unclear.RESTORED


@pytest.mark.parametrize(
    ("restored", "why"),
    [
        (Restored(7, 9, COPIED), "the database was put back from a copy of 2026-11-21 08:00 UTC"),
        (
            Restored(7, 0, COPIED),
            "the database comes from elsewhere, and ends at 2026-11-21 08:00 UTC",
        ),
        (Restored(0, 9, None), "the database is new, but the bot has worked here before"),
    ],
)
async def test_every_environment_is_unclear_and_the_board_says_so(
    team: Team, restored: Restored, why: str
) -> None:
    await restoring.notice(team.context, restored, ["C0OPS"])
    async with team.context.store.reading() as reader:
        for environment in team.context.service("shop").environments:
            doubt = await reader.doubt("shop", environment)
            assert (doubt.kind, doubt.why) == (Unclear.RESTORED, why)
    said = await team.says("ana", Status())
    assert "*unclear what runs*, recorded last:" in said
    assert f"{why}. Say what is live: /deploy live shop production is REF because TEXT" in said


async def test_it_is_told_with_what_the_database_says_and_what_is_missing(team: Team) -> None:
    await restoring.notice(team.context, Restored(7, 10, COPIED), ["C0OPS"])
    (said,) = await team.said("restored")
    assert (
        "3 entries of the audit log are missing. Nothing goes forward, and nothing goes back "
        "by itself, until somebody has looked"
    ) in said
    assert (
        "• shop production: v1, says the database. /deploy live shop production is v1 because TEXT"
        in said
    )


@pytest.mark.parametrize(
    ("restored", "tells"),
    [
        (
            Restored(7, 9, COPIED),
            "What was done after 2026-11-21 08:00 UTC is forgotten: deployments and rollbacks",
        ),
        (Restored(0, 9, None), "What was done before is forgotten: deployments and rollbacks"),
    ],
)
async def test_it_says_what_kinds_of_things_are_forgotten_and_since_when(
    team: Team, restored: Restored, tells: str
) -> None:
    await restoring.notice(team.context, restored, ["C0OPS"])
    (said,) = await team.said("restored")
    assert (
        f"{tells}, approvals and ticks, locks, quarantines, and who said what is live. "
        "Set again what should still hold."
    ) in said


async def test_a_button_on_a_card_that_the_copy_does_not_know_says_that_it_was_put_back(
    team: Team,
) -> None:
    unknown = 'I don\'t know a deployment "shop-18". '
    nothing = "/deploy status shows what runs, /deploy history SERVICE what ran."
    assert await team.says("ana", Approve("shop-18")) == f"{unknown}{nothing}"
    ends, number = team.context.now(), await last_entry(team)
    await team.passes(7 * MINUTE)
    found = team.context.now()
    await restoring.notice(team.context, Restored(number, number + 9, ends), ["C0OPS"])
    told = (
        f"The database was replaced by one that ends at {ends:%Y-%m-%d %H:%M} UTC, as was found "
        f"{found:%Y-%m-%d %H:%M} UTC; what was asked for between is not in it. "
    )
    assert await team.says("ana", Approve("shop-18")) == f"{unknown}{told}{nothing}"
    await team.says_live("bo", SayLive("shop", "production", "v1", "I looked"))
    assert told in await team.says("ana", Approve("shop-18")), "its card is as old as before"


async def test_a_database_that_is_new_knows_nothing_from_before(team: Team) -> None:
    await restoring.notice(team.context, Restored(0, 40, None), ["C0OPS"])
    assert (
        "The database was replaced by a new one, as was found 2026-11-21 02:00 UTC; what was asked "
        "for before is not in it. "
    ) in await team.says("ana", Approve("shop-18"))


@pytest.mark.parametrize(
    ("minutes", "copied", "then"),
    [(2, State.ROLLING_OUT, State.FAILED), (20, State.WATCHING, State.SUPERSEDED)],
    ids=str,
)
async def test_what_the_copy_shows_as_under_way_is_no_obstacle_to_saying_what_is_live(
    team: Team, minutes: int, copied: State, then: State
) -> None:
    v2 = await team.rolls_out_v2(timedelta(minutes=minutes))
    assert (await team.deployment(v2)).state is copied
    await restoring.notice(team.context, Restored(7, 10, COPIED), ["C0OPS"])
    assert (
        "v1"
        in (await team.says_live("bo", SayLive("shop", "production", "v1", "I looked at it")))[1]
    )
    assert (await team.deployment(v2)).state is then
    await team.passes(timedelta(minutes=1))
    async with team.context.store.reading() as reader:
        assert await reader.doubt("shop", "production") is None
        assert await reader.strays("shop", "production") == ()
        assert await reader.holder("shop", "production") == ""
        assert (await reader.live("shop", "production")).version == "v1"


async def test_what_began_after_the_restore_is_waited_for_as_ever(team: Team) -> None:
    await restoring.notice(team.context, Restored(7, 10, COPIED), ["C0OPS"])
    for environment in ("staging", "production"):
        await team.says_live("bo", SayLive("shop", environment, "v1", "I looked at it"))
    v2 = await team.rolls_out_v2(timedelta(minutes=2))
    assert f"{v2} is under way in shop production" in await team.says(
        "bo", SayLive("shop", "production", "v1", "I looked at it")
    )


async def test_a_countdown_that_the_copy_brings_back_is_called_off_and_nothing_goes_back_by_itself(
    team: Team,
) -> None:
    v2 = await team.rolls_out_v2(2 * MINUTE)
    team.numbers.new = BAD
    await team.passes(MINUTE)
    assert (await team.deployment(v2)).countdown_until is not None
    await put_back(team)
    assert (await team.deployment(v2)).countdown_until is None
    (said,) = await team.said("not_by_itself")
    assert (
        f"is not rolled back by itself: {WHY}; say what is live: /deploy live shop "
        "production is REF because TEXT."
    ) in said
    assert "countdown off" in await team.audited(v2)
    await team.passes(20 * MINUTE)
    assert not [run for run in team.ci.runs if "rollback" in run]
    assert (await team.deployment(v2)).state is State.ROLLING_OUT
    assert await is_still_restored(team)
    assert Action.ROLL_BACK in (await team.card(v2)).actions, "its lead decides"


async def test_what_turns_worse_after_the_restore_counts_down_to_nothing_and_says_why(
    team: Team,
) -> None:
    v2 = await team.rolls_out_v2(2 * MINUTE)
    await put_back(team)
    team.numbers.new = BAD
    await team.passes(20 * MINUTE)
    assert (await team.deployment(v2)).state is State.ROLLING_OUT
    (alarm,) = await team.said("degraded")
    assert f"Nothing goes back by itself: {WHY}" in alarm
    assert "countdown" not in await team.audited(v2)


async def test_a_word_on_what_is_live_brings_back_no_countdown_that_was_called_off(
    team: Team,
) -> None:
    v2 = await team.rolls_out_v2(18 * MINUTE)
    team.numbers.new = BAD
    await team.passes(MINUTE)
    assert (await team.deployment(v2)).countdown_until is not None
    await put_back(team)
    await team.says_live("bo", SayLive("shop", "production", "v2", "I looked"))
    await team.passes(20 * MINUTE)
    assert (await team.deployment(v2)).state is State.WATCHING
    assert Action.PROCEED in (await team.card(v2)).actions, "its lead decides"


async def test_a_smoke_test_that_fails_after_the_restore_is_its_leads_to_decide(
    team_with: Any,
) -> None:
    async with team_with(gates=(), checklist=(), approvals=(), after="", smoke=True) as team:
        team.ci.ends["smoke"] = RunState.RUNNING
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(MINUTE)
        await put_back(team)
        team.ci.ends["smoke"] = RunState.FAILED
        await team.passes(3 * MINUTE)
        assert (await team.deployment("shop-1")).state is State.FAILED
        (said,) = await team.said("smoke_failed")
        assert f"It is not rolled back by itself: {WHY}" in said
        assert await is_still_restored(team)


async def test_a_rollback_by_rule_that_the_copy_brings_back_before_its_run_does_not_begin(
    team: Team,
) -> None:
    v2 = await team.rolls_out_v2(2 * MINUTE)
    async with team.context.store.transaction() as tx:
        assert await by_rule(team.context, tx, await tx.deployment(v2), "errors") == ""
    await put_back(team)
    await team.passes(3 * MINUTE)
    assert not [run for run in team.ci.runs if "rollback" in run]
    assert (await team.deployment(v2)).state is State.FAILED
    (said,) = await team.said("failed")
    assert f"it was not begun: {WHY}" in said
    assert await is_still_restored(team)


async def test_the_rollback_of_a_lead_goes_and_says_that_it_stays_unclear(team: Team) -> None:
    v2 = await team.rolls_out_v2(2 * MINUTE)
    await put_back(team)
    await team.says("bo", RollBack(deployment=v2, reason="it is mine to decide"))
    await team.passes(3 * MINUTE)
    assert (await team.deployment(v2)).state is State.ROLLED_BACK
    (said,) = await team.said("rolled_back")
    assert (
        f"All the same {WHY}; say what is live: /deploy live shop production is REF because TEXT."
        in said
    )
    assert await is_still_restored(team)
    await team.says_live("bo", SayLive("shop", "production", "v1", "I looked"))
    assert not await is_still_restored(team)
