"""What cannot be carried out for a reason of our own is put aside, audited and said; it holds up
neither the others nor the next start.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from sqlalchemy import text

from bot.domain.commands import Approve, Cancel, Command, Lock, RollBack
from bot.domain.people import GONOGO
from bot.ports.talk import Intent, Place
from bot.ports.work import LeftOver
from bot.services import aside
from bot.services.aside import DEADLY, SUSPECT
from tests.patience import PATIENCE
from tests.services.conftest import PEOPLE
from tests.services.test_outages import at_work

Team = Any
SURROGATE = "\ud800"
pytestmark = pytest.mark.case("trust-6")
POISON = [Approve(SURROGATE), Cancel(SURROGATE), RollBack(deployment=SURROGATE)]


async def log_of(team: Team) -> list[tuple[str, str, str, str]]:
    async with team.database.reader.begin() as connection:
        found = await connection.execute(
            text("SELECT actor, action, outcome, facts FROM audit ORDER BY n")
        )
        return [(row.actor, row.action, row.outcome, row.facts) for row in found]


async def stored(team: Team, key: str) -> Any:
    async with team.database.reader.begin() as connection:
        return (
            await connection.execute(text("SELECT * FROM inbox WHERE key = :key"), {"key": key})
        ).one()


@pytest.mark.case("trust-13")
@pytest.mark.parametrize("command", POISON, ids=lambda command: command.verb)
async def test_the_same_mistake_twice_puts_a_command_aside_and_is_in_the_audit_log(
    team: Team, command: Command
) -> None:
    async with at_work(team) as room:
        await room.clicks("bo", command)
        await room.until_finished()
        assert room.heard.names() == ["incident"]
    ((actor, action, outcome, facts),) = [
        entry for entry in await log_of(team) if entry[2] == "incident"
    ]
    assert (actor, action, outcome) == (str(PEOPLE["bo"]), command.verb, "incident")
    assert '"why":"UnicodeEncodeError"' in facts


async def test_what_is_put_aside_holds_up_nobody(team: Team) -> None:
    async with at_work(team) as room:
        for number in range(4):
            poison = Intent(
                f"poison {number}", Cancel(SURROGATE), PEOPLE["bo"], Place(), team.context.now()
            )
            await team.database.inbox.accept(poison)
        await room.clicks("bo", Lock("shop", "production", "a test"))
        room.worker.nudge()
        await room.until_finished()
        assert sorted(room.heard.names()) == ["incident"] * 4 + ["locked"]


async def test_a_full_disk_puts_nothing_aside(team: Team) -> None:
    async with team.database.writer.begin() as connection:
        await connection.exec_driver_sql("PRAGMA max_page_count=1")  # as many as there are
    async with at_work(team) as room:
        await room.clicks("bo", Cancel("x" * 100_000))
        await room.until_told("waiting")
        assert len(await team.database.inbox.waiting()) == 1
        async with team.database.writer.begin() as connection:
            await connection.exec_driver_sql("PRAGMA max_page_count=100000")
        await room.until_finished()
        assert room.heard.names() == ["waiting", "refusal"]
    assert [entry[2] for entry in await log_of(team) if entry[1] == "cancel"] == ["refused"]


async def left_over(team: Team, key: str, command: Command, *, deaths: int) -> None:
    """Have a command in the inbox that was left over again and again, and that the process did not
    come back from so often.
    """
    await team.database.inbox.accept(
        Intent(key, command, PEOPLE["bo"], Place(), team.context.now())
    )
    for _ in range(SUSPECT):
        await team.database.inbox.left_over()
    for _ in range(deaths):
        await team.database.inbox.begin(key)


async def test_a_command_that_the_process_did_not_come_back_from_is_not_carried_out_again(
    team: Team,
) -> None:
    await left_over(team, "deadly", Lock("shop", "production", "a test"), deaths=DEADLY)
    async with at_work(team) as room:
        await room.until_finished()
        assert room.heard.names() == ["incident"]
    ((_, action, _, facts),) = [entry for entry in await log_of(team) if entry[2] == "incident"]
    assert action == "lock"
    assert "the bot did not come back from it 3 times" in facts


@pytest.mark.parametrize("deaths", [0, DEADLY - 1])
async def test_a_command_that_only_lay_beside_what_ended_the_process_is_carried_out(
    team: Team, deaths: int
) -> None:
    await left_over(team, "innocent", Lock("shop", "production", "a test"), deaths=deaths)
    assert (await stored(team, "innocent")).starts == SUSPECT
    async with at_work(team) as room:
        await room.until_finished()
        assert room.heard.names() == ["locked"]
    after = await stored(team, "innocent")
    assert (after.starts, after.begun, after.finished) == (0, 0, 1)


async def test_what_was_accepted_and_cannot_be_read_is_written_down_and_gone(team: Team) -> None:
    async with team.database.writer.begin() as connection:
        for key, body in (
            ("a", "[]"),
            ("b", '{"key": "b", "command": {"verb": "from another age"}}'),
        ):
            at = "2026-01-01 00:00:00.000000"
            values = {"key": key, "at": at, "body": body}
            await connection.execute(
                text("INSERT INTO inbox VALUES (:key, :at, 0, :body, 0, 0)"), values
            )
    async with at_work(team) as room:
        await room.clicks("bo", Lock("shop", "production", "a test"))
        await room.until_finished()
        async with asyncio.timeout(PATIENCE):
            while not (await stored(team, "b")).finished:  # noqa: ASYNC110 - the inbox tells nobody
                await asyncio.sleep(0.01)
    assert [entry[0] for entry in await log_of(team) if entry[2] == "incident"] == [str(GONOGO)] * 2


async def test_an_answer_that_cannot_be_written_does_not_bring_the_command_back(team: Team) -> None:
    async with at_work(team) as room:
        room.heard.broken = True
        await room.clicks("bo", Lock("shop", "production", "a test"))
        await room.until_finished()
    assert [(entry[1], entry[2]) for entry in await log_of(team) if entry[1] == "lock"] == [
        ("lock", "done"),
        ("lock", "incident"),
    ]


async def test_an_incident_is_known_by_the_first_twelve_signs_of_its_command(team: Team) -> None:
    intent = Intent(
        "0123456789abcdef",
        Lock("shop", "production", "a test"),
        PEOPLE["bo"],
        Place(),
        team.context.now(),
    )
    answer = await aside.put_aside(team.context, intent, "KeyError")
    assert answer is not None
    assert answer.facts == {"incident": "0123456789ab", "verb": "lock"}
    await aside.not_answered(team.context, intent, KeyError("a name"))
    await aside.unread(team.context, LeftOver({}, ("fedcba9876543210",)))
    incidents = [json.loads(entry[3]) for entry in await log_of(team) if entry[2] == "incident"]
    assert [each["incident"] for each in incidents] == [
        "0123456789ab",
        "0123456789ab",
        "fedcba987654",
    ]
    assert [each["why"] for each in incidents] == [
        "KeyError", "its answer could not be given: KeyError", "a stored command cannot be read",
    ]  # fmt: skip


def test_a_mistake_is_known_by_what_it_is_and_where_it_was_made() -> None:
    assert aside.fault_of(ValueError("nowhere")) == ("ValueError", "")
    faults = set()
    for words in ("one", "another"):
        with pytest.raises(KeyError) as raised:
            dict[str, str]()[words]
        faults.add(aside.fault_of(raised.value))
    ((name, place),) = faults
    assert (name, place.rpartition("/")[2].partition(":")[0]) == ("KeyError", "test_aside.py")
