"""The door between our provider and ``emulate``: it passes everything on, writes down what was
asked, and adds what emulate lacks.

Two lists that GitHub always has are missing in emulate 0.12.2, and it answers 404 to them: the
combined status of a commit (https://docs.github.com/rest/commits/statuses) and the runs of a
workflow, because no workflow can be put into it
(https://docs.github.com/rest/actions/workflow-runs). For those, and only where emulate says 404,
the door says what GitHub says of a repository in which nothing has reported a status and nothing
was deployed yet. Nothing else is changed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, NamedTuple

import aiohttp
from aiohttp import web

_PASSED_ON = frozenset(
    {
        "authorization",
        "accept",
        "content-type",
        "x-github-api-version",
        "user-agent",
        "if-none-match",
    }
)
_PASSED_BACK = frozenset(
    {
        "date",
        "content-type",
        "link",
        "etag",
        "x-ratelimit-limit",
        "x-ratelimit-remaining",
        "x-ratelimit-reset",
    }
)
_LACKING = {
    re.compile(r"/repos/[^/]+/[^/]+/commits/[0-9a-f]{40}/status"): {
        "state": "pending",
        "statuses": [],
        "total_count": 0,
    },
    re.compile(r"/repos/[^/]+/[^/]+/actions/workflows/deploy\.yml/runs"): {
        "total_count": 0,
        "workflow_runs": [],
    },
}


class Asked(NamedTuple):
    """One request of our provider, and the emulator's own answer."""

    method: str
    path: str
    shown: str
    """What stood in Authorization, without its first word."""
    status: int


@dataclass
class Door:
    """See the module."""

    behind: str
    session: aiohttp.ClientSession
    asked: list[Asked] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    """The paths that emulate did not know and that the door answered."""

    def application(self) -> web.Application:
        """Make the server."""
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._pass)
        return application

    def with_status(self, status: int) -> list[str]:
        """List what emulate answered in one way."""
        return [f"{each.method} {each.path}" for each in self.asked if each.status == status]

    async def _pass(self, request: web.Request) -> web.Response:
        headers = {
            name: value for name, value in request.headers.items() if name.lower() in _PASSED_ON
        }
        body = await request.read()
        async with self.session.request(
            request.method,
            self.behind + request.raw_path,
            headers=headers,
            data=body or None,
            allow_redirects=False,
        ) as answer:
            shown = request.headers.get("Authorization", "").partition(" ")[2]
            self.asked.append(Asked(request.method, request.path, shown, answer.status))
            said = {
                name: value
                for name, value in answer.headers.items()
                if name.lower() in _PASSED_BACK
            }
            return self._lacking(request, answer.status) or web.Response(
                status=answer.status, headers=said, body=await answer.read()
            )

    def _lacking(self, request: web.Request, status: int) -> web.Response | None:
        found: Any = next(
            (said for path, said in _LACKING.items() if path.fullmatch(request.path)), None
        )
        if found is None or status != HTTPStatus.NOT_FOUND:
            return None
        self.added.append(request.path)
        return web.json_response(found)
