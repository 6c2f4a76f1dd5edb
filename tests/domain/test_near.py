"""Which names are near to a misspelt one: one rule for services, environments, versions,
commands, options and settings.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.dispatch.tables import USAGE
from bot.domain.near import did_you_mean, near, only
from bot.domain.usage import nearest

PLACES = ["production", "staging"]
EU = ["production-eu", "production-us", "staging"]
SHOPS = ["storefront", "payments", "ship", "shop"]

NEAR = [
    ("storefrnt", SHOPS, "storefront"), ("storefornt", SHOPS, "storefront"),
    ("Storefront", SHOPS, "storefront"), ("stroefrnt", SHOPS, "storefront"),
    ("shpo", SHOPS, "shop"), ("shp", SHOPS, "ship shop"), ("pay", SHOPS, "payments"),
    ("prod", PLACES, "production"), ("produktion", PLACES, "production"),
    ("stagign", PLACES, "staging"), ("stg", PLACES, ""), ("st", PLACES, "staging"),
    ("prod", EU, "production-eu production-us"), ("eu", EU, "production-eu"),
    ("production", EU, "production-eu production-us"),
    ("V1.1.0", ["v1.1.0", "v1.0.0"], "v1.1.0"), ("1.1.0", ["v1.1.0", "v1.1.1"], "v1.1.0"),
    ("v1.10", ["v1.1.0", "v1.10.0"], "v1.1.0 v1.10.0"), ("v1.1", ["v1.10.0", "v1.1.0"], "v1.1.0"),
    ("v1..1.0", ["v1.1.0"], "v1.1.0"), ("mian", ["main", "v1.0.0"], "main"),
    ("v1.2.0", ["web-v1.2.0", "web-v1.1.0"], "web-v1.2.0"),
    ("lastest", ["latest", "v1.0.0"], "latest"),
    ("a" * 100 + "b", ["a" * 100], "a" * 100),
]  # fmt: skip
FAR = [
    ("zebra", SHOPS), ("x", SHOPS), ("", SHOPS), ("x", []), ("testing", PLACES), ("qa", ["qb", "aq"]),
    ("storage", PLACES), ("canary", ["binary-search"]), ("magic", ["canary", "rolling"]),
    ("v1.1.1", ["v1.1.0", "v1.1.10", "v1.0.1"]), ("v9.9.9", ["v1.9.0", "v1.9.9"]),
    ("api3", ["api1", "api2"]), ("v1", ["v10.0.0"]), ("production2", PLACES),
]  # fmt: skip


@pytest.mark.case("card-and-people-16")
@pytest.mark.parametrize(("typed", "known", "meant"), NEAR)
def test_a_slip_of_the_fingers_a_beginning_and_other_capitals_are_near(
    typed: str, known: list[str], meant: str
) -> None:
    assert " ".join(near(typed, known)) == meant


@pytest.mark.parametrize(("typed", "known"), FAR)
def test_what_is_far_is_never_offered_and_another_number_is_far(
    typed: str, known: list[str]
) -> None:
    assert near(typed, known) == ()


@given(st.text(max_size=30), st.lists(st.text(max_size=20), max_size=20))
def test_what_is_near_is_always_there_and_what_is_there_is_nearest_to_itself(
    typed: str, names: list[str]
) -> None:
    assert set(near(typed, names)) <= set(names)
    assert all(name in near(name, names) for name in names if name)


def test_as_many_names_are_offered_as_can_be_read_and_only_one_is_certain() -> None:
    assert did_you_mean(()) == ""
    assert did_you_mean(("a",)) == "Did you mean a?"
    assert did_you_mean(("a", "b", "c", "d")) == "Did you mean a, b or c?"
    assert (only(("a",)), only(()), only(("a", "b"))) == ("a", "", "")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("stauts", "status"), ("lokc", "lock"), ("undo", "rollback"), ("lo", "lock locks")],
)
def test_commands_are_also_known_by_what_other_tools_call_them(typed: str, meant: str) -> None:
    assert set(nearest(typed, USAGE)) == set(meant.split()) <= set(USAGE)
