"""Every shape of payload that Slack has, with anything in any place of it: through the real door,
and never a fault of ours.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from bot.domain.actions import Action
from bot.domain.commands import to_json
from bot.slack import ids
from tests.handlers.conftest import APP, FORM, JSON, TEAM, click, signature, slash, submission

if TYPE_CHECKING:
    from tests.handlers.conftest import Door

STRANGE = ["", "gonogo.", "gonogo.approve", "x" * 5000, "\ud800", "\x00", "UANA"]
TEXT = st.text(st.characters(codec=None), max_size=20) | st.sampled_from(STRANGE)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(TEXT, below, max_size=3),
    max_leaves=6,
)
WHO: dict[str, Any] = {
    "team": {"id": TEAM},
    "api_app_id": APP,
    "user": {"id": "UANA", "team_id": TEAM},
    "trigger_id": "t",
}
VIEW: dict[str, Any] = {
    "id": "V1",
    "type": "modal",
    "callback_id": ids.DEPLOY_FORM,
    "private_metadata": "{}",
    "state": {"values": {}},
}
EVENT: dict[str, Any] = {
    "type": "event_callback",
    "team_id": TEAM,
    "api_app_id": APP,
    "event_id": "Ev1",
}
SHAPES: dict[str, dict[str, Any]] = {
    "block_actions": click("approve"),
    "block_actions in a dialog": {
        **WHO,
        "type": "block_actions",
        "view": VIEW,
        "actions": [{"action_id": ids.SERVICE_PICKED}],
    },
    "view_submission": submission(
        ids.DEPLOY_FORM, {ids.SERVICE: {"selected_option": {"value": "storefront"}}}
    ),
    "view_submission with a reason": submission(
        ids.form_of(Action.REJECT), {ids.REASON: {"value": "no"}}
    ),
    "view_submission with ticks": submission(
        ids.form_of(Action.TICK), {ids.ITEMS: {"selected_options": [{"value": "briefed"}]}}
    ),
    "view_closed": {**WHO, "type": "view_closed", "view": VIEW, "is_cleared": False},
    "shortcut": {**WHO, "type": "shortcut", "callback_id": "deploy"},
    "message_action": {
        **WHO,
        "type": "message_action",
        "callback_id": "roll_back",
        "message": {"ts": "1.0"},
        "channel": {"id": "C1"},
    },
    "block_suggestion": {
        **WHO,
        "type": "block_suggestion",
        "action_id": "x",
        "block_id": "b",
        "value": "sto",
        "view": VIEW,
    },
    "interactive_message": {
        **WHO,
        "type": "interactive_message",
        "callback_id": "x",
        "actions": [{"name": "a", "type": "button"}],
    },
    "dialog_submission": {**WHO, "type": "dialog_submission", "callback_id": "x", "submission": {}},
    "workflow_step_edit": {
        **WHO,
        "type": "workflow_step_edit",
        "callback_id": "x",
        "workflow_step": {},
    },
    "app_home_opened": {
        **EVENT,
        "event": {"type": "app_home_opened", "user": "UANA", "tab": "home", "view": VIEW},
    },
    "message": {
        **EVENT,
        "event": {"type": "message", "channel_type": "im", "message": {"thread_ts": "1.0"}},
    },
    "function_executed": {
        **EVENT,
        "event": {"type": "function_executed", "function_execution_id": "Fx1", "function": {}},
    },
    "app_rate_limited": {
        "type": "app_rate_limited",
        "team_id": TEAM,
        "api_app_id": APP,
        "minute_rate_limited": 1,
    },
    "url_verification": {"type": "url_verification", "challenge": "x"},
}


def places(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """List every place in a payload."""
    steps = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    return [way, *(place for step, below in steps for place in places(below, (*way, step)))]


def put(value: Any, way: tuple[Any, ...], new: Any, *, gone: bool) -> Any:
    """Copy a payload with something else in one place, or nothing."""
    if not way:
        return new
    step, rest = way[0], way[1:]
    copy = dict(value) if isinstance(value, dict) else list(value)
    if gone and not rest:
        del copy[step]
    else:
        copy[step] = put(copy[step], rest, new, gone=gone)
    return copy


@st.composite
def payloads(draw: st.DrawFn, name: str) -> Any:
    """Draw a payload of a shape with up to three places that are strange."""
    payload: Any = SHAPES[name]
    for _ in range(draw(st.integers(1, 3))):
        way = draw(st.sampled_from(places(payload)))
        gone = bool(way) and draw(st.booleans())
        payload = put(payload, way, None if gone else draw(ANYTHING), gone=gone)
    return payload


async def never_a_fault(door: Door, body: bytes, content_type: str) -> None:
    """Knock, and look at the answer, at what was stored and at what was logged."""
    with capture_logs() as lines:
        reply = await door.post(body, {"Content-Type": content_type, **signature(body)})
        await door.intake.close()
    assert reply.status < 500, (body, reply)
    assert [line for line in lines if line["log_level"] in {"error", "critical"}] == [], body
    for intent in door.accepted:
        json.dumps(
            [to_json(intent.command), str(intent.by), intent.key], ensure_ascii=False
        ).encode()
    door.inbox.intents.clear()


FUZZ = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.mark.case("trust-13")
@pytest.mark.parametrize("name", SHAPES)
@FUZZ
@given(data=st.data())
async def test_whatever_stands_in_a_payload_the_answer_is_no_fault(
    door: Door, name: str, data: st.DataObject
) -> None:
    text = json.dumps(data.draw(payloads(name)))
    is_json = (
        name in {"url_verification", "app_rate_limited"}
        or SHAPES[name].get("type") == "event_callback"
    )
    await never_a_fault(
        door,
        text.encode() if is_json else urlencode({"payload": text}).encode(),
        JSON if is_json else FORM,
    )


@pytest.mark.case("trust-13")
@FUZZ
@given(
    fields=st.dictionaries(
        st.sampled_from([*slash("", ""), "ssl_check", "enterprise_id", "type", "payload"]),
        TEXT,
        max_size=4,
    )
)
async def test_whatever_stands_in_a_command_the_answer_is_no_fault(
    door: Door, fields: dict[str, str]
) -> None:
    await never_a_fault(
        door, urlencode({**slash("t", "status"), **fields}, errors="surrogatepass").encode(), FORM
    )


@pytest.mark.case("trust-13")
@pytest.mark.parametrize("command", ["/deploy", "/rollback", "/other"])
@FUZZ
@given(text=TEXT | st.text("deploylocksbecaustfr <>@|&\"'`*_~#\n", max_size=40))
async def test_whatever_is_typed_the_answer_is_no_fault(
    door: Door, command: str, text: str
) -> None:
    await never_a_fault(
        door, urlencode(slash("t", text, command), errors="surrogatepass").encode(), FORM
    )


@pytest.mark.case("trust-13")
@FUZZ
@given(
    body=st.binary(max_size=80),
    content_type=st.sampled_from([FORM, JSON, "text/plain", "", "application/json; charset=x"]),
)
async def test_whatever_bytes_are_signed_the_answer_is_no_fault(
    door: Door, body: bytes, content_type: str
) -> None:
    await never_a_fault(door, body, content_type)


@pytest.mark.case("trust-13")
@pytest.mark.parametrize(
    "strange",
    [
        {"actions": [{"type": "button", "value": "storefront-42"}]},
        {"actions": [{"type": "button", "action_id": None, "value": "storefront-42"}]},
        {"actions": [{"type": "button", "action_id": 7, "value": "storefront-42"}]},
        {"actions": ["approve"]},
        {"message": ["text"]},
        {"message": "text"},
        {"channel": "C1"},
        {"view": "V1"},
        {"type": "view_submission", "view": {"callback_id": ids.DEPLOY_FORM}},
    ],
    ids=str,
)
async def test_a_click_that_looks_unlike_slacks_is_turned_away(
    door: Door, strange: dict[str, Any]
) -> None:
    reply = await door.interaction({**click("approve"), **strange})
    assert (reply.status, reply.text) == (400, "")
    assert door.accepted == []
