"""Copy the database while a bot works on it, and believe the copy only after it was read."""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from bot.domain.errors import ConfigurationError, GonogoError
from bot.domain.faults import of_system
from bot.storage.database import BESIDE, PRIVATE, file_of
from bot.storage.faults import told


@dataclass(frozen=True, slots=True)
class Copy:
    """What a backup holds."""

    file: Path
    deployments: int
    entries: int
    size: int


def back_up(url: str, file: Path) -> Copy:
    """Copy the database into one file, verify the copy, and only then put it in its place.

    Raises ConfigurationError when there is no database, or no place for the copy, and GonogoError
    when the copy does not hold.
    """
    source = file_of(url)
    if not source.is_file():
        raise ConfigurationError(
            f"There is no database at {source}, so nothing was backed up. Set "
            "GONOGO_DATABASE_URL to the bot's."
        )
    try:
        _may_be_written(source, file)
        return _replaced(source, file)
    except OSError as error:
        raise of_system(
            error,
            f"The backup {file} cannot be written",
            "Name a file in a folder that may be written to.",
        ) from error


def _may_be_written(source: Path, file: Path) -> None:
    """Refuse to put a backup where something else is, or where the database keeps what belongs to
    it. Raises ConfigurationError.
    """
    beside = {f"{source.name}{suffix}" for suffix in (*BESIDE, "-journal")}
    if file.name in beside and file.absolute().parent.samefile(source.absolute().parent):
        raise ConfigurationError(
            f"{file} cannot be the backup: the database keeps files of its own "
            "there. Name another file."
        )
    if not os.path.lexists(file):
        return
    if not stat.S_ISREG(file.lstat().st_mode) or file.samefile(source):
        raise ConfigurationError(
            f"{file} cannot be the backup: it is no file that could be "
            "replaced. Name a file of its own."
        )
    if file.stat().st_size and not _is_copy(file):
        raise ConfigurationError(
            f"{file} holds something else than a backup of Go/No-Go, and was left as "
            "it was. Name another file."
        )


def _is_copy(file: Path) -> bool:
    """Tell whether a file is a database of ours."""
    try:
        with closing(
            sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
        ) as before:
            before.execute("SELECT version_num FROM alembic_version").fetchone()
            before.execute("SELECT count(*) FROM audit").fetchone()
    except sqlite3.Error:
        return False
    return True


def _replaced(source: Path, file: Path) -> Copy:
    part = file.with_name(f"{file.name}.part")
    part.unlink(missing_ok=True)
    try:
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, PRIVATE))
        with told(source):
            _copy(source, part)
            found = _verified(part, file)
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
    _settle(file.parent)
    return found


def _copy(source: Path, part: Path) -> None:
    """Copy as of one moment. The copy is one file, without a WAL beside it."""
    with (
        closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as live,
        closing(sqlite3.connect(part)) as copy,
    ):
        live.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")
    _settle(part)


def _verified(part: Path, file: Path) -> Copy:
    with closing(sqlite3.connect(f"{part.absolute().as_uri()}?mode=ro", uri=True)) as copy:
        problems = [str(row[0]) for row in copy.execute("PRAGMA integrity_check(3)")]
        if problems != ["ok"]:
            raise GonogoError(
                f"The database is damaged ({problems[0]}); {file} was left as it was. Keep "
                "the backups that you have."
            )
        copy.execute("SELECT version_num FROM alembic_version").fetchone()
        deployments, entries = (
            copy.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 - two words of ours
            for table in ("deployment", "audit")
        )
    return Copy(file, deployments, entries, part.stat().st_size)


def _settle(path: Path) -> None:
    """Have the disk keep it."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
