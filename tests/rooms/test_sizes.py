"""What keeps the house readable: short files and functions, words on what is public, and rules with
more tests than lines.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import bot

ROOT = Path(bot.__file__).parents[1]
FILES = sorted(path for room in ("bot", "handlers") for path in (ROOT / room).rglob("*.py"))
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def definitions(path: Path) -> Iterator[Definition]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, Definition):
            yield node


def lines(*rooms: str) -> int:
    """Count the lines that are not empty."""
    return sum(
        bool(line.strip())
        for room in rooms
        for path in (ROOT / room).rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
    )


def test_no_file_is_longer_than_450_lines() -> None:
    counted = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert {str(path): count for path, count in counted.items() if count > 450} == {}


def test_no_function_is_longer_than_55_lines_and_most_are_short() -> None:
    spans = {
        f"{path}:{node.lineno} {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for path in FILES
        for node in definitions(path)
        if not isinstance(node, ast.ClassDef)
    }
    assert {name: span for name, span in spans.items() if span > 55} == {}
    assert median(spans.values()) <= 8
    assert sorted(spans.values())[len(spans) * 9 // 10] <= 21


def test_what_is_public_says_what_it_is() -> None:
    public = [node for path in FILES for node in definitions(path) if not node.name.startswith("_")]
    told = sum(ast.get_docstring(node) is not None for node in public)
    assert told / len(public) >= 0.93


def test_rules_and_use_cases_have_more_tests_than_lines() -> None:
    assert lines("tests/domain") >= lines("bot/domain")
    services = lines("bot/services", "bot/queries", "bot/verbs", "bot/dispatch")
    assert lines("tests/services", "tests/dispatch") >= services
    assert lines("tests") >= 1.2 * lines("bot", "handlers")
