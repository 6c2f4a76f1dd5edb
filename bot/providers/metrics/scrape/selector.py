"""Which series of an exposition are meant: a name and what its labels must be, without I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from bot.domain.errors import ConfigurationError

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_MATCHER = re.compile(
    r"\s*(?P<label>[a-zA-Z_][a-zA-Z0-9_]*)\s*(?P<operator>=~|!~|!=|"
    r'=)\s*"(?P<value>(?:[^"\\]|\\.)*)"\s*(?:,|$)'
)
_SELECTOR = re.compile(rf"\s*(?P<name>{_NAME.pattern})\s*(?:\{{(?P<matchers>.*)\}}\s*)?", re.DOTALL)
_ESCAPED = re.compile(r'\\(["\\])')


@dataclass(frozen=True, slots=True)
class Matcher:
    """What one label must be. A label that a series does not have is empty."""

    label: str
    operator: str
    """``=``, ``!=``, ``=~`` or ``!~``; regular expressions match the whole value."""
    value: str

    def takes(self, value: str) -> bool:
        """Tell whether a label's value fits."""
        if self.operator.endswith("~"):
            return (_pattern(self.value).fullmatch(value) is not None) is (self.operator == "=~")
        return (value == self.value) is (self.operator == "=")


@dataclass(frozen=True, slots=True)
class Selector:
    """Which series are added up."""

    name: str
    matchers: tuple[Matcher, ...] = ()

    def takes(self, name: str, labels: Mapping[str, str]) -> bool:
        """Tell whether a series is meant."""
        return name == self.name and all(
            matcher.takes(labels.get(matcher.label, "")) for matcher in self.matchers
        )

    def __str__(self) -> str:
        inner = ",".join(
            f'{matcher.label}{matcher.operator}"{matcher.value}"' for matcher in self.matchers
        )
        return f"{self.name}{{{inner}}}" if inner else self.name


def parse_selector(value: Any) -> Selector:
    """Read a selector as PromQL writes it (``http_requests_total{code=~"5.."}``) or as a mapping
    ``{name: …, labels: {code: "~5.."}}``.

    In a mapping's label ``~`` begins a regular expression and ``!`` a negation. Raises
    ConfigurationError with the offending text.
    """
    if isinstance(value, str):
        return _from_text(value)
    if isinstance(value, Mapping) and isinstance(value.get("name"), str):
        labels = value.get("labels") or {}
        if isinstance(labels, Mapping) and not set(value) - {"name", "labels"}:
            name = _from_text(value["name"]).name
            return Selector(
                name,
                tuple(_from_label(str(label), str(wanted)) for label, wanted in labels.items()),
            )
    raise ConfigurationError(
        f'{value!r} names no series; write the name, NAME{{label="value"}} or '
        "{name: …, labels: {…}}"
    )


def _from_text(text: str) -> Selector:
    whole = _SELECTOR.fullmatch(text)
    if whole is None:
        raise ConfigurationError(
            f"'{text}' names no series; write it as http_requests_total{{code=~\"5..\"}}"
        )
    rest, matchers = (whole["matchers"] or "").strip(), []
    while rest:
        found = _MATCHER.match(rest)
        if found is None:
            raise ConfigurationError(
                f"'{text}' cannot be read from '{rest}' on; write label=\"value\" (or !=, =~, "
                "!~), separated by commas"
            )
        matchers.append(
            _checked(Matcher(found["label"], found["operator"], _unescaped(found["value"])))
        )
        rest = rest[found.end() :].strip()
    return Selector(whole["name"], tuple(matchers))


def _unescaped(text: str) -> str:
    r"""Undo a quoted value's escapes; others than ``\\"`` and ``\\\\`` belong to a
    regular expression and stay.
    """
    return _ESCAPED.sub(r"\1", text)


def _from_label(label: str, wanted: str) -> Matcher:
    negated = wanted.startswith("!")
    value = wanted.removeprefix("!")
    if value.startswith("~"):
        return _checked(Matcher(label, "!~" if negated else "=~", value[1:]))
    return Matcher(label, "!=" if negated else "=", value)


def _checked(matcher: Matcher) -> Matcher:
    if matcher.operator.endswith("~"):
        try:
            _pattern(matcher.value)
        except re.error as error:
            raise ConfigurationError(
                f"'{matcher.value}' is no regular expression: {error}"
            ) from None
    return matcher


@lru_cache(maxsize=512)
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text)
