"""When trouble is the finding that is known already, and when it is another one, for
which no older word counts.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.domain.catalog import EnvironmentPolicy, Strategy, StrategyStep, Tier, TooLittleTraffic
from bot.domain.health import Finding, Snapshot, Verdict
from bot.domain.people import Person
from bot.domain.trouble import (
    RELAPSE,
    Distances,
    Sort,
    Trouble,
    answered,
    carried,
    continued,
    distances,
    found,
    is_unrefuted,
    kept,
    over,
    sort_of,
    worse_since,
)

NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
BO, CY = Person("T1", "UBO"), Person("T1", "UCY")
ERRORS, P95 = ("errors", 10.0), ("p95", 2.0)
NORMAL = (("errors", 2.0), ("p95", 2.0), ("orders", 2.0))
KNOWN = Trouble(3, Sort.DEGRADED, "canary-5", (ERRORS,), normal=NORMAL)


def shot(*bad: tuple[str, float], where: str = "canary-5") -> Snapshot:
    """Make a snapshot whose metrics are so many times as bad as normal."""
    findings = tuple(Finding(key, key, "", Verdict.DEGRADED, 2 * times, 2.0) for key, times in bad)
    return Snapshot("shop-2", "canary 5 %", NOW, Verdict.DEGRADED, findings, where=where)


@pytest.mark.parametrize(
    ("times", "is_another"), [(10, False), (29.9, False), (30, True), (1, False)]
)
def test_three_times_as_bad_as_was_said_is_another_finding(
    times: float, *, is_another: bool
) -> None:
    now = found(KNOWN, Sort.DEGRADED, shot(("errors", times)))
    assert now.number == (4 if is_another else 3)
    assert not is_another or now == Trouble(
        4, Sort.DEGRADED, "canary-5", (("errors", times),), normal=NORMAL
    )


@pytest.mark.parametrize(
    ("times", "is_another"), [(15, False), (21.9, False), (22.5, True), (1, False)]
)
def test_after_a_word_half_as_bad_again_as_it_was_then_is_another_finding(
    times: float, *, is_another: bool
) -> None:
    word = answered(KNOWN, shot(("errors", 15.0)))
    now = found(word, Sort.DEGRADED, shot(("errors", times)))
    another = Trouble(4, Sort.DEGRADED, "canary-5", (("errors", times),), normal=NORMAL)
    assert now == (another if is_another else word)


def test_what_gets_worse_besides_joins_the_finding_while_nobody_has_answered() -> None:
    grown = found(KNOWN, Sort.DEGRADED, shot(ERRORS, P95))
    assert grown == replace(KNOWN, bad=(ERRORS, P95))
    assert found(grown, Sort.DEGRADED, shot(P95)) == grown, (
        "what gets better for a moment is no news"
    )
    worse = found(grown, Sort.DEGRADED, shot(("errors", 15.0), P95))
    assert worse == replace(KNOWN, bad=(ERRORS, P95, ("errors", 15.0)))
    assert found(worse, Sort.DEGRADED, shot(("errors", 22.4), P95)) == worse, (
        "it is so much as the last picture"
    )
    assert found(worse, Sort.DEGRADED, shot(("errors", 30.0), P95)).number == 4, (
        "three times as much as was said first"
    )


def test_after_a_word_another_metric_is_another_finding_and_one_that_the_word_was_for_is_not() -> (
    None
):
    word = answered(replace(KNOWN, bad=(ERRORS, P95)), shot(ERRORS))
    assert word.answered == (ERRORS, P95)
    assert found(word, Sort.DEGRADED, shot(ERRORS, P95)) == word
    both = (ERRORS, ("orders", 2.0))
    assert found(word, Sort.DEGRADED, shot(*both)) == Trouble(
        4, Sort.DEGRADED, "canary-5", both, normal=NORMAL
    )
    assert answered(KNOWN, None).answered == (ERRORS,)


def test_what_does_not_decide_is_no_part_of_a_finding() -> None:
    slow = replace(shot(P95).findings[0], critical=False)
    both = replace(shot(ERRORS), findings=(*shot(ERRORS).findings, slow))
    word = answered(KNOWN, shot(ERRORS))
    assert found(word, Sort.DEGRADED, both) == word


def test_an_older_picture_says_what_has_got_worse_since() -> None:
    now = replace(KNOWN, bad=(ERRORS, P95, ("errors", 15.0)))
    pictures = list(now.pictures)
    assert [each.bad for each in pictures] == [(ERRORS, P95), (ERRORS,)]
    assert [worse_since(now, each) for each in pictures] == [("errors",), ("p95", "errors")]


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


WORSE_NOW = Trouble(4, Sort.DEGRADED, "canary-5", (("errors", 12.0),))
BLIND_NOW, THIN_NOW = Trouble(4, Sort.BLIND, "canary-5"), Trouble(4, Sort.THIN, "canary-5")
SOON, LATE = NOW + RELAPSE - timedelta(seconds=1), NOW + RELAPSE


@pytest.mark.case("card-and-people-11")
@pytest.mark.parametrize(
    ("known", "now", "at", "counts_down", "is_same_alarm"),
    [
        (KNOWN, WORSE_NOW, NOW, False, True),
        (KNOWN, replace(WORSE_NOW, bad=(P95,)), NOW, False, True),
        (KNOWN, replace(WORSE_NOW, bad=(("p95", 29.9),)), NOW, False, True),
        (KNOWN, replace(WORSE_NOW, bad=(("p95", 30.0),)), NOW, False, False),
        (KNOWN, replace(WORSE_NOW, bad=(("errors", 30.0),)), NOW, False, False),
        (KNOWN, replace(WORSE_NOW, where="canary-25"), NOW, False, False),
        (KNOWN, BLIND_NOW, NOW, False, True),
        (KNOWN, WORSE_NOW, NOW, True, False),
        (KNOWN, BLIND_NOW, NOW, True, True),
        (answered(KNOWN, None), WORSE_NOW, NOW, False, False),
        (over(KNOWN, NOW), WORSE_NOW, SOON, False, True),
        (over(KNOWN, NOW), WORSE_NOW, LATE, False, False),
        (over(KNOWN, NOW), replace(WORSE_NOW, bad=(("errors", 15.0),)), SOON, False, False),
        (over(KNOWN, NOW), replace(WORSE_NOW, bad=(P95,)), SOON, False, False),
        (over(KNOWN, NOW), replace(WORSE_NOW, bad=(ERRORS, P95)), SOON, False, False),
        (over(replace(KNOWN, bad=(ERRORS, P95)), NOW), WORSE_NOW, SOON, False, True),
        (over(KNOWN, NOW), BLIND_NOW, SOON, False, False),
        (over(replace(THIN_NOW, number=3), NOW), BLIND_NOW, SOON, False, False),
        (over(replace(BLIND_NOW, number=3), NOW), BLIND_NOW, SOON, False, True),
        (over(KNOWN, NOW), WORSE_NOW, SOON, True, False),
        (over(KNOWN), WORSE_NOW, NOW, False, False),
        (replace(THIN_NOW, number=3), BLIND_NOW, NOW, False, True),
        (replace(BLIND_NOW, number=3), THIN_NOW, NOW, False, True),
        (replace(BLIND_NOW, number=3), WORSE_NOW, NOW, False, False),
        (replace(THIN_NOW, number=3), WORSE_NOW, NOW, False, False),
        (None, WORSE_NOW, NOW, False, False),
    ],
)
def test_a_finding_is_said_on_the_alarm_that_is_there_while_its_reader_has_the_same_to_decide(
    known: Trouble | None, now: Trouble, at: datetime, *, counts_down: bool, is_same_alarm: bool
) -> None:
    told = continued(known, now, at, counts_down=counts_down)
    assert told.alarm == (3 if is_same_alarm else 4)
    assert (told.number, told.bad) == (now.number, now.bad), (
        "decisions are about the finding, whichever alarm says it"
    )


@pytest.mark.case("card-and-people-11")
def test_what_gets_worse_bit_by_bit_on_one_alarm_is_measured_by_what_that_alarm_said_first() -> (
    None
):
    second = continued(
        over(KNOWN, NOW), replace(WORSE_NOW, bad=(("errors", 14.0),)), NOW, counts_down=False
    )
    assert (second.alarm, dict(second.said)) == (3, {"errors": 10.0})
    third = Trouble(5, Sort.DEGRADED, "canary-5", (("errors", 15.0),))
    assert continued(over(second, NOW), third, NOW, counts_down=False).alarm == 5
    graver = found(second, Sort.DEGRADED, shot(("errors", 30.0)))
    assert continued(second, graver, NOW, counts_down=False).alarm == graver.number == 5


@pytest.mark.case("card-and-people-11")
def test_a_baseline_that_settles_makes_nothing_worse() -> None:
    def of(current: float, baseline: float) -> Snapshot:
        findings = (Finding("errors", "errors", "%", Verdict.DEGRADED, current, baseline),)
        return Snapshot("shop-2", "canary 5 %", NOW, Verdict.DEGRADED, findings, where="canary-5")

    young = found(None, Sort.DEGRADED, of(0.12, 0.011))
    assert found(young, Sort.DEGRADED, of(0.122, 0.0036)) == young
    assert found(answered(young, of(0.122, 0.0036)), Sort.DEGRADED, of(0.123, 0.001)).number == 1
    assert found(young, Sort.DEGRADED, of(0.37, 0.0036)).number == 2
    again = continued(
        over(young, NOW),
        found(over(young, NOW), Sort.DEGRADED, of(0.122, 0.0036)),
        NOW,
        counts_down=False,
    )
    assert (again.number, again.alarm) == (2, 1)


@pytest.mark.case("card-and-people-11")
@pytest.mark.parametrize(
    ("known", "now", "is_same_alarm"),
    [
        (over(KNOWN, NOW), WORSE_NOW, True),
        (over(KNOWN, NOW), replace(WORSE_NOW, bad=(("errors", 15.0),)), False),
        (over(KNOWN, NOW), replace(WORSE_NOW, bad=(P95,)), False),
        (KNOWN, replace(WORSE_NOW, bad=(P95,)), False),
    ],
)
def test_after_it_was_said_that_nothing_goes_back_by_itself_only_what_was_never_said_has_a_countdown(
    known: Trouble, now: Trouble, *, is_same_alarm: bool
) -> None:
    assert continued(known, now, NOW, counts_down=True, is_held=True).alarm == (
        3 if is_same_alarm else 4
    )


@pytest.mark.case("card-and-people-11")
@pytest.mark.parametrize(
    ("share", "requests", "is_another"),
    [
        (0.35, 20, False),  # seven of twenty: by chance
        (0.35, 200, False),
        (0.35, 40_000, True),
        (0.9, 20, True),  # no chance makes that of a tenth
        (0.12, 40_000, False),
    ],
)
def test_a_share_of_few_requests_that_triples_by_chance_is_no_other_finding(
    share: float, requests: float, *, is_another: bool
) -> None:
    def of(current: float, requests: float) -> Snapshot:
        findings = (
            Finding("errors", "errors", "%", Verdict.DEGRADED, current, 0.01, requests=requests),
        )
        return Snapshot("shop-2", "canary 5 %", NOW, Verdict.DEGRADED, findings, where="canary-5")

    young = found(None, Sort.DEGRADED, of(0.11, 18))
    now = found(young, Sort.DEGRADED, of(share, requests))
    assert now.number == (2 if is_another else 1)
    told = continued(
        over(young, NOW),
        found(over(young, NOW), Sort.DEGRADED, of(share / 2, requests)),
        NOW,
        counts_down=False,
    )
    assert told.alarm == (2 if is_another else 1)
    assert found(answered(young, of(0.11, 18)), Sort.DEGRADED, of(share / 2, requests)).number == (
        2 if is_another else 1
    )


@pytest.mark.parametrize(
    ("current", "baseline", "least"),
    [(0.9, 0.99, 0.96), (0.98, 0.99, 0.99), (0.5, 0.01, 0.35), (0.02, 0.01, 0.01)],
)
def test_how_bad_a_share_is_at_least_is_never_beyond_what_is_normal(
    current: float, baseline: float, least: float
) -> None:
    finding = Finding("errors", "errors", "%", Verdict.DEGRADED, current, baseline, requests=100)
    assert finding.least == pytest.approx(least, abs=0.01)
    for exact in (
        replace(finding, requests=0),
        replace(finding, unit="ms"),
        replace(finding, unit="%", current=1.5),
    ):
        assert exact.least == exact.current
    assert replace(finding, current=None).least is None


def test_only_worse_numbers_are_remembered_with_a_finding() -> None:
    assert found(None, Sort.DEGRADED, shot(ERRORS)).bad == (ERRORS,)
    assert found(None, Sort.BLIND, shot(ERRORS)).bad == ()


@pytest.mark.parametrize(
    ("current", "baseline", "times"),
    [
        (20.0, 2.0, 10.0),
        (2.0, 20.0, 10.0),
        (0.5, 0.0, 5000.0),
        (0.5, None, 5000.0),
        (0.0, 0.5, 5000.0),
    ],
)
def test_how_far_from_normal_a_metric_is_is_told_whichever_way_is_worse(
    current: float, baseline: float | None, times: float
) -> None:
    finding = Finding("errors", "errors", "", Verdict.DEGRADED, current, baseline)
    healthy = replace(finding, key="p95", verdict=Verdict.HEALTHY)
    ((key, far),) = distances(Snapshot("shop-2", "", NOW, Verdict.DEGRADED, (finding, healthy)))
    assert key == "errors"
    assert far == pytest.approx(times)


def judged(verdict: Verdict, **each: Verdict) -> Snapshot:
    """Give a snapshot of these metrics at 5 %."""
    findings = tuple(Finding(key, key, "", of, 1.0, 1.0) for key, of in each.items())
    return Snapshot("shop-2", "canary 5 %", NOW, verdict, findings, where="canary-5")


GOOD, WORSE, THIN, NONE = (
    Verdict.HEALTHY,
    Verdict.DEGRADED,
    Verdict.NOT_ENOUGH_TRAFFIC,
    Verdict.NO_DATA,
)
OF_TWO = replace(KNOWN, bad=(ERRORS, P95))


@pytest.mark.parametrize(
    ("known", "shot", "stays"),
    [
        (OF_TWO, judged(GOOD, errors=GOOD, p95=GOOD, orders=THIN), False),
        (OF_TWO, judged(THIN, errors=GOOD, p95=THIN), True),
        (OF_TWO, judged(THIN, errors=THIN, p95=THIN), True),
        (OF_TWO, judged(GOOD, errors=GOOD), True),
        (OF_TWO, judged(NONE), True),
        (OF_TWO, judged(WORSE, errors=WORSE, p95=GOOD), True),
        (over(OF_TWO), judged(NONE), False),
        (replace(OF_TWO, where="canary-25"), judged(NONE), False),
        (replace(OF_TWO, sort=Sort.BLIND, bad=()), judged(NONE), False),
        (None, judged(NONE), False),
    ],
)
def test_only_numbers_that_are_well_again_refute_what_was_worse(
    known: Trouble | None, shot: Snapshot, *, stays: bool
) -> None:
    assert is_unrefuted(known, shot) is stays


def test_what_nothing_has_refuted_stays_the_finding_that_it_was_or_is_the_next_one_once_it_was_ended() -> (
    None
):
    assert kept(OF_TWO) == OF_TWO
    ended = replace(answered(OF_TWO, None), is_over=True)
    assert kept(ended) == Trouble(
        OF_TWO.number + 1, Sort.DEGRADED, "canary-5", OF_TWO.bad, normal=NORMAL
    )


def test_what_is_worse_while_all_that_was_said_is_well_again_is_another_finding() -> None:
    well = Finding("errors", "errors", "", GOOD, 2.0, 2.0)
    worse = shot(P95)
    another = found(KNOWN, Sort.DEGRADED, replace(worse, findings=(well, *worse.findings)))
    assert another == Trouble(4, Sort.DEGRADED, "canary-5", (P95,), normal=NORMAL)
    assert found(KNOWN, Sort.DEGRADED, worse).number == 3, (
        "errors of which nobody knows are not well again"
    )


@pytest.mark.parametrize(
    ("of_errors", "left"),
    [(GOOD, (P95,)), (THIN, (ERRORS, P95)), (NONE, (ERRORS, P95)), (None, (ERRORS, P95))],
)
def test_the_next_finding_carries_what_was_worse_and_is_not_shown_to_be_well_again(
    of_errors: Verdict | None, left: Distances
) -> None:
    worse = shot(P95)
    now = replace(
        worse,
        findings=(
            *worse.findings,
            *([Finding("errors", "errors", "", of_errors, 1.0, 1.0)] if of_errors else []),
        ),
    )
    following = Trouble(4, Sort.DEGRADED, "canary-5", (P95,))
    assert carried(OF_TWO, following, now).bad == left
    assert carried(over(OF_TWO), following, now) == following, "what has recovered is over"
    assert carried(OF_TWO, OF_TWO, now) == OF_TWO, "it is the same finding"


CANARY = Strategy(
    "canary",
    "canary",
    (StrategyStep(5, timedelta(minutes=10)), StrategyStep(100, timedelta(minutes=5))),
)
PRODUCTION = EnvironmentPolicy("production", "canary")
GOOD, BAD, THIN, NONE = (
    Verdict.HEALTHY,
    Verdict.DEGRADED,
    Verdict.NOT_ENOUGH_TRAFFIC,
    Verdict.NO_DATA,
)


@pytest.mark.parametrize(
    ("verdict", "is_over", "following", "sort"),
    [
        (GOOD, True, 100, None),
        (BAD, False, 100, Sort.DEGRADED),
        (BAD, True, None, Sort.DEGRADED),
        (NONE, False, 100, None),
        (NONE, True, 100, Sort.BLIND),
        (NONE, True, None, Sort.BLIND),
        (THIN, False, 100, None),
        (THIN, True, 100, Sort.THIN),
        (THIN, True, 25, None),
        (THIN, True, None, None),
    ],
)
def test_what_keeps_a_rollout_by_its_numbers(
    verdict: Verdict, following: int | None, sort: Sort | None, *, is_over: bool
) -> None:
    assert sort_of(verdict, PRODUCTION, CANARY, is_over=is_over, following=following) is sort


def test_too_few_numbers_keep_nothing_where_the_strategy_is_there_no_more() -> None:
    assert sort_of(THIN, PRODUCTION, None, is_over=True, following=100) is None


@pytest.mark.parametrize(
    ("chosen", "sort"),
    [
        (TooLittleTraffic.GO_ON, None),
        (TooLittleTraffic.WAIT, Sort.THIN),
        (TooLittleTraffic.ASK, Sort.THIN),
    ],
)
def test_what_a_team_has_chosen_for_too_little_traffic_is_done(
    chosen: TooLittleTraffic, sort: Sort | None
) -> None:
    assert (
        sort_of(
            THIN, PRODUCTION, replace(CANARY, too_little_traffic=chosen), is_over=True, following=50
        )
        is sort
    )


@pytest.mark.parametrize(
    ("changed", "sorts"),
    [
        ({"is_watched": False}, [Sort.DEGRADED, None, None]),
        ({"tier": Tier.STAGING}, [Sort.DEGRADED, Sort.BLIND, None]),
    ],
)
def test_where_nothing_is_watched_no_verdict_is_waited_for(
    changed: dict[str, Any], sorts: list[Sort | None]
) -> None:
    policy = replace(PRODUCTION, **changed)
    assert [
        sort_of(verdict, policy, CANARY, is_over=True, following=100)
        for verdict in (BAD, NONE, THIN)
    ] == sorts


@pytest.mark.parametrize(
    ("lead", "went_on_at", "is_same_alarm"),
    [
        (BO, None, True),
        (CY, None, False),
        (None, None, False),
        (BO, NOW - SECOND, True),
        (BO, NOW, False),
        (BO, NOW + SECOND, False),
    ],
)
def test_an_alarm_that_was_told_to_be_over_asks_again_only_its_own_lead_and_only_where_nothing_went_on(
    lead: Person | None, went_on_at: datetime | None, *, is_same_alarm: bool
) -> None:
    known = over(replace(KNOWN, called=BO), NOW)
    told = continued(
        known, WORSE_NOW, NOW + SECOND, counts_down=False, lead=lead, went_on_at=went_on_at
    )
    assert (told.alarm, told.called) == (3 if is_same_alarm else 4, lead)
