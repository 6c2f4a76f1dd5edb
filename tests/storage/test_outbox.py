"""The outbox: lanes that keep nobody else waiting, and nothing that is put aside for ever."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.ports.talk import Message
from bot.storage.database import Database
from tests.storage.conftest import NOW, deploy, request


async def say(database: Database, *messages: Message) -> None:
    """Put messages into the outbox."""
    async with database.store.transaction() as tx:
        for message in messages:
            await tx.say(message)


def thread(key: str, deployment: str) -> Message:
    """Make a detail."""
    return Message(key, "live", {}, deployment)


@pytest.mark.case("races-25")
async def test_each_lane_gives_its_oldest_message_and_alarms_come_first(database: Database) -> None:
    await say(
        database, *(thread(f"{n}-{again}", f"shop-{n}") for n in range(3) for again in range(2))
    )
    await say(
        database,
        Message("alarm", "failed", {}, "shop-9", to="channel"),
        Message("ask", "ask_lead", {}, "shop-1", to="T1/BO"),
    )
    heads = await database.postings.heads()
    assert [head.key for head in heads] == ["alarm", "ask", "0-0", "1-0", "2-0"]
    besides = [head.lane for head in heads if head.to != "thread"]
    assert [head.key for head in await database.postings.heads(2, besides=besides)] == [
        "0-0",
        "1-0",
    ]
    await database.postings.sent("0-0")
    assert [head.key for head in await database.postings.heads(1, besides=besides)] == ["0-1"]


@pytest.mark.case("reliability-3")
async def test_what_was_put_aside_is_taken_up_again_and_what_was_overtaken_is_not(
    database: Database,
) -> None:
    await say(database, thread("parked", "shop-1"), thread("overtaken", "shop-2"))
    await database.postings.park("parked", "Slack refused it")
    await database.postings.drop("overtaken")
    assert await database.postings.heads() == ()
    await database.postings.unpark()
    assert [head.key for head in await database.postings.heads()] == ["parked"]


@pytest.mark.case("races-31")
async def test_at_a_start_every_card_that_may_be_old_is_looked_at_not_only_two_hundred(
    database: Database,
) -> None:
    for _ in range(230):
        await deploy(database, request())
    async with database.store.reading() as reader:
        assert len(await reader.changed_since(NOW - timedelta(days=1))) == 230
        assert len(await reader.open_deployments()) == 230
