"""Whole stories, as the people in them read them and as the audit log keeps them: who is told what, where, and what is written down.

Each stands in ``stories/NAME.txt`` and is read like a chat. ``GONOGO_WRITE_STORIES=1`` writes them anew; read them before you keep them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from sqlite3 import connect
from typing import Any

import pytest

from bot.domain.commands import (
    Acknowledge,
    Approve,
    AskLead,
    Cancel,
    Check,
    Command,
    Deploy,
    DeployFirst,
    HandOver,
    History,
    Lock,
    Locks,
    OpenGate,
    Proceed,
    Quarantine,
    Reject,
    Retest,
    RollBack,
    SayLive,
    Status,
    StopCountdown,
    TakeOver,
    Tick,
    Unlock,
    Unquarantine,
    Watch,
)
from bot.domain.rollout import RunState, Stage
from bot.ports import Intent, Place, QualityState
from bot.services import summaries, use_cases
from bot.slack import speech
from tests.services.conftest import BAD, GOOD, MINUTE, PEOPLE, readable, text_of

Team = Any
"""The fixture ``team``."""
STORIES = Path(__file__).parent / "stories"
HOUR = timedelta(hours=1)
_COMMIT = re.compile(r"\b([0-9a-f]{7})[0-9a-f]{33}\b")


@dataclass
class Story:
    """Writes down what is said and done, and what comes of it."""

    team: Team
    file: Path
    lines: list[str] = field(default_factory=list)
    said: int = 0
    logged: int = 0

    async def says(self, name: str, command: Command) -> None:
        """Have somebody say something; note what they alone read, and what comes of it at once."""
        asked = " ".join(f"{key}={value}" for key, value in asdict(command).items() if value and key != "shown")
        self.lines.append(f"\n{name}: {command.verb} {asked}".rstrip())
        intent = Intent(f"word {len(self.lines)}", command, PEOPLE[name], Place("C2"), self.team.house.now())
        answer = await use_cases.carry_out(self.team.house, intent)
        if answer is not None:
            self._note("  | ", readable("\n".join(text_of(speech.answer(answer, self.team.words).blocks))))
            self.lines += [f"  | [{each.label}] {each.action} {each.deployment} {each.carries}".rstrip() for each in answer.offers]
        await self.goes_on()

    async def goes_on(self, time: timedelta = timedelta(0)) -> None:
        """Let time pass; note what is said and what the log keeps."""
        if time:
            self.lines.append(f"\n… {time} …")
        await self.team.passes(time)
        self._note_the_log()
        await self._note_what_was_said()

    async def looks(self, id: str) -> None:
        """Note what the card shows."""
        self.lines.append(f"\nthe card of {id}:")
        self._note("  | ", await self.team.shown(id))
        self.lines.append(f"  [{', '.join((await self.team.card(id)).actions)}]")

    def _note(self, margin: str, text: str) -> None:
        self.lines += [f"{margin}{line}".rstrip() for line in _COMMIT.sub(r"\1", text).splitlines()]

    def _note_the_log(self) -> None:
        with closing(connect(self.file)) as connection:
            entries = connection.execute("SELECT n, actor, action, deployment, outcome, facts FROM audit ORDER BY n").fetchall()
        for n, *about in entries:
            if n > self.logged:
                self._note("  log: ", " ".join(about))
        self.logged = len(entries)

    async def _note_what_was_said(self) -> None:
        messages = await self.team.database.postings.outbox(500)
        for message in messages[self.said :]:
            chart = ", with a chart" if message.chart else ""
            self.lines.append(f"  to {message.to} of {message.deployment or '-'}{chart}:")
            self._note("    > ", self.team._read(message))
        self.said = len(messages)


async def a_version_that_is_good(story: Story) -> None:
    """Two gates, an approval, two steps, a watch, summaries."""
    await story.says("ana", Deploy("shop", "staging", "v2", reason="the basket is faster"))
    await story.goes_on(10 * MINUTE)
    await story.says("ana", Check("shop", "production", "v2"))
    await story.says("ana", Deploy("shop", "production", "v2", reason="the basket is faster"))
    await story.looks("shop-2")
    await story.says("bo", Acknowledge("shop-2"))
    await story.says("cy", Tick("shop-2", ("support",)))
    await story.looks("shop-2")
    await story.says("ana", Approve("shop-2"))
    await story.says("bo", Approve("shop-2"))
    await story.goes_on(MINUTE)
    await story.looks("shop-2")
    await story.says("cy", AskLead("shop-2"))
    await story.says("bo", Watch("shop-2"))
    await story.says("cy", Status("shop"))
    await story.goes_on(20 * MINUTE)
    await story.looks("shop-2")
    await story.says("ana", Status())
    await story.goes_on(HOUR)
    await summaries.after_deployment(story.team.house, "shop-2")
    await summaries.morning(story.team.house, story.team.house.now())
    await story.goes_on()
    await story.looks("shop-2")
    await story.says("ana", History("shop"))


async def a_version_that_is_bad(story: Story) -> None:
    """The numbers are worse, a countdown runs out, the rollback goes by itself; the version is kept out until somebody lets it in again."""
    await story.team.rolls_out_v2()
    await story.goes_on()
    story.team.numbers.new = BAD
    await story.goes_on(2 * MINUTE)
    await story.looks("shop-2")
    await story.says("cy", Status("shop"))
    await story.says("cy", RollBack("shop", "production", reason="carts are lost"))
    await story.goes_on(6 * MINUTE)
    story.team.numbers.new = GOOD
    await story.looks("shop-2")
    await story.goes_on(12 * MINUTE)
    await story.looks("shop-2")
    await story.says("ana", Deploy("shop", "production", "v2"))
    await story.says("ana", Check("shop", "production", "v2"))
    await story.says("ana", Unquarantine("shop", "v2", "the numbers were wrong"))
    await story.says("bo", Unquarantine("shop", "v2", "the numbers were wrong"))
    await story.says("bo", Unquarantine("shop", "v2", "the numbers were wrong"))
    await story.says("cy", Locks())
    await story.says("cy", Unlock("shop", "production"))
    await story.says("bo", Unlock(deployment="shop-2"))
    await story.says("bo", Unlock(deployment="shop-2"))
    await story.says("ana", History("shop", "production"))
    await story.looks("shop-2")


async def a_lead_who_decides(story: Story) -> None:
    """A countdown is stopped, the lead changes hands, and what goes on with no numbers is accepted on a word."""
    await story.team.rolls_out_v2()
    await story.goes_on()
    story.team.numbers.new = BAD
    await story.goes_on(2 * MINUTE)
    await story.says("cy", StopCountdown("shop-2", "a known spike"))
    await story.says("bo", StopCountdown("shop-2", "a known spike"))
    await story.says("bo", StopCountdown("shop-2", "a known spike"))
    await story.looks("shop-2")
    await story.says("cy", HandOver("shop-2", "UCY"))
    await story.says("bo", HandOver("shop-2", "UANA"))
    await story.says("bo", HandOver("shop-2", "UANA"))
    await story.says("ana", AskLead("shop-2"))
    await story.says("cy", TakeOver("shop-2", "she sleeps"))
    await story.says("bo", TakeOver("shop-2", "she sleeps"))
    await story.says("bo", Proceed("shop-2", "the spike is over"))
    story.team.numbers.new = GOOD
    await story.goes_on(5 * MINUTE)
    story.team.numbers.new = None
    await story.goes_on(30 * MINUTE)
    await story.looks("shop-2")
    await story.says("bo", Proceed("shop-2", "the graphs are down"))
    await story.goes_on(10 * MINUTE)
    await story.looks("shop-2")
    await story.says("bo", Cancel("shop-2"))
    await story.goes_on(HOUR)
    await story.says("bo", Proceed("shop-2", "the graphs are still down"))
    await story.goes_on(HOUR)
    await story.looks("shop-2")
    await story.says("bo", Watch("shop-2"))
    await story.says("ana", Status("shop"))


async def a_run_that_fails(story: Story) -> None:
    """The run fails, the lead goes back by the dialog, and the rollback fails once before it succeeds."""
    team = story.team
    team.ci.stages = (Stage("build", RunState.SUCCEEDED), Stage("release", RunState.RUNNING))
    await team.rolls_out_v2()
    await story.goes_on()
    await story.looks("shop-2")
    await story.says("bo", Lock("shop", "production", "incident 7", 7200))
    team.ci.stages, team.ci.ends["deploy"] = (), RunState.FAILED
    await story.goes_on(MINUTE)
    await story.looks("shop-2")
    await story.says("ana", Status("shop"))
    team.ci.ends["rollback"] = RunState.FAILED
    await story.says("bo", RollBack("shop", "production", reason="it failed"))
    await story.says("bo", RollBack(deployment="shop-2", reason="it failed"))
    await story.says("bo", RollBack(deployment="shop-2", reason="it failed"))
    await story.goes_on(MINUTE)
    await story.looks("shop-2")
    del team.ci.ends["rollback"]
    await story.says("bo", RollBack("shop", "production", reason="again"))
    await story.says("bo", RollBack(deployment="shop-2", reason="again"))
    await story.goes_on(20 * MINUTE)
    await story.looks("shop-2")
    await story.says("bo", RollBack("shop", "production", reason="once more"))
    await story.says("bo", RollBack(deployment="shop-2", reason="once more"))
    await story.says("bo", Unlock("shop", "production"))
    await story.says("ana", Status("shop"))


async def a_smoke_test_that_fails(story: Story) -> None:
    """It goes back by itself; the same commit elsewhere stands still, and so does a gate of the pipeline's own."""
    team = story.team
    await team.asks_for_v2()
    await team.clears("shop-2")
    team.ci.ends["smoke"] = RunState.FAILED
    await story.says("ana", Deploy("shop", "staging", "v2"))
    await story.goes_on(MINUTE)
    await story.looks("shop-2")
    await story.goes_on(15 * MINUTE)
    await story.looks("shop-2")
    await story.says("ana", History("shop"))


async def a_gate_of_the_pipeline(story: Story) -> None:
    """It is opened by those who may, once."""
    team = story.team
    team.ci.stages = (Stage("build", RunState.SUCCEEDED), Stage("release", RunState.WAITING, passable=True))
    await team.rolls_out_v2()
    await story.goes_on()
    await story.looks("shop-2")
    await story.says("ana", OpenGate("shop-2"))
    await story.says("di", OpenGate("shop-2"))
    await story.says("bo", OpenGate("shop-2"))
    await story.says("cy", OpenGate("shop-2"))
    await story.goes_on(MINUTE)
    await story.looks("shop-2")


async def what_ends_before_it_begins(story: Story) -> None:
    """Rejected, cancelled, expired, impossible, queued and needless; tests that have failed are run again."""
    team = story.team
    await story.says("ana", Deploy("shop", "production", "v9"))
    await story.says("ana", Deploy("shop", "production", "v1"))
    await story.says("di", Deploy("shop", "production", "v2"))
    await story.says("ana", Deploy("shop", "production", "v2", strategy="blue"))
    await story.says("ana", Deploy("shop", "production", "v2", lead="UDI"))
    await story.says("ana", Deploy("shop", "production", "v2", lead="UCY"))
    await story.says("cy", Deploy("shop", "production", "v3"))
    await story.looks("shop-2")
    await story.says("ana", DeployFirst("shop-1"))
    await story.goes_on(10 * MINUTE)
    await story.says("ana", DeployFirst("shop-1"))
    team.ci.quality_state = QualityState.RED
    await story.goes_on(2 * MINUTE)
    await story.looks("shop-1")
    await story.says("ana", Retest("shop-1"))
    team.ci.quality_state = QualityState.GREEN
    await story.says("ana", Tick("shop-1", ("support",)))
    await story.says("cy", Tick("shop-1", ("support",)))
    await story.says("cy", Tick("shop-1", (), ("support",)))
    await story.says("cy", Acknowledge("shop-1"))
    await team.clears("shop-1")
    await story.says("cy", Reject("shop-1", "not today"))
    await story.says("bo", RollBack(deployment="shop-1"))
    await story.says("ana", Cancel("shop-1"))
    await story.says("cy", Cancel("shop-2"))
    await story.says("ana", Deploy("shop", "production", "latest"))
    await story.goes_on(26 * HOUR)
    await story.looks("shop-4")
    await story.says("ana", History("shop"))


async def what_is_said_to_be_live(story: Story) -> None:
    """Locks, quarantines and what runs where, on somebody's word."""
    await story.says("cy", Lock("", "production", "incident 7"))
    await story.says("bo", Lock("", "production", "incident 7"))
    await story.says("bo", Lock("", "production", "incident 8"))
    await story.says("bo", Lock("shop", "production", "end of the quarter", 3600))
    await story.says("ana", Deploy("shop", "production", "v2"))
    await story.says("ana", Check("shop", "production", "v2"))
    await story.says("ana", Quarantine("shop", "v2", "it leaks"))
    await story.says("bo", Quarantine("shop", "v2", "it leaks"))
    await story.says("bo", Quarantine("shop", "v2", "it leaks"))
    await story.looks("shop-1")
    await story.says("cy", SayLive("shop", "production", "v3", "I put it there"))
    await story.says("bo", SayLive("shop", "production", "v3", "I put it there"))
    await story.says("bo", SayLive("shop", "production", "v9", "I put it there"))
    await story.says("bo", Locks())
    await story.says("bo", Unlock("", "production"))
    await story.says("bo", Unlock("", "production"))
    await story.says("ana", Status())
    await story.says("bo", RollBack("shop", "production", reason="it is slow"))
    await story.goes_on(2 * HOUR)
    await story.says("bo", Locks())


TOLD = (
    a_version_that_is_good, a_version_that_is_bad, a_lead_who_decides, a_run_that_fails, a_smoke_test_that_fails, a_gate_of_the_pipeline,
    what_ends_before_it_begins, what_is_said_to_be_live,
)  # fmt: skip


@pytest.mark.parametrize("told", TOLD, ids=lambda told: str(told.__name__))
async def test_a_story_is_read_and_kept_as_it_happens(team: Team, tmp_path: Path, told: Callable[[Story], Awaitable[None]]) -> None:
    story, kept = Story(team, tmp_path / "team.db"), STORIES / f"{told.__name__}.txt"
    await told(story)
    text = "\n".join(story.lines).strip() + "\n"
    if os.environ.get("GONOGO_WRITE_STORIES"):
        kept.write_text(text)
    assert text == kept.read_text()
