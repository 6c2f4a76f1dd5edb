"""The storefront's git repository, made from its history with real commits and tags."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path

from bot.domain.errors import IntegrationError
from bot.sandbox.world.history import HISTORY, Commit

BETWEEN = timedelta(hours=7)
"""Time between two commits; the last was made as long ago."""


async def make_repository(folder: Path) -> dict[str, str]:
    """Make the repository in a new folder; give the commits by tag."""
    await asyncio.to_thread(folder.mkdir, parents=True)
    await _git(folder, "init", "--quiet", "--initial-branch=main")
    began = datetime.now(UTC) - len(HISTORY) * BETWEEN
    commits = {}
    for number, commit in enumerate(HISTORY):
        await asyncio.to_thread(_write, folder, commit)
        await _git(folder, "add", "--all")
        await _git(
            folder,
            "commit",
            "--quiet",
            "--message",
            commit.subject,
            who=_signed(commit.author, began + number * BETWEEN),
        )
        if commit.tag:
            await _git(folder, "tag", commit.tag)
            commits[commit.tag] = await _git(folder, "rev-parse", "HEAD")
    return commits


def _write(folder: Path, commit: Commit) -> None:
    for path, source in commit.adds.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text_of(source))
    for edit in commit.edits:
        file = folder / edit.path
        before = file.read_text()
        if before.count(edit.old) != 1:
            raise IntegrationError(
                f"{commit.subject}: {edit.path} does not have the text once: {edit.old}",
                vendor="sandbox",
                retry=False,
            )
        file.write_text(before.replace(edit.old, edit.new))


def text_of(source: str) -> str:
    """Read one of the storefront's files as it was at first."""
    return resources.files("bot.sandbox.world").joinpath("storefront", f"{source}.txt").read_text()


def _signed(author: str, at: datetime) -> Mapping[str, str]:
    who: dict[str, str] = {}
    for role in ("AUTHOR", "COMMITTER"):
        who |= {
            f"GIT_{role}_NAME": author,
            f"GIT_{role}_EMAIL": f"{author}@example.com",
            f"GIT_{role}_DATE": at.isoformat(),
        }
    return who


async def _git(folder: Path, *arguments: str, who: Mapping[str, str] | None = None) -> str:
    """Run git without anybody's own configuration (hooks, signing)."""
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(folder),
        "GIT_CONFIG_NOSYSTEM": "1",
        **(who or {}),
    }
    process = await asyncio.create_subprocess_exec(
        "git", *arguments, cwd=folder, env=environment, stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    if process.returncode != 0:
        raise IntegrationError(
            f"git {arguments[0]}: {output.decode(errors='replace').strip()}",
            vendor="sandbox",
            retry=False,
        )
    return output.decode().strip()
