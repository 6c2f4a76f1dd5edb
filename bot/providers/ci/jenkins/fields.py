"""The fields of Jenkins' JSON, whatever stands in them. No I/O here."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any


def parameters_of(data: Any) -> dict[str, str]:
    """Read the parameters of a build or of a queue item, by name."""
    pairs = (
        each for action in actions_of(data) for each in list_of(value_of(action, "parameters"))
    )
    return {name: text_of(each, "value") for each in pairs if (name := text_of(each, "name"))}


def actions_of(data: Any) -> list[Any]:
    """List the actions of a build or of a queue item."""
    return list_of(value_of(data, "actions"))


def value_of(data: Any, key: str) -> Any:
    """Give a field; None where there is none, or nothing that has fields."""
    return data.get(key) if isinstance(data, dict) else None


def list_of(value: Any) -> list[Any]:
    """Give a list; empty for what is none."""
    return value if isinstance(value, list) else []


def text_of(data: Any, key: str) -> str:
    """Give a field of text on one line; empty where it is none."""
    value = value_of(data, key)
    return " ".join(value.split()) if isinstance(value, str) else ""


def number_of(data: Any, key: str) -> int | None:
    """Give a field that is a whole number from nought on; None where it is none."""
    value = value_of(data, key)
    return (
        value
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53
        else None
    )


def moment_of(milliseconds: int | None) -> datetime | None:
    """Read milliseconds since 1970 as aware UTC; None where they are no time."""
    if not milliseconds:
        return None
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return None
