"""What must hold after every step, asked of the database file itself, at the very moment, past
everything that is tested.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bot.domain.commands import Command, RollBack
from bot.ports.ci import StartRequest
from bot.ports.talk import Answer, Intent
from tests.services.held import COMMITS, HeldCI
from tests.services.told import Told

ENDED_BY = {
    "rollback": {"started", "smoke", "step done", "landed", "verified", "accepted", "go"},
    "cancel": {"go", "started", "landed"},
    "reject": {"go", "started", "landed"},
    "expired": {"go", "started", "landed"},
}
"""What cannot be written down after each of these, about the same deployment."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A button as somebody saw it: what it carries, and what it was about."""

    action: str
    deployment: str
    token: str
    target: str = ""
    base: str = ""
    finding: str = ""


@dataclass(eq=False)
class Promises:
    """The invariants. ``rows`` asks the file, which shows what is committed at this moment."""

    file: sqlite3.Connection
    ci: HeldCI
    shown: dict[str, Shown] = field(default_factory=dict)
    """What each command that was clicked had been shown, by the command's key."""
    although: set[str] = field(default_factory=set)
    """Who was rolled back on a lead's word, although nobody knew what lay between."""
    begun_at: dict[str, int] = field(default_factory=dict)
    """The newest audit entry when each command was said."""
    approvals: int = 1
    """How many approvals a deployment needs."""
    states: dict[str, str] = field(default_factory=dict)
    """Where every deployment stood at the last commit."""
    told: Told = field(init=False)

    def __post_init__(self) -> None:
        self.told = Told(self.rows)

    def rows(self, question: str, *about: object) -> list[Any]:
        """Ask the file."""
        return self.file.execute(question, about).fetchall()

    def one(self, question: str, *about: object) -> Any:
        """Ask the file for one row, or None."""
        found = self.rows(question, *about)
        return found[0] if found else None

    def due_runs(self, now: datetime) -> set[str]:
        """Name the runs that are due."""
        return {
            row["id"]
            for row in self.rows(
                "select id from runbook where state = 'waiting' and wake_at <= ?",
                f"{now:%Y-%m-%d %H:%M:%S.%f}",
            )
        }

    def finding(self, subject: str) -> str:
        """Name what is the matter with a deployment, as its buttons do."""
        found = self.one("select body from page where deployment = ? and kind = 'trouble'", subject)
        trouble = json.loads(found["body"]) if found else None
        return f"{trouble['number']} {trouble['where']} {len(trouble['bad'])}" if trouble else ""

    def newest_entry(self) -> int:
        """Give the number of the newest audit entry."""
        return int(self.one("select coalesce(max(n), 0) n from audit")["n"])

    # The moment of a call -----------------------------------------------------------------------

    def starting(self, request: StartRequest) -> None:
        """A run is being started: whoever starts it has the place's newest permit, and
        nothing keeps it from going.
        """
        subject, where = request.inputs["deployment"], request.environment
        holder = self.one("select deployment d from claim where environment = ?", where)
        assert holder is not None, f"{request.correlation} is started without the claim"
        assert holder["d"] == subject, (
            f"{request.correlation} is started, but {holder['d']} has the place"
        )
        found = self.one("select * from deployment where id = ?", subject)
        assert found["state"] == "rolling out", (
            f"{request.correlation} is started, but {subject} is {found['state']}"
        )
        if request.action == "rollback":
            self._goes_back(found)
        else:
            self._goes_forward(found, request)

    def _goes_back(self, back: Any) -> None:
        undone = back["undoes"]
        if undone not in self.although:
            assert not self.ci.lies_between(back["commit"], back["base_commit"]), (
                f"{back['id']} goes back over the migration"
            )
        assert self.rows(
            "select n from audit where action = 'rollback' and deployment = ?", undone
        ), "it is written down first"

    def _goes_forward(self, found: Any, request: StartRequest) -> None:
        subject = found["id"]
        assert not self.rows("select * from lock where environment = ?", found["environment"]), (
            f"{subject} goes forward while locked"
        )
        assert not self.rows('select * from quarantine where "commit" = ?', found["commit"]), (
            f"{subject} goes forward in quarantine"
        )
        strays = self.rows(
            "select run from stray where environment = ? and deployment != ?",
            found["environment"],
            subject,
        )
        assert not strays, f"{subject} goes forward while nobody knows what {strays[0]['run']} does"
        steps = self.rows("select run from step where deployment = ? and run != ''", subject)
        if not steps and request.correlation not in self.ci.runs:
            self._first_step(found)

    def _first_step(self, found: Any) -> None:
        subject, base = found["id"], found["base_commit"]
        live = self.one("select * from live where environment = ?", found["environment"])
        assert live["commit"] == base, (
            f"{subject} was approved over {base[0]}, and {live['commit'][0]} is live"
        )
        if found["commit"] < base:
            assert not self.ci.lies_between(found["commit"], base), (
                f"{subject} goes forward to before the migration"
            )
        assert self.rows("select n from audit where action = 'go' and deployment = ?", subject), (
            f"{subject} starts before it is written that it goes"
        )

    # The moment of a commit ---------------------------------------------------------------------

    def committed(self) -> None:
        """Something has been decided: at this very moment everything that it needs was so."""
        known = self.states
        self.states = {
            row["id"]: row["state"] for row in self.rows("select id, state from deployment")
        }
        for row in self.rows("select * from deployment"):
            before = known.get(row["id"])
            if row["kind"] == "forward" and before not in {None, row["state"]}:
                if row["state"] == "rolling out":
                    self._goes(row)
                    self._waits_for_watches(
                        row["id"], [other for other, state in known.items() if state == "watching"]
                    )
                if row["state"] in {"verified", "accepted"}:
                    self._ends_well(row)

    def _goes(self, found: Any) -> None:
        subject, base, where = found["id"], found["base_commit"], found["environment"]
        assert not self.rows("select * from lock where environment = ?", where), (
            f"{subject} goes while locked"
        )
        assert not self.rows('select * from quarantine where "commit" = ?', found["commit"]), (
            f"{subject} goes in quarantine"
        )
        assert not self.rows("select * from stray"), f"{subject} goes while it is unclear what runs"
        assert not self._doubts(found), f"{subject} goes while it is unclear what runs"
        assert self.rows("select * from claim where deployment = ?", subject), (
            f"{subject} goes without the claim"
        )
        assert self.one("select * from live")["commit"] == base, (
            f"{subject} goes over something else than was compared"
        )
        assert self.rows(
            "select * from mark where deployment = ? and key = 'item:support'", subject
        ), f"{subject} goes unticked"
        approved = self.rows(
            (
                'select distinct "by" from decision where deployment = ? and approved and "commit" '
                '= ? and base = ? and "by" != ?'
            ),
            subject, found["commit"], base, found["requested_by"],
        )  # fmt: skip
        assert len(approved) >= self.approvals, (
            f"{subject} goes over {base[0]} with {len(approved)} approvals of {self.approvals}"
        )
        assert found["commit"] >= base or not self.ci.lies_between(found["commit"], base), (
            f"{subject} goes back over the migration"
        )

    def _waits_for_watches(self, subject: str, watched: Sequence[str]) -> None:
        for other in watched:
            word = self.rows(
                "select * from mark where deployment = ? and key like ?",
                subject,
                f"go now:{other}:%",
            )
            assert word, f"{subject} goes while {other} is watched, and nobody has said so"

    def _doubts(self, found: Any) -> list[Any]:
        """Give the doubts about a place that a deployment is no answer to."""
        about = (
            "select * from place where unclear != '' and not (unclear = 'failed' and "
            "(deployment = ? or since < ?))"
        )
        return self.rows(about, found["id"], found["requested_at"])

    def _ends_well(self, found: Any) -> None:
        subject = found["id"]
        by_word = self.rows(
            "select * from mark where deployment = ? and key like 'proceed:%'", subject
        )
        bad = self.rows(
            'select * from quarantine where "commit" = ?', found["commit"]
        ) or self.rows("select * from stray")
        assert not bad or by_word, (
            f"{subject} is {found['state']}, in quarantine or while it is unclear what runs"
        )

    def lives_again(self) -> None:
        """A process knows what is stored, and nothing that an earlier one has seen."""
        for truth in self.ci.runs.values():
            truth.was_seen = False

    def cancelling(self, run: str) -> None:
        """A run is being stopped: that somebody wished it is written down already."""
        if run.startswith("test:"):
            return
        subject = run.partition(":")[0]
        wished = (
            "select n from audit where deployment = ? and action in ('rollback', "
            "'given up', 'not stopped')"
        )
        assert self.rows(wished, subject), f"{run} is stopped before it is written down why"

    # What somebody is told ----------------------------------------------------------------------

    def answered(self, intent: Intent, answer: Answer | None) -> None:
        """Somebody has read an answer: it is so."""
        if answer is None:
            return
        self.told.hears(intent, answer, self._entry_of(intent))
        holds = getattr(self, f"_{answer.name}", None)
        if holds is not None:
            holds(intent, answer, intent.command)

    def _entry_of(self, intent: Intent) -> int:
        """Give the number of the entry that a command wrote last; the newest
        before it where it wrote none.
        """
        since = self.begun_at[intent.key]
        found = self.one(
            "select max(n) n from audit where n > ? and actor = ?",
            since,
            f"{intent.by.team}/{intent.by.user}",
        )
        return int(found["n"] or since)

    def _did(self, intent: Intent, action: str, subject: str = "") -> bool:
        since = self.begun_at[intent.key]
        who = f"{intent.by.team}/{intent.by.user}"
        question = (
            "select n from audit where n > ? and actor = ? and action = ? and outcome = "
            "'done' and deployment like ?"
        )
        return bool(self.rows(question, since, who, action, subject or "%"))

    def _rolling_back(self, intent: Intent, answer: Answer, command: RollBack) -> None:
        subject = answer.facts["id"]
        assert self._did(intent, "rollback", subject), (
            f"{intent.by} was told that {subject} is rolled back"
        )
        if command.although_unknown:
            self.although.add(subject)
        shown = self.shown.get(intent.key)
        if shown is not None:
            target = COMMITS[answer.facts["target"]]
            assert target == shown.target, (
                f"{shown.target[0]} was shown, and {target[0]} comes back"
            )

    def _approved(self, intent: Intent, answer: Answer, _command: Command) -> None:
        shown = self.shown.get(intent.key)
        subject = answer.facts["id"]
        bases = [
            row["base"]
            for row in self.rows(
                'select base from decision where deployment = ? and "by" = ?',
                subject,
                str(intent.by),
            )
        ]
        assert shown is None or shown.base in bases, (
            f"{intent.by} saw what {subject} changes over {shown and shown.base}"
        )

    def _locked(self, intent: Intent, _answer: Answer, _command: Command) -> None:
        assert self._did(intent, "lock"), f"{intent.by} was told that it is locked"

    # After every step ---------------------------------------------------------------------------

    def all_hold(self) -> None:
        """Ask everything that must hold whenever the process has come to rest."""
        self._one_run_or_unclear()
        self._nothing_seen_is_forgotten()
        self.told.all_hold()
        self._leads_as_told()
        self._worse_is_said()
        self._written_in_order()

    def _one_run_or_unclear(self) -> None:
        going = [
            run
            for run, truth in self.ci.runs.items()
            if not truth.state.is_final and truth.request.action != "test"
        ]
        if len(going) < 2:
            return
        unclear = self.rows("select run from stray") or self.rows(
            "select why from place where unclear != ''"
        )
        stands_down = self.rows(
            "select id from deployment where kind = 'rollback' and state = 'rolling out'"
        ) and not [run for run in going if self.ci.runs[run].request.action == "rollback"]
        assert unclear or stands_down, (
            f"{' and '.join(going)} run at once, and it is shown as clear"
        )

    def _nothing_seen_is_forgotten(self) -> None:
        """A run that somebody of us has seen belongs to a step that is under way, is looked for, or
        is for people to look at.
        """
        followed = (
            "select run from step where json_extract(body, '$.state') in ('running', 'smoke') "
            "union select run from stray"
        )
        untold = (
            "select json_extract(facts, '$.run') run from audit where "
            "action = 'given up run untold'"
        )
        known = {row["run"] for row in self.rows(f"{followed} union {untold}")} - {""}
        for run, truth in self.ci.runs.items():
            ours = truth.was_seen and not truth.state.is_final and truth.request.action != "test"
            assert not ours or known & {run, truth.request.correlation}, (
                f"{run} was seen to run, and nobody knows of it any more"
            )

    def _leads_as_told(self) -> None:
        told: dict[str, str] = {}
        for body in self._said("lead_changed"):
            told[body["deployment"]] = body["facts"]["lead"]
        for subject, lead in told.items():
            now = self.one("select lead from deployment where id = ?", subject)["lead"]
            assert now == lead, f"it was said that {lead} leads {subject}, and {now} does"

    def _said(self, template: str) -> list[Any]:
        bodies = (
            json.loads(row["body"]) for row in self.rows("select body from outbox order by n")
        )
        return [body for body in bodies if body["template"] == template]

    def _worse_is_said(self) -> None:
        worst: dict[str, float] = {}
        for body in self._said("degraded"):
            worst[body["deployment"]] = _errors(body["facts"]["snapshot"]["findings"])
        for row in self.rows(
            "select id from deployment where state in ('rolling out', "
            "'watching') and kind = 'forward'"
        ):
            newest = self.one(
                (
                    "select * from snapshot where deployment = ? and label != 'baseline' "
                    "order by at desc limit 1"
                ),
                row["id"],
            )
            body = json.loads(newest["body"]) if newest else {}
            if body.get("verdict") == "degraded":
                now = _errors(body["findings"])
                assert now < 1.5 * worst.get(row["id"], 0.0), (
                    f"{row['id']} has {now} errors, and {worst.get(row['id'])} were said"
                )

    def _written_in_order(self) -> None:
        over: dict[str, set[str]] = {}
        for row in self.rows(
            "select action, deployment, outcome from audit where deployment != '' order by n"
        ):
            subject, action = row["deployment"], row["action"]
            if row["outcome"] != "done":
                continue
            assert action not in over.get(subject, ()), (
                f"{subject}: {action} is written down after its end"
            )
            over.setdefault(subject, set()).update(ENDED_BY.get(action, ()))


def _errors(findings: Sequence[Any]) -> float:
    return max((finding["current"] or 0.0 for finding in findings), default=0.0)


def opened(path: str) -> sqlite3.Connection:
    """Open the file beside the process that is tested, to read alone."""
    file = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
    file.row_factory = sqlite3.Row
    return file
