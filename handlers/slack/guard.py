"""The only way in for Slack over HTTP: authentic first, then well-formed, then ours; what passes is a dict for Bolt.

Bolt 1.30 over HTTP drops commands that contain "payload", parses before it verifies, answers 500 to garbage and logs bodies. So the
signature is checked here over the raw bytes, and Bolt is given a parsed body as in Socket Mode; one code path then serves both.
"""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl

import structlog
from aiohttp import web
from multidict import CIMultiDictProxy

from bot.ports import Clock
from handlers.slack.reception import Reception
from handlers.web.figures import Figures

log = structlog.get_logger(__name__)

BODY_CAP = 64 * 1024
WINDOW = 300
"""Seconds that a signature stays good, in either direction."""
PATIENCE = 5.0
"""Seconds for a body to arrive."""
MOST_FIELDS = 64
DEEPEST = 32


class Turned(Exception):  # noqa: N818 - it is an answer, not a fault of ours
    """The request is turned away with a status; the reason is for the log and the figures, never for the sender."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Guard:
    """What a request must be to come in. ``secrets`` holds the current signing secret and, during a rotation, the one before."""

    secrets: Sequence[bytes]
    team: str
    app_id: str
    clock: Clock

    def admit(self, headers: CIMultiDictProxy[str], body: bytes) -> dict[str, Any]:
        """Verify the signature over the raw bytes, read the body, check whose it is. Raises Turned."""
        self._verify(headers, body)
        payload = read(headers.get("Content-Type", ""), body)
        self._check_home(payload)
        return payload

    def _verify(self, headers: CIMultiDictProxy[str], body: bytes) -> None:
        stamp, signature = _one(headers, "X-Slack-Request-Timestamp"), _one(headers, "X-Slack-Signature")
        if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):  # noqa: PLR2004 - a Unix time has ten digits
            raise Turned(401, "timestamp")
        if abs(self.clock.now().timestamp() - int(stamp)) > WINDOW:
            raise Turned(401, "stale")
        given = signature.encode("utf-8", "surrogateescape")
        base = b"v0:" + stamp.encode() + b":" + body
        expected = [b"v0=" + hmac.new(secret, base, sha256).hexdigest().encode() for secret in self.secrets]
        matches = [hmac.compare_digest(given, each) for each in expected]  # each is compared, whatever the first says
        if not any(matches):
            raise Turned(401, "signature")

    def _check_home(self, payload: dict[str, Any]) -> None:
        """Refuse what is signed but meant for another workspace or app."""
        if payload.get("type") == "url_verification":
            return
        team, user = payload.get("team"), payload.get("user")
        named = [payload.get("team_id"), team.get("id") if isinstance(team, dict) else team]
        found = [each for each in named if each not in (None, "")]
        own = user.get("team_id") if isinstance(user, dict) else None  # for a whole organisation no workspace is named
        if any(each != self.team for each in found or [own]):
            raise Turned(403, "team")
        if self.app_id and payload.get("api_app_id") != self.app_id:
            raise Turned(403, "app")


def _one(headers: CIMultiDictProxy[str], name: str) -> str:
    values = headers.getall(name, [])
    if len(values) > 1:
        raise Turned(400, "two headers")
    if not values:
        raise Turned(401, "unsigned")
    return values[0]


def read(content_type: str, body: bytes) -> dict[str, Any]:
    """Read a signed body: JSON (events) or a form (commands, or JSON in ``payload``). Raises Turned(400)."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise Turned(400, "encoding") from None
    if "json" in content_type:
        return _object(text)
    try:
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text), max_num_fields=MOST_FIELDS, errors="strict")
    except (ValueError, UnicodeDecodeError):
        raise Turned(400, "form") from None
    form = dict(pairs)
    if len(form) != len(pairs):
        raise Turned(400, "doubled field")
    payload = _object(form["payload"]) if set(form) == {"payload"} else dict(form)
    if not payload.get("type") and not payload.get("command"):
        raise Turned(400, "neither command nor event")
    if payload.get("type") == "block_actions" and not payload.get("actions"):
        raise Turned(400, "a click on nothing")
    return payload


def _object(text: str) -> dict[str, Any]:
    if _depth(text) > DEEPEST:
        raise Turned(400, "depth")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise Turned(400, "json") from None
    if not isinstance(value, dict):
        raise Turned(400, "no object")
    return value


def _depth(text: str) -> int:
    """Bound the nesting without parsing; brackets inside strings only make the bound larger."""
    deepest = depth = 0
    for character in text:
        if character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return deepest


def events_route(guard: Guard, reception: Reception, figures: Figures) -> web.RouteDef:
    """Give the route on which Slack calls."""

    async def events(request: web.Request) -> web.Response:
        try:
            body = await _body(request)
            if body == b"ssl_check=1":
                return web.Response()
            payload = guard.admit(request.headers, body)
        except Turned as turned:
            figures.rejected(turned.reason)
            log.warning("turned away", reason=turned.reason, status=turned.status)
            return web.Response(status=turned.status)
        if payload.get("type") == "url_verification":
            return web.Response(text=str(payload.get("challenge", "")), content_type="text/plain")
        with figures.timed_ack(str(payload.get("type") or payload.get("command") or "")):
            return _response(await reception.dispatch(payload))

    return web.post("/slack/events", events)


async def _body(request: web.Request) -> bytes:
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise Turned(415, "compressed")
    if (request.content_length or 0) > BODY_CAP:
        raise Turned(413, "size")
    try:
        async with asyncio.timeout(PATIENCE):
            body = await request.content.read(BODY_CAP + 1)
            while not request.content.at_eof() and len(body) <= BODY_CAP:
                body += await request.content.read(BODY_CAP + 1 - len(body))
    except TimeoutError:
        raise Turned(408, "slow") from None
    if len(body) > BODY_CAP:
        raise Turned(413, "size")
    return body


def _response(answer: tuple[int, str]) -> web.Response:
    status, body = answer
    return web.Response(status=status, text=body, content_type="application/json" if body.startswith(("{", "[")) else "text/plain")
