"""A file beside the database that no backup of it holds: how far the bot has come, so that an older
database is known for what it is.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from bot.domain.audit import Head

log = structlog.get_logger(__name__)

SIZE = 4096
"""Bytes that the file has from the begin on, so that it can also be
written when the disk is full.
"""
LONGEST = 1_000_000


@dataclass(frozen=True, slots=True)
class Mark:
    """The newest audit entry that was ever committed, and each service's highest number."""

    n: int = 0
    hash: str = ""
    numbers: Mapping[str, int] = field(default_factory=dict)


class Marker:
    """Keeps the mark in step with the database. While it is held, the file goes on naming the
    entry that it named before.
    """

    def __init__(self, path: Path, mark: Mark | None) -> None:
        self._path = path
        self._mark = self._found = mark or Mark()
        self._length = SIZE
        self.was_there = mark is not None
        self.is_held = False
        """Whether somebody has yet to be told that the database is older than the mark."""

    @classmethod
    def beside(cls, database: Path) -> Marker:
        """Open the marker of a database; one that cannot be read counts as not there."""
        path = database.with_name(f"{database.name}.marker")
        return cls(path, _read(path))

    @property
    def mark(self) -> Mark:
        """What is known."""
        return self._mark

    def number(self, service: str) -> int:
        """Give a service's highest number that was ever given; 0 for none."""
        return self._mark.numbers.get(service, 0)

    def seen(self, head: Head | None, numbers: Mapping[str, int]) -> None:
        """Note what was committed. Never raises: what is done is done, and the
        next commit writes it again.
        """
        known = self._mark.numbers
        highest = {
            **known,
            **{service: max(number, known.get(service, 0)) for service, number in numbers.items()},
        }
        self._mark = (
            Mark(head.n, head.hash, highest)
            if head
            else Mark(self._mark.n, self._mark.hash, highest)
        )
        self._write(self._found if self.is_held else self._mark)

    def _write(self, entry: Mark) -> None:
        """Overwrite the file in place, in one call: a kill leaves the old or the new, and no
        write waits for the disk.
        """
        written = json.dumps(
            {"n": entry.n, "hash": entry.hash, "numbers": dict(self._mark.numbers)}
        ).encode()
        self._length = max(self._length, len(written) + 1)
        try:
            file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.pwrite(file, written.ljust(self._length - 1) + b"\n", 0)
            finally:
                os.close(file)
        except OSError as error:
            log.warning(
                "the marker beside the database cannot be written",
                path=str(self._path),
                why=error.strerror,
            )


def _read(path: Path) -> Mark | None:
    try:
        with path.open("rb") as file:
            found: Any = json.loads(file.read(LONGEST))
    except (OSError, ValueError):
        return None
    match found:
        case {"n": int(n), "hash": str(hashed), "numbers": dict(numbers)} if all(
            type(each) is int for each in numbers.values()
        ):
            return Mark(n, hashed, {str(service): number for service, number in numbers.items()})
    return None
