"""Templates that name what is not there: each mistake is found before
anybody is sent the message.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, StrEnum
from typing import Any

import pytest
from jinja2 import ChoiceLoader, DictLoader, Environment

from bot.domain.card import Card
from bot.ports.board import BoardRow
from bot.slack.examining import mistakes
from bot.slack.render import Words


class Colour(StrEnum):
    """A closed set of words."""

    GREEN = "green"
    RED = "red"


class Went(Enum):
    """A closed set that is no word itself."""

    GO = "go"


@dataclass(frozen=True)
class Step:
    """Part of what is said."""

    name: str
    colour: Colour
    began: datetime | None = None


@dataclass(frozen=True)
class Said:
    """What a template is given."""

    title: str
    count: int
    at: datetime
    steps: tuple[Step, ...] = ()
    newest: Step | None = None
    pair: tuple[int, Step] = (0, Step("", Colour.RED))
    seconds: Mapping[str, float] = field(default_factory=dict)
    went: Went = Went.GO

    @property
    def first(self) -> Step:
        """The first step."""
        return self.steps[0]

    def is_long(self) -> bool:
        """Tell whether there are many."""
        return self.count > 3


PARTS = """
{% macro row(step, mark="·") %}{{ mark }} {{ step.name | bold }} {{ step.colour }}{% endmacro %}
{% macro outer(step) %}{{ row(step) }}{% endmacro %}
{% macro deep(step) %}{% if step.steps %}{{ deep(step) }}{% endif %}{% endmacro %}
"""


def found(template: str, given: Mapping[str, object] | None = None) -> list[str]:
    environment = Words().environment.overlay(
        loader=ChoiceLoader(
            [DictLoader({"it": template, "parts": PARTS, "inner": "{{ said.titel }}"})]
        )
    )
    assert isinstance(environment, Environment)
    return [str(each) for each in mistakes(environment, "it", given or {"said": Said})]


@pytest.mark.parametrize(
    "template",
    [
        "{{ said.title }} {{ said.count | plural('step') }} {{ said.at | when }}",
        "{% for step in said.steps %}{{ loop.index }} {{ step.name }}{% else %}none{% endfor %}",
        (
            "{% for step in said.steps if step.colour == 'green' %}{{ step.began | clock if "
            "step.began }}{% endfor %}"
        ),
        "{{ said.newest.name if said.newest else 'nobody' }}",
        "{% set newest = said.newest or said.first %}{{ newest.name }}",
        "{% if said.newest %}{% set here = said.newest %}{% endif %}{{ here.name }}",
        "{% set text %}{{ said.title }}{% endset %}{{ text | one_line }}",
        (
            "{% from 'parts' import row, outer %}{{ row(said.first) }}{{ outer(said.newest) }}{{ "
            "row(said.first, mark='>') }}"
        ),
        "{% from 'parts' import deep with context %}{{ deep(said) }}",
        (
            "{% set number, step = said.pair %}{{ number | plural('one') }} {{ step.name }} "
            "{{ said.pair[1].colour }}"
        ),
        "{{ said.seconds.get('a', 0) | duration }} {{ said.seconds['b'] | duration }}",
        (
            "{% if said.is_long() and said.title.startswith('a') and said.newest is not none %}{{ "
            "said.steps | length }}{% endif %}"
        ),
        (
            "{{ {'green': 'well', 'red': 'ill'}.get(said.first.colour, '') }} {{ (said.steps | "
            "first).name }} {{ said.steps[-1].name }}"
        ),
        "{% with it = said.first %}{{ it.name }}{% endwith %}",
        (
            "{% if said.first.colour in ('green', 'red') %}{{ said.title ~ '!' }}{% endif %}{{ "
            "missing if missing is defined }}"
        ),
    ],
)
def test_what_is_there_is_no_mistake(template: str) -> None:
    wrong = [each for each in found(template) if "missing" not in each]
    assert wrong == []


@pytest.mark.parametrize(
    ("template", "mistake"),
    [
        ("{{ said.titel }}", "Said has no titel"),
        ("{{ message.title }}", "message is not given to it"),
        ("{% for step in said.steps %}{{ step.nmae }}{% endfor %}", "Step has no nmae"),
        ("{% for step in said.count %}{{ step }}{% endfor %}", "int is one thing, and not many"),
        ("{% for step in said.steps %}{% endfor %}{{ step.name }}", "step is not given to it"),
        ("{{ loop.index }}", "loop is not given to it"),
        ("{% set newest = said.newest %}{{ newest.colur }}", "Step has no colur"),
        ("{% if said.first.colour == 'gren' %}{% endif %}", "Colour is never 'gren'"),
        ("{% if 'blue' != said.first.colour %}{% endif %}", "Colour is never 'blue'"),
        ("{% if said.first.colour in ('green', 'blue') %}{% endif %}", "Colour is never 'blue'"),
        ("{% if said.went == 'go' %}{% endif %}", "Went is never 'go'"),
        ("{{ said.title | wehn }}", "there is no filter wehn"),
        ("{{ said.title | duration }}", "duration takes timedelta or float, and this is str"),
        ("{{ said.count | when }}", "when takes datetime or str, and this is int"),
        ("{% from 'parts' import row %}{{ row(said) }}", "Said has no name"),
        ("{% from 'parts' import outer %}{{ outer(said) }}", "Said has no colour"),
        ("{% from 'parts' import row %}{{ row(said.first, 1, 2) }}", "row takes step, mark"),
        ("{% from 'parts' import row %}{{ row() }}", "row is not given step"),
        ("{% from 'parts' import row %}{{ row(said.first, marks='>') }}", "row takes step, mark"),
        ("{% from 'parts' import line %}{{ line(said.first) }}", "parts has no line"),
        ("{{ said.pair[2].name }}", "there are 2 of them, and no number 2"),
        ("{{ said.first.name.nothing }}", "str has no nothing"),
        ("{{ said.is_long().title }}", "bool has no title"),
        ("{{ said.count[0] }}", "int has no items"),
        ("{% include 'inner' %}", "Said has no titel"),
        ("a\nb {{ said.titel }}", "it:2: Said has no titel"),
    ],
)
def test_what_is_not_there_is_named(template: str, mistake: str) -> None:
    assert any(mistake in each for each in found(template)), found(template)


GIVEN: Mapping[str, object] = {"card": Card, "row": BoardRow, "now": datetime}
"""What is given as a value; the other facts are JSON, and are known by their names."""
OURS = Words().environment


@pytest.mark.parametrize("name", [each for each in OURS.list_templates() if each != "parts.md.j2"])
def test_each_template_of_ours_prints_only_what_its_first_line_says_that_it_is_given(
    name: str,
) -> None:
    assert OURS.loader is not None
    source = OURS.loader.get_source(OURS, name)[0]
    facts = re.match(r"\{#-?\s*facts:(.*?)-?#\}", source, re.DOTALL)
    named = set(re.findall(r"\b[a-z_]+\b", facts[1])) if facts else set()
    assert [
        str(each) for each in mistakes(OURS, name, {**dict.fromkeys(named, Any), **GIVEN})
    ] == []
