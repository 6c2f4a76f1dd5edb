"""What guards an environment: its tier, never its name; and what a team does without, it says."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.catalog import load_catalog
from bot.catalog.defaults import GATE_SETS, RECOMMENDED
from bot.check import check
from bot.domain.catalog import EnvironmentPolicy, GateKind, Need, Tier
from bot.domain.errors import ConfigurationError
from bot.registry import known_kinds
from bot.settings import Settings

KNOWN = known_kinds().options
NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)
FILE = """\
version: 1
team: T1
timezone: Europe/Berlin
roles:
  developer: {people: [U1, U2]}
  lead: {people: [U3]}
permissions: {deploy: [developer], view: [developer]}
services:
  api:
    ci: {provider: local, repository: api}
    metrics: {provider: scrape}
    on_call: {provider: rota, schedule: api}
    watch: [{key: errors, title: errors, kind: ratio, query: {numerator: failed_total, denominator: requests_total}}]
    environments:
      staging: {tier: staging, targets: {endpoints: ["http://127.0.0.1:1/metrics"]}}
      NAME: {SAYS, checklist: [], targets: {endpoints: ["http://127.0.0.1:1/metrics"]}}
rotas:
  api: {people: [U1], shift: 1w, start: 2026-01-05}
"""
JOBS = {
    "metrics": "metrics: {provider: scrape}",
    "on_call": "on_call: {provider: rota, schedule: api}",
}
TARGETS = ', targets: {endpoints: ["http://127.0.0.1:1/metrics"]}'
GUARDED = "approvals: [{role: lead}]"
Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(text: str) -> Path:
        path = tmp_path / "gonogo.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return written


def file(says: str = GUARDED, name: str = "production-eu", **changes: str) -> str:
    text = FILE.replace("NAME", name).replace("SAYS", says)
    for before, after in changes.items():
        text = text.replace(
            {
                "metrics": "metrics: {provider: scrape}",
                "on_call": "on_call: {provider: rota, schedule: api}",
            }[before],
            after,
        )
    return text


def policy(path: Path, name: str = "production-eu") -> EnvironmentPolicy:
    return load_catalog(path, KNOWN).catalog.services["api"].environments[name]


def problems(path: Path) -> str:
    with pytest.raises(ConfigurationError) as error:
        load_catalog(path, KNOWN)
    return str(error.value)


def said(path: Path) -> str:
    return check(path, Settings.read({}), NOW)


# The tier ---------------------------------------------------------------------------------------


@pytest.mark.case("adoption-4")
@pytest.mark.parametrize(
    "name", ["production", "production-eu", "prd", "live", "customers", "staging-2"]
)
def test_an_environment_is_production_whatever_its_name_unless_it_says_otherwise(
    write: Write, name: str
) -> None:
    assert f"gonogo.yaml:16: services.api.environments.{name}: approvals are missing" in problems(
        write(file("strategy: canary", name))
    )
    guarded = policy(write(file(name=name)), name)
    assert guarded.tier is Tier.PRODUCTION
    assert {gate.kind for gate in guarded.gates} == set(GateKind) - {GateKind.STAGED}


@pytest.mark.case("adoption-4")
@pytest.mark.parametrize("tier", ["development", "testing", "staging"])
def test_an_environment_before_production_needs_no_approval(write: Write, tier: str) -> None:
    found = policy(write(file(f"tier: {tier}, after: staging")))
    assert (found.approvals, str(found.tier)) == ((), tier)
    assert {gate.kind for gate in found.gates} == {
        GateKind.TESTS,
        GateKind.STAGED,
        GateKind.UNLOCKED,
        GateKind.UNFROZEN,
    }


@pytest.mark.case("adoption-4")
def test_check_config_says_who_may_put_what_where_and_who_could_not(write: Write) -> None:
    lines = said(write(file("after: staging, automatic_rollback: countdown, " + GUARDED)))
    assert (
        """
api → production-eu (tier production, rolling)
  may ask: U1, U2
  cannot ask: U3, and whoever the file does not name
  approvals: 1 of lead (U3); never who asked
  cannot approve: U1, U2, and whoever the file does not name
  gates: required tests, staged (in staging), rollback, unlocked, unfrozen, on-call
  on call: rota api
  numbers: errors (scrape)
  automatic rollback: 1m after the numbers are found worse, unless the lead stops it; a failed smoke test rolls back
"""
        in lines
    )
    assert "Warning: api" not in lines


# Visible choices --------------------------------------------------------------------------------


@pytest.mark.case("trust-10")
@pytest.mark.parametrize("approvals", ["approvals: []", "strategy: rolling"])
def test_production_without_approvals_is_refused_until_the_file_says_that_it_is_meant(
    write: Write, approvals: str
) -> None:
    assert "write approvals: none if one person alone may deploy here" in problems(
        write(file(approvals))
    )
    path = write(file("approvals: none"))
    assert policy(path).approvals == ()
    assert "  approvals: none; one person alone can put a version here\n" in said(path)
    assert (
        "Warning: api → production-eu: approvals: none; whoever may ask puts a "
        "version into production alone."
    ) in said(path)


@pytest.mark.case("trust-10")
@pytest.mark.parametrize("need", ["off", "optional"])
def test_production_with_every_gate_off_is_refused_until_the_file_says_that_it_is_meant(
    write: Write, need: str
) -> None:
    off = ", ".join(
        f"{key}: {need}" for key in ("tests", "rollback", "unlocked", "unfrozen", "on_call")
    )
    found = problems(write(file(f"{GUARDED}, gates: {{{off}}}")))
    assert (
        "production-eu.gates: no gate is required in production. Require one, or write "
        "gates: none if that is meant."
    ) in found
    path = write(file(f"{GUARDED}, gates: none"))
    assert policy(path).gates == ()
    off = (
        "Warning: api → production-eu: the gates tests, staged, rollback, unlocked, unfrozen, "
        "on-call are off in production."
    )
    assert off in said(write(file(f"after: staging, {GUARDED}, gates: none"))), (
        "all that are off are named"
    )
    nobody = write(file(f"{GUARDED}, gates: none", on_call="on_call: none"))
    assert "the gates tests, rollback, unlocked, unfrozen are off in production." in said(nobody), (
        "and none that could not be"
    )


@pytest.mark.case("trust-10")
def test_approvals_by_a_role_that_asks_as_well_are_named(write: Write) -> None:
    says = (
        "whoever holds developer may ask as well as approve; nobody else has to "
        "look at what they put here."
    )
    two = file("approvals: [{role: developer}]").replace(
        "deploy: [developer]", "deploy: [developer, lead]"
    )
    assert f"Warning: api → production-eu: {says}" in said(write(two))
    wider = (
        file()
        .replace("deploy: [developer]", "deploy: [developer, boss]")
        .replace("lead: {people: [U3]}", "lead: {people: [U3]}\n  boss: {people: [U3, U4]}")
    )
    assert "may ask as well as approve" not in said(write(wider))


@pytest.mark.case("trust-10")
@pytest.mark.case("adoption-12")
def test_approvals_that_nobodys_request_could_get_are_refused(write: Write) -> None:
    alone = file("approvals: [{role: developer}]").replace(
        "developer: {people: [U1, U2]}", "developer: {people: [U1]}"
    )
    assert (
        "approvals.0.role: could never be met: U1 may ask, the requester never approves, and "
        "too few others hold developer."
    ) in problems(write(alone))
    two_of_two = file("approvals: [{role: developer, count: 2}]")
    assert "could never be met: whoever may ask, the requester never approves" in problems(
        write(two_of_two)
    )
    group = alone.replace("developer: {people: [U1]}", "developer: {people: [U1], groups: [S1]}")
    assert policy(write(group)).approvals


@pytest.mark.case("trust-10")
def test_approvals_that_one_person_would_have_to_give_twice_are_refused(write: Write) -> None:
    both = file("approvals: [{role: lead}, {role: second}]")
    both = both.replace("lead: {people: [U3]}", "lead: {people: [U3]}\n  second: {people: [U3]}")
    found = (
        "approvals: could never be met: one person counts once, and too few people besides whoever "
        "asks hold lead, second. Add people."
    )
    assert found in problems(write(both))
    assert policy(
        write(both.replace("second: {people: [U3]}", "second: {people: [U3, U4]}"))
    ).approvals
    assert policy(write(both.replace("second: {people: [U3]}", "second: {groups: [S1]}"))).approvals
    by_one = both.replace("second: {people: [U3]}", "second: {people: [U3, U1]}")
    assert (
        "a request of U1 could not be approved: one person counts once, and too few "
        "others hold lead, second."
    ) in said(write(by_one))


@pytest.mark.case("trust-10")
def test_a_requester_whom_nobody_could_approve_is_named(write: Write) -> None:
    found = said(write(file().replace("lead: {people: [U3]}", "lead: {people: [U1]}")))
    assert (
        "Warning: api → production-eu: a request of U1 could not be approved: "
        "too few others hold lead."
    ) in found


@pytest.mark.case("trust-10")
def test_asking_and_approving_by_one_group_is_named(write: Write) -> None:
    one = file("approvals: [{role: developer}]").replace(
        "developer: {people: [U1, U2]}", "developer: {groups: [S1]}"
    )
    assert (
        "the people who may ask and those of developer are the same; any two "
        "of them put anything here."
    ) in said(write(one))


def test_a_service_without_any_production_is_named(write: Write) -> None:
    found = said(write(file("tier: staging")))
    assert (
        "Warning: api has no environment of the tier production, so nothing of "
        "it is protected like one."
    ) in found


# Gates in sets ----------------------------------------------------------------------------------


@pytest.mark.case("structure-10")
def test_a_set_of_gates_never_changes_so_that_an_upgrade_closes_no_gate() -> None:
    before = {"tests", "staged", "unlocked", "unfrozen"}
    frozen = {
        tier: before | ({"rollback", "on-call"} if tier is Tier.PRODUCTION else set())
        for tier in Tier
    }
    assert {
        tier: {kind.value for kind in kinds} for tier, kinds in GATE_SETS["recommended-1"].items()
    } == frozen
    assert RECOMMENDED == "recommended-1", (
        "a file that names no set keeps the gates that it was written for"
    )
    assert all(
        need is Need.REQUIRED
        for kinds in GATE_SETS["recommended-1"].values()
        for need in kinds.values()
    )


@pytest.mark.case("structure-10")
@pytest.mark.parametrize("gates", ["recommended-1", "{set: recommended-1}", "{}"])
def test_a_set_of_gates_can_be_named(write: Write, gates: str) -> None:
    assert policy(write(file(f"{GUARDED}, gates: {gates}"))).gates == policy(write(file())).gates
    assert "should be 'recommended-1' or 'none'." in problems(
        write(file(f"{GUARDED}, gates: recommended-9"))
    )


# Without numbers, without a schedule ------------------------------------------------------------


@pytest.mark.case("adoption-3")
def test_metrics_that_nobody_named_are_refused_until_the_file_says_that_none_are_meant(
    write: Write,
) -> None:
    unwatched = "".join(line for line in file().splitlines(keepends=True) if "watch:" not in line)
    assert (
        "gonogo.yaml:9: services.api: watch is missing: without it no step could be judged"
        in problems(write(unwatched))
    )
    none = unwatched.replace("metrics: {provider: scrape}", "metrics: none").replace(
        ', targets: {endpoints: ["http://127.0.0.1:1/metrics"]}', ""
    )
    assert not policy(write(none)).is_watched
    found = said(write(none))
    assert (
        "numbers: no metrics configured; no step stands still, and what has landed is "
        "accepted, never verified"
    ) in found
    assert (
        "Warning: api → production-eu: metrics: none; nothing watches production, and "
        "nothing there is ever verified."
    ) in found
    missing = none.replace("    metrics: none\n", "")
    assert (
        "services.api.metrics: is missing; name a provider, or write none and "
        "read what follows from it."
    ) in problems(write(missing))


@pytest.mark.case("adoption-3")
def test_one_environment_alone_can_be_without_metrics(write: Write) -> None:
    path = write(
        file().replace(
            f"staging: {{tier: staging{TARGETS}}}", "staging: {tier: staging, metrics: none}"
        )
    )
    assert not policy(path, "staging").is_watched
    assert policy(path).is_watched


@pytest.mark.case("adoption-3")
def test_what_could_never_happen_without_metrics_is_refused(write: Write) -> None:
    found = problems(
        write(file(f"{GUARDED}, automatic_rollback: countdown", metrics="metrics: none"))
    )
    assert (
        "automatic_rollback: can never begin: there are no metrics here (metrics: none)." in found
    )
    assert "targets: is of no use: there are no metrics here (metrics: none)." in found
    assert "watch: is of no use: there are no metrics (metrics: none)." in found


NEVER_READY = (
    "a version that adds a migration is never ready: nobody can confirm how one goes back from "
    "it. Name a role (plan_by)."
)


def test_who_says_how_one_goes_back_over_migrations_is_whoever_may_hand_over_a_lead_or_a_role_of_its_own(
    write: Write,
) -> None:
    def migrating(says: str = GUARDED) -> str:
        return file(says).replace("    watch:", "    migrations: [db/]\n    watch:")

    assert policy(write(file())).plan_by == ()
    assert NEVER_READY in said(write(migrating()))
    assert NEVER_READY not in said(write(file()))
    assert NEVER_READY not in said(write(migrating(f"{GUARDED}, gates: {{rollback: optional}}")))
    of_its_own = write(migrating(f"{GUARDED}, plan_by: lead"))
    assert policy(of_its_own).plan_by == ("lead",)
    assert NEVER_READY not in said(of_its_own)
    handing_over = write(
        file().replace("view: [developer]", "view: [developer], hand_over: [lead]")
    )
    assert policy(handing_over).plan_by == ("lead",)
    assert "plan_by: " in problems(write(file(f"{GUARDED}, plan_by: nobody")))


@pytest.mark.case("adoption-3")
@pytest.mark.parametrize("none", ["none", "{provider: none}"])
def test_without_a_schedule_nobody_is_waited_for(write: Write, none: str) -> None:
    path = write(file(on_call=f"on_call: {none}"))
    assert GateKind.ON_CALL not in {gate.kind for gate in policy(path).gates}
    assert "on call: none; nobody is asked to acknowledge, and whoever asks is the lead" in said(
        path
    )
    required = write(file(f"{GUARDED}, gates: {{on_call: required}}", on_call="on_call: none"))
    assert (
        "gates.on_call: could never be green: nobody can be on call (on_call: none)."
        in problems(required)
    )


# Times ------------------------------------------------------------------------------------------


@pytest.mark.case("adoption-12")
@pytest.mark.parametrize(
    ("rota", "sentence"),
    [
        (
            "start: 2030-01-01",
            (
                "nobody is on call in the next four weeks (it begins on 2030-01-01), so the "
                "gate on-call stays closed."
            ),
        ),
        (
            "start: 2026-11-23",
            (
                "nobody is on call once in the next four weeks, first from 2026-11-21 10:00 "
                "to 2026-11-23 09:00 (UTC)"
            ),
        ),
        (
            "start: 2026-01-05, hours: Mon-Fri 08:00-18:00",
            "nobody is on call 21 times in the next four weeks, first from 2026-11-21 10:00 to",
        ),
        (
            (
                "start: 2026-01-05, overrides: [{person: nobody, from: 2026-12-01 "
                "09:00, to: 2026-12-01 12:00}]"
            ),
            "first from 2026-12-01 09:00 to 2026-12-01 12:00",
        ),
    ],
)
def test_a_rota_with_gaps_is_named_with_the_first_of_them(
    write: Write, rota: str, sentence: str
) -> None:
    found = said(write(file().replace("start: 2026-01-05", rota)))
    assert 'Warning: rota "api": ' in found
    assert sentence in found


def test_a_rota_without_gaps_is_not_mentioned(write: Write) -> None:
    assert 'rota "api"' not in said(write(file()))


@pytest.mark.case("adoption-12")
@pytest.mark.parametrize(
    "span",
    [
        "from: 2027-03-28 02:30, to: 2027-03-28 06:00",
        "from: 2027-03-27 12:00, to: 2027-03-28 02:30",
    ],
)
def test_a_freeze_in_the_hour_that_the_clocks_skip_is_refused(write: Write, span: str) -> None:
    text = file() + f"freezes: [{{environment: staging, {span}, because: x}}]\n"
    assert (
        'gonogo.yaml:19: freezes.0: "2027-03-28 02:30" does not exist in Europe/Berlin: the '
        "clocks skip it. Write 2027-03-28 03:30."
    ) in problems(write(text))


@pytest.mark.case("adoption-12")
def test_a_freeze_until_the_hour_that_the_clocks_show_twice_lasts_until_the_second(
    write: Write,
) -> None:
    text = file() + (
        "freezes: [{environment: staging, from: 2026-10-25 02:30, to: "
        "2026-10-25 02:30, because: x}]\n"
    )
    freeze = load_catalog(write(text), KNOWN).catalog.freezes[0]
    assert freeze.end - freeze.start == timedelta(hours=1)
