"""The laboratory of the Buildbot provider: a real Buildbot, a real repository, and between us and
the master a line that can be broken.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.ports.time import Clock
from bot.providers.ci.buildbot import webhook
from bot.providers.ci.buildbot.kind import PASSWORD, USER, WEBHOOK_SECRET, build
from bot.providers.ci.buildbot.provider import BuildbotCI
from bot.providers.context import ProviderContext
from bot.providers.exchange import Budget
from bot.providers.rate_limits import RateLimits
from tests.providers.ci import buildbot_server
from tests.providers.ci.buildbot_fake import FakeMaster
from tests.providers.ci.memory_runs import MemoryRuns, MemoryStarts

STAGES = ("build", "migrate", "release")
QUICK = Budget(timeout=3.0, tries=2, longest_wait=5.0, first_pause=0.02)
"""For a real server on a machine that others use too."""
_HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "host", "keep-alive"}


@dataclass
class Break:
    """Something that goes wrong on the line."""

    fault: str
    path: str
    times: int


@dataclass
class Line:
    """The line to the master: it passes everything on, unless it is told to break."""

    to: str
    breaks: list[Break] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    streams: int = 0
    _over: asyncio.Event = field(default_factory=asyncio.Event)
    _session: aiohttp.ClientSession | None = None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[str]:
        app = web.Application(client_max_size=2**24)
        app.router.add_route("*", "/{path:.*}", self._pass)
        async with aiohttp.ClientSession(
            auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
        ) as self._session:
            server = TestServer(app, shutdown_timeout=0.1)
            await server.start_server()
            try:
                yield str(server.make_url("")).rstrip("/")
            finally:
                self._over.set()
                await server.close()

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(f"{request.method} {request.path}")
        fault = self._fault(request)
        if fault == "timeout":
            await self._over.wait()
        if fault.isdigit():
            return web.json_response({"error": f"a fault of {fault}"}, status=int(fault))
        assert self._session is not None
        headers = {
            name: value
            for name, value in request.headers.items()
            if name.lower() not in _HOP_BY_HOP
        }
        async with self._session.request(
            request.method,
            f"{self.to}{request.raw_path}",
            data=await request.read(),
            headers=headers,
            allow_redirects=False,
        ) as answer:
            if request.path.startswith("/sse/"):
                return await self._stream(request, answer)
            body = await answer.read()
        if fault == "lost" and request.transport is not None:
            request.transport.abort()
        kept = [
            (name, value)
            for name, value in answer.headers.items()
            if name.lower() not in _HOP_BY_HOP
        ]
        response = web.Response(
            status=answer.status, body=body[: len(body) // 2] if fault == "truncated" else body
        )
        for name, value in kept:
            if name.lower() == "content-type":
                response.headers[name] = value
            else:
                response.headers.add(name, value)
        return response

    async def _stream(
        self, request: web.Request, answer: aiohttp.ClientResponse
    ) -> web.StreamResponse:
        response = web.StreamResponse(
            status=answer.status, headers={"Content-Type": "text/event-stream"}
        )
        await response.prepare(request)
        self.streams += 1
        over = asyncio.create_task(self._over.wait())
        chunk = asyncio.ensure_future(answer.content.readany())
        try:
            while await asyncio.wait({chunk, over}, return_when=asyncio.FIRST_COMPLETED):
                if over.done() or not chunk.result():
                    break
                await response.write(chunk.result())
                chunk = asyncio.ensure_future(answer.content.readany())
        finally:
            self.streams -= 1
            for task in (over, chunk):
                task.cancel()
            await asyncio.gather(over, chunk, return_exceptions=True)
        return response

    def _fault(self, request: web.Request) -> str:
        """Give what happens to this request. The stream of events is spared unless it is meant."""
        asked = f"{request.method} {request.path_qs}"
        meant = [
            each
            for each in self.breaks
            if each.times > 0 and each.path in asked and (each.path or "/sse/" not in asked)
        ]
        found = meant[0] if meant else None
        if found is None:
            return ""
        found.times -= 1
        return found.fault

    def cut(self) -> None:
        """Break off every stream, once."""
        self._over.set()
        self._over = asyncio.Event()


class Master(Protocol):
    """What a laboratory needs of a Buildbot."""

    url: str
    repositories: Path

    def force(self, scheduler: str, **params: Any) -> Any:
        """Press the button of a force scheduler."""
        ...

    def count(self, builder: str) -> int:
        """Count what a builder has been asked for."""
        ...

    def clear(self) -> None:
        """Leave nothing to the next test."""
        ...


M = TypeVar("M", bound=Master)


class BuildbotLab(Generic[M]):
    """``Lab`` on a Buildbot."""

    name = "shop"

    def __init__(
        self, server: M, line: Line, url: str, folder: Path, session: aiohttp.ClientSession
    ) -> None:
        self.server = server
        self.line = line
        self.url = url
        self.folder = folder
        self.session = session
        self.begun = folder / "begun"
        self.woken: list[str] = []
        self.repository = server.repositories / self.name
        if self.repository.exists():
            shutil.rmtree(self.repository)
        self.repository.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")
        self._before = server.count(f"deploy-{self.name}")
        self.starts = MemoryStarts()
        self.ci = self.provider()

    def provider(
        self,
        *,
        options: Mapping[str, str | None] | None = None,
        secrets: Mapping[str, str] | None = None,
        clock: Clock | None = None,
        settles: timedelta = timedelta(seconds=5),
    ) -> BuildbotCI:
        """Make a provider on the same stored runs, as a restart does. An
        option of None is left out.
        """
        from tests.providers.ci.conftest import WallClock

        usual = {
            "url": self.url, "builder": f"deploy-{self.name}", "scheduler": f"deploy-{self.name}",
            "repository": str(self.repository), "tests": f"test-{self.name}",
        }  # fmt: skip
        known = {
            USER: buildbot_server.USER,
            PASSWORD: buildbot_server.PASSWORD,
            WEBHOOK_SECRET: buildbot_server.WEBHOOK_SECRET,
        }
        context = ProviderContext(
            service=self.name,
            options={
                name: value
                for name, value in {**usual, **(options or {})}.items()
                if value is not None
            },
            secret=lambda name: {**known, **(secrets or {})}.get(name, ""),
            session=self.session,
            rate_limits=RateLimits(),
            clock=clock or WallClock(),
            runs=MemoryRuns(),
            starts=self.starts,
            work=self.folder / "work",
            wake=self.woken.append,
        )
        return build(context, budget=QUICK, settles=settles, pause=0.05)

    def git(self, *arguments: str) -> str:
        who = ("-c", "user.name=ana", "-c", "user.email=ana@example.com")
        command = ["git", "-C", str(self.repository), *who, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def commit(
        self, subject: str, *, failing: int = -1, held: bool = False, tests: str = "true"
    ) -> str:
        """Commit a deploy.sh; whoever pushes it has its tests run, as the poller
        of our master.cfg would.
        """
        bodies = dict.fromkeys((*STAGES, "smoke"), "true")
        bodies["release"] = "exec sleep 60" if held else "true"
        if failing >= 0:
            bodies[STAGES[failing]] = "echo broken; exit 3"
        bodies["build"] = f"echo x >> '{self.begun}'; {bodies['build']}"
        cases = "".join(f"{name}) {body} ;;\n" for name, body in bodies.items())
        commit = self.commit_script(
            subject, f'env > "{self.folder}/env-$1"\ncase "$1" in\n{cases}esac', tests
        )
        if tests:
            self.server.force(f"test-{self.name}", revision=commit)
        return commit

    def commit_script(self, subject: str, script: str, tests: str = "") -> str:
        """Commit a deploy.sh as it is given, and nothing tests it."""
        for name, text in (("deploy.sh", script), ("test.sh", tests)):
            (self.repository / name).write_text(f"#!/bin/sh\n# {subject}\n{text}\n")
            (self.repository / name).chmod(0o700)
        self.git("add", ".")
        self.git("commit", "--quiet", "--message", subject)
        return self.git("rev-parse", "HEAD")

    def gated(self, subject: str) -> str:  # noqa: ARG002 - the contract's signature
        return ""

    def branch(self, name: str, start: str) -> None:
        self.git("checkout", "--quiet", "-b", name, start)

    def tag(self, name: str, commit: str) -> None:
        self.git("tag", name, commit)

    def started(self) -> int:
        """Count what Buildbot has been asked for; ``worked`` counts what has come of it."""
        return self.server.count(f"deploy-{self.name}") - self._before

    def worked(self) -> int:
        """Count the deployments that really began on the worker."""
        return len(self.begun.read_text().splitlines()) if self.begun.exists() else 0

    # For the shared fault suite -----------------------------------------------------------------

    start_path = "POST /api/v2/forceschedulers/"

    def break_next(self, fault: str, *, path: str = "", times: int = 1) -> None:
        """Break the line. A 401 or 403 is answered with one new login, so it has to come twice to
        be more than an old session.
        """
        refused = fault in {str(HTTPStatus.UNAUTHORIZED.value), str(HTTPStatus.FORBIDDEN.value)}
        self.line.breaks.append(Break(fault, path, times * 2 if refused else times))

    def skew(self, by: timedelta) -> None:
        """Set the master's clock wrong; only the master in this process has one that can be set."""
        assert isinstance(self.server, FakeMaster)
        self.server.ahead = by

    def restored(self) -> BuildbotCI:
        """Make a provider whose database was restored from before every start."""
        self.starts = MemoryStarts()
        return self.provider()

    def twin(self, correlation: str) -> None:
        """Start a second run with a correlation, past our provider."""
        given = {
            "action": "deploy",
            "environment": "production",
            "correlation_id": correlation,
            "reason": f"[gonogo {correlation}]",
        }
        self.server.force(f"deploy-{self.name}", revision=self.git("rev-parse", "HEAD"), **given)

    def notice(self, run: str) -> tuple[dict[str, str], bytes]:
        """Give a signed notice about a run, as the reporter in our master.cfg sends it."""
        from tests.providers.ci.conftest import WallClock

        builder, _, number = run.rpartition("/")
        body = (
            f'{{"builder": "{builder}", "buildrequestid": {number}, "buildid": 1, "complete": '
            'true, "correlation_id": "shop-1:deploy"}'
        )
        headers = {
            webhook.HEADER: webhook.sign(
                buildbot_server.WEBHOOK_SECRET, body.encode(), WallClock().now()
            )
        }
        return headers, body.encode()


@asynccontextmanager
async def laboratory(server: M, folder: Path) -> AsyncIterator[BuildbotLab[M]]:
    """Open a laboratory; what it leaves in Buildbot is stopped."""
    line = Line(server.url)
    async with line.open() as url, aiohttp.ClientSession() as session:
        lab = BuildbotLab(server, line, url, folder, session)
        await lab.ci.open()
        try:
            yield lab
        finally:
            await lab.ci.close()
            await asyncio.to_thread(server.clear)
