"""Requests that leave features out: read from the online feature store by entity key, put in.

Belongs here: which rows lack what, what a missing or old record means, and what an unreachable
store does. Does not: the store's protocol (online_store.py), bodies (online_rows.py), predicting:
the wrapped engine gets a complete request and answers it as any other.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mlops_assets.containers.handle import Handler, Request
from mlops_assets.containers.http.http_reply import with_header
from mlops_assets.containers.online_features.online_rows import Row, read_rows
from mlops_assets.containers.online_features.online_store import OnlineStore, Records, Unavailable
from mlops_assets.containers.reply import ARROW, Refused, Reply, error, media_type, too_many
from mlops_assets.ml.artifact import manifest
from mlops_assets.ml.feature_record import EVENT_TIME, entity_id

VARIABLE = "MLOPS_ONLINE"
# Causes that the metrics count: answers with features that were not there, or too old to be used.
MISSING, STALE, UNAVAILABLE = "online_missing", "online_stale", "online_unavailable"
# Different records that one request may ask for: a hundred batches.
MOST_RECORDS = 10_000
# By then the server answers /ping, which is not to wait for an AWS library.
_WARM_AFTER_SECONDS = 0.5

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class OnlineSettings:
    """What MLOPS_ONLINE says: `columns` are read by the values of the `key` columns from `group`;
    records older than `max_age_s` seconds count as missing."""

    group: str
    key: tuple[str, ...]
    columns: tuple[str, ...]
    max_age_s: int | None = None

    @classmethod
    def from_json(cls, text: str) -> OnlineSettings:
        """Raises ValueError, naming the variable, for a text that does not."""
        try:
            content = json.loads(text)
            key, columns = tuple(content.pop("key")), tuple(content.pop("columns"))
            return cls(key=key, columns=columns, **content)
        except (ValueError, TypeError, KeyError, AttributeError) as wrong:
            raise ValueError(
                f'{VARIABLE} must be {{"group", "key", "columns", "max_age_s"}} as JSON: {wrong!r}'
            ) from None


def with_online_features(handler: Handler, text: str, model: Path) -> Handler:
    """The handler, its requests completed as MLOPS_ONLINE (`text`) says.

    Raises ValueError for a text that says nothing of the kind, or columns the model does not have.
    """
    settings = OnlineSettings.from_json(text)
    sealed = model / manifest.NAME
    if not sealed.exists():
        raise ValueError(f"{VARIABLE} is set, and the model has no {manifest.NAME} that names them")
    columns = manifest.Manifest.from_bytes(sealed.read_bytes()).columns
    numeric = {column.name: column.type == "number" for column in columns}
    if unknown := [name for name in settings.columns if name not in numeric]:
        raise ValueError(f"{VARIABLE}: the model has no columns {unknown}: it has {list(numeric)}")
    store = OnlineStore(settings.group, [EVENT_TIME, *settings.columns])
    warm = threading.Timer(_WARM_AFTER_SECONDS, _warm, [store])
    warm.daemon = True
    warm.start()
    return OnlineHandler(handler, settings, numeric, store)


def _warm(store: OnlineStore) -> None:
    try:
        store.open()
    except Exception:
        log.exception("the online feature store's client cannot be made")


class OnlineHandler:
    """Completes requests for another handler; blocks while it reads, so call it from a thread.

    `numeric` says of each column of the model whether it is a number.
    """

    inline_bytes = -1
    batches = False

    def __init__(
        self,
        handler: Handler,
        settings: OnlineSettings,
        numeric: Mapping[str, bool],
        store: OnlineStore,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._handler = handler
        self._settings = settings
        self._columns = [(name, numeric[name]) for name in settings.columns]
        self._dropped = [name for name in settings.key if name not in numeric]
        self._store = store
        self._clock = clock

    def handle(self, content_type: str, accept: str, body: bytes) -> Reply:
        """Answer a request; rows that are complete cost no read."""
        cause = ""
        try:
            if media_type(content_type)[0] == ARROW:
                cause, body = self._complete_table(body)
            else:
                cause, content_type, body = self._complete_body(content_type, body)
        except Refused as refused:
            return error(refused.status, refused.message)
        except Unavailable as unavailable:
            log.error("the online feature store cannot be read: %s", unavailable)
            reply = error(503, "the online feature store cannot be read: try again", UNAVAILABLE)
            return with_header(reply, "retry-after", "1")
        except Exception:  # the last line of defence: the log gets it, the caller does not
            log.exception("a request could not be completed")
            return error(500, "the model server failed; its log says why")
        reply = self._handler.handle(content_type, accept, body)
        return reply._replace(cause=cause) if reply.status == 200 and cause else reply

    def handle_many(self, requests: Sequence[Request]) -> list[Reply]:
        """Answer several requests, one after the other."""
        return [self.handle(*request) for request in requests]

    def _complete_body(self, content_type: str, body: bytes) -> tuple[str, str, bytes]:
        read = read_rows(content_type, body, self._settings.key)
        if read is None:
            return "", content_type, body
        rows, names = read.rows, self._settings.columns
        lacking = [
            (at, row) for at, row in enumerate(rows) if any(name not in row for name in names)
        ]
        cause = self._fill(lacking) if lacking else ""
        if sum(self._drop_keys(row) for row in rows) or lacking:
            content_type, body = read.render(rows)
        return cause, content_type, body

    def _complete_table(self, body: bytes) -> tuple[str, bytes]:
        from mlops_assets.containers.online_features.online_tables import read_keyed

        read = read_keyed(body, self._settings.key, self._settings.columns)
        if read is None:
            return "", body
        rows = read.keys(MOST_RECORDS) if read.lacking else []
        cause = self._fill(list(enumerate(rows))) if rows else ""
        added = {
            name: (is_number, [row[name] for row in rows])
            for name, is_number in self._columns
            if name in read.lacking
        }
        return cause, read.render(added, self._dropped)

    def _identifier(self, at: int, row: Row) -> str:
        for name in self._settings.key:
            if name not in row:
                absent = next(column for column in self._settings.columns if column not in row)
                raise Refused(
                    400,
                    f"row {at + 1}: send column {absent!r}, or the key column {name!r} by which it "
                    "is read from the online feature store",
                )
        values = [row[name] for name in self._settings.key]
        for name, value in zip(self._settings.key, values, strict=True):
            try:
                entity_id([value])
            except ValueError as wrong:
                raise Refused(400, f"row {at + 1}, key column {name!r}: {wrong}") from None
        return entity_id(values)

    def _fill(self, lacking: Sequence[tuple[int, Row]]) -> str:
        """Put what these rows, by position, lack into them; returns the answer's cause."""
        identifiers = [self._identifier(at, row) for at, row in lacking]
        if (count := len(set(identifiers))) > MOST_RECORDS:
            raise too_many(count, MOST_RECORDS)
        records = self._store.read(identifiers)
        stale = self._drop_stale(records)
        missing = False
        for identifier, (_, row) in zip(identifiers, lacking, strict=True):
            record = records.get(identifier)
            missing |= record is None
            for name, is_number in self._columns:
                if name not in row:
                    text = record.get(name) if record else None
                    row[name] = float(text) if text is not None and is_number else text
        return STALE if stale else MISSING if missing else ""

    def _drop_stale(self, records: Records) -> bool:
        """Whether records were too old; they are no longer in `records`."""
        if self._settings.max_age_s is None:
            return False
        oldest = self._clock() - self._settings.max_age_s
        stale = [
            identifier
            for identifier, record in records.items()
            if datetime.fromisoformat(record[EVENT_TIME]).timestamp() < oldest
        ]
        for identifier in stale:
            del records[identifier]
        return bool(stale)

    def _drop_keys(self, row: Row) -> int:
        """Take out the key columns that the model does not know; how many there were."""
        return len([row.pop(name) for name in self._dropped if name in row])
