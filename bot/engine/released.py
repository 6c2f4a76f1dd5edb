"""The released runbooks: by name and version. What is released is frozen; an upgrade adds
the next version beside it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from hashlib import sha256

from bot.ports.engine import Runbook


class Registry:
    """Which runbook goes by which name and version."""

    def __init__(self) -> None:
        self._runbooks: dict[tuple[str, int], Runbook] = {}

    def add(self, name: str, version: int, runbook: Runbook) -> None:
        """Register a version of a runbook. Raises ValueError when it is there already."""
        if (name, version) in self._runbooks:
            raise ValueError(f"runbook {name} version {version} is registered twice")
        self._runbooks[name, version] = runbook

    def newest(self, name: str) -> int:
        """Name the version that a new run takes. Raises KeyError for an unknown runbook."""
        versions = [version for known, version in self._runbooks if known == name]
        if not versions:
            raise KeyError(f"there is no runbook {name}")
        return max(versions)

    def find(self, name: str, version: int) -> Runbook | None:
        """Find the version that a run was started with; None when this program does not have it."""
        return self._runbooks.get((name, version))


def digest(*functions: Callable[..., object]) -> str:
    """Digest the source of the functions that make a runbook, so that a test notices an
    edit of a released version.
    """
    return sha256(
        "\n".join(inspect.getsource(function) for function in functions).encode()
    ).hexdigest()[:16]
