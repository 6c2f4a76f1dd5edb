"""What a deployment is compared with: never with the minutes of a version that was worse."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bot.domain.normal import OLDEST, Normal, Past, normal

BEGAN = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
MINUTE, WINDOW = timedelta(minutes=1), timedelta(minutes=30)


def past(version: str, ago: int, *, is_bad: bool = True, gone: int | None = None) -> Past:
    """Make a deployment that began so many minutes ago, and is gone since so many."""
    return Past(
        version, BEGAN - ago * MINUTE, is_bad, None if gone is None else BEGAN - gone * MINUTE
    )


V2, V3 = past("v2", 60), past("v3", 20)


@pytest.mark.parametrize(
    ("earlier", "is_normal"),
    [
        ([], Normal(BEGAN)),
        ([past("v2", 60, is_bad=False)], Normal(BEGAN)),
        ([V2], Normal(V2.began, "v2", is_beside=False)),
        ([V3, V2], Normal(V2.began, "v2", is_beside=False)),
        (
            [V3, past("v2", 60, is_bad=False), past("v1", 90)],
            Normal(V3.began, "v3", is_beside=False),
        ),
        ([past("v2", 60, gone=29)], Normal(BEGAN - 60 * MINUTE, "v2")),
        ([past("v2", 60, gone=30)], Normal(BEGAN)),
        ([past("v3", 20, gone=10), past("v2", 60, gone=49)], Normal(BEGAN - 60 * MINUTE, "v2")),
        ([past("v3", 20, gone=10), past("v2", 60, gone=50)], Normal(BEGAN - 20 * MINUTE, "v3")),
        ([past("v3", 20, gone=10), V2], Normal(V2.began, "v2", is_beside=False)),
        ([V3, past("v2", 60, gone=40)], Normal(BEGAN - 60 * MINUTE, "v2", is_beside=False)),
    ],
    ids=[
        "nothing before",
        "a good one",
        "a bad one",
        "two bad ones",
        "a good one between",
        "undone within the window",
        "undone before the window",
        "two undone",
        "the older undone earlier",
        "an undone one over a bad one",
        "a bad one over an undone one",
    ],
)
def test_normal_is_the_time_before_the_first_bad_one_that_is_still_felt(
    earlier: list[Past], is_normal: Normal
) -> None:
    assert normal(BEGAN, earlier, WINDOW) == is_normal


@pytest.mark.parametrize(
    ("longer", "is_far"), [(timedelta(0), False), (timedelta(seconds=1), True)]
)
def test_what_was_normal_another_day_is_not_comparable_and_proves_nothing(
    longer: timedelta, *, is_far: bool
) -> None:
    began = BEGAN - OLDEST - longer
    found = normal(BEGAN, [Past("v2", began, is_bad=True)], WINDOW)
    assert found == (
        Normal(BEGAN, "v2", is_far=True) if is_far else Normal(began, "v2", is_beside=False)
    )
