"""``pipeline.yml`` in the target repository: which stages make up tests, a deployment, a smoke test and a rollback."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from bot.domain.errors import IntegrationError

FILE = "pipeline.yml"
VENDOR = "local CI"


class StageSpec(BaseModel):
    """One stage: a shell command in its own process group."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=60)
    run: str = Field(min_length=1)
    timeout: float = Field(default=600, gt=0)
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
        found = self.pipelines.get(action) or (self.pipelines.get("deploy") if action == "rollback" else None)  # type: ignore[call-overload]
        if found is None:
            raise _wrong(f"{FILE} has no pipeline for {action}. Add pipelines.{action} with its stages.")
        stages: tuple[StageSpec, ...] = found.stages
        return stages


def parse(text: str) -> PipelineFile:
    """Read the file. Raises IntegrationError with the line and the remedy for each mistake."""
    try:
        value = YAML(typ="rt").load(text)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise _wrong(f"{FILE}:{line}: {error.problem}. Mend the YAML.") from None
    except YAMLError as error:
        raise _wrong(f"{FILE}: {error}") from None
    try:
        return PipelineFile.model_validate(value)
    except ValidationError as error:
        raise _wrong("; ".join(_sentence(value, each) for each in error.errors())) from None


def _wrong(sentence: str) -> IntegrationError:
    return IntegrationError(sentence, vendor=VENDOR, retry=False)


def _sentence(value: object, problem: Any) -> str:
    path = [part for part in problem["loc"] if part != "[key]"]
    remedy = "Remove it or correct its name" if problem["type"] == "extra_forbidden" else problem["msg"]
    return f"{FILE}:{_line(value, path)}: {'.'.join(str(part) for part in path)}: {remedy}."


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
