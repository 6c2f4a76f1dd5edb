"""What does not get on is named."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bot.domain.errors import NotAskedYet, UnknownRef
from bot.domain.workload import named


@pytest.mark.parametrize(
    ("count", "told"),
    [
        (0, ""),
        (1, "shop-1: no answer"),
        (2, "shop-1: no answer; shop-2: no answer"),
        (5, "; ".join(f"shop-{number}: no answer" for number in range(1, 6))),
        (6, "; ".join(f"shop-{number}: no answer" for number in range(1, 6)) + "; and 1 more"),
        (8, "; ".join(f"shop-{number}: no answer" for number in range(1, 6)) + "; and 3 more"),
    ],
)
def test_five_that_are_blocked_are_named_and_the_others_counted(count: int, told: str) -> None:
    assert named({f"shop-{number}": "no answer" for number in range(1, count + 1)}) == told


def test_what_is_blocked_without_a_reason_says_so() -> None:
    assert named({"shop-1": ""}) == "shop-1: no reason was written down"


@pytest.mark.parametrize(
    ("nearest", "meant"),
    [((), ""), (("v1.2.0",), " Did you mean v1.2.0?"), (("v1", "v2"), " Did you mean v1 or v2?")],
)
def test_a_ref_that_is_not_there_is_told_with_the_nearest_names(
    nearest: tuple[str, ...], meant: str
) -> None:
    unknown = UnknownRef("v12", "acme/shop", vendor="GitHub", nearest=nearest)
    assert str(unknown) == f'There is no tag, branch or commit "v12" in acme/shop.{meant}'
    assert (unknown.ref, unknown.nearest, unknown.vendor, unknown.retry) == (
        "v12",
        nearest,
        "GitHub",
        False,
    )


def test_what_was_not_asked_yet_says_when_it_is_its_turn_and_trying_again_before_helps_nobody() -> (
    None
):
    until = datetime(2026, 11, 21, 2, 1, tzinfo=UTC)
    waits = NotAskedYet(vendor="GitHub", until=until)
    assert str(waits) == "not asked yet: many wait, and each is asked for in turn"
    assert (waits.until, waits.vendor, waits.retry, waits.status) == (until, "GitHub", False, None)
