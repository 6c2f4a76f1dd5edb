"""The verbs: each is declared whole in a module of its name, and everything else is made of that."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from bot import verbs
from bot.dispatch import tables
from bot.dispatch.typed import parse_deploy, parse_rollback
from bot.domain.commands import COMMANDS
from bot.verbs import Verb, every

FOLDER = Path(verbs.__file__).parent
MODULES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")


def test_each_module_is_one_verb_and_each_command_of_the_rooms_below_has_one() -> None:
    assert [verb.name for verb in sorted(every(), key=lambda verb: verb.name)] == MODULES
    assert set(COMMANDS) <= set(MODULES)
    assert len({verb.command for verb in every()}) == len(MODULES)


@pytest.mark.parametrize("module", MODULES)
def test_a_verb_says_which_command_it_is_about_so_that_mypy_compares_the_rest(module: str) -> None:
    tree = ast.parse((FOLDER / f"{module}.py").read_text(encoding="utf-8"))
    [declared] = [
        ast.unparse(node.annotation)
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "VERB"
    ]
    [verb] = [each for each in every() if each.name == module]
    assert declared == f"Verb[{verb.command.__name__}]"


@pytest.mark.parametrize("module", MODULES)
def test_a_verb_knows_no_other_verb(module: str) -> None:
    tree = ast.parse((FOLDER / f"{module}.py").read_text(encoding="utf-8"))
    imported = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not {name for name in imported if name.startswith("bot.verbs.")}


@pytest.mark.parametrize("name", tables.TYPED)
def test_the_examples_of_the_help_are_read_as_the_command_that_they_explain(name: str) -> None:
    usage = tables.USAGE[name]
    assert usage.verb == name
    assert usage.examples
    for example in usage.examples:
        typed = example.replace("@bo", "<@UBO>")  # as Slack sends it
        slash, _, words = typed.removeprefix("/").partition(" ")
        read = parse_deploy(words) if slash == "deploy" else parse_rollback(words)
        assert slash == usage.slash
        assert read.verb == name


def test_the_help_has_an_order_of_its_own() -> None:
    places = [typed.place for typed in tables.TYPED.values()]
    assert places == sorted(set(places))


def test_a_module_without_a_verb_of_its_name_is_a_mistake(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "approve_all.py").write_text("from bot.verbs.approve import VERB\n")
    monkeypatch.setattr(verbs, "__path__", [*verbs.__path__, str(tmp_path)])
    every.cache_clear()
    with pytest.raises(TypeError, match=r"bot\.verbs\.approve_all has no VERB of its name"):
        every()
    every.cache_clear()


def test_no_action_has_two_verbs() -> None:
    found = [verb.button.action for verb in every() if verb.button]
    assert len(found) == len(set(found))
    assert all(isinstance(verb, Verb) for verb in every())
