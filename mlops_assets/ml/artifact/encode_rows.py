"""The encoder for a handful of rows: plain Python, because NumPy's calls cost more than the work.

One row of 24 columns takes a tenth of what the columns of encode.py take; from some ten rows on
those are quicker. Belongs here: that loop. The tests hold both to the same answers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_assets.ml.artifact.errors import EncodingError
from mlops_assets.ml.artifact.spec import CategoryColumn, FeatureSpec, NumberColumn
from mlops_assets.ml.artifact.values import (
    INFINITE,
    MISSING,
    OUT_OF_RANGE,
    UNKNOWN,
    Values,
    category_text,
    number,
    objects,
    shown,
)

# Numbers below this in size round to a finite float32: halfway from its largest to 2^128.
_LIMIT = 2.0**128 - 2.0**103
_NAN = math.nan


class RowEncoder:
    """The compiled form of a feature spec, for few rows."""

    def __init__(self, spec: FeatureSpec) -> None:
        self._numbers: list[tuple[str, int, float | None, float, float]] = []
        self._categories: list[tuple[str, int, bool, Mapping[str, int], Any, Any, int]] = []
        at = 0
        for column in spec.columns:
            if isinstance(column, NumberColumn):
                fills = {"nan": _NAN, "error": None}
                fill = column.missing if isinstance(column.missing, float) else None
                fill = fills[column.missing] if isinstance(column.missing, str) else fill
                self._numbers.append((column.name, at, fill, column.mean, column.scale))
            else:
                codes = {word: code for code, word in enumerate(column.vocabulary)}
                missing, unknown = _special(column, "missing"), _special(column, "unknown")
                one_hot = column.encoding == "one_hot"
                entry = (column.name, at, one_hot, codes, missing, unknown, column.width)
                self._categories.append(entry)
            at += column.width
        self._width = at

    def encode(self, columns: Mapping[str, Values], rows: int) -> NDArray[np.float32]:
        """The matrix [rows, width]; columns of that length, as checked by the caller."""
        width = self._width
        out = [0.0] * (rows * width)
        for name, at, fill, mean, scale in self._numbers:
            for row, value in enumerate(objects(name, columns[name])):
                out[row * width + at] = _encode_number(name, row, value, fill, mean, scale)
        for name, at, one_hot, codes, missing, unknown, size in self._categories:
            for row, value in enumerate(objects(name, columns[name])):
                text = value if type(value) is str else category_text(name, row, value)
                code = codes.get(text, unknown) if text else missing
                place = row * width + at
                if type(code) is int:
                    if one_hot:
                        out[place + code] = 1.0
                    else:
                        out[place] = code
                elif code == "nan":
                    out[place : place + size] = [_NAN] * size
                elif code == "error":
                    raise EncodingError(
                        name, row, f"{UNKNOWN}: {shown(value)}" if text else MISSING
                    )
        return np.array(out, dtype=np.float32).reshape(rows, width)


def _encode_number(
    name: str, row: int, value: Any, fill: float | None, mean: float, scale: float
) -> float:
    given = value if type(value) is float else number(name, row, value)
    if given != given:
        if fill is None:
            raise EncodingError(name, row, MISSING)
        given = fill
    result = (given - mean) / scale
    if -_LIMIT < result < _LIMIT or given != given:
        return result
    raise EncodingError(name, row, INFINITE if math.isinf(given) else OUT_OF_RANGE)


def _special(column: CategoryColumn, what: str) -> int | str:
    """The code of a missing or unknown value, or the policy that stands in for one."""
    if what in column.own:
        return len(column.vocabulary) + column.own.index(what)
    policy: Sequence[str] = (column.missing, column.unknown)
    return policy[what == "unknown"]
