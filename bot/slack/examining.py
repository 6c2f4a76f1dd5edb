"""Read a template with the types of what it is given: names, fields, filters and words that are not
there are found before it is filled.

Not seen: an attribute of what may be missing, what is under a key of a mapping, a wrong unit.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, get_type_hints

from jinja2 import Environment, nodes

from bot.slack.kinds import (
    Kind,
    Loop,
    Unknown,
    attribute,
    element,
    fits,
    item,
    joined,
    members,
    result,
    without_none,
    words_of,
)

GLOBALS = frozenset({"range", "dict", "lipsum", "cycler", "joiner", "namespace"})


@dataclass(frozen=True, slots=True)
class Mistake:
    """Something in a template that is not there, or is something else."""

    template: str
    line: int
    sentence: str

    def __str__(self) -> str:
        return f"{self.template}:{self.line}: {self.sentence}"


def mistakes(
    environment: Environment, template: str, given: Mapping[str, Kind]
) -> tuple[Mistake, ...]:
    """Find the mistakes of a template that is ``given`` values of these kinds by name; of what it
    includes and imports as well.
    """
    reading = _Reading(environment, template, dict(given))
    reading.read()
    return tuple(dict.fromkeys(reading.found))


@dataclass(frozen=True, slots=True)
class _Macro:
    """A macro, with the template that it stands in: its names are read there, with the
    kinds that each call gives.
    """

    node: nodes.Macro
    reading: _Reading


@dataclass
class _Reading:
    environment: Environment
    template: str
    scope: dict[str, Any]
    found: list[Mistake] = field(default_factory=list)
    line: int = 1
    calls: list[str] = field(default_factory=list)
    """The macros that are being read: one that calls itself is read once."""

    def read(self) -> None:
        """Read the whole template."""
        source, _, _ = self._source(self.template)
        for each in self.environment.parse(source).body:
            self.statement(each)

    def _source(self, name: str) -> tuple[str, str | None, Callable[[], bool] | None]:
        assert self.environment.loader is not None  # noqa: S101 - templates come from folders
        return self.environment.loader.get_source(self.environment, name)

    def say(self, sentence: str) -> None:
        """Note a mistake where it is read."""
        self.found.append(Mistake(self.template, self.line, sentence))

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Forget afterwards what is set inside."""
        before = dict(self.scope)
        try:
            yield
        finally:
            self.scope = before

    # Statements ---------------------------------------------------------------------------------

    def statement(self, node: nodes.Node) -> None:
        """Read a statement."""
        self.line = getattr(node, "lineno", None) or self.line
        read = getattr(self, f"_{type(node).__name__.lower()}", None)
        if read is not None:
            read(node)
            return
        for each in node.iter_child_nodes():
            self.kind(each) if isinstance(each, nodes.Expr) else self.statement(each)

    def _output(self, node: nodes.Output) -> None:
        for each in node.nodes:
            self.kind(each)

    def _if(self, node: nodes.If) -> None:
        self.kind(node.test)
        for each in (*node.body, *node.elif_, *node.else_):
            self.statement(each)

    def _for(self, node: nodes.For) -> None:
        try:
            each = element(self.kind(node.iter))
        except Unknown as unknown:
            self.say(str(unknown))
            each = Any
        with self.inside():
            self.scope["loop"] = Loop
            self.bind(node.target, each)
            if node.test is not None:
                self.kind(node.test)
            for inner in node.body:
                self.statement(inner)
        for inner in node.else_:
            self.statement(inner)

    def _assign(self, node: nodes.Assign) -> None:
        self.bind(node.target, self.kind(node.node))

    def _assignblock(self, node: nodes.AssignBlock) -> None:
        with self.inside():
            for each in node.body:
                self.statement(each)
        self.bind(node.target, str)

    def _with(self, node: nodes.With) -> None:
        with self.inside():
            for target, value in zip(node.targets, node.values, strict=True):
                self.bind(target, self.kind(value))
            for each in node.body:
                self.statement(each)

    def _macro(self, node: nodes.Macro) -> None:
        self.scope[node.name] = _Macro(node, self)

    def _fromimport(self, node: nodes.FromImport) -> None:
        for name in self._templates(node.template):
            other = self._other(name, {**self.scope} if node.with_context else {})
            for each in node.names:
                own, here = each if isinstance(each, tuple) else (each, each)
                if own not in other.scope:
                    self.say(f"{name} has no {own}")
                self.scope[here] = other.scope.get(own, Any)

    def _include(self, node: nodes.Include) -> None:
        for name in self._templates(node.template):
            self.found += self._other(name, dict(self.scope)).found

    def _other(self, name: str, scope: dict[str, Any]) -> _Reading:
        other = _Reading(self.environment, name, scope, calls=self.calls)
        other.read()
        return other

    def _templates(self, node: nodes.Expr) -> list[str]:
        return [str(node.value)] if isinstance(node, nodes.Const) else []

    def bind(self, target: nodes.Node, kind: Any) -> None:
        """Give a name what it stands for from here on."""
        if isinstance(target, nodes.Name):
            self.scope[target.name] = kind
        elif isinstance(target, nodes.Tuple):
            for at, each in enumerate(target.items):
                try:
                    self.bind(each, item(kind, at))
                except Unknown as unknown:
                    self.say(str(unknown))
                    self.bind(each, Any)

    # Expressions --------------------------------------------------------------------------------

    def kind(self, node: nodes.Node) -> Any:
        """Give the kind of an expression, and note what is wrong in it."""
        self.line = getattr(node, "lineno", None) or self.line
        read = getattr(self, f"_of_{type(node).__name__.lower()}", None)
        if read is not None:
            return read(node)
        for each in node.iter_child_nodes():
            self.kind(each)
        return Any

    def _of_name(self, node: nodes.Name) -> Any:
        if node.name in self.scope:
            return self.scope[node.name]
        if node.name not in GLOBALS:
            self.say(f"{node.name} is not given to it")
        return Any

    def _of_templatedata(self, _node: nodes.TemplateData) -> Kind:
        return str

    def _of_const(self, node: nodes.Const) -> Kind:
        return type(node.value)

    def _of_getattr(self, node: nodes.Getattr) -> Any:
        return self._asked(self.kind(node.node), lambda kind: attribute(kind, node.attr))

    def _of_getitem(self, node: nodes.Getitem) -> Any:
        kind, key = (
            self.kind(node.node),
            node.arg.value if isinstance(node.arg, nodes.Const) else None,
        )
        self.kind(node.arg)
        return self._asked(kind, lambda known: item(known, key))

    def _asked(self, kind: Any, ask: Callable[[Kind], Any]) -> Any:
        if isinstance(kind, _Macro):
            return Any
        try:
            return ask(kind)
        except Unknown as unknown:
            self.say(str(unknown))
            return Any

    def _of_call(self, node: nodes.Call) -> Any:
        called = self.kind(node.node)
        given = [self.kind(each) for each in node.args]
        named = {each.key: self.kind(each.value) for each in node.kwargs}
        if isinstance(called, _Macro):
            self._call(called, given, named)
            return str
        if isinstance(node.node, nodes.Getattr) and node.node.attr == "get" and node.args:
            other = given[1:] or [type(None)]
            return self._asked(
                self.kind(node.node.node), lambda kind: joined([item(kind, None), *other])
            )
        return result(called)

    def _call(self, macro: _Macro, given: list[Any], named: dict[str, Any]) -> None:
        node, home = macro.node, macro.reading
        names = [str(each.name) for each in node.args]
        if len(given) > len(names) or not set(named) <= set(names):
            self.say(f"{node.name} takes {', '.join(names) or 'nothing'}")
            return
        defaults = dict(zip(reversed(names), reversed(node.defaults), strict=False))
        said = {**dict(zip(names, given, strict=False)), **named}
        with_defaults = {name: home.kind(each) for name, each in defaults.items()}
        scope = {**home.scope, "caller": Any, **with_defaults, **said}
        missing = [name for name in names if name not in defaults and name not in said]
        if missing:
            self.say(f"{node.name} is not given {', '.join(missing)}")
        key = (
            f"{home.template} {node.name} "
            f"{sorted((name, repr(kind)) for name, kind in scope.items() if name in names)}"
        )
        if key in self.calls:
            return
        self.calls.append(key)
        inner = _Reading(home.environment, home.template, scope, calls=self.calls)
        for each in node.body:
            inner.statement(each)
        self.found += inner.found

    def _of_filter(self, node: nodes.Filter) -> Any:
        kind = self.kind(node.node) if node.node is not None else str
        for each in (*node.args, *(pair.value for pair in node.kwargs)):
            self.kind(each)
        made = self.environment.filters.get(node.name)
        if made is None:
            self.say(f"there is no filter {node.name}")
            return Any
        if node.name in {"default", "d"}:
            return joined([without_none(kind), *(self.kind(each) for each in node.args[:1])])
        wanted = _first(made)
        if not isinstance(kind, _Macro) and wanted is not None and not fits(kind, wanted):
            self.say(f"{node.name} takes {_said(wanted)}, and this is {_said(kind)}")
        return _returned(made, kind)

    def _of_compare(self, node: nodes.Compare) -> Kind:
        kind = self.kind(node.expr)
        for each in node.ops:
            other = self.kind(each.expr)
            words = None if isinstance(kind, _Macro) else words_of(kind)
            if words is not None and each.op in {"eq", "ne", "in", "notin"}:
                self._compare(kind, words, _constants(each.expr))
            elif (
                each.op in {"eq", "ne"}
                and not isinstance(other, _Macro)
                and (theirs := words_of(other)) is not None
            ):
                self._compare(other, theirs, _constants(node.expr))
        return bool

    def _compare(self, kind: Kind, words: frozenset[str], compared: tuple[object, ...]) -> None:
        for each in compared:
            if isinstance(each, str) and each not in words:
                self.say(f"{_said(kind)} is never {each!r}")

    def _of_test(self, node: nodes.Test) -> Kind:
        if isinstance(node.node, nodes.Name) and node.name in {"defined", "undefined"}:
            return bool
        self.kind(node.node)
        for each in node.args:
            self.kind(each)
        return bool

    def _of_condexpr(self, node: nodes.CondExpr) -> Any:
        self.kind(node.test)
        kinds = [
            self.kind(node.expr1),
            *([self.kind(node.expr2)] if node.expr2 is not None else []),
        ]
        return joined(each for each in kinds if not isinstance(each, _Macro))

    def _of_or(self, node: nodes.Or) -> Any:
        left, right = self.kind(node.left), self.kind(node.right)
        return joined([*members(left), right])

    def _of_and(self, node: nodes.And) -> Any:
        self.kind(node.left)
        return self.kind(node.right)

    def _of_not(self, node: nodes.Not) -> Kind:
        self.kind(node.node)
        return bool

    def _of_concat(self, node: nodes.Concat) -> Kind:
        for each in node.nodes:
            self.kind(each)
        return str

    def _of_list(self, node: nodes.List) -> Kind:
        kinds = [self.kind(each) for each in node.items]
        return list[joined(kinds)] if kinds else list[Any]  # type: ignore[misc] # made at run time

    def _of_tuple(self, node: nodes.Tuple) -> Kind:
        return tuple[tuple(self.kind(each) for each in node.items)]  # type: ignore[misc] # made at run time

    def _of_dict(self, node: nodes.Dict) -> Kind:
        kinds = [self.kind(each.value) for each in node.items]
        return dict[Any, joined(kinds)]  # type: ignore[misc] # made at run time


def _constants(node: nodes.Node) -> tuple[object, ...]:
    if isinstance(node, nodes.Const):
        return (node.value,)
    return (
        tuple(each.value for each in node.items if isinstance(each, nodes.Const))
        if isinstance(node, nodes.Tuple | nodes.List)
        else ()
    )


def _first(made: Callable[..., Any]) -> Kind | None:
    """Give what a filter of ours takes; nothing is known of those of Jinja2."""
    if not made.__module__.startswith("bot."):
        return None
    hints = {name: kind for name, kind in get_type_hints(made).items() if name != "return"}
    names = [
        name for name in inspect.signature(made).parameters if name in hints and name != "context"
    ]
    return hints[names[0]] if names else None


def _returned(made: Callable[..., Any], kind: Any) -> Any:
    if made.__module__.startswith("bot."):
        return get_type_hints(made).get("return", Any)
    name = made.__name__
    if name in {"do_first", "do_last"} and not isinstance(kind, _Macro):
        return element(kind)
    return (
        kind
        if name in {"do_sort", "do_list", "do_reverse", "do_unique", "do_abs"}
        else int
        if name in {"do_count", "len"}
        else Any
    )


def _said(kind: Kind) -> str:
    """Name a kind for whoever writes templates."""
    named = (
        getattr(each, "__name__", str(each)) if isinstance(each, type) else str(each)
        for each in members(kind)
    )
    return " or ".join(named) or "nothing"
