"""Which CI provider can do what, read from the tests: a table that changes when a
test is added or taken away.

The rows are the names of the tests; a provider has a cell where pytest collects that test
for it. ``python -m tests.docs.abilities`` prints what was collected, because collecting
needs a pytest of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.registry import OUR_CI

ROOT = Path(__file__).parents[2]
PROVIDERS = tuple(kind.name for kind in OUR_CI)
SUITES: Mapping[str, str] = {
    "test_contract": "What each promises",
    "test_faults": "When the vendor misbehaves",
}
"""The module of each shared suite, and the heading of its table."""
LABORATORIES = ("lab", "faulty", "skewed")
YES, NO, UNPROVED = "yes", "no", "not shown"


@dataclass(frozen=True, slots=True)
class Beside:
    """Something that each provider proves in its own way: the name of the test that shows it, or
    shows that it is not so.
    """

    sentence: str
    yes: Mapping[str, str]
    no: Mapping[str, str]


BESIDE = (
    Beside(
        "a run links to the page of the vendor where it can be watched",
        {
            "github": "test_a_run_says_at_which_step_it_is",
            "gitlab": "test_everything_travels_into_the_pipelines_variables",
            "jenkins": "test_everything_that_a_pipeline_has_to_know_travels_into_the_build",
            "buildbot": "test_all_that_a_deployment_is_told_reaches_its_script",
        },
        {"local": "test_a_run_has_no_page_of_its_own"},
    ),
    Beside(
        "a gate of the pipeline is opened from the card",
        {
            "local": "test_each_manual_gate_waits_for_its_own_release",
            "gitlab": "test_a_gate_that_is_opened_lets_the_run_go_on",
            "jenkins": "test_a_build_that_asks_something_waits_and_says_what",
        },
        {
            "github": "test_a_gate_of_github_is_not_opened_in_its_place",
            "buildbot": "test_there_is_no_gate_to_open",
        },
    ),
    Beside(
        "webhooks wake it",
        dict.fromkeys(
            ("github", "gitlab", "jenkins", "buildbot"), "test_a_signed_notice_names_its_run"
        ),
        {"local": "test_the_embedded_ci_takes_no_webhooks"},
    ),
    Beside(
        "gonogo doctor examines it live",
        {
            "local": "test_the_doctor_sees_the_repository_and_its_pipeline",
            "github": "test_all_is_good",
            "gitlab": "test_all_is_good_where_all_is_set_up",
            "jenkins": "test_a_good_setup_is_found_good_and_nothing_is_started",
            "buildbot": "test_the_doctor_finds_nothing_wrong_and_starts_nothing",
        },
        {},
    ),
)


@dataclass(frozen=True, slots=True)
class Proof:
    """A test that pytest collects, and the provider for which it does."""

    module: str
    name: str
    provider: str


class Collected:
    """A plugin that writes down what pytest collects."""

    def __init__(self) -> None:
        self.proofs: list[Proof] = []

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep each test once per provider, in the order of the files."""
        functions = (item for item in items if isinstance(item, pytest.Function))
        self.proofs = list(dict.fromkeys(_proof(function) for function in functions))


def _proof(function: pytest.Function) -> Proof:
    module = function.path.stem
    given = function.callspec.params if hasattr(function, "callspec") else {}
    laboratory = next((str(given[name]) for name in LABORATORIES if name in given), "")
    owner = laboratory if module in SUITES else module.removeprefix("test_")
    return Proof(module, function.originalname, owner.partition("_")[0])


def collected() -> tuple[Proof, ...]:
    """Let pytest collect the tests of the CI providers in a process of its own."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTEST_", "COV_"))
    }
    ran = subprocess.run(
        [sys.executable, "-m", "tests.docs.abilities"],
        cwd=ROOT,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return tuple(Proof(*each) for each in json.loads(ran.stdout.splitlines()[-1]))


def tables(proofs: Iterable[Proof]) -> Mapping[str, list[tuple[str, ...]]]:
    """Give the rows of each table: a sentence, then a cell for each of PROVIDERS."""
    proofs = tuple(proofs)
    found = {
        title: _suite([proof for proof in proofs if proof.module == module])
        for module, title in SUITES.items()
    }
    return {**found, "Beside the suites": [_beside(row, proofs) for row in BESIDE]}


def _suite(proofs: list[Proof]) -> list[tuple[str, ...]]:
    rows: dict[str, set[str]] = {}
    for proof in proofs:
        rows.setdefault(proof.name, set()).add(proof.provider)
    return [
        (_sentence(name), *(YES if each in providers else UNPROVED for each in PROVIDERS))
        for name, providers in rows.items()
    ]


def _beside(row: Beside, proofs: tuple[Proof, ...]) -> tuple[str, ...]:
    known = {(proof.provider, proof.name) for proof in proofs}
    answers = ((YES, row.yes), (NO, row.no))
    cells = (
        next((word for word, tests in answers if (each, tests.get(each)) in known), UNPROVED)
        for each in PROVIDERS
    )
    return (row.sentence, *cells)


def _sentence(name: str) -> str:
    return name.removeprefix("test_").replace("_", " ")


def _print_collected() -> None:
    plugin = Collected()
    options = [
        "--collect-only",
        "-qq",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:randomly",
        "-p",
        "no:xdist",
    ]
    code = pytest.main([*options, str(ROOT / "tests" / "providers" / "ci")], plugins=[plugin])
    if code != pytest.ExitCode.OK:
        sys.exit(int(code))
    sys.stdout.write(
        "\n"
        + json.dumps([(proof.module, proof.name, proof.provider) for proof in plugin.proofs])
        + "\n"
    )


if __name__ == "__main__":
    _print_collected()
