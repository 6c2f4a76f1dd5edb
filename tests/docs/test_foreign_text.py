"""Text from outside is split where its format ends records. ``splitlines`` also splits at eleven
signs that people can type.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted(path for room in ("bot", "handlers") for path in (ROOT / room).rglob("*.py"))


def _splits_lines(tree: ast.AST) -> list[int]:
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr == "splitlines"
    ]


@pytest.mark.case("ci-and-refs-6")
def test_nothing_is_split_at_whatever_some_standard_calls_the_end_of_a_line() -> None:
    found = {
        str(path.relative_to(ROOT)): _splits_lines(ast.parse(path.read_text(encoding="utf-8")))
        for path in FILES
    }
    assert not {path: lines for path, lines in found.items() if lines}, (
        'say where records end: text.split("\\n"), or NUL where git offers -z'
    )
