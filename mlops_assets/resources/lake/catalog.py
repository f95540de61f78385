"""Opening an Iceberg catalog, and waiting for other writers to it.

Belongs here: what differs between catalogs (SQLite's locks, creation races) and what counts as
a conflict worth trying again. Does not belong here: what is committed (core.py).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from tenacity import AttemptManager

CONFLICT_SECONDS = 300.0
"""How long a writer tries to get its turn before the conflict becomes its error."""

_SQLITE_WAIT_SECONDS = 60


def open_catalog(properties: Mapping[str, str]) -> Catalog:
    """The catalog of pyiceberg properties; a SQLite one is created and set to wait its turn."""
    from pyiceberg.catalog import load_catalog

    settings = dict(properties)
    if settings.get("uri", "").startswith("sqlite:"):
        settings["uri"] = _patient_sqlite(settings["uri"])
    for attempt in attempts():
        with attempt:
            return load_catalog("lake", **settings)
    raise AssertionError("unreachable: the last attempt raises")


def _patient_sqlite(uri: str) -> str:
    """Write-ahead logging, so that readers never wait, and a long busy timeout for writers."""
    path = urlsplit(uri).path.removeprefix("/")
    if path and path != ":memory:":
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        for attempt in attempts():
            with attempt:
                _use_write_ahead_log(path)
    if "timeout=" in uri:
        return uri
    return f"{uri}{'&' if '?' in uri else '?'}timeout={_SQLITE_WAIT_SECONDS}"


def _use_write_ahead_log(path: str) -> None:
    # SQLite does not wait its turn for a change of the journal: it says "locked" at once.
    with closing(sqlite3.connect(path, timeout=_SQLITE_WAIT_SECONDS)) as connection:
        (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
        if mode != "wal":
            connection.execute("PRAGMA journal_mode=WAL")


def attempts() -> Iterator[AttemptManager]:
    """Tries of one change, with random pauses, until it raises no conflict (at most 5 minutes).

    pyiceberg's own 4 tries are too few for a burst of writers, and it counts two writers of one
    partition as an error rather than as a queue.
    """
    from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random_exponential

    return iter(
        Retrying(
            retry=retry_if_exception(is_conflict),
            wait=wait_random_exponential(multiplier=0.05, max=2.0),
            stop=stop_after_delay(CONFLICT_SECONDS),
            reraise=True,
        )
    )


def is_conflict(error: BaseException) -> bool:
    """Whether another writer was in the way, so that trying again from the start can succeed."""
    from pyiceberg import exceptions as iceberg
    from sqlalchemy import exc as sql

    if isinstance(error, sql.OperationalError | sqlite3.OperationalError):
        return any(word in str(error) for word in ("locked", "busy", "already exists"))
    return isinstance(
        error,
        (
            iceberg.CommitFailedException,
            iceberg.CommitStateUnknownException,
            iceberg.NamespaceAlreadyExistsError,
            iceberg.TableAlreadyExistsError,
            sql.IntegrityError,
        ),
    )
