"""The time, JSON values, and what a task says of itself."""

from __future__ import annotations

from contextvars import ContextVar
from datetime import datetime
from typing import Any, Protocol

Json = Any
"""A JSON value; it may be stored."""


class Clock(Protocol):
    """Where the time comes from."""

    def now(self) -> datetime:
        """Give the time as aware UTC."""
        ...


VIEWING: ContextVar[bool] = ContextVar("viewing", default=False)
"""Set in a task while it holds a view of the store or the transaction: then
nobody outside is asked.
"""
URGENT: ContextVar[bool] = ContextVar("urgent", default=False)
"""Set in a task that does a rollback's work: connections and places are kept for it."""
