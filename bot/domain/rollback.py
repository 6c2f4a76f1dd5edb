"""The rollback target: the last commit verified good, and the truth about what going back would undo."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from statistics import median
from typing import Protocol

from bot.domain.card import Changes, RollbackOffer
from bot.domain.catalog import PathPatterns
from bot.domain.errors import NotPossible


class Verified(Protocol):
    """A release that was verified good."""

    @property
    def commit(self) -> str:
        """Its full commit."""
        ...

    @property
    def version(self) -> str:
        """What people call it."""
        ...

    @property
    def verified_at(self) -> datetime | None:
        """When it was verified."""
        ...


def offer(
    verified: Sequence[Verified], *, leaving: str, undoes: Changes, migrations: PathPatterns, seconds: Sequence[float]
) -> RollbackOffer:
    """Describe what rolling back from the commit ``leaving`` would do.

    ``verified`` are the environment's verified releases, newest first; ``undoes`` is what lies between the target and ``leaving``;
    ``migrations`` says which files are migrations; ``seconds`` are the durations of recent rollbacks.
    """
    target = next((release for release in verified if release.commit != leaving), None)
    if target is None:
        return RollbackOffer(refused="No other version has been verified here, so there is nothing to go back to.")
    between = migrations_in(undoes, migrations)
    usual = timedelta(seconds=median(seconds)) if seconds else None
    refused = ""
    if between:
        refused = f"A database migration lies between ({between[0]}). Going back needs the migration's own plan, not a button."
    return RollbackOffer(target.version, target.commit, target.verified_at, undoes, usual, refused)


def migrations_in(changes: Changes, migrations: PathPatterns) -> tuple[str, ...]:
    """Name the changed files that are database migrations."""
    return tuple(path for path in changes.files if migrations.matches(path))


def why_quarantined(environment: str, *, at: datetime, because: str) -> str:
    """Say why a commit that was rolled back is kept out: ``it was rolled back from production on 2026-11-21 (errors 17.9 %)``."""
    when = f"it was rolled back from {environment} on {at:%Y-%m-%d}"
    if because.count("(") == 1 and because.endswith(")"):  # the numbers of a verdict: no brackets in brackets
        because = because[:-1].replace(" (", ", ")
    return f"{when} ({because})" if because else when


def chosen(verified: Sequence[Verified], *, ref: str, leaving: str) -> Verified:
    """Pick the verified release that a person named by version or commit. Raises NotPossible and lists what could be picked."""
    candidates = [release for release in verified if release.commit != leaving]
    for release in candidates:
        if ref == release.version or (len(ref) >= 7 and release.commit.startswith(ref)):  # noqa: PLR2004 - a short commit
            return release
    names = ", ".join(release.version for release in candidates) or "none"
    raise NotPossible(f"{ref} is not among the versions verified good here. Verified: {names}.")
