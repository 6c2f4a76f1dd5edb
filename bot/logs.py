"""Logs: one JSON line per event, without secrets."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog
from structlog.typing import Processor

SECRETS = re.compile(
    r"xox[a-z]-[\w-]+|xapp-[\w-]+|https://hooks\.slack\.com/\S+|gh[a-z]_\w{10,}|github_pat_\w+|glpat-[\w-]+|whsec_[\w+/=]+"
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


def set_up_logs(level: str) -> None:
    """Write logs to standard error. Bolt's and slack_sdk's own logs, which print bodies, are kept to warnings."""
    number = getattr(logging, level.upper())
    ours: list[Processor] = [structlog.processors.add_log_level, structlog.processors.TimeStamper(fmt="iso")]
    written: list[Processor] = [structlog.processors.format_exc_info, redact, structlog.processors.JSONRenderer()]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=ours, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *written]
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for noisy in ("slack_bolt", "slack_sdk", "apscheduler", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, *ours, *written],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )  # fmt: skip
