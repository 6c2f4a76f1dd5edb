"""A CI provider for Go/No-Go whose runs are files: for a machine that can share a folder with
the bot and nothing else.

The bot writes ``requests/RUN.json``. Whatever deploys on the other side (the *runner*) takes it up,
writes ``answers/RUN.json`` as often as something changes, and stops when it sees ``stops/RUN``.
Facts about tests are ``tests/COMMIT.json``. See README.md for the fields.

Nothing is kept in memory, so a restart of the bot loses nothing; and a file's name is made of the
intent's own name, so a start that is made twice is one run.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from bot.domain.catalog import Freeze
from bot.domain.changes import Changes
from bot.domain.errors import ConfigurationError, IntegrationError
from bot.domain.quality import QualityState
from bot.domain.rollout import RunState, Stage
from bot.ports.ci import CIRun, GateAnswer, Quality, Resolved, RunHint, StartRequest
from bot.providers.ci.mirror import Mirror
from bot.providers.context import CIKind, Finding, Option, ProviderContext

VENDOR = "file drop"
FOLDERS = ("requests", "answers", "stops", "tests")
_RUN = re.compile(r"[0-9a-f]{32}")
_COMMIT = re.compile(r"[0-9a-f]{40}")


class FileDrop:
    """``bot.ports.CIProvider`` over a folder. Refs and commits come from a
    mirror of the repository.
    """

    def __init__(self, drop: Path, mirror: Mirror) -> None:
        self._drop = drop
        self._mirror = mirror

    async def open(self) -> None:
        """Do nothing. Folders are never made here: an empty folder where the disk is away would say
        that nothing was ever started.
        """

    async def close(self) -> None:
        """Leave everything as it is: runs go on without the bot."""

    async def resolve(self, ref: str) -> Resolved:
        """Resolve a tag, branch, commit or ``latest``."""
        return await self._mirror.resolve(ref)

    async def compare(self, base: str, head: str) -> Changes:
        """List what ``head`` has and ``base`` has not."""
        return await self._mirror.compare(base, head)

    async def quality(self, commit: str) -> Quality:
        """Read what the runner says about a commit's tests; without a file no tests have run."""
        if not _COMMIT.fullmatch(commit):
            return Quality(QualityState.NONE, "no tests are known for this commit")
        said = await asyncio.to_thread(_read, self._drop / "tests" / f"{commit}.json")
        return read_quality(said)

    async def test_again(self, commit: str) -> CIRun:  # noqa: ARG002 - the port's signature
        """Refuse: whoever writes the test files runs the tests."""
        raise IntegrationError(
            "Run the tests again where they ran; the newest file counts.",
            vendor=VENDOR,
            retry=False,
        )

    async def freezes(self, environment: str) -> tuple[Freeze, ...]:  # noqa: ARG002 - the port's signature
        """List none: the folder keeps no freezes."""
        return ()

    async def find(self, correlation: str) -> CIRun | None:
        """Find a run by its correlation id. The folder is the only memory, so None is certain."""
        return await asyncio.to_thread(self._seen, run_of(correlation))

    async def start(self, request: StartRequest) -> CIRun:
        """Leave the request in the folder; when one is there already, it stays
        and nothing else begins.
        """
        run = run_of(request.correlation)
        await asyncio.to_thread(_leave, self._drop / "requests" / f"{run}.json", written(request))
        return await self.look(run)

    async def look(self, run: str) -> CIRun:
        """Read what the runner has answered last."""
        found = await asyncio.to_thread(self._seen, run) if _RUN.fullmatch(run) else None
        if found is None:
            raise IntegrationError(
                f'There is no run "{run[:80]}" in {self._drop}.',
                vendor=VENDOR,
                status=404,
                retry=False,
            )
        return found

    async def cancel(self, run: str) -> None:
        """Ask the runner to stop; a finished run is left as it is."""
        if not (await self.look(run)).state.is_final:
            await asyncio.to_thread(_leave, self._drop / "stops" / run, "")

    async def open_gate(self, run: str, environment: str) -> GateAnswer:  # noqa: ARG002 - the port's signature
        """Open nothing: no stage of this provider waits at a gate that
        could be opened from here.
        """
        await self.look(run)
        return GateAnswer.NOT_THERE

    def parse_webhook(self, headers: Mapping[str, str], body: bytes) -> RunHint:  # noqa: ARG002 - the port's signature
        """Refuse: a folder sends no webhooks; runs are followed by looking."""
        raise IntegrationError(
            "A file drop sends no webhooks.", vendor=VENDOR, status=404, retry=False
        )

    async def examine(self) -> Sequence[Finding]:
        """Check the repository and the folders, for ``gonogo doctor``."""
        drop = await asyncio.to_thread(self._examine_folder)
        try:
            await self._mirror.fetch()
        except IntegrationError as error:
            return [
                drop,
                Finding(
                    "repository",
                    ok=False,
                    sentence=str(error),
                    remedy="Correct ci.repository in gonogo.yaml.",
                ),
            ]
        return [drop, Finding("repository", ok=True, sentence="The repository can be read.")]

    def _examine_folder(self) -> Finding:
        missing = [name for name in FOLDERS if not os.access(self._drop / name, os.W_OK)]
        if not missing:
            return Finding("drop", ok=True, sentence=f"{self._drop} can be written to.")
        sentence = f"{self._drop} has no folder that can be written to: {', '.join(missing)}."
        return Finding(
            "drop",
            ok=False,
            sentence=sentence,
            remedy="Mount it, make these folders, and let the bot's user write there.",
        )

    def _seen(self, run: str) -> CIRun | None:
        if _read(self._drop / "requests" / f"{run}.json") is None:
            return None
        return read_run(run, _read(self._drop / "answers" / f"{run}.json"))


def run_of(correlation: str) -> str:
    """Give the run that a correlation id means: the same intent always has the same file."""
    return hashlib.sha256(correlation.encode()).hexdigest()[:32]


def written(request: StartRequest) -> str:
    """Write a request down as the runner reads it."""
    fields = ("correlation", "commit", "environment", "action", "asked_by")
    return json.dumps(
        {**{name: getattr(request, name) for name in fields}, "inputs": dict(request.inputs)},
        indent=2,
    )


def read_run(run: str, answer: Any) -> CIRun:
    """Read an answer, as JSON; None means that nobody has answered yet. Raises IntegrationError for
    one that makes no sense.
    """
    if answer is None:
        return CIRun(run, RunState.QUEUED, sentence="waits for the runner")
    try:
        stages = tuple(
            Stage(
                str(it["name"]),
                RunState(it["state"]),
                _time(it.get("started_at")),
                _time(it.get("finished_at")),
            )
            for it in answer.get("stages", ())
        )
        return CIRun(
            run, RunState(answer["state"]), str(answer.get("url", "")),
            stages, _time(answer.get("started_at")),
            _time(answer.get("finished_at")), str(answer.get("sentence", "")),
        )  # fmt: skip
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise IntegrationError(
            f"The answer for the run {run} cannot be read: {error!r}.", vendor=VENDOR
        ) from error


def read_quality(said: Any) -> Quality:
    """Read a fact about tests, as JSON; None means that there is none. Raises IntegrationError for
    one that makes no sense.
    """
    if said is None:
        return Quality(QualityState.NONE, "no tests have run for this commit")
    try:
        return Quality(QualityState(said["state"]), str(said["sentence"]), str(said.get("url", "")))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise IntegrationError(
            f"What is said about the tests cannot be read: {error!r}.", vendor=VENDOR
        ) from error


def _time(text: str | None) -> datetime | None:
    """Read a time; one without a zone would be anybody's guess. Raises ValueError."""
    if text is None:
        return None
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    return time.astimezone(UTC)


def _read(path: Path) -> Any:
    """Read a JSON file; None when it is not there. Whoever writes it must rename
    it into its place whole.
    """
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError as error:
        if path.parent.is_dir():
            return None
        raise _away(error) from error
    except OSError as error:
        raise _away(error) from error
    except ValueError as error:
        raise IntegrationError(f"{path.name} holds no JSON.", vendor=VENDOR) from error


def _leave(path: Path, text: str) -> None:
    """Write a file so that it appears whole and once; one that is there stays."""
    try:
        with NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, prefix=".") as draft:
            draft.write(text)
            draft.flush()
            os.fchmod(draft.fileno(), 0o644)  # the runner is another user, on another machine
            os.fsync(draft.fileno())
            os.link(draft.name, path)
    except FileExistsError:
        return
    except OSError as error:
        raise _away(error) from error


def _away(error: OSError) -> IntegrationError:
    return IntegrationError(f"The folder cannot be used: {error.strerror or error}.", vendor=VENDOR)


def _build(context: ProviderContext) -> FileDrop:
    drop, repository = (str(context.options.get(name) or "") for name in ("drop", "repository"))
    if not drop:
        raise ConfigurationError(
            f"services.{context.service}.ci.drop: name the folder that the "
            "bot shares with the runner."
        )
    return FileDrop(
        Path(drop) / context.service, Mirror(repository, context.work / "file-drop", vendor=VENDOR)
    )


KIND = CIKind(
    "file_drop",
    "Requests and answers are files in a folder that two machines share",
    _build,
    options={
        "drop": Option(
            ("The shared folder; each service has a folder in it."), required=True, is_path=True
        ),
        "repository": Option(
            ("The git repository in which refs are resolved and commits compared."),
            required=True,
            is_path=True,
        ),
    },
    limits=(
        "No webhooks and no gates: runs are followed by looking into the folder.",
        "The folder must be able to hold hard links and to rename a file at once.",
    ),
)
