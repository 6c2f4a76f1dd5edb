"""The REST client where an answer is no document: streams of events, redirects that are meant, and
JSON-RPC's way to say no.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import cast

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.providers.exchange import Budget, RestError
from bot.providers.rate_limits import RateLimits
from bot.providers.rest import RestClient

SECRET = "a-secret-word"


async def streams(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"event: one\r\ndata: {}\n\n")
    if "silent" in request.path:
        await asyncio.sleep(30)
    if "torn" in request.path and request.transport:
        request.transport.abort()
    if "endless" in request.path:
        await response.write(b"x" * 3_000_000)
    return response


async def logs_in(request: web.Request) -> web.StreamResponse:
    assert request.headers["Authorization"] == "Basic x"
    return web.Response(status=302, headers={"Location": "/elsewhere", "Set-Cookie": "S=1; Path=/"})


async def refuses(_: web.Request) -> web.StreamResponse:
    return web.json_response(
        {
            "error": {
                "code": -32602,
                "message": {"environment": f"no {SECRET}", "percent": "no number"},
            }
        },
        status=400,
    )


async def forbids(_: web.Request) -> web.StreamResponse:
    return web.json_response(
        {"jsonrpc": "2.0", "error": {"code": -32600, "message": "you need a role"}}, status=403
    )


@pytest.fixture
async def rest() -> AsyncIterator[RestClient]:
    app = web.Application()
    for path, scene in (
        ("/stream/{how}", streams),
        ("/login", logs_in),
        ("/refuses", refuses),
        ("/forbids", forbids),
    ):
        app.router.add_route("*", path, scene)
    server = TestServer(app, shutdown_timeout=0.05)
    await server.start_server()
    budget = Budget(timeout=10.0, tries=2, longest_wait=0.1, first_pause=0.01)
    async with aiohttp.ClientSession() as session:
        yield RestClient(
            session,
            str(server.make_url("")),
            vendor="Vendor",
            rate_limits=RateLimits(),
            secrets=(SECRET,),
            budget=budget,
        )
    await server.close()


async def test_a_stream_is_given_line_by_line_until_it_ends(rest: RestClient) -> None:
    assert [line async for line in rest.listen("/stream/whole", silence=5)] == [
        "event: one",
        "data: {}",
        "",
    ]


@pytest.mark.parametrize("how", ["silent", "torn", "endless"])
async def test_a_stream_that_breaks_off_says_so_and_may_be_tried_again(
    rest: RestClient, how: str
) -> None:
    lines = []
    with pytest.raises(RestError) as caught:
        lines += [line async for line in rest.listen(f"/stream/{how}", silence=0.1)]
    assert (caught.value.retry, caught.value.perhaps_done) == (True, False)


async def test_a_stream_that_is_refused_has_its_status(rest: RestClient) -> None:
    with pytest.raises(RestError) as caught:
        _ = [line async for line in rest.listen("/forbids", silence=1)]
    assert (caught.value.status, caught.value.retry, "you need a role" in str(caught.value)) == (
        403,
        False,
        True,
    )


async def test_a_host_that_wants_to_be_left_alone_is_not_listened_to(rest: RestClient) -> None:
    rest._rate_limits.leave_alone(rest._host, 30)
    with pytest.raises(RestError, match="left alone") as caught:
        _ = [line async for line in rest.listen("/stream/whole", silence=1)]
    assert caught.value.retry


async def test_a_stream_can_be_left_at_any_time(rest: RestClient) -> None:
    heard = asyncio.Event()

    async def listen() -> None:
        async for _ in rest.listen("/stream/silent", silence=30):
            heard.set()

    task = asyncio.create_task(listen())
    await heard.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_redirect_is_an_answer_only_where_it_is_meant_and_never_followed(
    rest: RestClient,
) -> None:
    reply = await rest.get("/login", headers={"Authorization": "Basic x"}, text=True, moves=True)
    assert (reply.status, reply.headers["set-cookie"]) == (302, "S=1; Path=/")
    with pytest.raises(RestError) as caught:
        await rest.get("/login", headers={"Authorization": "Basic x"})
    assert caught.value.status == 302


async def test_the_words_of_json_rpc_are_passed_on_without_secrets(rest: RestClient) -> None:
    with pytest.raises(RestError) as caught:
        await rest.send("POST", "/refuses", {}, headers={"Cookie": "S=1"})
    assert str(caught.value).endswith("environment: no ***, percent: no number")
    assert cast("int", caught.value.status) == 400
