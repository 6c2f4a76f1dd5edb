"""Every answer and message with the worst that can be printed in it: nothing pings, nothing
formats, everything fits.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import pytest

from bot.ports.board import StatusLine
from bot.ports.talk import Answer, Message
from bot.slack import speech
from bot.slack.blocks import Drawn
from bot.slack.render import Words

NOW = datetime(2026, 11, 21, 10, 2, tzinfo=UTC)
AT = NOW.isoformat()
KEPT: dict[str, Any] = {"kind": "locked", "by": "T1/UBO", "at": AT, "until": AT}
WORDS = Words(now=lambda: NOW)
HOSTILE = {
    "a ping": "<!channel> <!here> <@U0EVIL> <#C0EVIL>",
    "a link": "<https://evil.example.com|click me> &lt;!channel&gt;",
    "formatting": "*bold* _it_ ~gone~ `code` ```block``` > quote",
    "lines": "one\n\n• two\r\n> three\u2028four",
    "turned text": "\u202eevil\u202c \u05d0\u05d1\u05d2 \u061c\u200bx",
    "very long": "x" * 10_000,
    "many words": "word " * 2_000,
}


def finding(text: str) -> dict[str, Any]:
    return {
        "key": "errors", "title": text, "unit": "%", "verdict": "degraded",
        "current": 0.029, "baseline": 0.0028, "critical": True,
        "requests": 1.0, "p_value": None, "sentence": text,
        "trend": [0.003, 0.029], "is_suspect": False,
    }  # fmt: skip


ACTIONS = (
    "deploy", "pinned", "lead", "tick", "approve", "confirm_plan",
    "step done", "open_gate", "gate_not_opened", "verified", "degraded",
    "proceed", "step failed", "stuck",
)  # fmt: skip
"""Of the audit log, those that tell what somebody wrote."""


def facts(text: str, times: int) -> dict[str, Any]:
    """Give one set of facts for all templates: each foreign text is ``text``, each
    list has so many entries.
    """
    deployment = {
        "id": "shop-1",
        "service": text,
        "environment": text,
        "version": text,
        "lead": "T1/UBO",
        "requested_by": "T1/UANA",
    }
    snapshot = {
        "label": text,
        "verdict": "degraded",
        "compared_with": text,
        "at": AT,
        "findings": [finding(text)] * times,
        "silence": text,
        "lacking_since": AT,
    }
    lock = {
        "service": text,
        "environment": text,
        "reason": text,
        "by": "T1/UANA",
        "at": AT,
        "until": AT,
    }
    gate = {
        "key": "tests",
        "title": text,
        "state": "open",
        "sentence": text,
        "who": text,
        "by": "T1/UBO",
        "need": "optional",
        "at": AT,
        "clears_at": AT,
        "as_of": AT,
        "how": text,
    }
    share = {"holds": "part", "percent": 75, "by": text, "version": text}
    serves = {
        "part": ("comes", "goes", "back", "left")[min(times, 3)],
        "deployment": text, "version": text, "percent": 50 * (times > 1),
        "cut": 100, "at": AT, "snapshot": snapshot if times else None,
        "hangs": {"rollback": text, "since": AT} if times else None,
    }  # fmt: skip
    silence = {"about": "run", "since": AT, "refusal": text}
    back = {
        "rollback": text, "version": text, "undoes": text, "leaving": text, "lead": "T1/UBO",
        "silence": silence,
    }  # fmt: skip
    row = {
        **deployment, "since": AT, "by": "T1/UANA", "deployment": "shop-1",
        "locks": [lock] * times, "frozen_until": AT,
        "frozen_because": text, "unclear": text, "snapshot": snapshot, "quarantined": text,
        "accepted": "on the lead's word", "can_roll_back": times > 1,
        "share": share, "serves": serves,
        "can_deploy": times > 1, "held_by": text * (times > 2),
        "going_back": back if times else None,
        "way_out": {"environment": text, "how": "rollback", "deployment": text, "lead": "T1/UBO"},
        "declared": {"origin": "said", "by": "T1/UBO", "at": AT, "reason": text},
        "open": [asdict(StatusLine(text, text, text, "T1/UBO", behind=text))] * times,
    }  # fmt: skip
    past = {
        **deployment,
        "kind": "rollback",
        "state": "verified",
        "by": "/gonogo",
        "at": AT,
        "reason": text,
        "note": text,
        "undoes": text,
        "undone_by": "T1/UBO",
        "silence": silence,
        "given_up_by": "T1/UBO",
        "stood": text,
        "ended_by": "T1/UBO",
        "snapshot": snapshot,
    }
    taken = {"known": True, "total": times, "authors": [text] * times}
    changes = {
        "known": True, "backwards": False, "total": times,
        "authors": [text] * times, "migrations": [text] * times, "url": text,
        "taken": taken,
    }  # fmt: skip
    last_time = {
        "deployment": text, "how": "rolled back", "at": AT,
        "by": "T1/UBO", "percent": 5, "numbers": text, "reason": text,
    }  # fmt: skip
    took = {
        "version": text,
        "kind": "tag",
        "name": text,
        "latest": "",
        "also": "branch",
        "moved_from": "",
    }
    texts = ("reason", "why", "step", "role", "stage", "verdict", "version", "pinned", "to")
    happened: dict[str, Any] = {
        **dict.fromkeys(texts, text),
        "keys": [text],
        "taken_back": [text],
        "took": took,
    }
    told = {
        "took": took,
        "migrations": [text] * max(times, 1),
        "commit": text,
        "ref": text,
        "name": text,
        "kind": "tag",
        "by": "T1/UBO",
        "before": "T1/UCY",
        "target": text,
        "reason": text,
        "why": text,
        "url": text,
        "step": text,
        "percent": 5,
        "runbook": "chase",
        "seconds": 41.2,
        "until": AT,
        "at": AT,
        "since": AT,
        "due": AT,
        "owner": "T1/UANA",
        "where": text,
        "state": text,
        "note": text,
        "landed_at": AT,
        "commits": times,
        "authors": [text] * times,
        "title": text,
        "deployment": "shop-1",
        "channel": text,
        "sentence": text,
        "incident": text,
        "verb": text,
        "items": [text] * times,
        "rolled_back": times,
        "quarantined": "",
        "needless": text,
        "quarantines": True,
        "unread": text,
        "proof": text,
        "said_by": "T1/UBO",
        "by_hand": text,
        "ends": [
            {
                "id": text,
                "version": text,
                "state": "rolling out",
                "serving": 5,
                "undoes": text,
                "under_way": "run",
                "percent": 25,
                "url": text,
            }
        ]
        * times,
        "stage": text,
        "back": True,
        "came": {"asked_by": "T1/UANA", "by_itself": False, "given_up": times, "failed": times},
        "outcome": text,
        "stages": [{"name": text, "state": "succeeded", "seconds": 12.0}] * times,
        "ready": False,
        "people": ["T1/UBO"],
        "what": text,
        "vendor": text,
        "minutes": 15,
        "item_titles": {text: text},
        "names": {"T1/UBO": text},
        "timeline": [
            {"at": AT, "action": action, "by": "T1/UBO", "facts": happened, "left_out": times}
            for action in (text, *ACTIONS)
        ]
        * times,
        "calls": times > 2,
        "put_back": text,
        "entry": times,
        "fault": text,
        "head": times,
        "agreement": text,
        "n": times,
        "watched": text,
        "watched_version": text,
        "watched_until": AT,
        "waiting": [text] * times,
        "watched_lead": "T1/UBO",
        "is_in_trouble": bool(times),
        "behind": text,
        "again": last_time,
        "strategy": text,
        "following": 100,
        "rollback": text,
        "is_smoke": False,
        "says": text,
        "is_last": times > 1,
        "is_sought": times > 1,
        "hangs": times > 1,
        "silent_since": AT,
        "basis": "slowest",
        "allowed": 600.0,
        "took_before": 41.2,
        "hash": text,
        "key": text,
        "as_of": AT,
        "lost": times,
        "settled": times,
        "seen": times > 1,
        "replaced": {"version": text, "at": AT, "by": ""},
        "after": {"version": text, "at": AT, "by": "T1/UBO"},
        "places": [deployment] * times,
    }
    there = {
        "environment": text,
        "deployment": text,
        "how": ("cancel", "rollback", "stop", "deploy")[min(times, 3)],
        "who": ["T1/UBO"] * times,
        "is_begun": times > 1,
        "percent": 50,
        "coming": 100,
    }
    return {
        "there": there,
        "under_way_in": [there] * times,
        "kept_out_by": "stop",
        "because_of": text,
        "away": "stop",
        **deployment,
        **told,
        "snapshot": snapshot,
        "changes": changes,
        "gates": [gate] * times,
        "tally": {"open": times, "required": times, "optional": times},
        "locks": [lock] * times,
        "rows": [row] * times,
        "approvals": [{"role": text, "count": times}] * times,
        "deployments": [
            {
                **past,
                "unclear": text,
                "landed_at": AT,
                "changes": changes,
                "snapshot": snapshot,
                "replaced": {"version": text, "at": AT, "by": "T1/UBO"} if times > 1 else None,
            }
        ]
        * times,
        "verified_at": AT,
        "brings_back": times,
        "usual": 41.0,
        "is_known": times > 1,
        "under_way": [text] * times,
        "became": text,
        "held": text,
        "live_in": [{"environment": text, "how": "plan", "deployment": text, "lead": "T1/UBO"}]
        * times,
        "kept": KEPT | {"who": [text], "how": text},
        "also": [{"why": text, "since": AT, "kept": KEPT | {"who": [text], "how": text}}] * times,
        "ways_back": [
            {
                "title": text,
                "environment": f"not {text}",
                "lead": "T1/UBO",
                "instead": "",
                "refused": text,
                "puts_back": text * (times > 1),
            }
        ]
        * times,
        "kept_out": text,
        "cut": text,
        "back_in": text,
        "instead": text,
        "ways_again": [{"title": text, "lead": "T1/UBO"}] * times,
        "puts_back": text * (times > 1),
        "returns": [text] * times,
        "refused": text,
        "lifted": times > 2,
        "strategy": text,
        "gate": text,
        "opens_here": times > 1,
        "on_call": "T1/UCY",
        "told": text * (times > 1),
        "has_run": times > 1,
        "goes_back": times > 1,
        "unanswered": text * (times > 1),
        "by_itself": text,
        "passed": {"version": text, "why": text, "by": "T1/UBO"},
        "counts_down": AT,
        "coming": 25 * times,
        "ended_as": "verified" if times else "",
        "given_up": times > 1,
        "failed_before": AT,
        "was_given_up": times > 1,
        "accepted": text,
        "run": text,
        "cancels": text,
        "beside": text,
        "worse": text,
        "others": [text] * times,
        "doubtful": True,
        "is_back": times > 1,
        "earlier": AT,
        "cancelled": times > 1,
        "strays": times,
        "doubts": [{"service": text, "environment": text, "why": text}] * times,
        "share": share,
        "serves": serves,
        "shares": [{**share, "environment": text, "recorded": text}] * times,
        "recorded": text,
        "recorded_by": text,
        "is_same": times > 2,
        "unclear": text,
        "run_url": text,
        "traffic": [{"of": text, "requests": 40.0, "share": 50, "lately": 8.0}] * min(times, 3),
        "older": times > 1,
        "still": [lock] * times,
        "other": text,
        "other_by": "T1/UBO",
        "other_reason": text,
        "is_first": times > 1,
        "goes_on": [
            {"title": text, "percent": 25, "gate": text, "is_let": times > 1, "lead": "T1/UBO"}
        ]
        * times,
        "locked": times > 1,
        "place": text,
        "is_let": times > 1,
        "locked_by": "T1/UANA",
        "has_lock": times > 1,
        "deed": text,
        "counted": times > 1,
        "waits": times > 1,
        "keeps": text * (times > 2),
        "untold": times > 1,
    }


def names(kind: str) -> list[str]:
    return [
        name.removeprefix(f"{kind}/").removesuffix(".md.j2")
        for name in WORDS.names()
        if name.startswith(f"{kind}/")
    ]


def drawn(name: str, given: Mapping[str, Any]) -> Drawn:
    kind, _, template = name.partition("/")
    if kind == "answers":
        return speech.answer(Answer(template, given), WORDS)
    return speech.message(Message("k", template, given, "shop-1"), WORDS, card_channel="C1")


NEVER_EMPTY = {
    "answers/asked_lead": ("lead",),
    "answers/lead": ("lead",),
    "answers/locked": ("reason",),
    "answers/proceeding": ("reason",),
    "answers/rejected": ("reason",),
    "answers/unlocked": ("reason",),
    "answers/quarantined": ("reason", "version"),
    "answers/unquarantined": ("reason", "version"),
    "answers/said_live": ("reason", "version"),
    "answers/live_dialog": ("reason",),
    "messages/said_live": ("reason",),
    "messages/stands_still": ("why",),
    "messages/quarantined": ("why",),
    "messages/quarantine_said": ("reason", "version"),
    "messages/not_by_itself": ("why",),
    "messages/proceeds": ("reason",),
    "messages/word_outdated": ("reason",),
    "messages/said_why": ("reason",),
    "messages/stopped": ("reason",),
    "answers/why_said": ("reason",),
    "messages/lock_said": ("reason",),
    "messages/standstill": ("why",),
    "messages/way_back_again": ("back_in",),
    "messages/way_back_lost": ("kept_out",),
    "messages/countdown_stopped": ("reason",),
    "messages/lead_changed": ("lead",),
}
"""What each of them always knows."""
EVERYTHING = [f"{kind}/{name}" for kind in ("answers", "messages") for name in names(kind)]


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("name", EVERYTHING)
def test_whatever_is_printed_stays_harmless_and_fits(name: str, text: str) -> None:
    for times in (2, 40):
        said = drawn(name, facts(text, times))
        shown = "\n".join(
            block["text"]["text"] for block in said.blocks if block["type"] == "section"
        )
        plain = re.sub(r"<!date\^\d+\^[^|>]*\|[^>]*>|<@U(?:ANA|BO|CY)>|<#C1>", "", shown)
        if "sentence | sentence" in source(name) or "| note" in source(name):
            # a sentence may name a person: in an answer that notifies nobody
            plain = plain.replace("<@U0EVIL>", "")
        assert "<" not in plain
        assert ">" not in plain
        assert "`" not in plain
        assert not re.search("[\u202a-\u202e\u200b\u061c\u2028]", shown), "nothing turns or hides"
        assert shown.count("\u2068") == shown.count("\u2069"), "what is turned is closed"
        assert len(said.blocks) <= 50
        assert all(
            len(block["text"]["text"]) <= 3000
            for block in said.blocks
            if block["type"] == "section"
        )
        assert len(json.dumps(said.blocks, ensure_ascii=False)) < 13_200


def source(name: str) -> str:
    loader = WORDS._environment.loader
    assert loader is not None
    return loader.get_source(WORDS._environment, f"{name}.md.j2")[0]


@pytest.mark.parametrize("name", EVERYTHING)
def test_nothing_there_reads_as_a_sentence_too(name: str) -> None:
    empty = {
        key: ""
        for key in ("lead", "reason", "until", "before", "url", "note", "channel")
        if key not in NEVER_EMPTY.get(name, ())
    }
    shown = drawn(name, {**facts("v2", 0), **empty})
    assert shown.text
    assert "nobody" not in shown.text.lower()
    assert "()" not in str(shown.blocks)
    assert not re.search(r"\bNone\b(?! of)", str(shown.blocks))
    assert not re.search(r"\s[:,.;]|:\s*$|,\s*\.", shown.text)
