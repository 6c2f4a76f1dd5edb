"""The audit chain: what is changed afterwards is found."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.domain.audit import FIRST, Entry, Link, canonical, first_broken, link
from bot.domain.people import Person

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
ANA = Person("T1", "ANA")


def chain(key: bytes | None = None) -> list[Link]:
    links: list[Link] = []
    previous = FIRST
    for number, action in enumerate(["deploy", "approve", "started", "rollback"], start=1):
        entry = Entry(NOW + timedelta(minutes=number), ANA, action, "shop-1", facts={"b": 1, "a": [action]})
        hashed = link(previous, entry, key)
        links.append(Link(number, previous, hashed, entry))
        previous = hashed
    return links


@pytest.mark.parametrize("key", [None, b"secret"])
def test_an_untouched_chain_holds(key: bytes | None) -> None:
    assert first_broken(chain(key), key) is None
    assert first_broken([], key) is None


@pytest.mark.parametrize("field", ["at", "actor", "action", "deployment", "outcome", "facts"])
def test_a_change_of_any_field_is_found(field: str) -> None:
    changed: dict[str, Any] = {
        "at": NOW,
        "actor": Person("T2", "ANA"),
        "action": "x",
        "deployment": "shop-2",
        "outcome": "refused",
        "facts": {"a": 1},
    }
    links = chain()
    links[1] = replace(links[1], entry=replace(links[1].entry, **{field: changed[field]}))
    assert first_broken(links, None) == 2


def test_a_deletion_an_insertion_and_a_swap_are_found() -> None:
    one, two, three, four = chain()
    assert first_broken([one, three, four], None) == 3
    assert first_broken([two, three, four], None) == 2
    assert first_broken([one, two, two, three, four], None) == 2
    assert first_broken([one, three, two, four], None) == 3


def test_without_the_key_nobody_can_forge_a_chain() -> None:
    assert first_broken(chain(None), b"secret") == 1
    assert first_broken(chain(b"guess"), b"secret") == 1


def test_the_order_of_facts_does_not_matter() -> None:
    assert canonical(Entry(NOW, ANA, "x", facts={"a": 1, "b": 2})) == canonical(Entry(NOW, ANA, "x", facts={"b": 2, "a": 1}))


def test_the_same_moment_in_another_zone_is_the_same_entry() -> None:
    there = NOW.astimezone(datetime.strptime("+0530", "%z").tzinfo)
    assert canonical(Entry(there, ANA, "x")) == canonical(Entry(NOW, ANA, "x"))
