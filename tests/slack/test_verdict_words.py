"""Wherever something is said to be live, the verdict on its numbers is said with it; the first line
of a summary is the notification.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from bot.domain.catalog import MetricKind, MetricSpec
from bot.domain.health import Finding, Observed, Snapshot, Verdict
from bot.domain.judgement import judge
from bot.domain.live import Live
from bot.domain.people import Person
from bot.ports.board import BoardRow
from bot.ports.talk import Message
from bot.slack import speech
from tests.slack.test_words import (
    AT,
    EMPTY_ROW,
    FINDING,
    NOW,
    PAST,
    ROW,
    SNAPSHOT,
    SUMMARY,
    WORDS,
    say,
)

LIVE = Live(
    "storefront", "production", "c" * 40, "v1.2.0", NOW, "storefront-42", Person("T1", "UANA"), NOW
)
SAID = {
    "healthy": "healthy",
    "unproved": "unproved: no worse than what was bad itself",
    "degraded": "*DEGRADED*: errors 2.9 % (baseline 0.28 %)",
    "no data": "*NO DATA* to judge it by: errors 2.9 % (baseline 0.28 %)",
    "not enough traffic": "too little traffic to tell",
    "": "its numbers have not been looked at",
}
each_verdict = pytest.mark.parametrize(("verdict", "says"), SAID.items())


def numbers(verdict: str) -> dict[str, Any] | None:
    return (
        {**SNAPSHOT, "verdict": verdict, "findings": [{**FINDING, "verdict": verdict}]}
        if verdict
        else None
    )


def test_every_verdict_has_its_words() -> None:
    assert set(SAID) == {*(str(verdict) for verdict in Verdict), ""}


@pytest.mark.case("card-and-people-7")
@each_verdict
def test_the_status_says_how_what_is_live_does(verdict: str, says: str) -> None:
    row = {
        **EMPTY_ROW,
        "version": "v1.2.0",
        "since": AT,
        "by": "T1/UANA",
        "deployment": "storefront-42",
        "snapshot": numbers(verdict),
    }
    assert f"(storefront-42) · {says}" in say("answers/status", {"service": "", "rows": [row]})


@pytest.mark.case("card-and-people-7")
def test_what_an_operator_adopted_is_not_said_to_be_unwatched() -> None:
    assert "looked at" not in say(
        "answers/status",
        {"service": "", "rows": [{**ROW, "open": [], "deployment": "", "snapshot": None}]},
    )


@pytest.mark.case("card-and-people-7")
@each_verdict
def test_the_home_says_how_what_is_live_does(verdict: str, says: str) -> None:
    found = Finding(
        "errors",
        "errors",
        "%",
        Verdict(verdict or "healthy"),
        0.029,
        0.0028,
        sentence="errors 2.9 % (baseline 0.28 %)",
    )
    shot = Snapshot("storefront-42", "+5 min", NOW, found.verdict, (found,)) if verdict else None
    assert f"(storefront-42) · {says}" in say(
        "home/row", {"row": BoardRow("storefront", "production", LIVE, snapshot=shot)}
    )


@pytest.mark.case("structure-2")
@pytest.mark.parametrize(
    ("note", "why"),
    [
        ("not today", " · why rejected: not today"),
        ("<@UEVIL> agreed", " · why rejected: &lt;@UEVIL&gt; agreed"),
        ("", ""),
    ],
)
def test_who_ended_it_is_known_by_a_field_and_never_read_out_of_a_note(note: str, why: str) -> None:
    past = {
        **PAST,
        "kind": "forward",
        "state": "rejected",
        "undone_by": "",
        "silence": None,
        "ended_by": "T1/UCY",
        "undoes": "",
        "reason": "",
        "note": note,
    }
    said = say(
        "answers/history",
        {
            "service": "api",
            "environment": "",
            "deployments": [past],
            "older": False,
            "doubts": [],
            "shares": [],
        },
    )
    assert f"· rejected by <@UCY> · asked for by Go/No-Go (storefront-42){why}" in said


@pytest.mark.case("card-and-people-7")
@pytest.mark.parametrize(
    ("state", "undone_by"), [("verified", ""), ("rolled back", "T1/UBO"), ("watching", "")]
)
@each_verdict
def test_the_history_says_what_the_numbers_said(
    verdict: str, says: str, state: str, undone_by: str
) -> None:
    past = {
        **PAST,
        "kind": "forward",
        "state": state,
        "undone_by": undone_by,
        "undoes": "",
        "snapshot": numbers(verdict),
    }
    said = say(
        "answers/history",
        {
            "service": "api",
            "environment": "",
            "deployments": [past],
            "older": False,
            "doubts": [],
            "shares": [],
        },
    )
    who = " by <@UBO>" if undone_by else ""
    before = "before that " if undone_by else ""
    assert f"· {state}{who}{', ' + before + says if verdict else ''} · asked" in said


@pytest.mark.case("card-and-people-7")
@each_verdict
def test_the_first_line_of_a_summary_says_the_verdict(verdict: str, says: str) -> None:
    drawn = speech.message(
        Message("k", "summary", {**SUMMARY, "snapshot": numbers(verdict)}, "storefront-42"), WORDS
    )
    assert drawn.text == f"*Summary* · *storefront v1.2.0 → production*: verified, {says}"


@pytest.mark.case("card-and-people-7")
@pytest.mark.parametrize(
    ("verdict", "state", "says"),
    [
        ("healthy", "verified", "none rolled back."),
        (
            "degraded",
            "watching",
            "none rolled back, storefront v1.2.0 is *DEGRADED* in production.",
        ),
        ("no data", "verified", "none rolled back, storefront v1.2.0 has *NO DATA* in production."),
        ("degraded", "rolled back", "none rolled back."),
        ("not enough traffic", "verified", "none rolled back."),
        ("", "verified", "none rolled back."),
    ],
)
def test_the_first_line_of_the_morning_says_what_is_worse(
    verdict: str, state: str, says: str
) -> None:
    facts = {
        "deployments": [{**SUMMARY, "state": state, "snapshot": numbers(verdict)}],
        "rolled_back": 0,
        "doubts": [],
        "at": AT,
    }
    drawn = speech.message(Message("k", "morning_summary", facts), WORDS)
    assert drawn.text.endswith(says)


@pytest.mark.case("card-and-people-3")
def test_where_no_metric_is_configured_nothing_is_said_to_be_missing() -> None:
    none = {**SNAPSHOT, "verdict": "no data", "findings": []}
    row = {
        **EMPTY_ROW,
        "version": "v1.2.0",
        "since": AT,
        "by": "T1/UANA",
        "deployment": "storefront-42",
        "snapshot": none,
    }
    assert "(storefront-42) · no metric judges it" in say(
        "answers/status", {"service": "", "rows": [row]}
    )
    drawn = speech.message(
        Message("k", "summary", {**SUMMARY, "snapshot": none}, "storefront-42"), WORDS
    )
    assert drawn.text.endswith("verified, no metric judges it")
    morning = {
        "deployments": [{**SUMMARY, "state": "verified", "snapshot": none}],
        "rolled_back": 0,
        "doubts": [],
        "at": AT,
    }
    assert "NO DATA" not in say("messages/morning_summary", morning)


@pytest.mark.case("card-and-people-3")
def test_a_number_that_is_much_worse_with_too_little_traffic_is_said_to_look_worse() -> None:
    spec = MetricSpec("p95", "p95", MetricKind.LEVEL, unit="ms", min_samples=20)
    found = judge(spec, Observed(points=(40.0,) * 30), Observed(points=(40.0, 41.0, 180.0)))
    shot = {**SNAPSHOT, "verdict": "not enough traffic", "findings": [asdict(found)]}
    said = say("messages/snapshot", {**SUMMARY, "step": "c", "percent": 5, "snapshot": shot})
    assert (
        "p95 87 ms (baseline 40 ms, 3 of 20 points so far), looks worse, too little traffic to tell"
        in said
    )


@pytest.mark.case("card-and-people-3")
def test_a_number_that_is_much_worse_and_not_certainly_so_is_said_to_look_worse() -> None:
    spec = MetricSpec("p95", "p95", MetricKind.LEVEL, unit="ms", min_samples=4)
    found = judge(
        spec, Observed(points=(40.0, 41.0, 41.5, 42.0)), Observed(points=(40.0, 41.0, 180.0, 190.0))
    )
    assert (found.verdict, found.is_suspect) == (Verdict.HEALTHY, True)
    shot = {**SNAPSHOT, "verdict": "healthy", "findings": [asdict(found)]}
    said = say("messages/snapshot", {**SUMMARY, "step": "c", "percent": 5, "snapshot": shot})
    assert "p95 113 ms (baseline 41.1 ms), looks worse, not certain yet" in said
