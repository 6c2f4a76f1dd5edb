"""Whose payload it is: one rule for both doors."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest

from bot.domain.errors import IntegrationError
from bot.sandbox.workspace import Channel, User, Workspace
from bot.slack.client import SlackClient
from bot.slack.learning import Learned
from bot.slack.ours import Ours
from bot.start import who_is_ours

US = Ours("T1", "A1", "E1")
ALONE = Ours("T1", "A1")
APP = {"api_app_id": "A1"}
GRID: dict[str, Any] = {
    **APP,
    "team": None,
    "enterprise": {"id": "E1", "name": "org"},
    "user": {"id": "U1", "team_id": "E1"},
}


@pytest.mark.case("trust-14")
@pytest.mark.parametrize(
    ("payload", "strange"),
    [
        ({**APP, "team_id": "T1"}, ""),
        ({**APP, "team": {"id": "T1"}, "user": {"team_id": "T9"}}, ""),
        (GRID, ""),
        ({**GRID, "user": {"id": "U1"}}, ""),
        ({**APP, "team_id": None, "enterprise_id": "E1", "is_enterprise_install": True}, ""),
        ({**APP, "team": None, "user": {"id": "U1", "team_id": "T1"}}, ""),
        ({**GRID, "enterprise": {"id": "E9"}}, "team"),
        ({**GRID, "enterprise_id": "E9"}, "team"),
        ({**GRID, "team": {"id": "T2"}}, "team"),
        ({**GRID, "enterprise": None}, "team"),
        ({**GRID, "enterprise": ["E1"]}, "team"),
        ({**APP, "team_id": ["T1"]}, "team"),
        (APP, "team"),
        ({**GRID, "api_app_id": "A2"}, "app"),
        ({"team_id": "T1"}, "app"),
        ({"team_id": "T1", "api_app_id": "A2"}, "app"),
    ],
)
def test_a_payload_is_for_us_by_workspace_or_organisation_and_app(
    payload: dict[str, Any], strange: str
) -> None:
    assert US.strange(payload) == strange


@pytest.mark.case("trust-14")
def test_without_an_organisation_of_our_own_none_is_ours() -> None:
    assert ALONE.strange(GRID) == "team"
    assert ALONE.settled(GRID) == GRID


@pytest.mark.case("trust-14")
def test_who_is_known_by_our_organisation_is_a_person_of_our_workspace_and_nobody_else_is() -> None:
    settled = US.settled(GRID)
    assert (settled["user"]["team_id"], settled["team"]) == ("T1", {"id": "T1"})
    elsewhere = {**GRID, "user": {"id": "U1", "team_id": "T9"}}
    assert US.settled(elsewhere)["user"]["team_id"] == "T9"


@pytest.mark.case("trust-14")
@pytest.mark.parametrize(
    "what",
    [{"command": "/deploy", "user_id": "U1"}, {"event": {"type": "app_home_opened", "user": "U1"}}],
)
def test_a_command_or_an_event_that_only_our_organisation_is_named_in_is_of_our_workspace(
    what: dict[str, Any],
) -> None:
    assert US.settled({**APP, **what, "team_id": None, "enterprise_id": "E1"})["team_id"] == "T1"
    assert US.settled({**APP, **what, "team_id": "T1"})["team_id"] == "T1"
    assert "team_id" not in ALONE.settled({**APP, **what})


@pytest.mark.case("trust-14")
async def test_which_app_is_ours_is_asked_of_slack_where_nobody_says_it() -> None:
    slack = Workspace(users=[User("U0ANA", "ana")], channels=[Channel("C0DEPLOYS", "deploys")])
    await slack.start()
    async with aiohttp.ClientSession() as session:
        client = SlackClient(session, token=slack.token, base_url=slack.api_url)
        asked = await who_is_ours(client, "T0SANDBOX", "", await client.who_am_i())
        told = await who_is_ours(client, "T0SANDBOX", "A0SAID", await client.who_am_i())
    await slack.close()
    assert (asked.app, told.app) == (slack.state.app, "A0SAID")
    assert asked.strange({"team_id": "T0SANDBOX", "api_app_id": "A0OTHER"}) == "app"


@dataclass
class Slack:
    """Slack, as far as it says who we are; ``silent`` is how often it does not answer first."""

    silent: int = 0
    asked: int = 0
    time: float = 0.0
    hold: asyncio.Event = field(default_factory=asyncio.Event)

    async def says(self) -> Ours:
        self.asked += 1
        if self.asked <= self.silent:
            raise IntegrationError("away", vendor="Slack")
        await self.hold.wait()
        return US


def learned(slack: Slack, **how: Any) -> Learned:
    lacks = frozenset({"app", "enterprise"})
    return Learned(Ours("T1", lacks=lacks), slack.says, now=lambda: slack.time, **how)


@pytest.mark.case("trust-14")
async def test_what_slack_did_not_say_at_the_start_is_learned_when_a_payload_needs_it() -> None:
    slack = Slack()
    us = learned(slack)
    waiting = [asyncio.create_task(us.about(GRID)) for _ in range(20)]
    await asyncio.sleep(0)
    slack.hold.set()
    assert {(await each).strange(GRID) for each in waiting} == {""}
    assert (await us.about({})).strange({**GRID, "api_app_id": "A2"}) == "app"
    assert slack.asked == 1, "what is known is not asked for again"


@pytest.mark.case("trust-14")
async def test_while_slack_is_away_it_is_asked_now_and_then_and_not_with_each_payload() -> None:
    slack = Slack(silent=5)
    slack.hold.set()
    us = learned(slack)
    asked = list[int]()
    for second in range(200):
        slack.time = float(second)
        for _ in range(10):
            said = await us.about(GRID)
            assert said.strange(GRID) == ("team" if slack.asked <= 5 else "")
        if slack.asked > len(asked):
            asked.append(second)
    assert asked == [0, 5, 15, 35, 75, 135]


@pytest.mark.case("trust-14")
async def test_a_payload_waits_no_longer_for_slack_than_its_sender_does() -> None:
    slack = Slack()
    us = learned(slack, patience=0.01)
    assert (await us.about(GRID)).strange(GRID) == "team"


@pytest.mark.case("trust-14")
async def test_a_payload_of_our_workspace_waits_for_nobody_who_asks_already() -> None:
    slack = Slack()
    us = learned(slack)
    asking = asyncio.create_task(us.about(GRID))
    await asyncio.sleep(0)
    assert (await us.about({**APP, "team_id": "T1"})).strange({**APP, "team_id": "T1"}) == ""
    assert not asking.done()
    slack.hold.set()
    await asking


@pytest.mark.case("trust-14")
@pytest.mark.parametrize(
    ("payload", "is_undecided"),
    [
        (GRID, True), ({**GRID, "enterprise_id": "E9"}, False),
        ({**APP, "team_id": "T1", "enterprise_id": "E1"}, False),
        ({**APP, "team_id": "T2", "enterprise_id": "E1"}, False), ({**APP, "team": None}, False),
    ],
)  # fmt: skip
def test_only_what_the_organisation_decides_is_undecided_without_it(
    payload: dict[str, Any], *, is_undecided: bool
) -> None:
    assert Ours("T1", lacks=frozenset({"enterprise"})).is_undecided(payload) is is_undecided
    assert not Ours("T1", "A1").is_undecided(payload), "Slack has said that there is none"
