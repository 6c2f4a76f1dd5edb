"""Git, as the embedded CI and the mirrors use it: real commands on a real repository, with refs
that were checked before.

What git says is split where git ends its records (NUL; a line break only between names of refs,
which can hold none), and is never longer than what we are ready to hear. Git gets to see an
environment of its own, with none of our secrets.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from bot.domain import plain
from bot.domain.catalog import PathPatterns
from bot.domain.changes import Change, Changes
from bot.domain.errors import IntegrationError
from bot.domain.versions import Tags
from bot.ports.ci import Latest, RefKind, Resolved
from bot.providers.ci import refs
from bot.providers.ci.refs import Spelling, spellings

VENDOR = "local CI"
TIMEOUT = 30.0
SHOWN = 50
"""How many commits are listed; all are counted."""
MOST = 16 * 1024 * 1024
"""How many bytes git may say."""
MOST_ERRORS = 64 * 1024
NAMED = 5000
"""Among how many names the nearest one is looked for."""
PASSED_ON = (
    "PATH", "HOME", "TMPDIR", "SSH_AUTH_SOCK", "GIT_SSH_COMMAND",
    "GIT_SSL_CAINFO", "SSL_CERT_FILE", "SSL_CERT_DIR",
    "http_proxy", "https_proxy", "no_proxy", "HTTPS_PROXY", "NO_PROXY",
)  # fmt: skip
"""What git gets to see of the bot's environment: nothing of ours that is secret."""
ALWAYS = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "false",
    "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",
    "GIT_SSH_COMMAND": "ssh -o BatchMode=yes -o ConnectTimeout=10",
    "LC_ALL": "C",
}
NO_PATHS = PathPatterns()
FILTERED = 250
"""Of how many commits the files are looked at; with more between two, all are listed."""
WALK = 50
"""Behind how many commits the newest of the service's own is looked for."""
REMEMBERED = 4096
_PLACES = {RefKind.TAG: ("refs/tags/",), RefKind.BRANCH: ("refs/remotes/origin/", "refs/heads/")}
"""Where a name is looked for. What the remote says about a branch counts more than the branch of a
clone, which nobody pulls.
"""


def checked(ref: str, vendor: str = VENDOR) -> str:
    """Refuse a ref that git or a shell could read as something else. Raises IntegrationError."""
    return refs.checked(ref, vendor)


def surroundings(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Give git's environment."""
    return {
        **ALWAYS,
        **{name: os.environ[name] for name in PASSED_ON if name in os.environ},
        **(extra or {}),
    }


class Git:
    """One repository. ``vendor`` stands in its errors; ``environment`` is what git gets besides.

    ``tags`` says which tags are the service's versions, ``paths`` which files are its own, where
    several services share the repository.
    """

    def __init__(
        self, repository: Path, *, vendor: str = VENDOR,
        environment: Mapping[str, str] | None = None, tags: Tags | None = None,
        paths: PathPatterns = NO_PATHS,
    ) -> None:  # fmt: skip
        self.repository = repository
        self._vendor = vendor
        self._environment = surroundings(environment)
        self._tags = tags or Tags()
        self._paths = paths
        self._own: OrderedDict[str, bool] = OrderedDict()

    async def run(self, *arguments: str, timeout: float = TIMEOUT, most: int = MOST) -> str:
        """Run git and give its output. Raises IntegrationError with git's own reason."""
        process = await asyncio.create_subprocess_exec(
            "git", "-C", str(self.repository), *arguments, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=self._environment,
            start_new_session=True,
        )  # fmt: skip
        try:
            async with asyncio.timeout(timeout):
                output, errors = await asyncio.gather(
                    _heard(process.stdout, most, process), _heard(process.stderr, MOST_ERRORS)
                )
                await process.wait()
        except TimeoutError:
            raise self._failure(f"git {arguments[0]} took too long.") from None
        finally:
            if process.returncode is None:  # too slow, or nobody waits for it any more
                await _end(process)
        if len(output) > most:
            raise self._failure(
                f"git {arguments[0]} says more than {most // 1024:,} kB.", retry=False
            )
        if process.returncode != 0:
            why = _reason(errors.decode(errors="replace")).replace(
                str(self.repository), "the repository"
            )  # people read it
            raise self._failure(f"git {arguments[0]}: {why}", retry=not self.is_there())
        return output.decode(errors="replace")

    def _failure(self, sentence: str, *, retry: bool = True) -> IntegrationError:
        return IntegrationError(sentence, vendor=self._vendor, retry=retry)

    def is_there(self) -> bool:
        """Tell whether the repository can be reached; a disk may come back."""
        return (self.repository / ".git").exists() or (self.repository / "HEAD").exists()

    async def resolve(self, ref: str) -> Resolved:
        """Resolve a tag, branch or commit, or ``latest`` (the highest version among the tags,
        else the newest commit).
        """
        if ref == "latest":
            return await self._latest()
        if ref == "HEAD":
            return await self._newest()
        for meaning in spellings(checked(ref, self._vendor)):
            commit = await self._meant(meaning)
            if not commit:
                continue
            if meaning.kind is RefKind.COMMIT:
                return Resolved(commit, await self._called(commit))
            await self._refuse_likeness(meaning.name, commit)
            version = meaning.name if meaning.kind is RefKind.TAG else await self._called(commit)
            return Resolved(
                commit,
                version,
                meaning.kind,
                meaning.name,
                also=await self._also(ref, meaning, commit),
            )
        names = await self._names("refs/tags", "refs/heads", "refs/remotes/origin")
        raise refs.unknown(
            ref,
            "this repository",
            names,
            vendor=self._vendor,
            tags=self._tags,
            stands_at=await self._stands_at(ref),
        )

    async def _stands_at(self, ref: str) -> str:
        """Say what a tag stands at that is no commit; "" where there is no such tag."""
        for meaning in spellings(ref):
            if meaning.kind is RefKind.TAG:
                with suppress(IntegrationError):
                    kind = await self.run("cat-file", "-t", f"refs/tags/{meaning.name}^{{}}")
                    return {"blob": "a file", "tree": "a folder"}.get(kind.strip(), "")
        return ""

    async def _latest(self) -> Resolved:
        for name in self._tags.ranked(await self._names("refs/tags")):
            commit = await self._meant(Spelling(RefKind.TAG, name))
            if commit:  # a tag may also stand on something that is no commit
                latest = Latest.PREVIEW if self._tags.is_preview(name) else Latest.RELEASE
                return Resolved(commit, name, RefKind.TAG, name, latest=latest)
        return replace(await self._newest(), latest=Latest.NEWEST)

    async def _newest(self) -> Resolved:
        """Resolve the newest commit of the default branch: the remote's, where there is one."""
        commit = await self._commit("refs/remotes/origin/HEAD") or await self._commit("HEAD")
        if not commit:
            raise self._failure("The repository has no commit yet.", retry=False)
        commit = await self._newest_own(commit)
        return Resolved(commit, await self._called(commit), RefKind.BRANCH)

    async def _newest_own(self, start: str) -> str:
        """Give the newest commit at or before ``start`` that is the service's own; ``start``
        itself where none is near.
        """
        if not self._paths:
            return start
        for commit in _lines(await self.run("rev-list", f"--max-count={WALK}", start)):
            if await self._is_own(commit):
                return commit
        return start

    async def _meant(self, meaning: Spelling) -> str:
        """Give the commit of one thing that a ref may mean; "" where there is no such thing."""
        for place in _PLACES.get(meaning.kind, ("",)):
            if commit := await self._commit(f"{place}{meaning.name}"):
                return commit
        return ""

    async def _also(self, ref: str, taken: Spelling, commit: str) -> RefKind | None:
        """Tell whether a bare name that was taken for a tag is a branch as
        well, with another commit.
        """
        if taken.kind is not RefKind.TAG or taken.name != ref:
            return None
        return (
            RefKind.BRANCH
            if await self._meant(Spelling(RefKind.BRANCH, ref)) not in {"", commit}
            else None
        )

    async def _refuse_likeness(self, name: str, commit: str) -> None:
        """Refuse the name of a tag or branch that is also the beginning of another commit's id,
        rather than guess which one is meant.
        """
        if not refs.is_commit(name):
            return
        for other in _lines(await self.run("rev-parse", f"--disambiguate={name.lower()}")):
            if other != commit and _lines(await self.run("cat-file", "-t", other)) == ["commit"]:
                sentence = (
                    f'"{name}" is a tag or branch, and the beginning of another commit. Give '
                    "the whole id of the commit."
                )
                raise self._failure(sentence, retry=False)

    async def _commit(self, name: str) -> str:
        try:
            said = await self.run(
                "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"
            )
        except IntegrationError as error:
            if error.retry:
                raise
            return ""
        return said.removesuffix("\n")

    async def _names(self, *places: str) -> list[str]:
        """List the names of tags and branches, as they are typed."""
        said = _lines(
            await self.run(
                "for-each-ref",
                f"--count={NAMED}",
                "--sort=-creatordate",
                "--format=%(refname)",
                *places,
            )
        )
        found = (
            name.removeprefix(place).removeprefix("/")
            for name in said
            for place in places
            if name.startswith(f"{place}/")
        )
        return [name for name in found if name != "HEAD"]

    async def _called(self, commit: str) -> str:
        """Name a commit as people do: by its version, else by its first characters."""
        said = await self.run(
            "for-each-ref",
            f"--points-at={commit}",
            f"--count={NAMED}",
            "--format=%(refname:lstrip=2)",
            "refs/tags",
        )
        return self._tags.highest(_lines(said)) or commit[: plain.SHORT]

    async def compare(self, base: str, head: str) -> Changes:
        """List what ``head`` has and ``base`` has not; the other way round, and marked,
        when head lies behind base.
        """
        if base == head:
            return Changes()
        ahead = int(await self.run("rev-list", "--count", f"{base}..{head}"))
        backwards = ahead == 0
        span = f"{head}..{base}" if backwards else f"{base}..{head}"
        total = int(await self.run("rev-list", "--count", span))
        if self._paths and total <= FILTERED:
            own = [
                each for each in await self._log(span, FILTERED) if await self._is_own(each.commit)
            ]
            commits, total, authors = own[-SHOWN:], len(own), [each.author for each in own]
        else:
            commits, authors = (
                await self._log(span, SHOWN),
                await self._records("log", "--format=%an", span),
            )
        files = await self._files_between(*((head, base) if backwards else (base, head)))
        return Changes(
            tuple(commits), total, tuple(dict.fromkeys(authors)), files=files, backwards=backwards
        )

    async def _files_between(self, base: str, head: str) -> tuple[str, ...]:
        """Name the files that ``head`` has otherwise than ``base``; what only ``base`` has changed
        since they parted is not head's.
        """
        named = ("diff", "--no-renames", "--no-ext-diff", "--name-only")
        differ = await self._records(*named, base, head)
        try:
            changed = set(await self._records(*named, f"{base}...{head}"))
        except IntegrationError:  # they have no commit in common, so whatever differs is head's
            return tuple(differ)
        return tuple(each for each in differ if each in changed)

    async def _log(self, span: str, most: int) -> list[Change]:
        """List the newest commits of a span, oldest first."""
        fields = await self._records(
            "log", "--reverse", f"--max-count={most}", "--format=%H%x00%s%x00%an", span
        )
        return [Change(*each) for each in zip(fields[::3], fields[1::3], fields[2::3], strict=True)]

    async def _is_own(self, commit: str) -> bool:
        """Tell whether a commit changes one of the service's files; a merge changes what it
        brings to its first parent.
        """
        if commit not in self._own:
            self._own[commit] = any(map(self._paths.matches, await self._changed(commit)))
            while len(self._own) > REMEMBERED:
                self._own.popitem(last=False)
        return self._own[commit]

    async def _changed(self, commit: str) -> Sequence[str]:
        """List the files that a commit changes; those of the first one are all."""
        shape = ("-r", "--no-commit-id", "--name-only", "--no-renames", "--no-ext-diff")
        parents = _lines(await self.run("rev-parse", f"{commit}^@"))
        return await self._records(
            "diff-tree", *shape, *((parents[0], commit) if parents else ("--root", commit))
        )

    async def _records(self, command: str, *arguments: str) -> list[str]:
        """Run a command that ends each of its records, and each field in them, with NUL: nothing
        that people write can hold that.
        """
        shape = (
            ("--no-show-signature", "--no-color", "--encoding=UTF-8") if command == "log" else ()
        )
        said = await self.run(command, "-z", *shape, *arguments)
        return said.removesuffix("\0").split("\0") if said else []

    async def show(self, commit: str, path: str, *, most: int = MOST) -> str:
        """Read a file at a commit, unless it is larger than ``most`` bytes."""
        return await self.run("cat-file", "blob", f"{commit}:{path}", most=most)

    async def files(self, commit: str) -> Sequence[str]:
        """List the paths of all files of a commit."""
        return await self._records("ls-tree", "-r", "--name-only", "--full-tree", commit)

    async def add_worktree(self, path: Path, commit: str) -> None:
        """Check a commit out into a folder of its own."""
        path.parent.mkdir(parents=True, exist_ok=True)
        await self.run("worktree", "add", "--detach", "--force", str(path), commit)

    async def remove_worktree(self, path: Path) -> None:
        """Take the folder away again, without running anything in it; what is left behind now is
        pruned with the next one.
        """
        await asyncio.to_thread(shutil.rmtree, path, ignore_errors=True)
        try:
            await self.run("worktree", "prune")
        except IntegrationError:
            return


async def _heard(
    stream: asyncio.StreamReader | None,
    most: int,
    speaker: asyncio.subprocess.Process | None = None,
) -> bytes:
    """Keep what is said up to one byte more than ``most``; who then goes on is ended. The pipe is
    read to its end all the same.
    """
    heard = bytearray()
    while stream is not None and (chunk := await stream.read(65536)):
        heard += chunk[: most + 1 - len(heard)]
        if len(heard) > most and speaker is not None and speaker.returncode is None:
            _kill(speaker)
    return bytes(heard)


def _kill(process: asyncio.subprocess.Process) -> None:
    """Kill git with all that it has started, which would hold its pipes open."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill git and empty its pipes, without which nobody learns of its end."""
    _kill(process)
    rest = asyncio.gather(_heard(process.stdout, 0), _heard(process.stderr, 0), process.wait())
    await asyncio.wait([rest], timeout=1)  # what git had started may hold a pipe
    rest.cancel()
    await asyncio.gather(rest, return_exceptions=True)


def _lines(said: str) -> list[str]:
    """Split names of refs and ids, which hold no line break, where git ends them."""
    return [each for each in said.split("\n") if each]


def _reason(errors: str) -> str:
    """Take the line that says why: the fatal one, else the last."""
    lines: Iterable[str] = [plain.line(each) for each in errors.split("\n")]
    said = [each for each in lines if each] or ["no message"]
    return next((each for each in said if each.startswith("fatal: ")), said[-1])
