"""What an environment does that says nothing of its own: the numbers
that the reference promises.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.domain.catalog import (
    NO_PROVIDER,
    ApprovalRule,
    AutomaticRollback,
    Direction,
    EnvironmentPolicy,
    MetricKind,
    MetricSpec,
    Option,
    ProviderChoice,
    Service,
    Strategy,
    StrategyStep,
    Tier,
    TooLittleTraffic,
)

MINUTE = timedelta(minutes=1)


def test_an_environment_that_says_nothing_is_production_watched_and_rolled_back_by_people() -> None:
    policy = EnvironmentPolicy("somewhere", "rolling")
    assert policy.tier is Tier.PRODUCTION
    assert (policy.gates, policy.checklist, policy.approvals, policy.after) == ((), (), (), "")
    assert policy.approval_expires == 240 * MINUTE
    assert (policy.baseline, policy.watch, policy.summary_after) == (
        30 * MINUTE,
        30 * MINUTE,
        30 * MINUTE,
    )
    assert policy.snapshots == (MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE)
    assert (policy.automatic_rollback, policy.countdown) == (AutomaticRollback.OFF, MINUTE)
    assert policy.smoke
    assert policy.lock_after_rollback
    assert policy.is_watched


def test_an_approval_rule_that_says_nothing_needs_one_approval_and_a_step_does_not_hold() -> None:
    assert ApprovalRule("release_manager").count == 1
    assert StrategyStep(5).hold == timedelta(0)


def test_a_metric_that_says_nothing_is_critical_and_worse_when_it_rises_by_half() -> None:
    spec = MetricSpec("errors", "errors", MetricKind.RATIO)
    assert (spec.direction, spec.critical) == (Direction.UP_IS_WORSE, True)
    assert (spec.min_ratio, spec.min_change, spec.min_samples) == (1.5, 0.002, 50)


def test_an_option_of_a_provider_is_neither_required_nor_a_path_unless_it_says_so() -> None:
    option = Option("where it is")
    assert (option.required, option.is_path) == (False, False)


@pytest.mark.parametrize(("provider", "has"), [(NO_PROVIDER, False), ("rota", True)])
def test_with_the_provider_none_nobody_is_on_call(provider: str, *, has: bool) -> None:
    none = ProviderChoice(NO_PROVIDER)
    assert Service("shop", none, none, ProviderChoice(provider), {}).has_on_call is has


@pytest.mark.parametrize("chosen", [None, *TooLittleTraffic])
@pytest.mark.parametrize("tier", Tier)
@pytest.mark.parametrize("following", [None, 25, 100])
def test_the_lead_is_asked_before_everybody_in_production_gets_what_nobody_could_judge(
    chosen: TooLittleTraffic | None, tier: Tier, following: int | None
) -> None:
    found = Strategy("canary", "canary", (), chosen).on_too_little_traffic(
        tier, following=following
    )
    asks = tier is Tier.PRODUCTION and following == 100
    assert found is (chosen or (TooLittleTraffic.ASK if asks else TooLittleTraffic.GO_ON))
