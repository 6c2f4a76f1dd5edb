"""The rollback target: the last commit verified good, and the truth about
what going back would undo.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from statistics import median
from typing import Protocol, TypeVar

from bot.domain import plain
from bot.domain.called import name_of
from bot.domain.catalog import PathPatterns
from bot.domain.changes import Changes, Taken
from bot.domain.errors import Meant, NotPossible
from bot.domain.near import did_you_mean, near, only
from bot.domain.offer import RollbackOffer

SHORTEST = 7
"""With so many characters or more a commit can be named."""
_WHOLE = 40
"""The signs of a whole commit, which no person reads."""
NAMED = 5
"""How many versions a refusal lists."""


class Named(Protocol):
    """What people name by its version or its commit."""

    @property
    def commit(self) -> str:
        """Its full commit."""
        ...

    @property
    def version(self) -> str:
        """What people call it."""
        ...


class Release(Named, Protocol):
    """A version that ended its watch: verified good, or accepted without that."""

    @property
    def verified_at(self) -> datetime | None:
        """When it was verified; None for one that was only accepted."""
        ...

    @property
    def accepted(self) -> str:
        """How it was accepted, if it was not verified (``Acceptance``)."""
        ...


AnyRelease = TypeVar("AnyRelease", bound=Release)


class Passage(StrEnum):
    """Whether a commit can be put where another one is, as far as the database is concerned."""

    FREE = "free"
    # a migration would be left behind: its own plan is needed, not a button
    MIGRATION = "migration"
    UNKNOWN = "unknown"  # nobody could compare: never harmless


class Flaw(StrEnum):
    """What is known against a version since it was last in a place, as a
    sentence about it goes on.
    """

    WORSE = "was worse itself"
    SMOKE = "failed its smoke test"
    RUN = "failed in its run"
    AFTER = "was worse itself after a rollback had put it back"


@dataclass(frozen=True, slots=True)
class Bad:
    """One such thing, and in which words its numbers or its run told it."""

    flaw: Flaw
    why: str


class Leaving(StrEnum):
    """How one gets rid of what is live in a place."""

    ROLLBACK = "rollback"  # its lead rolls it back
    PLAN = "plan"  # its lead goes back by its migration's own plan, and says so
    REPLACED = "replaced"  # what rolls out over it takes its place
    UNDONE = "undone"  # the rollback that is under way takes it away
    CANCEL = "cancel"  # its requester or its lead cancels it: nothing of it has been started
    STOP = "stop"  # its lead stops it where it is: there is nothing to go back to
    DEPLOY = "deploy"  # another version is deployed: there is nothing to go back from, or to


class KeptOutBy(StrEnum):
    """What has put a version in quarantine."""

    WORD = "word"  # somebody who said so
    ROLLBACK = "rollback"
    STOP = "stop"  # its lead stopped it where it was


@dataclass(frozen=True, slots=True)
class Way:
    """What lies between the commit that is there (``leaving``) and the one to be
    put in its place (``to``).
    """

    leaving: str
    to: str
    passage: Passage
    path: str = ""
    """The first migration that would be left behind."""
    undoes: Changes = field(default_factory=lambda: Changes(known=False))
    """The commits that ``leaving`` has and ``to`` has not."""
    beside: tuple[str, ...] = ()
    """Other commits that may be there as well, because their deployments failed; the
    passage is the worst of all.
    """
    of: str = ""
    """Which of these commits the passage is of, where it is not ``leaving``."""
    ahead: tuple[str, ...] = ()
    """The migrations that ``to`` has and ``leaving`` has not: a step forward for a deployment, and
    none that a rollback may take.
    """
    brought_by: str = ""
    """The version that brought the migration to the place, where that is known."""

    def sentence(self, leaving: str, to: str) -> str:
        """Say why it cannot be gone by itself; the arguments are versions."""
        if self.ahead:
            return (
                f"{to} has a database migration that {leaving} has not ({self.ahead[0]}). Nothing "
                "goes back to it by a button."
            )
        if self.passage is Passage.MIGRATION:
            return (
                f"A database migration lies between ({self.path}). Going back needs the "
                "migration's own plan, not a button."
            )
        if self.passage is Passage.UNKNOWN:
            return (
                f"Whether a database migration lies between {leaving} and {to} is not known: the "
                "two could not be compared."
            )
        return ""


def way(*, leaving: str, to: str, undoes: Changes | None, migrations: PathPatterns) -> Way:
    """Judge going from the commit ``leaving`` to the commit ``to``: the one rule for every
    rollback and every start.

    ``undoes`` is what ``leaving`` has and ``to`` has not (``compare(to, leaving)``); None when it
    is not known. A migration that only ``to`` has is a step forward. A service without migrations
    has nothing that could be left behind.
    """
    known = undoes if undoes is not None and undoes.known else Changes(known=False)
    if leaving == to:
        return Way(leaving, to, Passage.FREE, undoes=Changes())
    if known.known and known.backwards:  # ``leaving`` lies behind ``to``: nothing is undone
        return Way(
            leaving,
            to,
            Passage.FREE,
            undoes=Changes(taken=Taken(known.commits, known.total, known.authors)),
        )
    if not leaving or not migrations:
        return Way(leaving, to, Passage.FREE, undoes=known)
    if not known.known:
        return Way(leaving, to, Passage.UNKNOWN)
    behind = migrations_in(known, migrations)
    return Way(
        leaving,
        to,
        Passage.MIGRATION if behind else Passage.FREE,
        behind[0] if behind else "",
        replace(known, migrations=behind),
    )


def back(found: Way, brings: Changes | None, migrations: PathPatterns) -> Way:
    """Judge a way as a rollback goes it: over no migration in either direction. ``brings`` is what
    ``to`` has and ``leaving`` has not.
    """
    if (
        found.passage is not Passage.FREE
        or not migrations
        or not found.leaving
        or found.leaving == found.to
    ):
        return found
    if brings is None or not brings.known:
        return replace(found, passage=Passage.UNKNOWN)
    ahead = () if brings.backwards else migrations_in(brings, migrations)
    return replace(found, passage=Passage.MIGRATION, path=ahead[0], ahead=ahead) if ahead else found


def together(first: Way, others: Sequence[Way]) -> Way:
    """Judge leaving several commits at once: what is there, and what failed on top of it.
    The worst passage counts.
    """
    ways = [first, *others]
    behind = [each for each in ways if each.passage is Passage.MIGRATION]
    worst = next(
        iter(behind), next((each for each in ways if each.passage is Passage.UNKNOWN), first)
    )
    migrations = dict.fromkeys(
        path for each in behind for path in each.undoes.migrations or (each.path,)
    )
    undoes = replace(first.undoes, migrations=tuple(migrations)) if behind else first.undoes
    beside, of = tuple(each.leaving for each in others), worst.leaving if worst is not first else ""
    return replace(
        first, passage=worst.passage, path=worst.path, undoes=undoes, beside=beside, of=of
    )


def ranked(
    releases: Sequence[AnyRelease], *, leaving: str, base: str = ""
) -> tuple[AnyRelease, ...]:
    """Order what a rollback can go back to: verified ones before accepted ones, of each first what
    was there before (``base``).
    """
    others = [release for release in releases if release.commit != leaving]
    return tuple(
        sorted(others, key=lambda release: (release.verified_at is None, release.commit != base))
    )


def target(releases: Sequence[AnyRelease], *, leaving: str, base: str = "") -> AnyRelease | None:
    """Choose what a rollback goes back to; ``releases``, newest first, hold none that ended worse
    than what had been there.
    """
    return next(iter(ranked(releases, leaving=leaving, base=base)), None)


NO_TARGET = "No other version that was verified here is left, so there is nothing to go back to."
NEVER_ONE = (
    "No other version was ever verified or accepted here, so there is nothing to go back to."
)


def against(bad: Sequence[Bad]) -> str:
    """Say what is known against a version, as a sentence about it goes on: ``failed its smoke test
    (at 100 %: its run failed)``.
    """
    return ", and ".join(f"{each.flaw} ({each.why})" for each in bad)


def none_well(worse: Sequence[tuple[Release, Sequence[Bad]]], *, place: str) -> str:
    """Say that what could be gone back to was bad itself, how, and how it
    is put there all the same.
    """
    release, bad = worse[0]
    known = (
        f"When it was last here, {release.version} {against(bad)}, so no button goes back to it."
    )
    return (
        f"{known} Its lead can, knowing that: /rollback {place} to {release.version} because TEXT."
    )


def none_left(kept_out: Sequence[Release]) -> str:
    """Say that there is nothing to go back to, and which version would have been,
    were it not quarantined.
    """
    first = kept_out[0]
    ended = "verified" if first.verified_at else "accepted"
    return (
        f"{first.version} was {ended} here and is quarantined, and there is no other version, so "
        "there is nothing to go back to."
    )


def offer(
    releases: Sequence[Release], *, way: Way | None, leaving: str, seconds: Sequence[float]
) -> RollbackOffer:
    """Describe what rolling back from the commit ``leaving`` would do.

    ``releases`` are the environment's verified and accepted ones, newest first; ``way`` is the
    stored comparison with the target; one with another target is not known. ``seconds`` are the
    durations of recent rollbacks.
    """
    found = target(releases, leaving=leaving)
    if found is None:
        return RollbackOffer(refused=NO_TARGET)
    there = (
        way
        if way is not None and (way.leaving, way.to) == (leaving, found.commit)
        else Way(leaving, found.commit, Passage.UNKNOWN)
    )
    usual = timedelta(seconds=median(seconds)) if seconds else None
    refused = (
        there.sentence("this version", found.version) if there.passage is Passage.MIGRATION else ""
    )
    if there.ahead:
        refused = f"{refused} Once it is quarantined, the version before it is offered."
    return RollbackOffer(
        found.version, found.commit, found.verified_at, there.undoes, usual, refused,
        accepted=found.accepted, is_known=there.passage is not Passage.UNKNOWN,
        plan=plan_for(there), is_own=there.of in {"", leaving},
    )  # fmt: skip


def plan_for(way: Way) -> str:
    """Name what a confirmed plan is for: where it leads back to and the migrations it undoes;
    empty where it takes none.

    It is another one as soon as the target or a migration is another, and what was confirmed for
    the older one counts no more.
    """
    if way.passage is not Passage.MIGRATION or way.ahead:
        return ""
    return sha256(
        "\0".join((way.to, *sorted(way.undoes.migrations or (way.path,)))).encode(errors="replace")
    ).hexdigest()[:16]


def migrations_in(changes: Changes, migrations: PathPatterns) -> tuple[str, ...]:
    """Name the changed files that are database migrations."""
    return tuple(path for path in changes.files if migrations.matches(path))


def why_locked(version: str, because: str) -> str:
    """Say why an environment is locked after a rollback."""
    return f"{version} was rolled back" + (f": {because}" if because else "")


def why_quarantined(environment: str, *, at: datetime, because: str, how: KeptOutBy) -> str:
    """Say why a commit that was shown to be bad is kept out; it is so from the moment in which
    its rollback is decided.

    ``its rollback from production began 2026-11-21 02:12 UTC: errors 17.9 %``.
    """
    what = (
        f"it was stopped in {environment}"
        if how is KeptOutBy.STOP
        else f"its rollback from {environment} began"
    )
    when = f"{what} {plain.moment(at)}"
    return f"{when}: {because}" if because else when


def with_reason(why: str, reason: str) -> str:
    """Add to why a commit is kept out what somebody has said of it afterwards."""
    return f"{why}; {reason}"


def chosen(releases: Sequence[AnyRelease], *, ref: str, leaving: str) -> AnyRelease:
    """Pick the release that a person named by version or commit. Raises NotPossible and
    lists what could be picked.
    """
    candidates = [release for release in releases if release.commit != leaving]
    found = [release for release in candidates if is_named(release, ref)]
    commits = list(dict.fromkeys(release.commit for release in found))
    refuse_moved(ref, commits)
    if found:
        return found[0]
    if any(is_named(release, ref) for release in releases):
        raise NotPossible(f"{ref} is what is there already.")
    asked = ref[: plain.SHORT] if len(ref) == _WHOLE else ref
    meant = near(ref, (release.version for release in candidates))
    alone = only(meant)
    raise NotPossible(
        f"{asked} is not among the versions verified or accepted here. "
        f"{did_you_mean(meant)} {candidates_of(releases, leaving=leaving)}".replace("  ", " "),
        meant=Meant("ref", alone) if alone else None,
    )


def refuse_moved(ref: str, commits: Sequence[str]) -> None:
    """Refuse a name that means more than one commit: whoever means one of them says
    which. Raises NotPossible.
    """
    if len(commits) > 1:
        named = [commit[: plain.SHORT] for commit in commits[:NAMED]]
        more = f" and {len(commits) - NAMED} older" if len(commits) > NAMED else ""
        which = f"{', '.join(named)}{more}" if more else f"{', '.join(named[:-1])} and {named[-1]}"
        raise NotPossible(
            f"{ref} was the name of {len(commits)} commits here, {which}: it has moved. Name "
            "the commit that you mean."
        )


def candidates_of(releases: Sequence[Release], *, leaving: str, called: str = "Those are") -> str:
    """Say what one could go back to."""
    names = [release.version for release in releases if release.commit != leaving]
    if not names:
        return "There is no other that one could go back to."
    older = len(names) - NAMED
    more = f" and {older} older {'one' if older == 1 else 'ones'}" if older > 0 else ""
    return f"{called}: {', '.join(names[:NAMED])}{more}."


def is_named(release: Named, ref: str) -> bool:
    """Tell whether a person means a release: by its version, also as its tag is
    called, or by its commit.
    """
    name = name_of(release.version)
    return ref in {release.version, name, f"{name}@{release.commit[:7]}"} or (
        len(ref) >= SHORTEST and release.commit.startswith(ref.lower())
    )
