"""Logs: one JSON line per event, without secrets, and no more lines of one
kind than somebody can use.
"""

from __future__ import annotations

import logging
import re
import sys
import time
from collections.abc import Callable, MutableMapping
from typing import Any

import structlog
from structlog.typing import Processor

SECRETS = re.compile(
    r"xox[a-z]-[\w-]+|xapp-[\w-]+|https://hooks\.slack\.com/\S+|gh[a-z]_\w{10,}|github_pat_\w+|"
    r"glpat-[\w-]+|whsec_[\w+/=]+"
    r"|(?<=Bearer )\S+|(?<=Basic )\S+|(?<=://)[^/@\s]+(?=@)"
)
HIDDEN = frozenset({"token", "secret", "authorization", "response_url", "trigger_id", "body"})


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Take secrets out of an event: by the name of the field, and by what they look like."""
    for name, value in event.items():
        if name.lower() in HIDDEN:
            event[name] = "…"
        elif isinstance(value, str):
            event[name] = SECRETS.sub("…", value)
    return event


BURST = 20
"""Lines of one kind that are written as they come; of what follows, one"""
QUIET = 1.0
"""a second, with the number of those that were left out."""
KINDS = 500
TRACED = 60.0
"""Seconds between two traces of the same fault."""
LONGEST_ERROR = 300


class Calm:
    """Holds back the lines of a fault that comes again and again: a full disk, or no descriptor
    left, must not fill the disk with words.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._kinds: dict[str, _Kind] = {}
        self._traced: dict[str, float] = {}

    def __call__(
        self, _logger: Any, _method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        """Let an event pass, or drop it (a processor of structlog's)."""
        left_out = self.admit(str(event.get("event")))
        if left_out is None:
            raise structlog.DropEvent
        if left_out:
            event["left_out"] = left_out
        return self._traced_once(event)

    def _traced_once(self, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Write the whole trace of a fault once a minute; in between one line says what it was."""
        error = sys.exc_info()[1] if event.get("exc_info") else None
        if error is None:
            return event
        kind = f"{event.get('event')} {type(error).__name__}"
        if self._now() - self._traced.get(kind, -TRACED) < TRACED:
            del event["exc_info"]
            event["error"] = f"{type(error).__name__}: {str(error)[:LONGEST_ERROR]}"
            return event
        if len(self._traced) >= KINDS:
            self._traced.clear()
        self._traced[kind] = self._now()
        return event

    def filter(self, record: logging.LogRecord) -> bool:
        """Let a foreign line pass or not (a filter of the standard library's)."""
        return self.admit(f"{record.name} {record.levelno} {str(record.msg)[:40]}") is not None

    def admit(self, kind: str) -> int | None:
        """Tell how many lines of a kind were left out before this one; None when
        this one is left out too.
        """
        if len(self._kinds) >= KINDS and kind not in self._kinds:
            self._kinds.clear()
        found = self._kinds.setdefault(kind, _Kind(self._now()))
        return found.admit(self._now())


class _Kind:
    """What was written of one kind: a bucket of lines that fills again with time."""

    def __init__(self, now: float) -> None:
        self.lines = float(BURST)
        self.at = now
        self.left_out = 0

    def admit(self, now: float) -> int | None:
        self.lines = min(float(BURST), self.lines + (now - self.at) / QUIET)
        self.at = now
        if self.lines < 1:
            self.left_out += 1
            return None
        self.lines -= 1
        left_out, self.left_out = self.left_out, 0
        return left_out


def set_up_logs(level: str) -> None:
    """Write logs to standard error. Bolt's and slack_sdk's own logs, which print
    bodies, are kept to warnings.
    """
    number = getattr(logging, level.upper())
    calm = Calm()
    ours: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso"),
    ]
    written: list[Processor] = [
        structlog.processors.format_exc_info,
        redact,
        structlog.processors.JSONRenderer(),
    ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=ours,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *written],
        )
    )
    handler.addFilter(calm)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for noisy in ("slack_bolt", "slack_sdk", "apscheduler", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.configure(
        processors=[calm, structlog.contextvars.merge_contextvars, *ours, *written],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )  # fmt: skip
