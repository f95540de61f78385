"""One line of a captured file: who asked when, the request's bytes and the answer's numbers.

Here: SageMaker's capture format, all three encodings, and what a model server of ours answers. Not
here: what the request's rows say (`capture_rows`), files (`captured_files`).
"""

from __future__ import annotations

import base64
import binascii
import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import pandas as pd
from numpy.typing import NDArray

from mlops_assets.containers.reading.arrays import load as load_array
from mlops_assets.containers.reply import ARROW, CSV, JSON, JSON_LINES, NPY, Refused, media_type
from mlops_assets.resources.monitoring.attributes import Attributes, moment, parse

# What probes were called before they said so themselves.
_PROBE_ID = re.compile(r"probe-[0-9a-f]{12}-\d+")
_TYPES = {"CSV": CSV, "JSON": JSON}


class BadRecord(ValueError):
    """A captured line that cannot be used; the message says why, and holds no value of a row."""


@dataclass(frozen=True)
class Payload:
    """A body as it went over the wire."""

    content_type: str
    body: bytes


@dataclass(frozen=True)
class Record:
    """A captured request; ``inference_id``: what the caller called it."""

    captured_id: str
    inference_id: str | None
    inference_time: pd.Timestamp
    attributes: Attributes
    input: Payload | None
    output: Payload | None

    @property
    def event_id(self) -> str:
        """The event by the caller's word, else a name that SageMaker made up."""
        return self.inference_id or self.captured_id

    @property
    def is_probe(self) -> bool:
        """Whether we sent it ourselves, to look after the endpoint."""
        return self.attributes.probe or bool(_PROBE_ID.fullmatch(self.event_id))

    def event_time(self) -> pd.Timestamp:
        """When the event happens, by the caller's word, else when it was asked about.

        Raises:
            BadRecord: the caller said something that is no time.
        """
        said = self.attributes.event_time
        if said is None:
            return self.inference_time
        found = moment(said)
        if found is None:
            raise BadRecord(f"event_time {said[:40]!r} is no ISO 8601 time")
        return found


def parse_record(line: bytes) -> Record:
    """Read a line of a captured file.

    Raises:
        BadRecord: it is not JSON, or not in SageMaker's form.
    """
    try:
        content = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise BadRecord(f"the line is not JSON: {error}") from None
    metadata = _object(_object(content, "the line").get("eventMetadata"), "eventMetadata")
    captured_id, inference_id = metadata.get("eventId"), metadata.get("inferenceId")
    if not isinstance(captured_id, str) or not isinstance(inference_id, str | None):
        raise BadRecord("eventMetadata has no eventId, or an inferenceId that is no text")
    said = metadata.get("inferenceTime")
    time = moment(said) if isinstance(said, str) else None
    if time is None:
        raise BadRecord("eventMetadata.inferenceTime is no ISO 8601 time")
    attributes = metadata.get("customAttributes") or []
    texts = [attributes] if isinstance(attributes, str) else attributes
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise BadRecord("eventMetadata.customAttributes are no texts")
    data = _object(content.get("captureData"), "captureData")
    sides = [_payload(data.get(name), name) for name in ("endpointInput", "endpointOutput")]
    return Record(captured_id, inference_id, time, parse(texts), *sides)


def predictions(answer: Payload) -> NDArray[np.float64]:
    """The numbers of an answer, in any type that our servers answer in.

    Returns:
        (rows,) or (rows, classes).

    Raises:
        BadRecord: it holds anything but finite numbers.
    """
    try:
        kind = media_type(answer.content_type)[0]
        if kind not in _ANSWERS:
            raise BadRecord(f"the answer's type {kind[:40]!r} is not read")
        found = np.asarray(_ANSWERS[kind](answer.body), dtype=np.float64)
    except BadRecord:
        raise
    except Refused as refused:
        raise BadRecord(f"the answer cannot be read: {refused.message[:200]}") from None
    except Exception as error:  # bytes from strangers: whatever a reader makes of them
        raise BadRecord(f"the answer holds no predictions ({type(error).__name__})") from None
    if not found.size or found.ndim > 2 or not np.isfinite(found).all():
        raise BadRecord("the answer holds no finite numbers")
    return found


def _object(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise BadRecord(f"{name} is no object")
    return value


def _payload(side: Any, name: str) -> Payload | None:
    if side is None:
        return None
    side = _object(side, name)
    data, encoding = side.get("data"), side.get("encoding")
    if not isinstance(data, str) or encoding not in ("CSV", "JSON", "BASE64"):
        raise BadRecord(f"{name} needs data as text, and encoding CSV, JSON or BASE64")
    observed = side.get("observedContentType") or _TYPES.get(encoding, "")
    try:
        body = base64.b64decode(data, validate=True) if encoding == "BASE64" else data.encode()
    except (binascii.Error, ValueError):
        raise BadRecord(f"{name}.data is not {encoding}") from None
    return Payload(str(observed), body)


def _json(body: bytes) -> Any:
    return orjson.loads(body)["predictions"]


def _json_lines(body: bytes) -> Any:
    return [orjson.loads(line)["prediction"] for line in body.splitlines() if line.strip()]


def _csv(body: bytes) -> Any:
    rows = [[float(v) for v in row] for row in csv.reader(io.StringIO(body.decode())) if row]
    return [row[0] for row in rows] if {*map(len, rows)} == {1} else rows


def _arrow(body: bytes) -> Any:
    import pyarrow as pa  # read by few callers

    from mlops_assets.containers.reading.arrow_guard import refuse_compressed

    refuse_compressed(body)
    with pa.ipc.open_stream(pa.BufferReader(body)) as stream:
        return stream.read_all().column("prediction").to_pylist()


_ANSWERS = {
    JSON: _json,
    JSON_LINES: _json_lines,
    CSV: _csv,
    NPY: load_array,
    ARROW: _arrow,
}
