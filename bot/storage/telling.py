"""Who hears of a transaction: the audit log within it; cards, the outbox and the
runbooks once it is committed.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.domain.audit import Entry, Head, Keys, seal
from bot.domain.deployment import ACTING, DeploymentId
from bot.ports.talk import Message
from bot.ports.time import Json
from bot.storage import codec
from bot.storage.reader import SqlReader
from bot.storage.rows import add, plain, table
from bot.storage.tables.record import AuditHeadRow, AuditRow, DeploymentRow
from bot.storage.tables.work import AT_ONCE, OutboxRow, RunbookRow


class SqlTelling(SqlReader):
    """Collects what the others have to be told after the commit."""

    def __init__(
        self, connection: AsyncConnection, audit_keys: Keys, newest_version: Callable[[str], int]
    ) -> None:
        super().__init__(connection)
        self._audit_keys = audit_keys
        self._newest_version = newest_version
        self.audited: Head | None = None
        self.cards: dict[DeploymentId, None] = {}
        self.has_said = False
        self.has_woken = False

    async def redraw(self, id: DeploymentId) -> None:
        """Have a card drawn again."""
        self._changed(id)

    def _changed(self, id: DeploymentId) -> None:
        if id:
            self.cards[id] = None

    async def _redraw_place(self, service: str, environment: str) -> None:
        """Have every card drawn again that says how its place is: what is on its way there, and
        what is there; of all services for none.
        """
        for each in await self.open_deployments(service, environment):
            self._changed(each.undoes or each.id)
        live = await self.live(service, environment)
        there = await self.current(service, environment)
        self._changed(live.deployment if live else "")
        self._changed(there.id if there else "")

    async def _redraw_commit(self, service: str, commit: str) -> None:
        """Have every card drawn again that says whether a commit may be deployed, or gone back to:
        its own, and those of every place.
        """
        for each in await self.of_commit(service, commit):
            self._changed(each.id)
        row = table(DeploymentRow)
        places = select(row.c.environment).where(row.c.service == service).distinct()
        for place in await self._all(places):
            await self._redraw_place(service, place["environment"])

    async def audit(self, entry: Entry) -> None:
        """Append to the hash-chained audit log."""
        row = table(AuditRow)
        last = await self._one(select(row.c.n, row.c.hash).order_by(row.c.n.desc()).limit(1))
        link = seal(entry, Head(last["n"], last["hash"]) if last else None, self._audit_keys.newest)
        await self._connection.execute(insert(row).values(**plain(link)))
        self.audited = Head(link.n, link.hash)

    async def keep_head(self, head: Head) -> None:
        """Store a signed head of the audit log."""
        values = {name: value for name, value in plain(head).items() if name != "is_given"}
        await add(self._connection, AuditHeadRow, values)

    async def say(self, message: Message) -> None:
        """Put a message into the outbox; the same key twice is one message."""
        values = {
            "key": message.key,
            "lane": message.lane,
            "state": "waiting",
            "why": "",
            "body": codec.write(message),
        }
        if await add(self._connection, OutboxRow, values):
            self.has_said = True

    async def start(self, runbook: str, id: str, *args: Json) -> None:
        """Start a runbook under an id; a second start with the same id is nothing."""
        values = {
            "id": id, "name": runbook, "version": self._newest_version(runbook),
            "args": list(args), "state": "waiting",
            "wake_at": AT_ONCE, "wakes": 0, "attempts": 0, "faults": 0, "error": "",
        }  # fmt: skip
        if await add(self._connection, RunbookRow, values):
            self.has_woken = True

    async def wake(self, id: str) -> None:
        """Have a parked runbook look at the stored facts again, now."""
        row = table(RunbookRow)
        woken = update(row).where(row.c.id == id, row.c.state == "waiting")
        await self._connection.execute(woken.values(wakes=row.c.wakes + 1, wake_at=AT_ONCE))
        self.has_woken = True

    async def _wake_place(self, service: str) -> None:
        for deployment in await self.open_deployments(service):
            if deployment.state not in ACTING:
                await self.wake(deployment.id)
