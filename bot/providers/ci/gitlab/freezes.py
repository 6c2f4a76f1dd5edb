"""What GitLab's freeze periods mean: which are in force at a moment, and
which cannot be read. No I/O.

A period holds from each ``freeze_start`` until the next ``freeze_end``
(app/models/ci/freeze_period.rb, within_freeze_period), in its ``cron_timezone``, for the whole
project (doc/api/freeze_periods.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from bot.domain.catalog import Freeze
from bot.domain.errors import IntegrationError
from bot.providers.ci.gitlab.client import Object
from bot.providers.ci.gitlab.cron import read
from bot.providers.ci.gitlab.reading import VENDOR

REMEDY = "Correct it at Settings > CI/CD > Deploy freezes."
_INSTANT = timedelta(microseconds=1)


def in_force(periods: Sequence[Object], environment: str, now: datetime) -> tuple[Freeze, ...]:
    """List the periods that hold now. Raises IntegrationError when none does and
    one cannot be read: it may.
    """
    spans, wrong = around(periods, environment, now)
    holding = tuple(span for span in spans if span.start <= now)
    if wrong and not holding:
        raise IntegrationError(f"{wrong[0]}. {REMEDY}", vendor=VENDOR, retry=False)
    return holding


def around(
    periods: Sequence[Object], environment: str, now: datetime
) -> tuple[list[Freeze], list[str]]:
    """Give of each period the span that holds now or comes next, and what is wrong with
    those that cannot be read.
    """
    spans, wrong = [], []
    for period in periods:
        try:
            spans.append(_span(period, environment, now))
        except ValueError as error:
            wrong.append(f"GitLab freeze period {period.get('id')} cannot be read: {error}")
    return spans, wrong


def _span(period: Object, environment: str, now: datetime) -> Freeze:
    start, end, zone = (
        str(period.get(name) or "") for name in ("freeze_start", "freeze_end", "cron_timezone")
    )
    starts, ends = read(start, zone), read(end, zone)
    since = starts.following(ends.latest(now) - _INSTANT)
    return Freeze(
        environment,
        since,
        ends.following(max(now, since)),
        f'deploy freeze at GitLab ("{start}" to "{end}", {zone})',
    )
