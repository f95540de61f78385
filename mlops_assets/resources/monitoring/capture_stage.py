"""What captured files hold, staged by partition until the lake's table is written from it.

Here: writing and reading the stage. Not here: what is in a captured file (`captured_files`), the
lake's table (`assets.monitoring.captured.captures`).

``<staged>/<partition>/<digest>.parquet`` holds rows of one or more files; ``kind`` says whether a
row is an event, a refused record or a probe. A file that two refreshes have read (one was killed
before it could say so, or both ran at once) is in two of these objects, and counts once when they
are read. Nothing is lost: events' records, refused records and probes together are the records in
the files. Deleting the stage makes the next refresh read everything again.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from mlops_assets.objects import ObjectNotFound, Objects
from mlops_assets.resources.monitoring.capture_listing import CapturedFile, State
from mlops_assets.resources.monitoring.capture_rows import SpecOf
from mlops_assets.resources.monitoring.tables import CAPTURE, REFUSED, typed, typed_captures

EVENT, BAD, PROBE = "event", "refused", "probe"
_MOST_PARTS = 32
_STAGED = {"kind": "str", **CAPTURE, "reason": "str"}
_DIGITS = 32


@dataclass(frozen=True)
class Capturing:
    """Where a pipeline's captured files are, and how they are understood.

    Args:
        captures_uri: the folder above the versions' folders.
        staged_uri: the folder of what was read.
        features: {feature: dtype of the feature schema}.
        answers: columns for the probabilities of classes, where the model answers several.
        partition_of: the partition of an event's time.
        spec_of: features.json of a model version, asked for rows that do not name their columns.
    """

    captures_uri: str
    staged_uri: str
    endpoint: str
    features: Mapping[str, str]
    partition_of: Callable[[pd.Timestamp], str]
    spec_of: SpecOf = lambda _: None
    answers: tuple[str, ...] = ()

    @property
    def state_uri(self) -> str:
        return f"{self.staged_uri}/state.json"


@dataclass(frozen=True)
class Staged:
    """What the captured files hold of a partition: rows of ``captures``, of ``captures_refused``,
    and how many records were probes."""

    events: pd.DataFrame
    refused: pd.DataFrame
    probes: int


def read_partition(objects: Objects, capturing: Capturing, partition: str) -> Staged:
    """What the files that were read hold of a partition, in an order that does not depend on when
    they were read."""
    rows = _read_staged(objects, capturing, partition)
    events = rows.loc[rows["kind"] == EVENT]
    refused = rows.loc[rows["kind"] == BAD].sort_values(["capture_file", "capture_line"])
    return Staged(
        events=typed_captures(events, capturing.features, capturing.answers),
        refused=typed(refused, REFUSED),
        probes=int((rows["kind"] == PROBE).sum()),
    )


class Batch:
    """Files that are staged together; a file is marked as read only when all of it is staged."""

    def __init__(self, objects: Objects, capturing: Capturing, state: State) -> None:
        self._objects = objects
        self._capturing = capturing
        self._state = state
        self._clear()

    def _clear(self) -> None:
        self.bytes = 0
        self._files: list[CapturedFile] = []
        self._rows: dict[str, list[dict[str, Any]]] = {}
        self._in: dict[str, set[str]] = {}

    def add(
        self, file: CapturedFile, rows: Sequence[tuple[str, dict[str, Any]]], size: int
    ) -> None:
        self._files.append(file)
        self.bytes += size
        for partition, row in rows:
            self._rows.setdefault(partition, []).append(row)
            # Probes are counted, but nothing about a partition is new by them.
            if row["kind"] != PROBE:
                self._in.setdefault(partition, set()).add(file.uri)

    def write(self) -> set[str]:
        """Stage what was added; the partitions that it says something new of."""
        if not self._files:
            return set()
        digest = _digest("\n".join(file.uri for file in self._files))
        for partition, rows in self._rows.items():
            frame = typed(pd.DataFrame(rows), _columns(self._capturing))
            _write(self._objects, self._capturing, partition, digest, frame)
        for partition, uris in self._in.items():
            before = int(self._state.partitions.get(partition, "0"), 16)
            total = (before + sum(int(_digest(uri), 16) for uri in uris)) % 16**_DIGITS
            self._state.partitions[partition] = f"{total:0{_DIGITS}x}"
        for file in self._files:
            self._state.mark_read(file)
        self._state.save(self._objects, self._capturing.state_uri)
        news = set(self._in)
        self._clear()
        return news


def _columns(capturing: Capturing) -> dict[str, str]:
    answers = dict.fromkeys(capturing.answers, "float64")
    return {**_STAGED, **answers, **capturing.features}


def _write(
    objects: Objects, capturing: Capturing, partition: str, digest: str, frame: pd.DataFrame
) -> str:
    import pyarrow as pa  # slow to import, and most refreshes stage nothing
    import pyarrow.parquet as pq

    from mlops_assets.resources.lake.frames import fit, to_arrow

    sink = io.BytesIO()
    pq.write_table(fit(to_arrow(frame)[0], pa.schema([])), sink, compression="zstd")
    uri = f"{capturing.staged_uri}/{partition}/{digest}.parquet"
    objects.write(uri, sink.getvalue())
    return uri


def _read_staged(objects: Objects, capturing: Capturing, partition: str) -> pd.DataFrame:
    """All rows of a partition, each file's once; many small objects become one on the way."""
    while True:
        found = sorted(
            objects.list(f"{capturing.staged_uri}/{partition}/"),
            key=lambda info: (info.modified, info.uri),
        )
        try:
            parts = [_read(objects, info.uri).assign(_part=n) for n, info in enumerate(found)]
            break
        except ObjectNotFound:
            continue  # made one by another reader meanwhile
    columns = _columns(capturing)
    if not parts:
        return typed(pd.DataFrame(), columns)
    rows = pd.concat(parts, ignore_index=True)
    # The newest object speaks for a file: all of its rows are in it.
    newest = rows.groupby("capture_file")["_part"].transform("max")
    rows = rows.loc[rows["_part"] == newest]
    order = ["event_time", "inference_time", "capture_file", "capture_line"]
    rows = typed(rows.sort_values(order, kind="stable"), columns)
    if len(found) > _MOST_PARTS:
        digest = _digest("\n".join(info.uri for info in found))
        kept = _write(objects, capturing, partition, digest, rows)
        for info in found:
            if info.uri != kept:
                objects.delete(info.uri)
    return rows


def _read(objects: Objects, uri: str) -> pd.DataFrame:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from mlops_assets.resources.lake.frames import to_pandas

    return to_pandas(pq.read_table(pa.BufferReader(objects.read(uri))), {})


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]
