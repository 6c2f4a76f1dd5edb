"""What ends a finding without anybody's word: a table over what is the matter and where."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bot.domain.health import Finding, Snapshot, Verdict
from bot.domain.trouble import ByItself, Sort, Trouble, by_itself, over

NOW = datetime(2026, 11, 21, 2, tzinfo=UTC)


def shot(current: float | None, *, critical: bool = True) -> Snapshot:
    """Give numbers with nothing to compare them with, or none."""
    found = Finding("errors", "errors", "%", Verdict.NO_DATA, current, None, critical)
    return Snapshot("shop-1", "canary 5 %", NOW, Verdict.NO_DATA, (found,), where="canary-5")


@pytest.mark.parametrize(
    ("sort", "seen", "is_first", "has_all", "ends"),
    [
        (Sort.DEGRADED, None, False, False, ByItself.RECOVERS),
        (Sort.DEGRADED, None, True, True, ByItself.RECOVERS),
        (Sort.THIN, None, False, False, ByItself.TRAFFIC),
        (Sort.THIN, None, False, True, ByItself.TRAFFIC),
        (Sort.BLIND, None, False, False, ByItself.NUMBERS),
        (Sort.BLIND, shot(None), False, True, ByItself.NUMBERS),
        (Sort.BLIND, shot(0.9), False, False, ByItself.NUMBERS),
        (Sort.BLIND, shot(0.9), False, True, ByItself.NOTHING),
        (Sort.BLIND, shot(0.9, critical=False), False, True, ByItself.NUMBERS),
        (Sort.BLIND, shot(None), True, False, ByItself.NOTHING),
    ],
)
def test_what_ends_a_finding_without_a_word(
    sort: Sort, seen: Snapshot | None, ends: ByItself, *, is_first: bool, has_all: bool
) -> None:
    trouble = Trouble(1, sort, "canary-5")
    assert by_itself(trouble, seen, is_first=is_first, has_all=has_all, besides="") is ends
    assert (
        by_itself(trouble, seen, is_first=is_first, has_all=has_all, besides="it is locked")
        is ByItself.NOTHING
    )
    assert (
        by_itself(over(trouble), seen, is_first=is_first, has_all=has_all, besides="")
        is ByItself.NOTHING
    )
    assert by_itself(None, seen, is_first=is_first, has_all=has_all, besides="") is ByItself.NOTHING
