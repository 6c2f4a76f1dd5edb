"""What a word may be: names, refs, reasons and durations that are safe to show and to
pass on, whatever was typed.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import timedelta

from bot.domain.errors import NotUnderstood

LONGEST_REASON = 500
LONGEST_REF = 200
LONGEST_LOCK = timedelta(days=90)
PREPOSITIONS = frozenset({"to", "in", "on"})
KEYWORDS = frozenset({*PREPOSITIONS, "with", "lead", "at", "for", "because"})
RESERVED_NAMES = (KEYWORDS - {"lead"}) | {"all"}
"""Words that can name neither a service nor an environment, because no sentence
with them could be read.
"""
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_REF = re.compile(
    r"(?:@[A-Za-z0-9][A-Za-z0-9._-]*/)?[A-Za-z0-9](?:[A-Za-z0-9._/@+-]*[A-Za-z0-9_@+-])?"
)
_UNSAFE_IN_REF = ("..", "//", "/.", "@@")
_AMOUNT = re.compile(r"(?:[0-9]{1,6}[dhm])+")
_SECONDS = {"d": 86400, "h": 3600, "m": 60}
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def is_ref(ref: str) -> bool:
    """Tell whether a name is safe to show and to pass on: nothing that git or a shell could read
    differently, whoever gave it.
    """
    if (
        not _REF.fullmatch(ref)
        or len(ref) > LONGEST_REF
        or any(unsafe in ref for unsafe in _UNSAFE_IN_REF)
    ):
        return False
    return (
        not any(part.endswith(".lock") or part.startswith("-") for part in ref.split("/"))
        and ref.lower() not in KEYWORDS
    )


def check_ref(ref: str) -> str:
    """Return a ref that is safe to show and to pass on. Raises NotUnderstood for anything git or a
    shell could read differently.
    """
    if not is_ref(ref):
        raise NotUnderstood(
            f'"{shown(ref)}" cannot be a tag, branch or commit here. '
            "Refs begin with a letter, a digit or @scope/ and hold letters, digits and . _ / @ + "
            "- only; deploy the commit instead."
        )
    return ref


def check_reason(reason: str) -> str:
    """Return a reason that can be stored and shown. Raises NotUnderstood for control characters,
    turned text or too many characters.
    """
    if len(reason) > LONGEST_REASON:
        raise NotUnderstood(
            f"A reason may have {LONGEST_REASON} characters; this one has "
            f"{len(reason):,}. Say it shorter."
        )
    bad = next(
        (sign for sign in reason if sign in _BIDI or unicodedata.category(sign) in {"Cc", "Cs"}), ""
    )
    if bad:
        raise NotUnderstood(
            f"The reason contains an invisible character (U+{ord(bad):04X}). "
            "Type it again without it."
        )
    return reason


def shown(word: str, longest: int = 40) -> str:
    """Make a foreign word harmless in a sentence: invisible characters are spelled
    out, long words are cut.
    """
    safe = "".join(
        sign if sign.isprintable() else f"\\u{ord(sign):04x}" for sign in word[: longest + 1]
    )
    return safe if len(safe) <= longest else f"{safe[:longest]}…"


def duration(text: str) -> timedelta:
    """Read ``30m``, ``2h``, ``1d`` or ``1h30m``. Raises NotUnderstood."""
    compact = text.lower().replace(" ", "")
    if not _AMOUNT.fullmatch(compact):
        raise NotUnderstood(f'"{shown(text)}" is no duration. Write 30m, 2h, 1d or 1h30m.')
    found = timedelta(
        seconds=sum(
            int(number) * _SECONDS[unit] for number, unit in re.findall(r"([0-9]+)([dhm])", compact)
        )
    )
    if not timedelta(0) < found <= LONGEST_LOCK:
        raise NotUnderstood(f"A duration is between 1m and {LONGEST_LOCK.days}d.")
    return found
