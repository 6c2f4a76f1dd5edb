"""The arrows between the rooms: each import that a contract forbids is refused, and each
room stands in a contract.
"""

from __future__ import annotations

import pkgutil
import tomllib
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import grimp
import pytest
from grimp import ImportGraph
from importlinter.configuration import configure
from importlinter.contracts.forbidden import ForbiddenContract
from importlinter.contracts.independence import IndependenceContract
from importlinter.contracts.layers import LayersContract

import bot

ROOT = Path(bot.__file__).parents[1]
KINDS: dict[str, Any] = {
    "forbidden": ForbiddenContract,
    "layers": LayersContract,
    "independence": IndependenceContract,
}
OF_THE_START = {"__init__", "__main__", "py.typed"}
CONTRACTS: list[dict[str, Any]] = tomllib.loads(
    (ROOT / "pyproject.toml").read_text(encoding="utf-8")
)["tool"]["importlinter"]["contracts"]


@cache
def context() -> ImportGraph:
    """Read every import once."""
    configure()
    return grimp.build_graph("bot", "handlers", include_external_packages=True, cache_dir=None)


def kept(contract: dict[str, Any], graph: ImportGraph) -> bool:
    options = {
        key: str(value) if isinstance(value, bool) else value for key, value in contract.items()
    }
    session = {"root_packages": ["bot", "handlers"], "include_external_packages": "True"}
    made = KINDS[contract["type"]](
        name=contract["name"], session_options=session, contract_options=options
    )
    return bool(made.check(graph=graph, verbose=False).kept)


def rooms_of(layer: str) -> list[str]:
    return [room.strip() for room in layer.split("|")]


def forbidden(contract: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """List what a contract forbids: who would import, and what."""
    if contract["type"] == "forbidden":
        yield from (
            (source, target)
            for source in contract["source_modules"]
            for target in contract["forbidden_modules"]
        )
    elif contract["type"] == "independence":
        yield from (
            (one, other)
            for one in contract["modules"]
            for other in contract["modules"]
            if one != other
        )
    else:
        inside = "".join(f"{container}." for container in contract.get("containers", ()))
        layers = [[f"{inside}{room}" for room in rooms_of(layer)] for layer in contract["layers"]]
        for at, layer in enumerate(layers):
            above = [room for higher in layers[:at] for room in higher]
            yield from (
                (lower, higher)
                for lower in layer
                for higher in [*above, *(room for room in layer if room != lower)]
            )


NAMES = [each["name"] for each in CONTRACTS]


@pytest.mark.parametrize("contract", CONTRACTS, ids=NAMES)
def test_the_house_keeps_its_contracts(contract: dict[str, Any]) -> None:
    assert kept(contract, deepcopy(context()))


def refuses(contract: dict[str, Any], importer: str, imported: str) -> bool:
    """See whether one more import would be refused."""
    graph = deepcopy(context())
    if imported not in graph.modules:
        graph.add_module(imported, is_squashed=True)
    graph.add_import(importer=importer, imported=imported)
    return not kept(contract, graph)


@pytest.mark.parametrize("contract", CONTRACTS, ids=NAMES)
def test_each_import_that_a_contract_forbids_is_refused(contract: dict[str, Any]) -> None:
    pairs = list(forbidden(contract))
    assert pairs
    assert [
        f"{importer} -> {imported}"
        for importer, imported in pairs
        if not refuses(contract, importer, imported)
    ] == []


def test_each_room_stands_in_a_contract() -> None:
    named = {room for contract in CONTRACTS for pair in forbidden(contract) for room in pair}
    rooms = {
        f"bot.{module.name}"
        for module in pkgutil.iter_modules(bot.__path__)
        if module.name not in OF_THE_START
    }
    assert rooms - named == set()
