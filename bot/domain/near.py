"""Which names somebody probably meant who typed one that is not there: the one rule for
services, environments, versions, commands, options, settings and what stands in gonogo.yaml. No
I/O.

Near is what differs by a slip of the fingers (a letter too many, too few, another one, or two that
are swapped; the longer the word, the more of them), by capitals or by the ``v`` before a number,
and what was only begun, or typed without what stands before it (``1.2.0`` for ``web@1.2.0``).
Numbers are never mistaken for each other: v1.1.1 is another version than v1.1.0.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

LONGEST = 100
"""Characters of a name that are compared."""
NAMED = 3
"""How many names a sentence offers."""
_FIRST_V = re.compile(r"(^|[@/-])v(?=\d)")
_NO_DIGIT = re.compile(r"\D+", re.ASCII)
_MOST_SLIPS = 3


def near(word: str, known: Iterable[str]) -> tuple[str, ...]:
    """Name what was probably meant, in the order of the alphabet: all that are equally near, and
    none that is farther. Empty where nothing is near.
    """
    said = _bare(word[:LONGEST])
    least, found = _slips_in(said), list[str]()
    for name in dict.fromkeys(known):
        far = _apart(said, _bare(name[:LONGEST]), least)
        if far is None or far > least:
            continue
        found = [*(found if far == least else ()), name]
        least = far
    return tuple(sorted(found))


def only(names: Sequence[str]) -> str:
    """Give the name that alone may have been meant; empty where none is, or several are."""
    return names[0] if len(names) == 1 else ""


def did_you_mean(names: Sequence[str]) -> str:
    """Ask whether one of a few names was meant; empty for none."""
    if not names:
        return ""
    few = names[:NAMED]
    return f"Did you mean {' or '.join([', '.join(few[:-1]), few[-1]] if few[1:] else few)}?"


def _bare(name: str) -> str:
    """Take off what people leave out or write otherwise: capitals, and the ``v`` before a
    number.
    """
    return _FIRST_V.sub(r"\1", name.casefold())


def _slips_in(said: str) -> int:
    """Say how many slips a word may hold and still be known: none in two letters. What was only
    begun counts like one.
    """
    return min(max((len(said) + 1) // 4, 1), _MOST_SLIPS) if said else -1


def _apart(said: str, name: str, most: int) -> int | None:
    """Count the slips between what was typed and a name; None for more than ``most``."""
    if said == name:
        return 0
    if most < 1:
        return None
    if _is_begun(said, name) or (
        len(said) > 1 and name.endswith(tuple(f"{each}{said}" for each in "@/-"))
    ):
        return 1
    if len(said) <= 2 or abs(len(said) - len(name)) > most or _digits(said) != _digits(name):  # noqa: PLR2004 - of two letters one would be half
        return None
    slips = _slips(said, name)
    return slips if slips <= most else None


def _is_begun(said: str, name: str) -> bool:
    """Tell whether a name begins as typed; no number is the beginning of another one."""
    if not name.startswith(said):
        return False
    behind = name[len(said)]
    if said[-1].isdigit():
        return not behind.isdigit()
    return len(said) > 1 or not behind.isalnum()


def _digits(name: str) -> str:
    return _NO_DIGIT.sub("", name)


def _slips(said: str, name: str) -> int:
    """Count what has to be put in, left out, changed or swapped (optimal string alignment, the
    restricted Damerau-Levenshtein distance: Boytsov, ACM JEA 16, 2011, section 2.1).
    """
    before: list[int] = []
    row = list(range(len(name) + 1))
    for at, sign in enumerate(said, 1):
        last, before, row = before, row, [at]
        for to, other in enumerate(name, 1):
            cost = min(row[-1] + 1, before[to] + 1, before[to - 1] + (sign != other))
            if at > 1 and to > 1 and sign == name[to - 2] and said[at - 2] == other:
                cost = min(cost, last[to - 2] + 1)
            row.append(cost)
    return row[-1]
