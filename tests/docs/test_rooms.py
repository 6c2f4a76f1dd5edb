"""The arrows between the rooms are complete: no room stands outside of them."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = ("bot", "handlers")
OWN = ("self", "cls", "super()")
FREE = {"__init__", "__main__", "cli", "ports", "testing"}
"""The packages' signs, the doors at the top, and the suites that ship; cli and
ports are in the stairs.
"""


def contracts() -> list[dict[str, object]]:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found = config["tool"]["importlinter"]["contracts"]
    assert isinstance(found, list)
    return found


@pytest.mark.case("structure-8")
def test_every_room_stands_in_a_contract_of_its_own_arrows() -> None:
    guarded = {
        name.strip().removeprefix("bot.")
        for contract in contracts()
        for key in ("source_modules", "layers", "modules")
        for entry in contract.get(key, [])  # type: ignore[attr-defined]
        for name in entry.split("|")
    }
    rooms = {
        path.stem
        for path in (ROOT / "bot").iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert rooms - guarded - FREE == set()


@pytest.mark.case("structure-8")
@pytest.mark.parametrize(
    ("room", "never"),
    [
        ("bot.catalog", "bot.services"),
        ("handlers", "bot.slack"),
        ("bot.settings", "bot.catalog"),
        ("bot.providers", "bot.settings"),
    ],
)
def test_the_arrows_that_were_missing_are_there(room: str, never: str) -> None:
    forbidding = [
        each
        for each in contracts()
        if each["type"] == "forbidden" and room in each["source_modules"]  # type: ignore[operator]
    ]
    assert any(never in each["forbidden_modules"] for each in forbidding)  # type: ignore[operator]


def _private_uses(path: Path) -> list[str]:
    """Name the private names of our modules that a file imports or takes from one, and the private
    methods of others that it calls.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    ours = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in OURS
    ]
    imported = [alias.name for node in ours for alias in node.names if _is_private(alias.name)]
    modules = {
        alias.asname or alias.name
        for node in ours
        for alias in node.names
        if _is_module(f"{node.module}.{alias.name}")
    }
    called = {node.func for node in ast.walk(tree) if isinstance(node, ast.Call)}
    taken = [
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and _is_private(node.attr)
        if ast.unparse(node.value) in modules
        or (node in called and ast.unparse(node.value) not in OWN)
    ]
    return [f"{path.relative_to(ROOT)}: {name}" for name in [*imported, *taken]]


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__")


def _is_module(name: str) -> bool:
    place = ROOT.joinpath(*name.split("."))
    return place.with_suffix(".py").exists() or (place / "__init__.py").exists()


def test_a_test_asks_for_what_is_public() -> None:
    files = [*(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]
    assert [each for path in files for each in _private_uses(path)] == []
