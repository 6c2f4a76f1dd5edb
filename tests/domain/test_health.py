"""The verdict: rule by rule, sentence by sentence, and how often it is wrong."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import inf, nan
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.catalog import Direction, MetricKind, MetricSpec
from bot.domain.health import Finding, Observed, Snapshot, Verdict, moment, overall, worst
from bot.domain.judgement import error_of_a_look, judge, shown, snapshot, times

ERRORS = MetricSpec("errors", "errors", MetricKind.RATIO, unit="%")
CONVERSION = MetricSpec(
    "conversion", "conversion", MetricKind.RATIO, Direction.DOWN_IS_WORSE, "%", min_ratio=1.2
)
P95 = MetricSpec(
    "p95", "p95", MetricKind.LEVEL, unit="ms", min_ratio=1.2, min_change=20, min_samples=5
)
HIT_RATE = MetricSpec(
    "score",
    "score",
    MetricKind.LEVEL,
    Direction.DOWN_IS_WORSE,
    min_ratio=1.2,
    min_change=1,
    min_samples=5,
)

HEALTHY, DEGRADED = Verdict.HEALTHY, Verdict.DEGRADED
NOT_ENOUGH, NO_DATA = Verdict.NOT_ENOUGH_TRAFFIC, Verdict.NO_DATA


def counts(failed: float, requests: float, *points: float) -> Observed:
    return Observed(failed, requests, points, requests)


def level(*points: float, requests: float = 2_000) -> Observed:
    return Observed(points=points, requests=requests)


@pytest.mark.parametrize(
    ("baseline", "current", "verdict"),
    [
        (counts(25, 9_000), counts(54, 1_870), DEGRADED),
        (counts(25, 9_000), counts(6, 1_870), HEALTHY),
        (counts(90, 9_000), counts(26, 1_870), HEALTHY),  # 1.39 times is too little
        # 2.5 times and certain, but 0.15 points
        (counts(9_000, 9_000_000), counts(4_500, 1_800_000), HEALTHY),
        (counts(25, 9_000), counts(0, 49), NOT_ENOUGH),
        (counts(0, 49), counts(25, 9_000), NOT_ENOUGH),
        (counts(25, 9_000), counts(1, 49), NOT_ENOUGH),
        (counts(25, 9_000), counts(20, 30), DEGRADED),  # plain breakage needs no minimum
        (counts(0, 10), counts(20, 30), DEGRADED),
        (counts(0, 2), counts(2, 2), NOT_ENOUGH),
        (counts(0, 9_000), counts(0, 1_870), HEALTHY),
        (counts(0, 9_000), counts(30, 1_870), DEGRADED),
        (counts(0, 9_000), counts(0, 0), NO_DATA),
        (counts(0, 0), counts(5, 100), NO_DATA),
        (None, counts(5, 100), NO_DATA),
        (counts(5, 100), None, NO_DATA),
        (None, None, NO_DATA),
    ],
)
def test_errors_are_judged_as_counts(
    baseline: Observed | None, current: Observed | None, verdict: Verdict
) -> None:
    assert judge(ERRORS, baseline, current).verdict is verdict


@pytest.mark.parametrize("bad", [nan, inf, -inf, -1.0])
def test_counts_that_make_no_sense_are_no_data(bad: float) -> None:
    for observed in (counts(bad, 100), counts(1, bad)):
        assert judge(ERRORS, counts(1, 1_000), observed).verdict is NO_DATA
        assert judge(ERRORS, observed, counts(1, 1_000)).verdict is NO_DATA


@pytest.mark.parametrize(
    ("orders", "verdict"),
    [(270, HEALTHY), (330, HEALTHY), (240, HEALTHY), (180, DEGRADED), (0, DEGRADED)],
)
def test_a_conversion_is_worse_when_it_falls(orders: int, verdict: Verdict) -> None:
    assert judge(CONVERSION, counts(900, 30_000), counts(orders, 9_000)).verdict is verdict


@pytest.mark.parametrize(
    ("baseline", "current", "verdict"),
    [
        (level(*range(200, 212)), level(*range(300, 306)), DEGRADED),
        (level(*range(200, 212)), level(*range(205, 211)), HEALTHY),
        (level(*range(200, 212)), level(*range(230, 236)), HEALTHY),  # certain, but 1.13 times
        (level(*range(20, 32)), level(*range(36, 42)), HEALTHY),  # certain and 1.5 times, but 13 ms
        (level(*[50.0] * 12), level(*[70.0] * 12), DEGRADED),  # by just as much as matters
        (level(*range(200, 212)), level(*range(100, 106)), HEALTHY),  # better
        (level(*range(200, 212)), level(300, 301, 302), NOT_ENOUGH),
        (level(200, 201, 202), level(*range(300, 306)), NOT_ENOUGH),
        (level(*range(200, 212)), level(*range(300, 304), requests=4), NOT_ENOUGH),
        (level(*range(200, 212)), level(200, 201, 202, 203, 204, 9_000), HEALTHY),  # one wild slice
        # constant and different: the sizes alone decide
        (level(*[200.0] * 6), level(*[300.0] * 6), DEGRADED),
        (level(*[200.0] * 6), level(*[210.0] * 6), HEALTHY),
        (level(*[0.0] * 12), level(*range(300, 312)), DEGRADED),
        (level(*range(200, 212)), level(nan, nan), NO_DATA),
        (level(*range(200, 212)), level(), NO_DATA),
        (level(*range(200, 212)), level(300, nan, 301, 302, inf, 303, 304, 305), DEGRADED),
        (None, level(300, 301, 302, 303, 304), NO_DATA),
    ],
)
def test_latency_is_judged_by_ranks(
    baseline: Observed | None, current: Observed, verdict: Verdict
) -> None:
    assert judge(P95, baseline, current).verdict is verdict


def test_a_level_can_be_worse_when_it_falls() -> None:
    assert judge(HIT_RATE, level(*range(90, 102)), level(*range(60, 66))).verdict is DEGRADED
    assert judge(HIT_RATE, level(*range(60, 72)), level(*range(90, 96))).verdict is HEALTHY


def test_one_wild_slice_does_not_make_a_level_worse_that_falls() -> None:
    normal = level(*[10 + number / 100 for number in range(12)])
    assert judge(HIT_RATE, normal, level(9.31, 9.32, 9.33, 9.34, 0.01)).verdict is HEALTHY
    assert judge(HIT_RATE, normal, level(8.31, 8.32, 8.33, 8.34, 0.01)).verdict is DEGRADED


@pytest.mark.parametrize("verdict", Verdict)
def test_the_worst_is_what_the_newest_snapshot_that_was_degraded_found(verdict: Verdict) -> None:
    def shot(verdict: Verdict, *findings: Finding) -> Snapshot:
        return Snapshot(
            "shop-2", "canary 5 %", datetime(2026, 11, 21, tzinfo=UTC), verdict, findings
        )

    fine = replace(finding(HEALTHY), sentence="latency as ever")
    older, newer = (
        replace(finding(DEGRADED), sentence=sentence) for sentence in ("errors rise", "errors soar")
    )
    shots = [
        shot(DEGRADED, fine, older),
        shot(DEGRADED, fine, newer),
        shot(verdict, fine, replace(finding(DEGRADED), sentence="the last")),
    ]
    assert worst(shots) == ("the last" if verdict is DEGRADED else "errors soar")
    assert worst([shot(DEGRADED, fine)]) == ""
    assert worst([]) == ""


def test_many_requests_in_a_few_slices_are_enough_for_a_level() -> None:
    by_default = MetricSpec("p95", "p95", MetricKind.LEVEL, unit="ms", min_change=20)
    assert (
        judge(by_default, level(*range(200, 212)), level(400, 401, 402, 403, requests=200)).verdict
        is DEGRADED
    )
    assert (
        judge(by_default, level(*range(200, 212)), level(400, 401, 402, requests=200)).verdict
        is NOT_ENOUGH
    )
    assert (
        judge(by_default, level(*range(200, 212)), level(400, 401, 402, 403, requests=20)).verdict
        is NOT_ENOUGH
    )


def test_breakage_that_began_before_the_deployment_is_named_and_not_blamed() -> None:
    began = (0.003, 0.003, 0.002, 0.003, 0.002, 0.003, 0.003, 0.003, 0.002, 0.09, 0.11, 0.1)
    finding = judge(ERRORS, counts(250, 9_000, *began), counts(187, 1_870))
    assert finding.verdict is HEALTHY
    assert finding.sentence == "errors 10 % (baseline 2.8 %, it began before: 10 % already)"
    worse_still = judge(ERRORS, counts(250, 9_000, *began), counts(800, 1_870))
    assert worse_still.verdict is DEGRADED
    slow = judge(P95, level(*[200.0] * 9, 400, 401, 402), level(*range(400, 412)))
    assert slow.verdict is HEALTHY


def test_a_baseline_that_was_just_as_bad_is_named() -> None:
    finding = judge(ERRORS, counts(1_080, 9_000), counts(220, 1_870))
    assert finding.verdict is HEALTHY
    assert finding.sentence == "errors 11.8 % (baseline 12 %, was already so before)"
    fewer_is_worse = judge(CONVERSION, counts(900, 9_000), counts(200, 2_000))
    assert fewer_is_worse.sentence == "conversion 10 % (baseline 10 %)"
    no_share = judge(replace(ERRORS, unit="per visit"), counts(1_080, 9_000), counts(220, 1_870))
    assert no_share.sentence == "errors 0.12 per visit (baseline 0.12 per visit)"
    level_of_shares = judge(replace(P95, unit="%"), level(*[0.5] * 12), level(*[0.5] * 12))
    assert level_of_shares.sentence == "p95 50 % (baseline 50 %)"


@pytest.mark.parametrize(
    ("spec", "baseline", "current", "sentence"),
    [
        (
            ERRORS,
            counts(25, 9_000),
            counts(54, 1_870),
            ("errors 2.9 % (baseline 0.28 %, 10 times, 1,870 requests, p < 0.0001)"),
        ),
        (ERRORS, counts(25, 9_000), counts(6, 1_870), "errors 0.32 % (baseline 0.28 %)"),
        (
            ERRORS,
            counts(0, 9_000),
            counts(30, 1_870),
            ("errors 1.6 % (baseline 0 %, 1,870 requests, p < 0.0001)"),
        ),
        (
            ERRORS,
            counts(25, 9_000),
            counts(0, 1),
            ("errors 0 % (baseline 0.28 %, 1 of 50 requests so far)"),
        ),
        (
            ERRORS,
            counts(0, 3),
            counts(0, 349),
            ("errors 0 % (baseline 0 %, 3 of 50 requests in the baseline so far)"),
        ),
        (
            replace(P95, min_samples=20),
            level(*[41.0] * 30, requests=10),
            level(*[40.0] * 12, requests=19),
            "p95 40 ms (baseline 41 ms, 19 of 20 requests so far)",
        ),
        (
            replace(P95, min_samples=20),
            level(*[41.0] * 30),
            level(*[40.0] * 3, requests=349),
            "p95 40 ms (baseline 41 ms, 3 of 4 points so far)",
        ),
        (
            replace(P95, min_samples=20),
            level(*[41.0] * 30),
            level(40.0, requests=0),
            "p95 40 ms (baseline 41 ms, 0 of 20 requests so far)",
        ),
        (
            replace(P95, min_samples=20),
            level(*[41.0] * 5, requests=10),
            level(*[40.0] * 30),
            "p95 40 ms (baseline 41 ms, 10 of 20 requests in the baseline so far)",
        ),
        (
            ERRORS,
            counts(6, 600),
            counts(11, 200),
            ("errors 5.5 % (baseline 1.0 %, 5.5 times, 200 requests, p = 0.0005)"),
        ),
        (ERRORS, counts(25, 9_000), None, "errors: no data"),
        (ERRORS, None, counts(25, 9_000), "errors 0.28 % (nothing to compare with)"),
        (
            CONVERSION,
            counts(900, 30_000),
            counts(180, 9_000),
            "conversion 2.0 % (baseline 3.0 %, 1.5 times lower, 9,000 requests, p < 0.0001)",
        ),
        (P95, level(*[205.0] * 6), level(*[212.0] * 6), "p95 212 ms (baseline 205 ms)"),
        (
            P95,
            level(*[200.0] * 6),
            level(*[320.0] * 6),
            ("p95 320 ms (baseline 200 ms, 1.6 times, 2,000 requests)"),
        ),
    ],
)
def test_the_sentence_says_what_a_person_needs(
    spec: MetricSpec, baseline: Observed | None, current: Observed | None, sentence: str
) -> None:
    assert judge(spec, baseline, current).sentence == sentence


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0028, "%", "0.28 %"), (0.029, "%", "2.9 %"), (0.124, "%", "12.4 %"),
        (1, "%", "100 %"), (0, "%", "0 %"), (1e-9, "%", "0 %"),
        (212.4, "ms", "212 ms"), (1234.5, "ms", "1,234 ms"),
        (3.14159, "s", "3.1 s"), (7, "", "7.0"), (-3.5, "°C", "-3.5 °C"),
    ],
)  # fmt: skip
def test_values_are_written_as_people_read_them(value: float, unit: str, text: str) -> None:
    assert shown(value, unit) == text


def test_more_looks_ask_for_more_certainty() -> None:
    baseline, current = counts(6, 600), counts(11, 200)
    once = judge(ERRORS, baseline, current)
    assert once.verdict is DEGRADED
    assert judge(ERRORS, baseline, current, looks=1_000).verdict is HEALTHY
    assert judge(ERRORS, baseline, current, looks=0).verdict is DEGRADED


def finding(verdict: Verdict, *, critical: bool = True) -> Finding:
    return Finding("m", "m", "%", verdict, 0.1, 0.1, critical)


@pytest.mark.parametrize(
    ("findings", "verdict"),
    [
        ([], NO_DATA),
        ([finding(HEALTHY)], HEALTHY),
        ([finding(HEALTHY), finding(NOT_ENOUGH)], NOT_ENOUGH),
        ([finding(NOT_ENOUGH), finding(NO_DATA)], NO_DATA),
        ([finding(NO_DATA), finding(DEGRADED), finding(HEALTHY)], DEGRADED),
        ([finding(HEALTHY), finding(DEGRADED, critical=False)], HEALTHY),
        ([finding(HEALTHY), finding(NO_DATA, critical=False)], HEALTHY),
        ([finding(NO_DATA, critical=False)], NO_DATA),
    ],
)
def test_the_worst_critical_metric_decides(findings: list[Finding], verdict: Verdict) -> None:
    assert overall(findings) is verdict


def test_a_snapshot_judges_every_metric_that_is_configured() -> None:
    at = datetime(2026, 11, 21, tzinfo=UTC)
    baseline, current = {"errors": counts(25, 9_000)}, {"errors": counts(54, 1_870, 0.02)}
    found = snapshot(
        "storefront-42", "canary 5 %", at, [ERRORS, P95], baseline=baseline, current=current
    )
    assert [each.verdict for each in found.findings] == [DEGRADED, NO_DATA]
    assert found.verdict is DEGRADED
    assert found.findings[0].trend == (0.02,)


@given(
    st.integers(0, 500),
    st.integers(0, 500),
    st.integers(0, 500),
    st.integers(0, 500),
    st.sampled_from([ERRORS, CONVERSION]),
)
def test_what_got_better_is_never_called_degraded(
    a: int, b: int, c: int, d: int, spec: MetricSpec
) -> None:
    baseline, current = counts(a, a + b), counts(c, c + d)
    verdict = judge(spec, baseline, current).verdict
    if baseline.ratio is None or current.ratio is None:
        assert verdict is NO_DATA
    elif (current.ratio <= baseline.ratio) is (
        spec.direction is Direction.UP_IS_WORSE
    ) and current.ratio != baseline.ratio:
        assert verdict is not DEGRADED


# How often it is wrong (more in benchmarks/verdict.py) ------------------------------------------


def poisson(random: Random, mean: float) -> int:
    if mean > 200:
        return max(0, round(random.gauss(mean, mean**0.5)))
    count, left = 0, random.expovariate(1)
    while left < mean:
        count, left = count + 1, left + random.expovariate(1)
    return count


def share_of_alarms(per_minute: float, before: float, after: float, deployments: int) -> float:
    random = Random(f"{per_minute} {before} {after}")  # noqa: S311 - a simulation
    alarms = 0
    for _ in range(deployments):
        sides = [(30 * per_minute, before), (10 * per_minute, after)]
        (old_bad, old_good), (bad, good) = [
            (poisson(random, n * share), poisson(random, n * (1 - share))) for n, share in sides
        ]
        alarms += (
            judge(ERRORS, counts(old_bad, old_bad + old_good), counts(bad, bad + good)).verdict
            is DEGRADED
        )
    return alarms / deployments


@pytest.mark.parametrize("per_minute", [2, 20, 200, 2_000])
@pytest.mark.parametrize("share", [0.001, 0.01, 0.05])
def test_healthy_deployments_are_left_alone(per_minute: float, share: float) -> None:
    assert share_of_alarms(per_minute, share, share, 400) <= 0.005


@pytest.mark.parametrize(("per_minute", "after"), [(20, 0.10), (200, 0.03), (2_000, 0.03)])
def test_bad_deployments_are_found(per_minute: float, after: float) -> None:
    assert share_of_alarms(per_minute, 0.01, after, 400) >= 0.98


def test_a_rise_that_chance_explains_is_no_degradation_however_many_values_there_are() -> None:
    assert (
        judge(P95, level(100, 200, 300, 100, 200), level(150, 260, 330, 160, 280)).verdict
        is HEALTHY
    )


@pytest.mark.parametrize(
    ("value", "normal", "told"),
    [
        (9.95, 1, ["10 times"]),
        (9.94, 1, ["9.9 times"]),
        (2, 1, ["2 times"]),
        (1, 2, ["2 times lower"]),
        (1, 0, []),
        (0, 1, []),
        (1, 1, ["1 times lower"]),
    ],
)
def test_how_many_times_is_told_with_one_digit_below_ten(
    value: float, normal: float, told: list[str]
) -> None:
    assert times(value, normal) == told


@pytest.mark.parametrize(
    ("points", "requests", "verdict"),
    [
        (3, 2_000, NOT_ENOUGH),
        (4, 2_000, HEALTHY),
        (4, 4, NOT_ENOUGH),
        (4, 5, HEALTHY),
        (5, 0, HEALTHY),
    ],
)
def test_a_level_says_something_from_four_values_of_enough_requests_on(
    points: int, requests: float, verdict: Verdict
) -> None:
    same = [100.0 + number for number in range(points)]
    assert (
        judge(P95, level(*same, requests=requests), level(*same, requests=requests)).verdict
        is verdict
    )


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0028, "%", "0.28 %"), (0.0000005, "%", "0 %"),
        (0.00001, "%", "0.001 %"), (0.01, "%", "1.0 %"), (0.1, "%", "10 %"),
        (0.1234, "%", "12.3 %"), (1, "%", "100 %"), (99.96, "ms", "100 ms"),
        (100, "ms", "100 ms"), (212.4, "ms", "212 ms"),
        (12345.6, "ms", "12,346 ms"), (-212.4, "", "-212"), (9.99, "", "10.0"), (0, "", "0"),
    ],
)  # fmt: skip
def test_a_value_is_written_with_the_digits_that_are_read_at_one_look(
    value: float, unit: str, text: str
) -> None:
    assert shown(value, unit) == text


def test_looking_again_and_again_makes_each_look_ask_for_more() -> None:
    assert [round(error_of_a_look(looks), 6) for looks in (0, 1, 2, 10)] == [
        0.001,
        0.001,
        0.000743,
        0.000465,
    ]


@pytest.mark.parametrize(
    ("failed", "says"),
    [
        (450, "errors 5.0 % (baseline 5.0 %, was already so before)"),
        (449, "errors 5.0 % (baseline 5.0 %)"),
    ],
)
def test_from_one_in_twenty_on_a_breakage_of_before_is_named(failed: int, says: str) -> None:
    assert judge(ERRORS, counts(failed, 9_000), counts(failed, 9_000)).sentence == says


def test_what_has_nothing_to_compare_with_tells_how_much_was_seen() -> None:
    assert judge(ERRORS, None, Observed(25, 9_000, requests=5)).requests == 9_000
    assert judge(P95, None, level(200, 201, requests=7)).requests == 7


SECOND = timedelta(seconds=1)
MOMENTS = tuple(minutes * 60 * SECOND for minutes in (1, 5, 10, 30))


@pytest.mark.parametrize(
    ("gone", "named"),
    [
        (0, "live"), (59, "live"), (60, "+1 min"), (299, "+1 min"),
        (300, "+5 min"), (899, "+10 min"), (1800, "+30 min"), (9999, "+30 min"),
    ],
)  # fmt: skip
def test_numbers_of_the_watch_are_named_by_the_last_moment_that_has_passed(
    gone: int, named: str
) -> None:
    assert moment(MOMENTS, gone * SECOND) == named


@pytest.mark.parametrize(
    ("seconds", "named"),
    [(30, "+30 s"), (59, "+59 s"), (60, "+1 min"), (90, "+1 min"), (120, "+2 min")],
)
def test_moments_below_a_minute_are_told_in_seconds(seconds: int, named: str) -> None:
    assert moment([seconds * SECOND], seconds * SECOND) == named


def test_why_it_is_worse_is_the_first_metric_that_is() -> None:
    fine = Finding("p95", "p95", "ms", HEALTHY, None, None, sentence="p95 as ever")
    worse, worst = (
        Finding(key, key, "%", Verdict.DEGRADED, None, None, sentence=f"{key} rise")
        for key in ("errors", "timeouts")
    )
    at = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
    assert (
        Snapshot("shop-2", "canary 5 %", at, Verdict.DEGRADED, (fine, worse, worst)).why
        == "errors rise"
    )
    assert (
        Snapshot("shop-2", "canary 5 %", at, Verdict.NO_DATA, (fine,)).why
        == "the verdict at canary 5 % was no data"
    )
