"""The names that travel through Slack and back: action ids, callback ids, block ids, and what
buttons and forms carry.

Handlers read with these functions what cards and dialogs wrote with them. A button carries a
deployment's id and a digest of what was shown beside it; who may press it, and whether that is
still so, is decided when it is pressed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.domain.actions import Action
from bot.domain.limits import SLACK, Unreadable, mended, read_json

PREFIX = "gonogo."
ANY_ACTION = re.compile(r"^gonogo\.[a-z_]+$")
"""Matches the action id of every button of ours (and of nothing in a form)."""

# Dialogs (callback ids) -------------------------------------------------------------------------

DEPLOY_FORM = "gonogo.deploy_form"
# Fields of dialogs (block ids; the element in each has the action id of ``VALUE``, the service
# that of ``SERVICE_PICKED``)

VALUE = "gonogo.value"
SERVICE_PICKED = "gonogo.form.service"
"""Sent as a block action when somebody picks a service in the deploy form, so that the form
can offer its environments.
"""

SERVICE = "gonogo.field.service"
ENVIRONMENT = "gonogo.field.environment"
REF = "gonogo.field.ref"
STRATEGY = "gonogo.field.strategy"
LEAD = "gonogo.field.lead"
REASON = "gonogo.field.reason"
ITEMS = "gonogo.field.items"
"""The first group of checkboxes; the next ones have a number behind it."""

CARD_ACTIONS = "gonogo.card.actions"
OFFERS = "gonogo.offers"


def action_id(action: str) -> str:
    """Name the button of a card action (see ``bot.domain.actions.Action``)."""
    return f"{PREFIX}{action}"


def form_of(action: Action) -> str:
    """Name the dialog of a button that asks for something first."""
    return f"{PREFIX}{action}_form"


def action_of(action_id: str) -> Action | None:
    """Read which card action a button stands for; None when it is none of ours."""
    try:
        return Action(action_id.removeprefix(PREFIX)) if action_id.startswith(PREFIX) else None
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Carried:
    """What a dialog remembers of the click or command that opened it. It gives no rights."""

    deployment: str = ""
    channel: str = ""
    thread: str = ""
    shown: str = ""
    """The digest of what the card showed whose button opened it (``bot.domain.shown``)."""


def carry(carried: Carried) -> str:
    """Write ``private_metadata``."""
    known = {
        "deployment": carried.deployment,
        "channel": carried.channel,
        "thread": carried.thread,
        "shown": carried.shown,
    }
    return json.dumps({key: value for key, value in known.items() if value}, separators=(",", ":"))


def carried(private_metadata: str) -> Carried:
    """Read ``private_metadata``; what is not ours is read as nothing."""
    try:
        value = read_json(mended(private_metadata or "{}").encode(), SLACK)
    except Unreadable:
        return Carried()
    if not isinstance(value, dict):
        return Carried()
    found = (value.get(key) for key in ("deployment", "channel", "thread", "shown"))
    return Carried(*(each if isinstance(each, str) else "" for each in found))


def entered(view: Mapping[str, Any], field: str) -> str:
    """Read one field of a submitted or half-filled dialog: what was typed, or the value or user
    that was picked; empty for nothing.

    What was typed on several lines becomes one, as it is stored and shown.
    """
    element = _element(view, field)
    option = element.get("selected_option")
    found = (
        option.get("value")
        if isinstance(option, dict)
        else element.get("selected_user") or element.get("value")
    )
    return (
        " ".join(filter(None, (line.strip() for line in found.split("\n"))))
        if isinstance(found, str)
        else ""
    )


def ticked(view: Mapping[str, Any]) -> tuple[str, ...]:
    """Read which checklist items are ticked in the tick form."""
    found: list[str] = []
    for field in _values(view):
        if field.startswith(ITEMS):
            found += _options(_element(view, field), "selected_options")
    return tuple(found)


def ticked_before(view: Mapping[str, Any]) -> tuple[str, ...]:
    """Read which checklist items the tick form showed as ticked."""
    blocks = view.get("blocks")
    found: list[str] = []
    for block in blocks if isinstance(blocks, list) else []:
        element = (
            block.get("element")
            if isinstance(block, dict) and str(block.get("block_id", "")).startswith(ITEMS)
            else None
        )
        found += _options(element, "initial_options")
    return tuple(found)


def _options(element: Any, which: str) -> list[str]:
    """Read the values of a checkbox's options; what is not ours is read as none."""
    options = element.get(which) if isinstance(element, dict) else None
    return [
        str(option.get("value", ""))
        for option in (options if isinstance(options, list) else ())
        if isinstance(option, dict)
    ]


def _values(view: Mapping[str, Any]) -> Mapping[str, Any]:
    state = view.get("state") or {}
    values = state.get("values") if isinstance(state, dict) else None
    return values if isinstance(values, dict) else {}


def _element(view: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    block = _values(view).get(field)
    element = next(iter(block.values()), None) if isinstance(block, dict) else None
    return element if isinstance(element, dict) else {}
