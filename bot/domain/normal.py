"""What is normal in a place: how it was before the first of those versions that were worse, or
failed, and are still felt there.

A deployment over one that is worse is no better for being as bad. So the numbers of the worse one
are no baseline: neither those of the minutes before, nor those of what runs beside the new version.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

OLDEST = timedelta(days=1)
"""What was normal longer ago is not comparable: another day has other traffic."""


@dataclass(frozen=True, slots=True)
class Past:
    """An earlier deployment of a place, as far as it tells what was normal there."""

    version: str
    began: datetime
    is_bad: bool
    """Whether its numbers were worse and stayed so, or it failed."""
    gone: datetime | None = None
    """Since when what had been there before it is back, without it; None where
    something followed on top.
    """


@dataclass(frozen=True, slots=True)
class Normal:
    """Where a baseline ends, and what it can be compared with."""

    until: datetime
    before: str = ""
    """The version that was worse, before which that is; empty where it is the time
    right before the deployment.
    """
    is_beside: bool = True
    """Whether what runs beside the new version while it is rolled out is normal."""
    is_far: bool = False
    """Whether what was normal is too long ago: ``until`` is then the time right before, and to be
    no worse than that proves nothing.
    """


def normal(began: datetime, earlier: Iterable[Past], window: timedelta) -> Normal:
    """Say what is normal for a deployment that began at a time. ``earlier`` are the deployments
    before it, newest first.

    ``window`` is how long a baseline is: what has been gone for longer is in none.
    """
    found = Normal(began)
    for past in earlier:
        if not past.is_bad or (past.gone is not None and past.gone <= found.until - window):
            break
        found = Normal(
            past.began, past.version, is_beside=found.is_beside and past.gone is not None
        )
    return (
        found
        if began - found.until <= OLDEST
        else Normal(began, found.before, is_beside=True, is_far=True)
    )
