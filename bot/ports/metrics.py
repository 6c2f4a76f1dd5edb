"""What is asked of a source of metrics, and what is remembered of its samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from bot.domain.catalog import EnvironmentPolicy, Service
from bot.domain.health import Observed
from bot.ports.time import Json


@dataclass(frozen=True, slots=True)
class Window:
    """A half-open span of time."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Cohort:
    """Which instances to look at: those that run ``commit``, those that do not
    (``others``), or all (no commit).
    """

    commit: str = ""
    others: bool = False


class MetricsSource(Protocol):
    """Where a service's numbers come from."""

    async def open(self) -> None:
        """Begin to collect, where the source has to collect by itself."""
        ...

    async def close(self) -> None:
        """Stop collecting."""
        ...

    async def observe(
        self, service: Service, environment: EnvironmentPolicy, window: Window, cohort: Cohort
    ) -> Mapping[str, Observed]:
        """Observe every metric of ``service.metric_specs`` over a window. A metric without data is
        missing from the answer.

        Raises IntegrationError where the source does not answer; its text says which one, what it
        answers and since when, for a person.
        """
        ...


@dataclass(frozen=True, slots=True)
class Sample:
    """One scrape of one endpoint: counter values as they were read, keyed as
    the metrics source likes.
    """

    service: str
    environment: str
    endpoint: str
    at: datetime
    values: Mapping[str, Json]


class SampleStore(Protocol):
    """Where the scraping metrics source keeps its history, within bounds."""

    async def add(self, samples: Sequence[Sample]) -> None:
        """Store scrapes."""
        ...

    async def between(
        self, service: str, environment: str, start: datetime, end: datetime
    ) -> tuple[Sample, ...]:
        """List scrapes, oldest first."""
        ...

    async def prune(self, before: datetime) -> None:
        """Forget what is older."""
        ...
