"""What a transaction sets of a deployment, one thing at a time; its state is
changed by ``move`` alone.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import update

from bot.domain.deployment import DeploymentId
from bot.domain.people import Person
from bot.storage.rows import table
from bot.storage.tables.record import DeploymentRow
from bot.storage.telling import SqlTelling


class SqlSetters(SqlTelling):
    """``ports.Transaction``, as far as it sets single facts of a deployment."""

    async def pin(self, id: DeploymentId, commit: str, version: str) -> None:
        """Bind a deployment to a full commit, and to what people call it."""
        await self._set(id, commit=commit, version=version)

    async def set_base(self, id: DeploymentId, commit: str, version: str) -> None:
        """Say what was live when its way there was judged; both empty for nothing."""
        await self._set(id, base_commit=commit, base_version=version)

    async def set_lead(self, id: DeploymentId, lead: Person) -> None:
        """Give it another lead."""
        await self._set(id, lead=str(lead))

    async def ask_anew(self, id: DeploymentId, by: Person, at: datetime) -> None:
        """Say who asked for it once more, and when: it answers what has failed since."""
        await self._set(id, requested_by=str(by), asked_anew_at=at)

    async def set_started(self, id: DeploymentId, at: datetime | None) -> None:
        """Say since when something of it may be there; None for never."""
        await self._set(id, started_at=at)

    async def set_landed(self, id: DeploymentId, at: datetime) -> None:
        """Say when it was live whole; what is watched anew begins then."""
        await self._set(id, landed_at=at)

    async def set_countdown(self, id: DeploymentId, until: datetime | None) -> None:
        """Set when it is rolled back by itself; None for not."""
        await self._set(id, countdown_until=until)

    async def set_acceptance(self, id: DeploymentId, how: str) -> None:
        """Say how it was accepted where it was not verified
        (``Acceptance``); empty where it was.
        """
        await self._set(id, accepted=how)

    async def set_note(self, id: DeploymentId, note: str) -> None:
        """Write why it is in its state."""
        await self._set(id, note=note)

    async def set_reason(self, id: DeploymentId, reason: str) -> None:
        """Write why it was asked for."""
        await self._set(id, reason=reason)

    async def _set(self, id: DeploymentId, **values: Any) -> None:
        row = table(DeploymentRow)
        await self._connection.execute(update(row).where(row.c.id == id).values(**values))
        self._changed(id)
