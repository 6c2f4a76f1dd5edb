"""How often the verdict is wrong: false alarms on healthy deployments, and
how many bad ones it finds.

Each simulated deployment has a baseline of 30 minutes and a window of 10 minutes under observation,
and is looked at again and again while the window grows, as the hold after a step does. Requests
come at random (Poisson), failures too. Fixed seeds: the table repeats.

    PYTHONPATH=. python benchmarks/verdict.py [DEPLOYMENTS]
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from random import Random

from bot.domain.catalog import MetricKind, MetricSpec
from bot.domain.health import Observed, Verdict
from bot.domain.judgement import judge

ERRORS = MetricSpec("errors", "errors", MetricKind.RATIO, unit="%")
P95 = MetricSpec("p95", "p95", MetricKind.LEVEL, unit="ms", min_ratio=1.2, min_change=20)
BASELINE_MINUTES, WINDOW_MINUTES = 30, 10


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of deployment."""

    per_minute: float
    before: float
    after: float
    looks: int = 1


def poisson(random: Random, mean: float) -> int:
    """Draw a count; by the normal distribution when it is large."""
    if mean > 500:
        return max(0, round(random.gauss(mean, mean**0.5)))
    count, left = 0, random.expovariate(1)
    while left < mean:
        count += 1
        left += random.expovariate(1)
    return count


def counts(random: Random, minutes: float, case: Case, share: float) -> Observed:
    """Draw requests and failures."""
    failed = poisson(random, minutes * case.per_minute * share)
    fine = poisson(random, minutes * case.per_minute * (1 - share))
    return Observed(failed, failed + fine, requests=failed + fine)


def added(one: Observed, other: Observed) -> Observed:
    """Add two spans of time."""
    total = one.denominator + other.denominator
    return Observed(one.numerator + other.numerator, total, requests=total)


def errors_alarm(random: Random, case: Case) -> bool:
    """Simulate one deployment; tell whether any look at its errors said degraded."""
    baseline, current = counts(random, BASELINE_MINUTES, case, case.before), Observed()
    for _ in range(case.looks):
        current = added(current, counts(random, WINDOW_MINUTES / case.looks, case, case.after))
        if judge(ERRORS, baseline, current, case.looks).verdict is Verdict.DEGRADED:
            return True
    return False


def p95_alarm(random: Random, slower: float, spread: float, points: int) -> bool:
    """Simulate one deployment; tell whether the look at its p95 said degraded."""
    baseline = Observed(
        points=tuple(200 * random.lognormvariate(0, spread) for _ in range(12)), requests=5_000
    )
    current = Observed(
        points=tuple(200 * slower * random.lognormvariate(0, spread) for _ in range(points)),
        requests=2_000,
    )
    return judge(P95, baseline, current).verdict is Verdict.DEGRADED


def main(deployments: int) -> None:
    """Print both tables."""
    print(
        f"errors: share of {deployments} deployments called degraded (1 look / 10 looks / 40 "
        "looks at the growing window)"
    )
    for per_minute in (2, 20, 200, 2000):
        for before, after in (
            (0.01, 0.01),
            (0.001, 0.001),
            (0.05, 0.05),
            (0.01, 0.03),
            (0.01, 0.10),
        ):
            cells = []
            for looks in (1, 10, 40):
                random = Random(f"{per_minute} {before} {after} {looks}")  # noqa: S311 - a simulation
                alarms = sum(
                    errors_alarm(random, Case(per_minute, before, after, looks))
                    for _ in range(deployments)
                )
                cells.append(f"{alarms / deployments:7.2%}")
            print(f"  {per_minute:>5}/min  {before:5.1%} -> {after:5.1%}  {'  '.join(cells)}")
    print(f"p95: share of {deployments} deployments called degraded (4 / 8 / 12 slices)")
    for spread in (0.05, 0.2, 0.5):
        for slower in (1.0, 1.25, 1.5, 2.0):
            random = Random(f"{spread} {slower}")  # noqa: S311 - a simulation
            shares = (
                sum(p95_alarm(random, slower, spread, points) for _ in range(deployments))
                / deployments
                for points in (4, 8, 12)
            )
            print(
                f"  spread {spread:4.2f}  x{slower:4.2f}  "
                f"{'  '.join(f'{share:7.2%}' for share in shares)}"
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
