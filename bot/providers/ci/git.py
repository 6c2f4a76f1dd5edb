"""Git, as the embedded CI uses it: real commands on a real repository, with refs that were checked before."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path

from bot.domain.card import Change, Changes
from bot.domain.errors import IntegrationError
from bot.ports import Resolved
from bot.providers.ci.versions import highest

VENDOR = "local CI"
PATIENCE = 30.0
SHOWN = 50
"""How many commits and files are listed; all are counted."""
_SAFE_REF = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./@+-]{0,199}")
_COMMIT = re.compile(r"[0-9a-f]{7,40}|[0-9a-f]{64}")
_WHOLE = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
"""A commit's whole id, by SHA-1 or SHA-256."""


def checked(ref: str, vendor: str = VENDOR) -> str:
    """Refuse a ref that git or a shell could read as something else. Raises IntegrationError."""
    unsafe = not _SAFE_REF.fullmatch(ref) or ".." in ref or "@{" in ref or "//" in ref or ref.endswith((".lock", "/", "."))
    if unsafe:
        raise IntegrationError(f'"{ref[:80]}" cannot be the name of a version.', vendor=vendor, retry=False)
    return ref


class Git:
    """One repository. ``vendor`` stands in its errors; ``environment``, when it is given, is all that git gets to see."""

    def __init__(self, repository: Path, *, vendor: str = VENDOR, environment: Mapping[str, str] | None = None) -> None:
        self.repository = repository
        self._vendor = vendor
        self._environment = environment

    async def run(self, *arguments: str, patience: float = PATIENCE) -> str:
        """Run git and give its output. Raises IntegrationError with git's own reason."""
        process = await asyncio.create_subprocess_exec(
            "git", "-C", str(self.repository), *arguments, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=self._environment,
        )  # fmt: skip
        try:
            output, errors = await asyncio.wait_for(process.communicate(), patience)
        except TimeoutError:
            raise IntegrationError(f"git {arguments[0]} took too long.", vendor=self._vendor) from None
        finally:
            if process.returncode is None:  # too slow, or nobody waits for it any more
                process.kill()
                await process.wait()
        if process.returncode != 0:
            why = _reason(errors.decode(errors="replace"))
            raise IntegrationError(f"git {arguments[0]}: {why}", vendor=self._vendor, retry=not self.is_there())
        return output.decode(errors="replace")

    def is_there(self) -> bool:
        """Tell whether the repository can be reached; a disk may come back."""
        return (self.repository / ".git").exists() or (self.repository / "HEAD").exists()

    async def resolve(self, ref: str) -> Resolved:
        """Resolve a tag, branch or commit, or ``latest`` (the highest version among the tags, else the newest commit)."""
        if ref == "latest":
            ref = highest((await self.run("tag", "--list")).split()) or "HEAD"
        for candidate in _candidates(checked(ref, self._vendor)):
            commit = await self._commit(candidate)
            if commit and candidate != ref:
                await self._refuse_likeness(ref, commit)
            if commit:
                return Resolved(commit, ref if candidate.startswith("refs/tags/") else await self._called(commit))
        raise IntegrationError(f'There is no tag, branch or commit "{ref}" in this repository.', vendor=self._vendor, retry=False)

    async def _refuse_likeness(self, ref: str, commit: str) -> None:
        """Refuse the name of a tag or branch that is also the beginning of another commit's id, rather than guess which one is meant."""
        if not _COMMIT.fullmatch(ref):
            return
        for other in (await self.run("rev-parse", f"--disambiguate={ref}")).split():
            if other != commit and (await self.run("cat-file", "-t", other)).strip() == "commit":
                sentence = f'"{ref}" is a tag or branch, and the beginning of another commit. Give the whole id of the commit.'
                raise IntegrationError(sentence, vendor=self._vendor, retry=False)

    async def _commit(self, name: str) -> str:
        try:
            return (await self.run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")).strip()
        except IntegrationError as error:
            if error.retry:
                raise
            return ""

    async def _called(self, commit: str) -> str:
        """Name a commit as people do: by its tag, else by its first characters."""
        return highest((await self.run("tag", "--points-at", commit)).split()) or commit[:10]

    async def compare(self, base: str, head: str) -> Changes:
        """List what ``head`` has and ``base`` has not; the other way round, and marked, when head lies behind base."""
        if base == head:
            return Changes()
        ahead = int(await self.run("rev-list", "--count", f"{base}..{head}"))
        backwards = ahead == 0
        span = f"{head}..{base}" if backwards else f"{base}..{head}"
        total = int(await self.run("rev-list", "--count", span))
        log = await self.run("log", "--reverse", f"--max-count={SHOWN}", "--format=%H%x1f%s%x1f%an", span)
        commits = tuple(Change(*line.split("\x1f")) for line in log.splitlines() if line.count("\x1f") == 2)  # noqa: PLR2004
        files = (await self.run("diff", "--name-only", "-z", base, head)).split("\0")
        authors = (await self.run("log", "--format=%an", span)).splitlines()
        return Changes(commits, total, tuple(dict.fromkeys(authors)), files=tuple(filter(None, files)), backwards=backwards)

    async def show(self, commit: str, path: str) -> str:
        """Read a file at a commit."""
        return await self.run("show", f"{commit}:{path}")

    async def add_worktree(self, path: Path, commit: str) -> None:
        """Check a commit out into a folder of its own."""
        path.parent.mkdir(parents=True, exist_ok=True)
        await self.run("worktree", "add", "--detach", "--force", str(path), commit)

    async def remove_worktree(self, path: Path) -> None:
        """Take the folder away again; what is left behind now is pruned with the next one."""
        for arguments in (("remove", "--force", str(path)), ("prune",)):
            try:
                await self.run("worktree", *arguments)
            except IntegrationError:
                continue
            return


def _candidates(ref: str) -> tuple[str, ...]:
    """Name the ways in which git may know a ref: as a tag, a branch, a commit. A whole id means that commit, whatever is called so."""
    if _WHOLE.fullmatch(ref):
        return (ref,)
    named = (f"refs/tags/{ref}", f"refs/heads/{ref}", f"refs/remotes/origin/{ref}")
    return (*named, ref) if _COMMIT.fullmatch(ref) or ref == "HEAD" else named


def _reason(errors: str) -> str:
    """Take the line that says why: the fatal one, else the last."""
    lines = errors.strip().splitlines() or ["no message"]
    return next((line for line in lines if line.startswith("fatal: ")), lines[-1])
