"""What is known of a commit's tests."""

from __future__ import annotations

from enum import StrEnum


class QualityState(StrEnum):
    """What the provider says about a commit's tests."""

    GREEN = "green"
    RED = "red"
    RUNNING = "running"
    NONE = "none"  # no tests have run: never green
    # they ended well, and what they were to leave as evidence cannot be read: never green
    UNKNOWN = "unknown"
