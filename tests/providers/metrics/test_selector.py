"""Which series are meant."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.errors import ConfigurationError
from bot.providers.metrics.scrape.selector import Matcher, Selector, parse_selector


def select(*matchers: tuple[str, str, str]) -> Selector:
    return Selector("a", tuple(Matcher(*matcher) for matcher in matchers))


@pytest.mark.parametrize(
    ("value", "selector"),
    [
        ("http_requests_total", Selector("http_requests_total")),
        (" a { } ", Selector("a")),
        ('a{code=~"5.."}', Selector("a", (Matcher("code", "=~", "5.."),))),
        (
            'a{code="500", route!="/health",x!~"y|z",}',
            select(("code", "=", "500"), ("route", "!=", "/health"), ("x", "!~", "y|z")),
        ),
        ('a{text="say \\"}, b=\\""}', Selector("a", (Matcher("text", "=", 'say "}, b="'),))),
        (r'a{path=~"/v\d+"}', Selector("a", (Matcher("path", "=~", r"/v\d+"),))),
        ({"name": "a"}, Selector("a")),
        (
            {"name": "a", "labels": {"code": "~5..", "route": "!/health", "x": "!~y", "n": 5}},
            select(
                ("code", "=~", "5.."), ("route", "!=", "/health"), ("x", "!~", "y"), ("n", "=", "5")
            ),
        ),
    ],
)
def test_a_selector_is_read_as_promql_or_as_a_mapping(value: object, selector: Selector) -> None:
    assert parse_selector(value) == selector


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("", "names no series"),
        ("5xx", "'5xx' names no series"),
        ("rate(a[5m])", r"'rate\(a\[5m\]\)' names no series"),
        ("a{code=500}", "from 'code=500' on"),
        ('a{code="5" b="6"}', "cannot be read from"),
        ('a{code=~"5["}', r"'5\[' is no regular expression"),
        ({"labels": {}}, "names no series"),
        ({"name": "a", "label": {}}, "names no series"),
        ({"name": "a", "labels": {"code": "~5["}}, r"'5\[' is no regular expression"),
        (5, "5 names no series"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_text(value: object, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        parse_selector(value)


@pytest.mark.parametrize(
    ("text", "labels", "fits"),
    [
        ('a{code=~"5.."}', {"code": "503"}, True),
        ('a{code=~"5.."}', {"code": "5030"}, False),
        ('a{code=~"5.."}', {}, False),
        ('a{code!~"5.."}', {"code": "200"}, True),
        ('a{code!~"5.."}', {"code": "500"}, False),
        ('a{code!="500"}', {}, True),
        ('a{code=""}', {}, True),
        ('a{code="200",route="/"}', {"code": "200", "route": "/cart"}, False),
    ],
)
def test_labels_are_matched_as_prometheus_does(
    text: str, labels: Mapping[str, str], fits: bool
) -> None:
    assert parse_selector(text).takes("a", labels) is fits
    assert not parse_selector(text).takes("b", labels)


@given(st.text(max_size=60))
def test_no_text_does_more_than_be_refused(text: str) -> None:
    try:
        parse_selector(text)
    except ConfigurationError as error:
        assert text in str(error)  # noqa: PT017 - both ends are fine
