"""Freezes at the start of a step: a rollout that is under way is finished, one that has stood for
long does not go on into a freeze.

Those of gonogo.yaml are known at any moment; those that the CI provider keeps are asked for outside
of any transaction, and only where the rollout has stood for that long.
"""

from __future__ import annotations

from datetime import timedelta

from bot.domain.catalog import Freeze, GateKind
from bot.domain.deployment import Deployment, Kind
from bot.domain.errors import IntegrationError
from bot.domain.gates import frozen_by
from bot.ports.reader import Reader
from bot.services.context import Context

STALE = timedelta(hours=1)
"""A rollout that has stood for longer than this does not go on into a freeze."""

Theirs = tuple[Freeze, ...] | IntegrationError
"""What the CI provider says of its freezes, or the error that it answers with."""


async def of_the_provider(context: Context, deployment: Deployment) -> Theirs:
    """Ask the CI provider, where a freeze of its would keep the next step."""
    if deployment.kind is Kind.ROLLBACK or all(
        gate.kind is not GateKind.UNFROZEN for gate in context.of(deployment)[1].gates
    ):
        return ()
    async with context.store.reading() as reader:
        if not await _has_stood(context, reader, deployment):
            return ()
    try:
        return await context.providers[deployment.service].ci.freezes(deployment.environment)
    except IntegrationError as error:
        return error


async def why_not_on(
    context: Context, reader: Reader, deployment: Deployment, theirs: Theirs
) -> list[str]:
    """Say why a rollout that has stood for long does not go on; what nobody knows keeps it too."""
    if not await _has_stood(context, reader, deployment):
        return []
    known = () if isinstance(theirs, IntegrationError) else theirs
    freeze = frozen_by(context.catalog.freezes + known, deployment.environment, context.now())
    if freeze is not None:
        return [f"{deployment.environment} is frozen: {freeze.reason}"]
    if isinstance(theirs, IntegrationError):
        why = f"{theirs.vendor} does not answer" if theirs.retry else str(theirs)
        return [f"it is not known whether {deployment.environment} is frozen: {why}"]
    return []


async def _has_stood(context: Context, reader: Reader, deployment: Deployment) -> bool:
    """Tell whether a rollout has stood for long: since the end of its last hold,
    whenever that is noticed.

    After hours without the bot, a step is done only now.
    """
    steps = await reader.steps(deployment.id)
    moved = [at for step in steps for at in (step.hold_until, step.started_at) if at] or [
        deployment.state_since
    ]
    return context.now() - max(moved) >= STALE
