"""JUnit reports, read into one sentence. A report is written by foreign code: it is measured before
it is read, and it is a plain file.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree as ET

from bot.domain import plain
from bot.domain.limits import JUNIT, Unreadable, too_large
from bot.foreign import beside, read_xml

NAMED = 3
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class _RefusedError(Exception):
    """A report that is not read; the text says why."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a report says in one sentence; of one that could not be read, why."""

    sentence: str
    was_read: bool = True
    passed: int = 0
    failed: int = 0

    @property
    def is_proof(self) -> bool:
        """Tell whether it says that something was tested."""
        return self.was_read and self.passed > 0


async def summarise(tree: Path, report: str) -> Report:
    """Say how many tests passed and which failed, or why the report is not read."""
    try:
        return _report(await beside(JUNIT, _read, tree, report))
    except FileNotFoundError:
        why = "it is not there."
    except (_RefusedError, Unreadable) as refused:
        why = str(refused)
    except OSError as error:
        why = error.strerror or type(error).__name__
    return Report(f"the report {plain.line(report, 100)} was not read: {why}", was_read=False)


def _read(tree: Path, report: str) -> ET.Element:
    return read_xml(_bytes(tree, report), JUNIT)


def _bytes(tree: Path, report: str) -> bytes:
    """Read a plain file inside the tree, never more than is allowed: no link, pipe or device, nor
    anything behind a link on the way.
    """
    parts = PurePosixPath(report).parts
    if "\0" in report or not parts or parts[0] == "/" or ".." in parts:
        raise _RefusedError("its path leads out of the worktree")
    opened = os.open(tree, _FLAGS | os.O_DIRECTORY)
    try:
        for left, part in enumerate(parts, start=1 - len(parts)):
            inner = _step(part, opened, is_last=not left)
            os.close(opened)
            opened = inner
        found = os.fstat(opened)
        if not stat.S_ISREG(found.st_mode):
            raise _RefusedError("it is no plain file")
        if found.st_size > JUNIT.size:
            raise too_large(JUNIT)
        return _upto(opened, JUNIT.size + 1)
    finally:
        os.close(opened)


def _step(part: str, folder: int, *, is_last: bool) -> int:
    try:
        return os.open(part, _FLAGS | (0 if is_last else os.O_DIRECTORY), dir_fd=folder)
    except FileNotFoundError:
        raise
    except OSError:
        raise _RefusedError("it is no plain file, or a link leads to it") from None


def _upto(file: int, most: int) -> bytes:
    read = bytearray()
    while len(read) < most and (chunk := os.read(file, most - len(read))):
        read += chunk
    return bytes(read)


def _report(root: ET.Element) -> Report:
    cases = list(root.iter("testcase"))
    failed = [
        case for case in cases if case.find("failure") is not None or case.find("error") is not None
    ]
    skipped = [case for case in cases if case.find("skipped") is not None]
    passed = len(cases) - len(failed) - len(skipped)
    if not failed:
        return Report(
            f"{passed} passed" + (f", {len(skipped)} skipped" if skipped else ""), passed=passed
        )
    names = ", ".join(
        plain.line(str(case.get("name")), plain.LONGEST_NAME) for case in failed[:NAMED]
    )
    return Report(
        f"{passed} passed, {len(failed)} failed: {names}", passed=passed, failed=len(failed)
    )
