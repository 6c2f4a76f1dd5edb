"""Every door asks who it is. The doors are counted from the code: a new one without a
knock here makes this fail.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bot.dispatch.tables import ASKING_WHY, USAGE
from bot.domain.actions import Action
from bot.sandbox.workspace import User
from bot.slack import ids
from tests.conversations.conftest import ANA, CHANNEL

if TYPE_CHECKING:
    from tests.conversations.conftest import World

ROOT = Path(__file__).parents[2]
OUTSIDERS = [
    User("U0NOROLE", "eve"), User("U0GUEST", "gus", is_guest=True),
    User("U0GONE", "olga", deleted=True),
    User("U0BOT", "robot", is_bot=True),
]  # fmt: skip
SECRET = re.compile(
    r"v1\.\d\.0|storefront|audit season|staging|Make v|canary|Did you mean|<@U0(?:ANA|BO|CY|DI)>"
)
"""What stands on the board, on cards and in dialogs, and what a guess would be told."""

GUESSES = (
    "/deploy storfront to prod", "/deploy storefront latest to stagin",
    "/deploy storefront v9 to staging", "/deploy history storfront",
    "/deploy status storfront", "/deploy check storefront latest to stagin",
    "/deploy lock storefront stagin because x",
    "/deploy live storefront stagin is v9 because x",
    "/deploy quarantine storefront v9 because x", "/deploy cancel storefront-1",
    "/deploy cancel storefront-99", "/rollback storfront production because x",
    "/rollback storefront stagin because x",
)  # fmt: skip
"""What somebody types who does not know what there is."""
GUESSED = "storefront-99"
"""A deployment that there is not."""

Knock = Callable[["World", str, dict[str, Any]], Awaitable[object]]


async def _types(world: World, user: str, _card: dict[str, Any]) -> None:
    for usage in USAGE.values():
        for example in usage.examples:
            if example.split()[1:2] not in (["help"], []):
                await world.slack.says(user, example.replace("@bo", f"<@{ANA}>"), channel=CHANNEL)
    await world.slack.says(user, "/deploy", channel=CHANNEL)
    for guess in GUESSES:
        await world.slack.says(user, guess, channel=CHANNEL)


async def _types_rollback(world: World, user: str, _card: dict[str, Any]) -> None:
    await world.slack.says(user, "/rollback storefront production because x", channel=CHANNEL)


async def _presses(world: World, user: str, card: dict[str, Any]) -> None:
    block = next(block for block in card["blocks"] if block["type"] == "actions")
    for action, about in (
        (action, about) for action in Action for about in (_id_of(card), GUESSED)
    ):
        button = {
            "type": "button",
            "action_id": ids.action_id(action),
            "value": f"{about} 1" if action is Action.OPEN_GATE else about,
        }
        pressed = {**button, "block_id": block["block_id"], "action_ts": "1.0"}
        payload = {
            "type": "block_actions",
            "actions": [pressed],
            "message": card,
            "container": {"type": "message"},
        }
        await world.slack.delivery.interaction(user, payload, CHANNEL)


def _id_of(card: dict[str, Any]) -> str:
    found = re.search(r"storefront-\d+", str(card["blocks"]))
    assert found is not None
    return found[0]


async def _picks(world: World, user: str, _card: dict[str, Any]) -> None:
    values = {
        ids.SERVICE: {"x": {"type": "static_select", "selected_option": {"value": "storefront"}}}
    }
    view: dict[str, Any] = {
        "type": "modal",
        "id": f"V{user}",
        "hash": "h",
        "callback_id": ids.DEPLOY_FORM,
        "state": {"values": values},
        "private_metadata": "{}",
    }
    world.slack.state.views[view["id"]] = {**view, "_user": user, "blocks": []}
    action = {
        "type": "static_select",
        "action_id": ids.SERVICE_PICKED,
        "block_id": ids.SERVICE,
        "action_ts": "1.0",
    }
    await world.slack.delivery.interaction(
        user, {"type": "block_actions", "actions": [action], "view": view}
    )


def _sends_off(*callbacks: str) -> Knock:
    async def sends(world: World, user: str, card: dict[str, Any]) -> None:
        metadata = ids.carry(ids.Carried(_id_of(card), CHANNEL))
        for callback in callbacks:
            values: dict[str, Any] = {
                ids.SERVICE: {"v": {"selected_option": {"value": "storefront"}}},
                ids.REASON: {"v": {"value": "x"}},
                ids.ENVIRONMENT: {"v": {"selected_option": {"value": "production"}}},
                ids.REF: {"v": {"value": "latest"}},
            }  # fmt: skip
            view = {
                "id": f"V{callback}{user}",
                "callback_id": callback,
                "private_metadata": metadata,
                "state": {"values": values},
            }
            await world.slack.delivery.interaction(
                user, {"type": "view_submission", "view": {**view, "type": "modal", "blocks": []}}
            )

    return sends


async def _opens_home(world: World, user: str, _card: dict[str, Any]) -> None:
    await world.slack.delivery.event(
        {"type": "app_home_opened", "user": user, "tab": "home", "channel": "D1"}
    )
    await world.slack.until(lambda: user in world.slack.state.homes)


async def _mentions(world: World, user: str, _card: dict[str, Any]) -> None:
    await world.slack.delivery.event(
        {
            "type": "app_mention",
            "user": user,
            "text": "<@UGONOGO> what is live?",
            "channel": CHANNEL,
        }
    )


DOORS: dict[str, Knock] = {
    "deploy.deploy": _types,
    "deploy.service_picked": _picks,
    "deploy.submitted": _sends_off(ids.DEPLOY_FORM),
    "rollback.rollback": _types_rollback,
    "buttons.pressed": _presses,
    "buttons.submitted": _sends_off(*map(ids.form_of, ASKING_WHY)),
    "buttons.ticked": _sends_off(ids.form_of(Action.TICK)),
    "home.opened": _opens_home,
    "mention.mentioned": _mentions,
}
"""How an outsider knocks at each door; the doors are the listeners of ``handlers.slack``."""
TO_ONE_PERSON = {"acknowledge_request", "ask_lead", "LATE_ANSWER"}
"""Messages to one person: to whoever is on call, to the lead, whom the authority let in when they
were named, and what somebody asked.
"""


def _listeners() -> set[str]:
    found = set()
    for path in (ROOT / "handlers" / "slack").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.AsyncFunctionDef) and any(
                "app." in ast.unparse(each) for each in node.decorator_list
            ):
                found.add(f"{path.stem}.{node.name}")
    return found


@pytest.mark.case("trust-4")
def test_there_is_a_knock_for_every_door() -> None:
    assert _listeners() == set(DOORS)


def _said_to_one_person() -> set[str]:
    calls = [
        node
        for room in ("services", "dispatch", "verbs", "queries", "ports")
        for path in (ROOT / "bot" / room).glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "Message"
    ]
    to = {
        call: next((each.value for each in call.keywords if each.arg == "to"), None)
        for call in calls
    }
    places = ast.Constant | ast.IfExp  # the channel, the thread, or one of the two
    return {
        ast.unparse(call.args[1]).strip("'")
        for call, value in to.items()
        if value is not None and not isinstance(value, places)
    }


@pytest.mark.case("trust-4")
def test_every_message_to_one_person_is_known() -> None:
    assert _said_to_one_person() == TO_ONE_PERSON


@pytest.mark.case("trust-4")
async def test_no_door_tells_an_outsider_anything(world: World) -> None:
    assert world.bot is not None
    world.slack.state.users.update({user.id: user for user in OUTSIDERS})
    await world.says(ANA, "/deploy storefront v1.2.0 to production")
    card = await world.card("storefront v1.2.0 → production", "not ready")
    await world.says(ANA, "/deploy lock storefront production because audit season")
    await world.reply(ANA, "is locked")
    before = len(world.slack.state.ephemerals)
    for user in OUTSIDERS:
        for knock in DOORS.values():
            await knock(world, user.id, card)
    await _everything_is_answered(world)
    told = [str(each) for each in world.slack.state.ephemerals[before:] if each["to"] != ANA]
    told += [str(world.slack.state.homes[user.id]) for user in OUTSIDERS]
    told += [
        str(view)
        for view in world.slack.state.views.values()
        if view.get("_user") in {user.id for user in OUTSIDERS}
    ]
    direct = [world.slack.state.direct(user.id) for user in OUTSIDERS]
    told += [str(message) for channel in direct for message in channel.messages]
    assert len(told) > 50
    assert [each for each in told if SECRET.search(_without_echoes(each))] == []


async def _everything_is_answered(world: World) -> None:
    bot = world.bot
    assert bot is not None
    while await bot.database.inbox.waiting():
        await world.says(ANA, "/deploy help")
    await world.says(ANA, "/deploy locks")
    await world.reply(ANA, "audit season")


def _without_echoes(told: str) -> str:
    """Leave out what Slack adds, and what the person has sent or pressed."""
    return re.sub(r"'(?:value|_user|id|private_metadata|hash|ts)': '[^']*'", "", told)
