"""Providers of other packages: the example, built and installed as a stranger would, and
packages that do not fit.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bot.catalog import Loaded, load_catalog
from bot.cli import CONFIGURATION_EXIT, main
from bot.domain.errors import ConfigurationError
from bot.domain.people import Person
from bot.ports.metrics import Cohort, Window
from bot.providers.context import ProviderContext
from bot.providers.rate_limits import RateLimits
from bot.registry import Kinds, known_kinds

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "gonogo-file-drop"
GONOGO_YAML = """\
version: 1
team: T1
services:
  storefront:
    ci: {provider: file_drop, drop: drop, repository: storefront}
    metrics: none
    on_call: {provider: rota, schedule: storefront}
    environments:
      staging: {tier: staging}
rotas:
  storefront: {people: [U1], shift: 1w, start: 2026-01-05}
roles: {developer: {people: [U1]}}
permissions: {deploy: [developer]}
"""
MODULE = """
from bot.providers.context import Kind, Option, Secret

KIND = Kind("NAME", "A title", lambda bench: bench, {"region": Option("Where it is.")}, (Secret("GONOGO_NAME_TOKEN", "A token."),))
"""
JOBS = ("ci", "metrics", "on_call")
Package = Callable[..., None]


@dataclass(frozen=True)
class Installed:
    """A folder with the example in it, as pip leaves it."""

    site: Path

    def runs(self, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
        """Run Python with the example installed beside this very Go/No-Go."""
        known = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("GONOGO_", "SLACK_", "PYTEST_", "COV_"))
        }
        environment = {
            **known,
            "PYTHONPATH": os.pathsep.join((str(self.site), str(ROOT))),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=110,
        )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Build the example and install it, without a network and without anything else."""
    site = tmp_path_factory.mktemp("site")
    offline = (
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "--no-cache-dir",
        "--disable-pip-version-check",
        "--quiet",
    )
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *offline, "--target", str(site), str(EXAMPLE)],
        check=True,
        timeout=110,
    )
    return Installed(site)


class TestTheExample:
    def test_only_its_module_and_its_name_are_installed(self, installed: Installed) -> None:
        found = sorted(
            path.name
            for path in installed.site.iterdir()
            if path.name not in {"__pycache__", "bin"}
        )
        assert found == ["gonogo_file_drop-0.1.0.dist-info", "gonogo_file_drop.py"]

    def test_it_is_known_by_its_name(self, installed: Installed, tmp_path: Path) -> None:
        asked = "from bot.registry import known_kinds; print(sorted(known_kinds().ci))"
        ran = installed.runs("-c", asked, folder=tmp_path)
        assert "'file_drop', 'github'" in ran.stdout, ran.stderr

    def test_a_gonogo_yaml_that_names_it_is_good(
        self, installed: Installed, tmp_path: Path
    ) -> None:
        (tmp_path / "gonogo.yaml").write_text(GONOGO_YAML)
        ran = installed.runs("-m", "bot", "check-config", "gonogo.yaml", folder=tmp_path)
        assert (ran.returncode, "storefront → staging" in ran.stdout) == (0, True), (
            ran.stdout + ran.stderr
        )

    def test_an_option_that_it_does_not_have_is_refused_with_its_line(
        self, installed: Installed, tmp_path: Path
    ) -> None:
        (tmp_path / "gonogo.yaml").write_text(GONOGO_YAML.replace(", drop: drop", ", dorp: drop"))
        ran = installed.runs("-m", "bot", "check-config", "gonogo.yaml", folder=tmp_path)
        assert ran.returncode == 78
        assert "gonogo.yaml:5: services.storefront.ci.dorp" in ran.stderr
        assert "drop, repository" in ran.stderr

    def test_the_shared_contract_suite_passes_for_it(
        self, installed: Installed, tmp_path: Path
    ) -> None:
        options = (
            "-q",
            "-p",
            "no:cacheprovider",
            "-c",
            str(EXAMPLE / "pyproject.toml"),
            "--rootdir",
            str(EXAMPLE),
        )
        ran = installed.runs("-m", "pytest", *options, str(EXAMPLE / "tests"), folder=tmp_path)
        assert (ran.returncode, " passed" in ran.stdout) == (0, True), ran.stdout + ran.stderr


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Package:
    """Install a package with one entry point, as far as Python looks at it."""

    def made(job: str, module: str, text: str = "", kind: str = "KIND") -> None:
        metadata = tmp_path / f"{module}-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text(f"[gonogo.{job}]\n{module} = {module}:{kind}\n")
        if text:
            (tmp_path / f"{module}.py").write_text(text)

    monkeypatch.syspath_prepend(str(tmp_path))
    return made


def kinds_of(kinds: Kinds, job: str) -> set[str]:
    return set({"ci": kinds.ci, "metrics": kinds.metrics, "on_call": kinds.on_call}[job])


def refusal() -> str:
    with pytest.raises(ConfigurationError) as refused:
        known_kinds()
    return str(refused.value)


@pytest.mark.parametrize("job", JOBS)
class TestEveryJob:
    def test_a_provider_is_known_with_its_options_and_secrets(
        self, package: Package, job: str
    ) -> None:
        before = kinds_of(known_kinds(), job)
        package(job, f"another_{job}", MODULE.replace("NAME", "another"))
        kinds = known_kinds()
        assert kinds_of(kinds, job) - before == {"another"}
        assert set(kinds.options[job]["another"].options) == {"region"}
        assert "GONOGO_another_TOKEN" in {secret.name for secret in kinds.secrets}

    def test_a_name_that_is_ours_is_refused(self, package: Package, job: str) -> None:
        ours = min(kinds_of(known_kinds(), job))
        package(job, f"usurper_{job}", MODULE.replace("NAME", ours))
        assert refusal() == (
            f'Two packages offer a {job} provider "{ours}" '
            f"(usurper_{job}:KIND). Uninstall one of them."
        )

    def test_a_name_that_two_packages_took_is_refused(self, package: Package, job: str) -> None:
        package(job, f"first_{job}", MODULE.replace("NAME", "wanted"))
        package(job, f"second_{job}", MODULE.replace("NAME", "wanted"))
        assert refusal() == (
            f'Two packages offer a {job} provider "wanted" '
            f"(second_{job}:KIND). Uninstall one of them."
        )

    @pytest.mark.parametrize(
        ("fault", "text", "why"),
        [
            ("absent", "", "cannot be loaded: No module named"),
            (
                "broken",
                "raise RuntimeError('the licence has run out')",
                "cannot be loaded: the licence has run out.",
            ),
            ("nameless", "OTHER = 1", "cannot be loaded: module"),
            ("strange", "KIND = 'a word'", "is no Kind of bot.providers.context."),
        ],
    )
    def test_an_entry_point_that_leads_to_no_provider_is_refused(
        self, package: Package, job: str, fault: str, text: str, why: str
    ) -> None:
        module = f"{fault}_{job}"
        package(job, module, text)
        said = refusal()
        assert said.startswith(f"The provider {module}:KIND {why}")
        assert said.endswith("Repair or uninstall its package.")


def from_the_page(job: str) -> str:
    """Give a whole provider as the page shows it."""
    page = (ROOT / "docs" / "how-to" / "add-a-provider.md").read_text(encoding="utf-8")
    blocks: list[str] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    return next(block for block in blocks if block.startswith(f'"""{job}: '))


def written(folder: Path, **choices: str) -> Loaded:
    """Read a gonogo.yaml that chooses providers of other packages."""
    text = GONOGO_YAML.replace(
        "{provider: file_drop, drop: drop, repository: storefront}",
        "{provider: local, repository: storefront}",
    )
    for job, choice in choices.items():
        text = re.sub(rf"    {job}: .*", f"    {job}: {choice}", text)
    (folder / "gonogo.yaml").write_text(text)
    return load_catalog(folder / "gonogo.yaml", known_kinds().options)


def context(folder: Path, options: Mapping[str, Any]) -> ProviderContext:
    """Give what these providers use of a context."""
    nothing: Any = None
    return ProviderContext(
        "storefront",
        options,
        lambda _: "",
        nothing,
        RateLimits(),
        nothing,
        nothing,
        nothing,
        folder,
        lambda _: None,
    )


async def test_the_on_call_provider_of_the_page_says_who_is_on_call(
    package: Package, tmp_path: Path
) -> None:
    package("on_call", "always_on_call", from_the_page("on_call"))
    service = written(
        tmp_path, on_call="{provider: always, team: T1, person: U7}"
    ).catalog.services["storefront"]
    schedule = known_kinds().on_call["always"].build(context(tmp_path, service.on_call.options))
    shift = await schedule.who(service, datetime(2026, 1, 31, tzinfo=UTC))
    assert shift is not None
    assert shift.person == Person("T1", "U7")


async def test_the_metrics_provider_of_the_page_has_no_numbers(
    package: Package, tmp_path: Path
) -> None:
    package("metrics", "unmeasured_metrics", from_the_page("metrics"))
    watch = "watch: [{key: speed, title: speed, kind: level, query: {}}]"
    service = written(tmp_path, metrics=f"{{provider: unmeasured}}\n    {watch}").catalog.services[
        "storefront"
    ]
    source = known_kinds().metrics["unmeasured"].build(context(tmp_path, service.metrics.options))
    window = Window(datetime(2026, 1, 30, tzinfo=UTC), datetime(2026, 1, 31, tzinfo=UTC))
    assert await source.observe(service, service.environments["staging"], window, Cohort()) == {}


def test_a_group_that_does_not_exist_is_not_looked_at(package: Package) -> None:
    package("flags", "flags_of_another", "raise RuntimeError('nobody comes here')")
    assert "another" not in known_kinds().options


def test_a_broken_package_stops_the_command_with_a_sentence(
    package: Package, capsys: pytest.CaptureFixture[str]
) -> None:
    package("ci", "stops_the_command", "raise RuntimeError('the licence has run out')")
    with pytest.raises(SystemExit) as ended:
        main(["check-config", "gonogo.yaml"])
    assert ended.value.code == CONFIGURATION_EXIT
    assert capsys.readouterr().err.startswith(
        "The provider stops_the_command:KIND cannot be loaded: the licence has run out."
    )
