"""What foreign text may cost, one line for each kind, and the reading of JSON within it.

Whatever comes from outside is measured before it is parsed: a parser's own price grows with depth
and number, and some of ours are quadratic. What is too much is no text of that kind, so it is not
read at all. ``bot.foreign`` reads YAML and XML within the same limits, and everything that takes
longer than a few milliseconds beside the event loop.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NoReturn

from bot.domain.errors import GonogoError

KB = 1024
MB = 1024 * KB


@dataclass(frozen=True, slots=True)
class Limits:
    """What one kind of foreign text may cost."""

    what: str
    """What it is, as a sentence begins."""
    size: int
    """Bytes."""
    depth: int
    """Levels of things in things."""
    items: int
    """Values, elements or lines in all."""
    seconds: float
    """How long somebody waits for its reading, where that is done beside the event loop."""


SLACK = Limits("This request", size=64 * KB, depth=32, items=10_000, seconds=1)
NOTICE = Limits("This notice", size=2 * MB, depth=64, items=100_000, seconds=5)
"""A webhook of a CI provider."""
ANSWER = Limits("The answer", size=8 * MB, depth=64, items=300_000, seconds=10)
"""What a vendor's REST interface answers."""
COMPLAINT = Limits("The complaint", size=256 * KB, depth=16, items=5_000, seconds=1)
"""What a vendor says with a status that is an error."""
CATALOG = Limits("gonogo.yaml", size=1 * MB, depth=32, items=50_000, seconds=30)
PIPELINE = Limits("pipeline.yml", size=64 * KB, depth=16, items=2_000, seconds=5)
WORKFLOW = Limits("The workflow", size=256 * KB, depth=32, items=10_000, seconds=5)
"""A workflow file of GitHub's, read to see what it takes."""
JUNIT = Limits("The report", size=4 * MB, depth=16, items=100_000, seconds=10)
EXPOSITION = Limits("The metrics", size=4 * MB, depth=1, items=50_000, seconds=5)
"""What a service's own Prometheus endpoint answers; its items are lines."""

ALL = (SLACK, NOTICE, ANSWER, COMPLAINT, CATALOG, PIPELINE, WORKFLOW, JUNIT, EXPOSITION)

SMALL = 64 * KB
"""JSON up to here is read where it is: that takes less than a change of threads."""


class Fault(StrEnum):
    """Why a foreign text is not read."""

    SIZE = "size"
    DEPTH = "depth"
    ITEMS = "items"
    TIME = "time"
    FORM = "form"


class Unreadable(GonogoError):  # noqa: N818 - it is an answer about a text
    """A foreign text that is not read: too much of it, or not what it says it is.
    ``str(error)`` is a sentence.
    """

    def __init__(self, fault: Fault, sentence: str) -> None:
        super().__init__(sentence)
        self.fault = fault


def too_large(limits: Limits) -> Unreadable:
    """Say that there are too many bytes."""
    return Unreadable(Fault.SIZE, f"{limits.what} is larger than {limits.size // KB:,} kB.")


def too_deep(limits: Limits) -> Unreadable:
    """Say that things lie in things in things."""
    return Unreadable(Fault.DEPTH, f"{limits.what} is nested deeper than {limits.depth} levels.")


def too_many(limits: Limits) -> Unreadable:
    """Say that there are too many values."""
    return Unreadable(Fault.ITEMS, f"{limits.what} holds more than {limits.items:,} values.")


def too_slow(limits: Limits) -> Unreadable:
    """Say that reading took too long."""
    return Unreadable(Fault.TIME, f"{limits.what} could not be read within {limits.seconds:g} s.")


def no_such(limits: Limits, form: str) -> Unreadable:
    """Say that it is not what it should be."""
    return Unreadable(Fault.FORM, f"{limits.what} is not {form}.")


def measured(body: bytes, limits: Limits) -> bytes:
    """Return a body that is not too large. Raises Unreadable."""
    if len(body) > limits.size:
        raise too_large(limits)
    return body


# JSON -------------------------------------------------------------------------------------------

_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_BRACKETS = bytes.maketrans(b"{}", b"[]")
_NO_MARKS = bytes(set(range(256)) - set(b"[]{},"))
_HALF = re.compile(rb"\\u[dD][89a-fA-F]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_QUOTES = 8
"""More quotation marks than this for each value that is allowed are too many
values, whatever is in them.
"""


def read_json(body: bytes, limits: Limits) -> Any:
    """Read JSON in UTF-8, measured first. Half characters (lone surrogates), which nothing can
    store, become U+FFFD. Raises Unreadable.
    """
    _measure_json(measured(body, limits), limits)
    try:
        value = json.loads(body.decode("utf-8-sig"), parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise no_such(limits, "JSON") from None
    return _whole(value) if _HALF.search(body) else value


def _measure_json(body: bytes, limits: Limits) -> None:
    """Count values and levels without making any: strings are left out, and a level is a round of
    taking away what is innermost.
    """
    if body.count(b'"') > _QUOTES * limits.items:
        raise too_many(limits)
    marks = _STRING.sub(b"", body).translate(_BRACKETS, _NO_MARKS)
    brackets = marks.replace(b",", b"")
    if len(marks) - len(brackets) // 2 > limits.items:
        raise too_many(limits)
    for _ in range(limits.depth):
        if not brackets:
            return
        brackets = brackets.replace(b"[]", b"")
    if b"[]" in brackets:
        raise too_deep(limits)
    if brackets:
        raise no_such(limits, "JSON")  # not closed


def mended(text: str) -> str:
    """Put U+FFFD in the place of half characters (lone surrogates): nothing could
    store, send or sign them.
    """
    return _SURROGATE.sub("\ufffd", text)


def _no_number(text: str) -> NoReturn:
    raise ValueError(text)


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return mended(value)
    if isinstance(value, list):
        return [_whole(each) for each in value]
    if isinstance(value, dict):
        return {_whole(name): _whole(each) for name, each in value.items()}
    return value
