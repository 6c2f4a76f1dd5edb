"""Deployments: their ids, and the moves that the table of states allows."""

from __future__ import annotations

from datetime import timedelta, timezone

import pytest
from sqlalchemy import update

from bot.domain.deployment import OVER, TRANSITIONS, Deployment, Kind, State
from bot.storage.database import Database
from bot.storage.tables.record import DeploymentRow
from tests.storage.conftest import ANA, BO, NOW, deploy, request

LATER = NOW + timedelta(minutes=5)


async def put_into(database: Database, state: State) -> None:
    async with database.writer.begin() as connection:
        await connection.execute(update(DeploymentRow).values(state=str(state)))


async def read(database: Database, id: str = "shop-1") -> Deployment:
    async with database.store.reading() as reader:
        found = await reader.deployment(id)
    assert found is not None
    return found


async def test_numbers_are_counted_per_service(database: Database) -> None:
    ids = [
        (await deploy(database, request(service))).id for service in ("shop", "shop", "pay", "shop")
    ]
    assert ids == ["shop-1", "shop-2", "pay-1", "shop-3"]


async def test_a_deployment_is_read_as_it_was_written(database: Database) -> None:
    written = await deploy(database)
    assert written == await read(database)
    assert (written.requested_by, written.lead, written.version, written.requested_at) == (
        ANA,
        BO,
        "v1",
        NOW,
    )
    assert written.state is State.REQUESTED


async def test_a_rollback_begins_to_roll_out_at_once(database: Database) -> None:
    back = await deploy(database, request(kind=Kind.ROLLBACK, undoes="shop-9"))
    assert (back.state, back.started_at, back.undoes) == (State.ROLLING_OUT, NOW, "shop-9")


@pytest.mark.parametrize("origin", State)
async def test_a_move_is_made_exactly_when_the_table_allows_it(
    database: Database, origin: State
) -> None:
    await deploy(database)
    for target in State:
        await put_into(database, origin)
        async with database.store.transaction() as tx:
            assert await tx.move("shop-1", target, at=LATER) is (target in TRANSITIONS[origin])
        assert (await read(database)).state is (target if target in TRANSITIONS[origin] else origin)


async def test_moves_keep_the_times(database: Database) -> None:
    await deploy(database)
    path = [State.QUEUED, State.GATED, State.ROLLING_OUT, State.WATCHING, State.VERIFIED]
    for minutes, state in enumerate(path, start=1):
        async with database.store.transaction() as tx:
            assert await tx.move(
                "shop-1", state, at=NOW + timedelta(minutes=minutes), note=f"now {state}"
            )
    found = await read(database)
    passed = [
        (when - NOW).total_seconds() / 60
        for when in (found.started_at, found.landed_at, found.finished_at, found.state_since)
        if when
    ]
    assert passed == [4, 5, 5], "when it was started is known where it is started"
    assert found.note == "now verified"


@pytest.mark.parametrize("state", sorted(OVER - {State.VERIFIED, State.SUPERSEDED}))
async def test_every_end_has_its_time(database: Database, state: State) -> None:
    await deploy(database)
    origin = next(origin for origin in State if state in TRANSITIONS[origin])
    await put_into(database, origin)
    async with database.store.transaction() as tx:
        await tx.move("shop-1", state, at=LATER)
    assert (await read(database)).finished_at == LATER


async def test_a_move_stops_the_countdown(database: Database) -> None:
    await deploy(database)
    await put_into(database, State.ROLLING_OUT)
    async with database.store.transaction() as tx:
        await tx.set_countdown("shop-1", LATER)
        await tx.set_lead("shop-1", ANA)
    assert ((await read(database)).countdown_until, (await read(database)).lead) == (LATER, ANA)
    async with database.store.transaction() as tx:
        await tx.move("shop-1", State.ROLLING_BACK, at=LATER)
    assert (await read(database)).countdown_until is None


async def test_a_deployment_that_is_rolled_back_after_its_end_has_not_ended(
    database: Database,
) -> None:
    await deploy(database)
    await put_into(database, State.WATCHING)
    async with database.store.transaction() as tx:
        await tx.move("shop-1", State.VERIFIED, at=NOW)
        await tx.move("shop-1", State.ROLLING_BACK, at=LATER)
    assert (await read(database)).finished_at is None


async def test_times_of_any_zone_come_back_as_utc_and_naive_ones_are_refused(
    database: Database,
) -> None:
    await deploy(database)
    there = LATER.astimezone(timezone(timedelta(hours=5, minutes=30)))
    async with database.store.transaction() as tx:
        await tx.set_landed("shop-1", there)
    found = (await read(database)).landed_at
    assert found is not None
    assert (found, found.tzname()) == (LATER, "UTC")
    with pytest.raises(Exception, match="no time zone"):
        async with database.store.transaction() as tx:
            await tx.set_landed("shop-1", LATER.replace(tzinfo=None))


async def test_history_is_newest_first_and_open_ones_are_oldest_first(database: Database) -> None:
    for environment in ("staging", "production", "production"):
        await deploy(database, request(environment=environment))
    async with database.store.reading() as reader:
        assert [d.id for d in await reader.history("shop")] == ["shop-3", "shop-2", "shop-1"]
        assert [d.id for d in await reader.history("shop", "production", limit=1)] == ["shop-3"]
        assert [d.id for d in await reader.open_deployments("shop", "production")] == [
            "shop-2",
            "shop-3",
        ]
        assert [d.id for d in await reader.open_deployments()] == ["shop-1", "shop-2", "shop-3"]


async def test_what_fails_in_a_transaction_leaves_nothing_and_tells_nobody(
    database: Database,
) -> None:
    told: list[str] = []
    database.store.on_card_changed(told.append)

    async def fail() -> None:
        async with database.store.transaction() as tx:
            await tx.add_deployment(request())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    async with database.store.reading() as reader:
        assert await reader.history("shop") == ()
    assert told == []


async def test_a_transaction_inside_a_transaction_is_refused_instead_of_waiting_for_ever(
    database: Database,
) -> None:
    async with database.store.transaction():
        with pytest.raises(RuntimeError, match="inside"):
            async with database.store.transaction():
                raise AssertionError


async def test_whoever_listens_is_told_after_the_commit(database: Database) -> None:
    told: list[str] = []
    database.store.on_card_changed(lambda deployment: told.append(f"card {deployment}"))
    database.store.on_runs(lambda: told.append("runs"))
    async with database.store.transaction() as tx:
        deployment = await tx.add_deployment(request())
        await tx.start("deploy", deployment.id, deployment.id)
        assert told == []
    assert told == ["card shop-1", "runs"]


async def test_landed_and_rollback_times_are_counted(database: Database) -> None:
    await deploy(database)
    back = await deploy(database, request(kind=Kind.ROLLBACK, undoes="shop-1"))
    async with database.store.transaction() as tx:
        await tx.set_landed("shop-1", NOW)
        await tx.move(back.id, State.VERIFIED, at=NOW + timedelta(seconds=41))
    async with database.store.reading() as reader:
        assert await reader.rollback_seconds("shop", "production") == (41.0,)
        assert [d.id for d in await reader.landed_between(NOW, LATER)] == ["shop-1"]
        assert await reader.landed_between(LATER, LATER + timedelta(hours=1)) == ()
