"""From the shape to the domain's values; the names in the file are checked against each
other, and it fails closed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from bot.catalog.defaults import CHECKLISTS, STRATEGIES
from bot.catalog.document import Document, Loc
from bot.catalog.environments import Environments
from bot.catalog.names import Names
from bot.catalog.paths import path_patterns
from bot.catalog.shape import GonogoShape, MetricShape, ProviderShape, ServiceShape, is_none
from bot.catalog.values import local_time, read_duration
from bot.domain.catalog import (
    Catalog,
    Direction,
    Freeze,
    MetricKind,
    MetricSpec,
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


@dataclass(frozen=True, slots=True)
class Offer:
    """What a provider that can be named takes: options of the file, and secrets of the
    environment, by their names.
    """

    options: Mapping[str, Option] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()


Known = Mapping[str, Mapping[str, Offer]]
"""Each provider that can be named, by job: ``ci``, ``metrics``, ``on_call``."""
_ANY = Option("")
_SECRET_NAME = re.compile(r"token|passw|secret|credential|(^|_)(key|pem)$", re.IGNORECASE)
_SECRET_VALUE = re.compile(r"(gh[a-z]_|github_pat_|glpat-|xox[a-z]-|xapp-|whsec_|-----BEGIN )")
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://|[^/]*@?[^/]+:")
"""``https://…``, ``ssh://…`` or git's ``git@host:path``."""


@dataclass
class Builder:
    """Builds the catalog of one document; problems are noted in the document."""

    document: Document
    shape: GonogoShape
    known: Known
    strategies: dict[str, Strategy] = field(default_factory=dict)

    @cached_property
    def names(self) -> Names:
        """What names are checked with."""
        return Names(self.document, self.shape)

    @cached_property
    def environments(self) -> Environments:
        """What builds each environment."""
        plain = Environments(self.document, self.shape, self.names, self.strategies, CHECKLISTS)
        own = {
            name: plain.items(items, ("checklists", name))
            for name, items in self.shape.checklists.items()
        }
        return replace(plain, checklists={**CHECKLISTS, **own})

    def catalog(self) -> Catalog:
        """Build everything; what is wrong is noted."""
        shape = self.shape
        self.strategies = {
            **STRATEGIES,
            **{name: self._strategy(name) for name in shape.strategies},
        }
        return Catalog(
            team=shape.team,
            roles={name: self._role(name) for name in shape.roles},
            permissions=self._permissions(),
            services={
                name: self._service(name, service) for name, service in shape.services.items()
            },
            strategies=self.strategies,
            freezes=self._freezes(),
            timezone=shape.timezone,
            morning=shape.morning,
        )

    def _strategy(self, name: str) -> Strategy:
        it = self.shape.strategies[name]
        steps = tuple(StrategyStep(step.percent, step.hold) for step in it.steps)
        return Strategy(
            name,
            it.kind,
            steps,
            TooLittleTraffic(it.too_little_traffic) if it.too_little_traffic else None,
        )

    def _role(self, name: str) -> Role:
        it = self.shape.roles[name]
        return Role(
            name,
            frozenset(Person(self.shape.team, user) for user in it.people),
            frozenset(it.groups),
        )

    def _permissions(self) -> dict[Permission, frozenset[str]]:
        given = {
            permission: getattr(self.shape.permissions, permission.name.lower())
            for permission in Permission
        }
        for permission, roles in given.items():
            for index, role in enumerate(roles):
                self.names.role(role, ("permissions", permission.name.lower(), index))
        if not given[Permission.DEPLOY]:
            self.document.problem(
                ("permissions", "deploy"),
                "names no role, so nobody could ask for a deployment. Name a role.",
            )
        return {permission: frozenset(roles) for permission, roles in given.items()}

    def _freezes(self) -> tuple[Freeze, ...]:
        environments = {
            name for service in self.shape.services.values() for name in service.environments
        }
        built: list[Freeze] = []
        for index, it in enumerate(self.shape.freezes):
            self.names.known(
                it.environment,
                sorted(environments),
                ("freezes", index, "environment"),
                "environment",
            )
            try:
                start = local_time(it.start, self.shape.timezone)
                end = local_time(it.end, self.shape.timezone, last=True)
            except ValueError as error:
                self.document.problem(("freezes", index), str(error))
                continue
            if end <= start:
                self.document.problem(
                    ("freezes", index, "to"),
                    f"the freeze ends before it begins ({it.start}). Write a later time.",
                )
            built.append(Freeze(it.environment, start, end, it.reason))
        return tuple(built)

    def _service(self, name: str, it: ServiceShape) -> Service:
        loc: Loc = ("services", name)
        return Service(
            name=name,
            ci=self._provider("ci", it.ci, loc),
            metrics=self._provider("metrics", it.metrics, loc),
            on_call=self._on_call(it.on_call, loc),
            environments={
                each: self.environments.policy(each, it, (*loc, "environments", each))
                for each in it.environments
            },
            metric_specs=self._metrics(it, loc),
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

    def _provider(self, job: str, it: ProviderShape | str, loc: Loc) -> ProviderChoice:
        if isinstance(it, str):
            return ProviderChoice(it)
        loc = (*loc, job)
        options = dict(it.model_extra or {})
        if self.names.known(it.provider, self.known[job], (*loc, "provider"), "provider"):
            options = self._options(it.provider, self.known[job][it.provider], options, loc)
        if "every" in options:
            try:
                options["every"] = read_duration(options["every"])
            except ValueError as error:
                self.document.problem((*loc, "every"), str(error))
        return ProviderChoice(it.provider, options, self._repository(job, it.provider, options))

    def _repository(self, job: str, provider: str, options: Mapping[str, Any]) -> tuple[str, ...]:
        """Say in which repository a service is, whatever its capitals and ending;
        empty where no option tells.
        """
        offer = self.known[job].get(provider, Offer())
        told = [
            str(options[name])
            for name, option in offer.options.items()
            if option.is_repository and name in options
        ]
        return tuple(each.casefold().rstrip("/").removesuffix(".git") for each in told)

    def _options(
        self, provider: str, offer: Offer, options: Mapping[str, Any], loc: Loc
    ) -> dict[str, Any]:
        """Check a provider's options; relative paths are counted from the file's folder."""
        known = offer.options
        for name, value in options.items():
            if _is_secret(name, value, known):
                self.document.problem(
                    (*loc, name), _belongs_elsewhere(provider, name, offer.secrets)
                )
            else:
                self.names.known(name, known, (*loc, name), f"option of {provider}", "Known")
        options = {
            name: str(value) if type(value) is int and known.get(name, _ANY).required else value
            for name, value in options.items()
        }
        for name, option in known.items():
            if option.required and not (isinstance(options.get(name), str) and options[name]):
                how = "; write it as text, in quotes" if name in options else ", as text"
                self.document.problem(
                    (*loc, name) if name in options else loc, f"{provider} needs {name}{how}."
                )
        return {
            name: self._resolved(value) if name in known and known[name].is_path else value
            for name, value in options.items()
        }

    def _resolved(self, value: Any) -> Any:
        is_path = isinstance(value, str) and not _ADDRESS.match(value)
        return str((self.document.path.parent / value).resolve()) if is_path else value

    def _on_call(self, it: ProviderShape | str, loc: Loc) -> ProviderChoice:
        choice = self._provider("on_call", it, loc)
        schedule = choice.options.get("schedule")
        if choice.provider == "rota" and isinstance(schedule, str):
            self.names.known(schedule, self.shape.rotas, (*loc, "on_call", "schedule"), "rota")
        return choice

    def _metrics(self, it: ServiceShape, loc: Loc) -> tuple[MetricSpec, ...]:
        watched = not is_none(it.metrics) and any(
            each.metrics is None for each in it.environments.values()
        )
        if watched and not it.watch:
            self.document.problem(
                loc,
                "watch is missing: without it no step could be judged, and each "
                "rollout would stand still. "
                "Say under watch what is compared, or write metrics: none.",
            )  # fmt: skip
        if is_none(it.metrics) and it.watch:
            self.document.problem(
                (*loc, "watch"),
                "is of no use: there are no metrics (metrics: none). Take one of the two out.",
            )
        self.names.unique([metric.key for metric in it.watch], (*loc, "watch"))
        return tuple(_metric(metric) for metric in it.watch)


def _is_secret(name: str, value: object, known: Mapping[str, Option]) -> bool:
    return (name not in known and bool(_SECRET_NAME.search(name))) or (
        isinstance(value, str) and bool(_SECRET_VALUE.match(value))
    )


def _belongs_elsewhere(provider: str, name: str, secrets: tuple[str, ...]) -> str:
    """Say where a secret belongs that was pasted into the file; never the secret."""
    near = [secret for secret in secrets if secret.lower().endswith(name.lower())] or list(secrets)
    if not near:
        return (
            f"a secret does not stand in this file, and {provider} needs none. "
            "Take it out, and revoke it."
        )
    where = " or ".join(f"{secret} (or {secret}_FILE)" for secret in near)
    return (
        "a secret does not stand in this file. Take it out, make a new one, and set it in "
        f"the environment: {where}."
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
