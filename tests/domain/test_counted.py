"""What each version has of the requests, beside a word for what is live."""

from __future__ import annotations

import pytest

from bot.domain.counted import Counted, is_more, whole

NEW, OLD = Counted("v2", 500, 100), Counted("v1", 1500, 300)


@pytest.mark.parametrize(
    ("rest", "is_told"), [(Counted("rest", 1500, 300), False), (Counted("rest", 1600, 320), True)]
)
def test_everything_else_is_told_where_it_is_more_than_the_versions_that_are_named(
    rest: Counted, *, is_told: bool
) -> None:
    assert is_more([OLD], rest) is is_told
    assert is_more([], rest)


def test_shares_are_of_all_requests_of_the_last_minute() -> None:
    assert [each.share(whole(NEW, [OLD], OLD)) for each in (NEW, OLD)] == [25, 75]
    assert NEW.share(whole(Counted("v2", None, None), [], Counted("rest", None, None))) is None
