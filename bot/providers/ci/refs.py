"""How people write a tag, a branch or a commit, and what each way can mean. The same
for every provider; no I/O.

A bare name means the tag, else the branch, else the commit. Where a tag and a branch have one name,
``heads/NAME`` names the branch, and ``tags/NAME`` the tag, with or without ``refs/`` before it.
Commits may be written in capitals.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from bot.domain.errors import IntegrationError, UnknownRef
from bot.domain.versions import Tags, nearest
from bot.ports.ci import RefKind

_SAFE = re.compile(r"(?:@[A-Za-z0-9._-]+/)?[A-Za-z0-9_][A-Za-z0-9_./@+-]{0,199}", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{7,40}|[0-9a-f]{64}", re.ASCII)
_WHOLE = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}", re.ASCII)
_NAMED = re.compile(r"(refs/)?(tags|heads)/(.+)", re.ASCII)
_KINDS = {"tags": RefKind.TAG, "heads": RefKind.BRANCH}


@dataclass(frozen=True, slots=True)
class Spelling:
    """One thing that a ref may mean."""

    kind: RefKind
    name: str
    """The tag's or branch's name, or the commit in small letters."""


def checked(ref: str, vendor: str) -> str:
    """Refuse a ref that git, a shell or an address could read as something else.
    Raises IntegrationError.
    """
    if (
        not _SAFE.fullmatch(ref)
        or any(each in ref for each in ("..", "@{", "//"))
        or ref.endswith((".lock", "/", "."))
    ):
        raise IntegrationError(
            f'"{ref[:80]}" cannot be the name of a version.', vendor=vendor, retry=False
        )
    return ref


def spellings(ref: str) -> tuple[Spelling, ...]:
    """List what a ref may mean, the first that exists is meant. A whole id means that commit,
    whatever else is called so.
    """
    if is_whole(ref):
        return (Spelling(RefKind.COMMIT, ref.lower()),)
    found = _NAMED.fullmatch(ref)
    named = [Spelling(_KINDS[found[2]], found[3])] if found else []
    bare = [] if found and found[1] else [Spelling(RefKind.TAG, ref), Spelling(RefKind.BRANCH, ref)]
    commit = [Spelling(RefKind.COMMIT, ref.lower())] if is_commit(ref) else []
    return (*named, *bare, *commit)


def is_commit(ref: str) -> bool:
    """Tell whether a ref can be a commit's id, whole or shortened, in small letters or capitals."""
    return bool(_COMMIT.fullmatch(ref.lower()))


def is_whole(ref: str) -> bool:
    """Tell whether a ref is a commit's whole id, by SHA-1 or SHA-256."""
    return bool(_WHOLE.fullmatch(ref.lower()))


def unknown(
    ref: str, where: str, names: Iterable[str], *, vendor: str, tags: Tags, stands_at: str = ""
) -> IntegrationError:
    """Say that a ref is not there, with the nearest names that are and can be typed; or that it is,
    and what it stands at instead.

    What is the version of another service in the repository would be
    refused, so it is not proposed.
    """
    names = list(names)
    if stands_at or any(
        meant.kind is RefKind.TAG and meant.name in names for meant in spellings(ref)
    ):
        sentence = (
            f'The tag "{ref}" stands at {stands_at or "a file or a folder"}, not at a commit, so '
            "there is nothing to deploy."
        )
        return IntegrationError(sentence, vendor=vendor, retry=False)
    return UnknownRef(
        ref,
        where,
        vendor=vendor,
        nearest=nearest(
            ref,
            [
                *(name for name in names if _SAFE.fullmatch(name) and not tags.owner(name)),
                "latest",
            ],
        ),
    )
