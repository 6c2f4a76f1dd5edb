"""A timeline is retold: one line for one finding, and what people decided is left out last."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from bot.domain.audit import Entry
from bot.domain.people import GONOGO, Person
from bot.domain.timeline import MOST, retold

START = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
BO = Person("T1", "UBO")


def entry(at: int, action: str, by: Person = GONOGO, **facts: Any) -> Entry:
    return Entry(START + timedelta(seconds=at), by, action, facts=facts)


def bad(at: int, why: str = "errors 10 %", where: str = "canary-25") -> Entry:
    return entry(at, "degraded", where=where, why=why)


def test_one_finding_is_one_line_with_its_span() -> None:
    told = retold(
        [
            entry(0, "go"),
            bad(1),
            entry(2, "countdown"),
            bad(3),
            bad(9, "errors 12 %"),
            entry(10, "countdown"),
        ],
        0,
        [],
    )
    assert [(line.entry.action, line.times) for line in told] == [
        ("go", 1),
        ("degraded", 3),
        ("countdown", 2),
    ]
    assert (told[1].until, told[1].at_last) == (START + timedelta(seconds=9), "errors 12 %")
    assert told[0].until is None


def test_what_was_answered_or_is_found_elsewhere_is_another_line() -> None:
    said = [
        bad(1),
        entry(2, "proceed", BO),
        bad(3),
        entry(4, "recovered"),
        bad(5),
        bad(6, where="canary-100"),
    ]
    assert [line.times for line in retold(said, 0, [])] == [1] * 6


def test_what_the_bot_did_is_left_out_before_what_it_found_and_that_before_what_people_decided() -> (
    None
):
    many = [entry(at, "started") for at in range(40)]
    many[10], many[20] = bad(10), entry(20, "approve", BO)
    told = retold(many, 0, [])
    assert len(told) == MOST
    assert [line.entry.action for line in told if line.entry.action != "started"] == [
        "degraded",
        "approve",
    ]
    assert sum(line.left_out for line in told) == 40 - MOST
    told = retold([entry(at, "tick", BO) for at in range(40)], 0, [])
    assert (len(told), told[5].entry.at, told[5].left_out) == (
        MOST,
        START + timedelta(seconds=20),
        15,
    )


def test_what_the_store_has_left_out_is_said_where_it_is_missing() -> None:
    told = retold([entry(0, "deploy", BO), bad(1)], 7, [bad(2), entry(3, "rolled back")])
    assert [line.left_out for line in told] == [0, 0, 7, 0]
    assert [line.times for line in told] == [1] * 4, "what is left out may have answered the first"
    assert [line.left_out for line in retold([bad(1)], 7, [bad(2)])] == [0, 7]
