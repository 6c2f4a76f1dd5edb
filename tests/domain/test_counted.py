"""What each version has of the requests, beside a word for what is live."""

from __future__ import annotations

import pytest

from bot.domain.counted import Counted, beyond, whole

NEW, OLD = Counted("v2", 500, 100), Counted("v1", 1500, 300)


@pytest.mark.parametrize(
    ("rest", "more"),
    [
        (Counted("rest", 1500, 300), None),
        (Counted("rest", None, None), None),
        (Counted("rest", 1600, 320), Counted("other versions", 100, 20)),
        (Counted("rest", 1600, 290), Counted("other versions", 100, 0)),
    ],
)
def test_what_is_beside_the_versions_that_are_named_is_counted_once(
    rest: Counted, more: Counted | None
) -> None:
    assert beyond([OLD], rest) == more
    assert beyond([], rest) is rest


def test_shares_are_of_all_requests_of_the_last_minute() -> None:
    assert [each.share(whole(NEW, [OLD], OLD)) for each in (NEW, OLD)] == [25, 75]
    assert NEW.share(whole(Counted("v2", None, None), [], Counted("rest", None, None))) is None
