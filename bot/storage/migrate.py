"""Bring the schema up to date with the migrations that ship in this package."""

from __future__ import annotations

import asyncio
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import NullPool, create_engine, event, inspect
from sqlalchemy.engine import Connection, make_url

from bot.domain.errors import ConfigurationError


def configuration() -> Config:
    """Point Alembic at the packaged migrations."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    return config


async def upgrade(url: str) -> None:
    """Apply what is missing. Raises ConfigurationError when the database is
    newer than this program.
    """
    await asyncio.to_thread(_upgrade, url)


def _upgrade(url: str) -> None:
    """Migrate in one transaction: a crash in the middle leaves the old schema. Foreign keys are off
    while tables are rewritten.
    """
    engine = create_engine(
        make_url(url).set(drivername="sqlite"),
        poolclass=NullPool,
        connect_args={"isolation_level": None},
    )
    event.listen(engine, "begin", _begin)
    with engine.begin() as connection:
        _refuse_foreign(connection)
        _refuse_newer(connection)
        config = configuration()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _refuse_foreign(connection: Connection) -> None:
    """Leave another program's database alone: its tables are there and our mark is not."""
    tables = set(inspect(connection).get_table_names())
    if tables and "alembic_version" not in tables:
        raise ConfigurationError(
            "The database belongs to another program. Set GONOGO_DATABASE_URL to "
            "a file of the bot's own."
        )


def _refuse_newer(connection: Connection) -> None:
    current = MigrationContext.configure(connection).get_current_revision()
    known = {
        script.revision for script in ScriptDirectory.from_config(configuration()).walk_revisions()
    }
    if current is not None and current not in known:
        raise ConfigurationError(
            f"The database has schema {current}, which this version does not know. Run the "
            "newer version that made it."
        )
