"""Text, as CSV delivers it, read as what the schema declares.

Belongs here: from columns of text to columns of the schema's types. What cannot be read stays the
text that it was, so that `check_rows` can name the row and the value. Does not belong here:
judging values (`rows_rules`), where the text comes from (sources).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa

_WHOLE = re.compile(r"[+-]?\d+(\.0*)?")
_BOOLEANS = {"true": True, "false": False, "1": True, "0": False}


def from_text(frame: pd.DataFrame, schema: pa.DataFrameSchema) -> pd.DataFrame:
    """`frame` with its text columns read as the numbers, booleans and times that `schema` declares.

    A column that can be read whole gets its type; one with a stray value becomes a column of
    objects, typed where readable and text where not, which `check_rows` judges value by value.
    Spaces around a value do not count; times are ISO 8601, read as UTC where the schema has a
    time zone and they name none. The input is not changed.

    >>> schema = pa.DataFrameSchema({"x": pa.Column(float)})
    >>> from_text(pd.DataFrame({"x": ["1", " 2.5"]}), schema)["x"].tolist()
    [1.0, 2.5]
    >>> from_text(pd.DataFrame({"x": ["1", "n/k"]}), schema)["x"].tolist()
    [1.0, 'n/k']
    """
    parsed = {}
    for name, column in schema.columns.items():
        if name in frame.columns and isinstance(frame[name].dtype, pd.StringDtype):
            reader = _reader(column)
            if reader is not None:
                parsed[name] = reader(frame[name])
    return frame.assign(**parsed)


def _reader(column: pa.Column) -> Callable[[pd.Series], pd.Series] | None:
    dtype = getattr(column.dtype, "type", None)
    types = pd.api.types
    if dtype is None or types.is_string_dtype(dtype) or isinstance(dtype, pd.CategoricalDtype):
        return None
    if types.is_bool_dtype(dtype):
        return lambda text: _by_value(text, lambda value: _BOOLEANS.get(value.lower(), value))
    if types.is_integer_dtype(dtype):
        return _whole_numbers
    if types.is_float_dtype(dtype):
        return _numbers
    if types.is_datetime64_any_dtype(dtype):
        return lambda text: _times(text, getattr(dtype, "tz", None))
    return None


def _numbers(text: pd.Series) -> pd.Series:
    read = pd.to_numeric(text.str.strip(), errors="coerce").astype("float64")
    return _or_text(read, text)


def _whole_numbers(text: pd.Series) -> pd.Series:
    read = pd.to_numeric(text.str.strip(), errors="coerce")
    if read.dtype == np.int64:
        return read
    # A missing or stray value made floats of them, which hold whole numbers only up to 2^53.
    return _by_value(
        text, lambda value: int(value.split(".")[0]) if _WHOLE.fullmatch(value) else value
    )


def _times(text: pd.Series, zone: Any) -> pd.Series:
    read = pd.to_datetime(text.str.strip(), errors="coerce", format="ISO8601", utc=zone is not None)
    if zone is not None:
        read = read.dt.tz_convert(zone)
    return _or_text(read, text)


def _or_text(read: pd.Series, text: pd.Series) -> pd.Series:
    """`read`, or, where something could not be, objects: read values and the text of the others."""
    stray = read.isna() & text.notna()
    if not stray.any():
        return read
    mixed = read.astype(object).where(read.notna(), None)
    mixed[stray] = text[stray]
    return mixed


def _by_value(text: pd.Series, read: Callable[[str], Any]) -> pd.Series:
    values = [None if pd.isna(value) else read(value.strip()) for value in text]
    return pd.Series(values, index=text.index, dtype=object)
