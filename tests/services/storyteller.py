"""Writes a story down as it happens: what people say and read, what is said to whom, what the log
keeps, and what is left in the end.
"""

from __future__ import annotations

import re
from contextlib import closing
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from sqlite3 import connect
from typing import Any

from bot.dispatch import use_cases
from bot.dispatch.doors import Doors
from bot.dispatch.tables import AT_ONCE
from bot.domain.actions import Action
from bot.domain.commands import Command
from bot.domain.errors import Offer
from bot.ports.talk import Intent, Message, Place
from bot.services import endings, timely
from bot.slack import speech
from tests.services.conftest import PEOPLE, Quiet, readable, text_of
from tests.services.promised import missing

Team = Any
"""The fixture ``team``."""
_COMMIT = re.compile(r"\b([0-9a-f]{7})[0-9a-f]{33}\b")


@dataclass
class Story:
    """Writes down what is said and done, and what comes of it."""

    team: Team
    file: Path
    lines: list[str] = field(default_factory=list)
    offers: tuple[Offer, ...] = ()
    said: int = 0
    logged: int = 0

    async def says(self, name: str, command: Command) -> None:
        """Have somebody say something; note what they alone read, and what comes of it at once."""
        asked = " ".join(
            f"{key}={value}" for key, value in asdict(command).items() if value and key != "shown"
        )
        self.lines.append(f"\n{name}: {command.verb} {asked}".rstrip())
        intent = Intent(
            f"word {len(self.lines)}", command, PEOPLE[name], Place("C2"), self.team.context.now()
        )
        answer = await use_cases.carry_out(self.team.context, intent)
        self.offers = answer.offers if answer is not None else ()
        if answer is not None:
            assert not missing(answer)
            self._note(
                "  | ", readable("\n".join(text_of(speech.answer(answer, self.team.words).blocks)))
            )
            self.lines += [
                f"  | [{each.label}] {each.action} {each.deployment} {each.carries}".rstrip()
                for each in answer.offers
            ]
        await self.goes_on()

    async def presses(self, name: str) -> None:
        """Have somebody press the first button of the newest answer, read
        as the listener reads it.
        """
        offer = self.offers[0]
        deployment, _, rest = f"{offer.deployment} {offer.carries}".partition(" ")
        command = AT_ONCE[Action(offer.action)](deployment, rest)
        assert isinstance(command, Command)
        await self.says(name, command)

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

    async def opens(self, id: str) -> None:
        """Note what the dialogs hold that are opened from a card: what
        changes, and what has happened.
        """
        doors = Doors(self.team.context, Quiet())
        self.lines.append(f"\nwhat changes by {id}, and what has happened to it:")
        for facts in (
            await doors.changes(id, PEOPLE["ana"]),
            await doors.timeline(id, PEOPLE["ana"]),
        ):
            for name, value in facts.items():
                happened = (
                    [f"{each['at']} {each['action']} by {each['by']}" for each in value]
                    if name == "timeline"
                    else [value]
                )
                self.lines += [_COMMIT.sub(r"\1", f"  {name}: {each}") for each in happened]

    def _note(self, margin: str, text: str) -> None:
        self.lines += [f"{margin}{line}".rstrip() for line in _COMMIT.sub(r"\1", text).splitlines()]

    def _note_the_log(self) -> None:
        with closing(connect(self.file)) as connection:
            entries = connection.execute(
                "SELECT n, actor, action, deployment, outcome, facts FROM audit ORDER BY n"
            ).fetchall()
        for n, *about in entries:
            if n > self.logged:
                self._note("  log: ", " ".join(about))
        self.logged = len(entries)

    async def _note_what_was_said(self) -> None:
        messages = await self.team.database.postings.outbox(500)
        for message in messages[self.said :]:
            chart = ", with a chart" if message.chart else ""
            self.lines.append(f"  to {message.to} of {message.deployment or '-'}{chart}:")
            self._note("    > ", self.team.reads(message))
        self.said = len(messages)
        for message in messages:
            await self._note_what_became_of(message)

    async def _note_what_became_of(self, message: Message) -> None:
        """Note when a message that asks for something has its end, and when one would not be said
        any more, or in other words.
        """
        ended, now = (
            await endings.ended(self.team.context, message),
            await timely.still_true(self.team.context, message),
        )
        if ended is not None:
            self._becomes(
                message, f"has ended: {ended.sentence}" + ("" if ended.is_final else " (for now)")
            )
        if now is None:
            self._becomes(message, "would not be said any more")
        elif now != message:
            told = now.facts if "until" not in now.facts else {"until": now.facts["until"]}
            others = [
                f"{key}={value}"
                for key, value in told.items()
                if "until" in told or message.facts.get(key) != value
            ]
            self._becomes(message, f"would be said with {', '.join(others)}")

    def _becomes(self, message: Message, what: str) -> None:
        line = f"  {message.template} to {message.to} of {message.deployment} {what}"
        if line not in self.lines:
            self.lines.append(line)

    async def ends(self) -> None:
        """Note what is left behind: what is live, who has each environment, what is
        unclear, what stands where.
        """
        self.lines.append("\nin the end:")
        async with self.team.database.store.reading() as reader:
            for environment in ("staging", "production"):
                live, doubt = (
                    await reader.live("shop", environment),
                    await reader.doubt("shop", environment),
                )
                assert live is not None
                how = "verified" if live.verified_at else live.accepted or "not verified"
                self.lines.append(
                    f"  {environment}: {live.version} by {live.by} of {live.deployment or '-'}, "
                    f"{how}, since {live.since:%H:%M}"
                )
                holder, strays = (
                    await reader.holder("shop", environment),
                    await reader.strays("shop", environment),
                )
                self.lines += [f"    taken by {holder}"] if holder else []
                self.lines += [f"    unclear, {doubt.kind}: {doubt.why}"] if doubt else []
                self.lines += [
                    f"    a run that was given up: {stray.run} of {stray.deployment}"
                    for stray in strays
                ]
                for each in await reader.history("shop", environment, limit=30):
                    what = (
                        f"{each.id} {each.kind} {each.version}: {each.state}, asked for by "
                        f"{each.requested_by}, lead {each.lead}"
                    )
                    self._note("    ", f"{what} {each.reason} {each.note} {each.accepted}".rstrip())
                    self.lines += [
                        f"      {step.key} {step.state} {step.sentence}".rstrip()
                        for step in await reader.steps(each.id)
                    ]
