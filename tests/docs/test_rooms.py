"""The arrows between the rooms are complete: no room stands outside of them."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FREE = {"__init__", "__main__", "cli", "ports", "testing"}
"""The packages' signs, the doors at the top, and the suites that ship; cli and ports are in the stairs."""


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
    rooms = {path.stem for path in (ROOT / "bot").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert rooms - guarded - FREE == set()


@pytest.mark.case("structure-8")
@pytest.mark.parametrize(
    ("room", "never"),
    [("bot.catalog", "bot.services"), ("handlers", "bot.slack"), ("bot.settings", "bot.catalog"), ("bot.providers", "bot.settings")],
)
def test_the_arrows_that_were_missing_are_there(room: str, never: str) -> None:
    forbidding = [each for each in contracts() if each["type"] == "forbidden" and room in each["source_modules"]]  # type: ignore[operator]
    assert any(never in each["forbidden_modules"] for each in forbidding)  # type: ignore[operator]
