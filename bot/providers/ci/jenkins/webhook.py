"""Our own notice from a Jenkinsfile: signed, because Jenkins signs none. No I/O here.

``X-Gonogo-Signature: t=SECONDS,v1=HEX``, where HEX is the HMAC-SHA256 of ``SECONDS.BODY`` under the
shared secret; the body is ``{"correlation": …, "build": …, "state": …}``.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

from bot.domain.errors import IntegrationError
from bot.domain.limits import NOTICE, Unreadable, read_json
from bot.ports.ci import RunHint

HEADER = "X-Gonogo-Signature"
TOLERANCE = timedelta(minutes=5)
_SIGNATURE = re.compile(r"t=(\d{1,12}),v1=([0-9a-f]{64})")


def sign(secret: str, body: bytes, at: datetime) -> str:
    """Give the header of a notice."""
    seconds = int(at.timestamp())
    return f"t={seconds},v1={_digest(secret, str(seconds), body)}"


def read(
    headers: Mapping[str, str], body: bytes, *, secret: str, now: datetime, vendor: str
) -> RunHint:
    """Verify and read a notice. A run's id is its correlation, so the notice names the run. Raises
    IntegrationError (401, 400).
    """
    signature = next(
        (value for name, value in headers.items() if name.lower() == HEADER.lower()), ""
    )
    found = _SIGNATURE.fullmatch(signature)
    if (
        not secret
        or not found
        or not hmac.compare_digest(_digest(secret, found[1], body), found[2])
    ):
        raise IntegrationError(
            "The notice is not signed with the shared secret.",
            vendor=vendor,
            status=HTTPStatus.UNAUTHORIZED,
            retry=False,
        )
    if abs(now.timestamp() - int(found[1])) > TOLERANCE.total_seconds():
        raise IntegrationError(
            "The notice is too old, or a clock is wrong.",
            vendor=vendor,
            status=HTTPStatus.UNAUTHORIZED,
            retry=False,
        )
    told = _told(body, vendor)
    correlation = str(told.get("correlation") or "")  # a build that a person started has none
    return RunHint(
        correlation, correlation, f"{told.get('build')}:{told.get('state')}:{found[1]}"[:200]
    )


def _told(body: bytes, vendor: str) -> dict[str, Any]:
    try:
        told = read_json(body, NOTICE)
    except Unreadable:
        told = None
    if not isinstance(told, dict) or not isinstance(told.get("correlation", ""), str):
        raise IntegrationError(
            "The notice cannot be read.", vendor=vendor, status=HTTPStatus.BAD_REQUEST, retry=False
        )
    return told


def _digest(secret: str, seconds: str, body: bytes) -> str:
    return hmac.new(secret.encode(), seconds.encode() + b"." + body, hashlib.sha256).hexdigest()
