"""The workflow file itself, as far as we depend on it. It is read, never run."""

from __future__ import annotations

import re

from bot.providers.ci.github.repository import Repository, escaped

_RAW = "application/vnd.github.raw+json"
_NAMED = re.compile(r"^run-name:.*\binputs\.correlation\b", re.MULTILINE)
_INPUT = re.compile(r"^\s+([\w-]+):", re.MULTILINE)
NEEDED = ("action", "environment", "commit", "correlation")
"""Inputs that every start sends, and"""
SENT = (*NEEDED, "asked_by", "percent", "version", "strategy", "deployment")
"""all that a start may send; GitHub refuses what the workflow does not declare."""


async def text(repository: Repository, workflow: str) -> str:
    """Read the workflow file at the branch that is used. Raises RestError."""
    path = f"/contents/.github/workflows/{escaped(workflow)}"
    return str((await repository.get(path, {"ref": await repository.ref()}, accept=_RAW, text=True)).data or "")


async def names_its_runs(repository: Repository, workflow: str) -> bool:
    """Tell whether the title of a run holds its correlation id, without which a run whose id was lost cannot be found."""
    return names_runs(await text(repository, workflow))


def names_runs(text: str) -> bool:
    """Tell whether a workflow's run-name holds the correlation id."""
    return _NAMED.search(text) is not None


def is_dispatched(text: str) -> bool:
    """Tell whether a workflow can be started by a call."""
    return re.search(r"\bworkflow_dispatch\b", text) is not None


def missing_inputs(text: str) -> tuple[str, ...]:
    """Name the inputs that a start may send and that the workflow does not declare."""
    declared = set(_INPUT.findall(text))
    return tuple(name for name in SENT if name not in declared)
