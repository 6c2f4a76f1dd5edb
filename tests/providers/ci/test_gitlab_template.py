"""The .gitlab-ci.yml that we give to teams: read, its commands run, and played by gitlab-ci-local
where that is installed.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from bot.ports.ci import StartRequest
from bot.providers.ci.gitlab import doctor, reading

TEMPLATE = Path(__file__).parents[3] / "templates" / "ci" / "gitlab" / "gitlab-ci.yml"
PLAYER = os.environ.get("GONOGO_GITLAB_CI_LOCAL", "")
"""Where gitlab-ci-local is; ``tests/providers/ci/gitlab_template.sh`` installs it and sets this."""


def template() -> dict[str, Any]:
    found: dict[str, Any] = YAML(typ="safe").load(TEMPLATE)
    return found


def git(folder: Path, *arguments: str) -> str:
    who = (
        "-c",
        "user.name=ana",
        "-c",
        "user.email=ana@example.com",
        "-c",
        "init.defaultBranch=main",
    )
    done = subprocess.run(
        ["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def commit(folder: Path, subject: str) -> str:
    git(folder, "commit", "--quiet", "--allow-empty", "--message", subject)
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """Make a repository that gives out any commit, as GitLab's do."""
    folder = tmp_path / "origin"
    folder.mkdir()
    git(folder, "init", "--quiet")
    git(folder, "config", "uploadpack.allowAnySHA1InWant", "true")
    return folder


def test_the_doctor_finds_the_template_good() -> None:
    assert doctor.names_our_pipelines(TEMPLATE.read_text(encoding="utf-8"))


def test_our_pipelines_are_named_and_never_cancelled_by_a_push() -> None:
    ours = template()["workflow"]["rules"][0]
    assert (template()["workflow"]["name"], ours["if"]) == ("$PIPELINE_NAME", "$GONOGO_CORRELATION")
    assert (ours["variables"]["PIPELINE_NAME"], ours["auto_cancel"]["on_new_commit"]) == (
        "gonogo $GONOGO_CORRELATION",
        "none",
    )


def test_every_action_has_a_job_and_no_job_of_ours_runs_by_itself() -> None:
    jobs = {
        name: job
        for name, job in template().items()
        if isinstance(job, dict) and job.get("extends") == ".gonogo"
    }
    rules = {name: job["rules"] for name, job in jobs.items()}
    assert rules == {
        "roll out": [{"if": '$GONOGO_ACTION == "deploy" || $GONOGO_ACTION == "rollback"'}],
        "smoke test": [{"if": '$GONOGO_ACTION == "smoke"'}],
    }


def test_every_variable_of_the_template_is_one_that_the_bot_sends() -> None:
    inputs = dict.fromkeys(("percent", "version", "strategy", "deployment"), "x")
    sent = reading.variables(
        StartRequest("shop-1:all", "a" * 40, "production", "deploy", inputs), "shop"
    )
    assert set(re.findall(r"GONOGO_[A-Z_]+", TEMPLATE.read_text(encoding="utf-8"))) == set(sent)


class TestCheckingOut:
    def checked_out(self, folder: Path, wanted: str) -> bool:
        lines = "\n".join(["set -e", *template()[".gonogo"]["before_script"]])
        env = {**os.environ, "GONOGO_COMMIT": wanted}
        return (
            subprocess.run(
                ["bash", "-c", lines], cwd=folder, env=env, check=False, capture_output=True
            ).returncode
            == 0
        )

    def test_an_older_commit_of_the_branch_is_checked_out(
        self, origin: Path, tmp_path: Path
    ) -> None:
        older, _ = commit(origin, "first"), commit(origin, "second")
        git(tmp_path, "clone", "--quiet", str(origin), "work")
        assert self.checked_out(tmp_path / "work", older)
        assert git(tmp_path / "work", "rev-parse", "HEAD") == older

    def test_a_commit_that_is_not_on_the_branch_is_fetched(
        self, origin: Path, tmp_path: Path
    ) -> None:
        commit(origin, "first")
        git(tmp_path, "clone", "--quiet", str(origin), "work")
        git(origin, "checkout", "--quiet", "-b", "hotfix")
        wanted = commit(origin, "the fix")
        assert self.checked_out(tmp_path / "work", wanted)
        assert git(tmp_path / "work", "rev-parse", "HEAD") == wanted

    @pytest.mark.parametrize("wanted", ["0" * 40, "", "main", "--help"])
    def test_anything_else_stops_the_job(self, origin: Path, tmp_path: Path, wanted: str) -> None:
        commit(origin, "first")
        git(tmp_path, "clone", "--quiet", str(origin), "work")
        assert not self.checked_out(tmp_path / "work", wanted)


@pytest.mark.emulator
@pytest.mark.skipif(not PLAYER, reason="run tests/providers/ci/gitlab_template.sh")
class TestPlaying:
    """gitlab-ci-local checks the file against GitLab's own schema, evaluates the
    rules, and runs the jobs.
    """

    @pytest.fixture
    def shop(self, tmp_path: Path) -> Path:
        folder = tmp_path / "shop"
        folder.mkdir()
        git(folder, "init", "--quiet")
        git(folder, "remote", "add", "origin", "git@gitlab.example.com:shop/storefront.git")
        (folder / ".gitlab-ci.yml").write_text(
            TEMPLATE.read_text(encoding="utf-8"), encoding="utf-8"
        )
        for name in ("test", "deploy", "smoke"):
            script = folder / f"{name}.sh"
            script.write_text(
                f'#!/bin/sh\necho "{name} $(git rev-parse HEAD) $*" >> '
                f'{tmp_path}/seen\necho "<x/>" > report.xml\n'
            )
            script.chmod(0o755)
        git(folder, "add", ".")
        return folder

    def play(self, shop: Path, **variables: str) -> tuple[int, list[str]]:
        given = [
            word for name, value in variables.items() for word in ("--variable", f"{name}={value}")
        ]
        arguments = [PLAYER, "--force-shell-executor", "--shell-isolation", *given]
        done = subprocess.run(
            arguments, cwd=shop, check=False, capture_output=True, text=True, timeout=100
        )
        seen = shop.parent / "seen"
        return done.returncode, seen.read_text().splitlines() if seen.exists() else [
            done.stdout[-500:],
            done.stderr[-500:],
        ]

    @pytest.mark.parametrize(
        ("action", "runs"),
        [
            ("deploy", "deploy {} production 25"),
            ("rollback", "deploy {} production 25"),
            ("smoke", "smoke {} production"),
        ],
    )
    def test_an_action_runs_its_job_at_the_older_commit(
        self, shop: Path, action: str, runs: str
    ) -> None:
        older, _ = commit(shop, "first"), commit(shop, "second")
        inputs = {"percent": "25", "version": "v1", "strategy": "canary", "deployment": "shop-1"}
        sent = reading.variables(
            StartRequest("shop-1:all", older, "production", action, inputs), "shop"
        )
        assert self.play(shop, **sent) == (0, [runs.format(older)])

    def test_a_push_runs_the_tests_and_nothing_else(self, shop: Path) -> None:
        newest = commit(shop, "first")
        assert self.play(shop) == (0, [f"test {newest} "])
