"""Who counts for which approval."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from bot.domain.approvals import could_be_met, needs
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


FEW = settings(max_examples=50)
ROLES = ("security", "release_manager", "support")
PEOPLE = [Person("T1", f"U{number}") for number in range(6)]
RULES = st.lists(
    st.builds(ApprovalRule, st.sampled_from(ROLES), st.integers(1, 2)), min_size=1, max_size=3
)
GIVEN = st.dictionaries(st.sampled_from(PEOPLE), st.frozensets(st.sampled_from(ROLES)), max_size=5)


def most(rules: list[ApprovalRule], given: Mapping[Person, Collection[str]]) -> int:
    """Count by trying everything how many of these people can count at once."""
    if not given:
        return 0
    person, *_ = given
    others = {each: roles for each, roles in given.items() if each != person}
    tries = [most(rules, others)]
    for at, rule in enumerate(rules):
        if rule.role in given[person] and rule.count:
            less = [*rules[:at], replace(rule, count=rule.count - 1), *rules[at + 1 :]]
            tries.append(1 + most(less, others))
    return max(tries)


@FEW
@for_all(RULES, GIVEN)
def test_as_many_approvals_count_as_can_count_at_once(
    rules: list[ApprovalRule], given: dict[Person, frozenset[str]]
) -> None:
    assert sum(len(need.given) for need in needs(rules, given)) == most(rules, given)


@FEW
@for_all(RULES, GIVEN)
def test_whoever_counts_holds_the_role_and_counts_once(
    rules: list[ApprovalRule], given: dict[Person, frozenset[str]]
) -> None:
    found = needs(rules, given)
    assert [(need.role, need.count) for need in found] == [
        (rule.role, rule.count) for rule in rules
    ]
    counted = [person for need in found for person in need.given]
    assert len(counted) == len(set(counted))
    for need in found:
        assert len(need.given) + need.missing == need.count
        assert all(need.role in given[person] for person in need.given)


@FEW
@for_all(RULES, GIVEN, st.randoms())
def test_in_which_order_people_pressed_decides_nothing(
    rules: list[ApprovalRule], given: dict[Person, frozenset[str]], random: Random
) -> None:
    pressed = [*given.items()]
    random.shuffle(pressed)
    missing = sum(need.missing for need in needs(rules, given))
    assert sum(need.missing for need in needs(rules, dict(pressed))) == missing


@FEW
@for_all(RULES, GIVEN, st.sampled_from(PEOPLE), st.frozensets(st.sampled_from(ROLES)))
def test_one_more_approval_takes_none_of_the_others_away(
    rules: list[ApprovalRule],
    given: dict[Person, frozenset[str]],
    more: Person,
    roles: frozenset[str],
) -> None:
    before = {person for need in needs(rules, given) for person in need.given}
    after = {
        person
        for need in needs(rules, {**given, more: given.get(more, roles)})
        for person in need.given
    }
    assert before <= after


def test_whoever_could_count_twice_makes_room_for_whoever_can_count_only_once() -> None:
    both = {"security", "release_manager"}
    given = {BO: both, DI: {"security"}}
    assert [need.given for need in needs(BOTH, given)] == [(DI,), (BO,)]
    chain = (*BOTH, ApprovalRule("support"))
    all_three = {BO: {*both}, DI: {"release_manager", "support"}, CY: {"security"}}
    assert [need.missing for need in needs(chain, all_three)] == [0, 0, 0]
    assert [need.given for need in needs(chain, {CY: {"security"}, **all_three})] == [
        (CY,),
        (BO,),
        (DI,),
    ]


@pytest.mark.case("structure-5")
@pytest.mark.parametrize(
    ("held", "asker", "enough"),
    [
        ({BO: {"security"}, DI: {"release_manager"}}, None, True),
        ({BO: {"security"}, DI: {"release_manager"}}, CY, True),
        ({BO: {"security"}, DI: {"release_manager"}}, DI, False),
        ({BO: {"security", "release_manager"}}, None, False),
        ({BO: {"security", "release_manager"}, DI: {"support"}}, None, False),
        ({BO: {"security", "release_manager"}, DI: {"security"}, CY: {"security"}}, DI, True),
        ({}, None, False),
    ],
)
def test_rules_that_only_the_asker_could_meet_can_be_met_by_nobody(
    held: dict[Person, set[str]], asker: Person | None, *, enough: bool
) -> None:
    assert could_be_met(BOTH, held, asker=asker) is enough
    assert could_be_met((), held, asker=asker)
