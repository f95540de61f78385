"""The records of feature groups: the newest of each entity, and the journal of all that came.

Belongs here: one SQLite file, and what event times, deletions and times to live mean in it. Does
not belong here: whether a record is allowed (feature_values.py), Parquet (feature_offline.py).

An older event time never replaces a newer one, nor an equal one: only a greater event time reaches
the online store, and everything reaches the journal of the offline store.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from mlops_assets.sagemaker_local.database import connect, transaction
from mlops_assets.sagemaker_local.store import Document

FILE_NAME = "features.db"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS online (
    name TEXT NOT NULL, identifier TEXT NOT NULL, event INTEGER NOT NULL, expires INTEGER,
    record TEXT, PRIMARY KEY (name, identifier)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS journal (
    id INTEGER PRIMARY KEY AUTOINCREMENT, target TEXT NOT NULL, event INTEGER NOT NULL,
    invoked INTEGER NOT NULL, deleted INTEGER NOT NULL, record TEXT NOT NULL, batch INTEGER
);
CREATE INDEX IF NOT EXISTS journal_batch ON journal (batch);
"""
_UPSERT = """
INSERT INTO online VALUES (:name, :identifier, :event, :expires, :record)
ON CONFLICT DO UPDATE SET event = excluded.event, expires = excluded.expires,
    record = excluded.record
WHERE excluded.event > online.event OR online.expires <= :now
"""
_ALIVE = "record IS NOT NULL AND (expires IS NULL OR expires > ?)"


@dataclass(frozen=True)
class Write:
    """One record to be written; times in microseconds since the epoch.

    ``target`` says where the offline store keeps it (JSON: the URI and the features' types), None
    where it does not; ``online`` whether the online store gets it. Deletions have no features.
    """

    name: str
    identifier: str
    event: int
    features: dict[str, str]
    expires: int | None = None
    online: bool = True
    target: str | None = None
    deleted: bool = False


@dataclass(frozen=True)
class Record:
    """A record of the online store; ``expires`` in microseconds since the epoch."""

    identifier: str
    features: dict[str, str]
    expires: int | None


@dataclass(frozen=True)
class JournalEntry:
    """A record on its way to the offline store."""

    target: str
    event: int
    invoked: int
    deleted: bool
    features: dict[str, str]


def now_us() -> int:
    return time.time_ns() // 1000


class Records:
    """Used from one thread only, the event loop's."""

    def __init__(self, home: Path) -> None:
        self._db = connect(home / FILE_NAME, _SCHEMA)

    def close(self) -> None:
        self._db.close()

    def write(self, writes: Iterable[Write]) -> None:
        """All of the writes, or none."""
        now = now_us()
        with transaction(self._db):
            for one in writes:
                self._write(one, now)

    def _write(self, one: Write, now: int) -> None:
        text = orjson.dumps(one.features).decode()
        if one.online:
            values = {
                "name": one.name,
                "identifier": one.identifier,
                "event": one.event,
                "expires": one.expires,
                # A deleted record keeps its place, so that nothing older comes back.
                "record": None if one.deleted else text,
                "now": now,
            }
            self._db.execute(_UPSERT, values)
        if one.target is not None:
            self._db.execute(
                "INSERT INTO journal (target, event, invoked, deleted, record)"
                " VALUES (?, ?, ?, ?, ?)",
                (one.target, one.event, now, one.deleted, text),
            )

    def remove(self, name: str, identifier: str, event: int) -> bool:
        """Hard deletion; False, and nothing done, unless ``event`` is later than the record's."""
        found = self._db.execute(
            "DELETE FROM online WHERE name = ? AND identifier = ? AND event < ?",
            (name, identifier, event),
        )
        return found.rowcount == 1

    def read(self, name: str, identifiers: Sequence[str]) -> list[Record]:
        """Those of the records that are there, neither deleted nor expired."""
        wanted = ",".join("?" * len(identifiers))
        rows = self._db.execute(
            "SELECT identifier, record, expires FROM online"  # noqa: S608 - only question marks
            f" WHERE name = ? AND identifier IN ({wanted}) AND {_ALIVE}",
            (name, *identifiers, now_us()),
        )
        return [Record(row[0], orjson.loads(row[1]), row[2]) for row in rows]

    def size(self, name: str) -> int:
        """Bytes of the group's records in the online store."""
        query = f"SELECT TOTAL(LENGTH(record)) FROM online WHERE name = ? AND {_ALIVE}"  # noqa: S608
        return int(self._db.execute(query, (name, now_us())).fetchone()[0])

    def drop(self, name: str) -> None:
        """Forget the group's online records; what is in the journal still goes offline."""
        self._db.execute("DELETE FROM online WHERE name = ?", (name,))

    def take(self, limit: int) -> tuple[int, list[JournalEntry]]:
        """A batch of the journal, the same one until it is ``done``: (its number, entries)."""
        (batch,) = self._db.execute("SELECT MIN(batch) FROM journal").fetchone()
        if batch is None:
            (batch,) = self._db.execute("SELECT MIN(id) FROM journal").fetchone()
            if batch is None:
                return 0, []
            self._db.execute(
                "UPDATE journal SET batch = ? WHERE id IN"
                " (SELECT id FROM journal ORDER BY id LIMIT ?)",
                (batch, limit),
            )
        rows = self._db.execute(
            "SELECT target, event, invoked, deleted, record FROM journal WHERE batch = ?"
            " ORDER BY id",
            (batch,),
        )
        entries = [JournalEntry(r[0], r[1], r[2], bool(r[3]), orjson.loads(r[4])) for r in rows]
        return batch, entries

    def done(self, batch: int) -> None:
        """The batch is in the offline store."""
        self._db.execute("DELETE FROM journal WHERE batch = ?", (batch,))


def definitions_of(target: str) -> tuple[str, dict[str, str]]:
    """The URI and the features' types in a write's ``target``."""
    content: Document = orjson.loads(target)
    return content["uri"], content["types"]


def target_of(uri: str, types: dict[str, str]) -> str:
    """The same, as a write carries it."""
    return orjson.dumps({"uri": uri, "types": types}).decode()
