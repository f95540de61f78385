"""Captured bytes are understood as the server understood them, in every type that it reads."""

import contextlib
import io
import json
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_assets.containers.reply import ARROW, CSV, JSON, JSON_LINES, NPY, PARQUET, render
from mlops_assets.ml.artifact.spec import CategoryColumn, FeatureSpec, NumberColumn
from mlops_assets.resources.monitoring.capture_records import (
    BadRecord,
    Payload,
    parse_record,
    predictions,
)
from mlops_assets.resources.monitoring.capture_rows import RowReader
from mlops_assets_tests.resources.monitoring.captured_lines import FEATURES, ROW, exchange

FINITE = st.floats(allow_nan=False, allow_infinity=False)
# No comma, quote or line end, for the plain CSV below; no empty text, which is a missing value.
TEXT = st.text(st.characters(min_codepoint=33, max_codepoint=1000, exclude_characters=',"'))
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "depot": st.none() | TEXT.filter(lambda text: bool(text.strip())),
            "weight": st.none() | FINITE,
            "stops": st.integers(-(2**53), 2**53),
            "fragile": st.sampled_from([0, 1]),
        }
    ),
    min_size=1,
    max_size=4,
)
# The order of the model's own features.json is another than the schema's.
SPEC = FeatureSpec(
    "binary",
    "late",
    (
        NumberColumn("weight"),
        NumberColumn("stops"),
        CategoryColumn("depot", "one_hot", ("north",), "zero", "zero"),
        NumberColumn("fragile"),
    ),
)


def sent(body: bytes, content_type: str, features: dict[str, str] = FEATURES) -> Any:
    """The rows of a body, after capture and back."""
    record = parse_record(json.dumps(exchange(body, content_type=content_type)).encode())
    assert record.input is not None
    assert record.input.body == body
    return RowReader(features, lambda version: SPEC if version == 3 else None)(record.input, 3)


def as_rows(found: Any) -> list[dict[str, Any]]:
    return [
        dict(zip(FEATURES, row, strict=True)) for row in zip(*found.columns.values(), strict=True)
    ]


def wanted(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**row, "fragile": bool(row["fragile"])} for row in rows]


@settings(max_examples=25)
@given(rows=ROWS)
def test_json_in_all_its_forms(rows: list[dict[str, Any]]) -> None:
    table = {"columns": list(FEATURES), "data": [[row[name] for name in FEATURES] for row in rows]}
    for content in (rows, {"instances": rows}, table):
        assert as_rows(sent(json.dumps(content).encode(), JSON)) == wanted(rows)
    listed = "".join(json.dumps(row) + "\n" for row in rows).encode()
    assert as_rows(sent(listed, JSON_LINES)) == wanted(rows)


@settings(max_examples=25)
@given(rows=ROWS)
def test_rows_without_names_are_in_the_models_order(rows: list[dict[str, Any]]) -> None:
    """Guards against weights that are taken for stops because the schema lists them otherwise."""
    order = [column.name for column in SPEC.columns]
    lists = [[row[name] for name in order] for row in rows]
    assert as_rows(sent(json.dumps(lists).encode(), JSON)) == wanted(rows)
    text = "".join(",".join("" if v is None else str(v) for v in row) + "\n" for row in lists)
    assert as_rows(sent(text.encode(), CSV)) == wanted(rows)
    reader = RowReader(FEATURES, lambda _: None)
    with pytest.raises(BadRecord, match="do not name their columns"):
        reader(Payload(JSON, json.dumps(lists).encode()), 3)


@settings(max_examples=25)
@given(rows=ROWS)
def test_csv_with_a_header(rows: list[dict[str, Any]]) -> None:
    body = pd.DataFrame(rows, dtype=object).to_csv(index=False).encode()
    assert as_rows(sent(body, CSV)) == wanted(rows)
    assert as_rows(sent(body, "text/csv; header=present; charset=utf-8")) == wanted(rows)


@settings(max_examples=25)
@given(rows=ROWS)
def test_arrow_parquet_and_npy(rows: list[dict[str, Any]]) -> None:
    table = pa.table(
        {
            "stops": pa.array([row["stops"] for row in rows], pa.int64()),
            "depot": pa.array([row["depot"] for row in rows], pa.string()),
            "weight": pa.array([row["weight"] for row in rows], pa.float64()),
            "fragile": pa.array([row["fragile"] for row in rows], pa.int8()),
        }
    )
    stream = pa.BufferOutputStream()
    with pa.ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table)
    assert as_rows(sent(stream.getvalue().to_pybytes(), ARROW)) == wanted(rows)
    file = io.BytesIO()
    pq.write_table(table, file, compression="snappy")
    assert as_rows(sent(file.getvalue(), PARQUET)) == wanted(rows)
    numbers = np.array(
        [(row["stops"], row["weight"] or 0.0) for row in rows],
        dtype=[("stops", "i8"), ("weight", "f8")],
    )
    file = io.BytesIO()
    np.save(file, numbers)
    found = sent(file.getvalue(), NPY)
    assert found.columns["stops"] == [row["stops"] for row in rows]
    assert found.columns["weight"] == [row["weight"] or 0.0 for row in rows]
    assert set(found.left_out) == {"depot,fragile"}


def test_columns_left_out_are_missing_and_named() -> None:
    """With online features callers send the key alone; that must not read as missing values."""
    for content_type, body in {
        JSON: b'[{"parcel": "p1", "weight": 1.5}, {"parcel": "p2", "weight": 2, "stops": 1}]',
        CSV: b"parcel,weight,stops\np1,1.5,\np2,2,1\n",
    }.items():
        found = sent(body, content_type)
        assert found.columns["weight"] == [1.5, 2.0]
        assert found.columns["stops"] == [None, 1]
        assert found.columns["depot"] == [None, None]
        assert found.left_out[1] == "depot,fragile"
        assert ("stops" in found.left_out[0]) == (content_type == JSON)


@settings(max_examples=25)
@given(st.lists(FINITE, min_size=1, max_size=5))
def test_answers_in_every_type(values: list[float]) -> None:
    for kind in (JSON, JSON_LINES, CSV, NPY, ARROW):
        record = exchange(b"[]", render(np.array(values), kind), answer_type=kind)
        answer = parse_record(json.dumps(record).encode()).output
        assert answer is not None
        assert predictions(answer).tolist() == values


@settings(max_examples=25)
@given(st.binary(max_size=200), st.sampled_from([JSON, JSON_LINES, CSV, NPY, ARROW, PARQUET, "x"]))
def test_no_bytes_raise_anything_else(body: bytes, kind: str) -> None:
    """Guards against a stranger's body that stops all monitoring."""
    for read in (predictions, lambda payload: RowReader(FEATURES, lambda _: SPEC)(payload, 1)):
        try:
            read(Payload(kind, body))
        except BadRecord:
            continue


@settings(max_examples=25)
@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "captureData",
                        "eventMetadata",
                        "eventId",
                        "inferenceId",
                        "inferenceTime",
                        "customAttributes",
                        "endpointInput",
                        "data",
                        "encoding",
                    ]
                ),
                inner,
                max_size=6,
            )
        ),
        max_leaves=20,
    )
)
def test_no_line_raises_anything_else(content: Any) -> None:
    with contextlib.suppress(BadRecord):
        parse_record(json.dumps(content).encode())


def test_a_row_is_typed_by_the_schema_whatever_the_caller_wrote() -> None:
    found = sent(
        json.dumps([{**ROW, "stops": "3", "weight": "1.5", "fragile": "true"}]).encode(), JSON
    )
    assert as_rows(found) == [{**ROW, "fragile": True}]
    dates = sent(b'[{"at": "2024-01-01T00:00:00Z"}]', JSON, {"at": "datetime64[us, UTC]"})
    assert dates.columns["at"] == [pd.Timestamp("2024-01-01", tz="UTC")]
