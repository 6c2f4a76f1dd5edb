"""What waits for a lead is called so at every door, for as long as it is so."""

from __future__ import annotations

from contextlib import closing
from sqlite3 import connect
from typing import TYPE_CHECKING, Any

import pytest

from bot.domain.catalog import AutomaticRollback
from bot.domain.commands import Check, Deploy, SayLive, Status
from bot.domain.deployment import State
from bot.domain.health import Observed
from bot.domain.rollout import RunState
from bot.services.endings import RULES, ended
from tests.services.conftest import BAD, GOOD, MINUTE

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from tests.services.conftest import Team

    TeamWith = Callable[..., AbstractAsyncContextManager[Team]]

OPEN: dict[str, Any] = {
    "gates": (), "checklist": (), "approvals": (), "after": "",
    "watch": 20 * MINUTE, "automatic_rollback": AutomaticRollback.OFF,
}  # fmt: skip
FEW = Observed(0, 4, requests=4)


async def _ends(team: Team) -> list[str]:
    """Say of every message that asks for something how it ended; nothing where it still asks."""
    ends = [
        await ended(team.context, each) for each in await team.outbox() if each.template in RULES
    ]
    return [end.sentence if end else "" for end in ends]


async def test_an_alarm_about_too_little_traffic_asks_until_there_is_enough(
    team_with: TeamWith,
) -> None:
    async with team_with(**OPEN) as team:
        team.numbers.new = FEW
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(12 * MINUTE)
        assert "TOO LITTLE TRAFFIC" in await team.shown("shop-1")
        assert (
            "*TOO LITTLE TRAFFIC* to tell at 5 %, waiting until the lead decides"
            in await team.says("bo", Status())
        )
        assert await _ends(team) == [""]
        team.numbers.new = GOOD
        await team.passes(MINUTE)
        assert await _ends(team) == [
            "There are enough numbers to judge by now, so it goes on by itself."
        ]


@pytest.mark.parametrize(
    ("minutes", "says"),
    [
        (0, "shop-1 is to bring v2 there, and waits until its lead decides"),
        (4, "v2 is live on staging, and its lead decides there first"),
    ],
)
async def test_a_version_that_is_worse_where_it_must_be_verified_first_waits_for_its_lead_there(
    team: Team, minutes: int, says: str
) -> None:
    team.numbers.new = GOOD if minutes else BAD
    await team.says("ana", Deploy("shop", "staging", "v2"))
    await team.passes(minutes * MINUTE)
    team.numbers.new = BAD
    await team.passes(2 * MINUTE)
    await team.says("ana", Deploy("shop", "production", "v2"))
    await team.passes(MINUTE)
    assert says in await team.shown("shop-2")


async def test_what_failed_over_what_was_verified_here_can_be_put_away_by_deploying_that_again(
    team: Team,
) -> None:
    v2 = await team.rolls_out_v2()
    team.ci.ends["deploy"] = RunState.FAILED
    await team.passes(20 * MINUTE)
    assert (await team.deployment(v2)).state is State.FAILED
    await team.says_live(
        "bo", SayLive("shop", "production", "v1", "gone back by hand"), is_gone=False
    )
    await team.says("ana", Deploy("shop", "production", "v1"))
    await team.passes(MINUTE)
    assert "✓ verified here before" in await team.shown("shop-3")


async def test_nothing_is_verified_first_where_nothing_is_live(team: Team, tmp_path: Path) -> None:
    with closing(connect(tmp_path / "team.db")) as connection:
        connection.execute("DELETE FROM live WHERE environment = 'staging'")
        connection.commit()
    assert "○ live and verified on staging" in await team.says(
        "ana", Check("shop", "production", "v2")
    )
