"""Runs in memory: what a provider stores, and finds again after a restart."""

from __future__ import annotations

from bot.ports.ci import LocalRun, StoredStart


class MemoryRuns:
    """``ports.RunStore`` that outlives the provider."""

    def __init__(self, rows: dict[str, LocalRun] | None = None) -> None:
        self.rows = rows or {}

    async def add(self, run: LocalRun) -> LocalRun:
        stored = await self.by_correlation(run.service, run.correlation)
        return stored or self.rows.setdefault(run.run.id, run)

    async def save(self, run: LocalRun) -> bool:
        if self.rows[run.run.id].run.state.is_final:
            return False
        self.rows[run.run.id] = run
        return True

    async def get(self, id: str) -> LocalRun | None:
        return self.rows.get(id)

    async def by_correlation(self, service: str, correlation: str) -> LocalRun | None:
        same = (
            row
            for row in self.rows.values()
            if (row.service, row.correlation) == (service, correlation)
        )
        return next(same, None)

    async def unfinished(self, service: str) -> tuple[LocalRun, ...]:
        return tuple(
            row
            for row in self.rows.values()
            if row.service == service and not row.run.state.is_final
        )


class MemoryStarts:
    """``ports.StartStore`` that outlives the provider."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str, str], StoredStart] = {}

    async def save(self, start: StoredStart) -> None:
        self.rows[start.vendor, start.service, start.correlation] = start

    async def get(self, vendor: str, service: str, correlation: str) -> StoredStart | None:
        return self.rows.get((vendor, service, correlation))
