"""GitLab's webhooks: verified over the raw bytes, then read. No I/O.

Sources: doc/user/project/integrations/webhook_events.md (pipeline, job and deployment events); the
signing token follows the Standard Webhooks specification (gitlab-org/gitlab merge request 230944:
``v1,`` and the base64 of HMAC-SHA256 over ``id.timestamp.body``).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from bot.domain.errors import IntegrationError
from bot.domain.limits import NOTICE, Unreadable, read_json
from bot.ports.ci import RunHint
from bot.providers.ci.gitlab import reading

TOLERANCE = timedelta(minutes=5)
"""How far a signed time stamp may be from our clock."""
_KEY_BYTES = range(24, 65)
"""What Standard Webhooks allows; GitLab's own have 32."""


def signing_key(token: str) -> bytes:
    """Decode a signing token (``whsec_`` and base64). Raises ValueError."""
    if not token.startswith("whsec_"):
        raise ValueError("it does not begin with whsec_")
    try:
        key = base64.b64decode(token.removeprefix("whsec_"), validate=True)
    except binascii.Error as error:
        raise ValueError("what follows whsec_ is not base64") from error
    if len(key) not in _KEY_BYTES:
        raise ValueError(f"it holds {len(key)} bytes, not 32")
    return key


def verify(
    headers: Mapping[str, str], body: bytes, *, key: bytes, token: str, now: datetime
) -> None:
    """Check that GitLab sent this: by its signature where we have a signing key and it was sent,
    else by the secret token.

    Raises IntegrationError(status=401) without saying what exactly was wrong.
    """
    sent = {name.lower(): value for name, value in headers.items()}
    if key and "webhook-signature" in sent:
        good = _is_signed(sent, body, key, now)
    else:
        good = bool(token) and hmac.compare_digest(
            sent.get("x-gitlab-token", "").encode(errors="replace"), token.encode()
        )
    if not good:
        raise IntegrationError(
            "This notice does not come from GitLab.", vendor=reading.VENDOR, status=401, retry=False
        )


def _is_signed(sent: Mapping[str, str], body: bytes, key: bytes, now: datetime) -> bool:
    delivery, timestamp = sent.get("webhook-id", ""), sent.get("webhook-timestamp", "")
    if not delivery or not re.fullmatch(r"\d{1,12}", timestamp, re.ASCII):
        return False
    if abs(now.timestamp() - int(timestamp)) > TOLERANCE.total_seconds():
        return False
    expected = signature(key, delivery, timestamp, body).encode()
    given = [each.encode(errors="replace") for each in sent["webhook-signature"].split()]
    return any([hmac.compare_digest(expected, each) for each in given])  # noqa: C419 - compare all, whichever fits


def signature(key: bytes, delivery: str, timestamp: str, body: bytes) -> str:
    """Sign as Standard Webhooks does."""
    digest = hmac.new(
        key, f"{delivery}.{timestamp}.".encode(errors="replace") + body, hashlib.sha256
    ).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def read(headers: Mapping[str, str], body: bytes) -> RunHint:
    """Read a verified notice. A notice that concerns no pipeline names no run; a child's names
    the pipeline that began it.
    """
    sent = {name.lower(): value for name, value in headers.items()}
    delivery = (
        sent.get("webhook-id") or sent.get("idempotency-key") or sent.get("x-gitlab-event-uuid", "")
    )
    try:
        data = read_json(body, NOTICE)
    except Unreadable as error:
        raise IntegrationError(
            "This notice is not JSON.", vendor=reading.VENDOR, status=400, retry=False
        ) from error
    if not isinstance(data, dict):
        raise IntegrationError(
            "This notice is not an object.", vendor=reading.VENDOR, status=400, retry=False
        )
    return RunHint(_run(data), _correlation(data), delivery, _commit(data))


def _commit(data: Mapping[str, Any]) -> str:
    """Name the commit of a pipeline. A job's event says nothing more of the commit than its
    pipeline's, which follows.
    """
    found = _attributes(data).get("sha")
    return found if isinstance(found, str) else ""


def _run(data: Mapping[str, Any]) -> str:
    """Name the pipeline. Ids are unique in one GitLab, whatever the project. A deployment event
    names only its job: no run.
    """
    parent = data.get("source_pipeline")
    if isinstance(parent, dict) and (begun_by := _id(parent.get("pipeline_id"))):
        return begun_by
    if data.get("object_kind") == "pipeline":
        return _id(_attributes(data).get("id"))
    return _id(data.get("pipeline_id")) if data.get("object_kind") == "build" else ""


def _correlation(data: Mapping[str, Any]) -> str:
    attributes = _attributes(data)
    listed = attributes.get("variables")
    found = (
        reading.correlation_of(each for each in listed if isinstance(each, dict))
        if isinstance(listed, list)
        else ""
    )
    return found or reading.named(attributes)


def _attributes(data: Mapping[str, Any]) -> Mapping[str, Any]:
    found = data.get("object_attributes")
    return found if data.get("object_kind") == "pipeline" and isinstance(found, dict) else {}


def _id(value: Any) -> str:
    return (
        str(value) if isinstance(value, int) and not isinstance(value, bool) and value > 0 else ""
    )
