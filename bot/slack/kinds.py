"""What a value in a template may be: Python's own annotations, asked for
attributes, items and elements.

``Any`` is whatever nobody knows; it answers every question with itself.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import (
    Annotated,
    Any,
    ForwardRef,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

Kind = Any
"""A type or an annotation."""
NOTHING: Kind = type(None)
UNION: Any = Union


class Unknown(Exception):  # noqa: N818 - what somebody asks for, and that is not there
    """There is no such attribute or element."""


@dataclass(frozen=True)
class Loop:
    """What ``loop`` is in a template."""

    index: int
    index0: int
    first: bool
    last: bool
    length: int
    revindex: int
    revindex0: int
    depth: int
    depth0: int
    previtem: Any
    nextitem: Any
    cycle: Callable[..., str]
    changed: Callable[..., bool]


def _origin(kind: Kind) -> Any:
    return get_origin(kind)


def members(kind: Kind) -> tuple[Kind, ...]:
    """Give what a value of a kind is one of, without None."""
    if _origin(kind) is Annotated:
        return members(get_args(kind)[0])
    if _origin(kind) in {Union, types.UnionType}:
        return tuple(each for part in get_args(kind) for each in members(part))
    if isinstance(kind, TypeVar):
        return members(kind.__bound__) if kind.__bound__ is not None else (Any,)
    return () if kind is NOTHING or kind is None else (kind,)


def joined(kinds: Iterable[Kind]) -> Kind:
    """Give the kind of a value that is one of several."""
    found = tuple(dict.fromkeys(kinds))
    if not found or any(each is Any for each in found):
        return Any
    return UNION[found]


def without_none(kind: Kind) -> Kind:
    """Give a kind of which it is known that it is there."""
    return joined(members(kind))


@cache
def _hints(owner: Any) -> Mapping[str, Kind]:
    try:
        return get_type_hints(owner)
    except (NameError, TypeError):
        return {}


def attribute(kind: Kind, name: str) -> Kind:
    """Give the kind of an attribute, of a key where there are keys. Raises Unknown where no
    value of that kind has it.
    """
    return _each(kind, lambda one: _attribute(one, name))


def _each(kind: Kind, ask: Callable[[Kind], Kind]) -> Kind:
    """Ask each of what a value may be; one that knows is enough: which one it
    is, nobody has looked at.
    """
    found = []
    for one in members(kind):
        try:
            found.append(ask(one))
        except Unknown as unknown:
            missing = unknown
    if not found and members(kind):
        raise missing
    return joined(found)


def _attribute(kind: Kind, name: str) -> Kind:
    owner = _origin(kind) or kind
    if kind is Any or isinstance(kind, ForwardRef) or not isinstance(owner, type):
        return Any
    if issubclass(owner, Mapping):
        arguments = get_args(kind)
        return (
            _of_class(owner, name) if hasattr(owner, name) else arguments[1] if arguments else Any
        )
    return _of_class(owner, name)


def _of_class(owner: type, name: str) -> Kind:
    hints = _hints(owner)
    if issubclass(owner, Enum) and name in {"name", "value"}:
        return str
    if name in hints:
        return hints[name]
    found = inspect.getattr_static(owner, name, None)
    if isinstance(found, property) and found.fget is not None:
        return _hints(found.fget).get("return", Any)
    if found is None or name.startswith("_"):
        raise Unknown(f"{owner.__name__} has no {name}")
    return found if callable(found) else Any


def item(kind: Kind, key: object) -> Kind:
    """Give the kind of what is under a key or at a place."""
    return _each(kind, lambda one: _item(one, key))


def _item(kind: Kind, key: object) -> Kind:
    owner, arguments = _origin(kind) or kind, get_args(kind)
    if not isinstance(owner, type) or kind is Any:
        return Any
    if issubclass(owner, Mapping):
        return arguments[1] if arguments else Any
    if (
        issubclass(owner, tuple)
        and arguments
        and arguments[-1] is not Ellipsis
        and isinstance(key, int)
    ):
        if not -len(arguments) <= key < len(arguments):
            raise Unknown(f"there are {len(arguments)} of them, and no number {key}")
        return arguments[key]
    if issubclass(owner, str):
        return str
    if issubclass(owner, Sequence):
        return arguments[0] if arguments else Any
    if isinstance(key, str):
        return _attribute(kind, key)
    raise Unknown(f"{owner.__name__} has no items")


def element(kind: Kind) -> Kind:
    """Give the kind of what comes out when one goes through a value. Raises
    Unknown where nothing does.
    """
    return _each(kind, _element)


def _element(kind: Kind) -> Kind:
    owner, arguments = _origin(kind) or kind, get_args(kind)
    if not isinstance(owner, type) or kind is Any:
        return Any
    if issubclass(owner, Mapping):
        return arguments[0] if arguments else Any
    if issubclass(owner, tuple) and arguments:
        return joined(each for each in arguments if each is not Ellipsis)
    if issubclass(owner, Collection | Iterator | Iterable):
        return str if issubclass(owner, str) else arguments[0] if arguments else Any
    raise Unknown(f"{owner.__name__} is one thing, and not many")


def result(kind: Kind) -> Kind:
    """Give what calling a value gives."""
    if callable(kind) and not isinstance(kind, type):
        return _hints(kind).get("return", Any)
    return kind if isinstance(kind, type) else Any


def fits(kind: Kind, wanted: Kind) -> bool:
    """Tell whether a value of a kind may be what is wanted: one of what it may be is enough."""
    found, accepted = members(kind), members(wanted)
    return (
        not found or not accepted or any(_fits(one, other) for one in found for other in accepted)
    )


def _fits(kind: Kind, wanted: Kind) -> bool:
    one, other = _origin(kind) or kind, _origin(wanted) or wanted
    if (
        Any in {one, other}
        or not isinstance(one, type)
        or not isinstance(other, type)
        or object in {one, other}
    ):
        return True
    if other is float:
        return issubclass(one, int | float)
    return issubclass(one, other) or issubclass(other, one)


def words_of(kind: Kind) -> frozenset[str] | None:
    """Give all words that a value may be, where these are a closed set; None where they are not."""
    found = members(kind)
    if not found or not all(isinstance(one, type) and issubclass(one, Enum) for one in found):
        return None
    return frozenset(
        str(each.value) for one in found for each in cast("type[Enum]", one) if issubclass(one, str)
    )
