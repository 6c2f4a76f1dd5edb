"""What SQLite and the file system say about the database, as sentences with a remedy."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from bot.domain.errors import ConfigurationError, GonogoError, SystemUnavailable
from bot.domain.faults import PASSING, of_system
from bot.storage.direct import DatabaseBusy

ELSEWHERE = "Set GONOGO_DATABASE_URL to a file of the bot's own"
_PASSING = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PROTOCOL,
    }
)
_SAID = {
    sqlite3.SQLITE_NOTADB: (
        f"is no database: it is another kind of file. {ELSEWHERE}, or restore a backup."
    ),
    sqlite3.SQLITE_CORRUPT: "is damaged. Restore a backup.",
    sqlite3.SQLITE_CANTOPEN: (
        f"cannot be opened as a file. {ELSEWHERE}, in a folder that the bot may write to."
    ),
    sqlite3.SQLITE_READONLY: "may not be written. Give it to the user that the bot runs as.",
    sqlite3.SQLITE_PERM: "may not be used. Give it to the user that the bot runs as.",
    sqlite3.SQLITE_AUTH: "may not be used. Give it to the user that the bot runs as.",
    sqlite3.SQLITE_FULL: "cannot be written: the disk is full. Make room.",
    sqlite3.SQLITE_IOERR: "cannot be read or written: the disk reports an error. Look at the disk.",
    sqlite3.SQLITE_ERROR: (
        f"does not hold the tables of Go/No-Go. {ELSEWHERE}, or restore a backup."
    ),
}


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Turn what goes wrong with the file into ConfigurationError (a person has to mend it) or
    SystemUnavailable (it may pass).
    """
    try:
        yield
    except OSError as error:
        raise of_system(
            error,
            f"The database {path} cannot be used",
            f"{ELSEWHERE}, in a folder that the bot may write to.",
        ) from error
    except DBAPIError as error:
        if not isinstance(error.orig, sqlite3.Error):
            raise
        raise of_sqlite(path, error.orig) from error
    except sqlite3.Error as error:
        raise of_sqlite(path, error) from error


def may_pass(error: Exception) -> bool:
    """Tell whether a fault is the machine's and may be gone at the next try."""
    if isinstance(error, OSError):
        return error.errno in PASSING
    if isinstance(error, DBAPIError) and isinstance(error.orig, sqlite3.Error):
        return getattr(error.orig, "sqlite_errorcode", sqlite3.SQLITE_INTERNAL) & 0xFF in _PASSING
    return isinstance(error, DatabaseBusy)


def is_damage(error: sqlite3.Error) -> bool:
    """Tell whether the file, or the disk under it, is not whole."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_INTERNAL) & 0xFF
    return code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_IOERR}


def of_sqlite(path: Path, error: sqlite3.Error) -> GonogoError:
    """Say what SQLite said about a file."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_INTERNAL) & 0xFF
    said = _SAID.get(code, f"cannot be used: {error}.")
    return (SystemUnavailable if code in _PASSING else ConfigurationError)(
        f"The database {path} {said}"
    )
