"""Where rooms meet, a wrong argument, fact, action or word is a type error: mistakes that mypy has
to find, each in its line.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import bot

ROOT = Path(bot.__file__).parents[1]
MISTAKES = """\
from datetime import datetime

from bot.domain.actions import Action
from bot.domain.commands import Approve, Lock, Reject, Unlock
from bot.domain.deployment import Deployment, DeploymentId
from bot.domain.usage import Usage
from bot.ports.engine import Run
from bot.ports.store import Transaction
from bot.services import approvals, clearance, locks, queueing, rollout_starts
from bot.services.context import Context, note
from bot.verbs import Haste, ReasonButton, Reference, Typed, Verb


async def runbook(run: Run, context: Context, id: DeploymentId) -> None:
    await run.step("an argument is something else", rollout_starts.begin, id, context)  # arg-type
    await run.step("an argument is missing", queueing.pin, context)  # arg-type
    await run.step("there is one too many", queueing.pin, context, id, 7)  # arg-type
    every = context.intervals.review
    went = await run.until("its result", clearance.cleared, context, id, every=every)
    if went == "go":  # comparison-overlap
        return


async def decide(tx: Transaction, at: datetime, it: Deployment) -> None:
    await tx.move(it.id, "verified", at=at)  # arg-type
    await tx.set_lead(it.id, "T1/UBO")  # arg-type
    await tx.change(it.id, lead=None)  # attr-defined
    await note(tx, at, "pined", it)  # arg-type


def read(_: object) -> Unlock:
    return Unlock("storefront", "production")


USAGE = Usage("/deploy lock SERVICE|all ENVIRONMENT because TEXT", "", ())
ONE: Verb[Lock] = Verb(Lock, locks.unlock, Haste.STOPS)  # arg-type
TWO: Verb[Lock] = Verb(
    Lock,
    locks.lock,
    Haste.STOPS,
    typed=Typed(10, USAGE, read, lambda _: []),  # arg-type
)
THREE: Verb[Reject] = Verb(
    Reject,
    approvals.reject,
    Haste.STOPS,
    button=ReasonButton(
        Action.REJECT,
        Approve,  # arg-type
        approvals.may_reject,
        Reference("Reject", "approvers", "ends it"),
    ),
)
"""


def test_each_of_the_mistakes_is_a_type_error_in_its_line(tmp_path: Path) -> None:
    file = tmp_path / "mistakes.py"
    file.write_text(MISTAKES, encoding="utf-8")
    expected = [
        (number, found[1])
        for number, line in enumerate(MISTAKES.splitlines(), 1)
        if (found := re.search(r"  # ([a-z-]+)$", line))
    ]
    said = subprocess.run(
        [sys.executable, "-m", "mypy", "--no-error-summary", str(file)],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=240,
    ).stdout  # fmt: skip
    errors = re.findall(r"mistakes\.py:(\d+): error: .*\[([a-z-]+)\]$", said, re.MULTILINE)
    assert sorted({(int(number), code) for number, code in errors}) == expected, said
    assert len(expected) == 11
