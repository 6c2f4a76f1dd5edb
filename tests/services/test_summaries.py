"""What is summed up, when and where: one deployment after it landed, and each morning what
went live since the last.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from bot.domain.commands import Deploy, RollBack
from bot.domain.deployment import Kind, State
from bot.domain.places import Doubt, Unclear
from bot.ports.store import NewDeployment
from bot.services import summaries
from tests.services.conftest import MINUTE, PEOPLE

Team = Any
"""The fixtures ``team`` and ``team_with``."""
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
FREE: dict[str, Any] = {
    "gates": (),
    "checklist": (),
    "approvals": (),
    "after": "",
    "strategy": "rolling",
    "watch": 30 * MINUTE,
}
WAY = (State.QUEUED, State.GATED, State.ROLLING_OUT, State.WATCHING)


async def landed(
    team: Team,
    at: datetime,
    *,
    channel: str = "C1",
    environment: str = "production",
    now: State = State.WATCHING,
) -> str:
    """Have something land at a moment, and be in a state by now."""
    async with team.database.store.transaction() as tx:
        asked = NewDeployment(
            Kind.FORWARD,
            "shop",
            environment,
            "v2",
            "canary",
            PEOPLE["ana"],
            at - MINUTE,
            channel=channel,
            version="v2",
        )
        it = (await tx.add_deployment(asked)).id
        for state in WAY:
            assert await tx.move(it, state, at=at)
        for state in (State.ROLLING_BACK, State.ROLLED_BACK) if now is State.ROLLED_BACK else ():
            assert await tx.move(it, state, at=at)
    return str(it)


@pytest.mark.parametrize(
    ("after", "passed", "due"),
    [
        (30 * MINUTE, 29 * MINUTE, False),
        (30 * MINUTE, 30 * MINUTE, True),
        (30 * MINUTE, DAY, True),
        (30 * MINUTE, DAY + MINUTE, False),
        (timedelta(0), MINUTE, True),
        (None, HOUR, False),
    ],
)
async def test_a_summary_is_due_from_its_moment_on_and_for_a_day_at_most(
    team_with: Any, after: timedelta | None, passed: timedelta, *, due: bool
) -> None:
    async with team_with(**FREE, summary_after=after) as team:
        it = await landed(team, team.context.now())
        team.engine.clock.advance(passed)
        assert await summaries.due(team.context) == ((it,) if due else ())


async def test_a_summary_says_how_long_it_took_what_the_numbers_were_and_how_it_stands(
    team_with: Any,
) -> None:
    async with team_with(**FREE) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(5 * MINUTE)
        await summaries.after_deployment(team.context, "shop-1")
        (message,) = [each for each in await team.outbox() if each.template == "summary"]
        it = await team.deployment("shop-1")
        assert (message.to, message.deployment, message.chart) == ("channel", "shop-1", True)
        facts = message.facts
        assert facts["seconds"] == (it.landed_at - it.started_at).total_seconds()
        assert (facts["state"], facts["landed_at"], facts["note"]) == (
            "watching",
            it.landed_at.isoformat(),
            "",
        )
        assert (facts["snapshot"]["label"], facts["unclear"]) == ("+5 min", "")
        assert facts["changes"]["total"] == 1
        assert facts["changes"]["authors"] == ["cy"]


async def test_what_has_not_landed_and_was_not_looked_at_is_summed_up_without_times_and_numbers(
    team: Team,
) -> None:
    v2 = await team.asks_for_v2()
    await summaries.after_deployment(team.context, v2)
    (message,) = [each for each in await team.outbox() if each.template == "summary"]
    told = (
        message.facts["seconds"],
        message.facts["landed_at"],
        message.facts["snapshot"],
        message.chart,
    )
    assert told == (0.0, "", None, False)


async def test_without_numbers_there_is_no_chart(team_with: Any) -> None:
    async with team_with(**FREE, is_watched=False) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(40 * MINUTE)
        await summaries.after_deployment(team.context, "shop-1")
        (message,) = [each for each in await team.outbox() if each.template == "summary"]
        assert message.chart is False


async def test_a_morning_tells_each_channel_what_landed_there_in_the_day_before(team: Team) -> None:
    slot = team.context.now()
    await landed(team, slot - DAY - MINUTE)
    first = await landed(team, slot - DAY)
    back = await landed(team, slot - HOUR, now=State.ROLLED_BACK)
    elsewhere = await landed(team, slot - HOUR, channel="C2", environment="staging")
    await landed(team, slot)
    await summaries.morning(team.context, slot)
    told = {
        each.channel: each for each in await team.outbox() if each.template == "morning_summary"
    }
    assert {
        channel: [each["id"] for each in message.facts["deployments"]]
        for channel, message in told.items()
    } == {
        "C1": [first, back],
        "C2": [elsewhere],
    }
    assert {channel: message.facts["rolled_back"] for channel, message in told.items()} == {
        "C1": 1,
        "C2": 0,
    }
    assert {(message.to, message.facts["at"]) for message in told.values()} == {
        ("channel", slot.isoformat())
    }
    assert len({message.key for message in told.values()}) == 2


async def test_a_quiet_day_says_nothing(team: Team) -> None:
    await summaries.morning(team.context, team.context.now())
    assert await team.outbox() == ()


async def test_a_morning_names_each_place_of_which_nobody_knows_what_runs_once(team: Team) -> None:
    slot = team.context.now()
    for environment in ("production", "production", "staging"):
        await landed(team, slot - HOUR, environment=environment)
    async with team.database.store.transaction() as tx:
        await tx.cast_doubt("shop", "production", Doubt(Unclear.STRAY, "a run ended late", slot))
    await summaries.morning(team.context, slot)
    (message,) = [each for each in await team.outbox() if each.template == "morning_summary"]
    assert message.facts["doubts"] == [{"service": "shop", "environment": "production"}]


async def test_what_was_rolled_back_is_summed_up_as_that(team: Team) -> None:
    v2 = await team.rolls_out_v2(20 * MINUTE)
    await team.says("bo", RollBack(deployment=v2, reason="carts are lost"))
    await team.passes(MINUTE)
    await summaries.after_deployment(team.context, v2)
    (message,) = [each for each in await team.outbox() if each.template == "summary"]
    assert (message.facts["state"], message.facts["note"]) == ("rolled back", "carts are lost")
