"""``pipeline.yml`` in the target repository: which stages make up tests, a deployment, a
smoke test and a rollback.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError

from bot.domain import plain
from bot.domain.errors import IntegrationError
from bot.domain.limits import PIPELINE, Unreadable, too_deep
from bot.foreign import beside, yaml_reader, yaml_text

FILE = "pipeline.yml"
VENDOR = "local CI"
NAMED = 10
"""How many mistakes are named at once."""
DEEPEST = 4 * PIPELINE.depth
"""How many brackets may stand open in the text, those in shell commands among them. The reader's
own price grows with their square.
"""
LONGEST = 86_400
"""Seconds that a stage may take."""
_BRACKET = re.compile(r"[\[\]{}]")


def _visible(name: str) -> str:
    if plain.line(name, len(name)) != name:
        raise ValueError("a name is one line of visible characters")
    return name


class StageSpec(BaseModel):
    """One stage: a shell command in its own process group."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(min_length=1, max_length=60), AfterValidator(_visible)]
    run: str = Field(min_length=1)
    timeout: float = Field(default=600, gt=0, le=LONGEST, allow_inf_nan=False)
    """Seconds."""
    environment: dict[str, str] = {}
    gate: Literal["none", "manual"] = "none"
    """``manual`` waits until somebody lets the run go on."""
    junit: str = ""
    """Where the stage writes its JUnit report."""
    allow_failure: bool = False


class PipelineSpec(BaseModel):
    """The stages of one action, in order."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    stages: tuple[StageSpec, ...] = Field(min_length=1)


class PipelineFile(BaseModel):
    """The whole file. ``rollback`` is ``deploy`` where it is not given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pipelines: dict[Literal["test", "deploy", "smoke", "rollback"], PipelineSpec]

    def stages(self, action: str) -> tuple[StageSpec, ...]:
        """Give an action's stages. Raises IntegrationError when the file has none for it."""
        found = self.pipelines.get(action) or (  # type: ignore[call-overload]
            self.pipelines.get("deploy") if action == "rollback" else None
        )
        if found is None:
            raise _wrong(
                f"{FILE} has no pipeline for {action}. Add pipelines.{action} with its stages."
            )
        stages: tuple[StageSpec, ...] = found.stages
        return stages


async def read(text: str) -> PipelineFile:
    """Read the file beside the event loop, within ``limits.PIPELINE``. Raises
    IntegrationError with a sentence.
    """
    try:
        return await beside(PIPELINE, parse, text)
    except Unreadable as error:
        raise _wrong(str(error)) from None


def parse(text: str) -> PipelineFile:
    """Read the file. Raises IntegrationError with the line and the remedy for each mistake."""
    value = _loaded(text)
    try:
        return PipelineFile.model_validate(value)
    except ValidationError as error:
        raise _wrong("; ".join(_sentence(value, each) for each in error.errors()[:NAMED])) from None


def _loaded(text: str) -> object:
    try:
        found: object = yaml_reader(PIPELINE, typ="rt").load(_shallow(yaml_text(text, PIPELINE)))
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise _wrong(f"{FILE}:{line}: {plain.line(str(error.problem))}. Mend the YAML.") from None
    except (Unreadable, RecursionError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - a reader of foreign text may fail in any way, and none of them is ours
        raise _wrong(f"{FILE} is not YAML: {plain.line(str(error), 200)}. Mend the YAML.") from None
    return found


def _shallow(text: str) -> str:
    """Return a text in which few brackets stand open. Raises Unreadable."""
    level = 0
    for bracket in _BRACKET.findall(text):
        level = level + 1 if bracket in "[{" else max(0, level - 1)
        if level > DEEPEST:
            raise too_deep(PIPELINE)
    return text


def _wrong(sentence: str) -> IntegrationError:
    return IntegrationError(sentence, vendor=VENDOR, retry=False)


_WORDS = {
    "extra_forbidden": "there is no such key here; remove it or correct its name",
    "missing": "is missing; add it",
    "string_type": "should be text; put it into quotes",
    "string_too_short": "is empty",
    "string_too_long": "is longer than {max_length} signs",
    "tuple_type": "should be a list; begin each entry with a dash",
    "too_short": "is empty; add at least one",
    "dict_type": "should be a mapping of names to values",
    "model_type": "should be a mapping of keys to values",
    "bool_type": "should be true or false",
    "bool_parsing": "should be true or false",
    "float_type": "should be a number",
    "float_parsing": "should be a number",
    "finite_number": "should be a number that has an end",
    "greater_than": "should be more than {gt:g}",
    "less_than_equal": "should be no more than {le:g}",
    "literal_error": "should be {expected}",
    "value_error": "{error}",
}
"""The reader's own words, as people say them."""


def _sentence(value: object, problem: Any) -> str:
    path = [part for part in problem["loc"] if part != "[key]"]
    said = _WORDS.get(problem["type"], "cannot be what it says").format(**problem.get("ctx", {}))
    return (
        f"{FILE}:{_line(value, path)}: "
        f"{'.'.join(str(part) for part in path) or 'the file'}: {said}."
    )


def _line(value: object, path: list[Any]) -> int:
    """Find the line of a place in the file, or of the nearest thing around it."""
    line = 1
    for part in path:
        if isinstance(value, CommentedMap) and part in value:
            line = value.lc.key(part)[0] + 1
            value = value[part]
        elif isinstance(value, CommentedSeq) and isinstance(part, int) and part < len(value):
            line = value.lc.item(part)[0] + 1
            value = value[part]
        else:
            break
    return line
