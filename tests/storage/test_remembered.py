"""What the announcer, the embedded CI and the metrics source remember."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.domain.rollout import RunState, Stage
from bot.ports.ci import CIRun, LocalRun, StartRequest, StartState, StoredStart
from bot.ports.metrics import Sample
from bot.ports.talk import Posting
from bot.storage.database import Database
from tests.storage.conftest import NOW

REQUEST = StartRequest(
    "shop-1:canary-5", "c" * 40, "production", "deploy", {"percent": "5"}, "T1/ANA"
)


def local_run(id: str = "run-1", state: RunState = RunState.QUEUED) -> LocalRun:
    stages = (Stage("build", RunState.RUNNING, NOW, None, "compiling"),)
    return LocalRun(
        "shop",
        REQUEST.correlation,
        REQUEST,
        CIRun(id, state, "http://ci/1", stages, NOW),
        4711,
        "/logs/1",
    )


async def test_of_two_starts_with_one_correlation_the_first_is_kept(database: Database) -> None:
    stored = await asyncio.gather(*(database.runs.add(local_run(f"run-{n}")) for n in range(5)))
    assert stored == [stored[0]] * 5
    assert await database.runs.by_correlation("shop", REQUEST.correlation) == stored[0]
    assert await database.runs.by_correlation("pay", REQUEST.correlation) is None
    assert await database.runs.get(stored[0].run.id) == stored[0]
    assert await database.runs.get("run-99") is None


@pytest.mark.case("structure-4")
async def test_a_start_outside_is_no_run_of_the_embedded_ci_and_none_of_another_vendor(
    database: Database,
) -> None:
    start = StoredStart("github", "shop", REQUEST.correlation, StartState.SENT, NOW, REQUEST)
    await database.starts.save(start)
    await database.starts.save(replace(start, state=StartState.KNOWN, run="7"))
    assert await database.starts.get("github", "shop", REQUEST.correlation) == replace(
        start, state=StartState.KNOWN, run="7"
    )
    assert await database.starts.get("gitlab", "shop", REQUEST.correlation) is None
    assert await database.runs.by_correlation("shop", REQUEST.correlation) is None


async def test_unfinished_runs_are_listed(database: Database) -> None:
    run = await database.runs.add(local_run())
    assert await database.runs.unfinished("shop") == (run,)
    done = replace(
        run, run=replace(run.run, state=RunState.SUCCEEDED, finished_at=NOW), process_group=0
    )
    await database.runs.save(done)
    assert await database.runs.unfinished("shop") == ()
    assert await database.runs.get("run-1") == done


@pytest.mark.parametrize("final", [state for state in RunState if state.is_final])
async def test_a_final_state_is_never_left_again(database: Database, final: RunState) -> None:
    run = await database.runs.add(local_run())
    await database.runs.save(replace(run, run=replace(run.run, state=final)))
    await database.runs.save(replace(run, run=replace(run.run, state=RunState.RUNNING)))
    found = await database.runs.get("run-1")
    assert found is not None
    assert found.run.state is final


async def test_samples_come_back_in_order_and_old_ones_go(database: Database) -> None:
    samples = [
        Sample("shop", "production", "http://a", NOW + timedelta(seconds=n), {"errors": n})
        for n in range(5)
    ]
    await database.samples.add([])
    await database.samples.add(samples[::-1])
    await database.samples.add([replace(samples[0], environment="staging")])
    assert await database.samples.between(
        "shop", "production", samples[1].at, samples[3].at
    ) == tuple(samples[1:3])
    await database.samples.prune(samples[2].at)
    assert await database.samples.between(
        "shop", "production", NOW, NOW + timedelta(hours=1)
    ) == tuple(samples[2:])
    assert await database.samples.between("shop", "staging", NOW, NOW + timedelta(hours=1)) == ()


async def test_a_posting_is_intended_once_and_then_known(database: Database) -> None:
    assert await database.postings.get("card:shop-1") is None
    assert await database.postings.intend("card:shop-1", "C1") == Posting("card:shop-1", "C1")
    posted = Posting("card:shop-1", "C1", "1.2", "digest")
    await database.postings.save(posted)
    assert await database.postings.intend("card:shop-1", "C2") == posted
    assert await database.postings.get("card:shop-1") == posted
