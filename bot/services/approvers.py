"""Whether anybody could approve what somebody asks for: said before it is stored, and not when
it has waited for a day.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.domain.approvals import could_be_met
from bot.domain.catalog import ApprovalRule
from bot.domain.errors import NotPossible
from bot.domain.people import Person
from bot.services.context import Context
from bot.services.people import readable

NAMED = 3
"""So many people are named; the others are counted."""


def in_words(rules: Sequence[ApprovalRule]) -> str:
    """Say how many approvals by whom it takes."""
    return " and ".join(_approvals(rule) for rule in rules)


def _approvals(rule: ApprovalRule) -> str:
    if rule.count == 1:
        return f"1 approval by somebody with the role {readable(rule.role)}"
    return f"{rule.count} approvals by people with the role {readable(rule.role)}"


async def require(context: Context, by: Person, rules: Sequence[ApprovalRule], title: str) -> None:
    """Refuse to take a request that nobody but its requester could approve. Raises NotPossible."""
    lacking = await lacks(context, by, rules)
    if lacking:
        raise NotPossible(
            f"{title} could never go: it needs {in_words(rules)}, and {lacking}. Nothing was "
            "stored. Let somebody else ask for it, or have "
            "the role given to one more person in gonogo.yaml, or in its user group."
        )


async def lacks(context: Context, by: Person, rules: Sequence[ApprovalRule]) -> str:
    """Say who there is, where that is too few without the requester; empty where it is
    enough, or cannot be known now.
    """
    found = {rule.role: await context.people.holders(rule.role) for rule in rules}
    held: dict[Person, set[str]] = {}
    for role, people in found.items():
        if people is None:
            return ""
        for person in people:
            held.setdefault(person, set()).add(role)
    return "" if could_be_met(rules, held, asker=by) else _who_there_is(held, by)


def _who_there_is(held: Mapping[Person, set[str]], by: Person) -> str:
    others = sorted(person for person in held if person != by)
    named = ", ".join(person.mention for person in others[:NAMED]) + (
        f" and {len(others) - NAMED} more" if len(others) > NAMED else ""
    )
    besides = "besides you, who ask for it, " if by in held else ""
    return (
        f"{besides}{'only ' + named if others else 'nobody'} could give {'one' if others else 'it'}"
    )
