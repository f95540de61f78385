"""A frame's columns as what profiles count: numbers in chunks, or categories with their counts.

Here: which pandas types are numbers and which are categories, and getting at their values without
copying a column whole. Not here: counting numbers (`binning`).

The type alone decides, never the values, so that a column does not change sides from partition to
partition: whole numbers stay numbers however few there are (the grid gives each a bin of its own),
booleans and everything else are categories by their text, times and durations are numbers of
seconds (since 1970, UTC).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mlops_assets.ml.profiles import texts

if TYPE_CHECKING:
    import pyarrow as pa

CHUNK = 262_144
_LONGEST = 120
_SAMPLE = 65_536


def is_number(dtype: Any) -> bool:
    """Whether a column of this type is profiled as numbers.

    >>> [is_number(t) for t in (np.dtype("int32"), pd.Float64Dtype(), np.dtype(bool))]
    [True, True, False]
    """
    types = pd.api.types
    if types.is_bool_dtype(dtype) or isinstance(dtype, pd.CategoricalDtype):
        return False
    return bool(
        types.is_integer_dtype(dtype)
        or types.is_float_dtype(dtype)
        or types.is_datetime64_any_dtype(dtype)
        or types.is_timedelta64_dtype(dtype)
    )


def numbers(series: pd.Series) -> Iterator[np.ndarray]:
    """A number column in chunks, missing values as NaN; plain NumPy columns are not copied."""
    values = series.array
    if isinstance(series.dtype, np.dtype) and series.dtype.kind in "iuf":
        yield series.to_numpy()
        return
    for start in range(0, len(values), CHUNK):
        part = values[start : start + CHUNK]
        if series.dtype.kind in "mM":
            ticks = np.asarray(part.asi8 if hasattr(part, "asi8") else pd.Index(part).asi8)
            seconds = ticks / _ticks(series.dtype)
            seconds[np.asarray(part.isna())] = np.nan
            yield seconds
        else:
            yield part.to_numpy(dtype=np.float64, na_value=np.nan)


def sample(series: pd.Series) -> pd.Series:
    """At most 65,536 rows of a column, one of each of as many stretches."""
    if len(series) <= _SAMPLE:
        return series
    rows = np.arange(_SAMPLE) * len(series) // _SAMPLE
    if isinstance(series.dtype, pd.StringDtype) and series.dtype.storage == "pyarrow":
        import pyarrow as pa

        found = texts.taken(pa.array(series.array), rows)
        return pd.Series(pd.arrays.ArrowStringArray(found))
    return series.iloc[rows]


def absent(series: pd.Series) -> int:
    """How many values are missing by another mark than NaN (NA, NaT).

    >>> absent(pd.Series([1.0, None], dtype="Float64")), absent(pd.Series([1.0, None]))
    (1, 0)
    """
    if isinstance(series.dtype, np.dtype) and series.dtype.kind in "iuf":
        return 0
    return int(series.isna().sum())


def categories(series: pd.Series) -> tuple[dict[str, int], int]:
    """({text: rows}, rows without a value) of a column of categories."""
    found: Counter[str] = Counter()
    missing = 0
    if isinstance(series.dtype, pd.CategoricalDtype):
        codes = series.cat.codes.to_numpy()
        counts = np.bincount(codes.astype(np.int64) + 1, minlength=len(series.cat.categories) + 1)
        for value, rows in zip(series.cat.categories, counts[1:].tolist(), strict=True):
            if rows:
                found[text(value)] += rows
        return dict(found), int(counts[0])
    # Arrow's own texts are counted where they are; other columns are taken apart.
    step = CHUNK if series.dtype == object else max(len(series), 1)
    for start in range(0, len(series), step):
        for value, rows in _counted(series.iloc[start : start + step]):
            if value is None or value is pd.NA or value is pd.NaT or value != value:
                missing += rows
            else:
                found[text(value)] += rows
    return dict(found), missing


def text(value: object) -> str:
    """A category's name; a long text's beginning and digest.

    >>> text("north"), text(True), text(3.0)
    ('north', 'True', '3.0')
    """
    name = value if isinstance(value, str) else str(value)
    if len(name) <= _LONGEST:
        return name
    return f"{name[:_LONGEST]}… #{digest(name)}"


def digest(name: str) -> str:
    """What stands for a category that must not be told.

    >>> digest("Ada")
    '3f4afb45d1631e50'
    """
    return hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _counted(part: pd.Series) -> Iterator[tuple[Any, int]]:
    array = _arrow(part)
    if array is None:
        yield from Counter(_hashable(v) for v in part.array).items()
        return
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        yield from texts.counted(array)
        return
    counted = pc.value_counts(array)
    yield from zip(
        counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True
    )


def _arrow(part: pd.Series) -> pa.Array | pa.ChunkedArray | None:
    """The values for Arrow to count, if they are texts or booleans."""
    import pyarrow as pa

    try:
        array = pa.array(part.array, from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return None  # mixed types, or text that is no Unicode
    kind = array.type
    plain = pa.types.is_boolean(kind) or pa.types.is_null(kind)
    return array if plain or pa.types.is_string(kind) or pa.types.is_large_string(kind) else None


def _hashable(value: Any) -> Any:
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, float) and value != value:
        return None
    return text(value)


def _ticks(dtype: Any) -> float:
    """How many of a time type's units make a second."""
    unit = dtype.unit if isinstance(dtype, pd.DatetimeTZDtype) else np.datetime_data(dtype)[0]
    return {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}[unit]
