"""A stage that looks for the bot's secrets: in its environment and memory, among its open
files, and in its database.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.domain.rollout import RunState
from bot.ports.ci import StartRequest
from bot.providers.ci.local.provider import LocalCI
from tests.providers.ci.conftest import LocalLab, WallClock
from tests.providers.ci.memory_runs import MemoryRuns

ROOT = Path(__file__).parents[3]
SECRET = "xoxb-very-secret"
NOBODY = 65534
SPY = """
tr '\\0' '\\n' < /proc/$PPID/environ && echo READ environment
(exec 3< /proc/$PPID/mem) && echo READ memory
ls /proc/$PPID/fd && echo READ files
(exec 3< /proc/$PPID/fd/0) && echo READ a file
ls /proc/self/fd | tr '\\n' ' '
env
"""

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="there is no /proc")
root = pytest.mark.skipif(os.geteuid() != 0, reason="only root starts processes as somebody else")


def _stage(script: str) -> str:
    lines = "".join(f"          {line}\n" for line in script.strip().split("\n"))
    return f"pipelines:\n  deploy:\n    stages:\n      - name: spy\n        run: |\n{lines}"


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give a folder that other users have a way to."""
    path = Path(tempfile.mkdtemp(prefix="gonogo-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def spied_on(way: str, folder: Path) -> str:
    lab = LocalLab(folder)
    commit = lab.commit_file("spy", _stage(SPY))
    if os.geteuid() == 0:
        subprocess.run(["chown", "-R", f"{NOBODY}:{NOBODY}", str(folder)], check=True)
    ran = subprocess.run(
        [sys.executable, "-m", "tests.providers.ci.spied_on", way, str(folder), commit],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env={
            **os.environ,
            "SLACK_BOT_TOKEN": SECRET,
            "HOME": str(folder),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@linux
@pytest.mark.case("trust-5")
def test_a_stage_of_the_bots_own_user_reads_neither_its_environment_nor_memory_nor_open_files(
    folder: Path,
) -> None:
    seen = spied_on("closed", folder)
    assert "READ" not in seen
    assert SECRET not in seen
    assert "SLACK_BOT_TOKEN" not in seen


@linux
@pytest.mark.case("trust-5")
def test_a_secret_that_was_withdrawn_is_gone_also_where_the_process_can_be_looked_into(
    folder: Path,
) -> None:
    seen = spied_on("withdrawn", folder)
    assert "READ environment" in seen
    assert SECRET not in seen


@linux
def test_the_spy_finds_the_secret_where_nothing_is_done_about_it(folder: Path) -> None:
    seen = spied_on("open", folder)
    assert f"SLACK_BOT_TOKEN={SECRET}" in seen


@linux
@root
@pytest.mark.case("trust-5")
async def test_a_stage_of_another_user_reads_nothing_of_the_bots_and_can_work_in_its_tree(
    folder: Path,
) -> None:
    database = folder / "gonogo.db"
    database.write_text(SECRET)
    database.chmod(0o600)
    script = (
        f"id -un; id -G; cat {database} && echo READ database; kill -9 $PPID && echo READ kill; "
        f"touch made && echo WORKS; {SPY}"
    )
    lab, runs = LocalLab(folder), MemoryRuns()
    commit = lab.commit_file("spy", _stage(script))
    ci = LocalCI(
        "shop", lab.repository, runs=runs, clock=WallClock(), work=folder / "work", user="nobody"
    )
    await ci.open()
    run = await ci.start(StartRequest("shop-1:deploy", commit, "production", "deploy"))
    await asyncio.gather(*ci._tasks.values())
    seen = await asyncio.to_thread(Path(runs.rows[run.id].log).read_text)
    assert seen.startswith(f"nobody\n{NOBODY}\n")
    assert "WORKS" in seen
    assert "READ" not in seen
    assert SECRET not in seen
    assert (await ci.examine())[1].ok
    assert not list((folder / "work" / "trees").iterdir())


@pytest.mark.case("trust-5")
async def test_stages_of_a_user_that_is_not_there_do_not_run_as_the_bot_instead(
    local: LocalLab,
) -> None:
    ci = LocalCI(
        "shop",
        local.repository,
        runs=local.runs,
        clock=WallClock(),
        work=local.work,
        user="nobody-at-all",
    )
    run = await ci.start(
        StartRequest("shop-1:deploy", local.commit("first"), "production", "deploy")
    )
    await asyncio.gather(*ci._tasks.values())
    done = await ci.look(run.id)
    assert (done.state, done.sentence) == (
        RunState.FAILED,
        'There is no user "nobody-at-all" on this machine.',
    )
    assert local.started() == 0
