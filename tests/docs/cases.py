"""The page of cases: each kind of fault that was found, and the tests that hold it, read from the
tests' markers without importing them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.docs.kinds import KINDS, LATER, OTHERWISE

TESTS = Path(__file__).parents[1]
MARKER = "pytest.mark.case"


@dataclass(frozen=True, slots=True, order=True)
class Held:
    """A test that holds a line."""

    file: str
    test: str

    @property
    def sentence(self) -> str:
        """Read the test's name as what it is: a sentence about the product."""
        return self.test.removeprefix("test_").replace("_", " ")


def names() -> tuple[str, ...]:
    """Name every line."""
    return tuple(
        f"{file}-{number}"
        for file, kinds in KINDS.items()
        for number, _ in enumerate(kinds, start=1)
    )


def collected(tests: Path = TESTS) -> Mapping[str, tuple[Held, ...]]:
    """Collect which tests hold which line, by the name of the line; also names of
    lines that do not exist.
    """
    found: dict[str, set[Held]] = {}
    for path in sorted(tests.rglob("test_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for name, test in _marked(tree.body, _module_marks(tree)):
            found.setdefault(name, set()).add(Held(path.relative_to(tests).as_posix(), test))
    return {name: tuple(sorted(held)) for name, held in found.items()}


def _marked(body: Iterable[ast.stmt], inherited: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Give each test below with each line that it, its class or its module is marked with."""
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield from _marked(node.body, inherited | _marks(*node.decorator_list))
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith(
            "test_"
        ):
            yield from ((name, node.name) for name in inherited | _marks(*node.decorator_list))


def _module_marks(tree: ast.Module) -> frozenset[str]:
    assigned = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark"
    ]
    return _marks(*assigned)


def _marks(*expressions: ast.expr) -> frozenset[str]:
    """Read every ``pytest.mark.case(...)`` in some expressions, wherever it stands in them."""
    calls = [
        node
        for each in expressions
        for node in ast.walk(each)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == MARKER
    ]
    return frozenset(str(ast.literal_eval(argument)) for call in calls for argument in call.args)


def unanswered(held: Mapping[str, tuple[Held, ...]]) -> list[str]:
    """Name the lines that have neither a test nor a reason."""
    return [
        name
        for name in names()
        if not held.get(name) and name not in LATER and name not in OTHERWISE
    ]


def page(held: Mapping[str, tuple[Held, ...]], note: str) -> str:
    """Write the page."""
    parts = [f"# Cases\n{note}\n", INTRODUCTION]
    for file, kinds in KINDS.items():
        parts.append(f"\n## {file.replace('-', ' ').capitalize()}\n")
        for number, kind in enumerate(kinds, start=1):
            name = f"{file}-{number}"
            parts.append(f"\n### {name}: {kind}\n\n{_answer(name, held.get(name, ()))}")
    return "".join(parts)


def _answer(name: str, held: Iterable[Held]) -> str:
    lines = [f"- {each.sentence} (`tests/{each.file}`)\n" for each in held]
    if name in OTHERWISE:
        lines.insert(
            0,
            f"Answered otherwise: {OTHERWISE[name]}\n\n"
            if lines
            else f"Answered otherwise: {OTHERWISE[name]}\n",
        )
    elif name in LATER:
        lines.insert(
            0,
            "In part; the rest is open, for a later issue.\n\n"
            if lines
            else "Open: a later issue.\n",
        )
    return "".join(lines)


INTRODUCTION = """\
The product was tried by hand, under attack, under crashes and by teams that took it up. Each line here is a kind of
fault that was found, said as what is right instead, and below it the tests that hold it: each is the name of a test, read as a
sentence, and where it stands. They are read from the markers in the tests, so that no line is skipped silently: a line without a
test says why.
"""
