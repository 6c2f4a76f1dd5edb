"""A master in this process, for where no Buildbot is installed: the same contract runs against it
and against the real one.

It answers what Buildbot 4.3 answers (every rule was seen there, by ``make test-buildbot``), and its
worker really runs deploy.sh.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import os
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.providers.ci.buildbot_server import ENVIRONMENTS, PASSWORD, USER

SUCCESS, FAILURE, CANCELLED = 0, 2, 6
STAGES = {"deploy": ["build", "migrate", "release"], "smoke": ["smoke"], "rollback": ["release"]}
FIELDS = (
    "correlation_id",
    "action",
    "environment",
    "percent",
    "version",
    "strategy",
    "deployment",
    "commit",
    "asked_by",
    "reason",
)
REQUIRED = {
    "deploy": ("reason", "revision", "correlation_id", "action", "environment"),
    "test": ("revision",),
}
COOKIE = "TWISTED_SESSION=of-the-deployer"
Answer = Callable[[web.Request], Coroutine[Any, Any, web.StreamResponse]]


@dataclass
class Asked:
    """A build request with its buildset, its one build and its steps."""

    number: int
    builder: int
    given: dict[str, Any]
    submitted: int
    build: dict[str, Any] | None = None
    steps: list[dict[str, Any]] = field(default_factory=list)
    results: int = -1
    complete_at: int | None = None
    work: asyncio.Task[None] | None = None
    process: asyncio.subprocess.Process | None = None
    stopped: str = ""

    def request(self) -> dict[str, Any]:
        plan = {} if "action" not in self.given else {"gonogo_stages": STAGES}
        properties = {
            name: [value, "Force Build Form"]
            for name, value in {**self.given, **plan}.items()
            if name != "revision"
        }
        return {
            "buildrequestid": self.number, "buildsetid": self.number,
            "builderid": self.builder, "properties": properties,
            "claimed": self.build is not None,
            "complete": self.complete_at is not None, "results": self.results,
            "submitted_at": self.submitted, "complete_at": self.complete_at,
        }  # fmt: skip

    def buildset(self) -> dict[str, Any]:
        stamp = {"ssid": self.number, "revision": self.given["revision"], "codebase": ""}
        return {
            "bsid": self.number,
            "reason": self.given.get("reason", "force build"),
            "sourcestamps": [stamp],
        }


class FakeMaster:
    """What ``Server`` is to a laboratory, without any Buildbot."""

    def __init__(self, folder: Path) -> None:
        self.repositories = folder / "repositories"
        self.repositories.mkdir()
        self.builders = ["deploy-shop", "test-shop"]
        self.asked: list[Asked] = []
        self.listeners: list[asyncio.Queue[dict[str, Any]]] = []
        self.url = ""
        self.ahead = timedelta(0)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        app = web.Application()
        routes: list[tuple[str, str, Answer]] = [
            ("GET", "/auth/login", self._login), ("GET", "/sse/listen/builds/*/*", self._listen),
            ("GET", "/api/v2/forceschedulers/{name}", self._scheduler),
            ("POST", "/api/v2/forceschedulers/{name}", self._force),
            ("POST", "/api/v2/{kind:buildrequests|builds}/{number}", self._control),
            ("GET", "/api/v2/{path:.*}", self._read),
        ]  # fmt: skip
        for method, path, answer in routes:
            app.router.add_route(method, path, answer)
        async with TestServer(app, shutdown_timeout=0.05) as server:
            self.url = str(server.make_url("")).rstrip("/")
            yield
            await self.close()

    async def close(self) -> None:
        works = [each.work for each in self.asked if each.work]
        for each in self.asked:
            self._stop(each, "the test is over")
        await asyncio.gather(*works, return_exceptions=True)

    def now(self) -> int:
        """Give the seconds since 1970 by this master's clock."""
        return int(time.time() + self.ahead.total_seconds())

    def clear(self) -> None:
        """Have nothing to clear: each test has a master of its own."""

    def count(self, builder: str) -> int:
        return len(
            [each for each in self.asked if each.builder == self.builders.index(builder) + 1]
        )

    # Asking -------------------------------------------------------------------------------------

    def force(self, scheduler: str, **params: Any) -> Any:
        builder = self.builders.index(scheduler) + 1
        given = {name: params[name] for name in (*FIELDS, "revision") if name in params}
        asked = Asked(len(self.asked) + 1, builder, given, self.now())
        self.asked.append(asked)
        asked.work = asyncio.create_task(self._work(asked))
        return [asked.number, {str(builder): asked.number}]

    async def _force(self, request: web.Request) -> web.StreamResponse:
        params, no = await self._called(request, "force")
        if no is not None:
            return no
        kind = request.match_info["name"].partition("-")[0]
        errors = {
            name: f"'{name}' needs to be specified"
            for name in REQUIRED[kind]
            if not params.get(name)
        }
        for name, choices in (("action", STAGES), ("environment", ENVIRONMENTS)):
            if kind == "deploy" and params.get(name) and params[name] not in choices:
                errors[name] = (
                    f"'{params[name]}' does not belong to list of available "
                    f"choices '{list(choices)}'"
                )
        if errors:
            return web.json_response(
                {"jsonrpc": "2.0", "error": {"code": -32602, "message": errors}}, status=400
            )
        return web.json_response(
            {"jsonrpc": "2.0", "id": 1, "result": self.force(request.match_info["name"], **params)}
        )

    async def _called(
        self, request: web.Request, *methods: str
    ) -> tuple[dict[str, Any], web.Response | None]:
        """Read a call; an unknown method answers null, and who is not
        logged in may call nothing.
        """
        body = json.loads(await request.read())
        if (
            set(body) != {"jsonrpc", "id", "method", "params"}
            or request.content_type != "application/json"
        ):
            return {}, web.json_response(
                {"error": {"code": -32600, "message": "no call"}}, status=400
            )
        if request.headers.get("Cookie") != COOKIE:
            message = "you need to have role 'deployers'"
            return {}, web.json_response(
                {"error": {"code": -32600, "message": message}}, status=403
            )
        if body["method"] not in methods:
            return {}, web.json_response({"jsonrpc": "2.0", "id": body["id"], "result": None})
        return {**body["params"], "method": body["method"]}, None

    async def _control(self, request: web.Request) -> web.StreamResponse:
        methods = {"buildrequests": ("cancel",), "builds": ("stop", "rebuild")}[
            request.match_info["kind"]
        ]
        params, no = await self._called(request, *methods)
        if no is not None:
            return no
        if params["method"] == "rebuild":
            # BuildEndpoint.control: a new request with the properties of the old one
            old = self.asked[int(request.match_info["number"]) - 1]
            result = self.force(self.builders[old.builder - 1], **old.given)
            return web.json_response({"jsonrpc": "2.0", "id": 1, "result": result})
        self._stop(self.asked[int(request.match_info["number"]) - 1], params["reason"])
        return web.json_response({"jsonrpc": "2.0", "id": 1, "result": None})

    def _stop(self, asked: Asked, reason: str) -> None:
        if asked.complete_at is None:
            asked.stopped = asked.stopped or reason
            if asked.process and asked.process.returncode is None:
                asked.process.kill()

    # Working ------------------------------------------------------------------------------------

    async def _work(self, asked: Asked) -> None:
        await asyncio.sleep(0.01)
        asked.build = {
            "buildid": asked.number,
            "number": asked.number,
            "builderid": asked.builder,
            "buildrequestid": asked.number,
        }
        asked.build |= {
            "started_at": self.now(),
            "complete": False,
            "complete_at": None,
            "results": None,
            "state_string": "building",
        }
        self._tell(asked)
        name = self.builders[asked.builder - 1]
        script, stages = (
            ("test.sh", ["test"])
            if name.startswith("test")
            else ("deploy.sh", STAGES[asked.given["action"]])
        )
        results = SUCCESS
        for stage in stages:
            results = await self._step(asked, script, stage)
            if results:
                break
        said = (
            f"cancelled ({asked.stopped})"
            if results == CANCELLED
            else "failed"
            if results
            else "build successful"
        )
        asked.build |= {
            "complete": True,
            "complete_at": self.now(),
            "results": results,
            "state_string": said,
        }
        asked.results, asked.complete_at = results, self.now()
        self._tell(asked)

    async def _step(self, asked: Asked, script: str, stage: str) -> int:
        if asked.stopped:
            return CANCELLED
        step = {
            "name": stage,
            "started_at": self.now(),
            "complete": False,
            "complete_at": None,
            "results": None,
            "hidden": False,
        }
        asked.steps.append(step | {"state_string": "pending"})
        repository = self.repositories / self.builders[asked.builder - 1].partition("-")[2]
        text = await asyncio.to_thread(
            _shown_by_git, repository, f"{asked.given['revision']}:{script}"
        )
        told = {f"GONOGO_{name.upper()}": str(value) for name, value in asked.given.items()}
        asked.process = await asyncio.create_subprocess_exec(
            "sh", "-s", stage, stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
            env={"PATH": os.environ["PATH"], **told},
        )  # fmt: skip
        if asked.stopped:  # while it was being made
            asked.process.kill()
        await asked.process.communicate(text)
        results = CANCELLED if asked.stopped else FAILURE if asked.process.returncode else SUCCESS
        word = {SUCCESS: "", FAILURE: " (failure)", CANCELLED: " (cancelled)"}[results]
        asked.steps[-1] |= {"complete": True, "complete_at": self.now(), "results": results}
        asked.steps[-1]["state_string"] = f"'./{script} {stage}'{word}"
        self._tell(asked)
        return results

    # Telling ------------------------------------------------------------------------------------

    def _tell(self, asked: Asked) -> None:
        for listener in self.listeners:
            listener.put_nowait(
                {"key": ["builds", str(asked.number), "update"], "message": asked.build}
            )

    async def _listen(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"event: handshake\ndata: 4b1c\n\n")
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.listeners.append(queue)
        try:
            while True:
                await response.write(
                    f"event: event\ndata: {json.dumps(await queue.get())}\n\n".encode()
                )
        finally:
            self.listeners.remove(queue)

    async def _login(self, request: web.Request) -> web.StreamResponse:
        right = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if request.headers.get("Authorization") != right:
            return web.Response(
                status=401,
                text="Unauthorized",
                headers={"WWW-Authenticate": 'basic realm="buildbot"'},
            )
        return web.Response(
            status=302, headers={"Location": f"{self.url}/#/", "Set-Cookie": f"{COOKIE}; Path=/"}
        )

    async def _scheduler(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if name not in self.builders:
            return _not_found()
        fields = [_spec(each, required=each in REQUIRED["deploy"]) for each in FIELDS]
        fields += [
            {**_spec("gonogo_stages"), "type": "fixed", "default": STAGES},
            {"fields": [_spec("revision", required=True)]},
        ]
        found = {"name": name, "builder_names": [name], "enabled": True, "all_fields": fields}
        return web.json_response({"forceschedulers": [found], "meta": {}})

    async def _read(self, request: web.Request) -> web.StreamResponse:
        parts, asks = request.match_info["path"].split("/"), request.query
        found = self._found(parts, asks)
        if found is None:
            return _not_found()
        field, down = asks.get("order", "").lstrip("-"), asks.get("order", "").startswith("-")
        found = sorted(found, key=lambda each: each[field], reverse=down) if field else found
        first = int(asks.get("offset", "0"))
        found = found[first : first + int(asks.get("limit", "1000"))]
        return web.json_response(
            {
                parts[-1] if not parts[-1].isdigit() else parts[-2]: found,
                "meta": {"total": len(found)},
            }
        )

    def _found(self, parts: list[str], asks: Mapping[str, str]) -> list[dict[str, Any]] | None:
        match parts:
            case ["builders"]:
                known = [
                    {"builderid": number, "name": name}
                    for number, name in enumerate(self.builders, 1)
                ]
                return [each for each in known if asks.get("name") in {None, each["name"]}]
            case ["builders", _, "workers"]:
                return [{"name": "deployer", "connected_to": [{"masterid": 1}], "paused": False}]
            case ["buildsets"]:
                return [
                    each.buildset()
                    for each in self.asked
                    if asks["reason__contains"] in each.given.get("reason", "")
                ]
            case ["builders", number, kind]:
                mine = [each for each in self.asked if each.builder == int(number)]
            case [kind]:
                wanted = asks.get("buildsetid") or asks["buildrequestid"]
                mine = [each for each in self.asked if each.number == int(wanted)]
            case [kind, number, *_]:
                mine = [each for each in self.asked if each.number == int(number)]
                if not mine:
                    return None
                kind = parts[-1] if not parts[-1].isdigit() else kind
        return [
            each
            for each in _shown(kind, mine)
            if asks.get("complete") in {None, str(each.get("complete")).lower()}
        ]


def _shown(kind: str, mine: list[Asked]) -> list[dict[str, Any]]:
    if kind == "steps":
        return list(itertools.chain.from_iterable(each.steps for each in mine))
    if kind == "builds":
        return [
            {**each.build, "properties": {"got_revision": [each.given["revision"], "Step"]}}
            for each in mine
            if each.build
        ]
    return [each.buildset() if kind == "buildsets" else each.request() for each in mine]


def _shown_by_git(repository: Path, what: str) -> bytes:
    return subprocess.run(
        ["git", "-C", repository, "show", what], check=True, capture_output=True
    ).stdout


def _spec(name: str, *, required: bool = False) -> dict[str, Any]:
    return {"name": name, "fullName": name, "type": "text", "required": required}


def _not_found() -> web.Response:
    return web.json_response({"error": "not found while getting from an endpoint"}, status=404)
