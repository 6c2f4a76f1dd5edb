"""Reading foreign text within ``bot.domain.limits``: YAML and XML, and beside the event loop
whatever takes its time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar
from xml.etree import ElementTree as ET

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import Node

from bot.domain.limits import (
    SMALL,
    Limits,
    measured,
    mended,
    no_such,
    read_json,
    too_deep,
    too_large,
    too_many,
    too_slow,
)

P = ParamSpec("P")
T = TypeVar("T")


async def beside(limits: Limits, read: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Read in a thread, and wait no longer than the limits allow. Raises Unreadable,
    and what ``read`` raises.

    A thread cannot be stopped; the other limits see to it that it ends soon.
    """
    try:
        async with asyncio.timeout(limits.seconds):
            return await asyncio.to_thread(read, *args, **kwargs)
    except TimeoutError:
        raise too_slow(limits) from None
    except RecursionError:
        raise too_deep(limits) from None
    except MemoryError:
        raise too_large(limits) from None


async def json_beside(body: bytes, limits: Limits) -> Any:
    """Read JSON: small bodies at once, larger ones beside the event loop. Raises Unreadable."""
    return (
        read_json(body, limits)
        if len(body) <= SMALL
        else await beside(limits, read_json, body, limits)
    )


# YAML -------------------------------------------------------------------------------------------


def yaml_reader(limits: Limits, *, typ: str = "safe") -> YAML:
    """Make a YAML reader that gives up as soon as there is too much. It raises Unreadable and
    YAMLError; see also ``yaml_text``.
    """

    class Counting(_Counting):
        allowed = limits

    yaml = YAML(typ=typ, pure=True)
    yaml.Composer = Counting
    return yaml


def yaml_text(body: bytes | str, limits: Limits) -> str:
    """Give the text of a YAML file that is not too large. Raises Unreadable."""
    body = measured(
        body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body, limits
    )
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise no_such(limits, "UTF-8 text") from None


def read_yaml(body: bytes | str, limits: Limits) -> Any:
    """Read YAML to plain values. Raises Unreadable."""
    try:
        return yaml_reader(limits).load(yaml_text(body, limits))
    except RecursionError:
        raise too_deep(limits) from None
    except (YAMLError, ValueError, ArithmeticError, LookupError, TypeError, AttributeError):
        raise no_such(limits, "YAML") from None


class _Counting(Composer):
    """Counts while it reads, so that what is too much is not read to its end. An alias
    counts as what it stands for.
    """

    allowed: Limits

    def __init__(self, loader: Any = None) -> None:
        super().__init__(loader=loader)
        self.warn_double_anchors = False
        self._level = 0
        self._items = 0
        self._weights: dict[int, int] = {}

    def compose_node(self, parent: Any, index: Any) -> Any:
        before = self._items
        self._count(1)
        self._level += 1
        if self._level > self.allowed.depth:
            raise too_deep(self.allowed)
        node = super().compose_node(parent, index)
        self._level -= 1
        self._weights[id(node)] = max(self._items - before, self._weights.get(id(node), 0))
        return node

    def compose_scalar_node(self, anchor: Any) -> Any:
        event = self.parser.peek_event()
        event.value = mended(event.value)
        return super().compose_scalar_node(anchor)

    def return_alias(self, a: Node) -> Any:
        if id(a) not in self._weights:  # it stands in itself and has no end
            raise too_deep(self.allowed)
        self._count(self._weights[id(a)])
        return super().return_alias(a)

    def _count(self, items: int) -> None:
        self._items += items
        if self._items > self.allowed.items:
            raise too_many(self.allowed)


# XML --------------------------------------------------------------------------------------------


def read_xml(body: bytes, limits: Limits) -> ET.Element:
    """Read XML that declares nothing of its own (no DOCTYPE, hence no
    entities). Raises Unreadable.
    """
    parser = ET.XMLParser(target=_Elements(limits))  # noqa: S314 - without a DOCTYPE there is nothing to expand
    try:
        parser.feed(measured(body, limits))
        root = parser.close()
    except (ET.ParseError, ValueError, LookupError):
        raise no_such(limits, "XML") from None
    if not isinstance(root, ET.Element):
        raise no_such(limits, "XML")
    return root


class _Elements(ET.TreeBuilder):
    """Builds elements, and counts them while it does."""

    def __init__(self, allowed: Limits) -> None:
        super().__init__()
        self._allowed = allowed
        self._level = 0
        self._items = 0

    def doctype(self, *_declared: str | None) -> None:
        raise no_such(self._allowed, "XML without a DOCTYPE")

    def start(self, tag: Any, attrs: Any, /) -> ET.Element:
        self._level += 1
        self._items += 1 + len(attrs)
        if self._level > self._allowed.depth:
            raise too_deep(self._allowed)
        if self._items > self._allowed.items:
            raise too_many(self._allowed)
        return super().start(tag, attrs)

    def end(self, tag: str, /) -> ET.Element:
        self._level -= 1
        return super().end(tag)
