"""The last sentence to each person: what somebody was told is so until they are told something
else, or somebody has changed it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bot.ports.talk import Answer, Intent
from tests.services.held import COMMITS

Rows = Callable[..., list[Any]]


@dataclass(frozen=True, slots=True)
class Sentence:
    """An answer as somebody read it: who, what, about what, and the
    newest entry of the log then.
    """

    by: str
    name: str
    facts: Any
    command: Any
    entry: int


@dataclass(eq=False)
class Told:
    """The newest sentence to each person; ``rows`` asks the file."""

    rows: Rows
    newest: dict[str, Sentence] = field(default_factory=dict)

    def hears(self, intent: Intent, answer: Answer, entry: int) -> None:
        """Somebody has read an answer."""
        self.newest[str(intent.by)] = Sentence(
            str(intent.by), answer.name, answer.facts, intent.command, entry
        )

    def all_hold(self) -> None:
        """Ask whether each person's last sentence is so."""
        for sentence in self.newest.values():
            holds = getattr(self, f"_{sentence.name}", None)
            if holds is not None:
                holds(sentence)

    def _since(
        self, sentence: Sentence, *actions: str, by: str = "%", about: str = "%"
    ) -> list[int]:
        """Give the numbers of the entries that could have ended what a sentence says."""
        held = ", ".join("?" * len(actions))
        question = (
            "select n from audit where n > ? and outcome = 'done' and actor like ? and deployment "  # noqa: S608 - question marks
            f"like ? and action in ({held})"
        )
        return [row["n"] for row in self.rows(question, sentence.entry, by, about, *actions)]

    def _state(self, subject: str) -> str:
        return str(self.rows("select state from deployment where id = ?", subject)[0]["state"])

    def _locked(self, told: Sentence) -> None:
        held = self.rows("select * from lock where deployment = ''")
        assert held or self._since(told, "unlock"), f"{told.by} was told that it is locked"

    def _unlocked(self, told: Sentence) -> None:
        held = self.rows("select * from lock")
        assert not held or told.facts["still"] or self._since(told, "lock", "rolled back"), (
            f"{told.by} was told that nothing is locked"
        )

    def _approved(self, told: Sentence) -> None:
        given = self.rows(
            'select * from decision where deployment = ? and "by" = ? and approved',
            told.facts["id"],
            told.by,
        )
        assert given, f"{told.by} was told that {told.facts['id']} is approved"

    def _ticked(self, told: Sentence) -> None:
        subject = told.facts["id"]
        mark = self.rows(
            "select * from mark where deployment = ? and key = 'item:support'", subject
        )
        said = "support" in told.command.items, "support" in told.command.before
        same = said[0] == said[1] or bool(mark) == said[0]
        assert same or self._since(told, "tick", about=subject), (
            f"{told.by} was told that {subject} is ticked: {said}"
        )

    def _cancelled(self, told: Sentence) -> None:
        assert self._state(told.facts["id"]) == "cancelled", (
            f"{told.by} was told that {told.facts['id']} is cancelled"
        )

    def _rejected(self, told: Sentence) -> None:
        assert self._state(told.facts["id"]) == "rejected", (
            f"{told.by} was told that {told.facts['id']} is rejected"
        )

    def _rolling_back(self, told: Sentence) -> None:
        subject = told.facts["id"]
        assert self._state(subject) in {"rolling back", "rolled back", "failed"}, (
            f"{told.by} was told that {subject} is rolled back"
        )
        newest = self.rows(
            'select "commit" from deployment where undoes = ? order by number desc limit 1', subject
        )
        again = self._since(told, "rollback", about=subject)
        assert again or newest[0]["commit"] == COMMITS[told.facts["target"]], (
            f"{told.by} was told that {told.facts['target']} comes back"
        )

    def _lead(self, told: Sentence) -> None:
        now = self.rows("select lead from deployment where id = ?", told.facts["id"])[0]["lead"]
        assert now == told.facts["lead"] or self._since(told, "lead", about=told.facts["id"]), (
            f"{told.by} was told who leads"
        )

    _taken_over = _lead

    def _proceeding(self, told: Sentence) -> None:
        """What was let go on does not go back by rule, unless something else was found."""
        subject = told.facts["id"]
        by_rule = self._since(told, "rollback", by="/gonogo", about=subject)
        assert not by_rule or self._since(told, "degraded", "smoke failed", about=subject), (
            f"{told.by} let {subject} go on"
        )

    def _countdown_stopped(self, told: Sentence) -> None:
        subject = told.facts["id"]
        running = self.rows(
            "select id from deployment where id = ? and countdown_until is not null", subject
        )
        assert not running or self._since(told, "degraded", about=subject), (
            f"{told.by} was told that no countdown runs for {subject}"
        )

    def _said_live(self, told: Sentence) -> None:
        live = self.rows("select * from live")[0]["commit"]
        later = self._since(told, "landed", "rolled back", "live")
        assert live == COMMITS[told.facts["version"]] or later, (
            f"{told.by} was told that {told.facts['version']} is live"
        )
