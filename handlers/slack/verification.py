"""The only way in for Slack over HTTP: authentic first, then well-formed, then ours; what
passes is a dict for Bolt.

Bolt 1.30 over HTTP drops commands that contain "payload", parses before it verifies, answers 500 to
garbage and logs bodies. So the signature is checked here over the raw bytes, and Bolt is given a
parsed body as in Socket Mode; one code path then serves both.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web
from multidict import CIMultiDictProxy

from bot.domain.limits import SLACK, Unreadable, read_json
from bot.ports.time import Clock
from bot.slack.ours import WhoWeAre
from handlers.slack.intake import NOT_READ, SlackIntake
from handlers.web.bodies import PATIENCE, Turned, read_body
from handlers.web.notes import Notes
from handlers.web.telemetry import Telemetry

WINDOW = 300
"""Seconds that a signature stays good, in either direction."""
MOST_FIELDS = 64
LONGEST_SSL_CHECK = 256
MEDIA_TYPES = frozenset({"application/json", "application/x-www-form-urlencoded"})


@dataclass(frozen=True, slots=True)
class Verifier:
    """What a request must be to come in. ``secrets`` holds the current signing secret and, during a
    rotation, the one before.
    """

    secrets: Sequence[bytes]
    ours: WhoWeAre
    clock: Clock

    async def admit(self, headers: CIMultiDictProxy[str], body: bytes) -> dict[str, Any]:
        """Verify the signature over the raw bytes, read the body, check
        whose it is. Raises Turned.
        """
        self._verify(headers, body)
        payload = read(headers.get("Content-Type", ""), body)
        if payload.get("type") != "url_verification":
            ours = await self.ours.about(payload)
            strange = ours.strange(payload)
            if strange:
                raise Turned(403, strange)
            return ours.settled(payload)
        return payload

    def _verify(self, headers: CIMultiDictProxy[str], body: bytes) -> None:
        stamp, signature = (
            _one(headers, "X-Slack-Request-Timestamp"),
            _one(headers, "X-Slack-Signature"),
        )
        if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):  # noqa: PLR2004 - a Unix time has ten digits
            raise Turned(401, "timestamp")
        if abs(self.clock.now().timestamp() - int(stamp)) > WINDOW:
            raise Turned(401, "stale")
        given = signature.encode("utf-8", "surrogateescape")
        base = b"v0:" + stamp.encode() + b":" + body
        expected = [
            b"v0=" + hmac.new(secret, base, sha256).hexdigest().encode() for secret in self.secrets
        ]
        # each is compared, whatever the first says
        matches = [hmac.compare_digest(given, each) for each in expected]
        if not any(matches):
            raise Turned(401, "signature")


def _one(headers: CIMultiDictProxy[str], name: str) -> str:
    values = headers.getall(name, [])
    if len(values) > 1:
        raise Turned(400, "two headers")
    if not values:
        raise Turned(401, "unsigned")
    return values[0]


def read(content_type: str, body: bytes) -> dict[str, Any]:
    """Read a signed body: JSON (events) or a form (commands, or JSON in ``payload``). Raises
    Turned: 400, or 415 for another format.
    """
    media, _, parameters = content_type.lower().partition(";")
    if media.strip() not in MEDIA_TYPES or parameters.strip().replace('"', "") not in {
        "",
        "charset=utf-8",
    }:
        raise Turned(415, "format")
    payload = _object(body) if media.strip() == "application/json" else _form(body)
    if not isinstance(payload.get("type") or payload.get("command"), str):
        raise Turned(400, "neither command nor event")
    return payload


def _form(body: bytes) -> dict[str, Any]:
    try:
        pairs = parse_qsl(
            body.decode("utf-8"),
            keep_blank_values=True,
            strict_parsing=True,
            max_num_fields=MOST_FIELDS,
            errors="strict",
        )
    except ValueError:
        raise Turned(400, "form") from None
    form: dict[str, Any] = dict(pairs)
    if len(form) != len(pairs):
        raise Turned(400, "doubled field")
    return _object(form["payload"].encode()) if set(form) == {"payload"} else form


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = read_json(body, SLACK)
    except Unreadable as unreadable:
        raise Turned(400, unreadable.fault) from None
    if not isinstance(value, dict):
        raise Turned(400, "no object")
    return value


def events_route(
    verifier: Verifier, intake: SlackIntake, telemetry: Telemetry, *, patience: float = PATIENCE
) -> web.RouteDef:
    """Give the route on which Slack calls."""
    notes = Notes("slack")

    async def events(request: web.Request) -> web.Response:
        try:
            body = await read_body(request, SLACK.size, patience=patience)
            if is_ssl_check(body):
                return web.Response()
            payload = await verifier.admit(request.headers, body)
        except Turned as turned:
            telemetry.rejected(turned.reason)
            notes.say("turned away", reason=turned.reason, status=turned.status)
            return turned.answer()
        if payload.get("type") == "url_verification":
            return web.Response(text=str(payload.get("challenge", "")), content_type="text/plain")
        began = time.perf_counter()
        status, answer = await intake.dispatch(payload)
        if status == NOT_READ:
            telemetry.rejected("shape")
            notes.say("turned away", reason="shape", status=status)
        telemetry.acked(
            str(payload.get("type") or payload.get("command")), status, time.perf_counter() - began
        )
        return web.Response(
            status=status,
            text=answer,
            content_type="application/json" if answer.startswith("{") else "text/plain",
        )

    return web.post("/slack/events", events)


def is_ssl_check(body: bytes) -> bool:
    """Tell Slack's unsigned look at the certificate (``ssl_check=1``, perhaps with a token); it
    is answered with nothing.
    """
    if not body.startswith(b"ssl_check=1") or len(body) > LONGEST_SSL_CHECK:
        return False
    first, *others = body.split(b"&")
    return first == b"ssl_check=1" and all(each.startswith(b"token=") for each in others)
