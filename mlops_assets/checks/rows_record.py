"""One row as a line of JSON that loses nothing, whatever the values are.

Belongs here: `encode` and its inverse `decode`. Does not belong here: which rows are written,
and what is redacted.

Plain JSON wherever JSON says the same; what it cannot say becomes an object of one key that
starts with "$": {"$float": "nan"}, {"$bytes": "00ff"}, {"$timestamp": "…"}. In typed columns of
timestamps the text alone is enough. Nulls of other columns than floats are null. The text is
ASCII when a value holds invisible characters (lone surrogates, controls, right-to-left marks).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd


def encode(record: Mapping[str, Any]) -> str:
    """The record, values as `jsonable` makes them, as one line of JSON."""
    text = json.dumps(record, ensure_ascii=False, allow_nan=False)
    return text if text.isprintable() else json.dumps(record, allow_nan=False)


def decode(text: str) -> dict[str, Any]:
    """The values that `encode` was given, as Python's own types and pandas timestamps.

    >>> decode(encode({"x": jsonable(float("-inf")), "n": jsonable(2**70)}))
    {'x': -inf, 'n': 1180591620717411303424}
    """
    return {name: _restore(value) for name, value in json.loads(text).items()}


def column_values(values: pd.Series) -> list[Any]:
    """A column's values, each ready for JSON."""
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return [None if value is pd.NaT else value.isoformat() for value in values]
    if isinstance(values.dtype, np.dtype):
        return [jsonable(value) for value in values]
    # Extension arrays (text, nullable numbers, categories) have one null, whatever its name.
    nulls = values.isna()
    return [None if null else jsonable(value) for value, null in zip(values, nulls, strict=True)]


def jsonable(value: Any) -> Any:
    """`value` in terms of JSON, with a "$" object for what JSON lacks."""
    if isinstance(value, np.generic) and not isinstance(value, (np.datetime64, np.timedelta64)):
        value = value.item()
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"$float": repr(value)}
    if value is pd.NA or value is pd.NaT:
        return {"$null": "NA" if value is pd.NA else "NaT"}
    if isinstance(value, (list, np.ndarray)):
        return [jsonable(item) for item in value]
    if isinstance(value, dict):
        if all(isinstance(key, str) and not key.startswith("$") for key in value):
            return {key: jsonable(item) for key, item in value.items()}
        return {"$items": [[jsonable(key), jsonable(item)] for key, item in value.items()]}
    return _tagged(value)


def _tagged(value: Any) -> dict[str, Any]:
    if isinstance(value, (bytes, bytearray)):
        return {"$bytes": bytes(value).hex()}
    if isinstance(value, Decimal):
        return {"$decimal": str(value)}
    if isinstance(value, (datetime, np.datetime64)):
        return {"$timestamp": pd.Timestamp(value).isoformat()}
    if isinstance(value, date):
        return {"$date": value.isoformat()}
    if isinstance(value, tuple):
        return {"$tuple": [jsonable(item) for item in value]}
    # What no data source should hold is at least seen.
    return {"$repr": repr(value)}


_RESTORE: dict[str, Callable[[Any], Any]] = {
    "$float": float,
    "$null": lambda name: pd.NA if name == "NA" else pd.NaT,
    "$items": lambda pairs: {_restore(key): _restore(item) for key, item in pairs},
    "$bytes": bytes.fromhex,
    "$decimal": Decimal,
    "$timestamp": pd.Timestamp,
    "$date": date.fromisoformat,
    "$tuple": lambda items: tuple(_restore(item) for item in items),
    "$repr": str,
}


def _restore(value: Any) -> Any:
    if isinstance(value, list):
        return [_restore(item) for item in value]
    if isinstance(value, dict):
        if len(value) == 1 and (tag := next(iter(value))) in _RESTORE:
            return _RESTORE[tag](value[tag])
        return {key: _restore(item) for key, item in value.items()}
    return value
