"""The heads of the audit chain in a file of their own, a JSON line each, for keeping elsewhere."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.domain.audit import Head

LONGEST = 1000
"""Bytes of a line; a head has about 260."""
FIELDS = {"n": int, "hash": str, "at": str, "key": str, "signature": str}


@dataclass(frozen=True, slots=True)
class HeadFile:
    """A file to which heads are only ever appended."""

    path: Path

    def append(self, head: Head) -> None:
        """Write a head and see it to the disk. Raises OSError."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
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
    if not isinstance(found, dict) or any(type(found.get(name)) is not kind for name, kind in FIELDS.items()):
        return None
    return Head(**{name: found[name] for name in FIELDS})
