"""Labels that come late: uploaded and read in SageMaker's ground truth format.

Here: the format, and files by the hour in which labels were collected. Not here: which event a
label belongs to (`assets.monitoring.captured.labelled`).

``<prefix>/yyyy/mm/dd/hh/MM-SS-mmm.<digest>.<provenance>.jsonl``; the name tells when in the hour,
and who labelled (words by dots, ``queue.ada``), which the format itself has no place for. Files of
other names count as known at the end of their hour, by ``upload``.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import pandas as pd

from mlops_assets.objects import Objects
from mlops_assets.resources.monitoring.tables import LABEL, LABEL_REFUSED, typed

UPLOAD = "upload"
"""The provenance of labels of which nobody said who collected them."""

_NAME = re.compile(r"(\d\d)-(\d\d)-(\d{3})\.([0-9a-f]{16})\.([\w.-]+)\.jsonl")
_HOUR = re.compile(r".*/(\d{4}/\d\d/\d\d/\d\d)/([^/]+)\.jsonl")
_HOUR_FORMAT = "%Y/%m/%d/%H"
_WIDTHS = (4, 2, 2, 2)
_LAST_MOMENT = pd.Timedelta(hours=1) - pd.Timedelta(microseconds=1)


class BadLabels(ValueError):
    """Labels that cannot be uploaded; the message says which and why."""


@dataclass(frozen=True)
class Labels:
    """Labels as they were collected (columns of the table ``ground_truth``), and the lines that
    are none, with the reason."""

    rows: pd.DataFrame
    refused: pd.DataFrame


@dataclass(frozen=True)
class LabelFile:
    """A file of labels; ``known_at``: when it was collected."""

    uri: str
    known_at: pd.Timestamp
    provenance: str


def upload(
    objects: Objects,
    prefix_uri: str,
    labels: Mapping[str, float],
    collected_at: dt.datetime,
    *,
    provenance: str = UPLOAD,
) -> str:
    """Write labels by event id; the same labels of the same moment are written once.

    Args:
        collected_at: when they became known, with a time zone.
        provenance: who labelled: letters, digits and - by colons, such as ``queue:ada``.

    Returns:
        The file's URI.

    Raises:
        BadLabels: no labels, one that is no finite number, an empty id, a time without a zone.
    """
    known = pd.Timestamp(collected_at)
    if known.tzinfo is None:
        raise BadLabels(f"collected_at {collected_at} has no time zone: say which one it is in")
    known = known.tz_convert("UTC")
    if not labels:
        raise BadLabels("there are no labels to upload")
    for event_id, label in labels.items():
        if not event_id or not math.isfinite(label):
            raise BadLabels(f"event {event_id!r}: {label} is no label, which is a finite number")
    lines = [_line(event_id, float(label)) for event_id, label in sorted(labels.items())]
    who = ".".join(re.sub(r"[^\w-]+", "_", word) or "_" for word in provenance.split(":"))
    at = f"{known:%Y/%m/%d/%H/%M-%S}-{known.microsecond // 1000:03}"
    data = ("\n".join(lines) + "\n").encode()
    digest = hashlib.sha256(data).hexdigest()[:16]
    uri = f"{prefix_uri.rstrip('/')}/{at}.{digest}.{who}.jsonl"
    objects.write(uri, data)
    return uri


def files_between(
    objects: Objects, prefix_uri: str, start: pd.Timestamp | None, end: pd.Timestamp | None
) -> Iterator[LabelFile]:
    """Files of labels that became known in [start, end), in the order of their hours.

    Only these hours are listed; None: without that bound.
    """
    prefix = prefix_uri.rstrip("/")
    after = "" if start is None else f"{prefix}/{start.floor('h').strftime(_HOUR_FORMAT)}"
    for info in objects.list(prefix, after=after):
        file = label_file(info.uri)
        if file is None:
            continue
        if end is not None and file.known_at.floor("h") >= end:
            return
        if (start is None or file.known_at >= start) and (end is None or file.known_at < end):
            yield file


def newest_hour(objects: Objects, prefix_uri: str, until: pd.Timestamp) -> pd.Timestamp | None:
    """The last hour, up to that of a moment, in which labels became known; None: in none.

    Only the names of folders on the way there are looked at, whatever else there is.
    """
    prefix = prefix_uri.rstrip("/")
    for hour in _hours_backwards(objects, prefix, ()):
        folder = f"{prefix}/{hour.strftime(_HOUR_FORMAT)}"
        if hour <= until and any(label_file(info.uri) for info in objects.list(folder)):
            return hour
    return None


def _hours_backwards(
    objects: Objects, prefix: str, place: tuple[str, ...]
) -> Iterator[pd.Timestamp]:
    """The hours that have a folder, the last one first, each looked up when it is asked for."""
    if len(place) == len(_WIDTHS):
        hour = _hour("/".join(place))
        if hour is not None:
            yield hour
        return
    for name in sorted(objects.folders("/".join([prefix, *place])), reverse=True):
        if name.isdecimal() and len(name) == _WIDTHS[len(place)]:
            yield from _hours_backwards(objects, prefix, (*place, name))


def _hour(place: str) -> pd.Timestamp | None:
    """The hour of a folder ``yyyy/mm/dd/hh``; None where there is none of that name."""
    found = pd.to_datetime(place, format=_HOUR_FORMAT, utc=True, errors="coerce")
    return None if pd.isna(found) else found.as_unit("us")


def label_file(uri: str) -> LabelFile | None:
    """What a file's place tells; None for what is no file of labels.

    >>> label_file("s3://lake/gt/2013/05/01/14/30-00-000.0123456789abcdef.queue.ada.jsonl")
    ... # doctest: +ELLIPSIS
    LabelFile(uri=..., known_at=Timestamp('2013-05-01 14:30:00+0000', ...), provenance='queue:ada')
    """
    place = _HOUR.fullmatch(uri)
    if place is None:
        return None
    hour = _hour(place[1])
    if hour is None:
        return None
    named = _NAME.fullmatch(f"{place[2]}.jsonl")
    if named is None:
        return LabelFile(uri, hour + _LAST_MOMENT, UPLOAD)
    minute, second, millisecond = (int(part) for part in named.groups()[:3])
    within = dt.timedelta(minutes=minute, seconds=second, milliseconds=millisecond)
    return LabelFile(uri, hour + within, named[5].replace(".", ":"))


def read_labels(
    objects: Objects, prefix_uri: str, start: pd.Timestamp | None, end: pd.Timestamp | None
) -> Labels:
    """The labels that became known in [start, end), by when that was; duplicates are kept."""
    rows: list[dict[str, Any]] = []
    refused: list[dict[str, Any]] = []
    for file in files_between(objects, prefix_uri, start, end):
        at = {"label_file": file.uri.removeprefix(prefix_uri.rstrip("/") + "/")}
        at |= {"known_at": file.known_at}
        for number, line in enumerate(objects.read(file.uri).split(b"\n"), 1):
            if not line.strip():
                continue
            try:
                labels = parse_label(line)
            except BadLabels as error:
                refused.append({**at, "label_line": number, "reason": str(error)})
            else:
                rows += [
                    {**at, "event_id": event_id, "label": label, "provenance": file.provenance}
                    for event_id, label in labels
                ]
    frame = typed(pd.DataFrame(rows), LABEL)
    frame = frame.sort_values(["known_at", "label_file"], kind="stable", ignore_index=True)
    return Labels(frame, typed(pd.DataFrame(refused), LABEL_REFUSED))


def parse_label(line: bytes) -> list[tuple[str, float]]:
    """Event ids with their labels; a record of n > 1 labels is one of a request of n rows, whose
    events are called ``<id>#0`` to ``<id>#n-1``.

    >>> parse_label(b'{"groundTruthData": {"data": "1", "encoding": "CSV"},'
    ...             b' "eventMetadata": {"eventId": "a"}, "eventVersion": "0"}')
    [('a', 1.0)]

    Raises:
        BadLabels: it is not in SageMaker's form, or holds anything but finite numbers.
    """
    try:
        content = orjson.loads(line)
        event_id = content["eventMetadata"]["eventId"]
        truth = content["groundTruthData"]
        data, encoding = truth["data"], truth["encoding"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise BadLabels("the line is no record of ground truth") from None
    if not isinstance(event_id, str) or not event_id:
        raise BadLabels("eventMetadata.eventId is no text")
    try:
        labels = [float(value) for value in _values(data, encoding)]
    except (ValueError, TypeError, AttributeError, binascii.Error, RecursionError):
        raise BadLabels(f"event {event_id!r}: the label is no number") from None
    if not labels or not all(map(math.isfinite, labels)):
        raise BadLabels(f"event {event_id!r}: the label is no finite number")
    if len(labels) == 1:
        return [(event_id, labels[0])]
    return [(f"{event_id}#{n}", label) for n, label in enumerate(labels)]


def _values(data: Any, encoding: str) -> list[Any]:
    if encoding == "BASE64":
        data = base64.b64decode(data, validate=True).decode()
    elif encoding not in ("CSV", "JSON"):
        raise ValueError(encoding)
    if not isinstance(data, str):
        return data if isinstance(data, list) else [data]
    if encoding == "JSON" or data.lstrip()[:1] in ("[", "{"):
        found = orjson.loads(data)
        return found if isinstance(found, list) else [found]
    return [value for value in re.split(r"[,\n]", data.strip()) if value.strip()]


def _line(event_id: str, label: float) -> str:
    return json.dumps(
        {
            "groundTruthData": {"data": f"{label:.17g}", "encoding": "CSV"},
            "eventMetadata": {"eventId": event_id},
            "eventVersion": "0",
        }
    )
