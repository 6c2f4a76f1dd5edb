"""The heads of the audit chain in a file of their own, a JSON line each, for keeping elsewhere."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.domain.audit import Head
from bot.domain.errors import ConfigurationError

LONGEST = 1000
"""Bytes of a line; a head has about 260."""
FIELDS = {"n": int, "hash": str, "at": str, "key": str, "signature": str}


@dataclass(frozen=True, slots=True)
class HeadFile:
    """A file to which heads are only ever appended."""

    path: Path

    def examine(self) -> None:
        """See that heads can be kept here. Raises ConfigurationError: a file that is nowhere would
        be noticed a day later, or never.
        """
        folder = self.path.parent
        if not folder.is_dir():
            raise ConfigurationError(
                f"GONOGO_AUDIT_HEADS: there is no folder {folder}. Make it, or correct the path."
            )
        if self.path.exists() and not self.path.is_file():
            raise ConfigurationError(
                f"GONOGO_AUDIT_HEADS: {self.path} is no plain file. Correct the path."
            )
        if self._holds_something_else():
            raise ConfigurationError(
                f"GONOGO_AUDIT_HEADS: {self.path} holds something else than heads of the audit "
                "log. Name a file of its own."
            )
        if not os.access(self.path if self.path.exists() else folder, os.W_OK):
            raise ConfigurationError(
                f"GONOGO_AUDIT_HEADS: {self.path} may not be written. Give it to the "
                "user that the bot runs as."
            )

    def _holds_something_else(self) -> bool:
        """Tell whether a head would be written behind what is none; a last line that was
        cut off is no other file.
        """
        if not self.path.exists() or not os.access(self.path, os.R_OK):
            return False
        with self.path.open("rb") as file:
            first = file.readline(LONGEST)
            return bool(first) and _head(first) is None

    def append(self, head: Head) -> None:
        """Write a head and see it to the disk. Raises OSError."""
        line = json.dumps({name: getattr(head, name) for name in FIELDS}).encode() + b"\n"
        file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(file, line)
            os.fsync(file)
        finally:
            os.close(file)

    def read(self) -> tuple[Sequence[Head], Sequence[int]]:
        """Read all heads, and the numbers of the lines that are none. Raises OSError."""
        heads: list[Head] = []
        strange: list[int] = []
        with self.path.open("rb") as file:
            for number, line in enumerate(iter(lambda: file.readline(LONGEST), b""), start=1):
                head = _head(line)
                if head is None:
                    strange.append(number)
                else:
                    heads.append(head)
        return heads, strange


def _head(line: bytes) -> Head | None:
    try:
        found: Any = json.loads(line)
    except ValueError:
        return None
    if not isinstance(found, dict) or any(
        type(found.get(name)) is not kind for name, kind in FIELDS.items()
    ):
        return None
    return Head(**{name: found[name] for name in FIELDS})
