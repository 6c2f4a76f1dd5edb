"""An upgrade of the bot with deployments in flight: the next program brings a version of the
runbook that does more; what is on its way ends as it began.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.domain.commands import Deploy
from bot.domain.deployment import DeploymentId, State
from bot.domain.outcomes import Went
from bot.engine.released import Registry
from bot.engine.simulated import Crash, SimulatedEngine
from bot.ports.engine import Run
from bot.ports.time import Json
from bot.registry import released
from bot.runbooks.deploy import deploy_1
from bot.services.context import Context
from tests.runbooks.test_crashes import Simulation, simulation


def next_program(context: Context, greeted: list[DeploymentId]) -> Registry:
    """Give what a later program releases: everything of today, and a deployment that greets."""

    async def greet(id: DeploymentId) -> None:
        greeted.append(id)

    async def deploy_2(run: Run, *args: Json) -> object:
        await run.step("greet", greet, str(args[0]))
        return await deploy_1(run, context, str(args[0]))

    registry = released(context)
    registry.add("deploy", 2, deploy_2)
    return registry


def upgrade(world: Simulation) -> list[DeploymentId]:
    """Exchange the program; the file stays."""
    greeted: list[DeploymentId] = []
    registry = next_program(world.context, greeted)
    world.database.store.newest_version = registry.newest
    world.engine = SimulatedEngine(world.database.journal, registry, world.engine.clock)
    return greeted


async def upgraded(folder: Path, at: int) -> tuple[State, list[str], bool]:
    """Deploy, exchange the program at a write, and let it end."""
    async with simulation(folder) as world:
        await world.asks("k1", Deploy("shop", "production", "v2"))
        world.engine.crash_before = at
        try:
            await world.engine.run_until_idle()
        except Crash:
            in_flight = True
        else:
            in_flight = False
        greeted = upgrade(world)
        await world.engine.open()
        await world.plays()
        assert greeted == [], "what is in flight goes on as the version that it was started with"
        return await world.state("shop-1"), world.ci.named(), in_flight


@pytest.mark.no_cover  # the same story, many times
async def test_what_is_in_flight_ends_the_same_wherever_the_program_is_exchanged(
    tmp_path: Path,
) -> None:
    at, stories = 1, []
    while True:
        (tmp_path / str(at)).mkdir()
        *story, in_flight = await upgraded(tmp_path / str(at), at)
        stories.append(story)
        if not in_flight:
            break
        at += 1
    assert at > 10, "a deployment is more than a few writes"
    assert all(story == stories[-1] for story in stories)
    ended, runs = stories[-1]
    assert ended is State.VERIFIED
    assert runs == [
        "shop-1:canary-5",
        "shop-1:canary-5:smoke",
        "shop-1:canary-100",
        "shop-1:canary-100:smoke",
    ]


async def test_what_begins_after_the_upgrade_takes_the_next_version(tmp_path: Path) -> None:
    async with simulation(tmp_path) as world:
        greeted = upgrade(world)
        await world.asks("k1", Deploy("shop", "production", "v2"))
        await world.plays()
        assert greeted == ["shop-1"]
        assert await world.state("shop-1") is State.VERIFIED


async def test_a_program_that_has_lost_a_version_says_so_and_the_next_one_goes_on(
    tmp_path: Path,
) -> None:
    async with simulation(tmp_path) as world:
        upgrade(world)
        await world.asks("k1", Deploy("shop", "production", "v2"))
        stuck: list[str] = []
        older = released(world.context)
        world.engine = SimulatedEngine(
            world.database.journal,
            older,
            world.engine.clock,
            on_stuck=lambda _run, why: stuck.append(why),
        )
        await world.engine.run_until_idle()
        assert stuck == ["this version of Go/No-Go does not know deploy version 2"]
        assert world.ci.named() == [], "nothing is guessed"
        upgrade(world)
        await world.engine.open()
        await world.plays()
        assert await world.state("shop-1") is State.VERIFIED


async def test_a_deployment_says_how_it_went_whichever_version_it_is(tmp_path: Path) -> None:
    async with simulation(tmp_path) as world:
        upgrade(world)
        await world.asks("k1", Deploy("shop", "production", "v2"))
        await world.plays()
        record = await world.database.journal.get("shop-1")
        assert record is not None
        assert (record.name, record.version, record.result) == ("deploy", 2, Went.GO.value)
