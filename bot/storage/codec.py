"""Dataclasses to JSON values and back, for the columns that hold whole values."""

from __future__ import annotations

from collections.abc import Hashable
from functools import cache
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter

T = TypeVar("T")


@cache
def _adapter(kind: Hashable) -> TypeAdapter[Any]:
    return TypeAdapter(cast("type[Any]", kind))


def write(value: object) -> Any:
    """Write a dataclass as JSON values."""
    return _adapter(cast("Hashable", type(value))).dump_python(value, mode="json")


def read(kind: type[T], value: Any) -> T:
    """Read what ``write`` wrote; fields that are missing take their defaults."""
    found: T = _adapter(cast("Hashable", kind)).validate_python(value, strict=False)
    return found
