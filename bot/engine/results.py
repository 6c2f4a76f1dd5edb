"""How the result of a step is written into the journal and read back: by the return
annotation of what was done.
"""

from __future__ import annotations

import types
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any, Generic, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from bot.ports.engine import Later
from bot.ports.time import Json

R = TypeVar("R")


class Result(Generic[R]):
    """Writes and reads the results of one function. Raises TypeError where its annotation does
    not say what it returns.
    """

    def __init__(self, kind: object) -> None:
        self._adapter: TypeAdapter[R] = TypeAdapter(cast("type[R]", kind))

    def write(self, value: R) -> Json:
        """Write a result as a JSON value. Raises TypeError where it is
        none of what was promised.
        """
        try:
            return self._adapter.dump_python(
                self._adapter.validate_python(value, strict=True), mode="json", warnings="error"
            )
        except (PydanticSerializationError, ValidationError) as error:
            raise TypeError(
                f"{type(value).__name__}, which is not what it is declared to return"
            ) from error

    def read(self, stored: Json) -> R:
        """Read what was written; every pass through a runbook sees the same, the first one too."""
        return self._adapter.validate_python(stored)


def result_of(do: Callable[..., Awaitable[R]]) -> Result[Any]:
    """Give what writes and reads the results of a function. Raises TypeError for one that does not
    declare what it returns.
    """
    return _result_of(getattr(do, "__func__", do))


@lru_cache(maxsize=256)
def _result_of(do: Callable[..., Awaitable[R]]) -> Result[Any]:
    hints = get_type_hints(do) if hasattr(do, "__annotations__") else {}
    if "return" not in hints:
        raise TypeError(f"{getattr(do, '__qualname__', do)} does not declare what it returns")
    return Result(_found(hints["return"]))


def _found(declared: object) -> object:
    """Leave out of what a look may return that there is nothing yet."""
    if get_origin(declared) not in {Union, types.UnionType}:
        return declared
    left = tuple(each for each in get_args(declared) if each not in {Later, types.NoneType})
    return Union[left] if left else types.NoneType  # noqa: UP007 - made at run time
