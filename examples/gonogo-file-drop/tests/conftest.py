"""The laboratory: a repository, a shared folder, and a runner on the other side of it that plays
what each commit is made for.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from gonogo_file_drop import FOLDERS, FileDrop

from bot.providers.ci.mirror import Mirror

STAGES = ("build", "migrate", "release")


def now() -> str:
    return datetime.now(UTC).isoformat()


def write(path: Path, said: dict[str, Any]) -> None:
    """Let a file appear whole, as README.md asks of every runner."""
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(said))
    draft.rename(path)


class Runner:
    """Takes up every request once and answers it, stage by stage."""

    def __init__(self, drop: Path) -> None:
        self.drop = drop
        self.plans: dict[str, tuple[int, bool]] = {}
        self.begun: list[str] = []

    async def work(self) -> None:
        async with asyncio.TaskGroup() as runs:
            while True:
                for request in sorted(self.drop.glob("requests/[0-9a-f]*.json")):
                    if request.stem not in self.begun:
                        self.begun.append(request.stem)
                        runs.create_task(self.play(request.stem, json.loads(request.read_text())))
                await asyncio.sleep(0.01)

    async def play(self, run: str, request: dict[str, Any]) -> None:
        failing, held = self.plans[request["commit"]]
        stages: list[dict[str, Any]] = [{"name": name, "state": "queued"} for name in STAGES]
        answer = {"state": "running", "started_at": now(), "stages": stages}
        for index, stage in enumerate(stages):
            stage.update(state="running", started_at=now())
            write(self.drop / "answers" / f"{run}.json", answer)
            stage.update(
                state=await self.end_of(run, fails=index == failing, held=held and index == 2),
                finished_at=now(),
            )
            if stage["state"] != "succeeded":
                break
        for skipped in stages[index + 1 :]:
            skipped["state"] = "skipped"
        answer.update(
            state=stage["state"], finished_at=now(), sentence=f"{stage['name']} {stage['state']}"
        )
        write(self.drop / "answers" / f"{run}.json", answer)

    async def end_of(self, run: str, *, fails: bool, held: bool) -> str:
        await asyncio.sleep(0.02)
        while held and not self.is_stopped(run):  # noqa: ASYNC110 - a runner on another machine has only the folder to look at
            await asyncio.sleep(0.01)
        if self.is_stopped(run):
            return "cancelled"
        return "failed" if fails else "succeeded"

    def is_stopped(self, run: str) -> bool:
        return (self.drop / "stops" / run).exists()


class FileDropLab:
    """``bot.testing.ci_contract.Lab``."""

    def __init__(self, folder: Path) -> None:
        self.repository, self.mirror = folder / "shop", folder / "mirror"
        self.drop = folder / "drop" / "shop"
        for name in FOLDERS:
            (self.drop / name).mkdir(parents=True)
        self.runner = Runner(self.drop)
        self.ci = self.provider()
        self.git("init", "--quiet", "--initial-branch=main", str(self.repository), inside=False)

    def provider(self) -> FileDrop:
        """Make a provider on the same folder, as a restart of the bot does."""
        return FileDrop(self.drop, Mirror(str(self.repository), self.mirror, vendor="file drop"))

    def git(self, *arguments: str, inside: bool = True) -> str:
        where = ("-C", str(self.repository)) if inside else ()
        who = ("-c", "user.name=ana", "-c", "user.email=ana@example.com")
        return subprocess.run(
            ["git", *where, *who, *arguments], check=True, capture_output=True, text=True
        ).stdout.strip()

    def commit(
        self, subject: str, *, failing: int = -1, held: bool = False, tests: str = "true"
    ) -> str:
        (self.repository / "CHANGES").write_text(subject)
        self.git("add", "CHANGES")
        self.git("commit", "--quiet", "--message", subject)
        commit = self.git("rev-parse", "HEAD")
        self.runner.plans[commit] = (failing, held)
        if tests:
            passed = tests == "true"
            said = {
                "state": "green" if passed else "red",
                "sentence": "12 tests passed" if passed else "1 of 12 tests failed",
            }
            write(self.drop / "tests" / f"{commit}.json", said)
        return commit

    def gated(self, subject: str) -> str:  # noqa: ARG002 - the contract's signature
        return ""

    def branch(self, name: str, start: str) -> None:
        self.git("checkout", "--quiet", "-b", name, start)

    def tag(self, name: str, commit: str) -> None:
        self.git("tag", name, commit)

    def started(self) -> int:
        return len(self.runner.begun)


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[FileDropLab]:
    """Give the provider, opened, with a runner on the other side."""
    lab = FileDropLab(tmp_path)
    await lab.ci.open()
    working = asyncio.create_task(lab.runner.work())
    yield lab
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    await lab.ci.close()
