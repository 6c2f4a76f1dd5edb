"""What is under observation in a rollout now, and the numbers that judge it."""

from __future__ import annotations

from collections.abc import Sequence

from bot.domain.deployment import State
from bot.domain.health import AFTER, Snapshot, Verdict
from bot.domain.rollout import Step, StepState, serves
from bot.domain.trouble import Sort, Trouble


def under_observation(
    state: State, steps: Sequence[Step], trouble: Trouble | None, *, is_settled: bool
) -> str:
    """Name what is under observation now: a step's key or ``watch``; empty for nothing."""
    if state is State.WATCHING:
        return "watch"
    if state is not State.ROLLING_OUT:
        return ""
    in_question = _in_question(trouble, steps, is_settled=is_settled)
    if in_question is not None:
        return in_question.where
    current = next(
        (step for step in steps if step.state not in {StepState.DONE, StepState.SKIPPED}), None
    )
    return current.key if current is not None and current.state is StepState.HOLDING else ""


def _in_question(
    trouble: Trouble | None, steps: Sequence[Step], *, is_settled: bool
) -> Trouble | None:
    """Give what was found at the step that serves, wherever the next one is, as
    long as no word covers it.
    """
    if trouble is None or not trouble.is_open:
        return None
    if trouble.sort is not Sort.DEGRADED and not any(step.is_under_way for step in steps):
        return None  # that is judged anew by the hold of the step that has come
    return None if is_settled else trouble


def numbers_of(where: str, newest: Snapshot | None, steps: Sequence[Step]) -> Snapshot | None:
    """Give the newest numbers, if they are of what is under observation now: that it was well
    before it was wholly there is not.
    """
    if newest is None or not where or newest.where != where:
        return None
    since = next((step.serves_since for step in steps if step.key == where), None)
    is_of_before = (
        since is not None and newest.at < since and newest.verdict is not Verdict.DEGRADED
    )
    return None if is_of_before else newest


def is_of_what_is_back(shot: Snapshot, way_back: Sequence[Step]) -> bool:
    """Tell whether numbers from the time of a rollback are of what it has put back; those from
    before that serves are of what it undoes.
    """
    served = serves(way_back)
    since = served.serves_since if served is not None else None
    return since is not None and shot.where == AFTER and shot.at >= since


def is_silent_about_the_run(newest: Snapshot | None, steps: Sequence[Step]) -> bool:
    """Tell whether the source of the numbers does not answer while they are of what the run
    under way has brought so far.
    """
    step = next((step for step in steps if step.is_under_way), None)
    is_of_it = step is not None and newest is not None and newest.where == step.key
    return is_of_it and newest is not None and bool(newest.silence)


def is_shown_bad(trouble: Trouble | None, steps: Sequence[Step], *, is_verified: bool) -> bool:
    """Tell whether numbers or a failed run speak against a version: rolled back, it is quarantined.
    What was proved since is not judged.
    """
    if is_verified:
        return False
    was_degraded = trouble is not None and trouble.sort is Sort.DEGRADED
    return was_degraded or any(step.state is StepState.FAILED for step in steps)
