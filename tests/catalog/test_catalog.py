from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import jsonschema
import pytest

from bot.catalog import Loaded, json_schema, load_catalog
from bot.catalog.defaults import CHECKLISTS, GATE_SETS, PLANNING
from bot.catalog.document import read
from bot.check import check
from bot.domain.catalog import AutomaticRollback, Direction, GateKind, MetricKind, Need, Permission
from bot.domain.errors import ConfigurationError
from bot.domain.people import Person
from bot.domain.rota import duty_at
from bot.registry import known_kinds
from bot.settings import Settings

KNOWN = known_kinds().options
EXAMPLE = Path(__file__).parents[2] / "docs" / "reference" / "gonogo.example.yaml"
STAGE = "staging: {tier: staging}"
SMALL = """\
version: 1
team: T1
roles:
  developer: {people: [U1]}
  lead: {people: [U1, U2]}
services:
  api:
    ci: {provider: local, repository: api}
    metrics: {provider: scrape}
    on_call: {provider: rota, schedule: api}
    environments:
      staging: {tier: staging}
      production: {after: staging, checklist: [], approvals: [{role: lead}]}
    watch: [{key: errors, title: errors, kind: ratio, query: {numerator: failed_total, denominator: requests_total}}]
rotas:
  api: {people: [U1], shift: 1w, start: 2026-01-05}
"""
ENDPOINT = 'targets: {endpoints: ["http://127.0.0.1:1/metrics"]}'
WHOLE = SMALL.replace(STAGE, f"staging: {{tier: staging, {ENDPOINT}}}").replace(
    "checklist: [],", f"checklist: [], {ENDPOINT},"
)
Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(text: str) -> Path:
        path = tmp_path / "gonogo.yaml"
        given = (
            ""
            if "permissions:" in text or "services:" not in text
            else "permissions: {deploy: [developer]}\n"
        )
        path.write_text(f"{text}{given}", encoding="utf-8")
        return path

    return written


def problems(path: Path) -> list[str]:
    with pytest.raises(ConfigurationError) as error:
        load_catalog(path, KNOWN)
    return str(error.value).splitlines()


@pytest.fixture
def example() -> Loaded:
    return load_catalog(EXAMPLE, KNOWN)


def test_the_commented_example_loads(example: Loaded) -> None:
    production = example.catalog.services["storefront"].environments["production"]
    assert production.after == "staging"
    assert [item.key for item in production.checklist] == ["support-briefed", "migrations"]
    assert production.checklist[1].need is Need.OPTIONAL
    assert production.automatic_rollback is AutomaticRollback.COUNTDOWN
    assert production.approval_expires == timedelta(hours=4)
    assert {gate.kind for gate in production.gates} == set(GateKind)
    assert example.catalog.permissions[Permission.HAND_OVER] == {"release_manager"}
    assert example.catalog.roles["release_manager"].groups == {"S00RELEASES"}
    assert example.catalog.strategies["careful"].steps[0].percent == 1
    assert example.path == EXAMPLE
    assert len(example.digest) == 64


def test_the_example_names_every_key_that_an_environment_can_have() -> None:
    named = EXAMPLE.read_text(encoding="utf-8")
    keys = json_schema()["$defs"]["EnvironmentShape"]["properties"]
    assert [key for key in keys if f"{key}:" not in named] == []


def test_metrics_keep_what_the_provider_needs(example: Loaded) -> None:
    errors, p95 = example.catalog.services["storefront"].metric_specs
    assert (errors.kind, errors.unit, errors.direction) == (
        MetricKind.RATIO,
        "%",
        Direction.UP_IS_WORSE,
    )
    assert (p95.kind, p95.unit, p95.min_change) == (MetricKind.LEVEL, "ms", 20)
    assert "numerator" in errors.query
    assert example.catalog.services["storefront"].metrics.options["every"] == timedelta(seconds=15)


def test_times_are_read_on_the_clocks_of_their_zone(example: Loaded) -> None:
    freeze = example.catalog.freezes[0]
    assert freeze.start == datetime(2026, 12, 18, 17, 0, tzinfo=UTC)
    rota = example.rotas["storefront"]
    assert (rota.weekday, rota.handover, rota.length) == (0, time(9), timedelta(days=7))
    christmas = duty_at(rota, datetime(2026, 12, 25, 12, 0, tzinfo=UTC))
    assert christmas is not None
    assert christmas.person == Person("T0123456789", "U00000000CY")


def test_a_small_file_gets_careful_defaults(write: Write) -> None:
    path = write(SMALL)
    service = load_catalog(path, KNOWN).catalog.services["api"]
    staging, production = service.environments["staging"], service.environments["production"]
    assert [gate.kind for gate in staging.gates] == [
        GateKind.TESTS,
        GateKind.UNLOCKED,
        GateKind.UNFROZEN,
    ]
    assert {gate.kind for gate in production.gates} == set(GateKind)
    assert all(gate.need is Need.REQUIRED for gate in production.gates)
    assert staging.strategy == "rolling"
    assert staging.summary_after == production.watch == timedelta(minutes=30)
    assert load_catalog(path, KNOWN).catalog.permissions[Permission.LOCK] == frozenset()
    assert service.ci.options["repository"] == str(path.parent / "api")


@pytest.mark.case("adoption-2")
def test_a_service_says_which_tags_and_files_are_its_own(write: Write) -> None:
    text = SMALL.replace(
        "    ci:",
        '    tags: "api-v*"\n    paths: ["services/api/", "!services/api/docs/"]\n    ci:',
    )
    api = load_catalog(write(text), KNOWN).catalog.services["api"]
    assert api.tags == "api-v*"
    files = ("services/api/main.py", "services/api/docs/a.md", "services/web/main.py")
    assert [api.paths.matches(file) for file in files] == [True, False, False]


HOW = "Clone it there, or correct ci.repository."


@pytest.mark.case("adoption-11")
@pytest.mark.parametrize("tags", ["api", "v*.*", "v *", "web-*-*"])
def test_a_pattern_of_tags_has_one_star_for_the_version(write: Write, tags: str) -> None:
    (found,) = problems(write(SMALL.replace("    ci:", f'    tags: "{tags}"\n    ci:')))
    assert found.endswith(
        "services.api.tags: should say how the service tags its versions, with exactly one * "
        "where the version stands: "
        "web-v* is for web-v1.2.0."
    )


@pytest.mark.case("adoption-11")
@pytest.mark.parametrize(("key", "text"), [("errors", "[Errors]"), ("item", "[Briefed by]")])
def test_whatever_has_to_look_in_some_way_says_so_in_words(
    write: Write, key: str, text: str
) -> None:
    wrong = text.strip("[]")
    changed = (
        SMALL.replace("key: errors,", f'key: "{wrong}",')
        if key == "errors"
        else SMALL.replace(
            "checklist: []", f'checklist: [{{key: "{wrong}", title: x, role: lead}}]'
        )
    )
    (found,) = problems(write(changed))
    assert found.endswith(
        ".key: should be a short name of small letters and digits, beginning with a letter: errors."
    )


@pytest.mark.case("trust-10")
@pytest.mark.parametrize(
    "given", ["permissions: {}", "permissions: {view: [developer]}", "permissions: {deploy: []}"]
)
def test_a_catalog_in_which_nobody_could_ask_is_refused_however_it_says_so(
    write: Write, given: str
) -> None:
    (found,) = problems(write(f"{SMALL}{given}\n"))
    assert found.endswith(
        "permissions.deploy: names no role, so nobody could ask for a deployment. Name a role."
    )


def test_the_planning_checklist_is_the_default_where_it_matters(write: Write) -> None:
    text = SMALL.replace("checklist: [], ", "")
    found = problems(write(text))
    assert any("the checklist planning-1 needs the role release_manager" in line for line in found)
    roles = "".join(
        f"  {role}: {{people: [U1]}}\n" for role in ("release_manager", "qa", "support")
    )
    production = (
        load_catalog(write(text.replace("services:", f"{roles}services:")), KNOWN)
        .catalog.services["api"]
        .environments["production"]
    )
    assert len(production.checklist) == 8


def test_the_items_of_a_built_in_checklist_never_change_under_its_name() -> None:
    assert PLANNING == "planning-1", "a file that names none keeps the list it was written for"
    assert {
        name: [(item.key, item.role, item.need) for item in items]
        for name, items in CHECKLISTS.items()
    } == {
        "planning-1": [
            ("freeze-date", "release_manager", Need.REQUIRED),
            ("tests-on-staging", "qa", Need.REQUIRED),
            ("rollback-plan", "developer", Need.REQUIRED),
            ("migrations", "developer", Need.REQUIRED),
            ("communication", "release_manager", Need.REQUIRED),
            ("on-call-briefed", "release_manager", Need.REQUIRED),
            ("alerts", "developer", Need.REQUIRED),
            ("support-briefed", "support", Need.REQUIRED),
        ]
    }


def test_whatever_can_close_a_gate_of_many_teams_has_a_version_in_its_name() -> None:
    names = {*CHECKLISTS, *GATE_SETS}
    assert [name for name in names if not re.fullmatch(r"[a-z]+-[1-9][0-9]*", name)] == []


def test_gates_can_be_optional_or_off(write: Write) -> None:
    text = SMALL.replace(
        "after: staging,", "after: staging, gates: {rollback: optional, on_call: off},"
    )
    gates = {
        gate.kind: gate.need
        for gate in load_catalog(write(text), KNOWN)
        .catalog.services["api"]
        .environments["production"]
        .gates
    }
    assert gates[GateKind.ROLLBACK] is Need.OPTIONAL
    assert GateKind.ON_CALL not in gates


def test_a_short_watch_takes_only_the_snapshots_that_fit(write: Write) -> None:
    text = SMALL.replace(STAGE, "staging: {tier: staging, watch: 5m, summary_after: off}")
    staging = load_catalog(write(text), KNOWN).catalog.services["api"].environments["staging"]
    assert staging.snapshots == (timedelta(minutes=1), timedelta(minutes=5))
    assert staging.summary_after is None


MISTAKES = {
    ("version: 1", "version: 2"): "gonogo.yaml:1: version: should be 1.",
    ("version: 1", "version: 1\nversion: 1"): "gonogo.yaml:2: version: is here twice; remove one.",
    ("team: T1", "team: acme"): 'gonogo.yaml:2: team: "acme" is no workspace id.',
    ("team: T1\n", ""): "gonogo.yaml:1: team: is missing; add it.",
    ("U1, U2", "ana"): 'gonogo.yaml:5: roles.lead.people.0: "ana" is no user id. It begins with U',
    (STAGE, "staging: {tier: staging, strategy: canry}"): (
        'gonogo.yaml:12: services.api.environments.staging.strategy: there is no strategy "canry". '
        "Did you mean canary? Defined: canary, rolling."
    ),
    (STAGE, "staging: {tier: staging, smok: true}"): (
        "gonogo.yaml:12: services.api.environments.staging.smok: there is no such key here. Did "
        "you mean smoke? Known: tier, after"
    ),
    (
        STAGE,
        "staging: {tier: staging, watch: soon}",
    ): '"soon" is no duration. Write 45s, 10m, 1h30m, 2d or 1w.',
    (
        "staging: {tier: staging}",
        "staging: {tier: staging, watch: 0}",
    ): "gonogo.yaml:12: services.api.environments.staging.watch: must be longer than 0.",
    (
        "staging: {tier: staging}",
        "staging: {tier: staging, watch: 5m, snapshots: [10m]}",
    ): "a snapshot at 10m comes after the watch of 5m has ended.",
    (
        STAGE,
        "staging: {tier: staging, gates: {staged: required}}",
    ): "staging.gates.staged: needs after",
    (
        "staging: {tier: staging}",
        "staging: {tier: staging, gates: {tests: yes please}}",
    ): "gates.tests: should be 'required', 'optional' or 'off'.",
    (
        STAGE,
        "staging: {tier: staging, checklist: planing-1}",
    ): 'there is no checklist "planing-1". Did you mean planning-1?',
    (
        "staging: {tier: staging}",
        "staging: {tier: staging, checklist: [{key: a, title: b, role: boss}]}",
    ): 'checklist.0.role: there is no role "boss".',
    (STAGE, "staging: {tier: staging, checklist: [{key: a, title: b, rol: boss}]}"): (
        "checklist.0.rol: there is no such key here. Did you mean role? "
        "Known: key, title, role, need."
    ),
    (STAGE, "to: {tier: staging}"): '"to" has a meaning of its own in commands.',
    (STAGE, "Staging: {tier: staging}"): '"Staging" cannot be a name. Use lower-case letters',
    ("after: staging", "after: stagin"): (
        "gonogo.yaml:13: services.api.environments.production.after: there is no environment "
        '"stagin". Did you mean staging?'
    ),
    ("role: lead", "role: leed"): (
        "gonogo.yaml:13: services.api.environments.production.approvals.0.role: there is no role "
        '"leed". Did you mean lead?'
    ),
    (
        "role: lead",
        "role: lead, count: 3",
    ): "asks for 3 approvals, but lead is held by 2 people. Add people.",
    ("role: lead", "role: lead, count: many"): "approvals.0.count: should be a whole number.",
    (
        "provider: scrape",
        "provider: scape",
    ): 'metrics.provider: there is no provider "scape". Did you mean scrape?',
    (
        "provider: scrape",
        "provider: scrape, every: often",
    ): 'gonogo.yaml:9: services.api.metrics.every: "often" is no duration.',
    (", repository: api", ""): "gonogo.yaml:8: services.api.ci: local needs repository, as text.",
    (
        "repository: api",
        "repository: [api]",
    ): (
        "gonogo.yaml:8: services.api.ci.repository: local needs repository; "
        "write it as text, in quotes."
    ),
    (
        "repository: api",
        "repository: api, repositry: x",
    ): 'there is no option of local "repositry". Did you mean repository?',
    ("schedule: api", "schedule: ops"): 'on_call.schedule: there is no rota "ops". Defined: api.',
    (", schedule: api", ""): "gonogo.yaml:10: services.api.on_call: rota needs schedule, as text.",
    (
        "shift: 1w",
        "shift: 1w, handover: Mn 09:00",
    ): 'gonogo.yaml:16: rotas.api.handover: "Mn" is no weekday',
    ("shift: 1w", "shift: 1w, handover: 99:00"): 'rotas.api.handover: "99:00" is no time of day.',
    ("shift: 1w", "shift: 1w, hours: always"): "gonogo.yaml:16: rotas.api.hours:",
    (
        "shift: 1w",
        "shift: 5d, handover: Mon 09:00",
    ): "gonogo.yaml:16: rotas.api: a handover weekday needs shifts of whole weeks.",
    (
        "shift: 1w",
        "shift: 1w, timezone: Mars/Base",
    ): 'rotas.api.timezone: there is no time zone "Mars/Base".',
    ("2026-01-05", "someday"): 'rotas.api.start: "someday" is no time.',
    (
        "rotas:",
        "permissions: {deploy: [devs]}\nrotas:",
    ): 'gonogo.yaml:15: permissions.deploy.0: there is no role "devs".',
    (
        "rotas:",
        "permissions: {deploy: []}\nrotas:",
    ): "gonogo.yaml:15: permissions.deploy: names no role, so nobody could ask",
    (
        "rotas:",
        "freezes: [{environment: prod, from: 2026-01-01, to: 2026-01-02, because: x}]\nrotas:",
    ): 'there is no environment "prod".',
    (
        "rotas:",
        (
            "freezes: [{environment: production, from: 2026-01-02, to: "
            "2026-01-01, because: x}]\nrotas:"
        ),
    ): ("gonogo.yaml:15: freezes.0.to: the freeze ends before it begins"),
    (
        "rotas:",
        "strategies: {slow: {kind: canary, steps: [{percent: 5}, {percent: 50}]}}\nrotas:",
    ): "the last step must have percent: 100",
    (
        "rotas:",
        (
            "strategies: {slow: {kind: canary, steps: [{percent: 50}, {percent: 5}, "
            "{percent: 100}]}}\nrotas:"
        ),
    ): (
        "gonogo.yaml:15: strategies.slow.steps: percentages must increase from step to "
        "step; these are 50, 5, 100."
    ),
    (
        "rotas:",
        "strategies: {slow: {kind: cannery, steps: [{percent: 100}]}}\nrotas:",
    ): "slow.kind: should be 'canary' or 'rolling'.",
    (
        "rotas:",
        "morning: 25:00\nrotas:",
    ): 'gonogo.yaml:15: morning: "25:00" is no time of day. Write it as 09:00.',
    (
        "rotas:",
        "checklists: {c: [{key: a, title: b, role: lead}, {key: a, title: b, role: lead}]}\nrotas:",
    ): ('checklists.c.1.key: "a" is here twice'),
}


@pytest.mark.parametrize(("change", "sentence"), MISTAKES.items())
def test_a_mistake_is_shown_with_its_line_and_a_remedy(
    write: Write, change: tuple[str, str], sentence: str
) -> None:
    assert change[0] in SMALL
    found = problems(write(SMALL.replace(*change, 1)))
    assert any(sentence in line for line in found), found
    assert all(line.startswith("gonogo.yaml:") and line.endswith(".") for line in found), found


def test_a_role_that_nobody_holds_cannot_guard_production(write: Write) -> None:
    found = problems(write(SMALL.replace("lead: {people: [U1, U2]}", "lead: {}")))
    assert len(found) == 1
    assert found[0].startswith(
        "gonogo.yaml:13: services.api.environments.production.approvals.0.role: "
        "nobody holds the role lead"
    )
    item = "checklist: [{key: a, title: b, role: developer}]"
    held = problems(
        write(
            SMALL.replace("developer: {people: [U1]}", "developer: {}").replace(
                "checklist: []", item
            )
        )
    )
    assert "nobody holds the role developer" in held[0]


def test_environments_stand_in_the_order_of_promotion(write: Write) -> None:
    swapped = SMALL.replace("      staging: {tier: staging}\n", "").replace(
        "    watch:", "      staging: {tier: staging}\n    watch:", 1
    )
    assert "staging must stand before production" in problems(write(swapped))[0]


def test_no_environment_comes_after_itself(write: Write) -> None:
    itself = SMALL.replace("after: staging", "after: production")
    assert itself != SMALL
    (said,) = problems(write(itself))
    assert said.endswith("after: production cannot come after itself."), said


def test_all_problems_are_told_at_once(write: Write) -> None:
    text = (
        SMALL.replace("scrape", "scape")
        .replace("schedule: api", "schedule: ops")
        .replace("role: lead", "role: leed")
    )
    found = problems(write(text))
    assert [line.split(":")[1] for line in found] == ["9", "10", "13"]
    shapeless = (
        SMALL.replace("version: 1", "version: 2")
        .replace(STAGE, "staging: {tier: staging, smok: 1, watch: x}")
        .replace("1w", "x")
    )
    assert len(problems(write(shapeless))) == 4


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: [\n", "gonogo.yaml:2: this is not YAML"),
        ("a: b: c\n", "gonogo.yaml:1: this is not YAML"),
        ("a: \x01\n", "gonogo.yaml: this is not YAML."),
        ("- x\n", "gonogo.yaml:1: should be a mapping of keys to values."),
        ("", "gonogo.yaml:1: version: is missing; add it."),
        ("[" * 5000, "gonogo.yaml: is nested deeper than 32 levels."),
        (
            "a: &a [1]\nb: *c\n",
            (
                'gonogo.yaml:2: there is no anchor "c" before *c. Write &c before the '
                "value that is meant, or put"
            ),
        ),
        (
            "a: 1\n---\nb: 2\n",
            (
                "gonogo.yaml:2: a second document begins here (---). The file holds one; "
                "remove the line, or the rest."
            ),
        ),
    ],
)
def test_what_is_not_yaml_is_said_to_be_so(write: Write, text: str, sentence: str) -> None:
    assert problems(write(text))[-1].startswith(sentence)


def test_aliases_of_aliases_do_not_fill_the_memory(write: Write) -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9)
    )
    assert "holds more than 50,000 values" in problems(write(bomb))[0]


def test_a_file_that_is_not_there_is_named_with_a_remedy(tmp_path: Path) -> None:
    assert "Set GONOGO_CONFIG to your file" in problems(tmp_path / "nothing.yaml")[0]
    with pytest.raises(ConfigurationError) as error:
        check(tmp_path / "nothing.yaml", Settings.read({}))
    assert str(error.value).endswith(
        "nothing.yaml: cannot be read (No such file or directory). Look at the path; gonogo schema "
        "prints what the file may hold."
    )
    broken = tmp_path / "latin.yaml"
    broken.write_bytes(b"a: \xff\n")
    assert "it is not UTF-8 text" in problems(broken)[0]


def test_the_schema_for_editors_knows_the_example_and_finds_mistakes() -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    value = read(EXAMPLE).value
    jsonschema.validate(value, schema)
    with pytest.raises(jsonschema.ValidationError, match="unknwon"):
        jsonschema.validate({**value, "unknwon": 1}, schema)


def test_every_key_of_the_schema_is_explained() -> None:
    for name, model in json_schema()["$defs"].items():
        silent = [
            key
            for key, value in model.get("properties", {}).items()
            if not value.get("description")
        ]
        assert silent == [], name


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ("services.api.environments.staging.targets.endpoints: is no address.", "gonogo.yaml:12: "),
        ("services.api.ci.repository: is no repository.", "gonogo.yaml:8: "),
        ("GONOGO_GITHUB_TOKEN: is missing.", ""),
        ("something else", ""),
    ],
)
def test_what_a_provider_finds_later_is_shown_where_it_stands(
    write: Write, found: str, said: str
) -> None:
    loaded = load_catalog(write(SMALL), KNOWN)
    with pytest.raises(ConfigurationError) as error, loaded.placing():
        raise ConfigurationError(found)
    assert str(error.value) == f"{said}{found}"


def settings(**environment: str) -> Settings:
    return Settings.read(environment)


NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)


def test_what_was_understood_is_said_with_the_settings_and_with_what_is_hardly_meant(
    write: Write,
) -> None:
    repository = write(WHOLE).parent / "api"
    text = WHOLE.replace("developer: {people: [U1]}", "developer: {}")
    said = check(
        write(text), settings(SLACK_BOT_TOKEN="xoxb-1", SLACK_SIGNING_SECRET="s" * 32), NOW
    ).splitlines()
    assert said[0].endswith("gonogo.yaml is good.")
    assert said[-4:] == [
        (
            "Warning: nobody can ask for a deployment: permissions.deploy names no role that "
            "somebody holds. Name one."
        ),
        (
            "Warning: nobody can see status, history and checks: permissions.view names no role "
            "that somebody holds. Name one."
        ),
        (
            f"Warning: the bot cannot run yet: services.api.ci: {repository} is "
            f"not a git repository. {HOW}"
        ),
        (
            "The settings are good: Slack over HTTP, listening on 0.0.0.0:3000, database "
            "sqlite+aiosqlite:///var/gonogo.db."
        ),
    ]
    both = WHOLE.replace("rotas:", "permissions: {deploy: [developer], view: [lead]}\nrotas:")
    lines = check(write(both), settings(SLACK_APP_TOKEN="xapp-1"), NOW).splitlines()
    assert lines[-2].startswith("The settings are good: Slack over Socket Mode")
    assert lines[-1].startswith("Warning: the bot cannot run yet: SLACK_BOT_TOKEN: is missing")
    assert "nobody can" not in "".join(lines)


def test_an_endpoint_that_is_no_address_is_shown_with_its_line(write: Write) -> None:
    wrong = SMALL.replace(STAGE, "staging: {tier: staging, targets: {endpoints: [nowhere]}}")
    with pytest.raises(ConfigurationError) as error:
        check(write(wrong), settings())
    assert str(error.value).startswith(
        "gonogo.yaml:12: services.api.environments.staging.targets.endpoints: "
        '"nowhere" is no address.'
    )
