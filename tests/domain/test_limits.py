"""Foreign JSON is measured before it is parsed: what is too much is refused in a
moment, whatever it holds.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain import limits
from bot.domain.limits import ALL, SLACK, Fault, Unreadable, read_json

KB, MB = 1024, 1024 * 1024
SMALL = replace(SLACK, size=2000, depth=4, items=20)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda below: st.lists(below, max_size=4) | st.dictionaries(st.text(), below, max_size=4),
    max_leaves=20,
)


def fault(body: bytes) -> Fault:
    with pytest.raises(Unreadable) as refused:
        read_json(body, SMALL)
    assert str(refused.value).startswith("This request ")
    return refused.value.fault


def levels(value: Any) -> int:
    if isinstance(value, dict | list):
        return 1 + max(
            (levels(each) for each in (value.values() if isinstance(value, dict) else value)),
            default=0,
        )
    return 0


@pytest.mark.parametrize("limits", ALL, ids=lambda limits: limits.what)
def test_every_kind_of_foreign_text_has_limits_for_bytes_depth_items_and_seconds(
    limits: Any,
) -> None:
    assert 0 < limits.depth <= 64
    assert 0 < limits.size <= 8 * 1024 * 1024
    assert 0 < limits.items <= 300_000
    assert 0 < limits.seconds <= 30


@pytest.mark.case("trust-6")
@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"[" * 2001, Fault.SIZE),
        (b"[" * 10, Fault.FORM),
        (b"[" * 5 + b"]" * 5, Fault.DEPTH),
        (b'{"a":' * 5 + b"1" + b"}" * 5, Fault.DEPTH),
        (b"[" + b"1," * 20 + b"1]", Fault.ITEMS),
        (b"[" + b"[]," * 20 + b"[]]", Fault.ITEMS),
        (b'"' * 400, Fault.ITEMS),
        (b"[1", Fault.FORM),
        (b"{1}", Fault.FORM),
        (b"[}", Fault.FORM),
        (b"]", Fault.FORM),
        (b"", Fault.FORM),
        (b'"\xff"', Fault.FORM),
        (b'"\xed\xa0\x80"', Fault.FORM),
        (b'["\x00"]', Fault.FORM),
        (b"NaN", Fault.FORM),
        (b"[-Infinity]", Fault.FORM),
        ('{"a": "b"}'.encode("utf-16"), Fault.FORM),
    ],
)  # fmt: skip
def test_json_that_is_too_much_or_none_is_refused_with_the_reason(body: bytes, why: Fault) -> None:
    assert fault(body) is why


def test_as_many_bytes_as_allowed_are_read_and_not_one_more() -> None:
    assert read_json(b"1".rjust(2000), SMALL) == 1
    assert fault(b"1".rjust(2001)) is Fault.SIZE


def test_as_many_values_as_allowed_are_read_and_not_one_more() -> None:
    assert read_json(b"[" + b"[]," * 9 + b"[]]", SMALL) == [[]] * 10  # nine commas and eleven pairs
    assert fault(b"[" + b"[]," * 10 + b"1]") is Fault.ITEMS


def test_eight_quotation_marks_for_each_value_are_read_and_not_one_more() -> None:
    assert read_json(b'"' + b'\\"' * 158 + b'"', SMALL) == '"' * 158
    assert fault(b'"' + b'\\"' * 159 + b'"') is Fault.ITEMS


def test_every_limit_there_is_stands_in_the_list_that_the_tests_walk() -> None:
    assert {each for each in vars(limits).values() if isinstance(each, limits.Limits)} == set(ALL)


@pytest.mark.parametrize(
    ("name", "size", "depth", "items", "seconds"),
    [
        ("SLACK", 64 * KB, 32, 10_000, 1),
        ("NOTICE", 2 * MB, 64, 100_000, 5),
        ("ANSWER", 8 * MB, 64, 300_000, 10),
        ("COMPLAINT", 256 * KB, 16, 5_000, 1),
        ("CATALOG", MB, 32, 50_000, 30),
        ("PIPELINE", 64 * KB, 16, 2_000, 5),
        ("WORKFLOW", 256 * KB, 32, 10_000, 5),
        ("JUNIT", 4 * MB, 16, 100_000, 10),
        ("EXPOSITION", 4 * MB, 1, 50_000, 5),
    ],
)
def test_what_each_kind_of_foreign_text_may_be(
    name: str, size: int, depth: int, items: int, seconds: int
) -> None:
    found = getattr(limits, name)
    assert (found.size, found.depth, found.items, found.seconds) == (size, depth, items, seconds)


def test_brackets_and_commas_in_texts_count_for_nothing() -> None:
    text = '[[[[{{{{,,,,,,,,,,,,,,,,,,,,,,,\\" "]]]]'
    assert read_json(json.dumps({"text": text, "more": "\\"}).encode(), SMALL) == {
        "text": text,
        "more": "\\",
    }


@pytest.mark.case("trust-13")
def test_half_a_character_becomes_a_sign_that_can_be_stored_and_signed() -> None:
    read = read_json(b'{"a\\ud800": ["\\uDC00b", "\\ud83d\\ude80", "\\\\ud800"]}', SMALL)
    assert read == {"a\ufffd": ["\ufffdb", "\U0001f680", "\\ud800"]}
    json.dumps(read, ensure_ascii=False).encode()


def test_a_number_that_is_too_long_to_be_worked_out_is_no_json() -> None:
    with pytest.raises(Unreadable):
        read_json(b"9" * 10_000, SLACK)


@given(JSON)
def test_json_within_the_limits_is_read_as_it_was_written(value: Any) -> None:
    wide = replace(SMALL, size=1_000_000, depth=32, items=1000)
    assert read_json(json.dumps(value).encode(), wide) == value


@given(JSON)
def test_the_depth_that_is_measured_is_the_depth_that_it_has(value: Any) -> None:
    body, deep = json.dumps(value, ensure_ascii=False).encode(), levels(value)
    wide = replace(SMALL, size=1_000_000, items=1000)
    assert read_json(body, replace(wide, depth=deep)) == value
    if deep:
        with pytest.raises(Unreadable):
            read_json(body, replace(wide, depth=deep - 1))


@given(st.binary(max_size=300))
def test_bytes_are_read_or_refused_and_nothing_else(body: bytes) -> None:
    with suppress(Unreadable):
        read_json(body, SMALL)
