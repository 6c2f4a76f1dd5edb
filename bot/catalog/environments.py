"""From the shape of an environment to its policy: protection hangs on the
tier, and it fails closed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any

from bot.catalog.defaults import GATE_SETS, PLANNING, RECOMMENDED
from bot.catalog.document import Document, Loc
from bot.catalog.names import Names
from bot.catalog.shape import (
    ApprovalShape,
    EnvironmentShape,
    GatesShape,
    GonogoShape,
    ItemShape,
    ServiceShape,
    is_none,
)
from bot.catalog.values import write_duration
from bot.domain.approvals import could_be_met
from bot.domain.catalog import (
    ApprovalRule,
    AutomaticGate,
    AutomaticRollback,
    ChecklistItem,
    EnvironmentPolicy,
    GateKind,
    Need,
    Strategy,
    Tier,
)
from bot.domain.people import Person

NONE = "none"
"""A visible choice to do without."""
_DEFAULTS: Mapping[str, Any] = {each.name: each.default for each in fields(EnvironmentPolicy)}


@dataclass(frozen=True, slots=True)
class Environments:
    """Builds the environments of one document."""

    document: Document
    shape: GonogoShape
    names: Names
    strategies: Mapping[str, Strategy]
    checklists: Mapping[str, tuple[ChecklistItem, ...]]

    def policy(self, name: str, service: ServiceShape, loc: Loc) -> EnvironmentPolicy:
        """Build one environment of a service; what is wrong is noted."""
        it = service.environments[name]
        self._order(name, service, loc)
        self.names.known(it.strategy, self.strategies, (*loc, "strategy"), "strategy")
        self._unwatched(it, service, loc)
        return EnvironmentPolicy(
            name=name,
            strategy=it.strategy,
            tier=Tier(it.tier),
            gates=self._gates(it, service, loc),
            checklist=self._checklist(it, (*loc, "checklist")),
            approvals=self._approvals(it, loc),
            after=it.after or "",
            smoke=it.smoke,
            automatic_rollback=AutomaticRollback(it.automatic_rollback),
            lock_after_rollback=it.lock_after_rollback,
            plan_by=self._plan_by(it, (*loc, "plan_by")),
            is_watched=_is_watched(it, service),
            targets=it.targets,
            summary_after=it.summary_after,
            **self._times(it, loc),
        )

    def _order(self, name: str, service: ServiceShape, loc: Loc) -> None:
        after = service.environments[name].after
        if after is None:
            return
        names = list(service.environments)
        earlier = names[: names.index(name)]
        if after == name:
            self.document.problem((*loc, "after"), f"{name} cannot come after itself.")
        elif after in names and after not in earlier:
            self.document.problem(
                (*loc, "after"),
                (
                    f"{after} must stand before {name}: environments are listed "
                    "in the order of promotion."
                ),
            )
        else:
            self.names.known(
                after, earlier, (*loc, "after"), "environment", "Environments before it"
            )

    def _unwatched(self, it: EnvironmentShape, service: ServiceShape, loc: Loc) -> None:
        """Note what could never happen without numbers."""
        if _is_watched(it, service):
            return
        if it.automatic_rollback != "off":
            self.document.problem(
                (*loc, "automatic_rollback"),
                (
                    "can never begin: there are no metrics here (metrics: none). "
                    "Write off, or watch metrics."
                ),
            )
        if it.targets:
            self.document.problem(
                (*loc, "targets"),
                "is of no use: there are no metrics here (metrics: none). Take one of the two out.",
            )

    def _times(self, it: EnvironmentShape, loc: Loc) -> dict[str, Any]:
        found = {
            key: getattr(it, key)
            for key in ("approval_expires", "baseline", "watch", "countdown")
            if getattr(it, key) is not None
        }
        for key, value in found.items():
            if value <= timedelta(0):
                self.document.problem((*loc, key), "must be longer than 0.")
        watch: timedelta = found.get("watch", _DEFAULTS["watch"])
        snapshots = it.snapshots if it.snapshots is not None else _DEFAULTS["snapshots"]
        late = [moment for moment in snapshots if moment > watch]
        if late and it.snapshots is not None:
            self.document.problem(
                (*loc, "snapshots"),
                (
                    f"a snapshot at {write_duration(late[0])} comes after the watch of "
                    f"{write_duration(watch)} has ended."
                ),
            )
        return {
            **found,
            "snapshots": tuple(sorted(moment for moment in snapshots if moment <= watch)),
        }

    # Gates --------------------------------------------------------------------------------------

    def _gates(
        self, it: EnvironmentShape, service: ServiceShape, loc: Loc
    ) -> tuple[AutomaticGate, ...]:
        if it.gates == NONE:
            return ()
        said = it.gates if isinstance(it.gates, GatesShape) else GatesShape(set=it.gates)
        self._impossible(said, it, service, (*loc, "gates"))
        wanted = dict(GATE_SETS[said.set or RECOMMENDED][Tier(it.tier)])
        if it.after is None:
            wanted.pop(GateKind.STAGED, None)
        if is_none(service.on_call):
            wanted.pop(GateKind.ON_CALL, None)
        for kind in GateKind:
            need = getattr(said, gate_key(kind))
            if need == "off":
                wanted.pop(kind, None)
            elif need is not None:
                wanted[kind] = Need(need)
        if _is_production(it) and Need.REQUIRED not in wanted.values():
            self.document.problem(
                (*loc, "gates"),
                (
                    "no gate is required in production. Require one, or write "
                    "gates: none if that is meant."
                ),
            )
        return tuple(AutomaticGate(kind, wanted[kind]) for kind in GateKind if kind in wanted)

    def _impossible(
        self, said: GatesShape, it: EnvironmentShape, service: ServiceShape, loc: Loc
    ) -> None:
        if it.after is None and said.staged not in {None, "off"}:
            self.document.problem(
                (*loc, "staged"),
                "needs after, the environment where the same commit must be live first.",
            )
        if is_none(service.on_call) and said.on_call not in {None, "off"}:
            self.document.problem(
                (*loc, "on_call"),
                (
                    "could never be green: nobody can be on call (on_call: none). Write "
                    "off, or name a schedule."
                ),
            )

    # People -------------------------------------------------------------------------------------

    def _approvals(self, it: EnvironmentShape, loc: Loc) -> tuple[ApprovalRule, ...]:
        if it.approvals == NONE:
            return ()
        rules = it.approvals if isinstance(it.approvals, tuple) else ()
        if _is_production(it) and not rules:
            where = (*loc, "approvals") if "approvals" in it.model_fields_set else loc
            self.document.problem(
                where,
                "approvals are missing, and an environment is production unless it says otherwise. "
                "Name at least one role, "
                "write approvals: none if one person alone may deploy here, or say its tier: "
                "staging, testing or development.",
            )
        noted = self.document.count
        built = tuple(
            self._approval(rule, (*loc, "approvals", index)) for index, rule in enumerate(rules)
        )
        if self.document.count == noted:
            self._together(built, (*loc, "approvals"))
        return built

    def _approval(self, rule: ApprovalShape, loc: Loc) -> ApprovalRule:
        if self.names.role(rule.role, (*loc, "role")) and self.names.held(
            rule.role, (*loc, "role")
        ):
            held = self.shape.roles[rule.role]
            if not held.groups and len(set(held.people)) < rule.count:
                people = (
                    f"{len(set(held.people))} "
                    f"{'person' if len(set(held.people)) == 1 else 'people'}"
                )
                self.document.problem(
                    (*loc, "count"),
                    (
                        f"asks for {rule.count} approvals, but {rule.role} is held "
                        f"by {people}. Add people."
                    ),
                )
            else:
                self._reachable(rule, loc)
        return ApprovalRule(rule.role, rule.count)

    def _askers(self) -> set[str]:
        """Name who may ask; nobody where a group may, whose members the file does not tell."""
        roles = [
            self.shape.roles[role]
            for role in self.shape.permissions.deploy
            if role in self.shape.roles
        ]
        return (
            set()
            if any(role.groups for role in roles)
            else {user for role in roles for user in role.people}
        )

    def _together(self, rules: Sequence[ApprovalRule], loc: Loc) -> None:
        """Note rules that could each be met and never all of them: one person
        counts once, for one of them.
        """
        named = [rule for rule in rules if not self.shape.roles[rule.role].groups]
        held: dict[Person, list[str]] = {}
        for role in dict.fromkeys(rule.role for rule in named):
            for user in self.shape.roles[role].people:
                held.setdefault(Person("", user), []).append(role)
        if not any(
            could_be_met(named, held, asker=Person("", asker)) for asker in self._askers() or {""}
        ):
            roles = ", ".join(dict.fromkeys(rule.role for rule in named))
            self.document.problem(
                loc,
                (
                    "could never be met: one person counts once, and too few people besides "
                    f"whoever asks hold {roles}. Add people."
                ),
            )

    def _reachable(self, rule: ApprovalShape, loc: Loc) -> None:
        """Note a rule that nobody's request could ever meet: the requester never approves."""
        held, askers = self.shape.roles[rule.role], self._askers()
        if held.groups or not askers:
            return
        if all(len(set(held.people) - {asker}) < rule.count for asker in askers):
            who = f"{', '.join(sorted(askers))} may ask" if len(askers) == 1 else "whoever may ask"
            self.document.problem(
                (*loc, "role"),
                f"could never be met: {who}, the requester never approves, and too few "
                f"others hold {rule.role}. "
                f"Add people under roles.{rule.role}.",
            )

    def _plan_by(self, it: EnvironmentShape, loc: Loc) -> tuple[str, ...]:
        if it.plan_by is None:
            return tuple(self.shape.permissions.hand_over)
        if self.names.role(it.plan_by, loc):
            self.names.held(it.plan_by, loc)
        return (it.plan_by,)

    def _checklist(self, it: EnvironmentShape, loc: Loc) -> tuple[ChecklistItem, ...]:
        if isinstance(it.checklist, tuple):
            return self.items(it.checklist, loc, fails_closed=_is_production(it))
        name = it.checklist or (PLANNING if _is_production(it) else "")
        if not name or not self.names.known(name, self.checklists, loc, "checklist"):
            return ()
        for item in self.checklists[name]:
            if item.role not in self.shape.roles and name not in self.shape.checklists:
                self.document.problem(loc, _nobody_ticks(name, item))
            elif _is_production(it) and item.need is Need.REQUIRED:
                self.names.held(item.role, loc)
        return self.checklists[name]

    def items(
        self, items: tuple[ItemShape, ...], loc: Loc, *, fails_closed: bool = False
    ) -> tuple[ChecklistItem, ...]:
        """Build a list's items; with ``fails_closed`` somebody must hold the role
        of each that is required.
        """
        self.names.unique([item.key for item in items], loc)
        for index, item in enumerate(items):
            known = self.names.role(item.role, (*loc, index, "role"))
            if known and fails_closed and item.need == "required":
                self.names.held(item.role, (*loc, index, "role"))
        return tuple(
            ChecklistItem(item.key, item.title, item.role, Need(item.need)) for item in items
        )


def gate_key(kind: GateKind) -> str:
    """Name an automatic gate as gonogo.yaml does."""
    return kind.value.replace("-", "_")


def _is_production(it: EnvironmentShape) -> bool:
    return Tier(it.tier) is Tier.PRODUCTION


def _is_watched(it: EnvironmentShape, service: ServiceShape) -> bool:
    return it.metrics != NONE and not is_none(service.metrics)


def _nobody_ticks(name: str, item: ChecklistItem) -> str:
    return (
        f"the checklist {name} needs the role {item.role} (for "
        f'"{item.title}"), which is not defined. '
        "Add it under roles, or name a checklist of your own (checklist: [] for none)."
    )
