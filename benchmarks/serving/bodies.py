"""Rows as the bodies that servers read: one function for each form, (case, rows) → (type, bytes).

`rows` is a slice of the case's. Raw forms hold what the project's server reads; encoded ones are
for servers of a bare XGBoost model, which leave the encoding to the caller.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.serving.case import Case

Body = tuple[str, bytes]
Form = Callable[[Case, slice], Body]

CSV, JSON = "text/csv", "application/json"


def raw_csv(case: Case, rows: slice) -> Body:
    """CSV without a header, as SageMaker sends it."""
    return CSV, _csv(case.rows[rows])


def csv_with_header(case: Case, rows: slice) -> Body:
    """CSV with a header, for servers that tell columns by name only."""
    return CSV, _csv([list(case.names), *case.rows[rows]])


def encoded_csv(case: Case, rows: slice) -> Body:
    """The encoded matrix as CSV: whole numbers without a point, nothing where missing."""
    return CSV, _csv([[_short(value) for value in row] for row in case.encoded[rows]])


def instances(case: Case, rows: slice) -> Body:
    """{"instances": [[…], …]}."""
    return JSON, _json({"instances": case.rows[rows]})


def records(case: Case, rows: slice) -> Body:
    """{"instances": [{column: value, …}, …]}."""
    return JSON, _json({"instances": _records(case, rows)})


def dataframe_split(case: Case, rows: slice) -> Body:
    """MLflow's {"dataframe_split": {"columns": …, "data": …}}."""
    return JSON, _json({"dataframe_split": {"columns": case.names, "data": case.rows[rows]}})


def named_rows(case: Case, rows: slice) -> Body:
    """{"rows": [{column: value, …}, …]}: a BentoML service's one argument."""
    return JSON, _json({"rows": _records(case, rows)})


def v2_columns(case: Case, rows: slice) -> Body:
    """Open inference protocol: one tensor a column, content type pd, answers of predict_proba."""
    count = len(case.rows[rows])
    inputs = []
    for name, values in zip(case.names, zip(*case.rows[rows], strict=True), strict=True):
        words = any(isinstance(value, str) for value in values)
        inputs.append(
            {
                "name": name,
                "shape": [count, 1],
                "datatype": "BYTES" if words else "FP64",
                "data": list(values),
                **({"parameters": {"content_type": "str"}} if words else {}),
            }
        )
    outputs = [{"name": "predict_proba"}]
    return JSON, _json({"parameters": {"content_type": "pd"}, "inputs": inputs, "outputs": outputs})


def v2_matrix(case: Case, rows: slice) -> Body:
    """Open inference protocol: the encoded matrix as one tensor."""
    matrix = case.encoded[rows]
    data = [None if value != value else _short(value) for value in matrix.ravel()]
    tensor = {"name": "rows", "shape": list(matrix.shape), "datatype": "FP32", "data": data}
    return JSON, _json({"inputs": [tensor]})


def arrow(case: Case, rows: slice) -> Body:
    """An Arrow stream of the raw columns."""
    import pyarrow as pa

    table = pa.Table.from_pandas(case.frame.iloc[rows], preserve_index=False)
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return "application/vnd.apache.arrow.stream", sink.getvalue()


def npy(case: Case, rows: slice) -> Body:
    """A structured NumPy array of the raw columns."""
    sink = io.BytesIO()
    frame = case.frame.iloc[rows]
    types: list[Any] = []
    for name in case.names:
        number = frame[name].dtype.kind in "fiub"
        longest = 0 if number else max(1, int(frame[name].fillna("").str.len().max()))
        types.append((name, "<f8" if number else f"<U{longest}"))
    array = np.empty(len(frame), dtype=types)
    for name, kind in types:
        values = frame[name] if kind == "<f8" else frame[name].fillna("")
        array[name] = values.to_numpy()
    np.save(sink, array, allow_pickle=False)
    return "application/x-npy", sink.getvalue()


def request(path: str, body: Body, host: str = "localhost") -> bytes:
    """A whole HTTP/1.1 request."""
    kind, content = body
    lines = [
        f"POST {path} HTTP/1.1",
        f"Host: {host}",
        f"Content-Type: {kind}",
        f"Content-Length: {len(content)}",
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


def _records(case: Case, rows: slice) -> list[dict[str, Any]]:
    return [dict(zip(case.names, row, strict=True)) for row in case.rows[rows]]


def _csv(rows: list[list[Any]]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue().encode()


def _short(value: np.float32) -> Any:
    if value != value:
        return ""
    # float32's own shortest digits, not those of the float64 that it becomes in Python.
    return int(value) if value.is_integer() else float(str(value))


def _json(content: Any) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()
