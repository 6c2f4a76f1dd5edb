"""When trouble is the finding that is known already, and when it is another one, for which no older word counts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bot.domain.health import Finding, Snapshot, Verdict
from bot.domain.trouble import Sort, Trouble, distances, found, over

NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
ERRORS, P95 = ("errors", 10.0), ("p95", 2.0)
KNOWN = Trouble(3, Sort.DEGRADED, "canary-5", (ERRORS,))


def shot(*bad: tuple[str, float], where: str = "canary-5") -> Snapshot:
    """Make a snapshot whose metrics are so many times as bad as normal."""
    findings = tuple(Finding(key, key, "", Verdict.DEGRADED, 2 * times, 2.0) for key, times in bad)
    return Snapshot("shop-2", "canary 5 %", NOW, Verdict.DEGRADED, findings, where=where)


@pytest.mark.parametrize(
    ("times", "is_answered", "is_another"),
    [
        (10, False, False),
        (29.9, False, False),
        (30, False, True),
        (10, True, False),
        (14.9, True, False),
        (15, True, True),
        (1, True, False),
    ],
)
def test_three_times_as_bad_is_another_finding_and_half_as_bad_again_once_a_word_was_given(
    times: float, *, is_answered: bool, is_another: bool
) -> None:
    now = found(KNOWN, Sort.DEGRADED, shot(("errors", times)), is_answered=is_answered)
    assert now == (Trouble(4, Sort.DEGRADED, "canary-5", (("errors", times),)) if is_another else KNOWN)


@pytest.mark.parametrize(("is_answered", "number"), [(False, 3), (True, 4)])
def test_another_metric_is_another_finding_once_a_word_was_given(*, is_answered: bool, number: int) -> None:
    assert found(KNOWN, Sort.DEGRADED, shot(ERRORS, P95), is_answered=is_answered).number == number


@pytest.mark.parametrize(
    ("known", "sort", "where", "number"),
    [
        (None, Sort.DEGRADED, "canary-5", 1),
        (KNOWN, Sort.DEGRADED, "canary-5", 3),
        (KNOWN, Sort.DEGRADED, "canary-25", 4),
        (KNOWN, Sort.BLIND, "canary-5", 4),
        (over(KNOWN), Sort.DEGRADED, "canary-5", 4),
        (replace(KNOWN, sort=Sort.BLIND, bad=()), Sort.BLIND, "canary-5", 3),
    ],
)
def test_trouble_elsewhere_of_another_sort_or_after_its_end_is_another_finding(
    known: Trouble | None, sort: Sort, where: str, number: int
) -> None:
    assert found(known, sort, shot(ERRORS, where=where)).number == number


def test_only_worse_numbers_are_remembered_with_a_finding() -> None:
    assert found(None, Sort.DEGRADED, shot(ERRORS)).bad == (ERRORS,)
    assert found(None, Sort.BLIND, shot(ERRORS)).bad == ()


@pytest.mark.parametrize(
    ("current", "baseline", "times"),
    [(20.0, 2.0, 10.0), (2.0, 20.0, 10.0), (0.5, 0.0, 5000.0), (0.5, None, 5000.0), (0.0, 0.5, 5000.0)],
)
def test_how_far_from_normal_a_metric_is_is_told_whichever_way_is_worse(current: float, baseline: float | None, times: float) -> None:
    finding = Finding("errors", "errors", "", Verdict.DEGRADED, current, baseline)
    healthy = replace(finding, key="p95", verdict=Verdict.HEALTHY)
    ((key, far),) = distances(Snapshot("shop-2", "", NOW, Verdict.DEGRADED, (finding, healthy)))
    assert key == "errors"
    assert far == pytest.approx(times)
