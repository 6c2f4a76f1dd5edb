"""The other doors on a real socket: notices from CI, health, readiness, figures."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import cast

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.domain.errors import IntegrationError
from bot.ports.ci import CIProvider, RunHint
from handlers.web.health import health_routes
from handlers.web.telemetry import Telemetry, metrics_route
from handlers.webhooks.ci import ci_route


class SignedNotices:
    """The webhook half of a CI provider: a secret header, and the run's id at the body's end."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def parse_webhook(self, headers: Mapping[str, str], body: bytes) -> RunHint:
        if headers.get("X-Secret") != self._secret:
            raise IntegrationError("no", vendor="fake", status=401, retry=False)
        if not body.endswith(b"}"):
            raise IntegrationError("no", vendor="fake", status=400, retry=False)
        if b"oops" in body:
            raise KeyError("a mistake of the provider's own")
        return RunHint(body.rpartition(b"{")[2].decode().rstrip("}"))


KNOWN = {"database": "Whole when it was looked through to its end, 2026-11-28 03:00 UTC."}


class Site:
    """The site, and what it was told."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self.session = session
        self.woken: list[str] = []
        self.problem = ""
        self.worry = ""

    async def notice(
        self,
        body: bytes | AsyncIterator[bytes],
        secret: str = "one",  # noqa: S107
        provider: str = "fake",
    ) -> int:
        async with self.session.post(
            f"{self.url}/webhooks/ci/{provider}", data=body, headers={"X-Secret": secret}
        ) as response:
            assert await response.text() == ""
            return response.status

    async def get(self, path: str) -> tuple[int, str]:
        async with self.session.get(f"{self.url}{path}") as response:
            return response.status, await response.text()


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    """Open the doors; two services share the provider named fake."""
    async with aiohttp.ClientSession() as session:
        site = Site("", session)
        providers = [cast("CIProvider", SignedNotices(secret)) for secret in ("one", "two")]

        async def wake(provider: str, hint: RunHint) -> bool:
            assert provider == "fake"
            site.woken.append(hint.run)
            return hint.run != "unknown"

        async def worries() -> str:
            if site.worry == "hangs":
                await asyncio.Event().wait()
            return site.worry

        async def known() -> str:
            return KNOWN["database"]

        async def ask() -> str:
            if site.problem == "raises":
                raise OSError("secret path")
            if site.problem == "hangs":
                await asyncio.Event().wait()
            return site.problem

        telemetry = Telemetry()
        application = web.Application()
        application.add_routes(
            [
                ci_route(lambda name: providers if name == "fake" else [], wake, telemetry),
                metrics_route(telemetry),
            ]
        )
        application.add_routes(
            health_routes(
                {"database": ask}, worrying={"audit log": worries}, known={"database": known}
            )
        )
        server = TestServer(application)
        await server.start_server()
        site.url = str(server.make_url("")).rstrip("/")
        yield site
        await server.close()


@pytest.mark.parametrize(
    ("body", "secret", "provider", "status"),
    [
        (b"{7}", "one", "fake", 202), (b"{8}", "two", "fake", 202),
        (b"{unknown}", "one", "fake", 202), (b"{7}", "three", "fake", 401),
        (b"{7", "two", "fake", 400), (b"{7}", "one", "nobody", 404),
        (b"{oops}", "one", "fake", 400),
    ],
)  # fmt: skip
async def test_a_notice_is_verified_first_and_only_wakes(
    site: Site, body: bytes, secret: str, provider: str, status: int
) -> None:
    assert await site.notice(body, secret, provider) == status
    assert site.woken == ([body.decode().strip("{}")] if status == 202 else [])
    assert "nobody" not in (await site.get("/metrics"))[1], "a name from outside makes no series"


async def _slowly(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part
        await asyncio.sleep(0.01)


async def test_a_notice_that_comes_in_pieces_is_read_whole(site: Site) -> None:
    assert await site.notice(_slowly(b"x" * 100_000, b"y" * 100_000, b"{7}")) == 202
    assert site.woken == ["7"]


async def test_a_notice_of_six_megabytes_is_refused(site: Site) -> None:
    assert await site.notice(_slowly(*[b"x" * 1_000_000] * 6)) == 413


async def test_health_says_that_the_process_lives(site: Site) -> None:
    status, text = await site.get("/healthz")
    assert (status, '"alive"' in text) == (200, True)


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        ("", "ready"),
        ("is read-only", "is read-only"),
        ("raises", "OSError"),
        ("hangs", "no answer within 2 s"),
    ],
)
async def test_readiness_says_what_is_wrong_and_no_secrets(
    site: Site, problem: str, said: str
) -> None:
    site.problem = problem
    status, text = await site.get("/readyz")
    assert status == (503 if problem else 200)
    assert said in text
    assert "secret path" not in text


@pytest.mark.case("trust-8")
@pytest.mark.case("reliability-6")
async def test_a_look_that_took_too_long_is_told_as_no_damage(site: Site) -> None:
    site.worry = "hangs"
    status, text = await site.get("/readyz")
    told = "This could not be looked at within 2 s; nothing is known to be wrong with it."
    assert (status, json.loads(text)["worries"]) == (200, {"audit log": told})


async def test_a_worry_is_named_and_leaves_the_bot_within_reach_of_a_rollback(site: Site) -> None:
    site.worry = "it does not hold at entry 2"
    status, text = await site.get("/readyz")
    assert status == 200
    assert json.loads(text) == {
        "status": "ready",
        "problems": {},
        "worries": {"audit log": "it does not hold at entry 2"},
        "known": KNOWN,
    }


async def test_figures_are_for_prometheus(site: Site) -> None:
    await site.notice(b"{7}")
    status, text = await site.get("/metrics")
    assert status == 200
    assert 'gonogo_webhooks_total{outcome="woken",provider="fake"} 1.0' in text
