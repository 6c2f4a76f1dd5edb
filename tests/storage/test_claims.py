"""One deployment per environment, first come first served."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from bot.domain.deployment import ACTING, OPEN, WAITING, Kind, State
from bot.storage.database import Database, open_database
from bot.storage.tables.record import DeploymentRow
from tests.storage.conftest import NOW, deploy, request


async def set_state(database: Database, id: str, state: State) -> None:
    async with database.writer.begin() as connection:
        await connection.execute(
            update(DeploymentRow).where(DeploymentRow.id == id).values(state=str(state))  # type: ignore[arg-type]
        )


async def claim(database: Database, id: str) -> bool:
    async with database.store.transaction() as tx:
        return await tx.claim("shop", "production", id)


async def holder(database: Database) -> str:
    async with database.store.reading() as reader:
        return await reader.holder("shop", "production")


async def test_the_first_gets_it_and_the_second_waits_until_it_is_released(
    database: Database,
) -> None:
    for _ in range(2):
        await deploy(database)
    assert not await claim(database, "shop-2")
    assert await claim(database, "shop-1")
    assert await claim(database, "shop-1")
    assert not await claim(database, "shop-2")
    async with database.store.transaction() as tx:
        await tx.move("shop-1", State.CANCELLED, at=NOW)
        await tx.release("shop-1")
    assert await claim(database, "shop-2")
    assert await holder(database) == "shop-2"


async def test_of_twenty_that_ask_at_once_one_gets_it(database: Database) -> None:
    for _ in range(20):
        await deploy(database)
    got = await asyncio.gather(*(claim(database, f"shop-{n}") for n in range(20, 0, -1)))
    assert sum(got) == 1
    assert await holder(database) == "shop-1"


async def test_other_environments_and_services_do_not_matter(database: Database) -> None:
    await deploy(database, request(environment="staging"))
    await deploy(database, request("pay"))
    assert (await deploy(database)).id == "shop-2"
    assert await claim(database, "shop-2")


async def test_only_who_waits_or_acts_comes_first(database: Database) -> None:
    await deploy(database)
    await deploy(database)
    for state in State:
        await set_state(database, "shop-1", state)
        expected = state not in WAITING | ACTING
        assert await claim(database, "shop-2") is expected, state
        async with database.store.transaction() as tx:
            await tx.release("shop-2")


async def test_a_rollback_seizes_it_from_whoever_holds_it(database: Database) -> None:
    await deploy(database)
    await claim(database, "shop-1")
    back = await deploy(database, request(kind=Kind.ROLLBACK, undoes="shop-1"))
    async with database.store.transaction() as tx:
        await tx.seize("shop", "production", back.id)
    assert not await claim(database, "shop-1")
    assert await holder(database) == back.id


async def test_a_claim_whose_holder_has_ended_is_free(database: Database) -> None:
    for _ in range(2):
        await deploy(database)
    await claim(database, "shop-1")
    await set_state(database, "shop-1", State.CANCELLED)
    assert await claim(database, "shop-2")
    assert await holder(database) == "shop-2"


async def test_a_release_wakes_the_next(database: Database) -> None:
    for _ in range(2):
        deployment = await deploy(database)
        async with database.store.transaction() as tx:
            await tx.start("deploy", deployment.id, deployment.id)
    record = await database.journal.get("shop-2")
    assert record is not None
    await database.journal.park(record, None)
    async with database.store.transaction() as tx:
        await tx.move("shop-1", State.CANCELLED, at=NOW)
        await tx.release("shop-1")
    assert "shop-2" in [run.id for run in await database.journal.due(NOW)]


@pytest.mark.case("ci-and-refs-1", "races-5")
async def test_a_start_is_permitted_to_whoever_has_the_claim_at_that_moment_and_the_newest_permit_alone_holds(
    database: Database,
) -> None:
    first, second = await deploy(database), await deploy(database)
    async with database.store.transaction() as tx:
        assert await tx.permit(first, "canary-5") is None, "it has not got the claim yet"
    assert await claim(database, first.id)
    async with database.store.transaction() as tx:
        permit, none = await tx.permit(first, "canary-5"), await tx.permit(second, "canary-5")
        assert none is None
        assert permit is not None
        assert await tx.is_newest(permit), "a refusal ends nobody's permit"
        newer = await tx.permit(first, "canary-100")
        assert newer is not None
        assert [await tx.is_newest(each) for each in (permit, newer)] == [False, True]
    async with database.store.transaction() as tx:
        await tx.seize("shop", "production", second.id)
        assert not await tx.is_newest(newer), "a rollback has taken the place"
        assert await tx.permit(first, "canary-100") is None
        assert await tx.permit(second, "rollback") is not None
        await tx.release(second.id)
        assert await tx.permit(second, "rollback") is None


ACTIONS = st.lists(
    st.tuples(st.sampled_from(["ask", "claim", "end", "watch"]), st.integers(1, 6)), max_size=30
)


@settings(max_examples=25, deadline=None)
@given(ACTIONS)
def test_the_claim_is_never_held_by_two_and_never_given_past_an_older_one(
    actions: list[tuple[str, int]],
) -> None:
    asyncio.run(play(actions))


async def play(actions: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = await open_database(f"sqlite+aiosqlite:///{Path(folder)}/gonogo.db")
        states: dict[str, State] = {}
        for action, number in actions:
            await act(database, states, action, f"shop-{number}")
        await database.close()


async def act(database: Database, states: dict[str, State], action: str, id: str) -> None:
    if action == "ask":
        states[(await deploy(database)).id] = State.REQUESTED
    elif id not in states:
        return
    elif action == "claim" and states[id] in WAITING:
        before = await holder(database)
        got = await claim(database, id)
        older = [
            other
            for other, state in states.items()
            if number(other) < number(id) and state in WAITING | ACTING
        ]
        held = before not in {"", id} and states[before] in OPEN - {State.WATCHING}
        assert got is (before == id or not (older or held))
    elif action in {"end", "watch"}:
        states[id] = State.CANCELLED if action == "end" else State.WATCHING
        await set_state(database, id, states[id])
        async with database.store.transaction() as tx:
            await tx.release(id)


def number(id: str) -> int:
    return int(id.rpartition("-")[2])
