"""What every statement needs: tables of row classes, rows of values and values of
rows, inserted and replaced.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import Insert, Select, Table, bindparam, select
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


@cache
def asking(target: Table, equal: tuple[str, ...], order: str = "") -> Select[Any]:
    """Give the statement that finds rows by these columns, in the order of one.

    It is made once: making one takes several times as long as asking it.
    """
    statement = select(target).where(*(target.c[name] == bindparam(name) for name in equal))
    return statement.order_by(target.c[order]) if order else statement


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


@cache
def _adding(target: Table) -> Insert:
    return sqlite_insert(target).on_conflict_do_nothing()


@cache
def _putting(target: Table, names: tuple[str, ...]) -> Insert:
    keys = [column.name for column in target.primary_key]
    statement = sqlite_insert(target)
    rest = {name: statement.excluded[name] for name in names if name not in keys}
    return statement.on_conflict_do_update(index_elements=keys, set_=rest)


async def add(connection: AsyncConnection, row: type[Any], values: dict[str, Any]) -> bool:
    """Insert a row unless its key is taken; tell whether it was inserted."""
    return (await connection.execute(_adding(table(row)), values)).rowcount > 0


async def put(connection: AsyncConnection, row: type[Any], values: dict[str, Any]) -> None:
    """Insert a row, or replace the one with its primary key."""
    await connection.execute(_putting(table(row), tuple(values)), values)


def plain(value: Any) -> dict[str, Any]:
    """Give a value's fields as a row has them."""
    return {name: getattr(value, name) for name in value.__dataclass_fields__}
