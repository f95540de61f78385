"""Rows between the tasks of a job: Arrow as bytes, which Spark moves and never looks into.

Here: tables to bytes and back, one schema for parts that were made one by one, hashes of keys. Not
here: Spark (`exchange`). Spark's own types would change what they carry (text, time zones, missing
values); bytes come back as they were.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

ROW = "__row"
"""The column of the position in the partition, beside the rows' own."""

_OPTIONS = pa.ipc.IpcWriteOptions(compression="lz4")
# What holds the values of both, where parts differ: as pandas has it for a column of all of them.
_WIDER = {
    frozenset({pa.int32(), pa.int64()}): pa.int64(),
    frozenset({pa.int32(), pa.float64()}): pa.float64(),
    frozenset({pa.int64(), pa.float64()}): pa.float64(),
    frozenset({pa.float32(), pa.float64()}): pa.float64(),
}
_HASH_KEYS = ("0123456789123456", "6543219876543210")


class PartsDiffer(ValueError):
    """What a function made of one part does not fit what it made of another."""


def pack(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=_OPTIONS) as writer:
        writer.write_table(table)
    packed: bytes = sink.getvalue().to_pybytes()
    return packed


def unpack(blob: bytes) -> pa.Table:
    with pa.ipc.open_stream(blob) as reader:
        return reader.read_all()


def common_schema(function: str, schemas: Iterable[pa.Schema]) -> pa.Schema:
    """The schema that holds the rows of all parts.

    Raises:
        PartsDiffer: they have other columns, or types that have nothing in common.

    >>> parts = pa.schema([("x", pa.null())]), pa.schema([("x", pa.int64())])
    >>> common_schema("clean", parts).field("x").type
    DataType(int64)
    """
    merged: pa.Schema | None = None
    for schema in schemas:
        if merged is None:
            merged = schema
            continue
        if schema.names != merged.names:
            raise PartsDiffer(
                f"{function} made the columns {schema.names} of one part and {merged.names} of "
                "another: make the same columns whatever the rows are"
            )
        merged = pa.schema(
            [(f.name, _common(function, f, schema.field(f.name).type)) for f in merged]
        )
    if merged is None:
        raise PartsDiffer(f"{function} made no part")
    return merged


def _common(function: str, field: pa.Field, other: pa.DataType) -> pa.DataType:
    mine = field.type
    if mine == other or pa.types.is_null(other):
        return mine
    if pa.types.is_null(mine):
        return other
    wider = _WIDER.get(frozenset({mine, other}))
    if wider is None:
        raise PartsDiffer(
            f"{function} made column {field.name!r} {mine} in one part and {other} in another: "
            "cast it, so that its type does not follow from the values"
        )
    return wider


def key_hashes(rows: pd.DataFrame, columns: Sequence[str]) -> np.ndarray:
    """(rows, 2) int64: 128 bits of hash of each row's key, equal where pandas calls keys equal.

    Of a billion keys, two different ones have the same with a probability of 1e-21.
    """
    keys = pd.DataFrame({str(n): _plain(rows[name]) for n, name in enumerate(columns)})
    hashes = [
        pd.util.hash_pandas_object(keys, index=False, hash_key=key).to_numpy() for key in _HASH_KEYS
    ]
    return np.stack(hashes, axis=1).view(np.int64)


def _plain(values: pd.Series) -> pd.Series:
    """Text, so that numbers hash alike whatever their dtype; 0.0 and -0.0 are one key."""
    if pd.api.types.is_float_dtype(values.dtype):
        values = values + 0.0
    elif pd.api.types.is_integer_dtype(values.dtype):
        values = values.astype("Int64")
    return values.astype("str")
