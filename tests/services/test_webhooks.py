"""Which deployments a notice wakes: those that wait for its run, by the
provider that told of it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bot.domain.catalog import ProviderChoice
from bot.domain.rollout import RunState, Stage, StepState
from bot.ports.ci import RunHint
from bot.services import webhooks
from tests.services.conftest import COMMITS

Team = Any
"""The fixture ``team``."""


async def run_under_way(team: Team) -> str:
    team.ci.stages = (Stage("release", RunState.RUNNING), Stage("announce", RunState.QUEUED))
    v2 = await team.rolls_out_v2()
    async with team.database.store.reading() as reader:
        step = (await reader.steps(v2))[0]
    assert step.state is StepState.RUNNING
    return str(step.run)


async def wakes(team: Team) -> int:
    return int((await team.database.journal.get("shop-2")).wakes)


async def test_a_notice_wakes_only_by_the_provider_whose_run_it_is(team: Team) -> None:
    run, catalog = await run_under_way(team), team.context.catalog
    shop = replace(catalog.services["shop"], ci=ProviderChoice("gitlab"))
    catalog = replace(catalog, services={"shop": shop})
    before = await wakes(team)
    assert not await webhooks.wake(team.context.store, catalog, RunHint(run), provider="github"), (
        "another vendor's run with the same number"
    )
    assert not await webhooks.wake(team.context.store, catalog, RunHint(""), provider="gitlab")
    assert not await webhooks.wake(
        team.context.store, replace(catalog, services={}), RunHint(run)
    ), "a service that is not configured any more"
    assert await wakes(team) == before
    assert await webhooks.wake(team.context.store, catalog, RunHint(run), provider="gitlab")
    assert await webhooks.wake(team.context.store, catalog, RunHint(run))
    assert await wakes(team) == before + 2


async def test_a_notice_about_a_deployment_that_is_over_wakes_nobody(team: Team) -> None:
    run = await run_under_way(team)
    team.ci.stages = ()
    team.ci.ends["deploy"] = RunState.FAILED
    await team.passes(team.context.intervals.run)
    before = await wakes(team)
    assert not await webhooks.wake(team.context.store, team.context.catalog, RunHint(run))
    assert await wakes(team) == before


async def test_a_notice_about_a_commit_alone_wakes_whoever_waits_with_it(team: Team) -> None:
    await team.asks_for_v2()
    asked_anew: list[str] = []
    before = await wakes(team)
    hint = RunHint("", commit=COMMITS["v2"])
    assert await webhooks.wake(
        team.context.store, team.context.catalog, hint, forget=asked_anew.append
    )
    assert (await wakes(team), asked_anew) == (before + 1, [COMMITS["v2"]])
    assert not await webhooks.wake(
        team.context.store, team.context.catalog, RunHint("4711"), forget=asked_anew.append
    )
    assert (await wakes(team), asked_anew) == (before + 1, [COMMITS["v2"]])
