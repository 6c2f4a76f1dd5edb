"""What goes first in a place: for the cards of what is queued behind it."""

from __future__ import annotations

from bot.domain.ahead import Ahead
from bot.domain.catalog import Permission
from bot.domain.deployment import STANDS, Deployment, DeploymentId, State
from bot.ports.reader import Reader
from bot.ports.store import Transaction
from bot.services.context import Context, existing


async def ahead_in(context: Context, reader: Reader, holder: DeploymentId) -> Ahead | None:
    """Say what that goes first waits for, and who could take it out of the way; None
    once it touches something.
    """
    first = await existing(reader, holder)
    if not first.has_touched_nothing:
        return None
    people = tuple(dict.fromkeys([first.requested_by, *([first.lead] if first.lead else [])]))
    stands = "has begun nothing yet" if first.is_only_let_go else STANDS[first.state]
    return Ahead(
        first.id,
        first.version,
        stands,
        people,
        tuple(context.people.named_by_role(Permission.HAND_OVER)),
    )


async def redraw_behind(tx: Transaction, first: Deployment) -> None:
    """Have the cards drawn again of what is queued behind a deployment:
    they say what it waits for.
    """
    for each in await tx.open_deployments(first.service, first.environment):
        if each.state is State.QUEUED and each.id != first.id:
            await tx.redraw(each.id)
