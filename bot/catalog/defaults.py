"""What is built in: two strategies, the planning checklist, and which gates an environment has when the file is silent."""

from __future__ import annotations

from datetime import timedelta

from bot.domain.catalog import ChecklistItem, GateKind, Need, Strategy, StrategyStep

_MINUTE = timedelta(minutes=1)

STRATEGIES: dict[str, Strategy] = {
    "canary": Strategy("canary", "canary", (StrategyStep(5, 10 * _MINUTE), StrategyStep(25, 10 * _MINUTE), StrategyStep(100, 5 * _MINUTE))),
    "rolling": Strategy("rolling", "rolling", (StrategyStep(50, 2 * _MINUTE), StrategyStep(100, 2 * _MINUTE))),
}

PLANNING: tuple[ChecklistItem, ...] = (
    ChecklistItem("freeze-date", "Freeze date known", "release_manager"),
    ChecklistItem("tests-on-staging", "All tests green on staging", "qa"),
    ChecklistItem("rollback-plan", "Rollback documented and tested", "developer"),
    ChecklistItem("migrations", "Migrations reviewed and reversible", "developer"),
    ChecklistItem("communication", "Stakeholder message drafted and scheduled", "release_manager"),
    ChecklistItem("on-call-briefed", "On-call assigned and briefed", "release_manager"),
    ChecklistItem("alerts", "Alerts configured", "developer"),
    ChecklistItem("support-briefed", "Support briefed", "support"),
)

CHECKLISTS: dict[str, tuple[ChecklistItem, ...]] = {"planning": PLANNING}

GATES_OF_THE_FIRST: dict[GateKind, Need] = dict.fromkeys((GateKind.TESTS, GateKind.UNLOCKED, GateKind.UNFROZEN), Need.REQUIRED)
"""Of an environment without ``after``."""

GATES_OF_THE_LATER: dict[GateKind, Need] = dict.fromkeys(GateKind, Need.REQUIRED)
"""Of an environment with ``after``, like production."""

PRODUCTION_NAMES = frozenset({"production", "prod", "live"})
"""Environments that need approvals even without ``after``."""
