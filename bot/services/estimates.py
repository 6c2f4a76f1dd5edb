"""How long what is under way still takes, by what such runs took before."""

from __future__ import annotations

from datetime import datetime, timedelta
from statistics import quantiles

from bot.domain.card import Card
from bot.domain.decisions import Mark
from bot.domain.deployment import Deployment, Kind, State
from bot.domain.people import GONOGO
from bot.domain.rollout import Overrun, Step, is_overrun, overrun, time_left
from bot.ports.reader import Reader
from bot.services.context import Context

OVERRUN = "overrun:"
"""How the mark begins that says: a run has taken longer than usual, and its card was drawn
again without an estimate.
"""
ENOUGH_STAGES = 3
"""From how many earlier stages one knows how long the next one takes."""


async def about_left(
    reader: Reader, deployment: Deployment, steps: tuple[Step, ...], now: datetime
) -> timedelta | Overrun | None:
    """Estimate what a rollout still needs from what such steps took before (90th percentile), or
    say that its run takes longer than they did.
    """
    keys = {step.key for step in steps if step.deployed_at is None}
    took = {
        key: await reader.step_seconds(deployment.service, deployment.environment, key)
        for key in keys
    }
    usual = {key: timedelta(seconds=_p90(seconds)) for key, seconds in took.items()}
    return overrun(steps, usual, now) or time_left(steps, usual, now)


async def draw_overrun(context: Context, deployment: Deployment, step: Step) -> None:
    """Have a card drawn again, once, when a run has taken longer than usual: nobody can tell any
    more how much longer it takes.
    """
    key = f"{OVERRUN}{step.key}:{step.state}:{step.attempt}"
    async with context.store.reading() as reader:
        took = await reader.step_seconds(deployment.service, deployment.environment, step.key)
        is_said = any(mark.key == key for mark in await reader.marks(deployment.id))
    usual = {step.key: timedelta(seconds=_p90(took))}
    if deployment.kind is Kind.FORWARD and not is_said and is_overrun(step, usual, context.now()):
        async with context.store.transaction() as tx:
            await tx.mark(Mark(deployment.id, key, GONOGO, context.now()))


async def stages_take(reader: Reader, card: Card) -> dict[str, timedelta]:
    """Estimate how long the stages of the run under way take (90th percentile), from at
    least three that succeeded.
    """
    steps = {State.ROLLING_OUT: card.steps, State.ROLLING_BACK: card.way_back}.get(
        card.deployment.state, ()
    )
    step = next((step for step in steps if step.is_under_way), None)
    if step is None:
        return {}
    took = await reader.stage_seconds(
        card.deployment.service, card.deployment.environment, step.key
    )
    return {
        stage: timedelta(seconds=_p90(seconds))
        for stage, seconds in took.items()
        if len(seconds) >= ENOUGH_STAGES
    }


def _p90(seconds: tuple[float, ...]) -> float:
    return quantiles(seconds, n=10, method="inclusive")[-1] if len(seconds) > 1 else sum(seconds)
