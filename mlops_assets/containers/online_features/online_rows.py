"""Request bodies as rows that features can be added to, and as bodies again.

Belongs here: JSON, JSON Lines and CSV with a header, as one dict a row. Does not: what a value
means or whether it is right. A body that is not understood here is left to the engine's parser,
which says what is wrong with it, or answers rows that are complete by position.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import orjson

from mlops_assets.containers.reply import CSV, JSON, JSON_LINES, Refused, media_type

Row = dict[str, Any]


class Rows(NamedTuple):
    """The rows of a body; `render` makes a content type and a body of them again."""

    rows: list[Row]
    render: Callable[[list[Row]], tuple[str, bytes]]


def read_rows(content_type: str, body: bytes, key: Sequence[str]) -> Rows | None:
    """The named rows of a body, None where they have no names or cannot be read.

    Raises Refused (400) for a CSV row of another length than its header.
    """
    kind, parameters = media_type(content_type)
    try:
        if kind == JSON:
            return _json(orjson.loads(body.removeprefix(b"\xef\xbb\xbf")))
        if kind == JSON_LINES:
            return _objects([orjson.loads(line) for line in body.splitlines() if line.strip()])
        if kind == CSV and parameters.get("header") != "absent":
            return _csv(body.decode("utf-8-sig"), key)
    except (ValueError, csv.Error):
        pass
    return None


def _json(content: Any) -> Rows | None:
    if not isinstance(content, dict):
        return _objects(content)
    if "instances" in content:
        return _objects(content["instances"])
    names, data = content.get("columns"), content.get("data")
    if not isinstance(names, list) or not isinstance(data, list):
        return None
    named = all(isinstance(name, str) for name in names) and len(set(names)) == len(names)
    if not named or any(not isinstance(row, list) or len(row) != len(names) for row in data):
        return None
    return Rows([dict(zip(names, row, strict=True)) for row in data], _render_json)


def _objects(rows: Any) -> Rows | None:
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        return None
    return Rows(rows, _render_json)


def _render_json(rows: list[Row]) -> tuple[str, bytes]:
    return JSON, orjson.dumps(rows)


def _csv(text: str, key: Sequence[str]) -> Rows | None:
    """A first row that names all of the key's columns is a header."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    names = [name.strip() for name in next(reader, [])]
    if not set(key).issubset(names) or len(set(names)) != len(names):
        return None
    lines = list(reader)
    while len(names) > 1 and lines and not lines[-1]:
        lines.pop()
    if len(names) == 1:  # an empty line is a row whose value is missing
        lines = [line or [""] for line in lines]
    for number, line in enumerate(lines, 1):
        if len(line) != len(names):
            raise Refused(400, f"row {number} holds {len(line)} values instead of {len(names)}")
    return Rows([dict(zip(names, line, strict=True)) for line in lines], _render_csv)


def _render_csv(rows: list[Row]) -> tuple[str, bytes]:
    text = io.StringIO(newline="")
    names = list(rows[0])
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    # A float's repr, and an empty field where a value is missing, is what the writer gives.
    writer.writerows([row[name] for name in names] for row in rows)
    return f"{CSV}; header=present", text.getvalue().encode()
