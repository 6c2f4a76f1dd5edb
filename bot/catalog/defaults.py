"""What is built in: two strategies, the planning checklist, and which gates an environment has
when the file is silent. Checklists and sets of gates have a version in their names.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from bot.domain.catalog import ChecklistItem, GateKind, Need, Strategy, StrategyStep, Tier

_MINUTE = timedelta(minutes=1)

STRATEGIES: dict[str, Strategy] = {
    "canary": Strategy(
        "canary",
        "canary",
        (
            StrategyStep(5, 10 * _MINUTE),
            StrategyStep(25, 10 * _MINUTE),
            StrategyStep(100, 5 * _MINUTE),
        ),
    ),
    "rolling": Strategy(
        "rolling", "rolling", (StrategyStep(50, 2 * _MINUTE), StrategyStep(100, 2 * _MINUTE))
    ),
}

PLANNING = "planning-1"
"""The checklist that production has whose ``checklist`` is silent."""
CHECKLISTS: Mapping[str, tuple[ChecklistItem, ...]] = {
    PLANNING: (
        ChecklistItem("freeze-date", "Freeze date known", "release_manager"),
        ChecklistItem("tests-on-staging", "All tests green on staging", "qa"),
        ChecklistItem("rollback-plan", "Rollback documented and tested", "developer"),
        ChecklistItem("migrations", "Migrations reviewed and reversible", "developer"),
        ChecklistItem(
            "communication", "Stakeholder message drafted and scheduled", "release_manager"
        ),
        ChecklistItem("on-call-briefed", "On-call assigned and briefed", "release_manager"),
        ChecklistItem("alerts", "Alerts configured", "developer"),
        ChecklistItem("support-briefed", "Support briefed", "support"),
    )
}
"""A checklist never changes once it is released: a new item would close a gate for every team that
names it, so it goes into the next version.
"""

_BEFORE_PRODUCTION = {
    GateKind.TESTS: Need.REQUIRED,
    GateKind.STAGED: Need.REQUIRED,
    GateKind.UNLOCKED: Need.REQUIRED,
    GateKind.UNFROZEN: Need.REQUIRED,
}
_IN_PRODUCTION = {
    **_BEFORE_PRODUCTION,
    GateKind.ROLLBACK: Need.REQUIRED,
    GateKind.ON_CALL: Need.REQUIRED,
}

RECOMMENDED = "recommended-1"
"""The set that an environment has whose ``gates`` name none."""
GATE_SETS: Mapping[str, Mapping[Tier, Mapping[GateKind, Need]]] = {
    RECOMMENDED: {
        Tier.DEVELOPMENT: _BEFORE_PRODUCTION,
        Tier.TESTING: _BEFORE_PRODUCTION,
        Tier.STAGING: _BEFORE_PRODUCTION,
        Tier.PRODUCTION: _IN_PRODUCTION,
    }
}
"""A set never changes once it is released: a new gate is off until a team turns it on, or names a
newer set. ``staged`` goes with ``after`` alone.
"""
