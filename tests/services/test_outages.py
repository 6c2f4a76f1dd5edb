"""An outage of somebody else's ends no command: what was accepted is carried out, or
its person is told why not.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from bot.dispatch.command_worker import CommandWorker
from bot.dispatch.use_cases import MEANT_FOR
from bot.domain.commands import Approve, Command, Lock, RollBack, Status
from bot.domain.deployment import State
from bot.domain.errors import IntegrationError
from bot.domain.people import Person
from bot.ports.people import Profile
from bot.ports.talk import LATE_ANSWER, Answer, Intent, Place
from tests.patience import PATIENCE
from tests.services.conftest import PEOPLE

Team = Any
MINUTE = timedelta(minutes=1)
SILENT = IntegrationError(
    "Slack did not carry out users.info: status 503", vendor="Slack", status=503
)
REFUSED = IntegrationError("Slack did not carry out users.info: invalid_auth", vendor="Slack")


@dataclass
class Heard:
    """What people were told; ``deaf`` is a Slack that takes no answer, ``broken`` a
    template that cannot be drawn.
    """

    answers: list[tuple[Intent, Answer]] = field(default_factory=list)
    deaf: bool = False
    broken: bool = False
    told: asyncio.Event = field(default_factory=asyncio.Event)

    def card_changed(self, deployment: str) -> None: ...

    def outbox_changed(self) -> None: ...

    async def answer(self, intent: Intent, answer: Answer) -> bool:
        if self.broken:
            raise KeyError(answer.name)
        if not self.deaf:
            self.answers.append((intent, answer))
        self.told.set()
        return not self.deaf

    def names(self) -> list[str]:
        return [answer.name for _, answer in self.answers]


@dataclass
class Room:
    """A desk at work."""

    team: Team
    worker: CommandWorker
    heard: Heard

    async def clicks(self, name: str, command: Command, *, ago: timedelta = timedelta(0)) -> Intent:
        intent = Intent(
            f"click {name}", command, PEOPLE[name], Place("C2"), self.team.context.now() - ago
        )
        await self.team.database.inbox.accept(intent)
        self.worker.nudge(intent)
        return intent

    async def until_finished(self) -> None:
        async with asyncio.timeout(PATIENCE):
            while await self.team.database.inbox.waiting():  # noqa: ASYNC110 - the inbox tells nobody
                await asyncio.sleep(0.01)

    async def until_told(self, name: str) -> None:
        async with asyncio.timeout(PATIENCE):
            while name not in self.heard.names():
                self.heard.told.clear()
                await self.heard.told.wait()


@asynccontextmanager
async def at_work(team: Team) -> AsyncIterator[Room]:
    heard = Heard()
    worker = CommandWorker(team.context, team.database.inbox, heard)
    await worker.open()
    yield Room(team, worker, heard)
    await worker.close()


@pytest.mark.case("reliability-1")
@pytest.mark.parametrize("error", [SILENT, REFUSED])
async def test_the_leads_id_alone_is_enough_to_roll_back_while_the_directory_is_away(
    team: Team, error: IntegrationError
) -> None:
    v2 = await team.rolls_out_v2(2 * MINUTE)
    team.workspace.away = error
    async with at_work(team) as room:
        await room.clicks("bo", RollBack(deployment=v2, reason="see @UANA"))
        await room.until_finished()
        assert room.heard.names() == ["rolling_back"]
    assert (await team.deployment(v2)).state is State.ROLLING_BACK


@pytest.mark.case("trust-2")
async def test_a_lead_who_is_known_to_have_left_rolls_nothing_back(team: Team) -> None:
    v2 = await team.rolls_out_v2(2 * MINUTE)
    bo = PEOPLE["bo"]
    team.workspace.known[bo] = Profile(bo, "bo", is_member=False, why_not="is deactivated")
    assert "this account is deactivated" in await team.says("bo", RollBack(deployment=v2))
    assert (await team.deployment(v2)).state is State.ROLLING_OUT


@pytest.mark.case("reliability-1")
async def test_whatever_else_needs_the_directory_waits_says_for_what_and_is_carried_out(
    team: Team,
) -> None:
    team.workspace.away = SILENT
    async with at_work(team) as room:
        await room.clicks("bo", Lock("shop", "production", "a test"))
        await room.until_told("waiting")
        ((_, said),) = room.heard.answers
        assert said.facts["vendor"] == "Slack"
        assert len(await team.database.inbox.waiting()) == 1
        team.workspace.away = None
        await room.until_finished()
        assert room.heard.names() == ["waiting", "locked"]


@pytest.mark.case("reliability-1")
async def test_what_waits_for_a_vendor_holds_nobody_else_up(team: Team) -> None:
    team.workspace.readable = False
    async with at_work(team) as room:
        for number in range(10):
            waits = Intent(
                f"di {number}",
                Lock("shop", "production", "why"),
                PEOPLE["di"],
                Place(),
                team.context.now(),
            )
            await team.database.inbox.accept(waits)
            room.worker.nudge(waits)
        await room.clicks("bo", Status("shop"))
        await room.until_told("status")
        assert room.heard.names() == ["status"]


@pytest.mark.case("reliability-1")
async def test_what_waits_when_the_bot_stops_is_taken_up_at_the_next_start(team: Team) -> None:
    team.workspace.away = SILENT
    async with at_work(team) as room:
        await room.clicks("bo", Lock("shop", "production", "a test"))
        await room.until_told("waiting")
    assert len(await team.database.inbox.waiting()) == 1
    team.workspace.away = None
    async with at_work(team) as room:
        await room.until_finished()
        assert room.heard.names() == ["locked"]


@pytest.mark.case("reliability-1")
async def test_an_answer_that_slack_does_not_take_is_given_later(team: Team) -> None:
    async with at_work(team) as room:
        room.heard.deaf = True
        await room.clicks("bo", Lock("shop", "production", "a test"))
        await room.until_finished()
    (kept,) = [
        message
        for message in await team.database.postings.outbox(500)
        if message.template == LATE_ANSWER
    ]
    assert (kept.to, kept.facts["name"]) == ("T1/UBO", "locked")


@pytest.mark.parametrize(
    ("command", "deaf"), [(Lock("shop", "production", "a test"), False), (Status("shop"), True)]
)
async def test_what_slack_has_taken_and_what_was_only_asked_is_not_answered_later(
    team: Team, command: Command, *, deaf: bool
) -> None:
    async with at_work(team) as room:
        room.heard.deaf = deaf
        await room.clicks("bo", command)
        await room.until_finished()
    assert LATE_ANSWER not in [
        message.template for message in await team.database.postings.outbox(500)
    ]


async def test_a_question_is_not_kept_for_a_vendor_that_is_away(team: Team) -> None:
    team.workspace.away = SILENT
    async with at_work(team) as room:
        await room.clicks("bo", Status("shop"))
        await room.until_finished()
        assert room.heard.names()[-1] == "refusal"


@pytest.mark.case("races-28")
async def test_an_approval_that_lay_for_hours_is_not_carried_out_and_its_person_is_asked_again(
    team: Team,
) -> None:
    v2 = await team.asks_for_v2()
    async with at_work(team) as room:
        await room.clicks("bo", Approve(v2), ago=MEANT_FOR + MINUTE)
        await room.until_finished()
        ((_, said),) = room.heard.answers
    assert "16 minutes ago" in said.facts["sentence"]
    async with team.database.store.reading() as reader:
        assert await reader.decisions(v2) == ()


def test_whoever_cannot_be_answered_hears_the_vendors_own_words_or_that_it_may_have_been_done_all_the_same() -> (
    None
):
    silent = "Slack does not answer. The card shows what has been done; try again in a minute."
    assert SILENT.told == silent
    assert (
        IntegrationError("no such project", vendor="GitLab", retry=False).told == "no such project"
    )


async def test_a_question_is_answered_when_a_vendor_is_silent_for_a_moment(team: Team) -> None:
    profile, tries = team.workspace.profile, count(1)

    async def silent_at_first(person: Person, **how: bool) -> Profile:
        if next(tries) == 1:
            raise SILENT
        found: Profile = await profile(person, **how)
        return found

    team.workspace.profile = silent_at_first
    async with at_work(team) as room:
        await room.clicks("bo", Status("shop"))
        await room.until_finished()
        assert room.heard.names() == ["status"]
