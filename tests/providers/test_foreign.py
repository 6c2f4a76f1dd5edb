"""YAML and XML from outside: read within limits, in bounded time, and never
with a parser's own error.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.limits import JUNIT, PIPELINE, Fault, Unreadable
from bot.foreign import beside, json_beside, read_xml, read_yaml

TEN = "[x, x, x, x, x, x, x, x, x, x]"
LAUGHS = (
    f"a: &a {TEN}\nb: &b {TEN.replace('x', '*a')}\nc: &c {TEN.replace('x', '*b')}\nd: "
    f"{TEN.replace('x', '*c')}\n"
)
PATIENCE = 2.0
"""Seconds of CPU that any of these may take, on a busy machine; 0.2 on a quiet one."""


@pytest.mark.case("trust-6")
@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("pipelines: " + "[" * 3000, Fault.DEPTH),
        ("{ " * 30_000, Fault.DEPTH),
        ("- " * 30_000, Fault.DEPTH),
        ("? " * 30_000, Fault.DEPTH),
        ("a:\n" + "  [\n" * 12_000, Fault.DEPTH),
        ("stages:\n" + "  - name: unit\n    run: make\n" * 2000, Fault.ITEMS),
        ("[" + "a," * 30_000 + "]", Fault.ITEMS),
        (LAUGHS, Fault.ITEMS),
        ("a: &a [*a]", Fault.DEPTH),
        ("x" * 70_000, Fault.SIZE),
        ("a: " + "9" * 20_000, Fault.FORM),
        ("a: !!python/object/apply:os.system [ls]", Fault.FORM),
        ("c: 2001-99-99", Fault.FORM),
        ("? [a]\n: {b: c}\n? {c: d}\n: e", Fault.FORM),
        ("a: 1\na: 2", Fault.FORM),
        ("a: 1\n---\nb: 2", Fault.FORM),
        ('a: "\\UFFFFFFFF"', Fault.FORM),
        ("a: \0", Fault.FORM),
        ("a: \ud800", Fault.FORM),
    ],
)  # fmt: skip
def test_yaml_that_is_too_much_or_none_is_refused_in_a_moment(text: str, why: Fault) -> None:
    began = time.process_time()
    with pytest.raises(Unreadable) as refused:
        read_yaml(text, PIPELINE)
    assert refused.value.fault is why
    assert time.process_time() - began < PATIENCE


def test_yaml_of_everyday_is_read() -> None:
    text = (
        "base: &base {image: python}\ntest:\n  <<: *base\n  run: |\n    if [[ -n $X "
        "]]; then echo '[[['; fi\n"
    )
    assert read_yaml(text, PIPELINE) == {
        "base": {"image": "python"},
        "test": {"image": "python", "run": "if [[ -n $X ]]; then echo '[[['; fi\n"},
    }  # fmt: skip
    assert read_yaml('a: "\\ud800"', PIPELINE) == {"a": "\ufffd"}


@pytest.mark.case("trust-6")
@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"<a>" * 100_000, Fault.DEPTH),
        (b"<a>" + b"<b/>" * 800_000 + b"</a>", Fault.ITEMS),
        (b"<a>" + b"x" * JUNIT.size, Fault.SIZE),
        (b"<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", Fault.FORM),
        ("<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>".encode("utf-16"), Fault.FORM),
        (b"<?xml version='1.0' encoding='evil'?><a/>", Fault.FORM),
        (b"", Fault.FORM),
        (b"<a>", Fault.FORM),
        (b"<a>\x00</a>", Fault.FORM),
    ],
)
def test_xml_that_is_too_much_or_none_is_refused_in_a_moment(body: bytes, why: Fault) -> None:
    began = time.process_time()
    with pytest.raises(Unreadable) as refused:
        read_xml(body, JUNIT)
    assert refused.value.fault is why
    assert time.process_time() - began < PATIENCE


def test_a_report_of_twenty_thousand_tests_is_read() -> None:
    root = read_xml(
        b"<testsuite>" + b'<testcase name="x" time="1"/>' * 20_000 + b"</testsuite>", JUNIT
    )
    assert len(list(root.iter("testcase"))) == 20_000


@given(st.text(max_size=200) | st.text(alphabet="[]{}:,-?&*!|>'\"%@# \n\tab1", max_size=60))
def test_any_text_is_yaml_or_refused(text: str) -> None:
    with suppress(Unreadable):
        read_yaml(text, PIPELINE)


@given(st.binary(max_size=100) | st.text(alphabet="<>/!?[]&;='\" ab1", max_size=60).map(str.encode))
def test_any_bytes_are_xml_or_refused(body: bytes) -> None:
    with suppress(Unreadable):
        read_xml(body, JUNIT)


@pytest.mark.case("trust-6")
async def test_nobody_waits_longer_for_a_reading_than_its_limits_allow() -> None:
    done = asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow() -> None:
        asyncio.run_coroutine_threadsafe(done.wait(), loop).result()

    with pytest.raises(Unreadable) as refused:
        await beside(replace(JUNIT, seconds=0.01), slow)
    done.set()
    assert refused.value.fault is Fault.TIME


async def test_a_parser_that_recurses_too_deep_is_an_answer_and_no_crash() -> None:
    def deep() -> None:
        deep()

    with pytest.raises(Unreadable) as refused:
        await beside(JUNIT, deep)
    assert refused.value.fault is Fault.DEPTH


async def test_large_json_is_read_beside_the_event_loop_and_small_json_at_once() -> None:
    assert await json_beside(b"[1]", JUNIT) == [1]
    assert await json_beside(b"[" + b"1," * 50_000 + b"1]", JUNIT) == [1] * 50_001
