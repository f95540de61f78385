"""Replies: what goes back over HTTP, and in which of the types that the caller accepts.

Belongs here: media types, negotiation, rendering. Does not: reading requests (parse.py).
"""

from __future__ import annotations

import io
from typing import NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

JSON = "application/json"
CSV = "text/csv"
JSON_LINES = "application/jsonlines"
NPY = "application/x-npy"
ARROW = "application/vnd.apache.arrow.stream"
PARQUET = "application/vnd.apache.parquet"
OTHER_PARQUET = "application/x-parquet"
TYPES = (JSON, CSV, JSON_LINES, NPY, ARROW)
"""What an answer may be written in."""
BODIES = (*TYPES, PARQUET, OTHER_PARQUET)
"""What a request may be written in."""

_CAUSES = {
    400: "bad_request",
    406: "not_acceptable",
    413: "too_large",
    415: "unsupported_type",
    500: "internal",
}


class Reply(NamedTuple):
    """An HTTP answer.

    `rows` that were answered, and the `cause` of a failure as a short label: what the front counts.
    """

    status: int
    content_type: str
    body: bytes
    rows: int = 0
    cause: str = ""


class Refused(Exception):
    """The request is the caller's mistake: an HTTP status and a message that they may read."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def error(status: int, message: str, cause: str = "") -> Reply:
    """The reply to a request that cannot be answered."""
    # A caller's value may hold what utf-8 cannot: half of a surrogate pair.
    text = message.encode(errors="backslashreplace").decode()
    return Reply(status, JSON, orjson.dumps({"error": text}), 0, cause or _CAUSES.get(status, ""))


def too_many(rows: int, most: int) -> Refused:
    """The refusal of more rows than may be encoded at once."""
    return Refused(413, f"{rows:,} rows are more than the {most:,} of one request: send fewer")


def media_type(header: str) -> tuple[str, dict[str, str]]:
    """A media type in lower case and its parameters.

    >>> media_type('Text/CSV; charset="UTF-8"')
    ('text/csv', {'charset': 'utf-8'})
    """
    name, *rest = header.split(";")
    pairs = (item.partition("=") for item in rest)
    parameters = {key.strip().lower(): value.strip(' "').lower() for key, _, value in pairs}
    return name.strip().lower(), parameters


def negotiate(accept: str, default: str = JSON) -> str:
    """The type to answer in: the accepted one of the highest q, the first among equals.

    Raises Refused (406) when none of ours is accepted.

    >>> negotiate("text/html, text/csv;q=0.5")
    'text/csv'
    """
    if not accept.strip():
        return default
    best, best_quality = "", 0.0
    for item in accept.split(","):
        name, parameters = media_type(item)
        try:
            quality = float(parameters.get("q", 1))
        except ValueError:
            quality = 0.0
        offered = [default, *(kind for kind in TYPES if kind != default)]
        prefix = name.removesuffix("*")
        matching = [k for k in offered if k == name or (prefix != name and _within(k, prefix))]
        if matching and quality > best_quality:
            best, best_quality = matching[0], quality
    if not best:
        raise Refused(406, f"none of the types in Accept is offered: offered are {list(TYPES)}")
    return best


def _within(kind: str, prefix: str) -> bool:
    return prefix == "*/" or kind.startswith(prefix)


def render(answers: NDArray[np.float64], content_type: str) -> bytes:
    """Answers (n,) or (n, k) as bytes.

    JSON: {"predictions": […]}; CSV and JSON Lines: a line for each row; npy: the array; Arrow: a
    stream with the column "prediction", of lists where an answer is several numbers.
    """
    answers = np.ascontiguousarray(answers)
    if content_type == JSON:
        return orjson.dumps({"predictions": answers}, option=orjson.OPT_SERIALIZE_NUMPY)
    if content_type == NPY:
        stream = io.BytesIO()
        np.save(stream, answers, allow_pickle=False)
        return stream.getvalue()
    if content_type == ARROW:
        return _arrow(answers)
    values = answers.tolist()
    if content_type == JSON_LINES:
        return b"".join(orjson.dumps({"prediction": v}) + b"\n" for v in values)
    rows = values if answers.ndim == 2 else [[value] for value in values]
    return "".join(",".join(map(repr, row)) + "\n" for row in rows).encode()


def render_one(answer: float | list[float], content_type: str) -> bytes:
    """The answer to one row, as `render` writes it."""
    if content_type == JSON:
        return orjson.dumps({"predictions": [answer]})
    return render(np.array([answer], dtype=np.float64), content_type)


def _arrow(answers: NDArray[np.float64]) -> bytes:
    import pyarrow as pa  # some 100 ms, once, for whoever asks for it

    # pa.array would import pandas to look at an array.
    column = pa.Array.from_buffers(pa.float64(), answers.size, [None, pa.py_buffer(answers)])
    if answers.ndim == 2:
        column = pa.FixedSizeListArray.from_arrays(column, answers.shape[1])
    table = pa.table({"prediction": column})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())
