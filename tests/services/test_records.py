"""What was done or found and could not be told at once claims nothing that is over by then: it is
told as past with its time, as it is by now, or not at all.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.domain.catalog import AutomaticRollback
from bot.domain.commands import Cancel, Deploy, GoNow, RollBack, SayLive
from bot.domain.live import Live
from bot.domain.places import Doubt, Unclear
from bot.domain.rollout import RunState
from bot.ports.engine import RunRecord
from bot.ports.store import Restored
from bot.ports.talk import LATE_ANSWER, Message
from bot.services import restoring, summaries, timely
from bot.services.stuck import stuck
from tests.services.conftest import COMMITS, MINUTE, PEOPLE
from tests.services.test_stopping import OPEN, goes_bad_with_no_way_back

Team = Any
"""The fixtures ``team``, ``swift`` and ``team_with``."""
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
COPIED = datetime(2026, 11, 21, 1, 0, tzinfo=UTC)
ALONE: dict[str, Any] = {
    "gates": (), "checklist": (), "approvals": (), "after": "",
    "strategy": "canary", "automatic_rollback": AutomaticRollback.OFF,
}  # fmt: skip
pytestmark = pytest.mark.case("races-29")


async def newest(team: Team, template: str) -> Message:
    """Give the newest message of a kind, which waits for Slack."""
    *_, found = [each for each in await team.outbox() if each.template == template]
    assert isinstance(found, Message)
    return found


async def late(team: Team, message: Message) -> str:
    """Read a message that waited as it is said now; empty where it is not said any more."""
    now = await timely.still_true(team.context, message)
    return str(team.reads(now)) if now is not None else ""


async def looks_no_more(team: Team) -> Message:
    """Have what looks at the numbers beside a run be stuck, and give how that is told."""
    await team.says("ana", Deploy("shop", "production", "v2"))
    await team.passes(3 * MINUTE)
    team.ci.ends["deploy"] = RunState.RUNNING
    await team.passes(9 * MINUTE)
    team.numbers.breaks = ValueError("odd number")
    await team.passes(10 * MINUTE)
    for run, why in team.blocked:
        await stuck(team.context, run, why)
    return await newest(team, "stuck")


@pytest.mark.parametrize("how", ["it goes on", "it is rolled back"])
async def test_that_nobody_looks_is_told_as_past_once_somebody_does_or_there_is_nothing_to_see(
    team_with: Any, how: str
) -> None:
    async with team_with(**ALONE) as team:
        told = await looks_no_more(team)
        assert "are looked at no more" in await late(team, told)
        if how == "it goes on":
            team.numbers.breaks = None
            await team.database.journal.unblock()
        else:
            await team.says("bo", RollBack(deployment="shop-1"))
        now = await late(team, told)
        assert now.startswith(
            "The numbers of *shop v2 → production* were not looked at beside its run from 2026-11-21"
        )
        assert now.endswith("on: ValueError: odd number. That is over by now.")


async def test_that_a_deployment_has_not_moved_is_told_as_past_once_it_has(team: Team) -> None:
    v2 = await team.rolls_out_v2()
    await stuck(team.context, RunRecord(v2, "deploy", 1, (v2,), 0), "the disk is full")
    await team.database.journal.block(v2, "the disk is full")
    told = await newest(team, "stuck")
    assert "has not moved since" in await late(team, told)
    await team.passes(MINUTE)
    await team.says("bo", RollBack(deployment=v2))
    assert "did not move from" in await late(team, told)


async def test_a_place_that_was_not_looked_at_is_told_as_past_once_it_is_clear(team: Team) -> None:
    now = team.context.now()
    async with team.database.store.transaction() as tx:
        await tx.cast_doubt("shop", "production", Doubt(Unclear.SEEN, "v2 got requests", now))
    run = RunRecord("unseen 1", "unseen", 1, ("shop", "production", "", [COMMITS["v2"]]), 0)
    await team.database.journal.start(run.id, run.name, 1, run.args)
    await team.database.journal.block(run.id, "odd answer")
    await stuck(team.context, run, "odd answer")
    told = await newest(team, "stuck")
    assert "is looked at no more" in await late(team, told)
    async with team.database.store.transaction() as tx:
        await tx.cast_doubt("shop", "production", None)
    assert (await late(team, told)).startswith(
        "Whether another version than *v1* still got requests in shop in production "
        "was not looked at from"
    )


async def test_a_restored_database_asks_for_the_places_alone_that_nobody_has_cleared_since(
    team: Team,
) -> None:
    await restoring.notice(team.context, Restored(7, 10, COPIED), ["C0OPS"])
    told = await newest(team, "restored")
    assert "• shop staging: v1, says the database." in await late(team, told)
    await team.says_live("bo", SayLive("shop", "staging", "v1", "I looked"))
    now = await late(team, told)
    assert "*What is live is unclear.*" in now
    assert "• shop production: v1, says the database." in now
    assert "shop staging" not in now
    assert now.endswith("In 1 other place it is clear by now.")
    await team.says_live("bo", SayLive("shop", "production", "v1", "I looked"))
    now = await late(team, told)
    assert now.startswith("*What was live was unclear* from 2026-11-21 02:0")
    assert "and is clear again. The database was not the one that I had worked with" in now
    assert "/deploy live" not in now
    assert "until somebody has looked" not in now


async def test_a_word_names_what_still_runs_beside_it_only_while_it_does(team_with: Any) -> None:
    async with team_with(**OPEN) as team:
        team.ci.deaf, team.ci.ends["deploy"] = True, RunState.RUNNING
        await goes_bad_with_no_way_back(team)
        await team.says("bo", Cancel("shop-1"))
        await team.says_live("bo", SayLive("shop", "production", "v1", "by hand"))
        told = await newest(team, "said_live")
        assert "not ended yet; until then nothing goes forward there" in await late(team, told)
        team.ci.deaf = False
        await team.passes(5 * MINUTE)
        now = await late(team, told)
        assert "not ended yet" not in now
        assert now.startswith("<@UBO> says that *v1* is live in shop production: by hand.")


async def test_a_word_is_told_as_past_with_its_time_once_another_version_is_there(
    swift: Team,
) -> None:
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(4 * MINUTE)
    async with swift.database.store.transaction() as tx:
        await tx.cast_doubt(
            "shop", "production", Doubt(Unclear.STRAY, "a run ended late", swift.context.now())
        )
    await swift.says_live("bo", SayLive("shop", "production", "v1", "by hand"))
    told = await newest(swift, "said_live")
    assert "says that *v1* is live" in await late(swift, told)
    await swift.says("ana", Deploy("shop", "production", "v3"))
    await swift.passes(4 * MINUTE)
    now = await late(swift, told)
    assert now.startswith("<@UBO> said 2026-11-21 02:0")
    assert "that *v1* was live in shop production: by hand." in now
    assert "stays" not in now


async def test_who_did_not_wait_is_told_as_past_once_that_is_over_and_nobody_waits_for_it(
    team: Team,
) -> None:
    await team.says("ana", Deploy("shop", "staging", "v2"))
    await team.says("ana", Deploy("shop", "production", "v2"))
    await team.passes(MINUTE)
    await team.says("cy", Deploy("shop", "staging", "v3"))
    await team.passes()
    await team.says("cy", GoNow("shop-3"))
    told = await newest(team, "not_waited")
    now = await late(team, told)
    assert "v2 is then not verified in staging" in now
    assert "shop-2 waits for that." in now
    await team.passes(10 * MINUTE)
    now = await late(team, told)
    assert now.startswith("<@UCY> let *shop v3 → staging* (shop-3) go at 02:0")
    assert now.endswith("without waiting for the watch of shop-1 (v2) to end.")


async def test_a_share_was_deployed_once_it_is_taken_back(team: Team) -> None:
    v2 = await team.rolls_out_v2(2 * MINUTE)
    told = await newest(team, "step_done")
    assert "5 % is deployed" in await late(team, told)
    await team.says("bo", RollBack(deployment=v2))
    await team.passes(2 * MINUTE)
    assert "5 % was deployed at 02:" in await late(team, told)


async def test_a_rollback_took_longer_than_it_should_once_it_has_ended(team: Team) -> None:
    v2 = await team.rolls_out_v2()
    team.ci.ends["rollback"] = RunState.RUNNING
    await team.says("bo", RollBack(deployment=v2))
    await team.passes(12 * MINUTE)
    told = await newest(team, "rollback_late")
    assert "has taken longer than it should" in await late(team, told)
    team.ci.ends.clear()
    await team.passes(3 * MINUTE)
    assert "took longer than it should" in await late(team, told)


async def test_that_nothing_else_gets_requests_is_told_as_past_once_another_version_is_there(
    team: Team,
) -> None:
    facts = {
        "service": "shop", "environment": "production", "version": "v1",
        "at": team.context.now().isoformat(),
    }  # fmt: skip
    told = Message("unseen", "unseen", facts, to="channel", channel="C1")
    assert "counts as what runs there" in await late(team, told)
    live = Live("shop", "production", COMMITS["v2"], "v2", team.context.now(), "", PEOPLE["ana"])
    async with team.database.store.transaction() as tx:
        await tx.set_live(live)
    assert await late(team, told) == (
        "shop in production got no requests of another version than *v1* any more, as was seen "
        "2026-11-21 02:00 UTC."
    )


async def test_a_morning_that_waited_tells_its_day_as_it_is_by_then_and_a_day_later_nothing(
    swift: Team,
) -> None:
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(4 * MINUTE)
    await summaries.morning(swift.context, swift.context.now())
    told = await newest(swift, "morning_summary")
    assert (await late(swift, told)).startswith("*The last 24 hours*: 1 deployment went live, none")
    await swift.says("bo", RollBack(deployment="shop-1"))
    await swift.passes(2 * HOUR)
    now = await late(swift, told)
    assert now.startswith("*The 24 hours* until 2026-11-21 02:04 UTC: 1 deployment went live, 1 of")
    assert "• shop *v2* → production: rolled back" in now
    await swift.passes(DAY)
    assert await late(swift, told) == ""


async def test_a_summary_says_until_when_it_was_live_and_what_came_after_it(swift: Team) -> None:
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(4 * MINUTE)
    await summaries.after_deployment(swift.context, "shop-1")
    told = await newest(swift, "summary")
    assert "Live since" in await late(swift, told)
    await swift.says("ana", Deploy("shop", "production", "v3"))
    await swift.passes(4 * MINUTE)
    now = await late(swift, told)
    assert "Live since" not in now
    assert "Was live from 2026-11-21 02:0" in now
    assert "; v3 came after it, 2026-11-21 02:0" in now


async def test_an_answer_that_waited_says_when_it_was_so(team: Team) -> None:
    facts = {
        "name": "refusal", "offers": [], "facts": {"sentence": "shop-1 is rolling out already."},
        "at": team.context.now().isoformat(),
    }  # fmt: skip
    told = Message("answer:1", LATE_ANSWER, facts, to="T1/UBO")
    assert await late(team, told) == "shop-1 is rolling out already."
    await team.passes(HOUR)
    assert await late(team, told) == (
        "This is what was so 2026-11-21 02:00 UTC; Slack did not take it then.\n"
        "shop-1 is rolling out already."
    )
