"""The second command works on a fresh machine, also when newer releases exist
than those that are pinned.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.install.wheels import wheel

ROOT = Path(__file__).parents[2]
REQUIREMENTS = ROOT / "requirements"
OLDEST_PIP = {(3, 11): "22.3", (3, 12): "23.2.1", (3, 13): "24.2"}
"""The pip that the first release of each Python brought."""
EXTRAS = (
    ("coverage", "toml"),
    ("cryptography", "ssh"),
    ("sqlalchemy", "asyncio"),
    ("pyjwt", "crypto"),
)
"""Packages that ours, or those of others, name with an extra."""


def ran(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )


def installed(
    folder: Path, requirements: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    return ran(sys.executable, ROOT / "tools" / "install.py", folder, requirements, **environment)


def offline(links: Path) -> dict[str, str]:
    return {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(links),
        "PIP_EXTRA_INDEX_URL": "",
    }


def pins(name: str) -> dict[str, str]:
    return dict(
        re.findall(
            r"^([a-z0-9._-]+)==(\S+)",
            (REQUIREMENTS / name).read_text(encoding="utf-8"),
            re.MULTILINE,
        )
    )


@pytest.mark.case("adoption-1")
def test_a_newer_release_of_a_package_named_with_an_extra_changes_nothing(tmp_path: Path) -> None:
    pinned = wheel(tmp_path, "ground", "1.0", "Provides-Extra: fast")
    pinned += wheel(tmp_path, "plugin", "1.0", "Requires-Dist: ground[fast]>=1")
    wheel(tmp_path, "ground", "2.0", "Provides-Extra: fast")
    (tmp_path / "pinned.txt").write_text(pinned, encoding="utf-8")
    done = installed(tmp_path / "venv", tmp_path / "pinned.txt", **offline(tmp_path))
    assert (done.returncode, done.stdout.count("\n"), done.stderr) == (0, 1, ""), done.stdout
    listed = ran(tmp_path / "venv/bin/python", "-m", "pip", "freeze", **offline(tmp_path)).stdout
    assert listed.splitlines() == ["ground==1.0", "plugin==1.0"]


@pytest.mark.case("adoption-1")
def test_pins_that_do_not_fit_together_are_told_with_all_that_pip_said(tmp_path: Path) -> None:
    (tmp_path / "pinned.txt").write_text(
        wheel(tmp_path, "plugin", "1.0", "Requires-Dist: ground>=1"), encoding="utf-8"
    )
    done = installed(tmp_path / "venv", tmp_path / "pinned.txt", **offline(tmp_path))
    assert done.returncode == 1
    assert "plugin 1.0 requires ground, which is not installed." in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.case("adoption-1")
@pytest.mark.parametrize(
    "place",
    [
        "Makefile",
        "Dockerfile",
        ".ci/run",
        "tools/install.py",
        *(str(p.relative_to(ROOT)) for p in ROOT.glob("docs/**/*.md")),
    ],
)
def test_no_place_lets_a_resolver_loose_on_what_is_pinned(place: str) -> None:
    text = (ROOT / place).read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [
        line
        for line in text.splitlines()
        if re.search(r"\binstall\b.*(-r\b|require-hashes)", line) and "pip" in line
    ]
    assert [
        line for line in lines if "--no-deps" not in line or "--require-hashes" not in line
    ] == []
    assert bool(lines) <= ("check" in text)


@pytest.mark.case("adoption-1")
def test_what_the_bot_runs_with_is_what_it_is_tested_with() -> None:
    runtime, dev = pins("runtime.txt"), pins("dev.txt")
    assert {name: dev.get(name) for name in runtime} == runtime


@pytest.fixture
def newer(tmp_path: Path) -> str:
    """A folder in which everything that somebody names with an extra has a newer release, beside
    whatever the machine offers.
    """
    folder = tmp_path / "links"
    folder.mkdir()
    for name, extra in EXTRAS:
        wheel(folder, name, "99.0", f"Provides-Extra: {extra}")
    return f"{os.environ.get('PIP_FIND_LINKS', '')} {folder}".strip()


def environment_with(pip: str, folder: Path) -> Path:
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    done = ran(
        folder / "bin/python",
        "-m",
        "pip",
        "install",
        "--upgrade",
        "--disable-pip-version-check",
        pip,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.install
@pytest.mark.case("adoption-1")
@pytest.mark.parametrize("pip", [f"pip=={OLDEST_PIP[sys.version_info[:2]]}", "pip"])
@pytest.mark.parametrize("name", ["runtime.txt", "dev.txt"])
def test_a_fresh_machine_installs_what_is_pinned_with_the_oldest_and_the_newest_pip(
    name: str, pip: str, tmp_path: Path, newer: str
) -> None:
    folder = environment_with(pip, tmp_path / "venv")
    done = installed(folder, REQUIREMENTS / name, PIP_FIND_LINKS=newer)
    assert done.returncode == 0, done.stdout
    listed = (
        ran(folder / "bin/python", "-m", "pip", "freeze", "--all").stdout.lower().replace("_", "-")
    )
    found = dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", listed, re.MULTILINE))
    assert {
        package: version
        for package, version in pins(name).items()
        if package in found and found[package] != version
    } == {}


@pytest.mark.install
@pytest.mark.case("adoption-1")
@pytest.mark.skipif(
    sys.version_info >= (3, 13), reason="the pip of Python 3.13 no longer stumbles here"
)
def test_the_old_way_of_installing_fails_as_soon_as_a_newer_release_exists(
    tmp_path: Path, newer: str
) -> None:
    folder = environment_with(f"pip=={OLDEST_PIP[sys.version_info[:2]]}", tmp_path / "venv")
    dev = REQUIREMENTS / "dev.txt"
    done = ran(
        folder / "bin/python",
        "-m",
        "pip",
        "install",
        "--dry-run",
        "--require-hashes",
        "-r",
        dev,
        PIP_FIND_LINKS=newer,
    )
    assert done.returncode != 0
    assert "coverage[toml]" in done.stderr
