"""What the server must remember: one SQLite file, written in transactions.

Belongs here: resources as documents by kind and name, tags by ARN, and the ledger of the jobs that
would have been paid for. Does not belong here: what a document means, and objects or logs (files).
"""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops_assets.sagemaker_local.database import connect, transaction

Document = dict[str, Any]
FILE_NAME = "state.db"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS resources (
    kind TEXT NOT NULL, name TEXT NOT NULL, document TEXT NOT NULL, PRIMARY KEY (kind, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tags (
    arn TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (arn, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ledger (
    id INTEGER PRIMARY KEY, created REAL NOT NULL, job TEXT NOT NULL, arn TEXT NOT NULL UNIQUE,
    instance_type TEXT NOT NULL, instance_count INTEGER NOT NULL, billable_seconds INTEGER
);
"""


@dataclass(frozen=True)
class LedgerEntry:
    """A created job that is billed by the second; ``billable_seconds`` is None until it ended."""

    job: str
    arn: str
    created: float
    instance_type: str
    instance_count: int
    billable_seconds: int | None


class Store:
    """The state of one server; used from one thread only, the event loop's."""

    def __init__(self, home: Path) -> None:
        self._db = connect(home / FILE_NAME, _SCHEMA)

    def close(self) -> None:
        self._db.close()

    def transaction(self) -> AbstractContextManager[None]:
        """All of the writes inside, or none. Not to be nested, nor held across an await."""
        return transaction(self._db)

    def get(self, kind: str, name: str) -> Document | None:
        row = self._db.execute(
            "SELECT document FROM resources WHERE kind = ? AND name = ?", (kind, name)
        ).fetchone()
        return None if row is None else json.loads(row[0])

    def all(self, kind: str) -> list[Document]:
        rows = self._db.execute("SELECT document FROM resources WHERE kind = ?", (kind,))
        return [json.loads(row[0]) for row in rows]

    def put(self, kind: str, name: str, document: Document) -> None:
        """Create or replace."""
        self._db.execute(
            "INSERT OR REPLACE INTO resources VALUES (?, ?, ?)", (kind, name, json.dumps(document))
        )

    def update(self, kind: str, name: str, **members: Any) -> Document:
        """Set members of a document that exists; LastModifiedTime is set to now."""
        document = self.get(kind, name)
        if document is None:
            raise KeyError(f"{kind} {name}")
        document |= {"LastModifiedTime": time.time()} | members
        self.put(kind, name, document)
        return document

    def delete(self, kind: str, name: str) -> None:
        self._db.execute("DELETE FROM resources WHERE kind = ? AND name = ?", (kind, name))

    def tags(self, arn: str) -> dict[str, str]:
        rows = self._db.execute("SELECT key, value FROM tags WHERE arn = ? ORDER BY key", (arn,))
        return dict(rows.fetchall())

    def set_tags(self, arn: str, tags: dict[str, str]) -> None:
        """Replace all tags of the ARN."""
        self._db.execute("DELETE FROM tags WHERE arn = ?", (arn,))
        self._db.executemany(
            "INSERT INTO tags VALUES (?, ?, ?)", [(arn, key, value) for key, value in tags.items()]
        )

    def bill(self, job: str, arn: str, instance_type: str, instance_count: int) -> None:
        """Enter a created job in the ledger."""
        self._db.execute(
            "INSERT INTO ledger (created, job, arn, instance_type, instance_count)"
            " VALUES (?, ?, ?, ?, ?)",
            (time.time(), job, arn, instance_type, instance_count),
        )

    def bill_seconds(self, arn: str, seconds: int) -> None:
        self._db.execute("UPDATE ledger SET billable_seconds = ? WHERE arn = ?", (seconds, arn))


def read_ledger(home: Path) -> list[LedgerEntry]:
    """Every job of those kinds ever created in this home, oldest first; the server need not run.

    The ledger is what shows that a retry adopted a job instead of paying for a second one.
    """
    path = home / FILE_NAME
    if not path.exists():
        return []
    with closing(sqlite3.connect(path)) as db:
        rows = db.execute(
            "SELECT job, arn, created, instance_type, instance_count, billable_seconds"
            " FROM ledger ORDER BY id"
        )
        return [LedgerEntry(*row) for row in rows]
