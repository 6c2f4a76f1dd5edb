"""What is said of many snapshots: the worst, the newest, and since when there are none."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.domain.health import (
    STALE,
    Finding,
    Observed,
    Snapshot,
    Verdict,
    figures,
    lacking_since,
    moment,
    overall,
    worst,
    worst_seen,
)

NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
GOOD, BAD, NONE = Verdict.HEALTHY, Verdict.DEGRADED, Verdict.NO_DATA


def finding(
    key: str, verdict: Verdict, current: float | None = 0.3, *, critical: bool = True
) -> Finding:
    said = f"{key} {current}"
    return Finding(key, key, "%", verdict, current, 0.01, critical, sentence=said)


def shot(at: int, *findings: Finding, where: str = "canary-5", silence: str = "") -> Snapshot:
    found = overall(findings)
    return Snapshot(
        "shop-2", f"+{at} min", NOW + at * MINUTE, found, findings, where=where, silence=silence
    )


def test_the_worst_is_what_was_found_last_and_the_worst_ever_seen_of_that_very_metric() -> None:
    shots = [
        shot(1, finding("errors", BAD, 0.9), finding("p95", GOOD)),
        shot(2, finding("p95", BAD, 0.8), finding("errors", GOOD)),
        shot(3, finding("errors", BAD, 0.2), finding("p95", BAD, 0.3)),
        shot(4, finding("errors", GOOD, 0.01)),
    ]
    assert worst(shots) == "errors 0.2"
    assert worst_seen(shots) == "errors 0.9"
    assert worst_seen(shots[1:]) == "errors 0.2"
    assert worst_seen(shots[:2]) == "p95 0.8"
    assert worst_seen(shots[3:]) == worst(shots[3:]) == ""
    assert worst_seen([]) == worst([]) == ""


def test_what_is_lower_than_normal_may_be_the_worst_as_well() -> None:
    fallen = replace(finding("orders", BAD, 0.1), baseline=0.5)
    deeper = replace(fallen, current=0.05, sentence="orders 0.05")
    assert worst_seen([shot(1, fallen), shot(2, deeper), shot(3, fallen)]) == "orders 0.05"


@pytest.mark.parametrize(
    ("findings", "said"),
    [
        ([finding("p95", GOOD), finding("errors", BAD)], "errors 0.3"),
        ([finding("p95", GOOD), finding("errors", GOOD)], "p95 0.3"),
        ([finding("p95", BAD, critical=False), finding("errors", GOOD)], "errors 0.3"),
        ([finding("p95", NONE, None), finding("errors", GOOD)], "errors 0.3"),
        ([finding("p95", NONE, None)], ""),
        ([], ""),
    ],
)
def test_the_figures_are_the_worst_of_what_decides_and_has_a_value(
    findings: list[Finding], said: str
) -> None:
    assert figures([shot(1, finding("old", BAD)), shot(2, *findings)]) == said


def test_numbers_that_judge_nothing_are_no_figures() -> None:
    judged = shot(1, finding("errors", GOOD))
    assert figures([judged, shot(2, finding("p95", BAD), where="")]) == "errors 0.3"
    assert figures([shot(1, finding("errors", GOOD), where="")]) == ""
    assert figures([]) == ""


@pytest.mark.parametrize(
    ("findings", "why"),
    [
        ([finding("p95", GOOD), finding("errors", BAD), finding("x", BAD)], "errors 0.3"),
        ([finding("p95", GOOD)], "the verdict at +1 min was healthy"),
        ([], "the verdict at +1 min was no data"),
    ],
)
def test_why_is_what_the_first_metric_says_that_is_worse_else_the_verdict(
    findings: list[Finding], why: str
) -> None:
    assert shot(1, *findings).why == why


@pytest.mark.parametrize(
    ("findings", "verdict"),
    [
        ([finding("a", BAD), finding("b", NONE)], BAD),
        ([finding("a", NONE), finding("b", Verdict.NOT_ENOUGH_TRAFFIC)], NONE),
        ([finding("a", Verdict.NOT_ENOUGH_TRAFFIC), finding("b", GOOD)],
         Verdict.NOT_ENOUGH_TRAFFIC),
        ([finding("a", BAD, critical=False), finding("b", GOOD)], GOOD),
        ([finding("a", NONE, critical=False), finding("b", NONE, critical=False)], NONE),
        ([finding("a", NONE, critical=False), finding("b", GOOD, critical=False)], GOOD),
        ([], NONE),
    ],
)  # fmt: skip
def test_no_worse_than_what_was_bad_itself_is_unproved_and_everything_else_stays_what_it_is(
    findings: list[Finding], verdict: Verdict
) -> None:
    assert overall(findings) is verdict
    unproved = Verdict.UNPROVED if verdict is GOOD else verdict
    assert overall(findings, proves=False) is unproved


@pytest.mark.parametrize(
    ("gone", "named"),
    [
        (timedelta(0), "live"), (29 * SECOND, "live"), (30 * SECOND, "+30 s"),
        (59 * SECOND, "+30 s"), (MINUTE, "+1 min"), (299 * SECOND, "+1 min"),
        (5 * MINUTE, "+5 min"), (600 * MINUTE, "+90 min"),
    ],
)  # fmt: skip
def test_a_time_of_the_watch_is_called_by_the_last_moment_that_has_passed(
    gone: timedelta, named: str
) -> None:
    assert moment([30 * SECOND, MINUTE, 5 * MINUTE, 90 * MINUTE], gone) == named


def test_there_have_been_no_numbers_since_the_last_that_there_were_or_since_the_step_serves() -> (
    None
):
    seen = shot(3, finding("errors", GOOD))
    lacking = replace(shot(5, finding("errors", NONE, None)), lacking_since=NOW + 4 * MINUTE)
    elsewhere = shot(9, finding("errors", GOOD), where="canary-25")
    assert lacking_since([], "canary-5", NOW) == NOW
    assert lacking_since([elsewhere], "canary-5", NOW) == NOW
    assert lacking_since([seen, elsewhere], "canary-5", NOW) == seen.at
    assert lacking_since([seen, lacking], "canary-5", NOW) == NOW + 4 * MINUTE
    began = NOW + 6 * MINUTE
    assert lacking_since([seen, lacking], "canary-5", began) == began
    assert lacking_since([seen], "canary-5", seen.at) == seen.at


@pytest.mark.parametrize(
    ("missing", "silence", "last", "told"),
    [
        (None, "", [], False),
        (STALE - SECOND, "", [], False),
        (STALE, "", [], True),
        (SECOND, "it times out", [], True),
        (SECOND, "it times out", ["canary-25"], True),
        (SECOND, "it times out", ["canary-5"], False),
        (STALE, "it times out", ["canary-5"], True),
        (SECOND, "", ["canary-25"], False),
    ],
)
def test_that_there_are_no_numbers_is_shown_once_the_last_can_pass_for_now_no_more(
    missing: timedelta | None, silence: str, last: list[str], *, told: bool
) -> None:
    now = replace(
        shot(9, finding("errors", NONE, None), silence=silence),
        lacking_since=NOW + 9 * MINUTE - missing if missing is not None else None,
    )
    before = [shot(8, finding("errors", GOOD), where=where) for where in last]
    assert now.is_told_after(before) is told
    assert not replace(now, findings=()).is_told_after(before), "nothing is looked at here"


def test_a_source_that_was_silent_already_at_this_step_is_no_reason_to_keep_its_silence() -> None:
    now = replace(
        shot(9, finding("errors", NONE, None), silence="it times out"),
        lacking_since=NOW + 9 * MINUTE,
    )
    assert now.is_told_after([shot(8, finding("errors", NONE, None), silence="it times out")])
    assert not now.is_told_after([shot(8, finding("errors", GOOD))])


def test_without_its_figures_a_snapshot_is_what_it_says_of_each_metric() -> None:
    one, later = shot(1, finding("errors", BAD, 0.2)), shot(7, finding("errors", BAD, 0.9))
    assert one.without_figures == later.without_figures
    better = shot(1, finding("errors", GOOD, 0.2))
    assert one.without_figures != better.without_figures
    assert one.without_figures != shot(1, finding("errors", BAD), where="canary-25").without_figures
    silent = [shot(1, finding("errors", NONE, value)) for value in (0.1, 0.2)]
    assert silent[0].without_figures != silent[1].without_figures, "why there is none is said"


@pytest.mark.parametrize(
    ("current", "requests", "unit", "is_less"),
    [
        (0.3, 20.0, "%", True), (0.3, 0.0, "%", False), (300.0, 20.0, "ms", False),
        (1.2, 20.0, "%", False), (None, 20.0, "%", False), (0.001, 20.0, "%", True),
    ],
)  # fmt: skip
def test_only_a_share_that_was_counted_may_be_nearer_to_normal_than_it_looks(
    current: float | None, requests: float, unit: str, *, is_less: bool
) -> None:
    found = replace(finding("errors", BAD, current), requests=requests, unit=unit)
    if not is_less or current is None:
        assert found.least == current
    else:
        assert found.least is not None
        assert abs(found.least - 0.01) < abs(current - 0.01)


def test_a_ratio_without_a_denominator_is_none() -> None:
    assert Observed(1, 4).ratio == 0.25
    assert Observed(1, 0).ratio is None
