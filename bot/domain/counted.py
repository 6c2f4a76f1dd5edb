"""Requests that the metrics counted by version, beside a word for what is live: what
each has of all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Counted:
    """Requests of one version, or of everything but one; None where nothing is known."""

    of: str
    requests: float | None
    lately: float | None
    """Those of the last minute."""

    def share(self, whole: float) -> int | None:
        """Say how many percent of all of the last minute it has."""
        return round(100 * (self.lately or 0.0) / whole) if whole else None


def whole(said: Counted, others: Sequence[Counted], all_others: Counted) -> float:
    """Count all requests of the last minute: what is said to be live,
    and whatever else there is.
    """
    return (said.lately or 0.0) + max(
        all_others.lately or 0.0, sum(each.lately or 0.0 for each in others)
    )


def beyond(others: Sequence[Counted], all_others: Counted) -> Counted | None:
    """Give what is there beside the versions that are named, so that no request is listed twice;
    None where that is nothing.
    """
    if not others:
        return all_others
    requests = (all_others.requests or 0.0) - sum(each.requests or 0.0 for each in others)
    lately = (all_others.lately or 0.0) - sum(each.lately or 0.0 for each in others)
    return Counted("other versions", requests, max(lately, 0.0)) if requests > 0 else None
