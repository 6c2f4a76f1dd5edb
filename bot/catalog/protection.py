"""Who may put what where, as gonogo.yaml says it; and who could not. For
``gonogo check-config``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bot.catalog.values import write_duration
from bot.domain.catalog import (
    AutomaticRollback,
    Catalog,
    EnvironmentPolicy,
    GateKind,
    Need,
    Permission,
    Role,
    Service,
)


def protection(catalog: Catalog, service: Service, policy: EnvironmentPolicy) -> Iterator[str]:
    """Explain one environment of a service, one line per question."""
    yield f"{service.name} → {policy.name} (tier {policy.tier}, {policy.strategy})"
    askers = asking(catalog)
    approvers = [catalog.roles[rule.role] for rule in policy.approvals]
    yield f"  may ask: {_holders(askers)}"
    yield f"  cannot ask: {_others(catalog, askers)}"
    yield f"  approvals: {_approvals(catalog, policy)}"
    if approvers:
        yield f"  cannot approve: {_others(catalog, approvers)}"
    yield f"  gates: {_gates(policy)}"
    if policy.checklist:
        items = ", ".join(
            _item(catalog, item.key, item.role, item.need) for item in policy.checklist
        )
        yield f"  checklist: {items}"
    yield f"  on call: {_on_call(service, policy)}"
    yield f"  numbers: {_numbers(service, policy)}"
    yield f"  automatic rollback: {_automatic_rollback(policy)}"


def asking(catalog: Catalog) -> list[Role]:
    """List the roles that may ask for a deployment."""
    return [
        catalog.roles[name]
        for name in sorted(catalog.permissions.get(Permission.DEPLOY, ()))
        if name in catalog.roles
    ]


def _holders(roles: Iterable[Role]) -> str:
    people = sorted({person.user for role in roles for person in role.people})
    groups = sorted({f"the group {group}" for role in roles for group in role.groups})
    return ", ".join([*people, *groups]) or "nobody"


def _others(catalog: Catalog, roles: list[Role]) -> str:
    """Name the people and groups of the file that hold none of these roles."""
    people = {person.user for role in catalog.roles.values() for person in role.people} - {
        one.user for role in roles for one in role.people
    }
    groups = {group for role in catalog.roles.values() for group in role.groups} - {
        group for role in roles for group in role.groups
    }
    named = [*sorted(people), *(f"the group {group}" for group in sorted(groups))]
    unless = (
        " (unless a group above holds them)"
        if people and any(role.groups for role in roles)
        else ""
    )
    return (
        f"{', '.join(named)}{unless}, and whoever the file does not name"
        if named
        else "whoever the file does not name"
    )


def _approvals(catalog: Catalog, policy: EnvironmentPolicy) -> str:
    if not policy.approvals:
        return "none; one person alone can put a version here"
    rules = [
        f"{rule.count} of {rule.role} ({_holders([catalog.roles[rule.role]])})"
        for rule in policy.approvals
    ]
    return f"{' and '.join(rules)}; never who asked"


def _gates(policy: EnvironmentPolicy) -> str:
    needs = {gate.kind: gate.need for gate in policy.gates}
    by_need = {
        "required": [_gate(kind, policy) for kind in GateKind if needs.get(kind) is Need.REQUIRED],
        "optional": [_gate(kind, policy) for kind in GateKind if needs.get(kind) is Need.OPTIONAL],
        "off": [kind.value for kind in GateKind if kind not in needs],
    }
    return "; ".join(f"{need} {', '.join(kinds)}" for need, kinds in by_need.items() if kinds)


def _gate(kind: GateKind, policy: EnvironmentPolicy) -> str:
    return f"staged (in {policy.after})" if kind is GateKind.STAGED else kind.value


def _item(catalog: Catalog, key: str, role: str, need: Need) -> str:
    holders = _holders([catalog.roles[role]]) if role in catalog.roles else "nobody"
    return f"{key} by {role} ({holders}){'' if need is Need.REQUIRED else ', optional'}"


def _on_call(service: Service, policy: EnvironmentPolicy) -> str:
    if not service.has_on_call:
        return "none; nobody is asked to acknowledge, and whoever asks is the lead"
    name = service.on_call.options.get("schedule", "")
    asked = any(gate.kind is GateKind.ON_CALL for gate in policy.gates)
    return f"{service.on_call.provider} {name}".strip() + (
        "" if asked else "; not asked to acknowledge"
    )


def _numbers(service: Service, policy: EnvironmentPolicy) -> str:
    if not policy.is_watched:
        return (
            "no metrics configured; no step stands still, and what has landed is "
            "accepted, never verified"
        )
    return f"{', '.join(spec.title for spec in service.metric_specs)} ({service.metrics.provider})"


def _automatic_rollback(policy: EnvironmentPolicy) -> str:
    smoke = "a failed smoke test rolls back" if policy.smoke else "there is no smoke test"
    if policy.automatic_rollback is AutomaticRollback.COUNTDOWN:
        return (
            f"{write_duration(policy.countdown)} after the numbers are found worse, unless "
            f"the lead stops it; {smoke}"
        )
    return f"off; the lead decides; {smoke}"
