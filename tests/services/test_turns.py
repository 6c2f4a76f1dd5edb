"""What stops something waits for no question, and not for a vendor that an earlier command of
the same person waits for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import pytest

from bot.dispatch import turns
from bot.dispatch.command_worker import AT_ONCE
from bot.domain.commands import Approve, Cancel, Check, Command, Lock, Quarantine, Unlock
from bot.domain.deployment import State
from bot.ports.ci import Resolved
from bot.ports.talk import Intent, Place
from tests.patience import PATIENCE
from tests.services.conftest import PEOPLE
from tests.services.test_outages import SILENT, Room, at_work

Team = Any
LOCK = Lock("shop", "production", "nobody goes on")
QUARANTINE = Quarantine("shop", "v2", "it loses data")
_keys = count()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "PATIENCE", 0.05)


async def says(room: Room, name: str, command: Command) -> None:
    """Hand a command in; one person may hand in several."""
    intent = Intent(
        f"said {next(_keys)}", command, PEOPLE[name], Place("C2"), room.team.context.now()
    )
    await room.team.database.inbox.accept(intent)
    room.worker.nudge(intent)


@contextmanager
def hanging(team: Team) -> Iterator[asyncio.Semaphore]:
    """A CI server that takes a name and does not answer; it counts whom it was asked by."""
    asked, answers, resolve = asyncio.Semaphore(0), asyncio.Event(), team.ci.resolve

    async def hangs(ref: str) -> Resolved:
        asked.release()
        await answers.wait()
        return await resolve(ref)  # type: ignore[no-any-return]

    team.ci.resolve = hangs
    try:
        yield asked
    finally:
        team.ci.resolve = resolve
        answers.set()


async def locks(team: Team) -> list[str]:
    async with team.database.store.reading() as reader:
        return [lock.reason for lock in await reader.locks("shop", "production")]


@pytest.mark.case("races-7")
@pytest.mark.parametrize(
    ("name", "asks", "times"),
    [("bo", QUARANTINE, 1), ("cy", Check("shop", "production", "v2"), AT_ONCE)],
)
async def test_however_many_wait_for_a_silent_ci_server_a_lock_is_set(
    team: Team, name: str, asks: Command, times: int
) -> None:
    async with at_work(team) as room:
        with hanging(team) as asked:
            for _ in range(times):
                await says(room, name, asks)
            await asked.acquire()
            await says(room, "bo", LOCK)
            await room.until_told("locked")
            assert await locks(team) == ["nobody goes on"]
        await room.until_finished()


@pytest.mark.case("races-7")
async def test_questions_that_hang_take_no_slot_from_what_does_something(team: Team) -> None:
    v2 = await team.asks_for_v2()
    async with at_work(team) as room:
        with hanging(team) as asked:
            for _ in range(AT_ONCE):
                await says(room, "cy", Check("shop", "production", "v2"))
            await asked.acquire()
            await says(room, "cy", Approve(v2))
            async with asyncio.timeout(PATIENCE):
                while not room.heard.answers:
                    room.heard.told.clear()
                    await room.heard.told.wait()
        await room.until_finished()


@pytest.mark.case("races-7")
async def test_a_lock_is_set_while_the_ci_server_is_away_for_the_same_persons_quarantine(
    team: Team,
) -> None:
    async with at_work(team) as room:
        team.ci.away = True
        await says(room, "bo", QUARANTINE)
        await says(room, "bo", LOCK)
        await room.until_told("locked")
        team.ci.away = False
        await room.until_told("quarantined")


@pytest.mark.case("races-7")
async def test_a_deployment_is_cancelled_while_the_ci_server_is_away_for_the_same_persons_quarantine(
    team: Team,
) -> None:
    v2 = await team.asks_for_v2()
    async with at_work(team) as room:
        with hanging(team) as asked:
            await says(room, "bo", QUARANTINE)
            await asked.acquire()
            await says(room, "bo", Cancel(v2))
            await room.until_told("cancelled")
            assert (await team.deployment(v2)).state is State.CANCELLED
        await room.until_finished()


@pytest.mark.case("races-26")
async def test_what_lets_go_on_does_not_overtake_what_the_same_person_stopped_before(
    team: Team,
) -> None:
    """Whoever quarantines a version and then unlocks means that this version does not go on."""
    v2 = await team.asks_for_v2()
    await team.says("bo", LOCK)
    async with at_work(team) as room:
        with hanging(team) as asked:
            await says(room, "bo", QUARANTINE)
            await asked.acquire()
            await says(room, "bo", Unlock("shop", "production"))
            await says(room, "bo", Cancel(v2))
            await room.until_told("cancelled")
            assert await locks(team) == ["nobody goes on"]
        await room.until_finished()
        assert room.heard.names()[-2:] == ["quarantined", "unlocked"]


@pytest.mark.case("races-26")
async def test_a_lock_of_all_and_an_unlock_of_one_service_keep_their_order(team: Team) -> None:
    team.workspace.away = SILENT
    async with at_work(team) as room:
        await says(room, "bo", LOCK)
        await says(room, "bo", Unlock("", "production"))
        await says(room, "bo", Lock("", "production", "everything"))
        await says(room, "bo", Unlock("shop", "production"))
        await room.until_told("waiting")
        team.workspace.away = None
        await room.until_finished()
        told = [
            (answer.name, str(answer.facts.get("sentence", "")))
            for _, answer in room.heard.answers
            if answer.name != "waiting"
        ]
    assert [name for name, _ in told] == ["locked", "refusal", "locked", "unlocked"]
    assert "shop" in told[1][1]


@pytest.mark.case("races-26")
async def test_a_lock_and_an_unlock_keep_their_order_however_long_the_directory_is_away(
    team: Team,
) -> None:
    team.workspace.away = SILENT
    async with at_work(team) as room:
        await says(room, "bo", LOCK)
        await says(room, "bo", Unlock("shop", "production"))
        await says(room, "bo", Lock("shop", "production", "again"))
        await room.until_told("waiting")
        team.workspace.away = None
        await room.until_finished()
        assert [name for name in room.heard.names() if name != "waiting"] == [
            "locked",
            "unlocked",
            "locked",
        ]
        assert await locks(team) == ["again"]
