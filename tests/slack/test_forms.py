"""Dialogs that are opened, and refusals that are told instead."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from bot.domain.card import Action
from bot.domain.catalog import Catalog, EnvironmentPolicy, ProviderChoice, Service
from bot.domain.deployment import Deployment
from bot.domain.errors import IntegrationError, NotAllowed, Refusal
from bot.domain.people import Person
from bot.ports import BoardRow
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

    async def may_deploy(self, by: Person) -> None:
        if not self.is_open:
            raise NotAllowed(f"{by.user} cannot ask for a deployment.")

    async def may_ask(self, action: Action, id: str, _by: Person) -> Deployment:
        if action is Action.TAKE_OVER:
            raise NotAllowed("Only the person on call can take over.")
        found: Deployment = self.world.deployment(id).deployment
        return found

    async def tickable(self, _id: str, _by: Person) -> tuple[Deployment, tuple[tuple[str, str, bool], ...]]:
        raise NotAllowed("None of the open items is yours.")

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
    shop = Service("storefront", none, none, none, {"production": EnvironmentPolicy("production", "canary")})
    return Forms(client, Dialogs(Words()), Catalog("T1", {}, {}, {"storefront": shop}, {}), doors)


@pytest.mark.case("card-and-people-13")
@pytest.mark.case("trust-4")
async def test_who_may_not_deploy_gets_a_sentence_instead_of_the_form(forms: Forms, doors: ToldDoors, slack: Any) -> None:
    doors.is_open = False
    await forms.deploy("trigger", CY, channel="C1")
    await forms.narrow_deploy({"id": "V1", "private_metadata": '{"channel":"C1"}'}, "storefront", CY)
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


async def test_who_may_not_is_told_so_and_gets_no_dialog(forms: Forms, slack: Any, refused: list[tuple[Person, str, str]]) -> None:
    await forms.reason("trigger", Action.TAKE_OVER, "storefront-42", CY, channel="C1")
    await forms.tick("trigger", "storefront-42", CY, channel="C1")
    assert refused == [(CY, "C1", "Only the person on call can take over."), (CY, "C1", "None of the open items is yours.")]
    assert slack.asked("views.open") == []


@pytest.mark.case("ci-and-refs-13")
async def test_a_click_that_is_delivered_twice_opens_one_dialog_and_complains_of_nothing(forms: Forms, slack: Any) -> None:
    slack.views_open = lambda arguments: {"view": arguments["view"]}
    await forms.reason("trigger", Action.PROCEED, "storefront-42", CY, channel="C1")
    slack.faults["views.open"].append("error exchanged_trigger_id")
    await forms.reason("trigger", Action.PROCEED, "storefront-42", CY, channel="C1")
    slack.faults["views.open"].append("error expired_trigger_id")
    with pytest.raises(IntegrationError):
        await forms.reason("trigger", Action.PROCEED, "storefront-42", CY, channel="C1")


async def test_who_may_is_asked_why(forms: Forms, slack: Any, refused: list[tuple[Person, str, str]]) -> None:
    slack.views_open = lambda arguments: {"view": arguments["view"]}
    await forms.reason("trigger", Action.PROCEED, "storefront-42", CY, channel="C1")
    assert "*storefront v1.2.0 → production* goes on" in str(slack.asked("views.open"))
    assert refused == []
