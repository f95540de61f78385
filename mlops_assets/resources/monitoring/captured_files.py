"""From captured files to rows: every new file is read once, and staged.

Here: what becomes of each line of a new file. Not here: which files are new (`capture_listing`),
the format of a record (`capture_records`, `capture_rows`), what is staged (`capture_stage`).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mlops_assets.objects import ObjectNotFound, Objects
from mlops_assets.resources.monitoring.capture_listing import (
    CapturedFile,
    State,
    Waiting,
    new_files,
)
from mlops_assets.resources.monitoring.capture_records import (
    BadRecord,
    Record,
    parse_record,
    predictions,
)
from mlops_assets.resources.monitoring.capture_rows import RowReader
from mlops_assets.resources.monitoring.capture_stage import BAD, EVENT, PROBE, Batch, Capturing

__all__ = ["Capturing", "Refreshed", "refresh"]

SETTLED_S = 3600.0
"""A file that ends within a line and has not grown for so long will not: the line is refused."""

_BATCH_BYTES = 32 * 2**20


@dataclass(frozen=True)
class Refreshed:
    """What a refresh found.

    ``news``: partitions to which something was added; ``versions``: {partition: digest of the
    files that hold something of it}, of all partitions; the same digest is the same content.
    """

    news: frozenset[str] = frozenset()
    versions: Mapping[str, str] = field(default_factory=dict)
    files: int = 0
    waiting: int = 0


def refresh(objects: Objects, capturing: Capturing, *, now: float | None = None) -> Refreshed:
    """Read the files that are new, and stage what is in them.

    The work grows with the new files, not with all that was ever captured. Killed anywhere, it is
    done again; run twice at once, nothing counts twice.

    Args:
        now: seconds since the epoch, by default the clock's.
    """
    now = time.time() if now is None else now
    state = State.load(objects, capturing.state_uri)
    known_waiting = dict(state.waiting)
    reader = RowReader(capturing.features, capturing.spec_of)
    news: set[str] = set()
    batch = Batch(objects, capturing, state)
    read = 0
    for file in new_files(objects, capturing.captures_uri, capturing.endpoint, state):
        try:
            data = objects.read(file.uri)
        except ObjectNotFound:
            state.waiting.pop(file.uri, None)
            continue
        if not data.endswith(b"\n") and not _settled(state, file, len(data), now):
            continue
        batch.add(file, list(_rows(file, data, capturing, reader)), len(data))
        read += 1
        if batch.bytes >= _BATCH_BYTES:
            news |= batch.write()
    news |= batch.write()
    if state.waiting != known_waiting:
        state.save(objects, capturing.state_uri)
    return Refreshed(frozenset(news), dict(state.partitions), read, len(state.waiting))


def _settled(state: State, file: CapturedFile, size: int, now: float) -> bool:
    """Whether a file that ends within a line has been as long for long enough."""
    known = state.waiting.get(file.uri)
    if known is None or known.size != size:
        since = min(file.modified, now) if known is None and file.modified else now
        state.waiting[file.uri] = known = Waiting(size=size, since=since)
    return now - known.since >= SETTLED_S


def _rows(
    file: CapturedFile, data: bytes, capturing: Capturing, reader: RowReader
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each line's rows with the partition that they belong to: events, a refusal, or a probe."""
    complete = data.endswith(b"\n")
    lines = data.split(b"\n")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        at = {
            "capture_file": file.uri.removeprefix(f"{capturing.captures_uri}/"),
            "capture_line": number,
            "variant": file.variant,
            "version": file.version,
            "left_out": "",
        }
        when = None
        try:
            if number == len(lines) and not complete:
                raise BadRecord("the file ends within this line")
            record = parse_record(line)
            when = record.inference_time
            at |= {"event_id": record.event_id, "inference_time": when}
            if record.is_probe:
                yield capturing.partition_of(when), {**at, "kind": PROBE}
                continue
            events = _events(record, reader, file.version, capturing.answers)
            when = events[0]["event_time"]
        except BadRecord as error:
            refused = {**at, "kind": BAD, "reason": str(error)}
            yield capturing.partition_of(when or file.started), refused
            continue
        for event in events:
            yield capturing.partition_of(when), {**at, **event, "kind": EVENT}


def _events(
    record: Record, reader: RowReader, version: int, classes: tuple[str, ...]
) -> list[dict[str, Any]]:
    """One row an event. A request of n > 1 rows has the ids ``<id>#0`` to ``<id>#n-1``.

    Of several ``classes`` (the columns of their probabilities) the prediction is the number of the
    most probable one.
    """
    if record.input is None or record.output is None:
        raise BadRecord("request and answer were not both captured")
    when = record.event_time()
    answers = predictions(record.output)
    rows = reader(record.input, version)
    if answers.shape != ((len(rows), len(classes)) if classes else (len(rows),)):
        raise BadRecord(f"{len(rows)} rows, and an answer of {list(answers.shape)} numbers")
    ids = (
        [record.event_id]
        if len(rows) == 1
        else [f"{record.event_id}#{n}" for n in range(len(rows))]
    )
    names = list(rows.columns)
    return [
        {
            "event_id": event_id,
            "event_time": when,
            **_answered(answer, classes),
            "left_out": left_out,
            **dict(zip(names, values, strict=True)),
        }
        for event_id, answer, left_out, *values in zip(
            ids, answers, rows.left_out, *rows.columns.values(), strict=True
        )
    ]


def _answered(answer: Any, classes: tuple[str, ...]) -> dict[str, float]:
    if not classes:
        return {"prediction": float(answer)}
    return {
        "prediction": float(answer.argmax()),
        **dict(zip(classes, answer.tolist(), strict=True)),
    }
