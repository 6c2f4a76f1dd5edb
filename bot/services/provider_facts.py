"""What the providers are asked about a deployment before its gates are judged."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot.domain.catalog import Freeze, GateKind
from bot.domain.deployment import Deployment
from bot.domain.errors import IntegrationError, NotAskedYet
from bot.domain.quality import QualityState
from bot.domain.rollback import Way
from bot.ports.ci import Quality
from bot.ports.people import Shift
from bot.services import before, givers
from bot.services.context import Context
from bot.services.givers import Givers


@dataclass(frozen=True, slots=True)
class Facts:
    """What the providers said about a deployment when they were asked; an error
    is what one said instead.
    """

    commit: str
    quality: Quality | IntegrationError | None
    freezes: tuple[Freeze, ...] | IntegrationError
    shift: Shift | IntegrationError | None
    way_back: Way | None = None
    """What lies between an imagined deployment and what it would be rolled back to."""
    way_first: Way | None = None
    """What lies between what is live in the environment before and its version,
    where a gate asks for that.
    """
    givers: Givers = field(default_factory=Givers)
    """Which of the people whose word it goes by could give it now."""

    def again(self, now: datetime, unsettled: timedelta) -> list[timedelta]:
        """Say when something else may be answered: at a turn, at the end of a shift, and soon where
        an answer will not stay.
        """
        given = (self.quality, self.freezes, self.shift)
        moments = [each.until for each in given if isinstance(each, NotAskedYet)]
        if isinstance(self.shift, Shift) and self.shift.until:
            moments.append(self.shift.until)
        is_unsettled = any(
            isinstance(each, IntegrationError) and not isinstance(each, NotAskedYet)
            for each in given
        )
        if isinstance(self.quality, Quality):
            is_unsettled = (
                is_unsettled
                or self.quality.state is QualityState.RUNNING
                or bool(self.quality.startable)
            )
        return [moment - now for moment in moments if moment > now] + [unsettled] * is_unsettled


async def ask_providers(context: Context, deployment: Deployment, *, fresh: bool = False) -> Facts:
    """Ask everything about a deployment that the store does not know; ``fresh``: people as they are
    now, not as they were a minute ago.

    This waits, so it happens outside of any view.
    """
    kinds = {gate.kind for gate in context.of(deployment)[1].gates}
    ci = context.providers[deployment.service].ci
    quality: Quality | IntegrationError | None = None
    freezes: tuple[Freeze, ...] | IntegrationError = ()
    try:
        quality = await ci.quality(deployment.commit) if GateKind.TESTS in kinds else None
    except IntegrationError as error:
        quality = error
    try:
        freezes = await ci.freezes(deployment.environment) if GateKind.UNFROZEN in kinds else ()
    except IntegrationError as error:
        freezes = error
    shift = await shift_now(context, deployment)
    asked = await givers.look_up(context, deployment, fresh=fresh)
    return Facts(
        deployment.commit,
        quality,
        freezes,
        shift,
        way_first=await before.way_to(context, deployment),
        givers=asked,
    )


async def shift_now(context: Context, deployment: Deployment) -> Shift | IntegrationError | None:
    """Ask who is on call, and give an error as the answer that it is."""
    try:
        return await on_call_now(context, deployment)
    except IntegrationError as error:
        return error


async def on_call_now(context: Context, deployment: Deployment) -> Shift | None:
    """Ask the schedule who is on call for a deployment's service."""
    service, _, providers = context.of(deployment)
    return await providers.on_call.who(service, context.now())
