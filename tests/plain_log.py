"""What all tests share.

Plain tracebacks in the log: a drawn one with the values of all variables takes seconds on a busy
machine. And examples that are drawn as slowly as the machine is: how long that takes says nothing
about the product. Coverage is counted in the first telling of a test with many.
"""

from __future__ import annotations

import pytest
import structlog
from hypothesis import HealthCheck, settings

settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")

structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(
            colors=False, exception_formatter=structlog.dev.plain_traceback
        ),
    ]
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Count coverage in the first telling alone of a test that is told with many values: counting
    costs as much again as the test.
    """
    told: set[str] = set()
    for item in items:
        name = item.nodeid.partition("[")[0]
        if name in told:
            item.add_marker(pytest.mark.no_cover)
        told.add(name)
