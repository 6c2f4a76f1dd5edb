"""Blocks beyond Slack's limits are refused with a reason."""

from __future__ import annotations

from typing import Any

import pytest

from bot.sandbox.workspace.blocks import problems


def section(text: str = "hello", **more: Any) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}, **more}


def button(text: str = "Go", kind: str = "plain_text", **more: Any) -> dict[str, Any]:
    return {"type": "button", "action_id": "go", "text": {"type": kind, "text": text}, **more}


def actions(*elements: dict[str, Any]) -> dict[str, Any]:
    return {"type": "actions", "elements": list(elements)}


def confirm(title: str = "Sure", text: str = "Really", yes: str = "Yes") -> dict[str, Any]:
    words = {"title": title, "confirm": yes, "deny": "No"}
    return {
        **{key: {"type": "plain_text", "text": value} for key, value in words.items()},
        "text": {"type": "mrkdwn", "text": text},
    }


GOOD = {
    "a section with fields": section(fields=[{"type": "mrkdwn", "text": "a"}]),
    "a header": {"type": "header", "text": {"type": "plain_text", "text": "Deployments"}},
    "a divider": {"type": "divider"},
    "a context": {"type": "context", "elements": [{"type": "mrkdwn", "text": "by ana"}]},
    "a danger button that asks again": actions(
        button(style="danger", value="storefront-1", confirm=confirm())
    ),
    "an image": {"type": "image", "image_url": "https://example.com/a.png", "alt_text": "p95"},
}
BAD = {
    "51 blocks": [section()] * 51,
    "a section of 3001 characters": [section("x" * 3001)],
    "a field of 2001 characters": [section(fields=[{"type": "mrkdwn", "text": "x" * 2001}])],
    "11 fields": [section(fields=[{"type": "mrkdwn", "text": "x"}] * 11)],
    "a header of 151 characters": [
        {"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}
    ],
    "11 context elements": [
        {"type": "context", "elements": [{"type": "mrkdwn", "text": "x"}] * 11}
    ],
    "26 actions": [actions(*(button(action_id=str(n)) for n in range(26)))],
    "a button text of 76 characters": [actions(button("x" * 76))],
    "a button with formatted text": [actions(button(kind="mrkdwn"))],
    "a value of 2001 characters": [actions(button(value="x" * 2001))],
    "an action_id of 256 characters": [actions(button(action_id="x" * 256))],
    "a block_id of 256 characters": [section(block_id="x" * 256)],
    "one block_id twice": [section(block_id="a"), section(block_id="a")],
    "one action_id twice in a block": [actions(button(), button())],
    "a confirm title of 101 characters": [actions(button(confirm=confirm(title="x" * 101)))],
    "a confirm text of 301 characters": [actions(button(confirm=confirm(text="x" * 301)))],
    "a confirm button of 31 characters": [actions(button(confirm=confirm(yes="x" * 31)))],
    "an unknown type": [{"type": "marquee"}],
    "a misspelt key": [section(accesory=button())],
    "an image without words": [{"type": "image", "image_url": "https://example.com/a.png"}],
    "13201 characters in all": [section("x" * 2640)] * 5 + [section("x")],
    "no list": {"type": "section"},
}


@pytest.mark.parametrize("name", GOOD)
def test_good_blocks_are_taken(name: str) -> None:
    assert problems([GOOD[name]]) == []


@pytest.mark.parametrize("name", BAD)
def test_bad_blocks_are_refused_with_a_reason(name: str) -> None:
    assert problems(BAD[name])


def test_a_dialog_may_have_a_hundred_blocks() -> None:
    assert problems([section()] * 100, "view") == []
    assert problems([section()] * 101, "view")
