"""SQLite as this server uses it: one writer, write-ahead log, transactions that are all or nothing.

Belongs here: opening a file, transactions. Does not belong here: any table (store.py and others).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def connect(path: Path, schema: str) -> sqlite3.Connection:
    """The database of a file, which is made where it is missing; for one thread only."""
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = NORMAL")
    database.executescript(schema)
    return database


@contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """All of the writes inside, or none. Not to be nested, nor held across an await."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")
