"""DataFrames to Arrow tables of the lake's types, and back.

Belongs here: which pandas types the lake stores, as what, and how they come back. Does not
belong here: Iceberg and files (files.py, ../datasets.py), digests (digest.py).

What comes back is what was written, except: the index is not kept; categories come back as
their values; time zones come back as UTC and all times in microseconds; NaN, None and NA are one
thing, missing; a column of nothing but None is text unless its table already says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
import pyarrow as pa

from mlops_assets.resources.lake.errors import LakeError

Dtypes = dict[str, str]
"""Column to pandas dtype, for the columns whose Arrow type alone would give another dtype."""

_PLAIN = frozenset({"bool", "int32", "int64", "float32", "float64"})
NULLABLE = {
    pa.bool_(): pd.BooleanDtype(),
    pa.int32(): pd.Int32Dtype(),
    pa.int64(): pd.Int64Dtype(),
}
"""What holds missing values of a type whose plain dtype holds none."""


def to_arrow(frame: pd.DataFrame) -> tuple[pa.Table, Dtypes]:
    """The frame's rows and columns in order, in the lake's types.

    Raises LakeError for column names that are no unique strings and for values without one type.
    """
    names = list(frame.columns)
    if not all(isinstance(name, str) and name for name in names):
        raise LakeError(f"column names must be non-empty strings, not {names!r}")
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise LakeError(f"columns occur twice: {twice}; rename or drop one of each")
    columns = [_column(name, frame[name]) for name in names]
    dtypes = {
        name: str(dtype)
        for name, dtype in frame.dtypes.items()
        if getattr(dtype, "kind", "O") in "biuf" and str(dtype) not in _PLAIN
    }
    return pa.table(columns, names=names), dtypes


def _column(name: str, series: pd.Series) -> pa.ChunkedArray:
    try:
        if isinstance(series.dtype, pd.DatetimeTZDtype):
            # By way of UTC's wall clock: pyarrow still takes values in a way that pandas ends.
            utc = pa.array(series.dt.tz_convert(None), from_pandas=True)
            array = utc.cast(pa.timestamp(utc.type.unit, tz="UTC"))
        else:
            array = pa.array(series, from_pandas=True)
        return pa.chunked_array([array]).cast(stored_type(array.type), safe=True)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise LakeError(
            f"column {name!r} ({series.dtype}) does not fit the lake: {error}; "
            "give it one type (text, number, boolean, date, time in microseconds)"
        ) from error


def stored_type(kind: pa.DataType) -> pa.DataType:
    """The type of the lake that holds every value of ``kind``; null stays open (see fit)."""
    if pa.types.is_dictionary(kind):
        return stored_type(kind.value_type)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.large_list(stored_type(kind.value_type))
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", tz="UTC" if kind.tz else None)
    for test, stored in _STORED:
        if test(kind):
            return stored
    raise TypeError(f"{kind} has no place in the lake")


_STORED: tuple[tuple[Callable[[pa.DataType], bool], pa.DataType], ...] = (
    (pa.types.is_null, pa.null()),
    (pa.types.is_boolean, pa.bool_()),
    (lambda kind: pa.types.is_integer(kind) and kind.bit_width <= 16, pa.int32()),
    (pa.types.is_int32, pa.int32()),
    (pa.types.is_integer, pa.int64()),
    (pa.types.is_float64, pa.float64()),
    (pa.types.is_floating, pa.float32()),
    (pa.types.is_date, pa.date32()),
    (pa.types.is_time, pa.time64("us")),
    (lambda kind: pa.types.is_string(kind) or pa.types.is_large_string(kind), pa.large_string()),
    (pa.types.is_string_view, pa.large_string()),
    (lambda kind: pa.types.is_binary(kind) or pa.types.is_large_binary(kind), pa.large_binary()),
)
_WIDER = {pa.int32(): pa.int64(), pa.float32(): pa.float64()}


def fit(data: pa.Table, known: pa.Schema) -> pa.Table:
    """The data in the column order and types of ``known``, unknown columns last as they are.

    Narrower numbers are widened; wider ones are left for the table to widen. Raises LakeError
    for any other difference of types.
    """
    order = [name for name in known.names if name in data.column_names]
    order += [name for name in data.column_names if name not in known.names]
    fitted = []
    for name in order:
        column = data.column(name)
        old = stored_type(known.field(name).type) if name in known.names else column.type
        if pa.types.is_null(column.type):
            column = column.cast(pa.large_string() if pa.types.is_null(old) else old)
        elif _WIDER.get(column.type) == old:
            column = column.cast(old)
        elif column.type not in (old, _WIDER.get(old)):
            raise LakeError(
                f"column {name!r} is {old} in the table and {column.type} in the new rows: "
                "cast the new rows, or write to another table (or column)"
            )
        fitted.append(column)
    return pa.table(fitted, names=order)


def to_pandas(table: pa.Table, dtypes: Mapping[str, str]) -> pd.DataFrame:
    """The frame of an Arrow table; missing integers and booleans stay integers and booleans."""
    frame = table.replace_schema_metadata(None).to_pandas(
        types_mapper=lambda kind: None, ignore_metadata=True
    )
    for position, field in enumerate(table.schema):
        dtype: Any = dtypes.get(field.name)
        if dtype is None and field.type in NULLABLE and table.column(position).null_count:
            dtype = NULLABLE[field.type]
        if dtype is not None:
            # From Arrow, not from the frame: a float column would have rounded big integers.
            target = pd.api.types.pandas_dtype(dtype)
            if pd.api.types.is_extension_array_dtype(target):
                values = target.__from_arrow__(_as_dtype(table.column(position), target))
                frame.isetitem(position, pd.Series(values, index=frame.index))
            else:
                frame.isetitem(position, frame.iloc[:, position].astype(target))
    return frame


def _as_dtype(column: pa.ChunkedArray, dtype: Any) -> pa.ChunkedArray:
    numpy_type = getattr(dtype, "numpy_dtype", None)
    return column if numpy_type is None else column.cast(pa.from_numpy_dtype(numpy_type))


def common_dtypes(parts: list[Dtypes]) -> Dtypes:
    """The dtypes of parts put together: where they differ, the nullable one that holds all."""
    merged: Dtypes = {}
    for name in {name for part in parts for name in part}:
        found = {part.get(name) for part in parts}
        if len(found) == 1:
            merged[name] = str(found.pop())
        elif any(dtype is not None and dtype[0].isupper() for dtype in found):
            first = next(dtype for dtype in found if dtype is not None and dtype[0].isupper())
            merged[name] = "Float64" if first.startswith("Float") else "Int64"
        elif "boolean" in found:
            merged[name] = "boolean"
    return merged
