"""Whoever holds a view of the store or the transaction asks nobody outside: a provider that hangs
would hold the connection with it.
"""

from __future__ import annotations

import functools
import inspect
from typing import Any, TypeVar, cast

from bot.ports.providers import Providers
from bot.ports.time import VIEWING

T = TypeVar("T")


class AskedInsideAViewError(RuntimeError):
    """A mistake of ours: somebody outside was asked while a view was open. Ask first, then read;
    decide in the transaction.
    """


class _Outside:
    """Somebody outside. Every question is refused while the task that asks holds a view."""

    def __init__(self, provider: object) -> None:
        self._provider = provider

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._provider, name)
        if not inspect.iscoroutinefunction(found):
            return found

        @functools.wraps(found)
        async def asked(*given: Any, **named: Any) -> Any:
            if VIEWING.get():
                raise AskedInsideAViewError(
                    f"{name} was asked while the store was being read or written"
                )
            return await found(*given, **named)

        return asked


def outside(provider: T) -> T:
    """Give a provider that refuses to be asked inside a view."""
    return cast("T", _Outside(provider))


def all_outside(providers: Providers) -> Providers:
    """Give a service's providers that refuse to be asked inside a view."""
    return Providers(outside(providers.ci), outside(providers.metrics), outside(providers.on_call))
