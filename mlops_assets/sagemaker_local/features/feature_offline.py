"""The offline store: every record that came, appended as Parquet in Feature Store's own layout.

Belongs here: when files are written, their names and columns. Does not belong here: the journal
that they are written from (feature_records.py).

A batch is the same after a crash as before it, and so are its files' names: what is written twice
replaces itself.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import logging
import time
from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

from mlops_assets.objects import Objects
from mlops_assets.sagemaker_local.features.feature_records import (
    JournalEntry,
    Records,
    definitions_of,
)

_PAUSE_SECONDS = 5.0
_BATCH = 10_000
_MILLION = 1_000_000
log = logging.getLogger(__name__)


class OfflineStore:
    """start() once, shutdown() once; ``flush`` empties the journal."""

    def __init__(self, records: Records, objects: Objects, pause: float = _PAUSE_SECONDS) -> None:
        self._records = records
        self._objects = objects
        self._pause = pause
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def shutdown(self) -> None:
        """What cannot be written now stays in the journal until the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        try:
            await self.flush()
        except Exception:
            log.exception("the offline store cannot be written; the journal keeps its records")

    async def flush(self) -> None:
        while True:
            batch, entries = self._records.take(_BATCH)
            if not entries:
                return
            await asyncio.to_thread(self._write, batch, entries)
            self._records.done(batch)

    async def _run(self) -> None:
        while True:
            try:
                await self.flush()
            except Exception:
                log.exception("the offline store cannot be written; it is tried again")
            await asyncio.sleep(self._pause)

    def _write(self, batch: int, entries: list[JournalEntry]) -> None:
        files: dict[tuple[str, str], list[JournalEntry]] = defaultdict(list)
        for entry in entries:
            moment = datetime.fromtimestamp(entry.event // _MILLION, UTC)
            files[entry.target, f"{moment:year=%Y/month=%m/day=%d/hour=%H}"].append(entry)
        for (target, folder), part in files.items():
            uri, types = definitions_of(target)
            latest = datetime.fromtimestamp(max(entry.event for entry in part) // _MILLION, UTC)
            mark = hashlib.sha256(f"{batch}{target}{folder}".encode()).hexdigest()[:16]
            self._objects.write(
                f"{uri}/{folder}/{latest:%Y%m%dT%H%M%SZ}_{mark}.parquet", _parquet(types, part)
            )


def _parquet(types: dict[str, str], entries: list[JournalEntry]) -> bytes:
    """The features as declared, then the three columns that the service adds."""
    import pyarrow as pa  # 0.2 s, and only a server whose feature store is used needs it
    import pyarrow.parquet as pq

    kinds = {
        "Integral": (pa.int64(), int),
        "Fractional": (pa.float64(), float),
        "String": (pa.string(), str),
    }
    columns: dict[str, Any] = {}
    for name, kind in types.items():
        arrow, read = kinds[kind]
        texts = [entry.features.get(name) for entry in entries]
        columns[name] = pa.array([None if t is None else read(t) for t in texts], arrow)
    stamps, now = pa.timestamp("ms", "UTC"), time.time_ns() // _MILLION
    columns["write_time"] = pa.array([now] * len(entries), stamps)
    columns["api_invocation_time"] = pa.array([e.invoked // 1000 for e in entries], stamps)
    columns["is_deleted"] = pa.array([entry.deleted for entry in entries])
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()
