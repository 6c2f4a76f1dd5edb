"""What our fake of GitHub is asked and answers: requests taken apart, pages, inputs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.providers.ci.github_app import Refused


@dataclass
class Answer:
    data: Any = None
    status: int = 200
    text: str | None = None


@dataclass
class Asked:
    """One request, taken apart."""

    parts: Mapping[str, str]
    query: Mapping[str, str]
    body: Any
    accept: str


def sample(data: Any) -> Any:
    """Cut long lists: their entries are made alike, and checking one costs milliseconds."""
    if isinstance(data, list):
        return [sample(each) for each in data[:3]]
    return {name: sample(each) for name, each in data.items()} if isinstance(data, dict) else data


def check_inputs(declared: dict[str, Any], given: dict[str, Any]) -> None:
    unknown = [name for name in given if name not in declared]
    if unknown:
        raise Refused(422, f"Unexpected inputs provided: {json.dumps(unknown)}")  # [seen]
    for name, each in declared.items():
        if each.get("required") and not given.get(name) and "default" not in each:
            raise Refused(422, f"Required input '{name}' not provided")  # [seen]
        if name in given and not isinstance(given[name], str):
            raise Refused(422, f"Invalid value for input '{name}'")  # [docs] inputs of type string
        if (
            each.get("type") == "choice"
            and given.get(name, each["options"][0]) not in each["options"]
        ):
            raise Refused(
                422,
                (
                    f"Provided value '{given[name]}' for input '{name}' not in "
                    "the list of allowed values"
                ),
            )  # [seen]


def page(everything: list[Any], asked: Asked) -> list[Any]:
    size = min(int(asked.query.get("per_page", "30")), 100)
    first = (int(asked.query.get("page", "1")) - 1) * size
    return everything[first : first + size]
