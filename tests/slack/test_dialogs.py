"""Dialogs and the App Home: within Slack's limits, and readable by the handlers through ``ids``."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from slack_sdk.models.views import View

from bot.dispatch.tables import ASKING_WHY
from bot.domain.actions import Action
from bot.domain.live import Live
from bot.domain.people import Person
from bot.ports.board import BoardRow
from bot.slack import ids
from bot.slack.dialogs import Dialogs, ServiceChoice
from bot.slack.render import Words

NOW = datetime(2026, 11, 21, 10, 2, tzinfo=UTC)
DIALOGS = Dialogs(Words(now=lambda: NOW))
SERVICES = [
    ServiceChoice("storefront", ("staging", "production")),
    ServiceChoice("api", ("production",)),
]
CARRIED = ids.Carried("storefront-42", "C1")


def valid(view: dict[str, Any]) -> dict[str, Any]:
    View(**view).validate_json()
    assert len(view["blocks"]) <= 100
    for block in view["blocks"]:
        assert len(json.dumps(block)) < 100_000
    return view


def options(view: dict[str, Any], field: str) -> list[str]:
    block = next(block for block in view["blocks"] if block.get("block_id") == field)
    return [option["value"] for option in block["element"]["options"]]


def test_the_deploy_form_asks_for_everything_that_the_command_can_say() -> None:
    view = valid(
        DIALOGS.deploy_form(SERVICES, ["canary", "rolling"], carried=ids.Carried(channel="C1"))
    )
    fields = [block["block_id"] for block in view["blocks"] if block["type"] == "input"]
    assert fields == [ids.SERVICE, ids.ENVIRONMENT, ids.REF, ids.STRATEGY, ids.LEAD, ids.REASON]
    assert view["callback_id"] == ids.DEPLOY_FORM
    assert ids.carried(view["private_metadata"]).channel == "C1"


def test_picking_a_service_narrows_the_environments() -> None:
    assert options(DIALOGS.deploy_form(SERVICES, []), ids.ENVIRONMENT) == ["staging", "production"]
    view = valid(DIALOGS.deploy_form(SERVICES, [], service="api"))
    assert options(view, ids.ENVIRONMENT) == ["production"]
    service = next(block for block in view["blocks"] if block.get("block_id") == ids.SERVICE)
    assert service["dispatch_action"] is True
    assert service["element"]["action_id"] == ids.SERVICE_PICKED
    assert service["element"]["initial_option"]["value"] == "api"


def test_the_form_never_picks_production_by_itself() -> None:
    view = DIALOGS.deploy_form(SERVICES[:1], [])
    environment = next(
        block for block in view["blocks"] if block.get("block_id") == ids.ENVIRONMENT
    )
    assert "initial_option" not in environment["element"]


def test_a_company_with_three_hundred_services_still_gets_a_form() -> None:
    view = DIALOGS.deploy_form(
        [ServiceChoice(f"service-{n}", ("production",)) for n in range(300)], ["canary"]
    )
    groups = next(block for block in view["blocks"] if block.get("block_id") == ids.SERVICE)[
        "element"
    ]["option_groups"]
    assert [len(group["options"]) for group in groups] == [100, 100, 100]


def test_without_any_service_the_form_has_no_empty_menu() -> None:
    view = valid(DIALOGS.deploy_form([], []))
    assert ids.SERVICE not in [block.get("block_id") for block in view["blocks"]]


def test_the_tick_form_shows_what_is_ticked_and_is_read_back() -> None:
    view = valid(
        DIALOGS.tick_form(
            "storefront v1.2.0",
            [("support", "Support briefed", True), ("docs", "<!channel>" * 30, False)],
            CARRIED,
        )
    )
    element = view["blocks"][1]["element"]
    assert [option["value"] for option in element["initial_options"]] == ["support"]
    submitted = {
        "state": {
            "values": {
                ids.ITEMS: {
                    ids.VALUE: {"type": "checkboxes", "selected_options": element["options"]}
                }
            }
        }
    }
    assert ids.ticked(submitted) == ("support", "docs")
    assert ids.carried(view["private_metadata"]) == CARRIED


def test_no_item_of_a_long_checklist_is_lost() -> None:
    items = [(f"item-{number}", f"Item {number}", True) for number in range(34)]
    view = valid(DIALOGS.tick_form("storefront v1.2.0", items, CARRIED))
    groups = [block for block in view["blocks"] if block["type"] == "input"]
    values = {
        block["block_id"]: {ids.VALUE: {"selected_options": block["element"]["initial_options"]}}
        for block in groups
    }
    assert [len(block["element"]["options"]) for block in groups] == [10, 10, 10, 4]
    assert ids.ticked({"state": {"values": values}}) == tuple(key for key, _, _ in items)


def test_nothing_to_tick_says_so() -> None:
    view = valid(DIALOGS.tick_form("storefront v1.2.0", [], CARRIED))
    assert "no open item is yours" in view["blocks"][0]["text"]["text"]
    assert "submit" not in view


@pytest.mark.parametrize("action", ASKING_WHY)
def test_reason_forms_ask_why_and_remember_the_deployment(action: Action) -> None:
    view = valid(DIALOGS.reason_form(action, "storefront <!here>", CARRIED))
    assert view["callback_id"] == ids.form_of(action)
    assert "optional" not in view["blocks"][1] or view["blocks"][1]["optional"] is False
    assert "&lt;!here&gt;" in view["blocks"][0]["text"]["text"]
    assert (
        ids.entered(
            {"state": {"values": {ids.REASON: {ids.VALUE: {"value": "  because  "}}}}}, ids.REASON
        )
        == "because"
    )


def test_a_reason_of_several_lines_is_kept_on_one() -> None:
    typed = "errors went up\r\n  after the canary\n\nsee the chart\n"
    assert ids.entered(
        {"state": {"values": {ids.REASON: {ids.VALUE: {"value": typed}}}}}, ids.REASON
    ) == ("errors went up after the canary see the chart")


def test_the_home_shows_what_is_live_and_an_empty_one_says_what_to_do() -> None:
    live = Live(
        "storefront",
        "production",
        "c" * 40,
        "v1.1.0",
        NOW,
        "storefront-41",
        Person("T1", "UANA"),
        NOW,
    )
    view = valid(
        DIALOGS.home([BoardRow("storefront", "production", live), BoardRow("api", "staging", None)])
    )
    shown = [block["text"]["text"] for block in view["blocks"]]
    assert shown[2].startswith("*storefront production* · v1.1.0 live since")
    assert "nothing deployed" in shown[3]
    assert "gonogo.yaml" in DIALOGS.home([])["blocks"][1]["text"]["text"]
    many = valid(DIALOGS.home([BoardRow("api", "staging", replace(live))] * 200))
    assert len(many["blocks"]) == 93


@pytest.mark.parametrize("action", Action)
def test_action_ids_are_read_back(action: Action) -> None:
    assert ids.action_of(ids.action_id(action)) is action
    assert ids.ANY_ACTION.match(ids.action_id(action))


def test_what_happens_in_a_form_is_no_button() -> None:
    assert not ids.ANY_ACTION.match(ids.SERVICE_PICKED)


@pytest.mark.parametrize("strange", ["approve", "gonogo.", "gonogo.dance", "other.approve", ""])
def test_strange_action_ids_are_none_of_ours(strange: str) -> None:
    assert ids.action_of(strange) is None


@pytest.mark.parametrize(
    "strange",
    [
        "",
        "[]",
        "{",
        "null",
        '{"deployment": null}',
        '"x"',
        2990 * "[",
        '{"deployment":' + 40 * "[" + 40 * "]" + "}",
    ],
)
def test_strange_private_metadata_is_read_as_nothing(strange: str) -> None:
    assert ids.carried(strange) == ids.Carried()


@pytest.mark.parametrize(
    "half", [r'{"deployment": "shop-\ud800"}', '{"deployment": "shop-\ud800"}']
)
def test_half_a_character_in_private_metadata_becomes_one_that_can_be_stored(half: str) -> None:
    assert ids.carried(half).deployment == "shop-\ufffd"


@pytest.mark.parametrize("strange", [7, "x", {"a": 1}, [7], None])
def test_strange_options_are_read_as_none(strange: Any) -> None:
    view = {
        "blocks": [{"block_id": ids.ITEMS, "element": {"initial_options": strange}}],
        "state": {"values": {ids.ITEMS: {"x": {"selected_options": strange}}}},
    }
    assert (ids.ticked_before(view), ids.ticked(view)) == ((), ())


@pytest.mark.parametrize(
    "view",
    [
        {},
        {"state": None},
        {"state": {"values": {ids.REASON: {}}}},
        {"state": {"values": {ids.REASON: {"x": None}}}},
    ],
)
def test_an_empty_form_is_read_as_nothing(view: dict[str, Any]) -> None:
    assert ids.entered(view, ids.REASON) == ""
    assert ids.ticked(view) == ()


def test_picked_options_and_users_are_read() -> None:
    values = {
        ids.SERVICE: {ids.SERVICE_PICKED: {"selected_option": {"value": "api"}}},
        ids.LEAD: {ids.VALUE: {"selected_user": "UBO"}},
        ids.STRATEGY: {ids.VALUE: {"selected_option": None}},
    }
    view = {"state": {"values": values}}
    assert [ids.entered(view, field) for field in (ids.SERVICE, ids.LEAD, ids.STRATEGY)] == [
        "api",
        "UBO",
        "",
    ]
