from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

from bot.catalog import json_schema
from bot.dispatch.tables import USAGE
from bot.domain.actions import Action
from bot.domain.catalog import GateKind
from bot.domain.commands import COMMANDS
from bot.domain.deployment import State
from bot.domain.usage import NOT_YET
from bot.providers.context import Kind
from bot.registry import OUR_CI, OUR_METRICS, OUR_ON_CALL
from bot.slack.manifest import SCOPES
from bot.variables import SETTINGS_DOCS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md"))
HOUSE = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")]


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def generated() -> dict[Path, str]:
    module: dict[str, Any] = runpy.run_path(str(Path(__file__).with_name("generate.py")))
    documents: dict[Path, str] = module["documents"]()
    return documents


def test_the_generated_reference_is_up_to_date() -> None:
    stale = [
        path.name
        for path, text in generated().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    assert stale == [], "run: python -m tests.docs.generate"


@pytest.mark.parametrize("verb", [*USAGE, *sorted(NOT_YET)])
def test_every_command_is_in_the_reference(verb: str) -> None:
    assert f"## {verb}\n" in page("reference/commands.md") or f"`{verb}`" in page(
        "reference/commands.md"
    )


@pytest.mark.parametrize("name", [doc.name for doc in SETTINGS_DOCS])
def test_every_setting_is_in_the_reference(name: str) -> None:
    assert f"`{name}`" in page("reference/settings.md")


@pytest.mark.parametrize("action", Action)
def test_every_action_is_in_the_reference(action: Action) -> None:
    assert f"| `{action}` |" in page("reference/actions.md")


def test_every_verb_that_can_be_asked_for_is_typed_or_clicked() -> None:
    clicked = {
        "approve",
        "reject",
        "tick",
        "acknowledge",
        "confirm_plan",
        "proceed",
        "stop_countdown",
        "say_why",
        "watch",
        "deploy_first",
        "go_now",
        "ask_lead",
        "take_over",
        "open_gate",
    }
    assert set(COMMANDS) == set(USAGE) | clicked
    assert clicked <= {str(action) for action in Action}


def test_every_template_is_in_the_reference() -> None:
    listed = page("reference/templates.md")
    folder = ROOT / "templates" / "slack"
    missing = [
        path
        for path in folder.rglob("*.j2")
        if f"`{path.relative_to(folder).as_posix()}`" not in listed
    ]
    assert missing == []


def test_every_provider_and_gate_is_named() -> None:
    listed = (
        page("reference/gonogo-yaml.md")
        + page("how-to/configure.md")
        + page("reference/providers.md")
    )
    kinds: tuple[Kind[Any], ...] = (*OUR_CI, *OUR_METRICS, *OUR_ON_CALL)
    names = [kind.name for kind in kinds] + [str(kind) for kind in GateKind]
    names += [secret.name for kind in kinds for secret in kind.secrets] + [
        option for kind in kinds for option in kind.options
    ]
    assert [name for name in names if f"`{name}`" not in listed] == []


def test_every_key_of_gonogo_yaml_is_in_the_reference() -> None:
    listed = page("reference/gonogo-yaml.md")
    models = [json_schema(), *json_schema()["$defs"].values()]
    assert [
        key
        for model in models
        for key in model.get("properties", {})
        if f"| `{key}` |" not in listed
    ] == []


@pytest.mark.parametrize("state", State)
def test_every_state_is_explained(state: State) -> None:
    assert f"**{state}**" in page("glossary.md")


@pytest.mark.parametrize("scope", SCOPES)
def test_every_scope_is_justified(scope: str) -> None:
    assert f"`{scope}`" in page("how-to/connect-slack.md")


@pytest.mark.parametrize("path", [*PAGES, *HOUSE], ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    targets = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)(?:#[^)]*)?\)", text)
    pictures = {target for target in targets if target.endswith(".png")}
    assert [
        target
        for target in targets
        if target not in pictures and not (path.parent / target).exists()
    ] == []


@pytest.mark.parametrize("path", [*PAGES, *HOUSE], ids=lambda path: str(path.relative_to(ROOT)))
def test_the_papers_are_calm(path: Path) -> None:
    prose = re.sub(
        r"```.*?```|`[^`]*`|!\[|<!--.*?-->", "", path.read_text(encoding="utf-8"), flags=re.DOTALL
    )
    assert "!" not in prose
    assert "TODO" not in prose


def test_every_decision_names_its_price() -> None:
    decisions = sorted((DOCS / "decisions").glob("[0-9]*.md"))
    assert [int(path.name[:4]) for path in decisions] == list(range(1, len(decisions) + 1))
    for path in decisions:
        text = path.read_text(encoding="utf-8")
        assert [
            part
            for part in ("## Context", "## Options", "## Choice", "## Price")
            if part not in text
        ] == [], path.name


def test_what_make_offers_is_what_the_papers_say() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    goals = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    said = {
        goal
        for path in [*PAGES, *HOUSE]
        for goal in re.findall(r"`make ([a-z-]+)", path.read_text(encoding="utf-8"))
    }
    assert said <= goals
