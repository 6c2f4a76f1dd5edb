"""How long anything is waited for and how often it is tried: the numbers
that people were promised.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bot.dispatch import command_worker, tables, turns, use_cases
from bot.domain import hanging
from bot.domain.commands import (
    Cancel,
    Check,
    HandOver,
    History,
    Lock,
    Locks,
    Quarantine,
    Reject,
    RollBack,
    Status,
    StopCountdown,
    TakeOver,
    Unlock,
    Unquarantine,
)
from bot.domain.places import Obstacle
from bot.services import (
    aftermath,
    aside,
    auditing,
    context,
    deployments,
    freezes,
    readiness,
    refusals,
    rollout_starts,
    rollouts,
    shared,
    shared_providers,
    snapshots,
    standing_down,
    strays,
    summaries,
    ways,
    witnesses,
)

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


@pytest.mark.parametrize(
    ("room", "name", "promised"),
    [
        (aftermath, "LOOKED_AFTER", 10 * MINUTE),
        (auditing, "DAILY", 24 * HOUR), (auditing, "RECENT", 30 * 24 * HOUR),
        (auditing, "LOOKS", 3600), (witnesses, "RECENT", 5 * MINUTE),
        (witnesses, "PATIENCE", 2),
        (deployments, "RESOLUTION", 5 * SECOND),
        (command_worker, "LONGEST_PAUSE", 15), (command_worker, "LATER", 5),
        (freezes, "STALE", HOUR), (refusals, "PATIENCE", 1),
        (hanging, "AT_LEAST", 5 * MINUTE), (hanging, "UNKNOWN", 10 * MINUTE),
        (standing_down, "STAND_DOWN", 15 * SECOND),
        (standing_down, "SOON", SECOND / 2), (rollout_starts, "PATIENCE_BACK", 10 * MINUTE),
        (rollout_starts, "REFUSES", 15 * SECOND),
        (rollouts, "BEGINS_WITHIN", 30 * SECOND), (rollouts, "SOON_AFTER", SECOND),
        (shared, "SILENT", MINUTE), (shared, "OLDER", MINUTE),
        (shared, "FRESH", 15 * SECOND), (shared, "LONGEST", 15 * MINUTE),
        (shared, "SOON", 5 * SECOND), (shared, "UNDER_WAY", 30 * SECOND),
        (strays, "UNANSWERED", 2 * MINUTE),
        (strays, "REFUSED", 10 * MINUTE), (summaries, "LATEST", 24 * HOUR),
        (turns, "PATIENCE", 2), (use_cases, "PATIENCE", 1),
        (use_cases, "MEANT_FOR", 15 * MINUTE),
        (use_cases, "STOPS_FOR", HOUR), (ways, "COMPARISON", 5 * SECOND),
    ],
)  # fmt: skip
def test_nothing_is_waited_for_longer_or_shorter_than_was_promised(
    room: Any, name: str, promised: object
) -> None:
    assert getattr(room, name) == promised


@pytest.mark.parametrize(
    ("room", "name", "promised"),
    [
        (aside, "SUSPECT", 2), (aside, "DEADLY", 3), (command_worker, "TRIES", 5),
        (command_worker, "TOLD_AT", 3), (command_worker, "AT_ONCE", 8),
        (command_worker, "ASKED_AT_ONCE", 4), (snapshots, "TREND", 12),
        (context, "LOOKS", 3), (refusals, "NAMED", 3), (rollouts, "ATTEMPTS", 3),
        (rollouts, "ATTEMPTS_BACK", 12), (hanging, "TIMES", 2), (shared, "A_MINUTE", 60),
        (shared, "SPARE", 20), (shared, "MOST_REMEMBERED", 20_000),
        (shared_providers, "MOST_RUNS", 1_000),
    ],
)  # fmt: skip
def test_nothing_is_tried_named_or_kept_more_often_or_less_than_was_promised(
    room: Any, name: str, promised: object
) -> None:
    assert getattr(room, name) == promised


def test_what_stops_something_waits_for_nobody_and_what_takes_it_back_keeps_the_order() -> None:
    assert set(tables.STOPPING) == {
        RollBack,
        Cancel,
        Reject,
        Lock,
        Quarantine,
        StopCountdown,
        TakeOver,
    }
    assert {Unlock: Lock, Unquarantine: Quarantine, HandOver: TakeOver} == tables.TAKES_BACK
    assert set(tables.QUESTIONS) == {Check, Status, History, Locks}


def test_every_obstacle_has_a_title_where_it_is_a_gate() -> None:
    assert set(readiness.TITLES) == set(Obstacle)
