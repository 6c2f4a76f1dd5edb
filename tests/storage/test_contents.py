"""What belongs to a deployment and to an environment."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from math import inf

from bot.domain.changes import Change, Changes
from bot.domain.decisions import Decision, Mark
from bot.domain.deployment import State
from bot.domain.health import Finding, Snapshot, Verdict
from bot.domain.live import Live
from bot.domain.locks import Lock
from bot.domain.readiness import Gate, GateState, Review
from bot.domain.rollout import RunState, Stage, Step, StepState
from bot.ports.talk import Message
from bot.storage.database import Database
from tests.storage.conftest import ANA, BO, NOW, deploy, request

SOON = NOW + timedelta(minutes=1)


async def test_steps_are_updated_by_index_and_found_by_their_run(database: Database) -> None:
    await deploy(database)
    first = Step(0, "canary-5", 5, timedelta(minutes=10))
    last = Step(1, "canary-100", 100, timedelta(0))
    running = replace(
        first,
        state=StepState.RUNNING,
        run="run-7",
        run_url="http://ci/7",
        started_at=NOW,
        sentence="deploying",
    )
    async with database.store.transaction() as tx:
        await tx.save_steps("shop-1", [last, first])
        await tx.save_steps("shop-1", [running])
        assert await tx.steps("shop-1") == (running, last)
        assert [each.id for each in await tx.deployments_of_run("run-7")] == ["shop-1"]
        assert await tx.deployments_of_run("") == ()
        assert await tx.deployments_of_run("run-8") == ()
        await tx.save_steps(
            "shop-1",
            [replace(running, state=StepState.HOLDING, deployed_at=NOW + timedelta(seconds=40))],
        )
        assert await tx.step_seconds("shop", "production", "canary-5") == (40.0,)
        assert await tx.run_seconds("shop") == (40.0,)
        assert await tx.run_seconds("other") == ()


async def test_stages_are_remembered_by_name_also_those_before_a_smoke_run_and_only_what_succeeded_counts(
    database: Database,
) -> None:
    built = Stage("build", RunState.SUCCEEDED, NOW, NOW + timedelta(seconds=12))
    smoked = Stage("smoke", RunState.SUCCEEDED, NOW, NOW + timedelta(seconds=3))
    broken = Stage("verify", RunState.FAILED, NOW, NOW + timedelta(seconds=900))
    done = Step(
        0,
        "canary-5",
        5,
        timedelta(0),
        StepState.DONE,
        deployed_at=NOW,
        stages=(smoked, broken),
        deploying_stages=(built,),
    )
    for _ in range(2):
        await deploy(database)
    async with database.store.transaction() as tx:
        await tx.save_steps("shop-1", [done, replace(done, index=1, key="canary-100")])
        await tx.save_steps("shop-2", [replace(done, deployed_at=None)])
        assert await tx.stage_seconds("shop", "production", "canary-5") == {
            "build": (12.0,),
            "smoke": (3.0,),
        }
        assert await tx.stage_seconds("shop", "production", "canary-50") == {}


async def test_a_run_is_found_in_every_open_deployment_that_has_it_and_in_no_other(
    database: Database,
) -> None:
    for _ in range(3):
        await deploy(database)
    async with database.store.transaction() as tx:
        for each in ("shop-1", "shop-2", "shop-3"):
            await tx.save_steps(each, [Step(0, "canary-5", 5, timedelta(0), run="7")])
        assert await tx.move("shop-2", State.CANCELLED, at=NOW)
        assert {each.id for each in await tx.deployments_of_run("7")} == {"shop-1", "shop-3"}


async def test_snapshots_begin_with_the_baseline_and_end_with_the_newest(
    database: Database,
) -> None:
    await deploy(database)
    finding = Finding(
        "errors",
        "errors",
        "%",
        Verdict.DEGRADED,
        0.029,
        0.003,
        p_value=1e-9,
        sentence="errors 2.9 %",
        trend=(0.1, inf),
    )
    async with database.store.transaction() as tx:
        await tx.add_snapshot(Snapshot("shop-1", "baseline", NOW, Verdict.HEALTHY))
        for n in range(30):
            await tx.add_snapshot(
                Snapshot(
                    "shop-1", f"+{n}", SOON + timedelta(minutes=n), Verdict.DEGRADED, (finding,)
                )
            )
        await tx.add_snapshot(
            Snapshot("shop-1", "+29", SOON + timedelta(minutes=29), Verdict.HEALTHY, (finding,))
        )
        found = await tx.snapshots("shop-1", limit=5)
    assert [shot.label for shot in found] == ["baseline", "+25", "+26", "+27", "+28", "+29"]
    assert (found[-1].verdict, found[-1].findings) == (Verdict.HEALTHY, (finding,))


async def test_the_newest_review_and_the_changes_come_back_whole(database: Database) -> None:
    await deploy(database)
    gate = Gate(
        "item:support",
        "support briefed",
        GateState.OPEN,
        "not ticked",
        who="support",
        clears_at=SOON,
        by=BO,
        at=NOW,
    )
    changes = Changes(
        (Change("a" * 40, "fix <!channel> `x`", "bo"),),
        7,
        ("bo",),
        ("migrations/1.sql",),
        ("a.py",),
        "http://x",
        known=False,
    )
    async with database.store.transaction() as tx:
        assert await tx.review("shop-1") is None
        await tx.save_review("shop-1", Review(NOW, ()))
        await tx.save_review("shop-1", Review(SOON, (gate,)))
        await tx.save_changes("shop-1", changes)
        assert await tx.review("shop-1") == Review(SOON, (gate,))
        assert await tx.changes("shop-1") == changes


async def test_a_person_decides_once_about_a_commit(database: Database) -> None:
    await deploy(database)
    yes = Decision(
        "shop-1", BO, ("release_manager",), approved=True, commit="c" * 40, base="b" * 40, at=NOW
    )
    async with database.store.transaction() as tx:
        assert await tx.decide(yes)
        assert not await tx.decide(replace(yes, approved=False, at=SOON))
        assert await tx.decide(replace(yes, by=ANA, at=SOON))
        assert await tx.decisions("shop-1") == (yes, replace(yes, by=ANA, at=SOON))


async def test_a_mark_is_set_once_and_can_be_taken_back(database: Database) -> None:
    await deploy(database)
    mark = Mark("shop-1", "item:support", BO, NOW, "briefed")
    async with database.store.transaction() as tx:
        assert await tx.mark(mark)
        assert not await tx.mark(replace(mark, by=ANA))
        assert await tx.marks("shop-1") == (mark,)
        await tx.unmark("shop-1", "item:support")
        assert await tx.marks("shop-1") == ()


async def test_a_lock_holds_until_it_is_removed_or_over(database: Database) -> None:
    lock = Lock("shop", "production", "quarter end", ANA, NOW, SOON)
    everywhere = Lock("", "production", "all hands", BO, SOON)
    async with database.store.transaction() as tx:
        assert await tx.add_lock(lock)
        assert not await tx.add_lock(replace(lock, reason="again"))
        assert await tx.add_lock(everywhere)
        assert await tx.locks("shop", "production") == (lock, everywhere)
        assert await tx.locks("pay", "production") == (everywhere,)
        assert await tx.locks("shop", "staging") == ()
        assert await tx.add_lock(replace(lock, at=SOON, until=None))
        of_rollback = replace(lock, at=SOON, until=None, deployment="shop-1")
        assert await tx.add_lock(of_rollback), "a rollback's lock stands beside a person's"
        assert not await tx.remove_lock(lock), "the lock that was there before is another one"
        assert await tx.remove_lock(replace(lock, at=SOON, until=None))
        assert not await tx.remove_lock(replace(lock, at=SOON, until=None))
        assert set(await tx.locks()) == {everywhere, of_rollback}


async def test_what_is_live_joins_the_verified_once_it_is_verified(database: Database) -> None:
    old = Live("shop", "production", "a" * 40, "v1", NOW, "shop-1", ANA, NOW)
    new = Live("shop", "production", "b" * 40, "v2", SOON, "shop-2", ANA)
    async with database.store.transaction() as tx:
        await tx.set_live(old)
        await tx.set_live(new)
        assert await tx.live("shop", "production") == new
        assert await tx.releases("shop", "production") == (old,)
        await tx.set_live(replace(new, verified_at=SOON))
        assert [release.version for release in await tx.releases("shop", "production")] == [
            "v2",
            "v1",
        ]
        await tx.set_live(replace(old, verified_at=SOON + timedelta(hours=1)))
        assert [release.version for release in await tx.releases("shop", "production")] == [
            "v1",
            "v2",
        ]
        assert await tx.releases("shop", "staging") == ()


async def test_a_quarantined_commit_is_never_a_target(database: Database) -> None:
    live = Live("shop", "production", "a" * 40, "v1", NOW, "shop-1", ANA, NOW)
    async with database.store.transaction() as tx:
        await tx.set_live(live)
        await tx.put_in_quarantine("shop", "a" * 40, reason="errors", by=BO, at=SOON)
        assert await tx.releases("shop", "production") == ()
        assert await tx.quarantine("shop", "a" * 40) == "errors"
        assert await tx.quarantine("pay", "a" * 40) == ""


async def test_a_commit_that_is_rolled_back_here_is_no_target_here(database: Database) -> None:
    await deploy(database, request())
    live = Live("shop", "production", "c" * 40, "v1", NOW, "shop-1", ANA, NOW)
    async with database.store.transaction() as tx:
        await tx.set_live(live)
        await tx.set_live(replace(live, environment="staging"))
        for state in (
            State.QUEUED,
            State.GATED,
            State.ROLLING_OUT,
            State.WATCHING,
            State.VERIFIED,
            State.ROLLING_BACK,
        ):
            await tx.move("shop-1", state, at=SOON)
        assert await tx.releases("shop", "production") == ()
        await tx.move("shop-1", State.ROLLED_BACK, at=SOON)
        assert await tx.releases("shop", "production") == ()
        assert len(await tx.releases("shop", "staging")) == 1


async def test_a_message_is_said_once_and_in_order(database: Database) -> None:
    told: list[int] = []
    database.store.on_outbox(lambda: told.append(1))
    first = Message(
        "shop-1:degraded",
        "degraded",
        {"by": "T1/ANA", "seconds": 1.5},
        "shop-1",
        to="channel",
        chart=True,
    )
    others = [Message(f"k{n}", "live", {}) for n in range(3)]
    async with database.store.transaction() as tx:
        for message in [first, *others, replace(first, template="other")]:
            await tx.say(message)
    assert told == [1]
    assert await database.postings.outbox() == (first, *others)
    await database.postings.sent(first.key)
    await database.postings.park("k0", "channel_not_found")
    assert await database.postings.outbox(limit=1) == (others[1],)
    async with database.store.transaction() as tx:
        await tx.say(first)
    assert first not in await database.postings.outbox()
