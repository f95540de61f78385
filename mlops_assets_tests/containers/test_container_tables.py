"""Arrow, Parquet and npy: the rows of parse.py by another way, and what strangers send."""

from __future__ import annotations

import contextlib
import io
import re
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_assets.containers.reading import arrow_guard, tables
from mlops_assets.containers.reading import bodies as module
from mlops_assets.containers.reading.bodies import Bodies
from mlops_assets.containers.reply import ARROW, NPY, OTHER_PARQUET, PARQUET, Refused
from mlops_assets.ml.artifact.encode import Encoder
from mlops_assets.ml.artifact.errors import EncodingError
from mlops_assets.ml.artifact.spec import FeatureSpec
from mlops_assets_tests.ml.artifact.test_artifact_spec import spec

SPEC = FeatureSpec.from_json(
    spec(
        {"type": "number", "mean": 2, "scale": 4},
        {"type": "category", "vocabulary": ["a", "3"], "missing": "own", "unknown": "zero"},
    )
)
NUMBERS = FeatureSpec.from_json(spec({"type": "number", "mean": 2, "scale": 4}, {"type": "number"}))
ROWS = {"c0": [1.5, None, -3.0, 6.0], "c1": ["a", "3", None, "z"]}


def stream(table: pa.Table, **options: Any) -> bytes:
    """A table as an Arrow stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table, max_chunksize=3 if len(table) < 10 else None)
    return bytes(sink.getvalue().to_pybytes())


def file(table: pa.Table, **options: Any) -> bytes:
    """A table as a Parquet file."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, **options)
    return bytes(sink.getvalue().to_pybytes())


def npy(array: Any, **options: Any) -> bytes:
    """An array as npy."""
    sink = io.BytesIO()
    np.save(sink, array, **options)
    return sink.getvalue()


def matrix(kind: str, body: bytes, made: FeatureSpec = SPEC, **options: Any) -> np.ndarray:
    """What the readers make of a body."""
    reader = Bodies(Encoder(made), **options)
    return reader.matrix(kind, body, reader.quick(kind, body))


def table_of(c0: Any, c1: Any) -> pa.Table:
    """A table of the two columns, turned around and with another one."""
    return pa.table({"c1": c1, "id": pa.array(range(len(c1))), "c0": c0})


@pytest.mark.parametrize(
    "table",
    [
        table_of(pa.array(ROWS["c0"]), pa.array(ROWS["c1"])),
        table_of(pa.array(ROWS["c0"], pa.float32()), pa.array(ROWS["c1"], pa.large_string())),
        table_of(pa.array(ROWS["c0"]), pa.array(ROWS["c1"]).dictionary_encode()),
        table_of(pa.array(ROWS["c0"]), pa.array(ROWS["c1"], pa.string_view())),
        table_of(
            pa.chunked_array([[1.5], [None, -3.0, 6.0]]),
            pa.chunked_array(
                [
                    pa.array(["a"]).dictionary_encode(),
                    pa.array(["3", None, "z"]).dictionary_encode(),
                ]
            ),
        ),
        pa.Table.from_pandas(pd.DataFrame(ROWS)),
    ],
)
def test_a_table_is_encoded_as_its_columns_are(table: pa.Table) -> None:
    """Guards against a type of Arrow's that is read as something else, or shifts the rows."""
    expected = Encoder(SPEC).encode(ROWS)
    bodies = [(ARROW, stream(table)), (PARQUET, file(table))]
    bodies += [(OTHER_PARQUET, file(table, compression="none", use_dictionary=False))]
    for kind, body in bodies:
        if kind != ARROW and table.schema.field("c1").type == pa.string_view():
            continue
        np.testing.assert_array_equal(matrix(kind, body), expected)


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        (pa.array([1, None, 3, 6], pa.uint8()), pa.array([3, None, 4, 3], pa.int64())),
        (pa.array([1, None, 3, 6], pa.float16()), pa.array([3.0, None, 4.0, float("nan")])),
        (pa.nulls(4), pa.array([3, None, 4, 3], pa.int32()).dictionary_encode()),
        (pa.array([float("nan"), None, 3.0, 6.0]), pa.nulls(4)),
    ],
)
def test_numbers_are_also_categories_and_nothing_is_missing(numbers: Any, words: Any) -> None:
    """Guards against 3, 3.0 and "3" being several categories, and NaN a value."""
    table = table_of(numbers, words)
    expected = Encoder(SPEC).encode({"c0": numbers.to_pylist(), "c1": words.to_pylist()})
    np.testing.assert_array_equal(matrix(ARROW, stream(table)), expected)
    if numbers.type != pa.float16():
        np.testing.assert_array_equal(matrix(PARQUET, file(table)), expected)


GOOD = table_of(pa.array(ROWS["c0"]), pa.array(ROWS["c1"]))


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (GOOD.drop_columns("c0"), "column 'c0' is missing"),
        (GOOD.append_column("c0", pa.array([1, 2, 3, 4])), "'c0' more than once"),
        (table_of(pa.array([True] * 4), pa.array(["a"] * 4)), "column 'c0' is of type 'bool'"),
        (table_of(pa.array(["1"] * 4), pa.array(["a"] * 4)), "column 'c0' is of type 'string'"),
        (table_of(pa.array([[1]] * 4), pa.array(["a"] * 4)), "column 'c0' is of type 'list"),
        (table_of(pa.array([1.0] * 4), pa.array([True] * 4)), "column 'c1' is of type 'bool'"),
        (table_of(pa.array([1.0] * 4), pa.array([b"a"] * 4)), "column 'c1' is of type 'binary'"),
        (table_of(pa.array([1.0, float("inf")]), pa.array(["a"] * 2)), "row 2, column 'c0'"),
        (table_of(pa.array([1.0, 2.0]), pa.array([1.5, 2])), "row 1, column 'c1'"),
        (GOOD.slice(0, 0), "holds no rows"),
    ],
)
def test_a_wrong_table_is_named(table: pa.Table, said: str) -> None:
    """Guards against a traceback, or an answer made of a truth value."""
    bodies = [(ARROW, stream(table))]
    if len(set(table.column_names)) == table.num_columns:
        bodies.append((PARQUET, file(table)))
    for kind, body in bodies:
        with pytest.raises((Refused, EncodingError)) as caught:
            matrix(kind, body)
        assert re.search(said, str(caught.value)), str(caught.value)


def test_another_column_is_refused_where_that_is_declared() -> None:
    """Guards against a policy that holds for CSV and JSON only."""
    structured = np.zeros(1, dtype=[("c0", "f8"), ("c1", "U1"), ("id", "i8")])
    for kind, body in ((ARROW, stream(GOOD)), (PARQUET, file(GOOD)), (NPY, npy(structured))):
        with pytest.raises(Refused, match="names column 'id'"):
            matrix(kind, body, refuses_extra=True)


def test_what_unpacks_without_bound_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against some kilobytes that become gigabytes: packed buffers, and rows out of nothing.
    The control: without the guards they are unpacked."""
    zeros = table_of(pa.array(np.zeros(2**18)), pa.array(["a"] * 2**18))
    packed = stream(zeros, compression="zstd")
    assert len(packed) * 5 < zeros.nbytes
    with pytest.raises(Refused, match="compressed"):
        matrix(ARROW, packed)
    with pytest.raises(Refused, match="packed by ZSTD"):
        matrix(PARQUET, file(zeros, compression="zstd"))
    nothing = stream(table_of(pa.nulls(2**17), pa.nulls(2**17)))
    assert len(matrix(ARROW, nothing)) == 2**17
    monkeypatch.setattr(module, "MOST_CELLS", 2**17)
    for kind, body in (
        (ARROW, nothing),
        (PARQUET, file(zeros)),
        ("text/csv", b"1,a\n" * 2**16),
        ("application/json", b"[" + b'[1,"a"],' * 2**16 + b'[1,"a"]]'),
        (NPY, npy(np.zeros((2**16, 4), dtype=np.int8))),
    ):
        with pytest.raises(Refused) as caught:
            matrix(kind, body)
        assert caught.value.status == 413, kind
    monkeypatch.undo()
    monkeypatch.setattr(tables, "refuse_compressed", lambda body: None)
    assert len(matrix(ARROW, packed)) == 2**18


def test_a_packed_dictionary_is_seen_too() -> None:
    """Guards against the flag being looked for in record batches only."""
    words = pa.array([f"{index:0200}" for index in range(100)]).dictionary_encode()
    body = stream(pa.table({"c1": words}), compression="lz4")
    with pytest.raises(Refused, match="compressed"):
        arrow_guard.refuse_compressed(body)
    arrow_guard.refuse_compressed(stream(pa.table({"c1": words})))


def _spoiled(body: bytes, at: int, value: int) -> bytes:
    at %= len(body)
    return body[:at] + bytes([value]) + body[at + 1 :]


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 255), st.sampled_from([ARROW, PARQUET, NPY]))
def test_a_damaged_body_is_refused_or_read(at: int, value: int, kind: str) -> None:
    """Guards against a crash of the process, or a 500, for a body with a byte changed."""
    structured = np.array([(1.5, "a"), (2.0, "z")], dtype=[("c0", "f8"), ("c1", "U4")])
    whole = {ARROW: stream(GOOD), PARQUET: file(GOOD), NPY: npy(structured)}[kind]
    for body in (_spoiled(whole, at, value), whole[: at % len(whole)]):
        with contextlib.suppress(Refused, EncodingError):
            assert matrix(kind, body).shape[1] == SPEC.width


def test_npy_is_named_columns_or_a_matrix() -> None:
    """Guards against columns that are taken in another order, or encoded twice."""
    expected = Encoder(SPEC).encode({"c0": [1.5, np.nan], "c1": ["a", "z"]})
    rows = [("z", 1.5, "a"), ("z", np.nan, "z")]
    structured = np.array(rows, dtype=[("id", "U1"), ("c0", "f4"), ("c1", "U4")])
    octets = np.array(rows, dtype=[("id", "U1"), ("c0", "f8"), ("c1", "S4")])
    for array in (structured, octets, expected, np.asfortranarray(expected.astype(float))):
        np.testing.assert_array_equal(matrix(NPY, npy(array)), expected)
    raw = np.array([[1.0, 5.0], [np.nan, 7.0]])
    expected = Encoder(NUMBERS).encode({"c0": raw[:, 0], "c1": raw[:, 1]})
    for array in (raw, raw.astype(np.float32), np.asfortranarray(raw)):
        np.testing.assert_array_equal(matrix(NPY, npy(array), NUMBERS), expected)
    version_2 = io.BytesIO()
    np.lib.format.write_array(version_2, raw, version=(2, 0))
    np.testing.assert_array_equal(matrix(NPY, version_2.getvalue(), NUMBERS), expected)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "not an .npy array"),
        (b"\x93NUMPY", "not an .npy array"),
        (npy(np.array([[1, "a"]], dtype=object), allow_pickle=True), "holds objects"),
        (npy(np.array([1.0, 2.0])), "float64 of shape"),
        (npy(np.array(1.0)), "holds no rows"),
        (npy(np.zeros((0, 4))), "holds no rows"),
        (npy(np.zeros((1, 3))), "3 columns instead of 4 encoded"),
        (npy(np.ones((1, 4), dtype=bool)), "bool of shape"),
        (npy(np.ones((1, 4), dtype=complex)), "complex128 of shape"),
        (npy(np.array([[1.0, 1, 1, 1], [1, 1, 1, np.inf]])), "row 2, column 'c1'"),
        (npy(np.array([[1e39, 1, 1, 1]])), "row 1, column 'c0'"),
        (npy(np.zeros((2, 4)))[:-1], "does not fit the length"),
        (npy(np.zeros((2, 4))) + b"\0", "does not fit the length"),
        (npy(np.zeros(1, dtype=[("c0", "f8")])), "'c1' is missing"),
        (npy(np.zeros(1, dtype=[("c0", "?"), ("c1", "U1")])), "column 'c0' is of type bool"),
        (npy(np.zeros(1, dtype=[("c0", "f8", 2), ("c1", "U1")])), "column 'c0'"),
        (npy(np.zeros(1, dtype=[("c0", "U2"), ("c1", "U1")])), "column 'c0' is of type <U2"),
        (npy(np.array([(1, b"\xff")], dtype=[("c0", "f8"), ("c1", "S1")])), "not text"),
        (
            npy(np.array([(1, "~")], dtype=[("c0", "f8"), ("c1", "U1")]))[:-2] + b"\x99\0",
            "not text",
        ),
        (
            npy(np.array([(1, "~")], dtype=[("c0", "f8"), ("c1", "U1")]))[:-3] + b"\xd8\0\0",
            "not text",
        ),
        (npy(np.array([(np.inf, "a")], dtype=[("c0", "f8"), ("c1", "U1")])), "row 1, column 'c0'"),
        (b"\x93NUMPY\x01\x00\x76\x00" + b"{'descr': '<f8', 'shape': (10**12, 4)}", "not an"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\x7f", "not an .npy array"),
    ],
)
def test_a_wrong_array_is_a_400(body: bytes, said: str) -> None:
    """Guards against objects, which are pickles, and shapes that ask for terabytes."""
    with pytest.raises((Refused, EncodingError)) as caught:
        matrix(NPY, body)
    assert said in str(caught.value)
