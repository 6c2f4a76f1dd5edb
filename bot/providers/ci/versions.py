"""The one rule by which every CI provider picks the highest version among names of tags. No I/O.

Numbers are compared as numbers, and previews as semver.org has it in rule 11; but every release stands above every preview
(``v2.0.0-rc.1``, ``20240101-nightly``), so that ``latest`` never means a preview while there is a release.
Build metadata (``+5``) only breaks a tie.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

_VERSION = re.compile(r"v?(\d+(?:\.\d+)*)(?:[-_.]?([A-Za-z][\w.-]*|-[\w.-]+))?(\+[\w.-]*)?", re.IGNORECASE | re.ASCII)
_SEPARATED = re.compile(r"[._-]+|(?<=[A-Za-z])(?=\d)")
_NUMBER = re.compile(r"(\d+)", re.ASCII)
_DIGITS = 18
"""Longer numbers are no part of a version; Python would also refuse to read very long ones."""


def highest(names: Iterable[str]) -> str:
    """Pick the highest version: v1.10.0 above v1.9.0, v1.9.0 above v2.0.0-rc.1, any of them above a name without a version; "" for none."""
    return max(names, key=_rank, default="")


def _rank(name: str) -> tuple[Any, ...]:
    found = _VERSION.fullmatch(name)
    if not found or any(len(digits) > _DIGITS for digits in _NUMBER.findall(name)):
        return (0, False, (), (), _natural(name))
    numbers = tuple(int(part) for part in found[1].split("."))
    preview = tuple(_part(part) for part in _SEPARATED.split(found[2] or "") if part)
    return (1, not preview, numbers, preview, _natural(found[3] or ""))


def _part(text: str) -> tuple[bool, int, str]:
    """Order the parts of a preview: numbers below words, and as numbers."""
    return (False, int(text), "") if text.isascii() and text.isdigit() else (True, 0, text)


def _natural(text: str) -> tuple[tuple[int, int, str], ...]:
    parts = _NUMBER.split(text)
    return tuple((1, len(part.lstrip("0")), part.lstrip("0")) if index % 2 else (0, 0, part) for index, part in enumerate(parts))
