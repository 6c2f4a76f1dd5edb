"""Make mutants: small edits of a Python file, each a fault that a test should notice.

Not made are edits that change nothing a person could see: log calls, docstrings, annotations,
``__repr__``, protocols.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path

COMPARISONS: Mapping[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE,
    ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
OPERATORS: Mapping[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
}
LOGS = frozenset({"log", "logger"})
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@cache
def source(path: Path) -> bytes:
    """Read a file, once: a run is about the tree as it was when it began."""
    return path.read_bytes()


@dataclass(frozen=True, slots=True)
class Mutant:
    """One edit: the bytes from ``start`` to ``end`` of a file become ``text``."""

    path: str
    kind: str
    start: int
    end: int
    text: str
    lines: tuple[int, int]
    """The lines of the statement that it stands in; a test that runs none
    of them cannot notice it.
    """
    scope: tuple[int, int] | None
    """The lines of the function's body; None outside of functions, where
    the import runs the line.
    """

    def of(self, source: bytes) -> bytes:
        """Apply it."""
        return source[: self.start] + self.text.encode() + source[self.end :]


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the whole product: the members of its enums, the arguments of its
    functions that have a default.
    """

    members: Mapping[str, Sequence[str]]
    defaults: Mapping[str, frozenset[str]]


def lot(seed: object, *about: str) -> bytes:
    """Draw a lot that depends on nothing else: whatever changes elsewhere,
    the same are chosen again.
    """
    return sha256("\n".join([str(seed), *about]).encode()).digest()


def know(sources: Sequence[bytes]) -> Known:
    """Read the enums and the defaults out of the product's files."""
    members: dict[str, Sequence[str]] = {}
    defaults: dict[str, frozenset[str]] = {}
    for node in (node for source in sources for node in ast.walk(ast.parse(source))):
        if isinstance(node, ast.ClassDef) and any(
            ast.unparse(base).endswith("Enum") for base in node.bases
        ):
            members[node.name] = [
                each.targets[0].id
                for each in node.body
                if isinstance(each, ast.Assign) and _is_name(each.targets[0])
            ]
        elif isinstance(node, ast.ClassDef):
            fields = {
                each.target.id
                for each in node.body
                if isinstance(each, ast.AnnAssign) and each.value and _is_name(each.target)
            }
            defaults[node.name] = defaults.get(node.name, frozenset()) | fields
        elif isinstance(node, FUNCTIONS):
            defaults[node.name] = defaults.get(node.name, frozenset()) | _optional(node.args)
    return Known(members, defaults)


def _is_name(node: ast.expr) -> bool:
    return isinstance(node, ast.Name)


def _optional(args: ast.arguments) -> frozenset[str]:
    last = args.args[len(args.args) - len(args.defaults) :]
    named = [
        arg
        for arg, value in zip(args.kwonlyargs, args.kw_defaults, strict=True)
        if value is not None
    ]
    return frozenset(arg.arg for arg in (*last, *named))


def mutants(path: str, source: bytes, known: Known, seed: object) -> list[Mutant]:
    """Make every mutant of one file, in the order of its lines."""
    tree = ast.parse(source)
    found = _Finder(path, source, known, seed)
    found.body(tree.body, None)
    return sorted(found.made, key=lambda each: (each.start, each.end, each.kind, each.text))


@dataclass
class _Finder:
    """Walk over the statements of a file and note what could be edited."""

    path: str
    source: bytes
    known: Known
    seed: object
    made: list[Mutant] = field(default_factory=list)
    starts: list[int] = field(init=False)
    lines: tuple[int, int] = (0, 0)
    scope: tuple[int, int] | None = None
    answers_bool: bool = False

    def __post_init__(self) -> None:
        self.starts = [0]
        for line in self.source.splitlines(keepends=True):
            self.starts.append(self.starts[-1] + len(line))

    def _at(self, line: int, column: int) -> int:
        return self.starts[line - 1] + column

    def add(self, kind: str, node: ast.expr | ast.stmt, text: str) -> None:
        """Note one edit of a whole node."""
        start = self._at(node.lineno, node.col_offset)
        end = self._at(node.end_lineno or node.lineno, node.end_col_offset or node.col_offset)
        self.made.append(Mutant(self.path, kind, start, end, text, self.lines, self.scope))

    def body(self, statements: Sequence[ast.stmt], scope: tuple[int, int] | None) -> None:
        """Walk over the statements of a module, a class or a block."""
        for statement in statements:
            self.scope = scope
            self.statement(statement)

    def statement(self, node: ast.stmt) -> None:
        """Mutate one statement and what stands in it."""
        if isinstance(node, FUNCTIONS):
            self._function(node)
        elif isinstance(node, ast.ClassDef):
            if not any("Protocol" in ast.unparse(base) for base in node.bases):
                self.body(node.body, self.scope)
        elif not _is_without_effect(node):
            self.lines = (node.lineno, _head_end(node))
            self._whole(node)
            for expression in _expressions(node):
                self._expression(expression)
            for block in _blocks(node):
                self.body(block, self.scope)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        if node.name == "__repr__" or _is_stub(node):
            return
        before, outer = self.answers_bool, self.scope
        self.answers_bool = node.returns is not None and ast.unparse(node.returns) == "bool"
        self.scope = (node.body[0].lineno, node.end_lineno or node.lineno)
        self.lines = self.scope
        for default in (*node.args.defaults, *node.args.kw_defaults):
            if default is not None:
                self._expression(default)
        self.body(node.body, self.scope)
        self.answers_bool, self.scope = before, outer

    def _whole(self, node: ast.stmt) -> None:
        if isinstance(node, ast.Expr) and isinstance(_unawaited(node.value), ast.Call):
            self.add("call removed", node, "pass")
        if (
            isinstance(node, ast.If)
            and not node.orelse
            and isinstance(node.body[-1], ast.Raise | ast.Return | ast.Continue)
        ):
            self.add("guard dropped", node, "pass")
        if isinstance(node, ast.If | ast.While):
            self.add("condition negated", node.test, f"not ({ast.unparse(node.test)})")
            self._ignored(node.test)
        if (
            isinstance(node, ast.Return)
            and node.value
            and self.answers_bool
            and not isinstance(node.value, ast.Constant)
        ):
            self.add("answer flipped", node.value, f"not ({ast.unparse(node.value)})")

    def _ignored(self, test: ast.expr) -> None:
        for node in ast.walk(test):
            if isinstance(node, ast.Await):
                self.add("awaited result ignored", node, f"(({ast.unparse(node)}) or True)")

    def _expression(self, root: ast.expr) -> None:
        if isinstance(root, ast.Call) and _is_log(root):
            return
        self._mutate(root)
        for child in ast.iter_child_nodes(root):
            for expression in _expressions_of(child):
                self._expression(expression)

    def _mutate(self, node: ast.expr) -> None:
        match node:
            case ast.Compare():
                self._compare(node)
            case ast.BoolOp():
                self._boolean(node)
            case ast.UnaryOp(op=ast.Not()):
                self.add("not removed", node, f"({ast.unparse(node.operand)})")
            case ast.IfExp():
                self.add("condition negated", node.test, f"not ({ast.unparse(node.test)})")
            case ast.Constant():
                self._constant(node)
            case ast.BinOp() if type(node.op) in OPERATORS and not (
                _is_text(node.left) or _is_text(node.right)
            ):
                other = ast.BinOp(node.left, OPERATORS[type(node.op)](), node.right)
                self.add("operator swapped", node, f"({ast.unparse(other)})")
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                self._filters(node)
            case ast.Set() | ast.Dict() | ast.Tuple():
                self._entries(node)
            case ast.Call():
                self._defaults(node)

    def _compare(self, node: ast.Compare) -> None:
        for index, op in enumerate(node.ops):
            ops = [*node.ops[:index], COMPARISONS[type(op)](), *node.ops[index + 1 :]]
            self.add(
                "comparison swapped",
                node,
                f"({ast.unparse(ast.Compare(node.left, ops, node.comparators))})",
            )

    def _boolean(self, node: ast.BoolOp) -> None:
        other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        self.add("and/or swapped", node, f"({ast.unparse(ast.BoolOp(other, node.values))})")
        for index in range(len(node.values)):
            kept = [*node.values[:index], *node.values[index + 1 :]]
            text = ast.unparse(kept[0] if len(kept) == 1 else ast.BoolOp(node.op, kept))
            self.add("condition dropped", node, f"({text})")

    def _constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, bool):
            self.add("boolean flipped", node, str(not node.value))
        elif isinstance(node.value, int):
            self.add("constant off by one", node, str(node.value + 1))

    def _filters(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> None:
        for condition in (condition for each in node.generators for condition in each.ifs):
            self.add("filter dropped", condition, "True")

    def _entries(self, node: ast.Set | ast.Dict | ast.Tuple) -> None:
        count = len(node.keys if isinstance(node, ast.Dict) else node.elts)
        if isinstance(node, ast.Tuple) and (
            count < 3 or self.scope is not None or not isinstance(node.ctx, ast.Load)  # noqa: PLR2004 - a pair is a value, three are a list
        ):
            return
        for index in range(count):
            self.add("entry removed", node, _without(node, index))
        if isinstance(node, ast.Set):
            self._more(node)

    def _more(self, node: ast.Set) -> None:
        """Add a member of the same enum to a set of members: an edge that nobody allowed."""
        names = {ast.unparse(each) for each in node.elts}
        enums = {name.partition(".")[0] for name in names}
        if len(enums) == 1 and (enum := enums.pop()) in self.known.members:
            others = [
                name for each in self.known.members[enum] if (name := f"{enum}.{each}") not in names
            ]
            for more in sorted(
                others, key=lambda more: lot(self.seed, self.path, *sorted(names), more)
            )[:2]:
                self.add(
                    "entry added", node, f"{{{', '.join([*map(ast.unparse, node.elts), more])}}}"
                )

    def _defaults(self, node: ast.Call) -> None:
        name = (
            node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        )
        for index, keyword in enumerate(node.keywords):
            if keyword.arg in self.known.defaults.get(name, ()) and not _is_log(node):
                call = ast.Call(
                    node.func, node.args, [*node.keywords[:index], *node.keywords[index + 1 :]]
                )
                self.add("argument left at its default", node, ast.unparse(call))


def _without(node: ast.Set | ast.Dict | ast.Tuple, index: int) -> str:
    if isinstance(node, ast.Dict):
        return ast.unparse(
            ast.Dict(
                node.keys[:index] + node.keys[index + 1 :],
                node.values[:index] + node.values[index + 1 :],
            )
        )
    kept = [*node.elts[:index], *node.elts[index + 1 :]]
    if not kept:
        return "set()"
    return ast.unparse(ast.Set(kept) if isinstance(node, ast.Set) else ast.Tuple(kept, ast.Load()))


def _unawaited(node: ast.expr) -> ast.expr:
    return node.value if isinstance(node, ast.Await) else node


def _is_log(node: ast.Call) -> bool:
    return (
        isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id in LOGS
    )


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr | ast.List | ast.Tuple) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def _is_stub(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    last = node.body[-1]
    return isinstance(last, ast.Expr) and isinstance(last.value, ast.Constant)


def _is_without_effect(node: ast.stmt) -> bool:
    if isinstance(node, ast.Import | ast.ImportFrom) or (
        isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
    ):
        return True
    if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in {
        "log",
        "__all__",
        "__slots__",
    }:
        return True
    return isinstance(node, ast.Expr) and (
        isinstance(node.value, ast.Constant)
        or (isinstance(node.value, ast.Call) and _is_log(node.value))
    )


def _head_end(node: ast.stmt) -> int:
    blocks = [block for block in _blocks(node) if block]
    return max(node.lineno, blocks[0][0].lineno - 1) if blocks else node.end_lineno or node.lineno


def _blocks(node: ast.stmt) -> Iterator[list[ast.stmt]]:
    for name in ("body", "orelse", "finalbody"):
        yield getattr(node, name, [])
    for handler in getattr(node, "handlers", []):
        yield handler.body
    for case in getattr(node, "cases", []):
        yield case.body


def _expressions(node: ast.stmt) -> Iterator[ast.expr]:
    """Give the expressions of a statement's head; annotations are left out."""
    for name, value in ast.iter_fields(node):
        if name in {"annotation", "type_comment", "decorator_list", "target", "targets"}:
            continue
        for each in value if isinstance(value, list) else [value]:
            yield from _expressions_of(each)


def _expressions_of(node: object) -> Iterator[ast.expr]:
    if isinstance(node, ast.expr):
        yield node
    elif isinstance(node, ast.keyword):
        yield node.value
    elif isinstance(node, ast.comprehension):
        yield from (node.iter, *node.ifs)
    elif isinstance(node, ast.withitem):
        yield node.context_expr
    elif isinstance(node, ast.match_case) and node.guard is not None:
        yield node.guard
