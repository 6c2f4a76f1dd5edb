"""Who has given what a deployment goes by, and whether they still may: looked up anew, so that it
goes on nobody's lost word.

A request, a tick and a confirmed plan count while whoever gave them could give them now. Approvals
are counted so in ``approvals``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from bot.domain.catalog import Permission
from bot.domain.deployment import Deployment
from bot.domain.gates import Doubtful, requester_gate
from bot.domain.people import Person
from bot.domain.readiness import Gate
from bot.services.context import Context
from bot.services.people import TERMINAL, Held


@dataclass(frozen=True, slots=True)
class Givers:
    """What was looked up about the people whose word a deployment goes by. Who was not looked up
    has given it since, and counts.
    """

    requester: Held | None = None
    marks: Mapping[tuple[str, Person], Held] = field(default_factory=dict)

    def doubt(self, key: str, by: Person) -> Doubtful | None:
        """Say why a mark does not count now; None where it does."""
        held = self.marks.get((key, by))
        return (
            Doubtful(held.why_not, is_known=held.is_known)
            if held is not None and not held.roles
            else None
        )

    @property
    def are_known(self) -> bool:
        """Tell whether all of them could be looked up."""
        return all(held.is_known for held in self.marks.values())


async def look_up(context: Context, deployment: Deployment, *, fresh: bool = False) -> Givers:
    """Ask which of the people whose word a deployment goes by could give it now. This waits, so it
    happens outside of any view.
    """
    if not deployment.id:  # it is only imagined: nobody has given anything
        return Givers()
    async with context.store.reading() as reader:
        marks = await reader.marks(deployment.id)
    wanted = {(mark.key, mark.by): _roles(context, deployment, mark.key) for mark in marks}
    asked = {each: roles for each, roles in wanted.items() if roles and each[1].team != TERMINAL}
    held = {
        each: await context.people.held_now(each[1], roles, fresh=fresh)
        for each, roles in asked.items()
    }
    return Givers(await _requester(context, deployment, fresh=fresh), held)


def _roles(context: Context, deployment: Deployment, key: str) -> Collection[str]:
    """Name the roles one of which gives a mark; none where no role does."""
    policy = context.of(deployment)[1]
    kind, _, about = key.partition(":")
    if kind == "plan":
        return policy.plan_by
    return {item.role for item in policy.checklist if kind == "item" and item.key == about}


async def _requester(context: Context, deployment: Deployment, *, fresh: bool) -> Held | None:
    if deployment.requested_by.team == TERMINAL:
        return None
    return await context.people.held_now(
        deployment.requested_by,
        context.catalog.permissions.get(Permission.DEPLOY, frozenset()),
        fresh=fresh,
    )


def gate(deployment: Deployment, givers: Givers) -> Gate | None:
    """Hold a deployment whose requester has left, or may not deploy any more. They were looked up
    when they asked: no outage holds it.
    """
    held = givers.requester
    if held is None or held.roles or not held.is_known:
        return None
    return requester_gate(deployment.requested_by, has_left=held.has_left)
