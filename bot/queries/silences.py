"""That the CI provider does not answer: one question, asked for every door that shows what depends
on it.
"""

from __future__ import annotations

from dataclasses import asdict

from bot.domain import plain
from bot.domain.deployment import Deployment, State
from bot.domain.errors import IntegrationError
from bot.domain.rollout import Step
from bot.domain.underway import Silence, UnderWay, silence_of
from bot.ports.board import Silent
from bot.ports.reader import Reader
from bot.ports.time import Json

_DEPENDS = frozenset({State.REQUESTED, State.ROLLING_OUT, State.ROLLING_BACK})
"""States in which something depends on the CI provider's answers."""


async def silence_about(reader: Reader, deployment: Deployment) -> Silence | None:
    """Say what a deployment, or a rollback, waits for because the CI provider does not answer."""
    if deployment.state not in _DEPENDS:
        return None
    steps, way_back = await reader.steps(deployment.id), await way_back_of(reader, deployment)
    return silence_of(deployment, UnderWay(deployment.state, steps, way_back))


async def way_back_of(reader: Reader, deployment: Deployment) -> tuple[Step, ...]:
    """Read the steps of the rollback under way that undoes it."""
    if deployment.state is not State.ROLLING_BACK:
        return ()
    back = await reader.rollback_of(deployment.id)
    return await reader.steps(back.id) if back is not None else ()


def line_of_silence(found: Silence | None) -> Silent | None:
    """Give it for a line of the status."""
    return Silent(str(found.about), found.since.isoformat(), found.refusal) if found else None


def facts_of_silence(found: Silence | None) -> dict[str, Json] | None:
    """Give it as JSON values."""
    line = line_of_silence(found)
    return asdict(line) if line else None


async def untold(reader: Reader, service: str, error: IntegrationError) -> str:
    """Answer a question that needs the CI provider and gets no answer: since when others wait for
    it as well, where that is known.
    """
    coming = await reader.open_deployments(service)
    found = [(each, await silence_about(reader, each)) for each in coming]
    waits = [(said.since, each.id) for each, said in found if said and not said.refusal]
    if not error.retry or not waits:
        return error.answered
    since, waiting = min(waits)
    return f"{error.answered} {waiting} has been waiting for it since {plain.moment(since)}."
