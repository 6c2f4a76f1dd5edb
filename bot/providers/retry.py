"""What a vendor's answer says about asking again: whether its trouble passes, and how long it, or
its host, wants to be left alone.

Pure: statuses and headers (names in lower case) in, seconds and yes or no out.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from bot.providers.rate_limits import LONGEST_PAUSE

USUAL_PAUSE = 60.0
"""How long a host is left alone when it limits us and does not say until when (GitHub: "wait
for at least one minute").
"""
_CLEAR = frozenset({501, 505})
"""The faults that a server has for good. All others, also those that proxies made up, pass, and may
hide a write that was done.
"""
_AGAIN = frozenset({408, 425, 429})


def is_unclear(status: int) -> bool:
    """Tell whether a write that was answered so may have been carried out."""
    return status >= HTTPStatus.INTERNAL_SERVER_ERROR and status not in _CLEAR


def passes(status: int) -> bool:
    """Tell whether asking again may help."""
    return status in _AGAIN or is_unclear(status)


def rest_of_call(status: int, headers: Mapping[str, str]) -> float:
    """Tell how long this one call should wait after the vendor's own trouble. Other calls may fare
    better: an alert page is no dispatch.
    """
    return min(_retry_after(headers) or 0.0, USUAL_PAUSE) if passes(status) else 0.0


def limit(status: int, headers: Mapping[str, str], said: str) -> float:
    """Tell how long the vendor wants to be left alone by whoever we are; 0 when
    this is no such refusal.
    """
    after = _retry_after(headers)
    limited = status == HTTPStatus.TOO_MANY_REQUESTS
    if status == HTTPStatus.FORBIDDEN:  # GitHub's way to say 429
        limited = after is not None or is_used_up(headers) or "rate limit" in said.lower()
    if not limited:
        return 0.0
    if after is not None:
        return max(after, 1.0)
    return (until_reset(headers) if is_used_up(headers) else 0.0) or USUAL_PAUSE


def is_used_up(headers: Mapping[str, str]) -> bool:
    """Tell whether this was the last answer that the limit allows for now."""
    return (headers.get("x-ratelimit-remaining") or headers.get("ratelimit-remaining")) == "0"


def until_reset(headers: Mapping[str, str]) -> float:
    """Give the seconds until the limit is lifted, by the vendor's own clock: ours may differ."""
    reset = _number(headers.get("x-ratelimit-reset") or headers.get("ratelimit-reset") or "")
    now = date(headers.get("date", ""))
    if reset is None:
        return 0.0
    here = now.timestamp() if now else time.time()
    return min(max(reset - here, 1.0), LONGEST_PAUSE)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Read Retry-After: seconds, or a date."""
    value = headers.get("retry-after", "")
    seconds = _number(value)
    if seconds is not None:
        return seconds
    until, now = date(value), date(headers.get("date", ""))
    return max((until - now) / timedelta(seconds=1), 0.0) if until and now else None


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"\d{1,12}(\.\d{1,6})?", text.strip(), re.ASCII) else None


def date(text: str) -> datetime | None:
    """Read an HTTP date; None for anything else."""
    try:
        found = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo else None
