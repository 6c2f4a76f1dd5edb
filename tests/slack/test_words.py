"""The words: filters, every template with its facts, empty lists, plurals, and a team's own
templates in the sandbox.
"""

from __future__ import annotations

import re
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
from jinja2 import UndefinedError

from bot.domain.actions import Action
from bot.domain.audit import Audited
from bot.domain.errors import Offer
from bot.domain.people import GONOGO, Person
from bot.domain.readiness import Tally
from bot.ports.board import BoardRow, StatusLine
from bot.ports.talk import Answer, Message
from bot.slack import filters, speech
from bot.slack.filters import cut_before_help
from bot.slack.render import Words

NOW = datetime(2026, 11, 21, 10, 2, tzinfo=UTC)
AT = NOW.isoformat()
SOON = (NOW + timedelta(seconds=45)).isoformat()
WORDS = Words(now=lambda: NOW)
FACTS = {
    "id": "storefront-42", "service": "storefront",
    "environment": "production", "version": "v1.2.0", "lead": "T1/UBO",
    "requested_by": "T1/UANA",
}  # fmt: skip
FINDING = {
    "key": "errors", "title": "errors", "unit": "%", "verdict": "degraded",
    "current": 0.029, "baseline": 0.0028, "critical": True,
    "requests": 1870.0, "p_value": 0.0001,
    "sentence": "errors 2.9 % (baseline 0.28 %)", "trend": [0.003, 0.029],
    "is_suspect": False,
}  # fmt: skip
SNAPSHOT = {
    "label": "canary 25 %",
    "verdict": "degraded",
    "compared_with": "stable at the same time",
    "at": AT,
    "findings": [FINDING],
    "silence": "",
    "lacking_since": "",
}
LOCK = {
    "service": "storefront",
    "environment": "production",
    "reason": "quarter end",
    "by": "T1/UANA",
    "at": AT,
    "until": "",
}
GATE = {
    "key": "tests",
    "title": "tests green",
    "state": "open",
    "sentence": "red",
    "who": "qa",
    "by": "",
    "need": "required",
    "at": "",
    "clears_at": "",
    "as_of": "",
    "how": "",
}


def tally(open: int, required: int, optional: int = 0) -> dict[str, int]:
    return asdict(Tally(open, required, optional))


ONE_OPEN = tally(1, 1)
STANDING = StatusLine(
    "storefront-42", "v1.2.0", "gated", "T1/UBO", tally=Tally(2, 5, 0), percent=25
)
SHARE = {"holds": "part", "percent": 75, "by": "storefront-42", "version": "v1.2.0"}
SERVES = {
    "part": "goes", "deployment": "storefront-42", "version": "v1.2.0",
    "percent": 25, "cut": 0, "at": AT, "snapshot": SNAPSHOT,
    "hangs": {"rollback": "storefront-43", "since": AT},
}  # fmt: skip
ROW = {
    "service": "storefront", "environment": "production", "version": "v1.1.0",
    "since": AT, "by": "T1/UANA", "deployment": "storefront-41",
    "snapshot": None, "open": [asdict(STANDING)], "locks": [LOCK], "frozen_until": AT,
    "frozen_because": "quarter end", "unclear": "",
    "can_roll_back": False, "declared": None, "quarantined": "",
    "accepted": "", "way_out": None, "share": SHARE,
    "serves": SERVES, "can_deploy": False, "held_by": "", "going_back": None,
}  # fmt: skip
EMPTY_ROW = {
    **ROW,
    "version": "",
    "since": "",
    "by": "",
    "deployment": "",
    "open": [],
    "locks": [],
    "frozen_until": "",
    "frozen_because": "",
    "share": None,
    "serves": None,
}
FAILED = {"held": "", "earlier": "", "cancelled": False}
CLAIM = {
    "service": "storefront",
    "environment": "production",
    "version": "v1.1.0",
    "reason": "I looked",
    "by": "T1/UCY",
    "at": AT,
    "recorded": "v1.2.0",
    "recorded_by": "storefront-41",
    "since": AT,
    "is_same": False,
    "unclear": "a rollback failed",
    "hangs": False,
    "quarantined": "it loses carts",
    "strays": 1,
    "still": "v1.2.0 still got requests",
    "watched_until": AT,
    "by_hand": "no button goes back over migrations/7.sql",
    "proof": "verified good",
    "said_by": "T1/UBO",
    "ends": [
        {
            "id": "storefront-42",
            "version": "v1.3.0",
            "state": "rolling out",
            "serving": 5,
            "undoes": "",
            "under_way": "run",
            "percent": 25,
            "url": "https://ci/2",
        },
    ],
}
LIVE_IN = {
    "environment": "production",
    "how": "rollback",
    "deployment": "storefront-41",
    "lead": "T1/UBO",
}
PLACE = {
    "environment": "production-eu", "deployment": "storefront-42",
    "how": "stop", "who": ["T1/UBO"], "is_begun": True, "percent": 50,
    "coming": 0,
}  # fmt: skip
KEPT = {
    "kind": "locked",
    "by": "T1/UANA",
    "at": AT,
    "until": "",
    "who": ["people with the role qa"],
    "how": "/deploy unlock storefront production",
}
PAST = {
    "id": "storefront-42", "kind": "rollback", "version": "v1.1.0",
    "environment": "production", "state": "verified", "by": "/gonogo",
    "lead": "", "at": AT, "reason": "errors", "note": "",
    "undoes": "storefront-41", "undone_by": "", "given_up_by": "", "stood": "", "ended_by": "", "silence": None,
    "snapshot": None,
}  # fmt: skip
CHANGES = {
    "known": True,
    "backwards": False,
    "total": 2,
    "authors": ["ana", "cy"],
    "migrations": ["m/1.sql"],
    "taken": {
        "known": True,
        "total": 1,
        "authors": ["di"],
        "commits": [{"commit": "d" * 40, "subject": "Faster cart", "author": "di"}],
    },
    "url": "https://git.example.com/x",
}
LAST_TIME = {
    "deployment": "storefront-41", "how": "stopped", "at": AT,
    "by": "T1/UBO", "percent": 50, "numbers": "errors 30 %",
    "reason": "carts are lost",
}  # fmt: skip
CHECK: dict[str, Any] = {
    **FACTS, "title": "storefront v1.2.0 → production",
    "gates": [GATE], "tally": ONE_OPEN, "ready": False, "needless": "",
    "quarantined": "", "unclear": "", "again": None,
    "changes": CHANGES,
    "ref": "v1.2.0", "kind": "tag", "name": "v1.2.0", "commit": "c" * 40, "took": {},
}  # fmt: skip
ROLLED = {
    "by": "T1/UBO",
    "target": "v1.1.0",
    "reason": "errors",
    "seconds": 41.2,
    "came": {"asked_by": "T1/UBO", "by_itself": False, "given_up": 0, "failed": 0},
    "authors": ["ana"],
    "quarantined": True,
    "locked": True,
    "unclear": "",
}
SUMMARY = {
    **FACTS,
    "state": "verified",
    "unclear": "",
    "seconds": 1440.0,
    "note": "",
    "landed_at": AT,
    "snapshot": SNAPSHOT,
    "changes": {
        "known": True,
        "backwards": False,
        "total": 7,
        "authors": ["ana", "cy"],
        "taken": {"known": True, "total": 0, "authors": []},
    },
    "replaced": None,
}

HAPPENED = {
    "at": AT,
    "action": "step done",
    "by": "/gonogo",
    "facts": {"step": "canary-5", "verdict": "healthy"},
    "left_out": 0,
}
ITEMS = {"item:support-briefed": "Support is briefed", "item:docs": "docs"}
STAGES = [
    {"name": "build", "state": "succeeded", "seconds": 12.0},
    {"name": "migrate", "state": "skipped", "seconds": None},
]
DIALOG = {
    "passed": {"version": "v1.1.5", "why": "is quarantined: it leaks", "by": "T1/UCY"},
    "counts_down": "",
    "failed_before": AT, "was_given_up": False,
    **FACTS, "target": "v1.1.0", "verified_at": AT, "accepted": "",
    "commits": 7, "authors": ["ana", "cy"], "brings_back": 0, "usual": 41.0,
    "is_known": True, "locks": True, "quarantines": True,
    "percent": 5, "coming": 0, "ended_as": "verified", "worse": "was worse itself (errors 9.8 % (0.42 %))",
    "reason": "errors", "unclear": "", "recorded": "", "cancels": "",
}  # fmt: skip
FREED = {
    "title": "storefront v1.2.0 → production",
    "percent": 25,
    "gate": "",
    "is_let": False,
    "lead": "T1/UBO",
}
SAID_OF_LOCK = {
    "by": "T1/UANA", "lifted": False, "place": "storefront in production",
    "reason": "fire", "locked_by": "T1/UANA", "until": "",
    "waits": False, "keeps": True, "percent": None, "gate": "", "is_let": False, "rollback": "",
    "other": "", "other_by": "", "other_reason": "",
}  # fmt: skip
WATCHED = {
    "watched": "storefront-1", "watched_version": "v1.1.0",
    "watched_until": AT, "watched_lead": "T1/UBO", "is_in_trouble": False,
    "waiting": ["storefront-3"],
}  # fmt: skip
ONE_PAST = {"service": "api", "environment": "", "older": False, "doubts": [], "shares": []}
WAY_BACK = {
    "title": "storefront v1.2.0 → production", "environment": "production",
    "lead": "T1/UBO", "instead": "v1.0.0", "refused": "",
    "puts_back": "",
}  # fmt: skip
UNMOVED = {"percent": None, "live_in": [LIVE_IN]}
ANSWERS: dict[str, dict[str, Any]] = {
    "asked": {
        **FACTS,
        "commit": "c" * 40,
        "behind": "",
        "takes_back": False,
        "again": None,
        "unclear": False,
        "took": {
            "version": "v1.2.0",
            "kind": "tag",
            "name": "v1.2.0",
            "latest": "release",
            "also": "",
            "moved_from": "",
        },
        **WATCHED,
    },
    "asked_anew": {
        **FACTS,
        "unclear": "v1.1.0 still got requests",
        "strategy": "canary",
        "again": LAST_TIME,
    },
    "going_now": {**FACTS, **WATCHED},
    "cancelled": {**FACTS, "by": "T1/UANA"},
    "stopped": {
        **FACTS,
        "by": "T1/UANA",
        "percent": 5,
        "kept_out": True,
        "cut": True,
        "seen": True,
    },
    "retested": {**FACTS, "url": "https://ci.example.com/7"},
    "approved": FACTS,
    "rejected": {**FACTS, "reason": "no"},
    "ticked": {**FACTS, "items": ["support"]},
    "acknowledged": FACTS,
    "watching": FACTS,
    "proceeding": {
        **FACTS,
        "reason": "known",
        "where": "canary-25",
        "percent": 25,
        "following": 100,
        "until": "",
    },
    "countdown_stopped": {**FACTS, "reason": "known"},
    "why_said": {
        **FACTS,
        "by": "T1/UBO",
        "reason": "carts are lost",
        "deed": "rollback",
        "has_lock": True,
    },
    "asked_lead": {**FACTS, "is_first": True},
    "lead": {
        **FACTS,
        "before": "",
        "by": "T1/UANA",
        "reason": "",
        "goes_back": False,
        "away": "rollback",
    },
    "gate_opened": {**FACTS, "stage": "release"},
    "plan_confirmed": {
        **FACTS,
        "reason": "v1.1.0 ignores the column",
        "migrations": ["m/1.sql"],
        "target": "v1.1.0",
    },
    "taken_over": {
        **FACTS,
        "before": "T1/UCY",
        "by": "T1/UBO",
        "reason": "on call",
        "goes_back": False,
        "away": "rollback",
    },
    "rolling_back": {**FACTS, "target": "v1", "by": "T1/UBO", "kept_out": True},
    "refusal": {"sentence": "No."},
    "mentioned": {},
    "incident": {"incident": "abc", "verb": "deploy"},
    "locked": {
        **LOCK,
        "under_way": ["storefront v1.2.0 → production"],
        "waiting": ["storefront v1.2.1 → production"],
    },
    "rollback_dialog": DIALOG,
    "given_up": {
        **FACTS,
        "target": "v1.1.0",
        "rollback": "storefront-43",
        "has_run": True,
        "put_back": "",
    },
    "quarantined": {
        "service": "storefront",
        "version": "v1.2.0",
        "reason": "it loses carts",
        "live_in": [LIVE_IN],
        "under_way_in": [PLACE],
        "ways_back": [WAY_BACK],
        "unanswered": "",
        "told": "",
    },
    "unquarantined": {
        "service": "storefront",
        "version": "v1.2.0",
        "reason": "the database was the cause",
        "goes_on": [FREED],
        "ways_again": [{"title": "storefront v1.3.0 → production", "lead": "T1/UBO"}],
    },
    "said_live": CLAIM,
    "live_dialog": {
        **CLAIM,
        "minutes": 5,
        "traffic": [{"of": "v1.1.0", "requests": 40.0, "lately": 0.0, "share": 0}],
        "migrations": ["migrations/7.sql"],
        "is_compared": True,
        "run": "succeeded",
        "run_url": "https://ci/1",
        "share": SHARE,
        "serves": SERVES,
    },
    "late": {"at": AT},
    "waiting": {"verb": "approve", "vendor": "Slack", "minutes": 15},
    "unlocked": {**LOCK, "still": [LOCK], "goes_on": [FREED]},
    "locks": {"locks": [LOCK]},
    "status": {"service": "", "rows": [ROW, EMPTY_ROW]},
    "history": {
        "service": "storefront",
        "environment": "",
        "deployments": [PAST],
        "older": False,
        "doubts": [],
        "shares": [],
    },
    "check": {**CHECK, "approvals": [{"role": "release_manager", "count": 2}]},
}
MESSAGES: dict[str, dict[str, Any]] = {
    "gates": {**FACTS, "gates": [GATE], "tally": ONE_OPEN, "again": LAST_TIME},
    "approved": {**FACTS, "by": "T1/UCY"},
    "recounted": {**FACTS, "by": "T1/UCY", "why": "who gave it is not release manager any more"},
    "not_waited": {**FACTS, **WATCHED, "by": "T1/UANA", "at": AT},
    "step_done": {
        **FACTS,
        "step": "canary-5",
        "percent": 5,
        "url": "",
        "seconds": 41.2,
        "stages": STAGES,
        "unread": "",
    },
    "gate_opened": {**FACTS, "step": "canary-5", "percent": 5, "by": "T1/UBO", "stage": "release"},
    "plan_confirmed": {
        **FACTS,
        "by": "T1/UBO",
        "reason": "no column goes",
        "migrations": ["m/1.sql"],
        "target": "v1.1.0",
    },
    "gate_not_opened": {
        **FACTS,
        "step": "canary-5",
        "by": "T1/UBO",
        "stage": "release",
        "became": "was open",
        "url": "",
    },
    "step_started": {**FACTS, "step": "canary-5", "percent": 5, "url": "", "again": False},
    "snapshot": {**FACTS, "step": "c", "percent": 5, "snapshot": SNAPSHOT},
    "degraded": {
        **FACTS,
        "snapshot": SNAPSHOT,
        "where": "canary-25",
        "until": AT,
        "held": "",
        "beside": "",
        "by_itself": "the numbers recover",
    },
    "recovered": {**FACTS, "counted": True},
    "failed": {
        **FACTS,
        "step": "canary-5",
        "percent": 5,
        "why": "exit 1",
        "url": "https://ci.example.com/1",
        "held": "",
        "back": False,
        "earlier": "",
        "cancelled": False,
        "put_back": "",
        "given_up": False,
    },
    "smoke_failed": {
        **FACTS,
        "step": "canary-5",
        "percent": 5,
        "why": "500",
        "url": "",
        "held": "",
        "back": True,
        "earlier": "",
        "cancelled": False,
    },
    "rolling_back": {**FACTS, **ROLLED},
    "rolled_back": {**FACTS, **ROLLED},
    "live": FACTS,
    "verified": {**FACTS, "snapshot": SNAPSHOT, "accepted": ""},
    "stands_still": {
        **FACTS,
        "why": "production is locked: fire",
        "since": "",
        "step": "canary-25",
        "percent": 25,
        "kept": KEPT,
        "also": [],
    },
    "quarantined": {
        **FACTS,
        "why": "its rollback from staging began",
        "waits": False,
        "there": PLACE,
    },
    "given_up_ended": {
        **FACTS,
        "run": "7",
        "percent": 5,
        "is_back": False,
        "by": "T1/UBO",
        "state": "succeeded",
        "untold": "",
        "url": "",
        "doubtful": True,
    },
    "not_by_itself": {
        **FACTS,
        "why": "nobody knows what lies between",
        "by": "",
        "kept_out": "",
        "finding": 1,
        "by_itself": "the numbers recover",
    },
    "quarantine_said": {
        **FACTS,
        "by": "T1/UBO",
        "reason": "it loses carts",
        "gate": "",
        "is_let": False,
        "lifted": False,
        "kept_out_by": "word",
        "because_of": "",
        "under_way_in": [PLACE],
        "returns": [],
        "percent": None,
        "live_in": [LIVE_IN],
    },
    "way_back_again": {**FACTS, "by": "T1/UBO", "back_in": "v1.1.0", "held": True},
    "way_back_lost": {
        **FACTS,
        "by": "T1/UBO",
        "kept_out": "v1.1.0",
        "instead": "",
        "refused": "there is no other version",
        "puts_back": "",
    },
    "stopped": {
        **FACTS,
        "by": "T1/UBO",
        "percent": 5,
        "kept_out": True,
        "cut": True,
        "seen": True,
        "is_sought": True,
        "reason": "carts are lost",
        "lifted": False,
    },
    "lock_said": {**FACTS, **SAID_OF_LOCK},
    "standstill": {
        **FACTS,
        "why": "production is locked: fire",
        "since": "",
        "step": "canary-25",
        "percent": 25,
        "kept": KEPT,
        "also": [],
    },
    "said_live": CLAIM,
    "unseen": {
        "service": "storefront",
        "environment": "production",
        "version": "v1.1.0",
        "at": AT,
    },
    "rollback_late": {
        **FACTS,
        "target": "v1.1.0",
        "rollback": "storefront-43",
        "since": AT,
        "url": "",
    },
    "rollback_given_up": {
        **FACTS,
        "by": "T1/UBO",
        "target": "v1.1.0",
        "rollback": "storefront-43",
        "seconds": 660.0,
        "put_back": "",
        "reason": "",
    },
    "rollback_hangs": {
        **FACTS,
        "target": "v1.1.0",
        "rollback": "storefront-43",
        "since": AT,
        "url": "https://ci.example.org/1",
        "snapshot": SNAPSHOT,
        "is_back": False,
        "gate": "approve",
        "opens_here": True,
    },
    "run_hangs": {
        **FACTS,
        "step": "canary-25",
        "percent": 25,
        "is_smoke": False,
        "since": AT,
        "url": "https://ci.example.org/1",
        "says": "",
        "silent_since": "",
        "basis": "usual",
        "allowed": 480.0,
        "took_before": 240.0,
        "keeps": "",
        "kept": None,
        "is_last": False,
    },
    "rollback_waits": {
        **FACTS,
        "target": "v1.1.0",
        "rollback": "storefront-43",
        "url": "https://ci.example.org/1",
        "gate": "approve",
        "opens_here": True,
        "on_call": "T1/UBO",
    },
    "back_and_worse": {
        **FACTS,
        "target": "v1.1.0",
        "snapshot": SNAPSHOT,
        "place": "storefront production",
        "others": ["v1.0.0"],
    },
    "looked_after": {**FACTS, "target": "v1.1.0", "snapshot": SNAPSHOT},
    "proceeds": {
        **FACTS,
        "by": "T1/UBO",
        "reason": "known",
        "where": "canary-25",
        "percent": 25,
        "following": 100,
        "until": "",
    },
    "word_outdated": {
        **FACTS,
        "by": "T1/UBO",
        "reason": "known",
        "snapshot": SNAPSHOT,
        "until": "",
        "by_itself": "the numbers recover",
    },
    "countdown_stopped": {**FACTS, "by": "T1/UBO", "reason": "known"},
    "said_why": {**FACTS, "by": "T1/UBO", "reason": "carts are lost", "deed": "rollback"},
    "summary": SUMMARY,
    "retrospective": {
        **FACTS,
        **ROLLED,
        "outcome": "rolled back",
        "stood": "",
        "percent": 0,
        "owner": "T1/UANA",
        "due": AT,
        "people": [],
        "item_titles": ITEMS,
        "timeline": [HAPPENED],
    },
    "morning_summary": {"deployments": [SUMMARY], "rolled_back": 0, "doubts": [], "at": AT},
    "unsayable": {"what": "rolling_back"},
    "stuck": {**FACTS, "why": "CI is away", "since": AT, "runbook": "deploy", "run": "shop-1"},
    "refused": {
        **FACTS,
        "step": "canary-5",
        "percent": 5,
        "why": "GitHub answered 401.",
        "back": False,
    },
    "not_stopped": {
        **FACTS,
        "step": "canary-5",
        "percent": 5,
        "is_back": False,
        "why": "GitHub answered 403.",
        "unanswered": False,
        "url": "https://ci/1",
        "target": "v1.1.0",
    },
    "ask_lead": {**FACTS, "by": "T1/UCY"},
    "lead_changed": {**FACTS, "before": "T1/UCY", "by": "T1/UANA", "reason": "", "calls": False},
    "acknowledge_request": {**FACTS, "until": AT},
    "audit_broken": {"entry": 7, "fault": "changed", "head": 0, "agreement": ""},
    "restored": {
        "as_of": AT,
        "lost": 3,
        "places": [{"service": "storefront", "environment": "production", "version": "v1.1.0"}],
        "settled": 1,
        "at": AT,
    },
    "audit_head": {"n": 7, "hash": "f" * 64, "key": "5e0c1f2a", "at": AT},
    "no_channel": {"title": "storefront", "deployment": "storefront-42", "channel": "C9"},
}


LATE = {**MESSAGES["run_hangs"], "can_roll_back": False, "can_cancel": False}
KEEPS = {
    **LATE,
    "keeps": "v1.2.0 is quarantined: it loses parcels",
    "kept": {**KEPT, "kind": "quarantined"},
    "can_cancel": True,
}


def say(template: str, facts: dict[str, Any]) -> str:
    return re.sub(
        r"<!date\^\d+\^[^|]*\|([^>]*)>",
        r"\1",
        WORDS.text(template, {"card_channel": "C1", "card_url": "", **facts}),
    )


def test_every_answer_and_message_has_an_example_here() -> None:
    known = {name for name in WORDS.names() if name.startswith(("answers/", "messages/"))}
    assert known == {f"answers/{name}.md.j2" for name in ANSWERS} | {
        f"messages/{name}.md.j2" for name in MESSAGES
    }


@pytest.mark.parametrize("name", ANSWERS)
def test_every_answer_can_be_drawn(name: str) -> None:
    drawn = speech.answer(
        Answer(name, ANSWERS[name], (Offer("ask_lead", "Ask the lead", "storefront-42"),)), WORDS
    )
    assert drawn.text
    assert "!" not in re.sub("<!date|[!]=", "", drawn.text), "calm English"
    assert drawn.blocks[-1]["type"] == "actions"


@pytest.mark.parametrize("name", MESSAGES)
def test_every_message_can_be_drawn(name: str) -> None:
    drawn = speech.message(Message("k", name, MESSAGES[name], "storefront-42"), WORDS)
    assert drawn.text
    assert "None" not in str(drawn.blocks)
    assert "  \n" not in drawn.text


@pytest.mark.parametrize(
    ("template", "facts", "says"),
    [
        ("answers/locks", {"locks": []}, "Nothing is locked."),
        (
            "answers/status",
            {"service": "", "rows": []},
            "No service is configured yet. Add one to gonogo.yaml.",
        ),
        (
            "answers/status",
            {"service": "", "rows": [EMPTY_ROW]},
            "*storefront production*: nothing deployed by Go/No-Go yet",
        ),
        (
            "answers/status",
            {"service": "", "rows": [ROW]},
            "live since 2026-11-21 10:02 UTC, by <@UANA> (storefront-41)",
        ),
        (
            "answers/status",
            {
                "service": "",
                "rows": [{**ROW, "by": "terminal/operator", "deployment": "", "share": None}],
            },
            "live since 2026-11-21 10:02 UTC, adopted by an operator\n",
        ),
        (
            "answers/history",
            {
                "service": "api",
                "environment": "",
                "deployments": [],
                "older": False,
                "doubts": [],
                "shares": [],
            },
            "*api*\nNothing has been deployed here yet.",
        ),
        (
            "answers/history",
            {
                "service": "api",
                "environment": "",
                "deployments": [PAST, PAST],
                "older": True,
                "doubts": [],
                "shares": [],
            },
            (
                "These are the newest 2; older ones are not shown. Name an "
                "environment to see more of it."
            ),
        ),
        *(
            (
                "answers/history",
                {
                    "service": "api",
                    "environment": "",
                    "deployments": [{**PAST, "kind": "forward", "state": state}],
                    "older": False,
                    "doubts": [],
                    "shares": [],
                },
                f"· {says}",
            )
            for state, says in (
                ("requested", "being looked up"),
                ("gated", "waiting for its gates"),
                ("awaiting approval", "waiting for approval"),
                ("superseded", "replaced before it was verified"),
                ("rolled back", "rolled back"),
            )
        ),
        (
            "messages/run_hangs",
            LATE,
            (
                "takes longer than it should: it began 2026-11-21 10:02 UTC. "
                "<@UBO>, please look: nothing"
            ),
        ),
        ("messages/run_hangs", LATE, "Here it usually takes 4 min, and it may take 8 min."),
        (
            "messages/run_hangs",
            {**LATE, "basis": "slowest"},
            "the slowest run of storefront took 4 min, and it may take 8 min.",
        ),
        ("messages/run_hangs", {**LATE, "is_smoke": True, "lead": ""}, "the smoke test of 25 %"),
        (
            "messages/run_hangs",
            {**LATE, "can_roll_back": True},
            "else its lead can roll it back, here or on",
        ),
        (
            "messages/run_hangs",
            {**LATE, "silent_since": AT},
            "The CI provider has not answered since 10:02 UTC, so that it is not known",
        ),
        (
            "messages/run_hangs",
            {**LATE, "can_cancel": True},
            "else its lead can stop the rollout, here or on",
        ),
        (
            "messages/run_hangs",
            KEEPS,
            (
                "please look: nothing comes after it, also once it has ended: v1.2.0 is "
                "quarantined: it loses parcels."
            ),
        ),
        (
            "messages/run_hangs",
            KEEPS,
            "See at the CI provider where it hangs. Its lead can stop the rollout, here or on",
        ),
        (
            "messages/run_hangs",
            {**LATE, "end": "It has ended well."},
            "took longer than it should. It has ended well.",
        ),
        (
            "messages/summary",
            {**SUMMARY, "state": "superseded"},
            "*storefront v1.2.0 → production*: replaced before it was verified,",
        ),
        (
            "messages/lock_said",
            {**FACTS, **SAID_OF_LOCK, "rollback": "storefront-42"},
            "The rollback of storefront-42 by <@UANA> locked",
        ),
        ("messages/lock_said", {**FACTS, **SAID_OF_LOCK}, "<@UANA> locked"),
        (
            "answers/quarantined",
            {
                **ANSWERS["quarantined"],
                "ways_back": [{**WAY_BACK, "instead": "", "puts_back": "storefront-42"}],
            },
            "back to it besides what puts it back already.\n• In production-eu",
        ),
        (
            "messages/quarantine_said",
            {**MESSAGES["quarantine_said"], "returns": ["storefront-42", "storefront-43"]},
            (
                "Nothing goes back to it besides storefront-42 and storefront-43, which are "
                "putting it back already and go on."
            ),
        ),
        (
            "messages/not_by_itself",
            {**MESSAGES["not_by_itself"], "by": "T1/UBO", "kept_out": "v1.1.0"},
            (
                "<@UBO> put *v1.1.0* in quarantine, to which it would have gone back. *storefront "
                "v1.2.0 → production* is not rolled back"
            ),
        ),
        (
            "messages/word_outdated",
            {**MESSAGES["word_outdated"], "until": AT},
            "stands still again. It was to roll back by itself at",
        ),
        (
            "messages/way_back_lost",
            {**MESSAGES["way_back_lost"], "puts_back": "storefront-42"},
            (
                "is being rolled back to. storefront-42 goes on and puts it back; to have another "
                "version there after it: /deploy"
            ),
        ),
        (
            "messages/quarantine_said",
            {
                **MESSAGES["quarantine_said"],
                "kept_out_by": "rollback",
                "because_of": "storefront-42",
            },
            "The rollback of storefront-42 by <@UBO> put *v1.2.0* in quarantine",
        ),
        (
            "answers/unlocked",
            {**LOCK, "still": [], "goes_on": [{**FREED, "gate": "release", "is_let": True}]},
            "is held no longer: its pipeline goes on with release at 25 %, as somebody has let it.",
        ),
        (
            "answers/unlocked",
            {**LOCK, "still": [], "goes_on": [{**FREED, "gate": "release"}]},
            (
                "is held no longer: its pipeline waits before release at 25 % until "
                "somebody lets it go on there."
            ),
        ),
        (
            "messages/rolling_back",
            {**MESSAGES["rolling_back"], "end": "It was rolled back."},
            "The rollback of *storefront v1.2.0 → production* has ended. It was rolled back.",
        ),
        (
            "messages/retrospective",
            {**MESSAGES["retrospective"], "outcome": "stopped", "target": "", "percent": 50},
            "*storefront v1.2.0 → production* was stopped at 50 %",
        ),
        (
            "answers/asked",
            {**ANSWERS["asked"], "again": LAST_TIME, "unclear": True},
            (
                "stopped here by <@UBO>, 2026-11-21 10:02 UTC, at 50 %, with errors 30 %: carts "
                "are lost. It is unclear what runs there since."
            ),
        ),
        (
            "answers/check",
            {
                **ANSWERS["check"],
                "again": {
                    **LAST_TIME,
                    "how": "failed",
                    "by": "",
                    "numbers": "",
                    "reason": "exit 1",
                },
            },
            (
                "*The same version* (storefront-41) failed here, 2026-11-21 "
                "10:02 UTC, at 50 %: exit 1."
            ),
        ),
        (
            "messages/gates",
            {
                **MESSAGES["gates"],
                "again": {**LAST_TIME, "how": "rolled back", "percent": 0, "reason": ""},
            },
            (
                "*The same version* (storefront-41) was rolled back here by <@UBO>, 2026-11-21 "
                "10:02 UTC, with errors 30 %."
            ),
        ),
        (
            "messages/recovered",
            {**MESSAGES["recovered"], "counted": False},
            (
                "the numbers are no longer worse than the baseline. <@UBO>, there is nothing to "
                "decide about them any more."
            ),
        ),
        (
            "answers/rollback_dialog",
            {**DIALOG, "percent": None},
            "it leaks (<@UCY>).\nv1.1.0 was verified good",
        ),
        ("answers/rollback_dialog", DIALOG, "go to v1.1.0 as well.\nv1.1.0 was verified good"),
        (
            "answers/check",
            {**ANSWERS["check"], "needless": "storefront-4 brings it already."},
            "*: not needed: storefront-4 brings it already.",
        ),
        (
            "answers/taken_over",
            {**ANSWERS["taken_over"], "away": "stop"},
            "You alone can stop it where it is; no button goes back.",
        ),
        (
            "answers/taken_over",
            {**ANSWERS["taken_over"], "away": "deploy"},
            "You decide; no button goes back.",
        ),
        (
            "answers/lead",
            {**ANSWERS["lead"], "lead": "T1/UBO", "away": "plan"},
            "now and decides; no button goes back.",
        ),
        (
            "verbs/say_why#dialog",
            {"title": "a", "about": {"has_lock": True}},
            "say why it is rolled back. The history, the lock and the thread",
        ),
        (
            "verbs/say_why#dialog",
            {"title": "a", "about": {"has_lock": False}},
            "say why it is rolled back. The history and the thread will",
        ),
        (
            "verbs/say_why#dialog",
            {"title": "a", "about": {"has_lock": False, "deed": "stop"}},
            "say why it was stopped. The history and",
        ),
        (
            "verbs/say_why#dialog",
            {"title": "a", "about": {"has_lock": False, "deed": "give up"}},
            "say why its rollback was given up.",
        ),
        (
            "answers/why_said",
            {**ANSWERS["why_said"], "has_lock": False, "deed": "rollback"},
            "rolled back: carts are lost. The history and the thread say so.",
        ),
        (
            "answers/why_said",
            {**ANSWERS["why_said"], "has_lock": False, "deed": "stop"},
            "was stopped: carts are lost.",
        ),
        (
            "answers/why_said",
            {**ANSWERS["why_said"], "has_lock": False, "deed": "give up"},
            "Noted why the rollback of",
        ),
        (
            "messages/quarantined",
            {
                **MESSAGES["quarantined"],
                "waits": True,
                "there": {**PLACE, "is_begun": False, "how": "cancel", "who": ["T1/UANA"]},
            },
            (
                "production nothing of it has been started; it goes no further by itself. <@UANA> "
                "can cancel it on the card. To have"
            ),
        ),
        (
            "messages/quarantined",
            {**MESSAGES["quarantined"], "there": {**PLACE, "coming": 100}},
            "50 % of the requests, and the run of",
        ),
        (
            "messages/quarantined",
            {**MESSAGES["quarantined"], "there": {**PLACE, "percent": 100}},
            "it has all the requests; it goes",
        ),
        (
            "messages/quarantined",
            {**MESSAGES["quarantined"], "there": {**PLACE, "percent": 0, "coming": 5}},
            "its first run, of 5 %, is under way; it goes no",
        ),
        (
            "answers/quarantined",
            {**ANSWERS["quarantined"], "under_way_in": [{**PLACE, "percent": 0, "who": []}]},
            (
                "• In production-eu something of it may be there; it goes no further by itself. "
                "Nobody leads it yet, and its lead"
            ),
        ),
        (
            "answers/quarantined",
            {
                **ANSWERS["quarantined"],
                "under_way_in": [{**PLACE, "how": "cancel", "who": ["T1/UBO", "T1/UANA"]}],
            },
            "<@UBO> or <@UANA> can cancel it: /deploy cancel storefront-42\n•",
        ),
        (
            "messages/quarantined",
            {**MESSAGES["quarantined"], "waits": True, "end": "It was cancelled."},
            "was waiting when the version was",
        ),
        (
            "answers/locked",
            {**LOCK, "under_way": [], "waiting": ["a → b"]},
            "a → b does not begin before that is over.\nIt ends",
        ),
        (
            "answers/locked",
            {**LOCK, "under_way": ["a → b"], "waiting": ["c → b", "d → b"]},
            "over.\nc → b and d → b do not begin before",
        ),
        (
            "messages/stands_still",
            {
                **MESSAGES["stands_still"],
                "can_roll_back": True,
                "kept": {**KEPT, "kind": "quarantined"},
            },
            "Quarantined by <@UANA>",
        ),
        (
            "messages/stands_still",
            {**MESSAGES["stands_still"], "can_roll_back": True, "kept": KEPT},
            "Locked by <@UANA>",
        ),
        (
            "answers/ticked",
            {**FACTS, "items": []},
            "None of your items is ticked for *storefront v1.2.0 → production*.",
        ),
        (
            "answers/ticked",
            {**FACTS, "items": ["a", "b"]},
            "2 items of yours are ticked for *storefront v1.2.0 → production*.",
        ),
        (
            "messages/morning_summary",
            {"deployments": [], "rolled_back": 0, "doubts": [], "at": AT},
            "Nothing went live.",
        ),
        (
            "messages/morning_summary",
            {"deployments": [SUMMARY], "rolled_back": 0, "doubts": [], "at": AT},
            (
                "1 deployment went live, none rolled back, storefront v1.2.0 is "
                "*DEGRADED* in production."
            ),
        ),
        ("messages/summary", {**SUMMARY, "snapshot": None}, "No numbers were taken."),
        (
            "messages/rolled_back",
            {**FACTS, **ROLLED},
            "is rolled back to *v1.1.0*, 41 s after <@UBO> asked for it. Reason: errors",
        ),
        (
            "messages/degraded",
            {
                **FACTS,
                "snapshot": SNAPSHOT,
                "where": "watch",
                "until": "",
                "held": "",
                "beside": "",
                "by_itself": "",
            },
            "*degraded* while it is watched. <@UBO>, please",
        ),
        (
            "messages/gates",
            {
                **FACTS,
                "again": None,
                "gates": [GATE, {**GATE, "state": "green"}],
                "tally": tally(1, 2),
            },
            "*Gates*: 1 of 2 open\n○ tests green: red · qa can clear it",
        ),
        (
            "messages/gates",
            {
                **FACTS,
                "again": None,
                "gates": [{**GATE, "state": "green"}, GATE, {**GATE, "need": "optional"}],
                "tally": tally(1, 2, 1),
            },
            (
                "*Gates*: 1 of 2 required open\n✓ tests green: red\n○ tests green: red · qa can "
                "clear it\n○ tests green: red · qa"
            ),
        ),
        (
            "messages/gates",
            {
                **FACTS,
                "again": None,
                "gates": [{**GATE, "state": "green"}] * 2 + [{**GATE, "need": "optional"}],
                "tally": tally(0, 2, 1),
            },
            "*Gates*: all 2 required hold\n✓ tests",
        ),
        (
            "messages/gates",
            {
                **FACTS,
                "again": None,
                "gates": [{**GATE, "state": "green"}, {**GATE, "need": "optional"}],
                "tally": tally(0, 1, 1),
            },
            "*Gates*: the required one holds\n✓ tests",
        ),
        (
            "messages/gates",
            {
                **FACTS,
                "again": None,
                "gates": [{**GATE, "state": "green"}],
                "tally": tally(0, 1),
            },
            "*Gates*: it holds\n✓ tests green: red",
        ),
        (
            "messages/rolled_back",
            {
                **FACTS,
                **ROLLED,
                "by": "/gonogo",
                "came": {"asked_by": "/gonogo", "by_itself": True, "given_up": 0, "failed": 0},
            },
            "is rolled back to *v1.1.0* by itself in 41 s. Reason: errors",
        ),
        (
            "messages/refused",
            {
                **MESSAGES["refused"],
                "why": "GitHub answered 401: Bad credentials",
                "can_cancel": False,
                "can_roll_back": True,
            },
            "401: Bad credentials.\nIt is asked again",
        ),
        (
            "messages/not_stopped",
            MESSAGES["not_stopped"],
            "GitHub answered 403.\nThe rollback to v1.1.0 goes on",
        ),
        (
            "messages/not_stopped",
            {**MESSAGES["not_stopped"], "unanswered": True},
            "was started is not known: GitHub answered 403.",
        ),
        (
            "answers/quarantined",
            {**ANSWERS["quarantined"], "unanswered": "bbbbbbbbbb"},
            "it is the commit bbbbbbbbbb, as it was known here",
        ),
        (
            "messages/not_stopped",
            MESSAGES["not_stopped"],
            "Stop <https://ci/1|the run> at the CI provider",
        ),
        (
            "messages/no_channel",
            {"title": "x", "deployment": "x-1", "channel": ""},
            "(x-1): no channel is configured for it, so it is here.",
        ),
        (
            "messages/step_done",
            {
                **FACTS,
                "step": "canary-5",
                "percent": 5,
                "url": "",
                "seconds": 41.2,
                "stages": STAGES,
                "unread": "",
            },
            "5 % is deployed, in 41 s: build 12 s · migrate skipped.",
        ),
        (
            "messages/step_done",
            {
                **FACTS,
                "step": "canary-5",
                "percent": 5,
                "url": "",
                "seconds": 0.2,
                "stages": [],
                "unread": "report.xml is not there",
            },
            "5 % is deployed. Evidence is missing: report.xml is not there",
        ),
        (
            "messages/degraded",
            {
                **MESSAGES["degraded"],
                "until": "",
                "card_url": "https://t1.slack.com/archives/C1/p1",
            },
            (
                "until the lead decides, here or on <https://t1.slack.com/archives/C1/p1|the "
                "card>, or the numbers recover."
            ),
        ),
        (
            "messages/degraded",
            {**MESSAGES["degraded"], "until": ""},
            (
                "The rollout stands still until the lead decides, here or on the "
                "card, or the numbers recover."
            ),
        ),
        (
            "answers/incident",
            {"incident": "abc", "verb": "stop_countdown"},
            '"stop countdown" was not carried out',
        ),
        (
            "messages/acknowledge_request",
            {**FACTS, "until": AT},
            "You are on call for storefront until 2026-11-21 10:02 UTC. <@UANA> asked",
        ),
        (
            "answers/check",
            {**CHECK, "approvals": []},
            (
                "not ready, 1 of 1 gate open\nv1.2.0 is the tag v1.2.0, commit ccccccc\n○ "
                "tests green: red · qa can"
            ),
        ),
        (
            "answers/check",
            {**CHECK, "ready": True, "tally": tally(0, 1), "approvals": []},
            "→ production*: ready, the gate holds\n",
        ),
    ],
)
def test_what_is_said(template: str, facts: dict[str, Any], says: str) -> None:
    assert says in say(template, facts)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, "○ v1.2.0 (storefront-42) not ready: 2 of 5 gates open, lead <@UBO>"),
        (
            {"lead": "", "tally": Tally(1, 1, 1)},
            "○ v1.2.0 (storefront-42) not ready: 1 of 1 required gate open",
        ),
        ({"tally": Tally(0, 5, 0)}, "○ v1.2.0 (storefront-42) ready, about to go on, lead"),
        ({"tally": None}, "○ v1.2.0 (storefront-42) checking whether it is ready, lead"),
        ({"state": "requested"}, "○ v1.2.0 (storefront-42) looking it up, lead"),
        ({"state": "queued"}, "○ v1.2.0 (storefront-42) queued, lead"),
        (
            {"state": "queued", "behind": "storefront-41"},
            "○ v1.2.0 (storefront-42) queued behind storefront-41, lead",
        ),
        ({"state": "awaiting approval"}, "○ v1.2.0 (storefront-42) waiting for approval, lead"),
        ({"state": "rolling out", "percent": 0}, "▶ v1.2.0 (storefront-42) rolling out, lead"),
        ({"state": "rolling out"}, "▶ v1.2.0 (storefront-42) rolling out, 25 % so far, lead"),
        (
            {"state": "rolling out", "keeps": "shop is locked: fire"},
            "▶ v1.2.0 (storefront-42) stands still at 25 %: shop is locked: fire, lead",
        ),
        (
            {"state": "rolling out", "is_degraded": True},
            "▶ v1.2.0 (storefront-42) *DEGRADED* at 25 %, waiting until the lead decides, lead",
        ),
        (
            {"state": "rolling out", "is_degraded": True, "countdown_until": SOON},
            (
                "▶ v1.2.0 (storefront-42) *DEGRADED* at 25 %, rolling back by "
                "itself at 10:02:45 UTC, lead"
            ),
        ),
        (
            {"state": "rolling out", "is_degraded": True, "countdown_until": AT},
            "▶ v1.2.0 (storefront-42) *DEGRADED* at 25 %, rolling back by itself now, lead",
        ),
        (
            {"state": "rolling out", "is_blind": True, "waits_for_word": True},
            "▶ v1.2.0 (storefront-42) *NO DATA* at 25 %, waiting until the lead decides, lead",
        ),
        (
            {"state": "rolling out", "is_blind": True},
            "▶ v1.2.0 (storefront-42) *NO DATA* at 25 %, lead",
        ),
        ({"state": "watching"}, "▶ v1.2.0 (storefront-42) live, being watched, lead"),
        (
            {"state": "watching", "is_degraded": True},
            "▶ v1.2.0 (storefront-42) live, but *DEGRADED*, waiting until the lead decides, lead",
        ),
        (
            {"state": "watching", "is_blind": True},
            "▶ v1.2.0 (storefront-42) live, *NO DATA* to judge it by, lead",
        ),
        ({"state": "rolling back"}, "▶ v1.2.0 (storefront-42) *ROLLING BACK*, lead"),
        (
            {"state": "rolling out", "late": 100, "late_since": AT},
            (
                "▶ v1.2.0 (storefront-42) rolling out, 25 % so far; its run of 100 % takes longer "
                "than it should: it began at 10:02 UTC, lead"
            ),
        ),
        (
            {
                "state": "rolling out",
                "percent": 0,
                "late": 5,
                "late_since": AT,
                "is_smoke_late": True,
            },
            (
                "▶ v1.2.0 (storefront-42) rolling out; its smoke test of 5 % takes longer than it "
                "should: it began at 10:02 UTC, lead"
            ),
        ),
        (
            {"state": "rolling out", "version": "v1.1.0", "undoes": "storefront-41"},
            "▶ v1.1.0 (storefront-42) the rollback of storefront-41, lead",
        ),
    ],
)
def test_the_board_says_where_a_deployment_stands_as_its_card_does(
    changes: dict[str, Any], says: str
) -> None:
    stands = replace(STANDING, **changes)
    assert f"   {says}" in say(
        "answers/status", {"service": "", "rows": [{**ROW, "open": [asdict(stands)]}]}
    )
    assert f"\n{says}" in say(
        "home/row", {"row": BoardRow("storefront", "production", None, (stands,))}
    )


NAMES = {"T1/UANA": "ana", "T1/UBO": "bo", "T1/UCY": "cy"}


@pytest.mark.parametrize(
    ("action", "by", "facts", "says"),
    [
        ("deploy", "T1/UANA", {"reason": ""}, "asked for by ana"),
        ("deploy", "T1/UANA", {"reason": "ask <!here>"}, "asked for by ana: ask &lt;!here&gt;"),
        (
            "pinned",
            "/gonogo",
            {"version": "v1.2.0", "pinned": "c" * 40},
            "v1.2.0 looked up: commit ccccccc",
        ),
        (
            "pinned",
            "/gonogo",
            {
                "version": "v1",
                "pinned": "c" * 40,
                "took": {
                    "version": "v1",
                    "kind": "tag",
                    "name": "v1",
                    "latest": "",
                    "also": "branch",
                    "moved_from": "",
                },
            },
            (
                "v1 looked up: commit ccccccc (v1 is a tag and a branch; the tag is "
                "meant, the branch is heads/v1)"
            ),
        ),
        (
            "deploy",
            "T1/UANA",
            {
                "reason": "",
                "took": {
                    "version": "v2",
                    "kind": "tag",
                    "name": "v2",
                    "latest": "release",
                    "also": "",
                    "moved_from": "",
                },
            },
            "asked for by ana (latest is v2, the newest release)",
        ),
        (
            "lead",
            "/gonogo",
            {"to": "T1/UBO", "because": "rota"},
            "bo became the lead, being on call",
        ),
        ("lead", "T1/UBO", {"to": "T1/UBO", "reason": "lunch"}, "lead taken over by bo: lunch"),
        ("lead", "T1/UANA", {"to": "T1/UBO", "reason": ""}, "lead given to bo by ana"),
        (
            "tick",
            "T1/UDI",
            {"keys": ["item:support-briefed", "item:docs"], "taken_back": []},
            "ticked by UDI: Support is briefed, docs",
        ),
        ("tick", "T1/UCY", {"keys": [], "taken_back": ["item:docs"]}, "taken back by cy: docs"),
        (
            "tick",
            "T1/UCY",
            {"keys": ["item:gone"], "taken_back": ["item:support-briefed"]},
            "ticked by cy: gone; taken back by cy: Support is briefed",
        ),
        ("acknowledge", "T1/UBO", {"keys": ["on-call:T1/UBO"]}, "acknowledged by bo, on call"),
        ("approve", "T1/UCY", {"roles": ["release_manager"]}, "approved by cy (release manager)"),
        ("go", "/gonogo", {"base": ""}, "ready and approved, the rollout began"),
        ("started", "/gonogo", {"step": "canary-5", "run": "7"}, "canary 5 % began"),
        ("smoke", "/gonogo", {"step": "canary-5", "run": "7"}, "smoke test of canary 5 % began"),
        (
            "step done",
            "/gonogo",
            {"step": "canary-5", "verdict": "healthy"},
            "canary 5 % done: healthy",
        ),
        (
            "open_gate",
            "T1/UBO",
            {"stage": "release", "step": "canary-5"},
            "the pipeline let go on with release by bo",
        ),
        (
            "gate_not_opened",
            "/gonogo",
            {"stage": "release", "why": "was open"},
            "the gate before release was not opened from here: was open",
        ),
        ("retest", "T1/UBO", {}, "tests run again, asked for by bo"),
        ("landed", "/gonogo", {}, "live everywhere"),
        ("verified", "/gonogo", {"verdict": "healthy"}, "verified: healthy"),
        (
            "degraded",
            "/gonogo",
            {"where": "canary-25", "why": "errors 17.9 %"},
            "found degraded at canary 25 %: errors 17.9 %",
        ),
        (
            "degraded",
            "/gonogo",
            {"where": "watch", "why": "errors 17.9 %"},
            "found degraded at the watch: errors 17.9 %",
        ),
        ("countdown", "/gonogo", {"where": "watch"}, "countdown to the rollback began"),
        (
            "countdown off",
            "/gonogo",
            {"why": "v1 is quarantined"},
            "the countdown was called off: v1 is quarantined",
        ),
        (
            "recovered",
            "/gonogo",
            {"counted": True},
            "the numbers recovered, the countdown was called off",
        ),
        ("recovered", "/gonogo", {"counted": False}, "the numbers recovered"),
        ("stop_countdown", "T1/UBO", {"reason": "known"}, "countdown stopped by bo: known"),
        (
            "say_why",
            "T1/UBO",
            {"reason": "carts are lost", "deed": "rollback"},
            "why it was rolled back, by bo: carts are lost",
        ),
        (
            "say_why",
            "T1/UBO",
            {"reason": "carts are lost", "deed": "stop"},
            "why it was stopped, by bo: carts are lost",
        ),
        (
            "say_why",
            "T1/UBO",
            {"reason": "carts are lost", "deed": "give up"},
            "why its rollback was given up, by bo: carts are lost",
        ),
        ("proceed", "T1/UBO", {"reason": "known"}, "let go on by bo: known"),
        ("watch", "T1/UBO", {}, "watched by bo"),
        ("ask_lead", "T1/UCY", {}, "the lead asked to look by cy"),
        ("lost", "/gonogo", {"step": "canary-5"}, "the run of canary 5 % was lost"),
        (
            "smoke failed",
            "/gonogo",
            {"step": "canary-5", "why": "500"},
            "smoke test of canary 5 % failed: 500",
        ),
        (
            "step failed",
            "/gonogo",
            {"step": "canary-5", "why": "exit 1"},
            "canary 5 % failed: exit 1",
        ),
        ("looked after", "/gonogo", {"verdict": "healthy"}, "looked at afterwards: healthy"),
        ("blind", "/gonogo", {"where": "canary-25"}, "no data to judge canary 25 % by"),
        (
            "thin",
            "/gonogo",
            {"where": "canary-25"},
            "too little traffic to tell how canary 25 % does",
        ),
        (
            "accepted",
            "/gonogo",
            {"accepted": "too little traffic", "verdict": "not enough traffic"},
            "accepted (too little traffic), not verified: not enough traffic",
        ),
        (
            "quarantined",
            "/gonogo",
            {"why": "it was rolled back"},
            "the version was quarantined elsewhere: it was rolled back",
        ),
        (
            "quarantined",
            "T1/UCY",
            {"how": "rollback"},
            "the version was quarantined with its rollback",
        ),
        ("quarantined", "/gonogo", {"how": "stop"}, "the version was quarantined with its stop"),
        (
            "recounted",
            "/gonogo",
            {"of": "T1/UCY", "why": "gone"},
            "the approval of cy did not count any more: gone",
        ),
        (
            "waits again",
            "/gonogo",
            {},
            "nothing of it had begun in time, so it waits for its gates and approvals again",
        ),
        ("recounted", "/gonogo", {"of": "T1/UCY", "why": ""}, "the approval of cy counted again"),
        (
            "given up",
            "/gonogo",
            {"step": "canary-5", "run": "7"},
            "the run of canary 5 % was started, and given up at once",
        ),
        (
            "given up run ended",
            "/gonogo",
            {"run": "7", "step": "canary-5", "state": "cancelled"},
            "the run of canary 5 % that was cut off has ended: cancelled",
        ),
        (
            "given up run untold",
            "/gonogo",
            {"run": "7", "step": "canary-5", "why": "401"},
            "what became of the run of canary 5 % that was cut off was not told: 401",
        ),
        (
            "not started",
            "/gonogo",
            {"step": "canary-5"},
            "canary 5 % had not been started when it was stopped",
        ),
        (
            "degraded",
            "/gonogo",
            {
                "where": "canary-25",
                "why": "errors 10 %",
                "times": 4,
                "until": AT,
                "at_last": "errors 12 %",
            },
            (
                "found degraded at canary 25 % (4 times until 10:02:00 UTC): errors "
                "10 %; at last: errors 12 %"
            ),
        ),
        (
            "degraded",
            "/gonogo",
            {"where": "canary-25", "why": "errors 10 %"},
            "found degraded at canary 25 %: errors 10 %",
        ),
        (
            "blind",
            "/gonogo",
            {"where": "watch", "times": 2, "until": AT},
            "no data to judge the watch by (2 times until 10:02:00 UTC)",
        ),
        ("stuck", "/gonogo", {"why": "no answer"}, "stood still: no answer"),
        ("rollback", "/gonogo", {"reason": "errors"}, "rollback began by itself: errors"),
        ("rollback", "T1/UBO", {"reason": ""}, "rollback asked for by bo"),
        (
            "not stopped",
            "/gonogo",
            {"step": "canary-5", "why": "403"},
            "the run of canary 5 % could not be stopped: 403",
        ),
        ("hangs", "/gonogo", {"rollback": "shop-3"}, "the rollback took longer than it should"),
        ("rollback failed", "/gonogo", {"why": "exit 1"}, "the rollback failed: exit 1"),
        ("rolled back", "T1/UBO", {"to": "c" * 40}, "the version before was back"),
        ("something_new", "T1/UBO", {}, "something new, bo"),
    ],
)
def test_what_happened_is_told_in_words_of_people(
    action: str, by: str, facts: dict[str, Any], says: str
) -> None:
    entry = {"at": AT, "action": action, "by": by, "facts": facts, "left_out": 0}
    said = say(
        "messages/retrospective", {**MESSAGES["retrospective"], "timeline": [entry], "names": NAMES}
    )
    assert said.endswith(f"*Timeline*\n10:02:00 UTC {says}")


@pytest.mark.case("card-and-people-11")
@pytest.mark.parametrize("template", sorted(speech.ASKS))
@pytest.mark.parametrize("more", [{}, {"until": ""}, {"step": "rollback"}, {"lead": ""}])
def test_what_has_ended_asks_nothing_any_more(template: str, more: dict[str, Any]) -> None:
    over = say(
        f"messages/{template}",
        {**MESSAGES[template], **more, "end": "It was rolled back to v1.1.0 by <@UBO>."},
    )
    assert "It was rolled back to v1.1.0 by <@UBO>." in over
    assert [
        word
        for word in (
            "please",
            "decides",
            "rolls back",
            "can roll",
            "asked again",
            "Somebody has to",
        )
        if word in over
    ] == []


ROOT = Path(__file__).parents[2]
BEFORE_ANYTHING_WAS_TOUCHED = {"impossible", "cancel", "reject", "expired"}
"""What ends a deployment that is never rolled back, and so has no retrospective."""


def test_everything_that_is_written_down_has_words() -> None:
    told = set(
        re.findall(
            r'entry\.action == "([^"]+)"',
            (ROOT / "templates" / "slack" / "parts.md.j2").read_text(),
        )
    )
    assert set(get_args(Audited)) - BEFORE_ANYTHING_WAS_TOUCHED == told


def test_a_very_long_answer_ends_early_and_says_so() -> None:
    drawn = speech.answer(Answer("locks", {"locks": [{**LOCK, "reason": "x" * 250}] * 200}), WORDS)
    assert sum(len(block["text"]["text"]) for block in drawn.blocks) < 13_000
    assert drawn.blocks[-1]["text"]["text"].endswith("… the rest does not fit here.")


def test_what_is_missing_is_an_error_and_never_an_empty_word() -> None:
    with pytest.raises(UndefinedError):
        WORDS.text("answers/locked", {})


# A team's own templates -------------------------------------------------------------------------


def own(folder: Path, text: str) -> Words:
    (folder / "answers").mkdir()
    (folder / "answers" / "refusal.md.j2").write_text(text)
    return Words(folder, now=lambda: NOW)


def test_a_team_can_write_one_block_of_a_template_anew_and_leave_the_others_to_us(
    tmp_path: Path,
) -> None:
    (tmp_path / "verbs").mkdir()
    (tmp_path / "verbs" / "reject.md.j2").write_text("{% block label %}Nein…{% endblock %}")
    words = Words(tmp_path, now=lambda: NOW)
    words.examine()
    assert words.plain_line("verbs/reject#label", {}, 75) == "Nein…"
    assert words.plain_line("verbs/reject#ask", {}, 75) == "Why not?"
    assert words.problem == ""


def test_a_block_of_a_team_that_fails_keeps_no_button_back(tmp_path: Path) -> None:
    (tmp_path / "verbs").mkdir()
    (tmp_path / "verbs" / "reject.md.j2").write_text(
        "{% block label %}{{ nobody.knows }}{% endblock %}"
    )
    words = Words(tmp_path, now=lambda: NOW)
    assert words.plain_line("verbs/reject#label", {}, 75) == "Reject…"
    assert words.problem.startswith("verbs/reject.md.j2 of GONOGO_TEMPLATES: UndefinedError")


@pytest.mark.parametrize("action", Action)
def test_each_button_has_its_words(action: Action) -> None:
    assert WORDS.has(f"verbs/{action}", "label")
    blocks = {name: WORDS.has(f"verbs/{action}", name) for name in ("question", "yes", "no")}
    assert blocks["question"] == blocks["no"], "what asks again says what both answers do"
    assert blocks["yes"] >= blocks["question"]


def test_a_team_can_say_it_in_its_own_words(tmp_path: Path) -> None:
    words = own(tmp_path, "Leider nein: {{ sentence }}")
    assert (
        words.text("answers/refusal", {"sentence": "<!channel>"}) == "Leider nein: &lt;!channel&gt;"
    )
    assert words.text("answers/locks", {"locks": []}) == WORDS.text("answers/locks", {"locks": []})
    assert words.problem == ""


@pytest.mark.parametrize(
    "escape", ["{{ sentence | safe }}", "{{ sentence | e }}", "{{ sentence | tojson }}"]
)
def test_no_template_can_leave_the_escaping(tmp_path: Path, escape: str) -> None:
    words = own(tmp_path, escape)
    assert words.text("answers/refusal", {"sentence": "<!channel>"}) == "&lt;!channel&gt;"
    assert words.problem.startswith(
        "answers/refusal.md.j2 of GONOGO_TEMPLATES: TemplateAssertionError: "
    )


@pytest.mark.parametrize(
    "attack",
    ["{{ ''.__class__.__mro__ }}", "{{ facts.clear() }}", "{{ facts.__init__.__globals__ }}"],
)
def test_templates_run_in_the_sandbox(tmp_path: Path, attack: str) -> None:
    words = own(tmp_path, attack)
    assert words.text("answers/refusal", {"facts": {"a": 1}, "sentence": "No."}) == "No."
    assert "SecurityError" in words.problem or "UndefinedError" in words.problem


@pytest.mark.case("adoption-8")
def test_a_template_of_the_teams_own_that_cannot_be_filled_keeps_no_message_back(
    tmp_path: Path,
) -> None:
    words = own(tmp_path, "{{ facts.sentnce.upper() }}")
    words.examine()
    assert words.text("answers/refusal", {"facts": {}, "sentence": "No."}) == "No."
    assert words.problem.endswith("has no attribute 'sentnce'. Ours is used.")
    assert words.text("answers/refusal", {"facts": {"sentnce": "no"}, "sentence": "No."}) == "NO"
    assert words.problem == ""


# Filters ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("who", "shown"),
    [
        (Person("T1", "UANA"), "<@UANA>"), ("T1/UANA", "<@UANA>"),
        (GONOGO, "Go/No-Go"), ("/gonogo", "Go/No-Go"), ("", "nobody"),
        (None, "nobody"), ("terminal/ana", "ana"), ("T1/U1> <!channel", "U1&gt; &lt;!channel"),
    ],
)  # fmt: skip
def test_people_are_mentioned_by_id_only(who: Any, shown: str) -> None:
    assert filters.mention(who) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 s"),
        (41.4, "41 s"),
        (60, "1 min"),
        (372, "6 min 12 s"),
        (3600, "1 h"),
        (3605, "1 h"),
        (19 * 3600, "19 h"),
        (187_200, "2 d 4 h"),
        (-5, "0 s"),
    ],
)
def test_durations_have_two_units_at_most(seconds: float, shown: str) -> None:
    assert filters.duration(seconds) == shown
    assert filters.duration(timedelta(seconds=seconds)) == shown


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (0.029, "%", "2.9 %"),
        (0.0028, "%", "0.28 %"),
        (0.03, "%", "3 %"),
        (0, "%", "0 %"),
        (212.4, "ms", "212 ms"),
        (1870, "", "1,870"),
        (None, "ms", "no data"),
        (0.0004, "s", "0.0004 s"),
    ],
)
def test_metrics_are_shown_in_their_unit(value: float | None, unit: str, shown: str) -> None:
    assert filters.metric(value, unit) == shown


@pytest.mark.parametrize(
    ("values", "baseline", "shown"),
    [
        ([], None, ""),
        ([1], None, ""),
        ([0, 0], None, "▁▁"),
        ([0, 1], None, "▁█"),
        ([1, 2, 4], None, "▁▃█"),
        (range(99), 87, "▁▁▁▁▁▁▁▂▂▂▂▂"),
        ([36.8, 36.8, 36.8], 36.3, "▁▁▁"),
        ([0.002, 0.03, 0.03], 0.002, "▁██"),
        ([0.003, 0.004], 0.002, "▅█"),
        ([200, 100, 0], 200, "▁▅█"),
        ([5, 5], 0, "██"),
        ([0, 0], 0, "▁▁"),
    ],
)
def test_a_bar_is_as_high_as_its_value_is_far_from_the_baseline(
    values: Any, baseline: float | None, shown: str
) -> None:
    assert filters.spark(values, baseline) == shown


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://a.example.org/?x=1&y=2", "<https://a.example.org/?x=1&amp;y=2|di/ff>"),
        ("javascript:alert(1)", "di|ff"), ("", "di|ff"), ("https://a.example.org/|>", "di|ff"),
    ],
)  # fmt: skip
def test_only_web_addresses_become_links(url: str, shown: str) -> None:
    assert filters.link("di|ff", url) == shown


def test_times_are_local_to_the_reader() -> None:
    assert filters.when(NOW) == "<!date^1795255320^{date_short_pretty} {time}|2026-11-21 10:02 UTC>"
    assert filters.clock("2026-11-21T11:02:00+01:00") == "<!date^1795255320^{time}|10:02 UTC>"


@pytest.mark.parametrize(
    ("gone", "shown"),
    [(5, "just now"), (90, "2 min ago"), (3 * 3600, "3 h ago"), (3 * 86400 + 4000, "3 d ago")],
)
def test_how_long_ago(gone: int, shown: str) -> None:
    lock = {**LOCK, "at": (NOW - timedelta(seconds=gone)).isoformat()}
    assert shown in say("answers/locks", {"locks": [lock]})


def test_lists_read_as_sentences() -> None:
    assert filters.listed(["ana"]) == "ana"
    assert filters.listed(["ana", "b<o", "cy"]) == "ana, b&lt;o and cy"
    assert filters.listed(range(9)) == "0, 1, 2, 3, 4 and 4 more"
    assert filters.listed([]) == ""


def test_a_refusal_may_name_people_but_never_a_channel() -> None:
    assert (
        filters.sentence("Only <@U1> can. <!channel> <@U2|x>")
        == "Only <@U1> can. &lt;!channel&gt; &lt;@U2|x&gt;"
    )
    long = filters.note("ask <@U2>" + " why" * 100)
    assert long == "ask &lt;@U2&gt;" + " why" * 100, "it is longer than a value, and calls nobody"


def test_no_row_of_buttons_has_an_action_twice() -> None:
    locks = tuple(
        Offer(Action.UNLOCK, f"Take away the lock of shop-{number}", f"shop-{number}")
        for number in (1, 2)
    )
    blocks = speech.answer(Answer("refusal", {"sentence": "It has 2 locks."}, locks), WORDS).blocks
    rows = [block["elements"] for block in blocks if block["type"] == "actions"]
    assert [len({each["action_id"] for each in row}) == len(row) for row in rows] == [True, True]
    assert len({block["block_id"] for block in blocks if block["type"] == "actions"}) == 2


QUARANTINED = (
    "what was right in this one can come as a new commit, or the quarantine is lifted: /deploy "
    "unquarantine shop v2@3f2a91c because TEXT."
)


@pytest.mark.parametrize(
    ("text", "longest", "shown"),
    [
        ("short; see there", 140, "short; see there"),
        (
            "x" * 200 + "; if it hangs, end it at the CI provider",
            140,
            "x" * 99 + "…; if it hangs, end it at the CI provider",
        ),
        (
            "x" * 200 + f"; {QUARANTINED}",
            200,
            "x" * (200 - len(QUARANTINED) - 3) + f"…; {QUARANTINED}",
        ),
        ("x" * 600 + "; end it at the CI provider", 40, "x" * 39 + "…; end it at the CI provider"),
        ("x" * 200, 20, "x" * 19 + "…"),
        ("x; " + "y" * 200, 20, "x; " + "y" * 16 + "…"),
    ],
    ids=[
        "short",
        "long",
        "what lifts a quarantine",
        "very long",
        "without help",
        "no help that a person wrote",
    ],
)
def test_what_helps_is_never_cut(text: str, longest: int, shown: str) -> None:
    assert cut_before_help(text, longest) == shown
