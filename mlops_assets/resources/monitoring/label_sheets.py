"""Sheets of rows for people to label: written as CSV and JSON Lines, and read back.

Here: the files, safe to open in a spreadsheet. Not here: which rows are in them (`ml.label_queue`),
where labels go (`ground_truth`).
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from mlops_assets.resources.monitoring.ground_truth import BadLabels, parse_label

ID, LABEL, SCORE = "event_id", "label", "queue_score"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_WORDS = {"true": 1.0, "yes": 1.0, "false": 0.0, "no": 0.0}


@dataclass(frozen=True)
class Sheet:
    """Labels by event id; ``queued``: the file was exported for labelling."""

    labels: Mapping[str, float]
    queued: bool = False


def to_csv(rows: pd.DataFrame) -> bytes:
    """Rows as CSV; a text that a spreadsheet would run as a formula is quoted by an apostrophe.

    >>> print(to_csv(pd.DataFrame({"a": ["=1+1", "x"], "b": [-1.5, 2.0]})).decode())
    a,b
    '=1+1,-1.5
    x,2.0
    <BLANKLINE>
    """
    safe = rows.copy()
    for name in safe.columns:
        if not pd.api.types.is_numeric_dtype(safe[name]):
            safe[name] = [_safe(value) for value in safe[name]]
    text = io.StringIO(newline="")
    # With a bare newline, a carriage return inside of a text would not be quoted: a spreadsheet
    # begins a new row there, and what follows may be a formula.
    safe.rename(columns=_safe).to_csv(text, index=False, lineterminator="\r\n")
    return text.getvalue().encode()


def to_json_lines(rows: pd.DataFrame) -> bytes:
    """Rows as JSON Lines, null for missing."""
    text = rows.to_json(orient="records", lines=True, date_format="iso", double_precision=15)
    return str(text).encode()


def read_sheet(data: bytes) -> Sheet:
    """Labels from CSV with the columns event_id and label, from JSON Lines with these fields, or
    from SageMaker's ground truth format. Rows whose label is empty are left out.

    Raises:
        BadLabels: a line is none of these; the message names it. Nothing of the file is taken.
    """
    text = data.decode("utf-8-sig", errors="replace").lstrip()
    return _json_lines(text) if text.startswith("{") else _csv(text)


def _safe(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _plain(value: str) -> str:
    return value[1:] if value.startswith("'") and value[1:].startswith(_FORMULA) else value


def _csv(text: str) -> Sheet:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    names = reader.fieldnames or []
    if ID not in names or LABEL not in names:
        raise BadLabels(f"the file has the columns {list(names)[:10]}: it needs {ID} and {LABEL}")
    pairs = ((number, row[ID], row[LABEL]) for number, row in enumerate(reader, 2))
    return Sheet(_labels(pairs), queued=SCORE in names)


def _json_lines(text: str) -> Sheet:
    pairs: list[tuple[int, Any, Any]] = []
    queued = False
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            queued |= SCORE in row
            if "groundTruthData" in row:
                pairs += [(number, key, label) for key, label in parse_label(line.encode())]
            else:
                pairs.append((number, row[ID], row.get(LABEL)))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise BadLabels(
                f"line {number} is neither {{{ID!r}, {LABEL!r}}} nor a record of ground truth"
            ) from None
    return Sheet(_labels(pairs), queued)


def _labels(rows: Iterable[tuple[int, Any, Any]]) -> dict[str, float]:
    found: dict[str, float] = {}
    for number, key, said in rows:
        if said is None or (isinstance(said, str) and not said.strip()):
            continue
        label = _number(said)
        if not isinstance(key, str) or not key or not math.isfinite(label):
            raise BadLabels(f"line {number}: {said!r} of event {key!r} is no label")
        found[_plain(key)] = label
    return found


def _number(said: Any) -> float:
    """A label as people write it; NaN for what is none."""
    if isinstance(said, str) and said.strip().lower() in _WORDS:
        return _WORDS[said.strip().lower()]
    try:
        return float(said)
    except (TypeError, ValueError):
        return math.nan
