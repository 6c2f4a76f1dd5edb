"""From the shape to the domain's values; the names in the file are checked against each other, and it fails closed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from typing import Any

from bot.catalog.defaults import CHECKLISTS, GATES_OF_THE_FIRST, GATES_OF_THE_LATER, PRODUCTION_NAMES, STRATEGIES
from bot.catalog.document import Document, Loc
from bot.catalog.mistakes import instead
from bot.catalog.paths import path_patterns
from bot.catalog.shape import ApprovalShape, EnvironmentShape, GonogoShape, ItemShape, MetricShape, ProviderShape, ServiceShape
from bot.catalog.values import local_time, read_duration, write_duration
from bot.domain.catalog import (
    ApprovalRule,
    AutomaticGate,
    AutomaticRollback,
    Catalog,
    ChecklistItem,
    Direction,
    EnvironmentPolicy,
    Freeze,
    GateKind,
    MetricKind,
    MetricSpec,
    Need,
    Option,
    PathPatterns,
    Permission,
    ProviderChoice,
    Role,
    Service,
    Strategy,
    StrategyStep,
    TooLittleTraffic,
)
from bot.domain.people import Person

Known = Mapping[str, Mapping[str, Mapping[str, Option]]]
"""The options of each provider that can be named, by job: ``ci``, ``metrics``, ``on_call``."""
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://|[^/]*@?[^/]+:")
"""``https://…``, ``ssh://…`` or git's ``git@host:path``."""
_DEFAULTS: Mapping[str, Any] = {each.name: each.default for each in fields(EnvironmentPolicy)}


@dataclass
class Builder:
    """Builds the catalog of one document; problems are noted in the document."""

    document: Document
    shape: GonogoShape
    known: Known
    strategies: dict[str, Strategy] = field(default_factory=dict)
    checklists: dict[str, tuple[ChecklistItem, ...]] = field(default_factory=dict)

    def catalog(self) -> Catalog:
        """Build everything; what is wrong is noted."""
        shape = self.shape
        self.strategies = {**STRATEGIES, **{name: self._strategy(name) for name in shape.strategies}}
        own = {name: self._items(items, ("checklists", name)) for name, items in shape.checklists.items()}
        self.checklists = {**CHECKLISTS, **own}
        return Catalog(
            team=shape.team,
            roles={name: self._role(name) for name in shape.roles},
            permissions=self._permissions(),
            services={name: self._service(name, service) for name, service in shape.services.items()},
            strategies=self.strategies,
            freezes=self._freezes(),
            timezone=shape.timezone,
            morning=shape.morning,
        )

    def _strategy(self, name: str) -> Strategy:
        it = self.shape.strategies[name]
        steps = tuple(StrategyStep(step.percent, step.hold) for step in it.steps)
        return Strategy(name, it.kind, steps, TooLittleTraffic(it.too_little_traffic) if it.too_little_traffic else None)

    def _role(self, name: str) -> Role:
        it = self.shape.roles[name]
        return Role(name, frozenset(Person(self.shape.team, user) for user in it.people), frozenset(it.groups))

    def _permissions(self) -> dict[Permission, frozenset[str]]:
        given = {permission: getattr(self.shape.permissions, permission.name.lower()) for permission in Permission}
        for permission, roles in given.items():
            for index, role in enumerate(roles):
                self._known(role, self.shape.roles, ("permissions", permission.name.lower(), index), "role")
        if "deploy" in self.shape.permissions.model_fields_set and not given[Permission.DEPLOY]:
            self.document.problem(("permissions", "deploy"), "names no role, so nobody could ask for a deployment. Name a role.")
        return {permission: frozenset(roles) for permission, roles in given.items()}

    def _freezes(self) -> tuple[Freeze, ...]:
        environments = {name for service in self.shape.services.values() for name in service.environments}
        built: list[Freeze] = []
        for index, it in enumerate(self.shape.freezes):
            self._known(it.environment, sorted(environments), ("freezes", index, "environment"), "environment")
            start, end = local_time(it.start, self.shape.timezone), local_time(it.end, self.shape.timezone)
            if end <= start:
                self.document.problem(("freezes", index, "to"), f"the freeze ends before it begins ({it.start}). Write a later time.")
            built.append(Freeze(it.environment, start, end, it.reason))
        return tuple(built)

    def _service(self, name: str, it: ServiceShape) -> Service:
        loc: Loc = ("services", name)
        return Service(
            name=name,
            ci=self._provider("ci", it.ci, loc),
            metrics=self._provider("metrics", it.metrics, loc),
            on_call=self._on_call(it.on_call, loc),
            environments={each: self._environment(each, it, (*loc, "environments", each)) for each in it.environments},
            metric_specs=self._metrics(it.watch, (*loc, "watch")),
            channel=it.channel or self.shape.channel,
            migrations=self._paths(it.migrations, (*loc, "migrations")),
            tags=it.tags or "",
            paths=self._paths(it.paths, (*loc, "paths")),
        )

    def _paths(self, written: tuple[str, ...], loc: Loc) -> PathPatterns:
        try:
            return path_patterns(written)
        except ValueError as error:
            self.document.problem(loc, str(error))
            return PathPatterns()

    def _provider(self, job: str, it: ProviderShape, loc: Loc) -> ProviderChoice:
        loc = (*loc, job)
        options = dict(it.model_extra or {})
        if self._known(it.provider, self.known[job], (*loc, "provider"), "provider"):
            options = self._options(it.provider, self.known[job][it.provider], options, loc)
        if "every" in options:
            try:
                options["every"] = read_duration(options["every"])
            except ValueError as error:
                self.document.problem((*loc, "every"), str(error))
        return ProviderChoice(it.provider, options)

    def _options(self, provider: str, known: Mapping[str, Option], options: Mapping[str, Any], loc: Loc) -> dict[str, Any]:
        """Check a provider's options; relative paths are counted from the file's folder."""
        for name in options:
            self._known(name, known, (*loc, name), f"option of {provider}", "Known")
        for name, option in known.items():
            if option.required and not (isinstance(options.get(name), str) and options[name]):
                self.document.problem((*loc, name) if name in options else loc, f"{provider} needs {name}, as text.")
        return {name: self._resolved(value) if name in known and known[name].is_path else value for name, value in options.items()}

    def _resolved(self, value: Any) -> Any:
        is_path = isinstance(value, str) and not _ADDRESS.match(value)
        return str((self.document.path.parent / value).resolve()) if is_path else value

    def _on_call(self, it: ProviderShape, loc: Loc) -> ProviderChoice:
        choice = self._provider("on_call", it, loc)
        schedule = choice.options.get("schedule")
        if it.provider == "rota" and isinstance(schedule, str):
            self._known(schedule, self.shape.rotas, (*loc, "on_call", "schedule"), "rota")
        return choice

    def _metrics(self, metrics: tuple[MetricShape, ...], loc: Loc) -> tuple[MetricSpec, ...]:
        self._unique([metric.key for metric in metrics], loc)
        return tuple(_metric(metric) for metric in metrics)

    def _environment(self, name: str, service: ServiceShape, loc: Loc) -> EnvironmentPolicy:
        it = service.environments[name]
        self._order(name, service, loc)
        self._known(it.strategy, self.strategies, (*loc, "strategy"), "strategy")
        if _is_guarded(name, it) and not it.approvals:
            where = (*loc, "approvals") if "approvals" in it.model_fields_set else loc
            self.document.problem(where, "approvals are missing; production, and what comes after another environment, needs at least one.")
        return EnvironmentPolicy(
            name=name,
            strategy=it.strategy,
            gates=self._gates(it, loc),
            checklist=self._checklist(it, (*loc, "checklist")),
            approvals=tuple(self._approval(rule, (*loc, "approvals", index)) for index, rule in enumerate(it.approvals)),
            after=it.after or "",
            smoke=it.smoke,
            automatic_rollback=AutomaticRollback(it.automatic_rollback),
            lock_after_rollback=it.lock_after_rollback,
            targets=it.targets,
            summary_after=it.summary_after,
            **self._times(it, loc),
        )

    def _times(self, it: EnvironmentShape, loc: Loc) -> dict[str, Any]:
        found = {key: getattr(it, key) for key in ("approval_expires", "baseline", "watch", "countdown") if getattr(it, key) is not None}
        for key, value in found.items():
            if value <= timedelta(0):
                self.document.problem((*loc, key), "must be longer than 0.")
        watch: timedelta = found.get("watch", _DEFAULTS["watch"])
        snapshots = it.snapshots if it.snapshots is not None else _DEFAULTS["snapshots"]
        late = [moment for moment in snapshots if moment > watch]
        if late and it.snapshots is not None:
            self.document.problem(
                (*loc, "snapshots"), f"a snapshot at {write_duration(late[0])} comes after the watch of {write_duration(watch)} has ended."
            )
        return {**found, "snapshots": tuple(sorted(moment for moment in snapshots if moment <= watch))}

    def _order(self, name: str, service: ServiceShape, loc: Loc) -> None:
        after = service.environments[name].after
        if after is None:
            return
        names = list(service.environments)
        earlier = names[: names.index(name)]
        if after in names and after not in earlier:
            self.document.problem((*loc, "after"), f"{after} must stand before {name}: environments are listed in the order of promotion.")
        else:
            self._known(after, earlier, (*loc, "after"), "environment", "Environments before it")

    def _gates(self, it: EnvironmentShape, loc: Loc) -> tuple[AutomaticGate, ...]:
        if it.after is None and it.gates.staged not in {None, "off"}:
            self.document.problem((*loc, "gates", "staged"), "needs after, the environment where the commit must be live first.")
        wanted = dict(GATES_OF_THE_LATER if it.after else GATES_OF_THE_FIRST)
        for kind in GateKind:
            need = getattr(it.gates, gate_key(kind))
            if need == "off":
                wanted.pop(kind, None)
            elif need is not None:
                wanted[kind] = Need(need)
        return tuple(AutomaticGate(kind, wanted[kind]) for kind in GateKind if kind in wanted)

    def _checklist(self, it: EnvironmentShape, loc: Loc) -> tuple[ChecklistItem, ...]:
        if isinstance(it.checklist, tuple):
            return self._items(it.checklist, loc, fails_closed=bool(it.after))
        name = it.checklist or ("planning" if it.after else "")
        if not name or not self._known(name, self.checklists, loc, "checklist"):
            return ()
        for item in self.checklists[name]:
            if item.role not in self.shape.roles and name not in self.shape.checklists:
                self.document.problem(loc, _nobody_ticks(name, item))
            elif it.after and item.need is Need.REQUIRED:
                self._held(item.role, loc)
        return self.checklists[name]

    def _items(self, items: tuple[ItemShape, ...], loc: Loc, *, fails_closed: bool = False) -> tuple[ChecklistItem, ...]:
        self._unique([item.key for item in items], loc)
        for index, item in enumerate(items):
            known = self._known(item.role, self.shape.roles, (*loc, index, "role"), "role")
            if known and fails_closed and item.need == "required":
                self._held(item.role, (*loc, index, "role"))
        return tuple(ChecklistItem(item.key, item.title, item.role, Need(item.need)) for item in items)

    def _approval(self, rule: ApprovalShape, loc: Loc) -> ApprovalRule:
        if self._known(rule.role, self.shape.roles, (*loc, "role"), "role") and self._held(rule.role, (*loc, "role")):
            held = self.shape.roles[rule.role]
            if not held.groups and len(set(held.people)) < rule.count:
                people = f"{len(set(held.people))} {'person' if len(set(held.people)) == 1 else 'people'}"
                self.document.problem((*loc, "count"), f"asks for {rule.count} approvals, but {rule.role} is held by {people}. Add people.")
        return ApprovalRule(rule.role, rule.count)

    def _held(self, role: str, loc: Loc) -> bool:
        it = self.shape.roles.get(role)
        if it is not None and not it.people and not it.groups:
            self.document.problem(
                loc, f"nobody holds the role {role}, so this could never be cleared. Name people or groups under roles.{role}."
            )
            return False
        return it is not None

    def _known(self, word: str, known: Iterable[str], loc: Loc, what: str, listed: str = "Defined") -> bool:
        names = list(known)
        if word in names:
            return True
        self.document.problem(loc, f'there is no {what} "{word}". {instead(word, names, listed)}')
        return False

    def _unique(self, keys: list[str], loc: Loc) -> None:
        for index, key in enumerate(keys):
            if key in keys[:index]:
                self.document.problem((*loc, index, "key"), f'"{key}" is here twice; give each its own key.')


def _is_guarded(name: str, it: EnvironmentShape) -> bool:
    """Tell whether an environment is production or like it, and so fails closed."""
    return bool(it.after) or name in PRODUCTION_NAMES


def gate_key(kind: GateKind) -> str:
    """Name an automatic gate as gonogo.yaml does."""
    return kind.value.replace("-", "_")


def _nobody_ticks(name: str, item: ChecklistItem) -> str:
    return (
        f'the checklist {name} needs the role {item.role} (for "{item.title}"), which is not defined. '
        "Add it under roles, or name a checklist of your own (checklist: [] for none)."
    )


def _metric(it: MetricShape) -> MetricSpec:
    return MetricSpec(
        key=it.key,
        title=it.title,
        kind=MetricKind(it.kind),
        direction=Direction.UP_IS_WORSE if it.worse == "up" else Direction.DOWN_IS_WORSE,
        unit=it.unit if it.unit is not None else "%" if it.kind == "ratio" else "",
        min_ratio=it.min_ratio,
        min_change=it.min_change,
        min_samples=it.min_samples,
        critical=it.critical,
        query=it.query,
    )
