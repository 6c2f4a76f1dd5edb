"""Anything at all as a notice of a vendor, signed or not, and as a question to the open
routes: never a fault of ours.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import quote

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from bot.ports.ci import CIProvider, RunHint
from bot.providers.ci.buildbot import webhook as buildbot
from bot.providers.ci.github import webhook as github
from bot.providers.ci.gitlab import webhook as gitlab
from bot.providers.ci.jenkins import webhook as jenkins
from handlers.web.health import health_routes
from handlers.web.telemetry import Telemetry, metrics_route
from handlers.webhooks.ci import ci_route
from tests.handlers.test_fuzz import ANYTHING, TEXT, places, put

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
SECRET = "a-secret-of-the-webhooks"
pytestmark = pytest.mark.case("trust-6")
FUZZ = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

Headers = Mapping[str, str]


def from_gitlab(headers: Headers, body: bytes) -> RunHint:
    gitlab.verify(headers, body, key=b"", token=SECRET, now=NOW)
    return gitlab.read(headers, body)


READERS: dict[str, Callable[[Headers, bytes], RunHint]] = {
    "github": lambda headers, body: github.parse(headers, body, secret=SECRET),
    "gitlab": from_gitlab,
    "jenkins": lambda headers, body: jenkins.read(
        headers, body, secret=SECRET, now=NOW, vendor="Jenkins"
    ),
    "buildbot": lambda headers, body: buildbot.read(headers, body, secret=SECRET, now=NOW),
}
SIGNED: dict[str, Callable[[bytes, str], dict[str, str]]] = {
    "github": lambda body, event: {
        "X-Hub-Signature-256": github.sign(SECRET, body),
        "X-GitHub-Event": event,
    },
    "gitlab": lambda _body, _event: {"X-Gitlab-Token": SECRET},
    "jenkins": lambda body, _event: {jenkins.HEADER: jenkins.sign(SECRET, body, NOW)},
    "buildbot": lambda body, _event: {buildbot.HEADER: buildbot.sign(SECRET, body, NOW)},
}
NOTICES: dict[str, list[dict[str, Any]]] = {
    "github": [
        {
            "workflow_run": {"id": 7, "display_title": "deploy storefront-1:canary-5:ab"},
            "workflow_job": {"run_id": 7},
        },
        {
            "deployment_callback_url": (
                "https://api.example.com/repos/a/b/actions/runs/7/deployment_protection_rule"
            )
        },
    ],
    "gitlab": [
        {
            "object_kind": "pipeline",
            "object_attributes": {"id": 7, "name": "x", "variables": [{"key": "a", "value": "b"}]},
        },
        {"object_kind": "build", "pipeline_id": 7, "source_pipeline": {"pipeline_id": 8}},
    ],
    "jenkins": [{"correlation": "storefront-1:canary-5:ab", "build": 7, "state": "FINALIZED"}],
    "buildbot": [
        {"builder": "deploy", "buildrequestid": 7, "correlation_id": "storefront-1:canary-5:ab"}
    ],
}
EVENTS = ["workflow_run", "workflow_job", "deployment_protection_rule", "ping"]


@dataclass(frozen=True)
class Reader:
    """The webhook half of a vendor's provider."""

    name: str

    def parse_webhook(self, headers: Headers, body: bytes) -> RunHint:
        return READERS[self.name](headers, body)


@dataclass
class Site:
    """The open routes, and what was taken for a notice."""

    url: str
    session: aiohttp.ClientSession
    woken: list[RunHint] = field(default_factory=list)

    async def asks(
        self, method: str, path: str, body: bytes = b"", headers: Headers | None = None
    ) -> int:
        with capture_logs() as lines:
            async with self.session.request(
                method, f"{self.url}{path}", data=body, headers=headers
            ) as response:
                await response.read()
        assert response.status < 500, (method, path, body)
        assert [line for line in lines if line["log_level"] in {"error", "critical"}] == []
        for hint in self.woken:
            assert all(type(each) is str for each in (hint.run, hint.correlation, hint.delivery))
        self.woken.clear()
        return response.status


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    """Open the routes with every vendor behind them."""

    async def well() -> str:
        return ""

    async with aiohttp.ClientSession() as session:
        site = Site("", session)

        async def wake(_provider: str, hint: RunHint) -> bool:
            site.woken.append(hint)
            return True

        telemetry, application = Telemetry(), web.Application()
        known = {name: [cast("CIProvider", Reader(name))] for name in READERS}
        application.add_routes(
            [ci_route(lambda name: known.get(name, []), wake, telemetry), metrics_route(telemetry)]
        )
        application.add_routes(
            health_routes({"database": well}, alive={"engine": well}, worrying={"audit log": well})
        )
        server = TestServer(application)
        await server.start_server()
        site.url = str(server.make_url("")).rstrip("/")
        yield site
        await server.close()


@pytest.mark.parametrize("vendor", READERS)
@FUZZ
@given(data=st.data())
async def test_whatever_a_vendor_signs_the_answer_is_no_fault(
    site: Site, vendor: str, data: st.DataObject
) -> None:
    notice: Any = data.draw(st.sampled_from(NOTICES[vendor]))
    for _ in range(data.draw(st.integers(0, 3))):
        way = data.draw(st.sampled_from(places(notice)))
        gone = bool(way) and data.draw(st.booleans())
        notice = put(notice, way, None if gone else data.draw(ANYTHING), gone=gone)
    body = json.dumps(notice).encode()
    status = await site.asks(
        "POST",
        f"/webhooks/ci/{vendor}",
        body,
        SIGNED[vendor](body, data.draw(st.sampled_from(EVENTS))),
    )
    assert status in {202, 400}


@pytest.mark.parametrize("vendor", [*READERS, "nobody"])
@FUZZ
@given(
    body=st.binary(max_size=80),
    is_signed=st.booleans(),
    more=st.text("tv0123=,\x80\xff zabcdef", max_size=30),
)
async def test_whatever_bytes_come_as_a_notice_the_answer_is_a_no(
    site: Site, vendor: str, body: bytes, *, is_signed: bool, more: str
) -> None:
    headers = SIGNED[vendor](body, "workflow_run") if is_signed and vendor in SIGNED else {}
    strange = {
        name: more.strip()
        for name in (
            "X-Gonogo-Signature",
            "X-Hub-Signature-256",
            "Webhook-Signature",
            "Webhook-Timestamp",
        )
    }
    status = await site.asks("POST", f"/webhooks/ci/{vendor}", body, {**strange, **headers})
    assert status == (404 if vendor == "nobody" else status)
    assert is_signed or status in {401, 404}


@pytest.mark.parametrize(
    "path", ["/healthz", "/readyz", "/metrics", "/webhooks/ci/github", "/webhooks/ci/", "/"]
)
@FUZZ
@given(
    method=st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "STRANGE"]),
    query=TEXT.map(lambda text: text.encode(errors="replace").decode()),
    body=st.binary(max_size=40),
    accept=st.sampled_from(
        ["", "*/*", "text/plain; version=0.0.4", "application/openmetrics-text", "a/b;q=x", ";;;"]
    ),
)
async def test_whatever_is_asked_of_an_open_route_the_answer_is_no_fault(
    site: Site, path: str, method: str, query: str, body: bytes, accept: str
) -> None:
    await site.asks(
        method, f"{path}?{quote(query)}", body, {"Accept": accept, "Content-Type": accept or "x"}
    )
