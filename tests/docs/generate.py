"""Write the reference from the code: ``python -m tests.docs.generate``. A test compares what is
written with what would be.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bot.catalog import json_schema
from bot.catalog.defaults import CHECKLISTS, GATE_SETS, STRATEGIES
from bot.catalog.environments import gate_key
from bot.catalog.values import write_duration
from bot.dispatch.tables import USAGE
from bot.domain.actions import Action
from bot.domain.usage import NOT_YET
from bot.providers.context import Kind
from bot.registry import OUR_CI, OUR_METRICS, OUR_ON_CALL
from bot.variables import SETTINGS_DOCS
from bot.verbs import Reference, every
from tests.docs import abilities, cases

ROOT = Path(__file__).parents[2]
NOTE = "<!-- Written by tests/docs/generate.py from the code. Change it there. -->\n"
CASES_NOTE = (
    "<!-- Written by tests/docs/generate.py from the markers in the tests and "
    "tests/docs/kinds.py. Change it there. -->\n"
)

JOBS: Mapping[str, tuple[str, Sequence[Kind[Any]]]] = {
    "ci": ("CI", OUR_CI),
    "metrics": ("Metrics", OUR_METRICS),
    "on_call": ("On-call", OUR_ON_CALL),
}
SHOWS: Mapping[Action, Reference] = {
    Action.RUN_CORRECTED: Reference(
        "(the command that was meant)",
        "the person who was refused, once and for 15 minutes",
        (
            "in a refusal that knows which one word was meant: runs that command as if it had "
            "been typed"
        ),
    ),
    Action.SHOW_CHANGES: Reference(
        "What changes…",
        "whoever may see the status",
        "shows every commit and file that would change; nothing is done",
    ),
    Action.SHOW_TIMELINE: Reference(
        "Timeline…",
        "whoever may see the status",
        "shows what happened, for the retrospective; nothing is done",
    ),
}
"""The buttons that are no verbs."""

PLACES = {
    "answers": "Answers that one person alone sees, after a command or a click.",
    "card": "The parts of a deployment's card.",
    "dialogs": "The words of dialogs (modals).",
    "home": "The App Home tab.",
    "verbs": (
        "What a button says and asks, in blocks: `label`, `title`, `question` or `dialog`, `ask`, "
        "`yes`, `no`. A template of a team's own may have some of them; the others are ours."
    ),
    "messages": "Messages in a deployment's thread, in its channel, or to one person.",
}


def documents() -> dict[Path, str]:
    """Give every generated page with its text."""
    pages = {
        "commands": _commands(), "settings": _settings(), "gonogo-yaml": _yaml(),
        "templates": _templates(), "actions": _actions(),
        "providers": _providers(),
    }  # fmt: skip
    reference = {ROOT / "docs" / "reference" / f"{name}.md": text for name, text in pages.items()}
    return {
        **reference,
        ROOT / "docs" / "explanation" / "cases.md": cases.page(cases.collected(), CASES_NOTE),
    }


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines
    )


def _commands() -> str:
    parts = [f"# Commands\n{NOTE}\n", COMMANDS_INTRODUCTION]
    for verb, usage in USAGE.items():
        examples = "\n".join(usage.examples)
        parts.append(
            f"\n## {verb}\n\n`{usage.syntax}`\n\n{usage.sentence}\n\n```\n{examples}\n```\n"
        )
    planned = ", ".join(f"`{verb}`" for verb in sorted(NOT_YET))
    parts.append(
        f"\n## Not available yet\n\nThese say so when they are typed: {planned}, and "
        "deploying `at` a later time.\n"
    )
    return "".join(parts)


def _settings() -> str:
    rows = []
    for doc in SETTINGS_DOCS:
        also = f" Or `{doc.name}_FILE`." if doc.secret else ""
        rows.append(
            (f"`{doc.name}`", f"`{doc.default}`" if doc.default else "", f"{doc.sentence}{also}")
        )
    return (
        "# "
        f"Settings\n{NOTE}\n{SETTINGS_INTRODUCTION}\n{_table(('variable', 'default', 'meaning'), rows)}"
    )


def _yaml() -> str:
    schema = json_schema()
    parts = [f"# gonogo.yaml\n{NOTE}\n", YAML_INTRODUCTION, "\n## The file\n\n", _keys(schema)]
    for name, model in schema["$defs"].items():
        title = re.sub(r"(?<!^)(?=[A-Z])", " ", name.removesuffix("Shape")).lower()
        parts.append(
            f"\n## {title.capitalize()}\n\n{model.get('description', '')}\n\n{_keys(model)}"
        )
    parts.append(_built_in())
    return "".join(parts)


def _keys(model: Mapping[str, Any]) -> str:
    rows = []
    for key, value in model["properties"].items():
        need = "needed" if key in model.get("required", ()) else _default(value)
        rows.append(
            (f"`{key}`", _kind(value), need, " ".join(value.get("description", "").split()))
        )
    return _table(("key", "value", "default", "meaning"), rows)


def _default(value: Mapping[str, Any]) -> str:
    default = value.get("default")
    if default in (None, "", [], {}):
        return ""
    return (
        f"`{str(default).lower() if isinstance(default, bool) else default}`"
        if not isinstance(default, dict | list)
        else ""
    )


def _kind(value: Mapping[str, Any]) -> str:
    if "$ref" in value:
        return _named(value["$ref"])
    if "enum" in value:
        return ", ".join(f"`{each}`" for each in value["enum"])
    if "const" in value:
        return f"`{value['const']}`"
    if "anyOf" in value or "oneOf" in value:
        kinds = [
            _kind(each)
            for each in value.get("anyOf", value.get("oneOf", []))
            if each.get("type") != "null"
        ]
        return " or ".join(dict.fromkeys(kinds))
    if value.get("type") == "array":
        return f"list of {_kind(value.get('items', {}))}"
    if value.get("type") == "object":
        inside = value.get("additionalProperties")
        return f"mapping of {_kind(inside)}" if isinstance(inside, dict) and inside else "mapping"
    words = {
        "string": "text",
        "integer": "whole number",
        "number": "number",
        "boolean": "true or false",
    }
    is_duration = "[wdhms]" in value.get("pattern", "")
    return "duration" if is_duration else words.get(value.get("type", ""), "any")


def _named(ref: str) -> str:
    title = re.sub(r"(?<!^)(?=[A-Z])", " ", ref.rpartition("/")[2].removesuffix("Shape")).lower()
    return f"[{title}](#{title.replace(' ', '-')})"


def _built_in() -> str:
    strategies = [
        (
            f"`{it.name}`",
            " → ".join(f"{step.percent} %, hold {write_duration(step.hold)}" for step in it.steps),
        )
        for it in STRATEGIES.values()
    ]
    items = [
        (f"`{name}`", f"`{item.key}`", item.title, f"`{item.role}`")
        for name, checklist in CHECKLISTS.items()
        for item in checklist
    ]
    gates = [
        (f"`{name}`", f"`{tier}`", ", ".join(f"`{gate_key(kind)}`" for kind in kinds))
        for name, tiers in GATE_SETS.items() for tier, kinds in tiers.items()
    ]  # fmt: skip
    providers = [
        (f"`{job}`", ", ".join(f"`{kind.name}`" for kind in kinds))
        for job, (_, kinds) in JOBS.items()
    ]
    return (
        "\n## Built "
        f"in\n\n{GATES_INTRODUCTION}\n{_table(('set', 'tier', 'required gates'), gates)}\n"
        f"{_table(('strategy', 'steps'), strategies)}\n{_table(('checklist', 'item', 'title', 'role'), items)}\n"
        f"{_table(('job', 'providers'), providers)}"
    )


def _providers() -> str:
    parts = [f"# Providers\n{NOTE}\n{PROVIDERS_INTRODUCTION}"]
    for job, (title, kinds) in JOBS.items():
        parts.append(f"\n## {title}: `{job}`\n")
        parts += [_provider(kind) for kind in kinds]
    return "".join([*parts, _abilities()])


def _abilities() -> str:
    head = ("", *(f"`{name}`" for name in abilities.PROVIDERS))
    tables = abilities.tables(abilities.collected())
    return f"\n## Which CI provider can do what\n\n{ABILITIES_INTRODUCTION}" + "".join(
        f"\n### {title}\n\n{_table(head, rows)}" for title, rows in tables.items()
    )


def _provider(kind: Kind[Any]) -> str:
    options = [
        (f"`{name}`", it.sentence, "yes" if it.required else "no")
        for name, it in kind.options.items()
    ]
    secrets = [(f"`{secret.name}`", secret.sentence) for secret in kind.secrets]
    limits = "".join(f"- {limit}\n" for limit in kind.limits)
    return (
        f"\n### `{kind.name}`\n\n{kind.title}.\n"
        + (f"\n{_table(('option', 'what it is', 'needed'), options)}" if options else "")
        + (
            f"\n{_table(('secret (also as a file: NAME_FILE)', 'what it is'), secrets)}"
            if secrets
            else ""
        )
        + (f"\nLimits:\n\n{limits}" if limits else "")
    )


def _templates() -> str:
    parts = [f"# Templates\n{NOTE}\n", TEMPLATES_INTRODUCTION]
    folder = ROOT / "templates" / "slack"
    for place, sentence in PLACES.items():
        rows = [
            (f"`{place}/{path.name}`", _facts(path))
            for path in sorted((folder / place).glob("*.j2"))
        ]
        parts.append(
            f"\n## {place.capitalize()}\n\n{sentence}\n\n{_table(('template', 'facts'), rows)}"
        )
    shared = [(f"`{path.name}`", _facts(path)) for path in sorted(folder.glob("*.j2"))]
    parts.append(f"\n## Shared\n\n{_table(('template', 'what it is'), shared)}")
    return "".join(parts)


def _facts(path: Path) -> str:
    comment = re.match(r"\{#-?\s*(.*?)\s*-?#\}", path.read_text(encoding="utf-8"), re.DOTALL)
    said = " ".join(comment[1].split()) if comment else ""
    return said.removeprefix("facts: ").replace(
        "id, service, environment, version, lead, requested_by (facts of the deployment)",
        "deployment",
    )


def _actions() -> str:
    told = {**SHOWS} | {
        verb.button.action: verb.button.reference for verb in every() if verb.button
    }
    rows = [
        (f"`{action.value}`", told[action].called, told[action].who, told[action].does)
        for action in Action
    ]
    return (
        "# "
        f"Actions\n{NOTE}\n{ACTIONS_INTRODUCTION}\n{_table(('action', 'button', 'who may', 'what it does'), rows)}"
    )


COMMANDS_INTRODUCTION = """\
Spaces, case, quotes, `in`/`on`/`to` and punctuation at the end do not matter; the meaning is never guessed. Nothing
defaults to production. A misspelt command, option, service, environment or version is answered to the person
alone, with what was probably meant; where that can be one thing only, with a button that runs the corrected command. A
slip of the fingers is near, another number never is. `/deploy` alone opens a dialog that asks for the same things.

SERVICE and ENVIRONMENT are names from gonogo.yaml. A service that is named like a command is deployed with `/deploy
deploy status v1.2.0 to production`, or without a REF with `/deploy status to production`. REF begins with a letter or
digit and holds letters, digits and `. _ / @ + -` only; whatever git or a shell could read differently is refused, and
the commit can be deployed instead. A reason has up to 500 characters and goes to the end of the line.
"""

SETTINGS_INTRODUCTION = """\
Everything else stands in gonogo.yaml. Each secret may also be a file, for mounted secrets:
`SLACK_BOT_TOKEN_FILE=/run/secrets/bot-token`; the line break at its end does not count. A wrong value stops the bot
at the start with exit code 78 and a sentence that names the variable and the remedy, never the value.
"""

YAML_INTRODUCTION = """\
A [commented example](gonogo.example.yaml) holds every key. `gonogo check-config` checks a file and shows each mistake
with its line and a remedy; `gonogo schema` prints a JSON Schema for editors. Unknown keys are mistakes. First the
shape is checked, then whether the names fit each other.

Durations are written `45s`, `10m`, `1h30m`, `2d` or `1w`. Times are `2026-12-20 18:00`, on the clocks of the time
zone named beside them.

It fails closed: an environment is production unless it says another `tier`, whatever its name; production needs
approvals and has every gate; a role that nobody holds cannot guard it; a permission that is not named belongs to
nobody. What a team wants to do without it says in the file: `approvals: none`, `gates: none`, `metrics: none`,
`on_call: none`.
"""

GATES_INTRODUCTION = """\
The gates of a set. `staged` counts only with `after`, and `on_call` only where there is a schedule. A set never
changes: a gate that a later version of Go/No-Go brings is off until a team turns it on.
"""

TEMPLATES_INTRODUCTION = """\
Words live in `templates/slack`, shape in `bot/slack`. To change a message, put a file of the same name and folder
into a folder of your own and name it in `GONOGO_TEMPLATES`. One that cannot be read is refused at the start and by check-config;
one that cannot be filled (a fact that does not exist) keeps no message back: ours is used, the log says so, and `/readyz` names
it. Every printed value is escaped; only filters such as `mention`, `link` and `when` make markup, and a missing value is an
error at once. Templates run in Jinja2's immutable
sandbox.

*deployment* stands for `id`, `service`, `environment`, `version`, `lead` and `requested_by`.
"""

PROVIDERS_INTRODUCTION = """\
A service names its providers in gonogo.yaml: `ci: {provider: NAME, …}`, and beside the name the options. Secrets come from the
environment alone. Each option and secret that is missing or makes no sense is said at the start, with the remedy.
"""

ABILITIES_INTRODUCTION = """\
Read from the tests: each row is the name of a test, and the table changes when a test does. *yes*: the test is run for
this provider. *no*: a test shows that it is not so. *not shown*: no test shows it; where the vendor misbehaves it does not
apply to `local`, which has no vendor. `github`, `gitlab` and `jenkins` are tested against fakes written from their
documentation, `buildbot` against a real master and worker where one is installed, `local` with real git and processes.

Another package's provider shows what it can do with the same suite: [add a provider](../how-to/add-a-provider.md).
"""

ACTIONS_INTRODUCTION = """\
The buttons on cards and in refusals. A button that cannot work is not shown, and every click is authorised again when
it happens, by user and workspace. In Slack the action id is the name here after `gonogo.`.
"""


if __name__ == "__main__":
    for path, text in documents().items():
        path.write_text(text, encoding="utf-8")
