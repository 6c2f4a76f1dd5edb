"""GitHub's webhooks: verified by ``X-Hub-Signature-256`` alone, then read. No I/O.

https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from bot.domain.errors import IntegrationError
from bot.domain.limits import NOTICE, Unreadable, read_json
from bot.ports.ci import RunHint

VENDOR = "GitHub"
_CORRELATION = re.compile(r"(?<!\S)[\w.-]+-\d+:[\w:.-]+(?!\S)", re.ASCII)
_OF_COMMITS = frozenset({"check_suite", "check_run"})
"""Events that say nothing of a run, but that the checks of a commit have changed."""
_RULE = re.compile(r"/actions/runs/(\d{1,20})/deployment_protection_rule\Z", re.ASCII)
"""Only the number is read of the address in a payload; what is called is made of
the configured repository.
"""


def parse(headers: Mapping[str, str], body: bytes, *, secret: str) -> RunHint:
    """Verify and read a delivery; an event that concerns no run names none.

    All services share one secret, so a run is named whichever repository it belongs to; GitHub's
    run ids are unique among all. Raises IntegrationError: status 401 when it is not authentic, 400
    when it is not readable.
    """
    named = {name.lower(): value for name, value in headers.items()}
    _verify(named, body, secret)
    delivery = named.get("x-github-delivery", "")
    try:
        return _hint(named.get("x-github-event", ""), read_json(body, NOTICE), delivery)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, Unreadable) as error:
        sentence = (
            "GitHub's delivery cannot be read. Is the webhook's content type application/json?"
        )
        raise IntegrationError(
            sentence, vendor=VENDOR, status=HTTPStatus.BAD_REQUEST, retry=False
        ) from error


def sign(secret: str, body: bytes) -> str:
    """Give the signature of a body as GitHub writes it."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def _verify(headers: Mapping[str, str], body: bytes, secret: str) -> None:
    given = headers.get("x-hub-signature-256", "")
    if not secret or not hmac.compare_digest(
        sign(secret, body).encode(), given.encode(errors="replace")
    ):
        raise IntegrationError(
            "This delivery is not signed by GitHub.",
            vendor=VENDOR,
            status=HTTPStatus.UNAUTHORIZED,
            retry=False,
        )


def _hint(event: str, payload: Any, delivery: str) -> RunHint:
    if event == "workflow_job":
        return RunHint(str(int(payload["workflow_job"]["run_id"])), delivery=delivery)
    if event == "workflow_run":
        run = payload["workflow_run"]
        title = _CORRELATION.search(str(run.get("display_title") or ""))
        return RunHint(
            str(int(run["id"])), title[0] if title else "", delivery, _sha(run.get("head_sha"))
        )
    if event == "deployment_protection_rule":
        run_id = _RULE.search(payload["deployment_callback_url"])[1]  # type: ignore[index] # 400
        return RunHint(str(int(run_id)), delivery=delivery)
    named = payload.get(event)  # whatever else it is, it must be an object
    commit = (
        payload.get("sha")
        if event == "status"
        else named.get("head_sha")
        if event in _OF_COMMITS
        else ""
    )
    return RunHint("", delivery=delivery, commit=_sha(commit))


def _sha(value: Any) -> str:
    return value if isinstance(value, str) else ""
