"""Which tags are versions of a service, which of them is the highest, and which is nearest
to what was typed. No I/O.

The rule of ``latest``, the same for every provider. A tag is a version of a service when it is
written by the service's own pattern (the catalog's ``tags``), or, without one, in one of the usual
ways: ``web@1.2.0`` (also ``@acme/web@1.2.0``), ``web/v1.2.0`` and ``web-v1.2.0`` with the service's
name; ``v1.2.0`` where no tag has the name. Whatever else a tag says (``stable``,
``before-refactoring``, another service's version) is no version.

Where several services share a repository, a tag that is written as another one's versions are (by
its pattern, or with its name) is that service's, and no version of this one.

Numbers are compared as numbers, and previews as semver.org has it in rule 11. Of several families
the first that is there decides: releases, releases called by their date, previews, previews called
by their date. So ``latest`` means no preview while there is a release, and no ``2015.06.01`` while
there is a ``v3.4.0``. Build metadata (``+5``) only breaks a tie.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from bot.domain.catalog import Catalog
from bot.domain.near import near

_VERSION = re.compile(
    r"(v?)(\d+(?:\.\d+){0,3})(?:[-_.]?([A-Za-z][\w.-]*|-[\w.-]+))?(\+[\w.-]*)?",
    re.IGNORECASE | re.ASCII,
)
_DATE = re.compile(
    (
        r"v?((?:19|20|21)\d\d)([-.]?)(0[1-9]|1[0-2])\2(0[1-9]|[12]\d|"
        r"3[01])(?:[-_.](\d+))?(?:[-_.]?([A-Za-z][\w.-]*))?"
    ),
    re.IGNORECASE | re.ASCII,
)
_SEPARATED = re.compile(r"[._-]+|(?<=[A-Za-z])(?=\d)")
_NUMBER = re.compile(r"(\d+)", re.ASCII)
_RELEASED = re.compile(r"final|ga|release", re.IGNORECASE)
"""Words behind a number that say that it is one for good, as Java's projects write."""
_LATER = re.compile(r"post\.?(\d+)", re.IGNORECASE | re.ASCII)
"""A release that mends the release of that number, as Python's projects write."""
_DIGITS = 18
"""Longer numbers are no part of a version; Python would also refuse to read very long ones."""
_YEARS = range(1970, 2200)
_RELEASE, _DATED, _PREVIEW, _DATED_PREVIEW = 3, 2, 1, 0

_Rank = tuple[Any, ...]


@dataclass(frozen=True)
class Tags:
    """The tags of one service. ``pattern`` is the catalog's: one ``*`` stands for the version
    (``web-v*``); "" for the usual ways.
    """

    service: str = ""
    pattern: str = ""
    others: tuple[Tags, ...] = ()
    """The tags of the services that share its repository."""

    def owner(self, name: str) -> str:
        """Name the other service whose version a tag is; "" for one of this service's, and for what
        is no service's in particular.
        """
        if self._own(name) is not None:
            return ""
        return next((other.service for other in self.others if other._own(name) is not None), "")  # noqa: SLF001 - of its own kind

    def ranked(self, names: Iterable[str]) -> tuple[str, ...]:
        """List the versions among the names of tags, the highest first."""
        own: list[tuple[_Rank, str]] = []
        plain: list[tuple[_Rank, str]] = []
        for name in set(names):
            if (rank := self._own(name)) is not None:
                own.append((rank, name))
            elif not self.pattern and not self.owner(name) and (rank := _rank(name)) is not None:
                plain.append((rank, name))
        return tuple(name for _, name in sorted(own or plain, reverse=True))

    def highest(self, names: Iterable[str]) -> str:
        """Name the highest version; "" where no tag is one."""
        return next(iter(self.ranked(names)), "")

    def is_preview(self, name: str) -> bool:
        """Tell whether a version of the service is a preview."""
        rank = self._own(name) or (None if self.pattern else _rank(name))
        return rank is not None and rank[0] in {_PREVIEW, _DATED_PREVIEW}

    def _own(self, name: str) -> _Rank | None:
        """Give the place of a tag that is written by the pattern, or that has the service's
        name; None for any other.
        """
        found = self._written.fullmatch(name)
        return _rank(found[1], any_number=bool(self.pattern)) if found else None

    @cached_property
    def _written(self) -> re.Pattern[str]:
        if self.pattern:
            before, _, behind = self.pattern.partition("*")
            return re.compile(f"{re.escape(before)}(.+){re.escape(behind)}", re.ASCII)
        return re.compile(
            rf"(?:@[^/@]+/)?{re.escape(self.service)}[@/-](.+)" if self.service else r"(?!)",
            re.IGNORECASE | re.ASCII,
        )


def tags_of(catalog: Catalog, service: str) -> Tags:
    """Say which tags are versions of a service, and which are of the services
    that share its repository.
    """
    asked = catalog.services[service]
    others = (
        each
        for each in catalog.services.values()
        if each.name != service and each.ci.shares_repository(asked.ci)
    )
    return Tags(service, asked.tags, tuple(Tags(each.name, each.tags) for each in others))


def highest(names: Iterable[str]) -> str:
    """Name the highest version among tags that belong to no service in particular; "" for none."""
    return Tags().highest(names)


def nearest(ref: str, names: Iterable[str]) -> tuple[str, ...]:
    """Name the tags and branches that somebody may have meant who typed a name that is not there,
    of versions the highest first.
    """
    return tuple(sorted(near(ref, names), key=_by_number, reverse=True))


def _by_number(name: str) -> tuple[Any, ...]:
    number = name.casefold().rpartition("@")[2]
    return (_rank(number, any_number=True) or (-1,), name)


def _rank(text: str, *, any_number: bool = False) -> _Rank | None:
    """Give a version its place among all; None for what is none. A bare number is one only
    where a pattern says so.
    """
    if len(text) > 200 or any(len(digits) > _DIGITS for digits in _NUMBER.findall(text)):  # noqa: PLR2004 - git allows no longer names
        return None
    if found := _DATE.fullmatch(text):
        numbers = tuple(int(found[part] or 0) for part in (1, 3, 4, 5))
        return (_DATED_PREVIEW if found[6] else _DATED, numbers, 0, _preview(found[6]), ())
    found = _VERSION.fullmatch(text)
    if not found or not (any_number or found[1] or "." in found[2]):
        return None
    numbers = tuple(int(part) for part in found[2].split("."))
    later = _LATER.fullmatch(found[3] or "")
    is_preview = bool(found[3]) and not later and not _RELEASED.fullmatch(found[3])
    family = (
        (_DATED_PREVIEW if is_preview else _DATED)
        if numbers[0] in _YEARS
        else _PREVIEW
        if is_preview
        else _RELEASE
    )
    return (
        family,
        numbers,
        int(later[1]) + 1 if later else 0,
        _preview(found[3]) if is_preview else (),
        _natural(found[4] or ""),
    )


def _preview(text: str | None) -> tuple[tuple[bool, int, str], ...]:
    return tuple(_part(part) for part in _SEPARATED.split(text or "") if part)


def _part(text: str) -> tuple[bool, int, str]:
    """Order the parts of a preview: numbers below words, and as numbers."""
    return (False, int(text), "") if text.isascii() and text.isdigit() else (True, 0, text)


def _natural(text: str) -> tuple[tuple[int, int, str], ...]:
    parts = _NUMBER.split(text)
    return tuple(
        (1, len(part.lstrip("0")), part.lstrip("0")) if index % 2 else (0, 0, part)
        for index, part in enumerate(parts)
    )
