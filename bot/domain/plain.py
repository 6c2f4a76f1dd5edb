"""Names and texts from a repository or a CI server, made harmless before they are an input, a file
name, a link or a message.

The values that pass through the ports (``Resolved``, ``CIRun``, ``Stage``, ``Change`` …) apply
these rules to themselves when they are made, so that no provider can forget them.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime

from bot.domain.validation import is_ref

SHORT = 10
"""How many characters of a commit stand for it."""
LONGEST_LINE = 500
LONGEST_NAME = 100
LONGEST_PATH = 4096
LONGEST_LINK = 2000
_JOINERS = "\u200c\u200d"
"""Invisible, and part of how words and emoji are written."""
_LINK = re.compile(r"https?://[A-Za-z0-9\[][^\s\"'<>\\^`{|}]*", re.ASCII)
"""A web address without quotes, spaces, backslashes and Slack's own marks."""


def moment(at: datetime, *, today: datetime | None = None) -> str:
    """Write a moment into a sentence: ``2026-11-21 02:12 UTC``. Where Slack shows the sentence, the
    reader sees it as their own clock and calendar have it.

    ``today`` is now, where the text is read at once and by nothing that could translate it: of a
    moment of this day only the time is said.
    """
    there = at.astimezone(UTC)
    is_today = today is not None and today.astimezone(UTC).date() == there.date()
    return f"{there:%H:%M} UTC" if is_today else f"{there:%Y-%m-%d %H:%M} UTC"


def version(name: str, commit: str) -> str:
    """Give what a commit is called, where that could also have been typed; else the first
    characters of the commit.
    """
    return name if is_ref(name) else commit[:SHORT]


def line(text: str, longest: int = LONGEST_LINE) -> str:
    """Make a text one line: what breaks lines is a space, what is invisible or turns text around is
    left out, what is too long is cut.
    """
    begun = text[: longest * 4]
    shown = " ".join(
        (
            begun if begun.isascii() and begun.isprintable() else "".join(map(_visible, begun))
        ).split()
    )
    return shown if len(shown) <= longest else f"{shown[: longest - 1]}…"


def _visible(sign: str) -> str:
    kind = unicodedata.category(sign)
    if sign in _JOINERS or kind[0] not in "CZ":
        return sign
    return " " if kind in {"Cc", "Zs", "Zl", "Zp"} else "" if kind == "Cf" else "\ufffd"


def link(address: str) -> str:
    """Give a web address that can be shown as a link; "" for anything else."""
    return (
        address
        if len(address) <= LONGEST_LINK and address.isascii() and _LINK.fullmatch(address)
        else ""
    )
