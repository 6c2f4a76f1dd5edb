"""What all tests share.

Plain tracebacks in the log: a drawn one with the values of all variables takes seconds on a busy machine. And examples that are drawn as
slowly as the machine is: how long that takes says nothing about the product.
"""

from __future__ import annotations

import structlog
from hypothesis import HealthCheck, settings

settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")

structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)
