"""Hostile requests at the Slack door, each with the wanted answer (bare Bolt 1.30 gives another
one to 20 of the first 53).
"""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

import pytest

from tests.handlers.conftest import APP, BEFORE, FORM, JSON, NOW, TEAM, click, signature, slash

if TYPE_CHECKING:
    from tests.handlers.conftest import Door

GOOD = urlencode(slash("t1", "status")).encode()
STAMP = str(int(NOW.timestamp()))


def signed(body: bytes, content_type: str = FORM, **how: Any) -> tuple[bytes, dict[str, str]]:
    return body, {"Content-Type": content_type, **signature(body, **how)}


def stamped(stamp: str) -> tuple[bytes, dict[str, str]]:
    return GOOD, {"Content-Type": FORM, **signature(GOOD), "X-Slack-Request-Timestamp": stamp}


def with_signature(text: str) -> tuple[bytes, dict[str, str]]:
    return GOOD, {
        "Content-Type": FORM,
        "X-Slack-Request-Timestamp": STAMP,
        "X-Slack-Signature": text,
    }


def unsigned(body: bytes, content_type: str = FORM) -> tuple[bytes, dict[str, str]]:
    return body, {"Content-Type": content_type}


def payload(value: object) -> tuple[bytes, dict[str, str]]:
    return signed(
        urlencode({"payload": value if isinstance(value, str) else json.dumps(value)}).encode()
    )


def foreign(**fields: str) -> tuple[bytes, dict[str, str]]:
    return signed(urlencode({**slash("t1", "status"), **fields}).encode())


TURNED_AWAY = {
    "no signature headers": (unsigned(GOOD), 401),
    "no timestamp": (
        (GOOD, {"Content-Type": FORM, "X-Slack-Signature": signature(GOOD)["X-Slack-Signature"]}),
        401,
    ),
    "no signature": ((GOOD, {"Content-Type": FORM, "X-Slack-Request-Timestamp": STAMP}), 401),
    "another secret": (signed(GOOD, secret=b"somebody-elses-secret"), 401),
    "an empty secret": (signed(GOOD, secret=b""), 401),
    "301 seconds old": (signed(GOOD, age=301), 401),
    "301 seconds in the future": (signed(GOOD, age=-301), 401),
    "a timestamp in words": (stamped("abc"), 401),
    "an empty timestamp": (stamped(""), 401),
    "a timestamp in exponents": (stamped("1.5e9"), 401),
    "a short timestamp with a space": (stamped(" 17"), 401),
    "a timestamp with an underscore": (stamped("1_7"), 401),
    "a negative timestamp": (stamped("-1"), 401),
    "a timestamp of 5000 digits": (stamped("1" * 5000), 401),
    "a timestamp in full-width digits": (stamped("\uff11\uff17\uff11\uff17"), 401),
    "a timestamp in superscript": (stamped("\u00b9\u00b2"), 401),
    "a signature with bytes that are no ASCII": (with_signature("v0=\u00ff\u00fe"), 401),
    "an empty signature": (with_signature(""), 401),
    "a signature of 7000 characters": (with_signature("v0=" + "a" * 7000), 401),
    "an upper-case signature": (
        with_signature(signature(GOOD)["X-Slack-Signature"].upper().replace("V0", "v0")),
        401,
    ),
    "a v1 signature": (
        with_signature(signature(GOOD)["X-Slack-Signature"].replace("v0=", "v1=")),
        401,
    ),
    "a signature without its version": (
        with_signature(signature(GOOD)["X-Slack-Signature"].removeprefix("v0=")),
        401,
    ),
    "a signature cut short": (with_signature(signature(GOOD)["X-Slack-Signature"][:-1]), 401),
    ("bytes that differ in percent-encoding only"): (
        (GOOD.replace(b"%2F", b"%2f"), {"Content-Type": FORM, **signature(GOOD)}),
        401,
    ),
    "an added byte": ((GOOD + b"&", {"Content-Type": FORM, **signature(GOOD)}), 401),
    "another body under a good signature": (
        (GOOD.replace(b"status", b"locks"), {"Content-Type": FORM, **signature(GOOD)}),
        401,
    ),
    "unsigned JSON that is none": (unsigned(b"{not json", JSON), 401),
    "an unsigned payload that is no JSON": (unsigned(b"payload=notjson"), 401),
    "unsigned deep JSON": (unsigned(b"[" * 60_000, JSON), 401),
    "unsigned bytes that are no UTF-8": (unsigned(b"\xff\xfe\xfd", JSON), 401),
    "an unsigned evil charset": (unsigned(b"{}", "application/json; charset=evil"), 401),
    "an unsigned url_verification": (
        unsigned((b'{"type":"url_verification","challenge":"x"}'), JSON),
        401,
    ),
    "an unsigned empty body": (unsigned(b""), 401),
    "an unsigned command behind an ssl_check": (unsigned(b"ssl_check=1&" + GOOD), 401),
    "a compressed body": (
        (gzip.compress(GOOD), {**signed(gzip.compress(GOOD))[1], "Content-Encoding": "gzip"}),
        415,
    ),
    "two megabytes": (unsigned(b"x" * 2_000_000), 413),
    "80,000 form fields": (unsigned(b"&".join(b"a%d=1" % n for n in range(80_000))), 413),
    "100,000 brackets": (unsigned(b"[" * 100_000, JSON), 413),
    "a signed list": (signed(b"[1,2]", JSON), 400),
    "a signed null": (signed(b"null", JSON), 400),
    "a signed text": (signed(b'"x"', JSON), 400),
    "a signed number": (signed(b"7", JSON), 400),
    "signed JSON that ends early": (signed(b"{", JSON), 400),
    "signed JSON with nothing in it": (signed(b"", JSON), 400),
    "a signed payload that is a list": (payload("[]"), 400),
    "a signed payload that is null": (payload("null"), 400),
    "a signed payload that is empty": (payload(""), 400),
    "a signed payload that is no JSON": (payload("notjson"), 400),
    "a signed payload without a type": (payload({"team": {"id": TEAM}}), 400),
    "a signed click on nothing": (payload({**click("approve"), "actions": []}), 400),
    "signed deep JSON": (signed(b'{"type":' + b"[" * 30_000 + b"]" * 30_000 + b"}", JSON), 400),
    "signed JSON that is too deep": (
        signed(b'{"type":"x","a":' + b"[" * 40 + b"]" * 40 + b"}", JSON),
        400,
    ),
    "a signed form with a field twice": (signed(GOOD + b"&text=locks"), 400),
    "a signed form with 1,000 fields": (signed(b"&".join(b"a%d=1" % n for n in range(1000))), 400),
    "a signed form that is none": (signed(b"just words"), 400),
    "a signed form with a lone surrogate": (signed(GOOD + b"&more=%ED%A0%80"), 400),
    "a signed form that is no UTF-8": (signed(GOOD + b"&more=%FF"), 400),
    "signed raw bytes that are no UTF-8": (signed(GOOD + b"\xff"), 400),
    "a signed empty form": (signed(b""), 400),
    "a number of 10,000 digits": (signed(b'{"type":"x","n":' + b"9" * 10_000 + b"}", JSON), 400),
    "another workspace's command": (foreign(team_id="T2"), 403),
    "another app's command": (foreign(api_app_id="A2"), 403),
    "another workspace's click": (payload({**click("approve"), "team": {"id": "T2"}}), 403),
    "another app's click": (payload({**click("approve"), "api_app_id": "A2"}), 403),
    "another organisation's click": (
        payload({**click("approve", team="E9"), "team": None, "enterprise": {"id": "E9"}}),
        403,
    ),
    "another workspace's click, organised": (
        payload({**click("approve"), "team": {"id": "T2"}, "enterprise": {"id": "E9"}}),
        403,
    ),
    "another workspace's event": (
        signed(
            json.dumps(
                {
                    "type": "event_callback",
                    "team_id": "T2",
                    "api_app_id": APP,
                    "event": {"type": "x"},
                }
            ).encode(),
            JSON,
        ),
        403,
    ),
    "a click without any workspace": (payload({**click("approve", team=""), "team": None}), 403),
    "a click without an app": (
        payload({name: value for name, value in click("approve").items() if name != "api_app_id"}),
        403,
    ),
    "a workspace that is a list": (payload({**click("approve"), "team_id": ["T1"]}), 403),
    "a workspace that is an object": (payload({**click("approve"), "team": {"id": {}}}), 403),
}


@pytest.mark.parametrize("name", TURNED_AWAY)
async def test_what_is_hostile_is_turned_away_with_an_empty_answer_and_stores_nothing(
    door: Door, name: str
) -> None:
    (body, headers), wanted = TURNED_AWAY[name]
    reply = await door.post(body, headers)
    assert (reply.status, reply.text) == (wanted, "")
    assert door.accepted == []
    assert "gonogo_rejected_requests_total{" in await door.telemetry()


def test_there_are_more_cases_than_bolt_was_measured_with() -> None:
    assert len(TURNED_AWAY) >= 53


@pytest.mark.parametrize("header", ["X-Slack-Signature", "X-Slack-Request-Timestamp"])
async def test_a_header_that_comes_twice_is_turned_away_whichever_is_right(
    door: Door, header: str
) -> None:
    good = list(signature(GOOD).items())
    for both in ([*good, (header, "v0=0")], [(header, "v0=0"), *good]):
        assert (await door.post(GOOD, [("Content-Type", FORM), *both])).status == 400
    assert door.accepted == []


@pytest.mark.parametrize("age", [299, -299])
async def test_a_clock_that_is_off_by_299_seconds_is_good_enough(door: Door, age: int) -> None:
    assert (await door.signed(GOOD, age=age)).status == 200


async def test_the_secret_before_is_good_during_a_rotation(door: Door) -> None:
    assert (await door.signed(GOOD, secret=BEFORE)).status == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_only_post_comes_in(door: Door, method: str) -> None:
    async with door.session.request(method, f"{door.url}/slack/events") as response:
        assert response.status == 405


async def test_the_same_signed_bytes_again_are_the_same_command(door: Door) -> None:
    first, second = await door.signed(GOOD), await door.signed(GOOD)
    assert (first.status, second.status) == (200, 200)
    assert len(door.accepted) == len(door.nudged) == 1


async def test_a_signed_url_verification_is_answered_with_the_challenge_as_plain_text(
    door: Door,
) -> None:
    reply = await door.signed(b'{"type":"url_verification","challenge":"<b>3eZb</b>"}', JSON)
    assert (reply.status, reply.text, reply.content_type) == (200, "<b>3eZb</b>", "text/plain")


async def test_slacks_look_at_the_certificate_is_answered_with_nothing(door: Door) -> None:
    reply = await door.post(b"ssl_check=1", {"Content-Type": FORM})
    assert (reply.status, reply.text) == (200, "")
    assert "gonogo_rejected_requests_total{" not in await door.telemetry()


@pytest.mark.parametrize(
    "text",
    [
        "payload-api v1 to staging",
        "storefront payload to staging",
        "storefront payload={} to staging",
    ],
)
async def test_the_word_payload_is_a_word_like_any_other(door: Door, text: str) -> None:
    reply = await door.command(text)
    assert reply.status == 200
    assert door.accepted or reply.said


async def test_a_service_named_payload_deploys(door: Door) -> None:
    assert (await door.command("payload-api v1.2.0 to staging")).said == ""
    assert [intent.command.verb for intent in door.accepted] == ["deploy"]


async def test_somebody_of_another_company_is_known_by_their_own_workspace(door: Door) -> None:
    await door.interaction(click("approve", team="T2"))
    assert [str(intent.by) for intent in door.accepted] == ["T2/UANA"], (
        "the desk refuses them; the name and Bolt's context are not believed"
    )


async def test_an_answer_address_of_somebody_else_is_not_called_at_the_door(door: Door) -> None:
    called = 0

    async def count(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal called
        called += 1
        writer.close()

    async with await asyncio.start_server(count, "127.0.0.1", 0) as elsewhere:
        port = elsewhere.sockets[0].getsockname()[1]
        await door.form(**{**slash("t1", "status"), "response_url": f"http://127.0.0.1:{port}/"})
        await door.form(**{**slash("t2", "nonsense"), "response_url": f"http://127.0.0.1:{port}/"})
        await door.intake.close()
    assert called == 0


@pytest.mark.parametrize(
    "text",
    [
        "storefront \U0001f680 to staging",
        "status \x00",
        "lock all staging because \u202eturned",
        "x" * 5000,
    ],
)
async def test_strange_text_is_stored_or_refused_but_never_a_fault(door: Door, text: str) -> None:
    reply = await door.command(text)
    assert reply.status == 200
    assert "incident" not in reply.said


async def _raw(door: Door, head: str, body: bytes = b"") -> tuple[int, float]:
    address = urlsplit(door.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    began = time.monotonic()
    writer.write(f"POST /slack/events HTTP/1.1\r\nHost: x\r\n{head}\r\n".encode() + body)
    line = await reader.readline()
    writer.close()
    return int(line.split()[1]) if line else 0, time.monotonic() - began


async def test_a_request_of_two_lengths_is_turned_away(door: Door) -> None:
    status, _ = await _raw(
        door, "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"
    )
    assert status == 400


async def test_chunks_without_end_are_cut_at_the_cap(door: Door) -> None:
    status, _ = await _raw(
        door,
        "Transfer-Encoding: chunked\r\n",
        b"".join(b"4000\r\n" + b"x" * 0x4000 + b"\r\n" for _ in range(5)),
    )
    assert status == 413


async def test_slow_strangers_are_sent_away_after_five_seconds_and_stop_nobody(door: Door) -> None:
    strangers = [
        asyncio.create_task(_raw(door, "Content-Length: 1000\r\n", b"text")) for _ in range(50)
    ]
    await asyncio.sleep(0)
    assert (await door.command("status")).status == 200
    assert not any(stranger.done() for stranger in strangers), (
        "answered before the strangers are sent away"
    )
    for status, seconds in await asyncio.gather(*strangers):
        assert status == 408
        assert 4.5 < seconds < 30


async def test_garbage_costs_next_to_nothing(door: Door) -> None:
    body, headers = unsigned(b"&".join(b"a%d=1" % n for n in range(7000)))
    began = time.process_time()
    for _ in range(100):
        assert (await door.post(body, headers)).status == 401
    assert time.process_time() - began < 8, (
        "about 2 ms for each, with the client in it, on a quiet machine"
    )
