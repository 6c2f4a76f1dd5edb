"""Notices from the reporter in our master.cfg: verified over the raw body, then read.
Nothing here reaches outside.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import datetime, timedelta

from bot.domain.errors import IntegrationError
from bot.domain.limits import NOTICE, Unreadable, read_json
from bot.ports.ci import RunHint
from bot.providers.ci.buildbot.reading import VENDOR

HEADER = "X-Gonogo-Signature"
TOLERANCE = timedelta(minutes=5)
"""How old, or how far ahead, a notice may be."""
_SIGNED = re.compile(r"t=(\d{1,12}),v1=([0-9a-f]{64})", re.ASCII)


def sign(secret: str, body: bytes, at: datetime) -> str:
    """Give the header's value for a body: ``t=SECONDS,v1=HEX``, an
    HMAC-SHA256 of ``SECONDS.BODY``.
    """
    seconds = str(int(at.timestamp()))
    return f"t={seconds},v1={_digest(secret, seconds, body)}"


def _digest(secret: str, seconds: str, body: bytes) -> str:
    return hmac.new(secret.encode(), seconds.encode() + b"." + body, hashlib.sha256).hexdigest()


def read(headers: Mapping[str, str], body: bytes, *, secret: str, now: datetime) -> RunHint:
    """Verify and read a notice. Raises IntegrationError: 401 when it is not authentic,
    400 when it cannot be read.
    """
    signature = _verified(headers, body, secret, now)
    try:
        found = read_json(body, NOTICE)
    except Unreadable:
        found = None
    if not isinstance(found, dict):
        raise IntegrationError(
            "The notice is no JSON object.", vendor=VENDOR, status=400, retry=False
        )
    builder, request, correlation = (
        found.get("builder"),
        found.get("buildrequestid"),
        found.get("correlation_id"),
    )
    if not (
        isinstance(builder, str)
        and isinstance(correlation, str)
        and type(request) is int
        and correlation
    ):
        return RunHint("", delivery=signature)
    return RunHint(f"{builder}/{request}", correlation, signature)


def _verified(headers: Mapping[str, str], body: bytes, secret: str, now: datetime) -> str:
    given = next((value for name, value in headers.items() if name.lower() == HEADER.lower()), "")
    signed = _SIGNED.fullmatch(given)
    if (
        not secret
        or not signed
        or not hmac.compare_digest(_digest(secret, signed[1], body), signed[2])
    ):
        raise IntegrationError(
            "The notice is not signed with our secret.", vendor=VENDOR, status=401, retry=False
        )
    if abs(now.timestamp() - int(signed[1])) > TOLERANCE.total_seconds():
        raise IntegrationError(
            "The notice is too old, or one of the clocks is wrong.",
            vendor=VENDOR,
            status=401,
            retry=False,
        )
    return signed[2]
