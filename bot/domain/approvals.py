"""Approvals: who counts for which rule. One person counts once, whatever roles they hold."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from bot.domain.catalog import ApprovalRule
from bot.domain.people import Person


@dataclass(frozen=True, slots=True)
class ApprovalNeed:
    """One approval rule and who has approved under it."""

    role: str
    count: int
    given: tuple[Person, ...] = ()

    @property
    def missing(self) -> int:
        """How many approvals are still needed."""
        return max(0, self.count - len(self.given))


@dataclass(frozen=True, slots=True)
class Uncounted:
    """An approval that does not count now, and why."""

    by: Person
    why: str


def needs(
    rules: Sequence[ApprovalRule], given: Mapping[Person, Collection[str]]
) -> tuple[ApprovalNeed, ...]:
    """Match the people who approved with the rules, so that as many approvals as possible are used.

    ``given`` says which approving roles each of them holds. Whoever could count for two rules
    is moved to the other when that lets somebody else count too: the order in which people
    pressed decides nothing.
    """
    counted: list[list[Person]] = [[] for _ in rules]
    for person in given:
        _place(person, rules, given, counted, set())
    return tuple(
        ApprovalNeed(rule.role, rule.count, tuple(people))
        for rule, people in zip(rules, counted, strict=True)
    )


def could_be_met(
    rules: Sequence[ApprovalRule], held: Mapping[Person, Collection[str]], *, asker: Person | None
) -> bool:
    """Tell whether everybody who holds a role, without the asker, would be enough
    for all the rules together.
    """
    others = {person: roles for person, roles in held.items() if person != asker}
    return not any(need.missing for need in needs(rules, others))


def _place(
    person: Person,
    rules: Sequence[ApprovalRule],
    given: Mapping[Person, Collection[str]],
    counted: list[list[Person]],
    tried: set[int],
) -> bool:
    """Find a rule for somebody, moving others aside where that helps (an augmenting path)."""
    for index, rule in enumerate(rules):
        if index in tried or rule.role not in given[person]:
            continue
        tried.add(index)
        if len(counted[index]) < rule.count:
            counted[index].append(person)
            return True
        for other in counted[index]:
            if _place(other, rules, given, counted, tried):
                counted[index][counted[index].index(other)] = person
                return True
    return False
