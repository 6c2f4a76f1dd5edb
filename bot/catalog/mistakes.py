"""pydantic's errors as sentences: the path as people write it, what is wrong, and the nearest
word that would be right.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from bot.catalog.document import Document, Loc
from bot.domain.near import did_you_mean, near

_WORDS = {
    "string_type": "should be text; put it into quotes",
    "int_type": "should be a whole number",
    "int_parsing": "should be a whole number",
    "int_from_float": "should be a whole number",
    "float_parsing": "should be a number",
    "float_type": "should be a number",
    "bool_parsing": "should be true or false",
    "bool_type": "should be true or false",
    "tuple_type": "should be a list; begin each entry with a dash",
    "dict_type": "should be a mapping of names to values",
    "model_type": "should be a mapping of keys to values",
    "too_short": "is empty; add at least one",
    "string_too_short": "is empty",
}


_PATTERNS = {
    "tags": (
        "should say how the service tags its versions, with exactly one * where the version "
        "stands: web-v* is for web-v1.2.0"
    ),
    "key": "should be a short name of small letters and digits, beginning with a letter: errors",
}
"""What a value has to look like that is asked for by a pattern, in words."""

NAMES_A_PROVIDER = {("metrics",), ("on_call",)}
OR_NONE = "is missing; name a provider, or write none and read what follows from it."


def note_all(document: Document, error: ValidationError, shape: type[BaseModel]) -> None:
    """Note each of pydantic's errors in the document."""
    for each in error.errors(include_url=False, include_input=False):
        loc = _visible(document, tuple(each["loc"]), is_missing=each["type"] == "missing")
        document.problem(loc, _sentence(each, loc, shape))


def instead(word: str, known: Iterable[str], what: str = "Defined") -> str:
    """Say which word was probably meant, and which there are."""
    names = list(known)
    return f"{did_you_mean(near(word, names))} {what}: {', '.join(names) or 'none'}.".strip()


def _visible(document: Document, loc: Loc, *, is_missing: bool) -> Loc:
    """Leave out the parts of a path that pydantic added (tags of unions, ``[key]``)."""
    found: Loc = ()
    for index, part in enumerate(loc):
        is_last = index == len(loc) - 1
        if document.knows((*found, part)) or (is_last and is_missing):
            found = (*found, part)
    return found


def _sentence(each: ErrorDetails, loc: Loc, shape: type[BaseModel]) -> str:
    kind, context = each["type"], each.get("ctx", {})
    if kind == "value_error":
        return str(context["error"])
    if kind == "missing":
        return OR_NONE if loc[-1:] in NAMES_A_PROVIDER else "is missing; add it."
    if kind == "extra_forbidden":
        return (
            "there is no such key here. "
            f"{instead(str(loc[-1]), _keys_at(shape, loc[:-1]), 'Known')}"
        )
    if kind == "literal_error" and loc[-1:] in NAMES_A_PROVIDER:
        return (
            "should be none, or a mapping that names a provider, as in "
            "{provider: NAME} with its options."
        )
    if kind == "literal_error":
        return f"should be {context['expected']}."
    if kind == "string_pattern_mismatch":
        return f"{_PATTERNS[str(loc[-1])]}."
    said = _WORDS.get(kind) or each["msg"].removeprefix("Input ").removeprefix("Value ")
    return f"{said}."


def _keys_at(shape: type[BaseModel], loc: Loc) -> list[str]:
    kind: Any = shape
    for part in loc:
        model = _model_in(kind)
        fields = _fields(model) if model else {}
        kind = fields.get(str(part), kind) if model and str(part) in fields else _inside(kind)
    model = _model_in(kind)
    return list(_fields(model)) if model else []


def _fields(model: type[BaseModel]) -> Mapping[str, Any]:
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}


def _model_in(kind: Any) -> type[BaseModel] | None:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind
    return None


def _inside(kind: Any) -> Any:
    """Step into a list, a mapping, a union or an annotation, towards the model that it holds."""
    origin = typing.get_origin(kind)
    if origin is None:
        return kind
    candidates = [part for part in typing.get_args(kind) if part is not Ellipsis]
    if origin in {typing.Annotated, dict}:
        candidates = candidates[:1] if origin is typing.Annotated else candidates[1:]
    if origin in {typing.Union, types.UnionType}:
        candidates = [part for part in candidates if part is not type(None)]
    steps = [_inside(part) if typing.get_origin(part) else part for part in candidates]
    return next((step for step in steps if _model_in(step)), steps[0] if steps else kind)
