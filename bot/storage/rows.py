"""What every statement needs: tables of row classes, rows of values and values of rows, inserted and replaced."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import SQLModel

from bot.domain.audit import Entry, Link, entry_of
from bot.domain.declared import Declared, Origin
from bot.domain.deployment import Deployment, Kind, State
from bot.domain.people import Person


def table(row: type[SQLModel]) -> Any:
    """Give a row class's table, for statements that return plain rows."""
    return row.__table__  # type: ignore[attr-defined]


def deployment_of(row: RowMapping) -> Deployment:
    """Make a domain value of a row."""
    fields = {key: value for key, value in row.items() if key != "number"}
    return Deployment(
        **{
            **fields,
            "kind": Kind(row["kind"]),
            "state": State(row["state"]),
            "requested_by": Person.parse(row["requested_by"]),
            "lead": Person.parse(row["lead"]) if row["lead"] else None,
            "ended_by": Person.parse(row["ended_by"]) if row["ended_by"] else None,
        }
    )


def entries_of(rows: Sequence[RowMapping]) -> tuple[Entry, ...]:
    """Make the entries of a log of its rows."""
    return tuple(entry_of(Link(**row)) for row in rows)


def with_person(row: RowMapping) -> dict[str, Any]:
    """Give a row's fields, with the person who did it."""
    return {**row, "by": Person.parse(row["by"])}


def declared_of(row: RowMapping) -> Declared:
    """Make a domain value of a row."""
    known = {key: value for key, value in with_person(row).items() if key != "n"}
    return Declared(**{**known, "origin": Origin(row["origin"])})


async def add(connection: AsyncConnection, row: type[Any], values: dict[str, Any]) -> bool:
    """Insert a row unless its key is taken; tell whether it was inserted."""
    result = await connection.execute(sqlite_insert(table(row)).values(**values).on_conflict_do_nothing())
    return result.rowcount > 0


async def put(connection: AsyncConnection, row: type[Any], values: dict[str, Any]) -> None:
    """Insert a row, or replace the one with its primary key."""
    target = table(row)
    keys = [column.name for column in target.primary_key]
    statement = sqlite_insert(target).values(**values)
    rest = {name: statement.excluded[name] for name in values if name not in keys}
    await connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=rest))


def plain(value: Any) -> dict[str, Any]:
    """Give a value's fields as a row has them."""
    return {name: getattr(value, name) for name in value.__dataclass_fields__}
