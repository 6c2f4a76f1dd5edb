"""The door of the fake GitHub: who is let in, what goes wrong on request, and what both sides must
look like by GitHub's description.

Rules name their source as in ``github_fake``.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.providers.ci import github_shape as shape
from tests.providers.ci.github_answers import Answer, Asked, sample
from tests.providers.ci.github_app import App, Refused
from tests.providers.ci.github_views import Views
from tests.providers.ci.github_world import World

TOKEN = "github_pat_11AAAAAAA0aaaaaaaaaaaa_bbbbbbbbbbbbbbbb"
FINE_GRAINED = {"metadata": "read", "contents": "read", "actions": "write", "statuses": "read"}
_DEEP = frozenset({"ref", "basehead", "path"})  # may hold slashes: x-multi-segment in [api]


@dataclass
class Fault:
    kind: str
    path: str
    times: int


@dataclass(frozen=True)
class Route:
    method: str
    template: str
    permission: str
    answer: Callable[[Asked], Answer]


@dataclass
class Door:
    """What stands before every answer. ``complaints`` must be empty at the end of every test."""

    world: World = field(default_factory=World)
    prefix: str = ""
    tokens: dict[str, dict[str, str]] = field(default_factory=lambda: {TOKEN: dict(FINE_GRAINED)})
    names_runs_it_starts: bool = True
    """False is GitHub Enterprise Server up to 3.19: no return_run_details [api of ghes-3.19]."""
    remaining: int = 5000
    scopes: str | None = None
    """Of a classic token."""
    faults: list[Fault] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    sent: list[tuple[str, Any]] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    app: App = field(default_factory=App)
    views: Views = field(init=False)

    def __post_init__(self) -> None:
        self.views = Views(self.world)

    def routes(self) -> list[Route]:
        """List what is answered; the answers are elsewhere."""
        raise NotImplementedError

    def application(self) -> web.Application:
        application = web.Application()
        for route in self.routes():
            path = route.template
            for name in _DEEP:
                path = path.replace(f"{{{name}}}", f"{{{name}:.+}}")
            application.router.add_route(route.method, self.prefix + path, self._door(route))
        return application

    def _door(self, route: Route) -> Callable[[web.Request], Any]:
        async def door(request: web.Request) -> web.StreamResponse:
            self.requests.append(f"{request.method} {request.path_qs}")
            fault = self._fault(request.path)
            if fault == "timeout":
                await self.closing.wait()
            if fault.isdecimal():
                return self._refusal(Refused(int(fault), f"told to answer {fault}"))
            try:
                answer = await self._carry_out(route, request)
            except Refused as refused:
                if not fault.startswith("{"):
                    return self._refusal(refused)
            if fault.startswith("{"):  # a proxy answers in GitHub's place
                return web.Response(text=fault, content_type="application/json")
            if fault in {"lost", "truncated"}:
                return await self._break(request, answer, fault)
            return self._response(request, answer)

        return door

    def _fault(self, path: str) -> str:
        for fault in self.faults:
            if fault.times and fault.path in path:
                fault.times -= 1
                return fault.kind
        return ""

    async def _carry_out(self, route: Route, request: web.Request) -> Answer:
        body = await request.read()
        self._admit(route, request)
        parts = dict(request.match_info)
        if "owner" in parts and f"{parts['owner']}/{parts['repo']}" != self.world.name:
            raise Refused(404)
        try:
            asked = Asked(
                parts,
                request.query,
                json.loads(body) if body else None,
                request.headers.get("Accept", ""),
            )
        except ValueError:
            raise Refused(400, "Problems parsing JSON") from None  # [docs] "Troubleshooting"
        self.sent.append((request.path, asked.body))
        answer = route.answer(asked)
        self._check(route, request, body, answer)
        return answer

    def _admit(self, route: Route, request: web.Request) -> None:
        if not request.headers.get("User-Agent"):
            raise Refused(
                403,
                (
                    "Request forbidden by administrative rules. Please make sure your "
                    "request has a User-Agent header"
                ),
            )  # [docs]
        if request.headers.get("X-GitHub-Api-Version", "2022-11-28") != "2022-11-28":
            raise Refused(400, "unsupported version")  # [docs] "API Versions"
        if self.remaining <= 0:
            # [docs] "Rate limits for the REST API"
            raise Refused(403, "API rate limit exceeded for user ID 1.")
        shown = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if route.permission == "app":
            self.app.admit(shown, self.world.now())
            return
        granted = self.tokens.get(shown)
        if granted is None:
            raise Refused(401)
        if route.template.endswith("/deployment_protection_rule") and not shown.startswith("ghs_"):
            # [docs] "GitHub Apps can only review their own custom deployment protection rules."
            raise Refused(403)
        name, _, level = route.permission.partition("=")
        if granted.get(name) not in {level, "write"}:
            # [docs] "Troubleshooting"
            raise Refused(403, **{"X-Accepted-GitHub-Permissions": route.permission})

    def _check(self, route: Route, request: web.Request, body: bytes, answer: Answer) -> None:
        text = json.dumps(sample(answer.data)).encode() if answer.data is not None else None
        try:
            shape.check(
                route.template,
                request.match_info,
                request.method,
                request.query,
                body,
                answer.status,
                text,
            )
        except shape.Misfit as misfit:
            self.complaints.append(str(misfit))

    def _headers(self) -> dict[str, str]:
        scopes = {} if self.scopes is None else {"X-OAuth-Scopes": self.scopes}
        now = self.world.http_time()
        reset = str(int(self.world.now().timestamp()) + 60)
        return {
            **scopes,
            "Date": now,
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": reset,
            "X-GitHub-Request-Id": "1",
        }

    def _refusal(self, refused: Refused) -> web.Response:
        data = {
            "message": refused.message,
            "documentation_url": "https://docs.github.com/rest",
            "status": str(refused.status),
        }
        return web.json_response(
            data, status=refused.status, headers={**self._headers(), **refused.headers}
        )

    def _response(self, request: web.Request, answer: Answer) -> web.StreamResponse:
        body = (
            answer.text
            if answer.text is not None
            else json.dumps(answer.data)
            if answer.data is not None
            else ""
        )
        etag = f'W/"{hashlib.sha256(body.encode()).hexdigest()}"'
        known = request.method == "GET" and request.headers.get("If-None-Match") == etag
        # an answer that has not changed is free of charge [docs] "Best practices"
        self.remaining -= not known
        headers = {**self._headers(), **({"ETag": etag} if request.method == "GET" else {})}
        if known:
            return web.Response(status=304, headers=headers)
        kind = "text/plain" if answer.text is not None else "application/json"
        return web.Response(text=body, status=answer.status, headers=headers, content_type=kind)

    async def _break(self, request: web.Request, answer: Answer, fault: str) -> web.StreamResponse:
        assert request.transport is not None
        response = web.StreamResponse(
            headers={"Content-Length": "10000", "Content-Type": "application/json"}
        )
        if fault == "truncated":
            await response.prepare(request)
            text = json.dumps(answer.data).encode()
            await response.write(text[: len(text) // 2])
        request.transport.abort()
        return response
