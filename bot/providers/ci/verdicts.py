"""What all runs of tests say about one commit together. One rule for every vendor; no I/O.

A run replaces an earlier one only where it is the same thing run again: the same workflow or
source, on the same ref, for the same event, under the same name. Everything else stands beside it,
and the worst counts. A run that tested nothing (cancelled, not built, skipped) outvotes none that
did, neither an earlier run of the same thing nor one beside it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from bot.domain.quality import QualityState


class Said(StrEnum):
    """What one run says about the commit."""

    PASSED = "passed"
    FAILED = "failed"
    RUNNING = "running"
    SKIPPED = "skipped"  # left out on purpose: it has nothing to say, and nothing is missing
    STOPPED = "stopped"  # cancelled, replaced or never built: it has tested nothing


_TESTED = frozenset({Said.PASSED, Said.FAILED, Said.RUNNING})
_SATISFIED = frozenset({Said.PASSED, Said.SKIPPED})


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run of tests."""

    name: str
    said: Said
    of: tuple[str, ...]
    """What it is a run of; of equal ones the newest counts."""
    at: tuple[float, ...] = ()
    """When it ran, or its number: the greater is the newer."""
    is_part: bool = False
    """Whether it is a part of another one, which speaks for it: a part counts only
    where it is required by name.
    """
    since: datetime | None = field(default=None, compare=False)
    """Since when it runs, where that is known."""


@dataclass(frozen=True, slots=True)
class Weighed:
    """What they say together."""

    state: QualityState
    deciding: tuple[Outcome, ...] = ()
    """Those that make the state what it is."""
    missing: tuple[str, ...] = ()
    """Required, and nothing that counts has been heard of them."""
    beside: tuple[Outcome, ...] = ()
    """Failed, and not required where only the required ones count."""

    @property
    def since(self) -> datetime | None:
        """Tell since when tests run, where they do and that is known: the first of them."""
        return min(
            (each.since for each in self.deciding if each.said is Said.RUNNING and each.since),
            default=None,
        )


def newest(outcomes: Iterable[Outcome]) -> tuple[Outcome, ...]:
    """Keep of each thing the run that counts: the newest that tested something, else the newest."""
    things: dict[tuple[str, ...], list[Outcome]] = {}
    for outcome in sorted(outcomes, key=lambda each: (each.at, each.said, each.name)):
        things.setdefault(outcome.of, []).append(outcome)
    return tuple(
        next((each for each in reversed(runs) if each.said in _TESTED), runs[-1])
        for runs in things.values()
    )


def weigh(
    outcomes: Iterable[Outcome], *, required: Collection[str] = (), only_required: bool = False
) -> Weighed:
    """Weigh all runs of a commit: what failed, then what runs, then what is missing; without one
    that passed nothing is green.
    """
    counted = newest(outcomes)
    named = [each for each in counted if each.name in required]
    others = [each for each in counted if each.name not in required and not each.is_part]
    heard = named if only_required else [*named, *others]
    beside = _which(others, Said.FAILED) if only_required else ()
    missing = tuple(
        name
        for name in sorted(set(required))
        if not any(each.name == name and each.said in _SATISFIED for each in named)
    )
    for said, state in ((Said.FAILED, QualityState.RED), (Said.RUNNING, QualityState.RUNNING)):
        if found := _which(heard, said):
            return Weighed(state, found, missing, beside)
    if missing:
        state = (
            QualityState.RUNNING
            if any(each.said is Said.RUNNING for each in counted)
            else QualityState.NONE
        )
        return Weighed(
            state, tuple(each for each in heard if each.name in missing), missing, beside
        )
    if passed := _which(heard, Said.PASSED):
        return Weighed(QualityState.GREEN, passed, (), beside)
    return Weighed(QualityState.NONE, tuple(heard), (), beside)


def to_repeat(outcomes: Iterable[Outcome]) -> tuple[Outcome, ...]:
    """Name what tests that are asked for again repeat, newest first. To repeat what is green would
    leave what keeps the commit as it is.

    That is all that failed; else what runs, which is left to run; else all that tested
    nothing; else the newest.
    """
    counted = newest_first(newest(outcomes))
    found = (_which(counted, said) for said in (Said.FAILED, Said.RUNNING, Said.STOPPED))
    return next((those for those in found if those), counted[:1])


def newest_first(outcomes: Iterable[Outcome]) -> tuple[Outcome, ...]:
    """Sort runs."""
    return tuple(sorted(outcomes, key=lambda each: each.at, reverse=True))


def has_failed(outcomes: Iterable[Outcome]) -> bool:
    """Tell whether something counts that failed."""
    return any(each.said is Said.FAILED for each in newest(outcomes))


def dated(outcome: Outcome, commit: str) -> Outcome:
    """Keep what was said at an earlier commit apart from what is said at a later one."""
    return replace(outcome, of=(commit, *outcome.of))


def _which(outcomes: Sequence[Outcome], said: Said) -> tuple[Outcome, ...]:
    return tuple(each for each in outcomes if each.said is said)
