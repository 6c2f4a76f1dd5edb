"""The workflow file itself, as far as a start depends on it. It is read, never run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.domain.limits import WORKFLOW, Unreadable
from bot.foreign import beside, read_yaml
from bot.providers.ci.github.client import Repository, escaped

_RAW = "application/vnd.github.raw+json"
_CORRELATION = re.compile(r"\binputs\.correlation\b|\binputs\[\s*'correlation'\s*\]")
NEEDED = ("action", "service", "environment", "commit", "correlation")
"""Inputs that every start sends, and"""
SENT = (*NEEDED, "asked_by", "percent", "version", "strategy", "deployment")
"""all that a start may send; GitHub refuses what the workflow does not declare."""


@dataclass(frozen=True, slots=True)
class Workflow:
    """What a workflow file says about being started."""

    is_dispatched: bool = False
    """Whether it can be started by a call."""
    names_runs: bool = False
    """Whether the title of a run holds its correlation id, without which a run whose id
    was lost cannot be found.
    """
    inputs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def missing(self) -> tuple[str, ...]:
        """Name the inputs that a start may send and that are not declared."""
        return tuple(name for name in SENT if name not in self.inputs)

    @property
    def demanded(self) -> tuple[str, ...]:
        """Name the inputs that must be given and that no start sends."""
        return tuple(
            name for name, each in self.inputs.items() if name not in SENT and _is_demanded(each)
        )


def parse(text: str) -> Workflow:
    """Read a workflow file; one that is no YAML says nothing."""
    try:
        document = read_yaml(text, WORKFLOW)
    except Unreadable:
        return Workflow()
    if not isinstance(document, dict):
        return Workflow()
    triggers = document.get("on")
    names = _CORRELATION.search(str(document.get("run-name") or "")) is not None
    if not isinstance(triggers, dict):
        listed = triggers if isinstance(triggers, list) else [triggers]
        return Workflow("workflow_dispatch" in listed, names)
    dispatch = triggers.get("workflow_dispatch")
    inputs = dispatch.get("inputs") if isinstance(dispatch, dict) else None
    return Workflow(
        "workflow_dispatch" in triggers, names, inputs if isinstance(inputs, dict) else {}
    )


def _is_demanded(declared: Any) -> bool:
    return (
        isinstance(declared, dict)
        and declared.get("required") is True
        and "default" not in declared
    )


async def read(repository: Repository, name: str) -> Workflow:
    """Read the workflow file at the branch that is used. Raises RestError."""
    path = f"/contents/.github/workflows/{escaped(name)}"
    text = str(
        (await repository.get(path, {"ref": await repository.ref()}, accept=_RAW, text=True)).data
        or ""
    )
    return await beside(WORKFLOW, parse, text)
