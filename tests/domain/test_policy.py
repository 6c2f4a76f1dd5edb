"""What an environment does that says nothing of its own: the numbers that the reference promises."""

from __future__ import annotations

from datetime import timedelta

from bot.domain.catalog import AutomaticRollback, EnvironmentPolicy, Tier

MINUTE = timedelta(minutes=1)


def test_an_environment_that_says_nothing_is_production_watched_and_rolled_back_by_people() -> None:
    policy = EnvironmentPolicy("somewhere", "rolling")
    assert policy.tier is Tier.PRODUCTION
    assert (policy.gates, policy.checklist, policy.approvals, policy.after) == ((), (), (), "")
    assert policy.approval_expires == 240 * MINUTE
    assert (policy.baseline, policy.watch, policy.summary_after) == (30 * MINUTE, 30 * MINUTE, 30 * MINUTE)
    assert policy.snapshots == (MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE)
    assert (policy.automatic_rollback, policy.countdown) == (AutomaticRollback.OFF, MINUTE)
    assert policy.smoke
    assert policy.lock_after_rollback
    assert policy.is_watched
