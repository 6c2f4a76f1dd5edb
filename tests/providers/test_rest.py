"""The REST client against a real server on this machine that misbehaves on request."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from bot.providers.exchange import Budget, Reply, RestError
from bot.providers.rate_limits import LONGEST_PAUSE, RateLimits
from bot.providers.rest import RestClient
from bot.providers.retry import USUAL_PAUSE

TOKEN = "github_pat_11AAAA_secret"
BROKEN = ("hangs up", "stops in the middle", "half a word", "too deep")
Scene = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Vendor:
    """A server that plays one scene after the other; the last one stays."""

    scenes: list[Scene] = field(default_factory=list)
    requests: list[web.Request] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    release: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        self.bodies.append(await request.read())
        scene = self.scenes.pop(0) if len(self.scenes) > 1 else self.scenes[0]
        return await scene(request)

    def plays(self, *scenes: Scene) -> None:
        self.scenes = list(scenes)


@dataclass
class Timepiece:
    """Time that passes only when somebody waits."""

    seconds: float = 1000.0
    waits: list[float] = field(default_factory=list)

    def now(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.seconds += seconds


def answers(data: Any, status: int = 200, **headers: str) -> Scene:
    async def scene(_: web.Request) -> web.StreamResponse:
        return web.json_response(
            data,
            status=status,
            headers={name.replace("_", "-"): value for name, value in headers.items()},
        )

    return scene


def answers_text(text: str, status: int = 200) -> Scene:
    async def scene(_: web.Request) -> web.StreamResponse:
        return web.Response(text=text, status=status)

    return scene


async def hangs_up(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def stops_in_the_middle(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"half": ')
    assert request.transport is not None
    request.transport.abort()
    return response


@dataclass
class Room:
    vendor: Vendor
    url: str
    session: aiohttp.ClientSession
    time: Timepiece = field(default_factory=Timepiece)
    rate_limits: RateLimits = field(init=False)

    def __post_init__(self) -> None:
        self.rate_limits = RateLimits(self.time.now)

    def client(self, base: str = "", account: str = "", **budget: Any) -> RestClient:
        return RestClient(
            self.session, base or self.url, vendor="GitHub",
            rate_limits=self.rate_limits, headers={"Authorization": f"Bearer {TOKEN}"},
            secrets=[TOKEN], account=account, budget=Budget(**budget),
            sleep=self.time.sleep, jitter=lambda longest: longest,
        )  # fmt: skip


@pytest.fixture
async def room() -> AsyncIterator[Room]:
    vendor = Vendor()
    application = web.Application()
    application.router.add_route("*", "/{tail:.*}", vendor.answer)
    async with TestServer(application) as server, aiohttp.ClientSession() as session:
        yield Room(vendor, str(server.make_url("")), session)
        vendor.release.set()


async def refused(call: Awaitable[Reply]) -> RestError:
    with pytest.raises(RestError) as caught:
        await call
    return caught.value


class TestReading:
    async def test_an_answer_comes_with_its_status_headers_and_json(self, room: Room) -> None:
        room.vendor.plays(answers({"a": 1}, X_Thing="yes"))
        reply = await room.client().get("/repos/x", {"page": "2"})
        assert (reply.status, reply.data, reply.headers["x-thing"]) == (200, {"a": 1}, "yes")
        request = room.vendor.requests[0]
        assert (
            request.path_qs,
            request.headers["Authorization"],
            request.headers["User-Agent"],
        ) == (
            "/repos/x?page=2",
            f"Bearer {TOKEN}",
            "gonogo",
        )

    async def test_text_can_be_asked_for_and_an_empty_answer_is_none(self, room: Room) -> None:
        room.vendor.plays(answers_text("abc"), answers_text(""))
        assert (await room.client().get("/sha", text=True)).data == "abc"
        assert (await room.client().get("/nothing")).data is None

    @pytest.mark.parametrize("status", [500, 502, 503, 504, 408, 507, 521, 530])
    async def test_a_server_in_trouble_is_asked_again_with_growing_pauses(
        self, room: Room, status: int
    ) -> None:
        room.vendor.plays(answers({}, status), answers({}, status), answers({"good": True}))
        assert (await room.client().get("/x")).data == {"good": True}
        assert room.time.waits == [1.0, 2.0]

    @pytest.mark.parametrize(
        "scene",
        [hangs_up, stops_in_the_middle, answers_text('{"half": '), answers_text("[" * 100_000)],
        ids=BROKEN,
    )
    async def test_a_broken_answer_to_a_read_is_asked_for_again(
        self, room: Room, scene: Scene
    ) -> None:
        room.vendor.plays(scene, scene, answers([1]))
        assert (await room.client().get("/x")).data == [1]

    async def test_a_read_gives_up_after_its_tries_and_says_that_it_may_help_later(
        self, room: Room
    ) -> None:
        room.vendor.plays(answers({"message": "unicorn"}, 502))
        error = await refused(room.client(tries=3).get("/x"))
        assert (str(error), error.status, error.retry, error.perhaps_done) == (
            "GitHub answered 502 to GET /x: unicorn",
            502,
            True,
            False,
        )
        assert len(room.vendor.requests) == 3

    async def test_a_read_that_hangs_ends_with_a_sentence(self, room: Room) -> None:
        async def hangs(_: web.Request) -> web.StreamResponse:
            await room.vendor.release.wait()
            return web.Response()

        room.vendor.plays(hangs)
        error = await refused(room.client(timeout=0.05, tries=2).get("/x"))
        assert (str(error), error.retry) == ("GitHub did not answer within 0.05 s (GET /x).", True)

    async def test_a_host_that_is_not_there_ends_with_a_sentence(self, room: Room) -> None:
        error = await refused(room.client(f"http://127.0.0.1:{unused_port()}").get("/x"))
        assert (str(error), error.retry, error.perhaps_done) == (
            "GitHub cannot be reached (GET /x).",
            True,
            False,
        )
        assert len(room.time.waits) == 3

    @pytest.mark.parametrize(
        ("status", "hint"),
        [
            (400, ""),
            (401, "wrong, expired or revoked"),
            (403, "may not do this"),
            (404, ""),
            (422, ""),
        ],
    )
    async def test_a_clear_no_is_not_asked_again(self, room: Room, status: int, hint: str) -> None:
        room.vendor.plays(
            answers({"message": "No", "errors": [{"message": "really"}, "not"]}, status)
        )
        error = await refused(room.client().get("/x"))
        assert (error.status, error.retry, len(room.vendor.requests)) == (status, False, 1)
        assert hint in str(error)
        assert str(error).endswith("No; really; not")

    async def test_a_missing_permission_is_named(self, room: Room) -> None:
        room.vendor.plays(
            answers(
                {"message": "Resource not accessible"},
                403,
                X_Accepted_GitHub_Permissions="actions=write",
            )
        )
        assert "(the token needs actions=write)" in str(await refused(room.client().get("/x")))

    @pytest.mark.parametrize(
        ("message", "said"),
        [
            ({"base": ["Reference not found"]}, "base: Reference not found"),
            ({"name": ["is too long", "is odd"], "ref": "?"}, "name: is too long, is odd, ref: ?"),
            ([[[[[["deep"]]]]]], "…"),
        ],
    )
    async def test_words_in_objects_and_lists_become_one_line(
        self, room: Room, message: Any, said: str
    ) -> None:
        room.vendor.plays(answers({"message": message}, 400))
        assert (
            str(await refused(room.client().get("/x"))) == f"GitHub answered 400 to GET /x: {said}"
        )

    @pytest.mark.parametrize(
        "body",
        [
            "<html>no</html>",
            "[1]",
            '{"message": 5, "errors": 3}',
            '{"errors": {"a": 1}}',
            "[" * 100_000,
        ],
    )
    async def test_an_error_in_any_shape_becomes_a_sentence(self, room: Room, body: str) -> None:
        room.vendor.plays(answers_text(body, 404))
        assert str(await refused(room.client().get("/x"))).startswith(
            "GitHub answered 404 to GET /x"
        )

    async def test_a_redirect_is_not_followed_since_it_would_carry_the_token_away(
        self, room: Room
    ) -> None:
        room.vendor.plays(
            answers({"message": "Moved Permanently"}, 301, Location=f"{room.url}/elsewhere")
        )
        error = await refused(room.client().get("/x"))
        assert (error.retry, len(room.vendor.requests)) == (False, 1)
        assert "has moved" in str(error)

    @pytest.mark.parametrize("chunked", [True, False])
    async def test_an_answer_that_is_too_large_is_not_read_to_its_end(
        self, room: Room, *, chunked: bool
    ) -> None:
        async def endless(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse() if chunked else web.Response(body=b"x" * 100_000)
            await response.prepare(request)
            while chunked:
                await response.write(b"x" * 10_000)
            return response

        room.vendor.plays(endless)
        error = await refused(room.client(body_cap=50_000).get("/x"))
        assert (str(error), error.retry) == (
            "GitHub answers more than 50,000 bytes to GET /x.",
            False,
        )


class TestConditionalReading:
    async def test_what_has_not_changed_is_not_sent_again(self, room: Room) -> None:
        async def same(request: web.Request) -> web.StreamResponse:
            unchanged = request.headers.get("If-None-Match") == '"1"'
            return (
                web.Response(status=304)
                if unchanged
                else web.json_response({"n": 1}, headers={"ETag": '"1"'})
            )

        room.vendor.plays(same)
        client = room.client()
        replies = [
            await client.get("/x"),
            await client.get("/x"),
            await client.get("/x", {"page": "2"}),
        ]
        assert [reply.data for reply in replies] == [{"n": 1}] * 3
        assert [request.headers.get("If-None-Match") for request in room.vendor.requests] == [
            None,
            '"1"',
            None,
        ]

    async def test_an_unchanged_answer_comes_with_its_new_date(self, room: Room) -> None:
        async def same(request: web.Request) -> web.StreamResponse:
            unchanged = "If-None-Match" in request.headers
            headers = {
                "ETag": '"1"',
                "X-Seen": "again" if unchanged else "first",
                **({} if unchanged else {"X-Next-Page": "2"}),
            }
            return (
                web.Response(status=304, headers=headers)
                if unchanged
                else web.json_response(1, headers=headers)
            )

        room.vendor.plays(same)
        client = room.client()
        first, again = await client.get("/x"), await client.get("/x")
        assert (first.headers["x-seen"], again.headers["x-seen"], again.headers["x-next-page"]) == (
            "first",
            "again",
            "2",
        )

    async def test_what_has_changed_replaces_what_was_known(self, room: Room) -> None:
        room.vendor.plays(answers(1, ETag='"1"'), answers(2, ETag='"2"'), answers(3))
        client = room.client()
        assert [(await client.get("/x")).data for _ in range(3)] == [1, 2, 3]
        assert room.vendor.requests[2].headers["If-None-Match"] == '"2"'


class TestWriting:
    @pytest.mark.parametrize(
        "scene",
        [hangs_up, stops_in_the_middle, answers_text("{oops"), answers({}, 500), answers({}, 521)],
        ids=[*BROKEN[:3], "500", "521"],
    )
    async def test_a_write_whose_outcome_is_unclear_is_never_repeated_and_says_so(
        self, room: Room, scene: Scene
    ) -> None:
        room.vendor.plays(scene)
        error = await refused(room.client().send("POST", "/runs", {"a": 1}))
        assert (error.perhaps_done, error.retry, len(room.vendor.requests)) == (True, True, 1)
        assert json.loads(room.vendor.bodies[0]) == {"a": 1}

    async def test_a_write_without_an_answer_in_time_is_perhaps_done(self, room: Room) -> None:
        async def hangs(_: web.Request) -> web.StreamResponse:
            await room.vendor.release.wait()
            return web.Response()

        room.vendor.plays(hangs)
        error = await refused(room.client(timeout=0.05).send("POST", "/runs"))
        assert (error.perhaps_done, len(room.vendor.requests)) == (True, 1)

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 429, 501])
    async def test_a_write_that_was_clearly_refused_was_not_done(
        self, room: Room, status: int
    ) -> None:
        room.vendor.plays(answers({}, status))
        error = await refused(room.client().send("POST", "/runs"))
        assert (error.perhaps_done, len(room.vendor.requests)) == (False, 1)

    async def test_a_write_that_never_left_is_tried_again(self, room: Room) -> None:
        error = await refused(
            room.client(f"http://127.0.0.1:{unused_port()}").send("POST", "/runs")
        )
        assert not error.perhaps_done
        assert len(room.time.waits) == 3

    async def test_a_write_that_may_be_repeated_is(self, room: Room) -> None:
        room.vendor.plays(answers({}, 502), hangs_up, answers({}, 202))
        assert (await room.client().send("POST", "/cancel", repeatable=True)).status == 202


class TestRateLimits:
    async def test_a_429_is_obeyed_by_everybody_who_asks_that_host(self, room: Room) -> None:
        room.vendor.plays(answers({}, 429, Retry_After="7"), answers("one"), answers("two"))
        one, two = room.client(), room.client()
        error = await refused(one.send("POST", "/runs"))
        assert (error.wait, error.retry) == (7.0, True)
        assert (await two.get("/x")).data == "one"
        assert room.time.waits == [7.0]

    async def test_a_server_in_trouble_holds_up_only_the_call_that_it_could_not_answer(
        self, room: Room
    ) -> None:
        room.vendor.plays(answers({}, 503, Retry_After="3600"), answers("started"))
        one, two = room.client(), room.client()
        assert (await refused(one.get("/alerts"))).wait == USUAL_PAUSE
        assert (await two.send("POST", "/runs")).data == "started"
        assert room.time.waits == []

    async def test_a_limit_of_one_account_is_none_of_another(self, room: Room) -> None:
        room.vendor.plays(answers({}, 429, Retry_After="120"), answers("good"))
        await refused(room.client().get("/x"))
        assert (await room.client(account="another").get("/x")).data == "good"
        assert room.time.waits == []

    async def test_a_read_waits_as_long_as_it_is_asked_to(self, room: Room) -> None:
        room.vendor.plays(
            answers({}, 429, Retry_After="7"), answers({}, 503, Retry_After="3"), answers("good")
        )
        assert (await room.client().get("/x")).data == "good"
        assert room.time.waits == [7.0, 3.0]

    async def test_nobody_waits_longer_than_a_call_may_take_and_nothing_is_sent_meanwhile(
        self, room: Room
    ) -> None:
        room.vendor.plays(answers({}, 429, Retry_After="120"))
        client = room.client()
        assert (await refused(client.get("/x"))).wait == 120.0
        error = await refused(client.get("/y"))
        assert str(error) == "GitHub asks to be left alone for 120 s more; GET /y was not sent."
        assert (error.retry, error.perhaps_done, len(room.vendor.requests), room.time.waits) == (
            True,
            False,
            1,
            [],
        )

    async def test_githubs_primary_limit_ends_by_githubs_own_clock(self, room: Room) -> None:
        room.vendor.plays(
            answers(
                {"message": "API rate limit exceeded"}, 403,
                X_RateLimit_Remaining="0", X_RateLimit_Reset="1000000090",
                Date="Sun, 09 Sep 2001 01:46:40 GMT",
            )
        )  # fmt: skip
        error = await refused(room.client().get("/x"))
        assert (error.wait, error.retry) == (90.0, True)

    async def test_githubs_secondary_limit_without_a_time_means_a_minute(self, room: Room) -> None:
        room.vendor.plays(
            answers(
                {"message": "You have exceeded a secondary rate limit."},
                403,
                X_RateLimit_Remaining="4999",
            )
        )
        error = await refused(room.client().get("/x"))
        assert (error.wait, error.retry) == (USUAL_PAUSE, True)
        assert "(rate limit)" in str(error)

    async def test_the_last_call_of_a_budget_closes_the_host_before_the_first_refusal(
        self, room: Room
    ) -> None:
        last = answers(
            "last",
            X_RateLimit_Remaining="0",
            X_RateLimit_Reset="1000000005",
            Date="Sun, 09 Sep 2001 01:46:40 GMT",
        )
        room.vendor.plays(last, answers("next"))
        client = room.client()
        assert [(await client.get("/x")).data, (await client.get("/y")).data] == ["last", "next"]
        assert room.time.waits == [5.0]

    @pytest.mark.parametrize("value", ["soon", "-5", "inf", "nan", "9" * 40, "Sun, 99 Sep 2001"])
    async def test_a_pause_that_cannot_be_read_is_the_usual_one(
        self, room: Room, value: str
    ) -> None:
        room.vendor.plays(answers({}, 429, Retry_After=value))
        assert (await refused(room.client().get("/x"))).wait == USUAL_PAUSE

    async def test_a_pause_may_be_a_date_and_is_never_longer_than_an_hour(self, room: Room) -> None:
        now = "Sun, 09 Sep 2001 01:46:40 GMT"
        room.vendor.plays(answers({}, 429, Retry_After="Sun, 09 Sep 2001 01:47:10 GMT", Date=now))
        assert (await refused(room.client().get("/x"))).wait == 30.0
        room.rate_limits = RateLimits(room.time.now)
        room.vendor.plays(answers({}, 429, Retry_After="999999"))
        assert (await refused(room.client().get("/x"))).wait == LONGEST_PAUSE


class TestSecrets:
    @pytest.mark.parametrize(
        "leak",
        [
            TOKEN,
            f"Bearer {TOKEN}",
            "ghp_0123456789abcdef",
            "ghs_12_eyJhbGciOi.eyJpc3MiOi.c2ln-_x",
            "glpat-abc_def-123",
            "https://ana:hunter22@host/x",
        ],
    )
    async def test_a_secret_that_the_vendor_repeats_reaches_no_sentence(
        self, room: Room, leak: str
    ) -> None:
        room.vendor.plays(answers({"message": f"bad credentials {leak}"}, 400))
        text = str(await refused(room.client().get(f"/x/{TOKEN}")))
        assert "***" in text
        assert not [secret for secret in (TOKEN, "ghp_", "glpat-", "hunter22") if secret in text]

    async def test_a_failed_connection_shows_no_secret_either(self, room: Room) -> None:
        room.vendor.plays(hangs_up)
        error = await refused(room.client().send("POST", "/x"))
        assert TOKEN not in f"{error!r} {error.__cause__!r}"


class Passport:
    """An identity that changes, and may not be had."""

    def __init__(self) -> None:
        self.shown = 0
        self.refusals = 0
        self.lost = False

    async def headers(self) -> dict[str, str]:
        if self.lost:
            raise RestError("there is no passport", vendor="GitHub", retry=False)
        self.shown += 1
        return {"Authorization": f"Bearer number-{self.shown}"}

    def was_refused(self) -> None:
        self.refusals += 1


class TestWhoAsks:
    def client(self, room: Room, passport: Passport) -> RestClient:
        return RestClient(
            room.session,
            room.url,
            vendor="GitHub",
            rate_limits=room.rate_limits,
            identity=passport,
            sleep=room.time.sleep,
        )

    async def test_every_try_shows_what_is_good_now(self, room: Room) -> None:
        room.vendor.plays(answers({}, 502), answers({"good": True}))
        await self.client(room, Passport()).get("/x")
        assert [each.headers["Authorization"] for each in room.vendor.requests] == [
            "Bearer number-1",
            "Bearer number-2",
        ]

    async def test_a_refused_identity_hears_of_it(self, room: Room) -> None:
        passport = Passport()
        room.vendor.plays(answers({}, 401))
        await refused(self.client(room, passport).get("/x"))
        assert (passport.refusals, len(room.vendor.requests)) == (2, 2)

    async def test_a_write_that_was_refused_for_an_old_identity_is_made_with_a_new_one(
        self, room: Room
    ) -> None:
        room.vendor.plays(answers({}, 401), answers("started"))
        assert (await self.client(room, Passport()).send("POST", "/runs")).data == "started"
        assert [each.headers["Authorization"] for each in room.vendor.requests] == [
            "Bearer number-1",
            "Bearer number-2",
        ]

    async def test_without_an_identity_nothing_is_sent_and_nothing_is_unclear(
        self, room: Room
    ) -> None:
        passport = Passport()
        passport.lost = True
        error = await refused(self.client(room, passport).send("POST", "/x", {}))
        assert (str(error), error.perhaps_done, room.vendor.requests) == (
            "there is no passport",
            False,
            [],
        )

    async def test_a_write_may_carry_headers_of_its_own(self, room: Room) -> None:
        room.vendor.plays(answers({}))
        await self.client(room, Passport()).send(
            "POST", "/x", {}, headers={"Authorization": "Bearer other"}
        )
        assert room.vendor.requests[0].headers["Authorization"] == "Bearer other"


class TestTheirClock:
    @pytest.mark.parametrize(("status", "hours"), [(200, 1), (200, -1), (404, 1)])
    async def test_it_is_compared_with_every_answer(
        self, room: Room, status: int, hours: int
    ) -> None:
        there = format_datetime(datetime.now(UTC) + timedelta(hours=hours), usegmt=True)
        room.vendor.plays(answers({}, status, Date=there))
        client = room.client()
        assert client.ahead is None
        with contextlib.suppress(RestError):
            await client.get("/x")
        assert client.ahead is not None
        assert abs(client.ahead - timedelta(hours=hours)) <= timedelta(seconds=2)
