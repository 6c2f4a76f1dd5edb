"""What YAML offers and the format takes; and what was pasted into the wrong place."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.catalog import load_catalog
from bot.catalog.document import Document, read
from bot.domain.errors import ConfigurationError
from bot.registry import known_kinds

KNOWN = known_kinds().options
ROOT = Path(__file__).parents[2]
FILE = """\
version: 1
team: T1
x-defaults: &defaults
  tier: staging
  strategy: rolling
x-more: &more {smoke: false, strategy: canary}
services:
  api:
    ci: {provider: local, repository: api}
    metrics: none
    on_call: none
    environments:
      staging: {<<: *defaults}
      eu: {<<: [*defaults, *more], smoke: true}
permissions: {deploy: [developer]}
roles: {developer: {people: [U1]}}
"""
Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(text: str) -> Path:
        path = tmp_path / "gonogo.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return written


def problems(path: Path) -> str:
    with pytest.raises(ConfigurationError) as error:
        load_catalog(path, KNOWN)
    return str(error.value)


@pytest.mark.case("adoption-11")
def test_defaults_can_be_merged_and_stand_under_keys_of_the_teams_own(write: Write) -> None:
    environments = load_catalog(write(FILE), KNOWN).catalog.services["api"].environments
    assert (str(environments["staging"].tier), environments["staging"].strategy) == (
        "staging",
        "rolling",
    )
    assert (environments["eu"].strategy, environments["eu"].smoke) == ("rolling", True), (
        "the first merge and the own key win"
    )


def test_a_mistake_in_merged_keys_is_shown_where_it_stands(write: Write) -> None:
    assert (
        "gonogo.yaml:5: services.api.environments.staging.strategy: there is no strategy"
        in problems(write(FILE.replace("strategy: rolling", "strategy: rollin")))
    )
    assert "gonogo.yaml:13: services.api.environments.staging.<<: merges no mapping." in problems(
        write(FILE.replace("{<<: *defaults}", "{tier: staging, <<: 5}"))
    )


def test_keys_of_the_teams_own_stand_at_the_top_alone(write: Write) -> None:
    assert "services.api.x-note: there is no such key here." in problems(
        write(FILE.replace("    metrics: none", "    x-note: 1\n    metrics: none"))
    )


def test_merges_of_merges_do_not_fill_the_time(write: Write) -> None:
    levels = "".join(
        f"x-{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 9)
    )
    bomb = f"x-0: &a0 {{b: 1}}\n{levels}last: {{<<: *a8}}\n"
    with pytest.raises(ConfigurationError, match="holds more than 50,000 values"):
        read(write(bomb))


def test_a_merge_of_itself_is_refused(write: Write) -> None:
    with pytest.raises(ConfigurationError):
        read(write("a: &a {<<: *a}\n"))


@pytest.mark.case("adoption-11")
@pytest.mark.parametrize(
    ("ci", "sentence"),
    [
        (
            "provider: github, repository: a/b, token: ghp_canary",
            "environment: GONOGO_GITHUB_TOKEN (or GONOGO_GITHUB_TOKEN_FILE).",
        ),
        (
            "provider: github, repository: a/b, app_key: canary",
            "GONOGO_GITHUB_APP_KEY (or GONOGO_GITHUB_APP_KEY_FILE).",
        ),
        (
            "provider: gitlab, project: a/b, api: glpat-canary",
            "a secret does not stand in this file.",
        ),
        (
            "provider: jenkins, url: x, user: x, job: x, repository: x, password: canary",
            "GONOGO_JENKINS_TOKEN (or GONOGO_JENKINS_TOKEN_FILE)",
        ),
        ("provider: local, repository: api, password: canary", "and local needs none."),
    ],
)
def test_a_secret_that_was_pasted_into_the_file_is_told_where_it_belongs_and_is_not_repeated(
    write: Write, ci: str, sentence: str
) -> None:
    said = problems(write(FILE.replace("provider: local, repository: api", ci)))
    assert sentence in said
    assert "canary" not in said


@pytest.mark.case("adoption-11")
def test_no_remedy_points_to_a_file_that_is_not_installed() -> None:
    wrong = []
    for path in [*(ROOT / "bot").rglob("*.py"), *(ROOT / "handlers").rglob("*.py")]:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        texts = [
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and id(node) not in docs
        ]
        said = [(node.lineno, node.value) for node in texts if isinstance(node.value, str)]
        wrong += [
            f"{path.name}:{line}" for line, text in said if "docs/" in text and "://" not in text
        ]
    assert wrong == []


def test_a_document_knows_the_lines_of_what_it_merges(write: Write) -> None:
    document: Document = read(write(FILE))
    assert document.line(("services", "api", "environments", "staging", "tier")) == 4
