"""What gonogo.yaml allows and is hardly meant: said by
``gonogo check-config``, and refused by nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from bot.catalog.protection import asking
from bot.domain.approvals import could_be_met
from bot.domain.catalog import (
    ApprovalRule,
    Catalog,
    EnvironmentPolicy,
    GateKind,
    Need,
    Permission,
    Role,
    Service,
    Tier,
)
from bot.domain.people import Person
from bot.domain.rota import Rota, duty_at

AHEAD = timedelta(weeks=4)
"""How far a rota is looked at."""
_LOOK = timedelta(minutes=15)


def doubts(catalog: Catalog, rotas: Mapping[str, Rota], now: datetime) -> Iterator[str]:
    """Say what is allowed and hardly meant."""
    yield from _permissions(catalog)
    for service in catalog.services.values():
        if all(policy.tier is not Tier.PRODUCTION for policy in service.environments.values()):
            yield (
                f"{service.name} has no environment of the tier production, so nothing of "
                "it is protected like one."
            )
        for policy in service.environments.values():
            for doubt in (
                *_environment(catalog, service, policy),
                *_planless(catalog, service, policy),
            ):
                yield f"{service.name} → {policy.name}: {doubt}"
    for name in sorted(_needed(catalog) & set(rotas)):
        yield from _rota(rotas[name], now)


def _permissions(catalog: Catalog) -> Iterator[str]:
    for permission, purpose in (
        (Permission.DEPLOY, "ask for a deployment"),
        (Permission.VIEW, "see status, history and checks"),
    ):
        roles = [catalog.roles[name] for name in catalog.permissions.get(permission, ())]
        if not any(role.people or role.groups for role in roles):
            name = permission.name.lower()
            yield (
                f"nobody can {purpose}: permissions.{name} names no role that "
                "somebody holds. Name one."
            )


def _environment(catalog: Catalog, service: Service, policy: EnvironmentPolicy) -> Iterator[str]:
    if policy.tier is Tier.PRODUCTION:
        yield from _open(service, policy)
    for rule in policy.approvals:
        yield from _same_people(catalog, rule)
    yield from _too_few_together(catalog, policy.approvals)


def _open(service: Service, policy: EnvironmentPolicy) -> Iterator[str]:
    if not policy.approvals:
        yield "approvals: none; whoever may ask puts a version into production alone."
    required = {gate.kind for gate in policy.gates}
    expected = {GateKind.TESTS, GateKind.UNLOCKED, GateKind.UNFROZEN}
    senseless = {GateKind.STAGED: not policy.after, GateKind.ON_CALL: not service.has_on_call}
    off = [kind for kind in GateKind if kind not in required and not senseless.get(kind, False)]
    missing = [kind.value for kind in off] if expected - required else []
    if missing:
        yield f"the gates {', '.join(missing)} are off in production."
    if not policy.is_watched:
        yield "metrics: none; nothing watches production, and nothing there is ever verified."


def _planless(catalog: Catalog, service: Service, policy: EnvironmentPolicy) -> Iterator[str]:
    """Say where a version with a migration could never be ready."""
    needed = any(
        gate.kind is GateKind.ROLLBACK and gate.need is Need.REQUIRED for gate in policy.gates
    )
    roles = [catalog.roles[name] for name in policy.plan_by if name in catalog.roles]
    if service.migrations and needed and not any(role.people or role.groups for role in roles):
        yield (
            "a version that adds a migration is never ready: nobody can confirm how one goes back "
            "from it. Name a role (plan_by)."
        )


def _same_people(catalog: Catalog, rule: ApprovalRule) -> Iterator[str]:
    """Say whose request nobody could approve, and where asking and
    approving are the same people.
    """
    role, roles = catalog.roles[rule.role], asking(catalog)
    people = {person for each in roles for person in each.people}
    groups = {group for each in roles for group in each.groups}
    if not role.groups:
        stuck = sorted(asker.user for asker in people if len(role.people - {asker}) < rule.count)
        if stuck:
            yield (
                f"a request of {', '.join(stuck)} could not be approved: too few "
                f"others hold {rule.role}."
            )
    is_whole = role.people == people and role.groups == groups
    if not is_whole and any(_are_same(role, each) for each in roles):
        yield (
            f"whoever holds {rule.role} may ask as well as approve; nobody else has to "
            "look at what they put here."
        )
    if roles and is_whole:
        yield (
            f"the people who may ask and those of {rule.role} are the same; any two "
            "of them put anything here."
        )


def _are_same(one: Role, other: Role) -> bool:
    """Tell whether two roles are held by the same people."""
    return (one.people, one.groups) == (other.people, other.groups)


def _too_few_together(catalog: Catalog, rules: Sequence[ApprovalRule]) -> Iterator[str]:
    """Say whose request could get each approval and never all of them: one person counts once."""
    named = [rule for rule in rules if not catalog.roles[rule.role].groups]
    roles = {rule.role: catalog.roles[rule.role].people for rule in named}
    held = {
        person: [role for role in roles if person in roles[role]]
        for person in frozenset[Person]().union(*roles.values())
    }
    askers = {person for role in asking(catalog) for person in role.people}
    alone = {
        asker
        for asker in askers
        if all(len(roles[rule.role] - {asker}) >= rule.count for rule in named)
    }
    stuck = sorted(asker.user for asker in alone if not could_be_met(named, held, asker=asker))
    if stuck:
        yield (
            f"a request of {', '.join(stuck)} could not be approved: one person counts once, and "
            f"too few others hold {', '.join(roles)}."
        )


def _needed(catalog: Catalog) -> set[str]:
    """Name the rotas that some gate waits for."""
    return {
        str(service.on_call.options.get("schedule", ""))
        for service in catalog.services.values()
        if any(
            gate.kind is GateKind.ON_CALL
            for policy in service.environments.values()
            for gate in policy.gates
        )
    }


def _rota(rota: Rota, now: datetime) -> Iterator[str]:
    gaps = list(gaps_of(rota, now, now + AHEAD))
    if not gaps:
        return
    zone = ZoneInfo(rota.timezone)
    start, end = (f"{at.astimezone(zone):%Y-%m-%d %H:%M}" for at in gaps[0])
    if gaps[0] == (now, now + AHEAD):
        yield (
            f'rota "{rota.name}": nobody is on call in the next four weeks (it begins on '
            f"{rota.start}), so the gate on-call stays closed."
        )
        return
    often = "once" if len(gaps) == 1 else f"{len(gaps)} times"
    yield (
        f'rota "{rota.name}": nobody is on call {often} in the next four weeks, first from {start} '
        f"to {end} ({rota.timezone}); "
        "the gate on-call is closed then."
    )


def gaps_of(rota: Rota, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Find the spans in which nobody is on call, to the quarter of an hour at
    which they begin or end.
    """
    at, since = start, None
    while at < end:
        duty = duty_at(rota, at)
        if duty is None:
            since = since or at
            at += _LOOK
            continue
        if since is not None:
            yield since, max(since, duty.start)
            since = None
        at = duty.end
    if since is not None:
        yield since, end
