"""A Jenkins on loopback HTTP that refuses what the real one refuses.

Sources are named as classes of Jenkins core (2.4xx), of the plugin "Pipeline: REST API"
(pipeline-stage-view-plugin, folder rest-api), and pages of jenkins.io. Answers are pruned by
``tree`` as Stapler's NamedPathPruner does: what is not asked for is not there.
"""

from __future__ import annotations

import asyncio
import base64
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from aiohttp.typedefs import Handler

from tests.providers.ci.jenkins_world import Build, Job, World

PREFIX = "/jenkins"
USER, TOKEN, PASSWORD = "gonogo", "11d3a5f0c2b4e6978899aabbccddeeff00", "open sesame"
Answer = Callable[[web.Request, Job], Awaitable[web.StreamResponse]]
_TOKEN_OF_TREE = re.compile(r"[\w$-]+|\{\d*,?\d*\}|[\[\],]")


@dataclass
class Fault:
    """Something that goes wrong the next times a path is asked for."""

    kind: str
    path: str
    times: int


class FakeJenkins:
    """The HTTP side."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.faults: list[Fault] = []
        self.requests: list[web.Request] = []
        self.stage_plugin = True
        self.old_core = False
        """Before 2.332 or so, cancelItem leads back to the page that one came
        from, whatever happened.
        """
        self.refuses_all = False
        """A QueueDecisionHandler says no."""
        self.names_no_item = False
        self.may_cancel = True
        self.is_anonymous = False
        self.is_jenkins = True
        self.skew = 0.0
        self.before_cancelling: Callable[[], None] = lambda: None
        self._released = asyncio.Event()
        application = web.Application(middlewares=[self._serve])
        get, post = application.router.add_get, application.router.add_post
        get(f"{PREFIX}/whoAmI/api/json", self._who)
        get(f"{PREFIX}/queue/api/json", self._queue)
        get(f"{PREFIX}/queue/item/{{id:\\d+}}/api/json", self._item)
        post(f"{PREFIX}/queue/cancelItem", self._cancel_item)
        job, number = f"{PREFIX}{{job:(?:/job/[^/]+)+}}", "{number:\\d+}"
        get(f"{job}/api/json", self._of_job(self._job))
        get(f"{job}/wfapi/describe", self._of_job(self._describe_job))
        post(f"{job}/buildWithParameters", self._of_job(self._start))
        get(f"{job}/{number}/api/json", self._of_job(self._build))
        post(f"{job}/{number}/stop", self._of_job(self._stop))
        post(f"{job}/{number}/input/{{id}}/proceedEmpty", self._of_job(self._proceed))
        get(f"{job}/{number}/wfapi/describe", self._of_job(self._describe))
        get(f"{job}/{number}/wfapi/pendingInputActions", self._of_job(self._inputs))
        self._server = TestServer(application, host="127.0.0.1")

    async def open(self) -> str:
        await self._server.start_server()
        return str(self._server.make_url(PREFIX))

    async def close(self) -> None:
        self._released.set()
        await self.world.close()
        await self._server.close()

    @web.middleware
    async def _serve(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.requests.append(request)
        fault = self._fault_of(request)
        if fault == "timeout":
            await self._released.wait()
        if fault.isdigit():
            # Jenkins has none of its own; a proxy has
            return _refuse(int(fault), {"Retry-After": "0"} if fault == "429" else {})
        answer = self._barred(request) or (
            await handler(request) if self.is_jenkins else web.json_response({"hello": "world"})
        )
        answer.headers["X-Jenkins"] = "2.462.3"
        answer.headers["Date"] = formatdate(time.time() + self.skew, usegmt=True)
        if fault == "lost":
            assert request.transport is not None
            request.transport.abort()
        if (
            fault == "truncated"
            and isinstance(answer, web.Response)
            and isinstance(answer.body, bytes)
        ):
            answer.body = answer.body[: len(answer.body) // 2]
        return answer

    def _fault_of(self, request: web.Request) -> str:
        for fault in self.faults:
            # forgotten; no plugin
            means_something = fault.kind == "404" and (
                "/queue/item/" in request.path or "/wfapi/" in request.path
            )
            if fault.times > 0 and fault.path in request.path and not means_something:
                fault.times -= 1
                return fault.kind
        return ""

    def _barred(self, request: web.Request) -> web.Response | None:
        """Check who asks: jenkins.io, "Authenticating scripted clients" and "CSRF protection"."""
        said = request.headers.get("Authorization", "")
        if not said:
            return _refuse(403)  # anonymous has no Overall/Read
        known = {
            secret: base64.b64encode(f"{USER}:{secret}".encode()).decode()
            for secret in (TOKEN, PASSWORD)
        }
        if said not in {f"Basic {each}" for each in known.values()}:
            return _refuse(401)
        if request.method == "POST" and said == f"Basic {known[PASSWORD]}":
            # "No valid crumb was included in the request"; API tokens are exempt since 2.107
            return _refuse(403)
        return None

    def _of_job(self, answer: Answer) -> Handler:
        async def found(request: web.Request) -> web.StreamResponse:
            job = next(
                (
                    each
                    for each in self.world.jobs.values()
                    if each.path == request.match_info["job"]
                ),
                None,
            )
            return await answer(request, job) if job else _refuse(404)

        return found

    async def _who(self, request: web.Request) -> web.Response:
        return _json(
            request,
            {"anonymous": self.is_anonymous, "authenticated": not self.is_anonymous, "name": USER},
        )

    async def _queue(self, request: web.Request) -> web.Response:
        root = f"http://jenkins.internal{PREFIX}"  # the configured root URL, which need not be ours
        items = [
            item.exported(root) for item in self.world.items.values() if not item.has_left
        ]  # Queue.getItems
        return _json(request, {"_class": "hudson.model.Queue", "items": items})

    async def _item(self, request: web.Request) -> web.Response:
        item = self.world.items.get(int(request.match_info["id"]))
        return (
            _json(request, item.exported(f"http://jenkins.internal{PREFIX}"))
            if item
            else _refuse(404)
        )

    async def _cancel_item(self, request: web.Request) -> web.Response:
        """Queue.doCancelItem: 204; 404 when it is too late (JENKINS-14813); 422 without Job/Cancel.
        Old ones only lead back.
        """
        self.before_cancelling()
        await asyncio.sleep(0.02)
        given = request.query.get("id", "")
        if not given.isdigit():
            return _refuse(400)
        item = self.world.items.get(int(given))
        late = item is None or item.has_left
        if item is not None and not late and self.may_cancel:
            item.cancelled = True
        if self.old_core:
            return _back()
        return (
            _refuse(404 if late else 422)
            if late or not self.may_cancel
            else web.Response(status=204)
        )

    async def _job(self, request: web.Request, job: Job) -> web.Response:
        return _json(request, job.exported())

    async def _start(self, request: web.Request, job: Job) -> web.Response:
        """ParameterizedJobMixIn.doBuildWithParameters and
        ParametersDefinitionProperty.buildWithParameters.
        """
        if not job.enabled:
            return _refuse(409)
        if not job.parameters:
            return _refuse(500)  # IllegalStateException: This build is not parameterized!
        given = {
            **dict(request.query),
            **{name: str(value) for name, value in (await request.post()).items()},
        }
        # what is not declared is dropped without a word
        pairs = tuple((name, given.get(name, "")) for name in job.parameters)
        if self.refuses_all:
            return _back()  # sendRedirect(".")
        # else the global quiet period, five seconds by default
        item = self.world.queue(job, pairs, quiet=given.get("delay") != "0sec")
        where = (
            {}
            if self.names_no_item
            else {"Location": f"http://{request.host}{PREFIX}/queue/item/{item.id}/"}
        )
        return web.Response(status=201, headers=where)

    async def _build(self, request: web.Request, job: Job) -> web.Response:
        build = _numbered(request, job)
        return _json(request, build.exported()) if build else _refuse(404)

    async def _stop(self, request: web.Request, job: Job) -> web.Response:
        """WorkflowRun.doStop: leads back to the page that one came from, also
        when nothing is building.
        """
        build = _numbered(request, job)
        if build is None:
            return _refuse(404)
        build.stop(f"Aborted by {USER}")
        return _back()

    async def _describe_job(self, request: web.Request, job: Job) -> web.Response:
        return (
            _json(request, {"name": job.name, "runCount": len(job.builds)})
            if self.stage_plugin
            else _refuse(404)
        )

    async def _describe(self, request: web.Request, job: Job) -> web.Response:
        build = _numbered(request, job)
        return _json(request, build.described()) if build and self.stage_plugin else _refuse(404)

    async def _inputs(self, request: web.Request, job: Job) -> web.Response:
        build = _numbered(request, job)
        if build is None or not self.stage_plugin:
            return _refuse(404)
        return _json(request, build.questions)

    async def _proceed(self, request: web.Request, job: Job) -> web.Response:
        """InputStepExecution.doProceedEmpty: 200; a Failure is 400; what is
        settled is not there any more.
        """
        build = _numbered(request, job)
        if build is None or request.match_info["id"] not in [
            each["id"] for each in build.questions
        ]:
            return _refuse(404)
        if build.submitter not in {"", USER}:
            return _refuse(400)  # "You need to be … to submit this."
        build.answered.set()
        return web.Response()


def pruned(data: Any, tree: str) -> Any:
    """Prune an answer as Stapler's NamedPathPruner does. Raises ValueError for a
    tree that it would not take.
    """
    tokens = _TOKEN_OF_TREE.findall(tree)
    if "".join(tokens) != tree:
        raise ValueError(tree)
    names = _names(tokens)
    if tokens:
        raise ValueError(tree)
    return _prune(data, names)


def _names(tokens: list[str]) -> dict[str, tuple[dict[str, Any] | None, str]]:
    found: dict[str, tuple[dict[str, Any] | None, str]] = {}
    while True:
        name, inner, span = tokens.pop(0) if tokens else "", None, ""
        if not re.fullmatch(r"[\w$-]+", name):
            raise ValueError(name)
        if tokens[:1] == ["["]:
            tokens.pop(0)
            inner = _names(tokens)
            if not tokens or tokens.pop(0) != "]":
                raise ValueError(name)
        if tokens and tokens[0].startswith("{"):
            span = tokens.pop(0)
        found[name] = (inner, span)
        if tokens[:1] != [","]:
            return found
        tokens.pop(0)


def _prune(data: Any, names: dict[str, Any]) -> Any:
    if isinstance(data, list):
        return [_prune(each, names) for each in data]
    if not isinstance(data, dict):
        return data
    kept: dict[str, Any] = {"_class": data["_class"]} if "_class" in data else {}
    for name, (inner, span) in names.items():
        if name in data:
            value = data[name]
            if span and isinstance(value, list):
                first, _, last = span.strip("{}").partition(",")
                value = value[int(first or 0) : int(last) if last else None]
            kept[name] = _prune(value, inner) if inner is not None else value
    return kept


def _numbered(request: web.Request, job: Job) -> Build | None:
    return next(
        (each for each in job.builds if each.number == int(request.match_info["number"])), None
    )


def _json(request: web.Request, data: Any) -> web.Response:
    tree = request.query.get("tree")
    try:
        return web.json_response(pruned(data, tree) if tree else data)
    except ValueError:
        return _refuse(400)


def _refuse(status: int, headers: dict[str, str] | None = None) -> web.Response:
    """Refuse as Jetty does: with a page of HTML."""
    return web.Response(
        status=status,
        text=f"<html><h2>HTTP ERROR {status}</h2></html>",
        content_type="text/html",
        headers=headers,
    )


def _back() -> web.Response:
    return web.Response(status=302, headers={"Location": "."})
