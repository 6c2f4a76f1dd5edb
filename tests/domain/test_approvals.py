"""Who counts for which approval."""

from __future__ import annotations

import pytest

from bot.domain.approvals import needs
from bot.domain.catalog import ApprovalRule
from bot.domain.people import Person

BO, DI, CY = (Person("T1", f"U{name}") for name in ("BO", "DI", "CY"))
BOTH = (ApprovalRule("security"), ApprovalRule("release_manager"))


@pytest.mark.case("structure-5")
@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({}, [1, 1]),
        ({BO: {"release_manager"}}, [1, 0]),
        ({BO: {"release_manager"}, DI: {"release_manager"}}, [1, 0]),
        ({BO: {"support"}}, [1, 1]),
        ({BO: {"security", "release_manager"}}, [0, 1]),
        ({BO: {"security", "release_manager"}, DI: {"security"}}, [0, 0]),
        ({BO: {"security"}, DI: {"release_manager"}}, [0, 0]),
    ],
)
def test_a_yes_of_one_role_never_counts_for_another(
    given: dict[Person, set[str]], missing: list[int]
) -> None:
    assert [need.missing for need in needs(BOTH, given)] == missing


def test_one_person_counts_once_though_two_are_needed() -> None:
    (need,) = needs([ApprovalRule("security", 2)], {BO: {"security"}})
    assert (need.given, need.missing) == ((BO,), 1)


def test_whoever_is_one_too_many_counts_for_nothing() -> None:
    (need,) = needs(
        [ApprovalRule("security", 2)], {person: {"security"} for person in (BO, DI, CY)}
    )
    assert need.given == (BO, DI)
