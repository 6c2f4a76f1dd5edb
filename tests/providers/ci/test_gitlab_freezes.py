"""GitLab's freeze periods: which are in force, which cannot be read, and what GitLab refuses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from bot.domain.catalog import Freeze
from bot.domain.errors import IntegrationError
from bot.providers.ci.gitlab.freezes import in_force

if TYPE_CHECKING:
    from tests.providers.ci.gitlab_lab import GitLabLab

WEEKEND = ("0 23 * * 5", "0 8 * * 1")
SATURDAY, TUESDAY = datetime(2026, 11, 21, 12, tzinfo=UTC), datetime(2026, 11, 24, 12, tzinfo=UTC)
ODD = ("0 23 * * 5", "0 8 * * mon#1")


def period(start: str, end: str, zone: Any = "UTC") -> dict[str, Any]:
    return {"id": 7, "freeze_start": start, "freeze_end": end, "cron_timezone": zone}


def at(gitlab: GitLabLab, moment: datetime) -> None:
    """Have the provider's clock show a moment."""
    gitlab.clock.skew = moment - datetime.now(UTC)


def spans(found: tuple[Freeze, ...]) -> list[str]:
    return [f"{freeze.start:%m-%d %H:%M} {freeze.end:%m-%d %H:%M}" for freeze in found]


@pytest.mark.parametrize(
    ("start", "end", "zone", "now", "expected"),
    [
        (*WEEKEND, "UTC", "2026-11-21 12:00", "11-20 23:00 11-23 08:00"),
        (*WEEKEND, "UTC", "2026-11-20 22:59", ""),
        (*WEEKEND, "UTC", "2026-11-20 23:00", "11-20 23:00 11-23 08:00"),
        (*WEEKEND, "UTC", "2026-11-23 07:59", "11-20 23:00 11-23 08:00"),
        (*WEEKEND, "UTC", "2026-11-23 08:00", ""),
        (*WEEKEND, "Europe/Berlin", "2026-11-20 22:00", "11-20 22:00 11-23 07:00"),
        ("0 0 20 12 *", "0 0 4 1 *", "UTC", "2026-12-31 12:00", "12-20 00:00 01-04 00:00"),
        # a start within the freeze changes nothing: it is frozen since the first
        ("0 0 * * *", "0 12 * * 1", "UTC", "2026-11-21 12:00", "11-17 00:00 11-23 12:00"),
        # GitLab counts an end that comes with the start as past:
        # time_end_from_start in freeze_period.rb
        ("0 0 * * *", "0 0 * * *", "UTC", "2026-11-21 12:00", "11-21 00:00 11-22 00:00"),
        # the night in which clocks are put forward, and the one in which they are put back
        ("30 2 * * *", "0 6 * * *", "Europe/Berlin", "2026-03-29 01:45", "03-29 01:30 03-29 04:00"),
        (
            "0 1 25 10 *",
            "0 6 25 10 *",
            "Europe/Berlin",
            "2026-10-25 00:30",
            "10-24 23:00 10-25 05:00",
        ),
    ],
)
def test_a_period_holds_from_each_start_to_the_next_end(
    start: str, end: str, zone: str, now: str, expected: str
) -> None:
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
    assert spans(in_force([period(start, end, zone)], "production", moment)) == (
        [expected] if expected else []
    )


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (
            period(*ODD),
            'GitLab freeze period 7 cannot be read: "mon#1" is no weekday. Correct it at Settings',
        ),
        (period(*WEEKEND, "Moon"), '"Moon" is no IANA time zone'),
        (period(*WEEKEND, None), '"" is no IANA time zone'),
        ({"id": 7}, '"" has not the five fields of cron'),
    ],
)
def test_a_period_that_cannot_be_read_is_said_unless_another_holds_anyway(
    wrong: dict[str, Any], says: str
) -> None:
    with pytest.raises(IntegrationError) as refused:
        in_force([wrong, period(*WEEKEND)], "production", TUESDAY)
    assert says in str(refused.value)
    assert not refused.value.retry
    assert spans(in_force([wrong, period(*WEEKEND)], "production", SATURDAY)) == [
        "11-20 23:00 11-23 08:00"
    ]


async def test_a_freeze_says_whose_it_is_and_how_long_it_holds(gitlab: GitLabLab) -> None:
    gitlab.world.freeze(*WEEKEND, "Europe/Berlin")
    at(gitlab, SATURDAY)
    start, end = datetime(2026, 11, 20, 22, tzinfo=UTC), datetime(2026, 11, 23, 7, tzinfo=UTC)
    reason = 'deploy freeze at GitLab ("0 23 * * 5" to "0 8 * * 1", Europe/Berlin)'
    for environment in ("staging", "production"):
        assert await gitlab.ci.freezes(environment) == (Freeze(environment, start, end, reason),)
    at(gitlab, TUESDAY)
    assert await gitlab.ci.freezes("production") == ()


async def test_a_project_without_freeze_periods_is_never_frozen(gitlab: GitLabLab) -> None:
    assert await gitlab.ci.freezes("production") == ()


async def test_a_freeze_on_the_last_page_counts(gitlab: GitLabLab) -> None:
    for _ in range(200):
        gitlab.world.freeze("0 0 1 1 *", "0 1 1 1 *")
    gitlab.world.freeze(*WEEKEND)
    at(gitlab, SATURDAY)
    assert len(await gitlab.ci.freezes("production")) == 1
    assert sum(each.endswith("/freeze_periods") for each in gitlab.fake.seen) == 3


async def test_more_pages_than_are_read_are_no_answer(gitlab: GitLabLab) -> None:
    for _ in range(101):
        gitlab.world.freeze(*WEEKEND)
    with pytest.raises(IntegrationError, match="more than 100 of freeze_periods"):
        await gitlab.provider(most_pages=1).freezes("production")


@pytest.mark.parametrize(
    ("fault", "times", "retry"),
    [("503", 2, True), ("timeout", 2, True), ("truncated", 2, True), ("404", 1, False)],
)
async def test_no_answer_is_never_no_freeze(
    gitlab: GitLabLab, fault: str, times: int, retry: bool
) -> None:
    gitlab.break_next(fault, path="/freeze_periods", times=times)
    with pytest.raises(IntegrationError) as refused:
        await gitlab.ci.freezes("production")
    assert refused.value.retry is retry


@pytest.mark.parametrize(("token", "level", "status"), [("glpat-wrong", 30, 401), ("", 10, 403)])
async def test_a_token_that_may_not_see_freezes_is_no_answer(
    gitlab: GitLabLab, token: str, level: int, status: int
) -> None:
    gitlab.fake.access_level = level
    with pytest.raises(IntegrationError) as refused:
        await (gitlab.provider(token=token) if token else gitlab.ci).freezes("production")
    assert (refused.value.status, refused.value.retry) == (status, False)


async def test_the_doctor_tells_what_is_frozen_and_what_cannot_be_read(gitlab: GitLabLab) -> None:
    gitlab.world.freeze(*WEEKEND)
    at(gitlab, SATURDAY)
    finding = next(each for each in await gitlab.ci.examine() if each.subject == "freezes")
    assert (finding.ok, finding.sentence) == (
        True,
        "Freeze periods of this project at GitLab: 1; in force now: 1.",
    )
    at(gitlab, SATURDAY + timedelta(days=3))
    gitlab.world.freeze(*ODD)
    finding = next(each for each in await gitlab.ci.examine() if each.subject == "freezes")
    assert finding.ok is False
    assert finding.sentence == 'GitLab freeze period 2 cannot be read: "mon#1" is no weekday.'
    assert finding.remedy.startswith("Correct it at Settings")
