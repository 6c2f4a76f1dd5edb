"""What a commit is called beside others: a version is a name, and a tag can be moved."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

_APART = re.compile(r"(?P<name>.+)@[0-9a-f]{7}")


def apart(version: str, commit: str, *, known: Collection[str]) -> str:
    """Give a commit a name of its own where its version has been the name of others here:
    ``v1.1.0@3f2a91c``. It can be typed.

    ``known`` are the commits that the version has been the name of; whoever had it first keeps it.
    """
    return (
        version
        if not known or commit in known or commit.startswith(version)
        else f"{version}@{commit[:7]}"
    )


def own_name(version: str, commit: str, *, named: Collection[str]) -> str:
    """Give a commit the name that is its own where its version has meant several commits, also the
    one that had it first: ``v1.1.0@3f2a91c``. ``named`` are all that it has meant.
    """
    is_shared = name_of(version) == version and any(each != commit for each in named)
    return f"{version}@{commit[:7]}" if is_shared and not commit.startswith(version) else version


def name_of(version: str) -> str:
    """Give the name that a version has outside: its tag, where it was told apart from
    another commit by its own.
    """
    found = _APART.fullmatch(version)
    return found["name"] if found else version


def called(version: str, commit: str, *, beside: Iterable[tuple[str, str]]) -> str:
    """Call a commit by its version, with the short commit where another one
    beside it has that very name.

    ``beside`` are versions and commits: ``v1.1.0 (3f2a91c)`` beside another ``v1.1.0``,
    ``v1.1.0`` beside all others.
    """
    shares = any(is_moved((version, commit), each) for each in beside)
    return f"{version} ({commit[:7]})" if shares else version


def is_moved(one: tuple[str, str], other: tuple[str, str]) -> bool:
    """Tell whether one version means two commits: its tag has been moved."""
    return one[0] == other[0] and one[1] != other[1] and "" not in {*one, *other}
