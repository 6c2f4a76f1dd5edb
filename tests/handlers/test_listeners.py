"""What is typed, clicked and sent off becomes one stored command, or a sentence for the person."""

from __future__ import annotations

import ast
import inspect
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from slack_bolt.kwargs_injection import async_utils

import handlers.slack
from bot.dispatch.tables import AS_TYPED, ASKING_WHY
from bot.domain.actions import Action
from bot.domain.commands import Deploy, Help, RollBack, Tick
from bot.slack import ids
from tests.handlers.conftest import TEAM, click, submission

if TYPE_CHECKING:
    from tests.handlers.conftest import Door

ASKS = {
    Action.REJECT,
    Action.CONFIRM_PLAN,
    Action.PROCEED,
    Action.STOP_COUNTDOWN,
    Action.SAY_WHY,
    Action.TAKE_OVER,
    Action.TICK,
    Action.SHOW_CHANGES,
    Action.SHOW_TIMELINE,
}


async def test_a_command_is_stored_before_it_is_acknowledged_and_taken_up_at_once(
    door: Door,
) -> None:
    reply = await door.command("storefront v1.2.0 to production because it is time")
    assert (reply.status, reply.text) == (200, "")
    [intent] = door.accepted
    assert intent.command == Deploy("storefront", "production", "v1.2.0", reason="it is time")
    assert (str(intent.by), intent.place.channel, intent.place.response_url) == (
        "T1/UANA",
        "C1",
        "https://hooks.slack.com/commands/1",
    )
    assert door.nudged == [intent]


@pytest.mark.case("card-and-people-12")
@pytest.mark.parametrize(
    ("command", "typed"),
    [
        ("/deploy", "status"), ("/deploy", "storefront v1.2.0 to production"),
        ("/deploy", "unlock storefront production"),
        ("/rollback", "storefront production because errors rise"),
    ],
)  # fmt: skip
async def test_nothing_is_said_of_a_command_that_its_answer_could_come_before(
    door: Door, command: str, typed: str
) -> None:
    reply = await door.command(typed, command)
    assert (reply.status, reply.text) == (200, "")
    assert len(door.accepted) == 1


async def test_a_rollback_is_a_command_of_its_own(door: Door) -> None:
    await door.command("storefront production because errors rise", "/rollback")
    assert [intent.command for intent in door.accepted] == [
        RollBack("storefront", "production", reason="errors rise")
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [("help", "/deploy status"), ("help lock", "/deploy lock"), ("staus", "status")],
)
async def test_help_and_what_was_not_understood_are_answered_at_once_and_stored_never(
    door: Door, text: str, words: str
) -> None:
    reply = await door.command(text)
    assert (reply.status, reply.content_type) == (200, "application/json")
    assert words in reply.said
    assert door.accepted == []


async def test_what_cannot_be_stored_is_not_acknowledged_as_taken(door: Door) -> None:
    door.inbox.is_down = True
    reply = await door.command("status")
    assert reply.status == 200
    assert reply.said.startswith("That was not accepted: something went wrong here (incident ")
    assert door.nudged == []


async def test_an_empty_command_opens_the_dialog(door: Door) -> None:
    assert (await door.command("")).text == ""
    await door.intake.close()
    assert door.forms.opened == [("deploy", "trigger.1", "T1/UANA", "C1")]


# those are about a place, and about whatever a line says
@pytest.mark.parametrize("action", sorted(set(Action) - ASKS - AS_TYPED - {Action.SAY_LIVE}))
async def test_a_button_that_asks_nothing_is_a_command_about_its_deployment(
    door: Door, action: Action
) -> None:
    reply = await door.interaction(click(action))
    assert (reply.status, reply.text) == (200, "")
    [intent] = door.accepted
    assert getattr(intent.command, "deployment", "") == "storefront-42"
    assert intent.place.thread == "0.9"


@pytest.mark.parametrize("action", sorted(ASKS))
async def test_a_button_that_asks_opens_its_dialog_and_stores_nothing_yet(
    door: Door, action: Action
) -> None:
    assert (await door.interaction(click(action))).status == 200
    await door.intake.close()
    assert [opened[0] for opened in door.forms.opened] == [action]
    assert door.accepted == []


async def test_a_double_click_with_one_trigger_is_one_command(door: Door) -> None:
    for _ in range(3):
        await door.interaction({**click("approve"), "trigger_id": "the same"})
    assert len(door.accepted) == len(door.nudged) == 1


@pytest.mark.parametrize("value", ["", "'; drop table deployment;--", "x" * 3000, '{"a":1}'])
async def test_whatever_a_button_carries_is_only_an_id_to_be_looked_up(
    door: Door, value: str
) -> None:
    assert (await door.interaction(click("approve", value))).status == 200
    assert [getattr(intent.command, "deployment", "") for intent in door.accepted] == (
        [value.partition(" ")[0]] if value else []
    )


@pytest.mark.parametrize("callback", sorted(map(ids.form_of, ASKING_WHY)))
async def test_a_dialog_that_asks_why_wants_an_answer(door: Door, callback: str) -> None:
    empty = await door.interaction(submission(callback, {ids.REASON: {"value": "  "}}))
    assert '"errors"' in empty.text
    assert door.accepted == []
    assert (
        await door.interaction(submission(callback, {ids.REASON: {"value": "it is right"}}))
    ).text == ""
    [intent] = door.accepted
    assert (getattr(intent.command, "reason", ""), getattr(intent.command, "deployment", "")) == (
        "it is right",
        "storefront-42",
    )


async def test_a_dialog_that_is_sent_off_twice_is_one_command(door: Door) -> None:
    for trigger in ("t1", "t2"):
        await door.interaction(
            {
                **submission(ids.DEPLOY_FORM, _deploy_form("storefront", "staging", "v1.2.0")),
                "trigger_id": trigger,
            }
        )
    assert len(door.accepted) == 1


async def test_ticked_items_are_one_command(door: Door) -> None:
    values = {ids.ITEMS: {"selected_options": [{"value": "support"}, {"value": "docs"}]}}
    await door.interaction(submission(ids.form_of(Action.TICK), values))
    assert [intent.command for intent in door.accepted] == [
        Tick("storefront-42", ("support", "docs"))
    ]


def _deploy_form(service: str, environment: str, ref: str) -> dict[str, object]:
    return {
        ids.SERVICE: {"selected_option": {"value": service}},
        ids.ENVIRONMENT: {"selected_option": {"value": environment}},
        ids.REF: {"value": ref}, ids.REASON: {"value": "because"},
    }  # fmt: skip


async def test_the_deploy_dialog_is_the_same_command(door: Door) -> None:
    reply = await door.interaction(
        submission(ids.DEPLOY_FORM, _deploy_form("storefront", "staging", "v1.2.0"))
    )
    assert (reply.status, reply.text) == (200, "")
    assert [intent.command for intent in door.accepted] == [
        Deploy("storefront", "staging", "v1.2.0", reason="because")
    ]


@pytest.mark.parametrize(
    ("service", "environment", "ref", "field"),
    [
        ("storefrnt", "staging", "v1", ids.SERVICE), ("storefront", "moon", "v1", ids.ENVIRONMENT),
        ("storefront", "staging", "--upload-pack=x", ids.REF),
        ("storefront", "staging", "$(curl x)", ids.REF),
        ("storefront", "staging", "a..b", ids.REF),
    ],
)  # fmt: skip
async def test_what_is_wrong_in_the_deploy_dialog_is_said_under_its_field(
    door: Door, service: str, environment: str, ref: str, field: str
) -> None:
    reply = await door.interaction(
        submission(ids.DEPLOY_FORM, _deploy_form(service, environment, ref))
    )
    assert '"response_action": "errors"' in reply.text
    assert field in reply.text
    assert door.accepted == []


async def test_picking_a_service_narrows_the_open_dialog(door: Door) -> None:
    pick = {
        **click("form.service"),
        "view": {
            "id": "V7",
            "state": {"values": {ids.SERVICE: {"x": {"selected_option": {"value": "storefront"}}}}},
        },
    }
    assert (await door.interaction(pick)).status == 200
    await door.intake.close()
    assert door.forms.opened == [("narrow", "V7", "storefront", "T1/UANA")]


async def test_opening_the_home_shows_the_board(door: Door) -> None:
    assert (await door.event({"type": "app_home_opened", "user": "UANA"})).status == 200
    await door.intake.close()
    assert door.forms.opened == [("home", f"{TEAM}/UANA")]


@pytest.mark.case("card-and-people-16")
async def test_a_mention_of_the_bot_is_answered_once_and_another_bot_is_not(door: Door) -> None:
    said = {
        "type": "app_mention",
        "user": "UANA",
        "channel": "C1",
        "thread_ts": "0.9",
        "text": "<@UBOT> hello",
    }
    for _ in range(2):
        assert (await door.event(said)).status == 200
    await door.event({**said, "bot_id": "B2"})
    [intent] = door.accepted
    assert (intent.command, str(intent.by), intent.place.channel, intent.place.thread) == (
        Help(),
        "T1/UANA",
        "C1",
        "0.9",
    )


def _listeners() -> list[ast.AsyncFunctionDef]:
    folder = Path(handlers.slack.__file__).parent
    nodes = [
        node
        for path in sorted(folder.glob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    ]
    return [
        node
        for node in nodes
        if isinstance(node, ast.AsyncFunctionDef)
        and any("app." in ast.unparse(d) for d in node.decorator_list)
    ]


@pytest.mark.parametrize("listener", _listeners(), ids=lambda node: f"{node.name}:{node.lineno}")
def test_a_listener_asks_only_for_what_bolt_gives_and_never_by_keyword_alone(
    listener: ast.AsyncFunctionDef,
) -> None:
    source = inspect.getsource(async_utils.build_async_required_kwargs)
    given = {
        node.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    asked = [argument.arg for argument in listener.args.args]
    assert {"ack", "body"} <= set(asked) <= given
    assert listener.args.kwonlyargs == []
    assert any("explain" in ast.unparse(decorator) for decorator in listener.decorator_list), (
        "no exception may leave a listener"
    )


def test_every_verb_has_its_listener() -> None:
    assert len(_listeners()) == 9


@pytest.mark.parametrize("payload", [click("approve"), click("cancel")])
async def test_a_click_that_cannot_be_stored_is_answered_where_the_person_sees_it(
    door: Door, payload: dict[str, object]
) -> None:
    door.inbox.is_down = True
    assert (await door.interaction(payload)).text == ""
    said = await door.slack.until(
        lambda: door.slack.whisper("UANA", "That was not accepted", "incident")
    )
    assert said["channel"] == "C1"


async def test_a_dialog_that_cannot_be_stored_says_so_under_its_first_field(door: Door) -> None:
    door.inbox.is_down = True
    reply = await door.interaction(
        submission(ids.form_of(Action.REJECT), {ids.REASON: {"value": "no"}})
    )
    assert "That was not accepted" in json.loads(reply.text)["errors"][ids.REASON]


async def test_a_slow_database_is_answered_before_slack_loses_patience(door: Door) -> None:
    door.inbox.is_quick.clear()
    reply = await door.command("status")
    assert "The database is slow, so I cannot say whether this was taken" in reply.said
    door.inbox.is_quick.set()
    await door.intake.close()
    assert len(door.accepted) == len(door.nudged) == 1, "it was taken after all, and is carried out"


@pytest.mark.parametrize("action", sorted(ASKS))
async def test_somebody_of_another_company_gets_no_dialog_and_the_desk_refuses(
    door: Door, action: Action
) -> None:
    await door.interaction(click(action, team="T9"))
    await door.intake.close()
    assert door.forms.opened == []
    assert [str(intent.by) for intent in door.accepted] == ["T9/UANA"]


async def test_what_somebody_typed_comes_back_escaped(door: Door) -> None:
    assert "&lt;!channel&gt;" in (await door.command("<!channel>")).said


@pytest.mark.parametrize("reason", ["\u202efdp.exe", "x" * 501, "a\x00b"])
async def test_a_reason_in_a_dialog_is_checked_like_one_that_was_typed(
    door: Door, reason: str
) -> None:
    for callback in (ids.form_of(Action.REJECT), ids.DEPLOY_FORM):
        values = {**_deploy_form("storefront", "staging", "v1.2.0"), ids.REASON: {"value": reason}}
        assert (
            ids.REASON
            in json.loads((await door.interaction(submission(callback, values))).text)["errors"]
        )
    assert door.accepted == []
