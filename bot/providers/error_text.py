"""What a vendor itself says in the body of an error. No I/O."""

from __future__ import annotations

from typing import Any

from bot.domain.limits import COMPLAINT, Unreadable, read_json

SAID = 300
"""How many characters of it are passed on."""


def words_of(body: bytes) -> str:
    """Take the vendor's own words out of an error's body; a page of HTML
    says nothing to a person.
    """
    try:
        data = read_json(body, COMPLAINT)
    except Unreadable:
        return ""
    if not isinstance(data, dict):
        return ""
    words = next(
        (data[key] for key in ("message", "error_description", "error") if data.get(key)), ""
    )
    if isinstance(words, dict) and "message" in words:
        # JSON-RPC: its number says nothing to a person
        words = words["message"]
    errors = data.get("errors")
    details = (
        [each.get("message") if isinstance(each, dict) else each for each in errors]
        if isinstance(errors, list)
        else []
    )
    return " ".join("; ".join(_spoken(each) for each in (words, *details) if each).split())[:SAID]


def _spoken(words: Any, depth: int = 4) -> str:
    """Put words into one line that come as objects and lists: GitLab says
    ``{"base": ["Reference not found"]}``.
    """
    if not isinstance(words, dict | list):
        return str(words)
    if not depth:
        return "…"
    if isinstance(words, dict):
        return ", ".join(f"{key}: {_spoken(each, depth - 1)}" for key, each in words.items())
    return ", ".join(_spoken(each, depth - 1) for each in words)
