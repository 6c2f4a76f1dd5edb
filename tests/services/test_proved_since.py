"""What a version was at its end decides whether a rollback puts it in quarantine, and a name that
has moved names nothing.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bot.domain.commands import (
    Command,
    Deploy,
    Lock,
    Proceed,
    Quarantine,
    RollBack,
    SayLive,
    Unquarantine,
)
from bot.domain.deployment import State
from bot.services import endings
from tests.services.conftest import BAD, COMMITS, GOOD, MINUTE, Team
from tests.services.test_recovered import ALONE, degraded


async def is_quarantined(team: Team, commit: str) -> bool:
    async with team.database.store.reading() as reader:
        return bool(await reader.quarantine("shop", commit))


async def test_a_version_that_recovered_and_was_verified_is_not_put_in_quarantine_by_a_later_rollback(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await degraded(team)
        team.numbers.new = GOOD
        await team.passes(timedelta(days=7))
        assert (await team.deployment("shop-1")).state is State.VERIFIED
        assert not (await team.card("shop-1")).is_shown_bad
        assert "quarantined" not in await team.says(
            "bo", RollBack("shop", "production", reason="marketing wants the old one")
        )
        await team.rolls_back(
            "bo", RollBack("shop", "production", reason="marketing wants the old one")
        )
        await team.passes(3 * MINUTE)
        assert (await team.deployment("shop-1")).state is State.ROLLED_BACK
        assert not await is_quarantined(team, COMMITS["v2"])


async def test_a_version_that_recovered_and_was_not_proved_yet_is_put_in_quarantine(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await degraded(team)
        team.numbers.new = GOOD
        await team.passes(2 * MINUTE)
        assert (await team.deployment("shop-1")).state is State.WATCHING
        await team.rolls_back("bo", RollBack("shop", "production", reason="not again"))
        await team.passes(3 * MINUTE)
        assert await is_quarantined(team, COMMITS["v2"])


async def test_a_version_that_was_accepted_on_a_word_over_bad_numbers_is_put_in_quarantine(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await degraded(team)
        await team.says("bo", Proceed("shop-1", "known noise"))
        await team.passes(20 * MINUTE)
        assert (await team.deployment("shop-1")).state is State.ACCEPTED
        await team.rolls_back("bo", RollBack("shop", "production", reason="it was no noise"))
        await team.passes(3 * MINUTE)
        assert await is_quarantined(team, COMMITS["v2"])


async def test_a_word_given_in_the_moment_after_a_lock_has_run_out_by_itself_holds(
    team_with: Any,
) -> None:
    async with team_with(**{**ALONE, "strategy": "canary"}) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(3 * MINUTE)
        team.numbers.new = BAD
        await team.passes(MINUTE)
        await team.says("bo", Proceed("shop-1", "noise"))
        await team.says("bo", Lock("shop", "production", "fire", 180))
        await team.passes(2 * MINUTE + timedelta(seconds=50))
        team.engine.clock.at += timedelta(seconds=20)
        said = await team.says("bo", Proceed("shop-1", "noise again"))
        assert "on your word" in said
        assert "noise again" in said
        await team.passes(2 * MINUTE)
        assert len(await team.said("degraded")) == 1, "nobody is asked anew"
        alarm = next(message for message in await team.outbox() if message.template == "degraded")
        ending = await endings.ended(team.context, alarm)
        assert ending is not None
        assert ending.sentence == "Let go on by <@UBO>: noise again"
        await team.passes(2 * MINUTE)
        assert "shop-1:canary-100" in team.ci.runs
        assert [said.rpartition(": ")[2] for said in await team.said("proceeds")][:2] == [
            "noise",
            "noise again",
        ]


DOORS = [
    Quarantine("shop", "v2", "bad"),
    Unquarantine("shop", "v2", "fine again"),
    SayLive("shop", "production", "v2", "I looked"),
]


@pytest.mark.parametrize("command", DOORS, ids=["quarantine", "unquarantine", "live"])
async def test_a_name_that_has_moved_names_no_commit_at_any_door(
    team_with: Any, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with team_with(**ALONE) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(20 * MINUTE)
        monkeypatch.setitem(COMMITS, "v2", "d" * 40)
        assert await team.says("bo", command) == (
            "v2 was the name of 2 commits here, dddddddddd and bbbbbbbbbb: it has moved. Name "
            "the commit that you mean."
        )
        assert not await is_quarantined(team, "b" * 40)
        assert not await is_quarantined(team, "d" * 40)


async def test_a_commit_is_quarantined_whatever_its_name_has_become(
    team_with: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with team_with(**ALONE) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(20 * MINUTE)
        monkeypatch.setitem(COMMITS, "v2", "d" * 40)
        monkeypatch.setitem(COMMITS, "bbbbbbbbbb", "b" * 40)
        assert "is quarantined: bad" in await team.says(
            "bo", Quarantine("shop", "bbbbbbbbbb", "bad")
        )
        assert await is_quarantined(team, "b" * 40)
