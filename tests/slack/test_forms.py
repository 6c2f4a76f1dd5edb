"""Dialogs that are opened, and refusals that are told instead."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from bot.domain.actions import Action
from bot.domain.catalog import Catalog, EnvironmentPolicy, ProviderChoice, Service
from bot.domain.deployment import Deployment
from bot.domain.errors import IntegrationError, NotAllowed, Refusal
from bot.domain.people import Person
from bot.ports.board import BoardRow
from bot.ports.talk import Asked
from bot.slack.client import SlackClient
from bot.slack.dialogs import Dialogs
from bot.slack.forms import Forms
from bot.slack.render import Words

CY = Person("T1", "UCY")


@dataclass
class ToldDoors:
    """Doors that let in whom they are told to."""

    world: Any
    is_open: bool = True
    is_known: bool = True
    refused: list[tuple[Person, str, str]] = field(default_factory=list)
    about: dict[str, Any] = field(default_factory=dict)
    shown: str = ""

    async def may_deploy(self, by: Person) -> None:
        if not self.is_open:
            raise NotAllowed(f"{by.user} cannot ask for a deployment.")

    async def may_ask(self, action: Action, id: str, _by: Person) -> Asked:
        if action is Action.TAKE_OVER:
            raise NotAllowed("Only the person on call can take over.")
        return Asked(self.world.deployment(id).deployment, self.about, self.shown)

    async def tickable(
        self, _id: str, _by: Person
    ) -> tuple[Deployment, tuple[tuple[str, str, bool], ...]]:
        raise NotAllowed("None of the open items is yours.")

    async def changes(self, id: str, _by: Person) -> dict[str, Any]:
        if not self.is_open:
            raise NotAllowed("You cannot see what changes.")
        commits = [
            {"commit": f"{n:040x}", "subject": f"Change number {n}", "author": "ana"}
            for n in range(400)
        ]
        files = [f"src/{n}.py" for n in range(100)]
        changes = {
            "known": True,
            "backwards": False,
            "total": 420,
            "commits": commits,
            "authors": ["ana"],
            "migrations": [],
            "files": files,
            "url": "",
            "taken": {"known": True, "total": 0, "authors": [], "commits": [], "files": []},
        }
        return {
            "id": id,
            "service": "storefront",
            "environment": "production",
            "version": "v1.2.0",
            "base": "b" * 40,
            "commit": "c" * 40,
            "changes": changes,
        }

    async def timeline(self, id: str, _by: Person) -> dict[str, Any]:
        if not self.is_open:
            raise NotAllowed("You cannot see the timeline.")
        entry = {
            "at": "2026-11-21T10:02:00+00:00",
            "action": "rollback",
            "by": "T1/UBO",
            "facts": {"reason": "errors"},
            "left_out": 0,
        }
        shown = {
            "id": id,
            "service": "storefront",
            "environment": "production",
            "version": "v1.2.0",
            "names": {"T1/UBO": "bo"},
        }
        return {**shown, "item_titles": {}, "timeline": [entry]}

    async def board(self, _by: Person) -> tuple[BoardRow, ...]:
        if not self.is_known:
            raise IntegrationError("no answer", vendor="Slack")
        if not self.is_open:
            raise NotAllowed("You cannot see the status.")
        return (BoardRow("storefront", "production", None),)

    async def roles(self, _by: Person) -> tuple[str, ...]:
        return ("developer", "on_call", "release_manager")

    async def refuse(self, by: Person, channel: str, refusal: Refusal) -> None:
        self.refused.append((by, channel, str(refusal)))


@pytest.fixture
def doors(world: Any) -> ToldDoors:
    return ToldDoors(world)


@pytest.fixture
def refused(doors: ToldDoors) -> list[tuple[Person, str, str]]:
    return doors.refused


@pytest.fixture
def forms(client: SlackClient, doors: ToldDoors) -> Forms:
    none = ProviderChoice("none")
    shop = Service(
        "storefront", none, none, none, {"production": EnvironmentPolicy("production", "canary")}
    )
    return Forms(client, Dialogs(Words()), Catalog("T1", {}, {}, {"storefront": shop}, {}), doors)


@pytest.mark.case("card-and-people-13")
@pytest.mark.case("trust-4")
async def test_who_may_not_deploy_gets_a_sentence_instead_of_the_form(
    forms: Forms, doors: ToldDoors, slack: Any
) -> None:
    doors.is_open = False
    await forms.deploy("trigger", CY, channel="C1")
    await forms.narrow_deploy(
        {"id": "V1", "private_metadata": '{"channel":"C1"}'}, "storefront", CY
    )
    assert doors.refused == [(CY, "C1", "UCY cannot ask for a deployment.")] * 2
    assert slack.asked("views.open") == slack.asked("views.update") == []


@pytest.mark.case("trust-4")
@pytest.mark.parametrize(
    ("is_open", "is_known", "says"),
    [
        (True, True, "You are developer, on call and release manager here."),
        (False, True, "You cannot see the status."),
        (True, False, "Slack does not say just now who you are"),
    ],
)
async def test_the_home_shows_the_board_to_whom_it_belongs(
    forms: Forms, doors: ToldDoors, slack: Any, *, is_open: bool, is_known: bool, says: str
) -> None:
    doors.is_open, doors.is_known = is_open, is_known
    slack.views_publish = lambda arguments: {"view": arguments["view"]}
    await forms.home(CY)
    shown = str(slack.asked("views.publish"))
    assert says in shown
    assert ("storefront" in shown) == (is_open and is_known)


async def test_who_may_not_is_told_so_and_gets_no_dialog(
    forms: Forms, slack: Any, refused: list[tuple[Person, str, str]]
) -> None:
    await forms.reason("trigger", Action.TAKE_OVER, "storefront-42", CY, channel="C1")
    await forms.tick("trigger", "storefront-42", CY, channel="C1")
    assert refused == [
        (CY, "C1", "Only the person on call can take over."),
        (CY, "C1", "None of the open items is yours."),
    ]
    assert slack.asked("views.open") == []


@pytest.mark.case("ci-and-refs-13")
async def test_a_click_that_is_delivered_twice_opens_one_dialog_and_complains_of_nothing(
    forms: Forms, slack: Any
) -> None:
    slack.views_open = lambda arguments: {"view": arguments["view"]}
    await forms.reason("trigger", Action.PROCEED, "storefront-42", CY, channel="C1")
    slack.faults["views.open"].append("error exchanged_trigger_id")
    await forms.reason("trigger", Action.PROCEED, "storefront-42", CY, channel="C1")
    slack.faults["views.open"].append("error expired_trigger_id")
    with pytest.raises(IntegrationError):
        await forms.reason("trigger", Action.PROCEED, "storefront-42", CY, channel="C1")


@pytest.mark.case("card-and-people-14")
async def test_an_approver_can_read_every_commit_that_is_known_and_every_file(
    forms: Forms, slack: Any
) -> None:
    slack.views_open = lambda arguments: {"view": arguments["view"]}
    await forms.show("trigger", Action.SHOW_CHANGES, "storefront-42", CY, channel="C1")
    [asked] = slack.asked("views.open")
    shown = [block["text"]["text"] for block in asked["view"]["blocks"]]
    assert len(shown) <= 100
    assert all(len(text) <= 3000 for text in shown)
    whole = "\n".join(shown)
    assert [n for n in range(400) if f"Change number {n} (ana)" not in whole] == []
    assert "and 20 more commits that are not listed here" in whole
    assert "src/99.py" in whole


@pytest.mark.case("card-and-people-9")
async def test_the_timeline_of_a_rollback_is_reached_from_its_card(
    forms: Forms, slack: Any
) -> None:
    slack.views_open = lambda arguments: {"view": arguments["view"]}
    await forms.show("trigger", Action.SHOW_TIMELINE, "storefront-42", CY, channel="C1")
    assert "rollback asked for by bo: errors" in str(slack.asked("views.open"))


@pytest.mark.case("trust-4")
@pytest.mark.parametrize("action", [Action.SHOW_CHANGES, Action.SHOW_TIMELINE])
async def test_what_is_only_read_is_shown_to_nobody_who_may_not_see_it(
    forms: Forms, doors: ToldDoors, slack: Any, action: Action
) -> None:
    doors.is_open = False
    await forms.show("trigger", action, "storefront-42", CY, channel="C1")
    assert len(doors.refused) == 1
    assert slack.asked("views.open") == []


async def test_who_may_is_asked_why(
    forms: Forms, slack: Any, refused: list[tuple[Person, str, str]]
) -> None:
    slack.views_open = lambda arguments: {"view": arguments["view"]}
    await forms.reason("trigger", Action.PROCEED, "storefront-42", CY, channel="C1")
    assert "*storefront v1.2.0 → production* goes on" in str(slack.asked("views.open"))
    assert refused == []
