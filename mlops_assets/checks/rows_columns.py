"""Do a frame's columns have the schema's names and dtypes? The questions that no row answers.

Belongs here: matching columns, and typing columns of mixed objects value by value. Does not
belong here: judging values that have their dtype (`rows_rules`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.engines import pandas_engine

Positions = np.ndarray


class SchemaMismatch(ValueError):
    """The frame as a whole does not fit the schema: no row is to blame, the partition fails."""


@dataclass(frozen=True)
class TypedColumn:
    """A column that has its dtype. `values` is indexed by row position; the positions that it
    lacks are in `misfits` (values that have no place in the dtype, empty as a rule)."""

    name: str
    schema: pa.Column
    values: pd.Series
    misfits: Positions
    missing: Positions


def typed_columns(
    frame: pd.DataFrame, schema: pa.DataFrameSchema, *, part: bool = False
) -> list[TypedColumn]:
    """The frame's columns under the schema, in the schema's order, or SchemaMismatch.

    A column of dtype object is typed value by value: that is how a mixed column (one 2^63, one
    lone surrogate) arrives from a tolerant reader. A column without a single value fits every
    dtype, since CSV and JSON give an empty column no type. In a ``part`` of a frame, one of
    nothing but misfits does too.
    """
    _require_supported(schema)
    matched = _matched(frame, schema)
    problems: list[str] = []
    columns = []
    for name, column in matched:
        typed = _typed(name, column, frame[name].set_axis(range(len(frame))), part)
        if isinstance(typed, str):
            problems.append(typed)
        else:
            columns.append(typed)
    _raise(schema, problems)
    return columns


def dtype_name(column: pa.Column) -> str:
    """The dtype as the schema's author wrote it: pandera says string[pyarrow] for str."""
    name = str(column.dtype)
    return "str" if name.startswith("string") else name


def _require_supported(schema: pa.DataFrameSchema) -> None:
    parsers = bool(schema.parsers) or any(c.parsers for c in schema.columns.values())
    for used, what in (
        (schema.index is not None, "index fields: reset the index and declare columns"),
        (parsers, "parsers: a check reads rows and never changes them; parse in clean()"),
        (schema.add_missing_columns, "add_missing_columns: add them in the source"),
    ):
        if used:
            raise TypeError(f"the schema {schema.name} uses {what}")


def _matched(frame: pd.DataFrame, schema: pa.DataFrameSchema) -> list[tuple[str, pa.Column]]:
    repeated = frame.columns[frame.columns.duplicated()].unique().tolist()
    problems = [f"column {name!r} stands twice: rename or drop one" for name in repeated]
    matched: list[tuple[str, pa.Column]] = []
    for name, column in schema.columns.items():
        names = list(column.get_regex_columns(frame)) if column.regex else [name]
        present = [n for n in names if n in frame.columns]
        matched += [(n, column) for n in present]
        if not present and column.required:
            problems.append(
                f"column {name!r} is missing (expected {dtype_name(column)}; found "
                f"{_listed(frame.columns)}): deliver it, or declare it Optional"
            )
    known = [name for name, _ in matched]
    extra = [name for name in frame.columns if name not in set(known)]
    if schema.strict is True and extra:
        problems.append(
            f"unexpected columns {_listed(extra)} (expected {_listed(schema.columns)}): "
            "declare them, or set strict = False"
        )
    if schema.ordered and [n for n in frame.columns if n in set(known)] != known:
        found = _listed(frame.columns)
        problems.append(f"the columns stand as {found}, expected the order {_listed(known)}")
    _raise(schema, problems)
    return matched


def _raise(schema: pa.DataFrameSchema, problems: list[str]) -> None:
    if problems:
        raise SchemaMismatch(f"{schema.name}: " + "; ".join(problems))


def _listed(names: Any, most: int = 12) -> str:
    shown = [repr(name) for name in list(names)[:most]]
    return ", ".join(shown) + (f" and {len(names) - most} more" if len(names) > most else "")


def _typed(name: str, column: pa.Column, values: pd.Series, part: bool) -> TypedColumn | str:
    nowhere = np.empty(0, dtype=np.int64)
    mixed = values.dtype == object
    if column.dtype is None or (_has_dtype(values, column) and not (mixed and _kind(column))):
        missing = _positions(values.isna()) if _may_hold_null(values) else nowhere
        return TypedColumn(name, column, values, nowhere, missing)
    absent = values.isna()
    fits = _kind(column) if mixed else None
    if fits is None and not absent.all():
        return _mismatch(name, column, str(values.dtype))
    fitting = np.zeros(len(values), dtype=bool)
    if fits is not None:
        fitting[:] = [fits(value) for value in values.to_numpy()]
        fitting &= ~absent.to_numpy()
        if not (fitting.any() or absent.all() or part):
            first = values[~absent].iloc[0]
            return _mismatch(name, column, f"objects such as {type(first).__name__}")
    misfits = ~fitting & ~absent.to_numpy()
    holds_null = not isinstance(column.dtype.type, np.dtype) or column.dtype.type.kind in "fMmO"
    if holds_null:
        fitting |= absent.to_numpy()
    elif column.nullable:
        misfits |= absent.to_numpy()
    typed = column.dtype.coerce(values[fitting])
    missing = absent.to_numpy() & ~misfits
    return TypedColumn(name, column, typed, np.flatnonzero(misfits), np.flatnonzero(missing))


def _mismatch(name: str, column: pa.Column, found: str) -> str:
    return (
        f"column {name!r} is {found}, expected {dtype_name(column)}: "
        f"read it as {dtype_name(column)}, or declare what it is"
    )


def _has_dtype(values: pd.Series, column: pa.Column) -> bool:
    try:
        found = pandas_engine.Engine.dtype(values.dtype)
    except TypeError:  # a dtype that pandera has never heard of
        return False
    return bool(np.all(np.asarray(column.dtype.check(found, values))))


def _may_hold_null(values: pd.Series) -> bool:
    return not isinstance(values.dtype, np.dtype) or values.dtype.kind not in "iub"


def _positions(mask: pd.Series) -> Positions:
    return np.flatnonzero(mask.to_numpy(dtype=bool))


def _kind(column: pa.Column) -> Callable[[Any], bool] | None:
    """Whether one Python value has a place in the column's dtype; None if it must come typed."""
    dtype = getattr(column.dtype, "type", None)
    types = pd.api.types
    if dtype is None or types.is_object_dtype(dtype) or isinstance(dtype, pd.CategoricalDtype):
        return None
    if types.is_bool_dtype(dtype):
        return lambda value: isinstance(value, (bool, np.bool_))
    if types.is_integer_dtype(dtype):
        limits = np.iinfo(getattr(dtype, "numpy_dtype", dtype))
        return lambda value: _is_whole(value) and limits.min <= int(value) <= limits.max
    if types.is_float_dtype(dtype):
        # 2**63 + 1 would change its value on the way into a float.
        return lambda value: (
            isinstance(value, (float, np.floating))
            or (_is_whole(value) and abs(int(value)) <= 2**53)
        )
    if types.is_datetime64_any_dtype(dtype):
        aware = getattr(dtype, "tz", None) is not None
        return lambda value: isinstance(value, datetime) and (value.tzinfo is not None) == aware
    if types.is_string_dtype(dtype):
        return _is_text
    return None


def _is_whole(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, (bool, np.bool_))


def _is_text(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:  # a lone surrogate: no Arrow, Parquet or UTF-8 can hold it
        return False
    return True
