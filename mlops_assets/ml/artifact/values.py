"""One raw value: is it missing, which number or category is it, how does an error show it.

Belongs here: what the encoders (encode.py by column, compiled.py by row) must agree on.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_assets.ml.artifact.errors import EncodingError


@dataclass(frozen=True)
class Coded:
    """A column of few different values: `values[codes[row]]`, missing where the code is -1."""

    values: Sequence[Any]
    codes: NDArray[np.int32]

    def __iter__(self) -> Iterator[Any]:
        """The rows' values."""
        return (None if code < 0 else self.values[code] for code in self.codes.tolist())

    def __len__(self) -> int:
        """Rows."""
        return len(self.codes)

    def __getitem__(self, row: int) -> Any:
        """A row's value."""
        code = int(self.codes[row])
        return None if code < 0 else self.values[code]


Values = NDArray[Any] | Sequence[Any] | Coded

MISSING = "is missing, and must not be"
UNKNOWN = "is not a category that the model knows"
INFINITE = "is infinite"
OUT_OF_RANGE = "is out of the range of float32"


def number(name: str, row: int, value: Any) -> float:
    """A value as a float, NaN where missing. Raises EncodingError for what is no number."""
    if is_missing(value):
        return math.nan
    if isinstance(value, (bool, int, float, np.integer, np.floating, np.bool_)):
        try:
            return float(value)
        except OverflowError:
            raise EncodingError(name, row, OUT_OF_RANGE) from None
    raise EncodingError(name, row, f"is not a number: {shown(value)}")


def category_text(name: str, row: int, value: Any) -> str | None:
    """A category as the text that the vocabulary holds; None where it is missing.

    A whole number becomes its decimal text, also when a missing neighbour turned its column into
    floats: 3, 3.0 and "3" are one category. Raises EncodingError for what is no category.
    """
    if isinstance(value, str):
        return str(value) or None
    if is_missing(value):
        return None
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        return str(int(value))
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    raise EncodingError(name, row, f"is not a category: {shown(value)}")


def is_missing(value: Any) -> bool:
    """None, NaN, and pandas' NA and NaT (known by name: serving must not import pandas)."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, (float, np.floating)) and bool(value != value)


def objects(name: str, values: Values) -> Sequence[Any]:
    """A column's values as Python's own; refuses arrays that would turn into numbers unseen."""
    if isinstance(values, Coded):
        return list(values)
    if not hasattr(values, "dtype"):
        return values
    array = np.asarray(values)
    if array.dtype.kind not in "fiubOUT":
        raise EncodingError(name, None, f"is of type {array.dtype}: neither numbers nor texts")
    return array.tolist()


def shown(value: Any) -> str:
    """A caller's value as an error shows it: short, and on one line."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
