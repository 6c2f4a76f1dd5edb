"""What every engine promises to a runbook."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import cast

import pytest

from bot.domain.errors import IntegrationError
from bot.engine.execution import TRIES
from bot.ports.engine import Later, Run
from tests.engine.conftest import Bench

MINUTE = timedelta(minutes=1)
HALF_A_MINUTE = timedelta(seconds=30)


async def test_a_step_is_done_once_and_its_result_is_remembered(bench: Bench) -> None:
    async def deploy(run: Run, version: str) -> str:
        built = await run.step("build", bench.act, f"built {version}")
        await bench.bake(run, MINUTE)
        return await run.step("ship", bench.act, f"shipped {built}")

    bench.add(deploy)
    assert await bench.engine.start("deploy", "shop-1", "v1")
    await bench.settle()
    await bench.pass_time(MINUTE)
    assert bench.did == ["built v1", "shipped built v1"]
    record = await bench.record("shop-1")
    assert (record.state, record.result) == ("done", "shipped built v1")


async def test_an_id_is_started_once(bench: Bench) -> None:
    async def deploy(run: Run) -> str:
        return await run.step("build", bench.act, "built")

    bench.add(deploy)
    assert await bench.engine.start("deploy", "shop-1")
    assert not await bench.engine.start("deploy", "shop-1")
    await bench.settle()
    assert not await bench.engine.start("deploy", "shop-1")
    await bench.settle()
    assert bench.did == ["built"]


async def test_a_look_is_repeated_until_there_is_something(bench: Bench) -> None:
    found: list[str] = []

    async def look() -> str | None:
        bench.did.append("look")
        return found[0] if found else None

    async def deploy(run: Run) -> str:
        return await run.until("finished", look, every=MINUTE)

    bench.add(deploy)
    await bench.engine.start("deploy", "shop-1")
    await bench.settle()
    await bench.pass_time(HALF_A_MINUTE)
    assert bench.did == ["look"]
    found.append("green")
    await bench.pass_time(HALF_A_MINUTE)
    assert bench.did == ["look", "look"]
    assert (await bench.record("shop-1")).result == "green"


async def test_a_look_may_say_when_it_looks_again_and_a_wake_up_comes_before_that(
    bench: Bench,
) -> None:
    pauses = [Later(3 * MINUTE), Later(HALF_A_MINUTE), None]

    async def look() -> Later | str | None:
        bench.did.append("look")
        return pauses.pop(0) if pauses else "green"

    async def deploy(run: Run) -> str:
        return await run.until("finished", look, every=MINUTE)

    bench.add(deploy)
    await bench.engine.start("deploy", "shop-1")
    await bench.settle()
    await bench.pass_time(2 * MINUTE)
    assert len(bench.did) == 1
    await bench.wake("shop-1")
    assert len(bench.did) == 2
    await bench.pass_time(HALF_A_MINUTE)
    assert len(bench.did) == 3
    await bench.pass_time(HALF_A_MINUTE)
    assert len(bench.did) == 3, "None is the pause that the runbook names"
    await bench.pass_time(HALF_A_MINUTE)
    assert (await bench.record("shop-1")).result == "green"


async def test_a_wake_up_makes_it_look_at_once(bench: Bench) -> None:
    found: list[str] = []

    async def look() -> str | None:
        return found[0] if found else None

    async def deploy(run: Run) -> str:
        return await run.until("approved", look, every=timedelta(days=1))

    bench.add(deploy)
    await bench.engine.start("deploy", "shop-1")
    await bench.settle()
    found.append("approved")
    await bench.wake("shop-1")
    assert (await bench.record("shop-1")).result == "approved"


async def test_a_wake_up_during_the_look_is_not_lost(bench: Bench) -> None:
    looks: list[int] = []

    async def look() -> str | None:
        looks.append(1)
        if len(looks) == 1:
            # the fact is stored after the look has seen nothing, before the run is parked
            await bench.woken("shop-1")
            return None
        return "seen"

    async def deploy(run: Run) -> str:
        return await run.until("approved", look, every=timedelta(days=1))

    bench.add(deploy)
    await bench.engine.start("deploy", "shop-1")
    await bench.settle()
    assert (await bench.record("shop-1")).result == "seen"


async def test_waiting_lasts_over_a_restart_and_is_not_begun_again(bench: Bench) -> None:
    async def deploy(run: Run) -> str:
        await bench.bake(run, MINUTE)
        return await run.step("ship", bench.act, "shipped")

    bench.add(deploy)
    await bench.engine.start("deploy", "shop-1")
    await bench.settle()
    bench.clock.advance(HALF_A_MINUTE)
    await bench.restart()
    assert bench.did == []
    await bench.pass_time(HALF_A_MINUTE)
    assert bench.did == ["shipped"]


async def test_a_provider_that_is_away_is_asked_for_as_long_as_it_takes(bench: Bench) -> None:
    answers = iter([False] * 40)

    async def start() -> str:
        bench.did.append("asked")
        if not next(answers, True):
            raise IntegrationError("the CI does not answer", vendor="local CI", retry=True)
        return "started"

    async def deploy(run: Run) -> str:
        return await run.step("start", start)

    bench.add(deploy)
    await bench.engine.start("deploy", "shop-1")
    await bench.settle()
    record = await bench.record("shop-1")
    assert (record.state, record.attempts, record.error) == ("waiting", 1, "the CI does not answer")
    for _ in range(40):
        await bench.pass_time(HALF_A_MINUTE)
    assert (await bench.record("shop-1")).result == "started"
    assert len(bench.did) == 41
    assert bench.stuck == []


async def test_the_pause_grows_from_one_second_to_thirty(bench: Bench) -> None:
    async def start() -> str:
        bench.did.append(bench.clock.now().isoformat())
        raise IntegrationError("the CI does not answer", vendor="local CI", retry=True)

    async def deploy(run: Run) -> None:
        await run.step("start", start)

    bench.add(deploy)
    begin = bench.clock.now()
    await bench.engine.start("deploy", "shop-1")
    await bench.settle()
    pauses = []
    for _ in range(8):
        due = (await bench.record("shop-1")).wake_at
        assert due is not None
        pauses.append((due - bench.clock.now()).total_seconds())
        await bench.pass_time(due - bench.clock.now())
    assert pauses == [1, 2, 4, 8, 15, 30, 30, 30]
    assert bench.did[0] == begin.isoformat()


@pytest.mark.parametrize(
    "error",
    [ValueError("no such file"), IntegrationError("no such ref", vendor="local CI", retry=False)],
)
async def test_a_step_that_keeps_failing_is_reported_and_left_alone(
    bench: Bench, error: Exception
) -> None:
    async def start() -> str:
        bench.did.append("tried")
        raise error

    async def deploy(run: Run) -> None:
        await run.step("start", start)

    bench.add(deploy)
    await bench.engine.start("deploy", "shop-1")
    await bench.settle()
    for _ in range(10):
        await bench.pass_time(HALF_A_MINUTE)
    assert len(bench.did) == TRIES
    assert [(run, str(error) in why) for run, why in bench.stuck] == [("shop-1", True)]
    assert (await bench.record("shop-1")).state == "blocked"


async def test_a_long_outage_does_not_use_up_the_tries_of_a_failure(bench: Bench) -> None:
    errors: list[Exception | None] = [IntegrationError("away", vendor="local CI")] * 10
    errors += [ValueError("odd"), None]

    async def start() -> str:
        error = errors.pop(0)
        if error is not None:
            raise error
        return "started"

    async def deploy(run: Run) -> str:
        return await run.step("start", start)

    bench.add(deploy)
    await bench.engine.start("deploy", "shop-1")
    await bench.settle()
    for _ in range(12):
        await bench.pass_time(HALF_A_MINUTE)
    assert (await bench.record("shop-1")).result == "started"
    assert bench.stuck == []


async def test_a_stuck_run_is_tried_again_at_the_next_start(bench: Bench) -> None:
    broken = [True]

    async def start() -> str:
        if broken:
            raise ValueError("broken")
        return "started"

    async def deploy(run: Run) -> str:
        return await run.step("start", start)

    bench.add(deploy)
    await bench.engine.start("deploy", "shop-1")
    await bench.settle()
    for _ in range(6):
        await bench.pass_time(HALF_A_MINUTE)
    assert len(bench.stuck) == 1
    broken.clear()
    await bench.restart()
    assert (await bench.record("shop-1")).result == "started"


async def test_no_runbook_can_catch_what_the_engine_says(bench: Bench) -> None:
    async def deploy(run: Run) -> str:
        try:
            await bench.bake(run, MINUTE)
        except Exception:  # noqa: BLE001 - that is the point
            return "caught"
        return "slept"

    bench.add(deploy)
    await bench.engine.start("deploy", "shop-1")
    await bench.settle()
    await bench.pass_time(MINUTE)
    assert (await bench.record("shop-1")).result == "slept"


async def test_a_version_that_is_not_known_is_reported_and_never_guessed(bench: Bench) -> None:
    async def deploy_1(run: Run) -> str:
        await bench.bake(run, MINUTE)
        return await run.step("ship", bench.act, "by 1")

    async def deploy_2(run: Run) -> str:
        return await run.step("ship", bench.act, "by 2")

    bench.add(deploy_1)
    await bench.engine.start("deploy", "shop-1")
    await bench.settle()
    bench.forget()
    bench.add(deploy_2, version=2)
    bench.clock.advance(MINUTE)
    await bench.restart()
    assert bench.did == []
    assert bench.stuck == [("shop-1", "this version of Go/No-Go does not know deploy version 1")]
    bench.add(deploy_1)
    await bench.restart()
    assert bench.did == ["by 1"]


async def test_what_is_in_flight_keeps_its_version_and_what_starts_takes_the_newest(
    bench: Bench,
) -> None:
    async def deploy_1(run: Run) -> str:
        await bench.bake(run, MINUTE)
        return "by 1"

    async def deploy_2(run: Run) -> str:  # noqa: ARG001 - a runbook may do nothing
        return "by 2"

    bench.add(deploy_1)
    await bench.engine.start("deploy", "shop-1")
    await bench.settle()
    bench.add(deploy_2, version=2)
    await bench.engine.start("deploy", "shop-2")
    await bench.settle()
    await bench.pass_time(MINUTE)
    assert [(await bench.record(run)).result for run in ("shop-1", "shop-2")] == ["by 1", "by 2"]


@pytest.mark.parametrize("edit", ["insert", "remove at the end"])
async def test_an_edit_of_the_past_blocks_the_run(bench: Bench, edit: str) -> None:
    async def deploy(run: Run) -> str:
        await run.step("build", bench.act, "built")
        await bench.bake(run, MINUTE)
        return "done"

    async def inserted(run: Run) -> str:
        await run.step("announce", bench.act, "announced too late")
        return await deploy(run)

    async def removed(run: Run) -> str:
        await bench.bake(run, MINUTE)
        return "done"

    bench.add(deploy)
    await bench.engine.start("deploy", "shop-1")
    await bench.settle()
    bench.forget()
    bench.add(inserted if edit == "insert" else removed)
    bench.clock.advance(MINUTE)
    await bench.restart()
    assert bench.did == ["built"]
    assert [(run, "edited" in why) for run, why in bench.stuck] == [("shop-1", True)]


async def test_a_name_that_is_used_twice_blocks_the_run(bench: Bench) -> None:
    async def deploy(run: Run) -> None:
        await run.step("build", bench.act, "one")
        await run.step("build", bench.act, "two")

    bench.add(deploy)
    await bench.engine.start("deploy", "shop-1")
    await bench.settle()
    assert bench.stuck == [("shop-1", 'the runbook uses the name "build" twice')]


class Built(Enum):
    """How a build may end."""

    GREEN = "green"
    RED = "red"


@dataclass(frozen=True)
class Plan:
    """A result with fields."""

    steps: tuple[str, ...]
    since: datetime
    built: Built


async def test_a_result_that_is_none_of_what_was_declared_blocks_the_run(bench: Bench) -> None:
    async def build() -> Built:
        return cast("Built", "green")

    async def deploy(run: Run) -> None:
        await run.step("build", build)

    bench.add(deploy)
    await bench.engine.start("deploy", "shop-1")
    await bench.settle()
    assert bench.stuck == [
        ("shop-1", '"build" returned str, which is not what it is declared to return')
    ]


async def test_a_step_that_does_not_declare_what_it_returns_is_refused(bench: Bench) -> None:
    async def deploy(run: Run) -> None:
        await run.step("build", lambda: bench.act("built"))

    bench.add(deploy)
    await bench.engine.start("deploy", "shop-1")
    await bench.settle()
    ((_, why),) = bench.stuck
    assert "does not declare what it returns" in why
    assert bench.did == []


async def test_the_first_pass_sees_results_as_every_later_one_does(bench: Bench) -> None:
    seen: list[Plan] = []
    planned = Plan(("canary-5", "canary-100"), bench.clock.now(), Built.GREEN)

    async def plan() -> Plan:
        return planned

    async def deploy(run: Run) -> Built:
        seen.append(await run.step("plan", plan))
        await bench.bake(run, MINUTE)
        return seen[-1].built

    bench.add(deploy)
    await bench.engine.start("deploy", "shop-1")
    await bench.settle()
    await bench.pass_time(MINUTE)
    assert seen == [planned] * 2
    assert seen[0] is not planned
    assert (await bench.record("shop-1")).result == "green"


async def test_a_mistake_in_the_runbook_itself_is_reported(bench: Bench) -> None:
    async def deploy(run: Run) -> None:  # noqa: ARG001 - it fails before it does anything
        raise KeyError("house")

    bench.add(deploy)
    await bench.engine.start("deploy", "shop-1")
    await bench.settle()
    assert bench.stuck == [("shop-1", "KeyError: 'house'")]


async def test_an_unknown_runbook_is_not_started(bench: Bench) -> None:
    with pytest.raises(KeyError, match="there is no runbook"):
        await bench.engine.start("dploy", "shop-1")
    assert await bench.journal.get("shop-1") is None
