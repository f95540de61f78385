"""Raw columns in, the estimator's float32 matrix out, as the feature spec declares.

The arithmetic is float64 and the cast to float32 comes last: a value that is rounded before it is
scaled can fall on the other side of a tree's threshold. Belongs here: the encoder, which sealing
and serving share. Does not: parsing text or JSON (containers/parse.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_assets.ml.artifact.compiled import GIVES_UP, CompiledRows, Fill, cells_of
from mlops_assets.ml.artifact.errors import EncodingError
from mlops_assets.ml.artifact.spec import CategoryColumn, FeatureSpec, NumberColumn
from mlops_assets.ml.artifact.values import (
    INFINITE,
    MISSING,
    OUT_OF_RANGE,
    UNKNOWN,
    Coded,
    Values,
    category_text,
    number,
    objects,
    shown,
)

# Up to this many rows, one by one is quicker than by columns: NumPy's calls cost more than that.
FEW = 32

_NUMBERS = {float, int, bool, type(None), np.float64, np.float32, np.int64, np.int32, np.bool_}
_TEXTS = {str, type(None)}


class Encoder:
    """The compiled form of a feature spec. Immutable and safe to share between threads.

    >>> spec = FeatureSpec.from_json({"version": 1, "kind": "binary", "label": "late", "columns": [
    ...     {"name": "distance", "type": "number", "missing": "nan", "mean": 100, "scale": 10},
    ...     {"name": "carrier", "type": "category", "vocabulary": ["AA", "UA"]}]})
    >>> Encoder(spec).encode({"distance": [120, None], "carrier": ["UA", "ZZ"]})
    array([[ 2.,  0.,  1.],
           [nan,  0.,  0.]], dtype=float32)
    """

    def __init__(self, spec: FeatureSpec) -> None:
        self.spec = spec
        self._names, self.width = spec.names, spec.width
        self.rows = CompiledRows.of(spec)
        offsets = np.cumsum([0, *(column.width for column in spec.columns)])
        placed = list(zip(spec.columns, offsets[:-1].tolist(), strict=True))
        self._numbers = [c for c, _ in placed if isinstance(c, NumberColumn)]
        self._number_at = np.array([i for c, i in placed if isinstance(c, NumberColumn)], dtype=int)
        self._categories = [
            (c, i, {word: code for code, word in enumerate(c.vocabulary)})
            for c, i in placed
            if isinstance(c, CategoryColumn)
        ]
        numbers = self._numbers
        self._must = [row for row, column in enumerate(numbers) if column.missing == "error"]
        fills = [column.missing for column in numbers]
        fill = np.array([f if isinstance(f, float) else np.nan for f in fills], dtype=np.float64)
        self._fill = fill[:, None] if np.isfinite(fill).any() else None
        mean = np.array([column.mean for column in numbers], dtype=np.float64)[:, None]
        scale = np.array([column.scale for column in numbers], dtype=np.float64)[:, None]
        self._scaling = (mean, scale) if (mean != 0).any() or (scale != 1).any() else None

    def encode(self, columns: Mapping[str, Values]) -> NDArray[np.float32]:
        """The matrix [n, width] of n rows given as columns of equal length.

        Numbers may be integers, floats and booleans, missing as NaN or None; categories texts or
        whole numbers, missing as None, NaN or the empty text. Columns outside the spec are ignored.
        Raises EncodingError, naming row and column, for a column that is absent or of another
        length, a value of another type, an infinite number, and what the spec's policies refuse.
        """
        rows = self._rows(columns)
        if rows <= FEW:
            try:
                given = [objects(name, columns[name]) for name in self._names]
                return self.by_rows(self.rows.objects, list(zip(*given, strict=True)))
            except GIVES_UP:
                pass  # by columns it is said what is wrong, if anything is
        out = np.zeros((rows, self.width), dtype=np.float32)
        if self._numbers:
            out[:, self._number_at] = self._encode_numbers(columns, rows).T
        for column, at, codes in self._categories:
            _encode_category(column, codes, columns[column.name], out[:, at : at + column.width])
        return out

    def by_rows(self, fill: Fill, rows: Sequence[Sequence[Any]]) -> NDArray[np.float32]:
        """The matrix of rows that one of `self.rows` encodes. Raises one of GIVES_UP."""
        width = self.width
        out = np.empty((len(rows), width), dtype=np.float32)
        cells = cells_of(out)
        for index, row in enumerate(rows):
            fill(row, cells, index * width)
        return out

    def _rows(self, columns: Mapping[str, Values]) -> int:
        rows = -1
        for name in self._names:
            if name not in columns:
                raise EncodingError(name, None, "is missing")
            values = columns[name]
            if isinstance(values, (str, bytes)) or getattr(values, "ndim", 1) != 1:
                raise EncodingError(name, None, "must be a list or a one-dimensional array")
            if rows < 0:
                rows = len(values)
            if len(values) != rows:
                raise EncodingError(name, None, f"has {len(values)} rows, others have {rows}")
        return rows

    def _encode_numbers(self, columns: Mapping[str, Values], rows: int) -> NDArray[np.float32]:
        raw = np.empty((len(self._numbers), rows), dtype=np.float64)
        for index, column in enumerate(self._numbers):
            _fill_numbers(column.name, columns[column.name], raw[index])
        if np.isinf(raw).any():
            index, row = (int(i[0]) for i in np.nonzero(np.isinf(raw)))
            raise EncodingError(self._numbers[index].name, row, INFINITE)
        for index in self._must:
            if (missing := np.isnan(raw[index])).any():
                name = self._numbers[index].name
                raise EncodingError(name, int(missing.argmax()), MISSING)
        if self._fill is not None:
            raw = np.where(np.isnan(raw), self._fill, raw)
        if self._scaling is not None:
            raw = (raw - self._scaling[0]) / self._scaling[1]
        with np.errstate(over="ignore", under="ignore"):
            cast = raw.astype(np.float32)
        if np.isinf(cast).any():
            index, row = (int(i[0]) for i in np.nonzero(np.isinf(cast)))
            raise EncodingError(self._numbers[index].name, row, OUT_OF_RANGE)
        return cast


def _fill_numbers(name: str, values: Values, into: NDArray[np.float64]) -> None:
    """Write one column of numbers as float64, NaN where missing."""
    if hasattr(values, "dtype"):
        array = np.asarray(values)
        if array.dtype.kind in "fiub":
            into[:] = array
            return
        values = objects(name, array)
    if _NUMBERS.issuperset(map(type, values)):
        try:
            into[:] = np.array(values, dtype=np.float64)
            return
        except OverflowError:
            pass
    for row, value in enumerate(values):
        into[row] = number(name, row, value)


def _encode_category(
    column: CategoryColumn, codes: Mapping[str, int], values: Values, out: NDArray[np.float32]
) -> None:
    """Write one category's encoded columns into `out`, which holds zeros."""
    size = len(codes)
    coded = values if isinstance(values, Coded) else None
    values = objects(column.name, values) if coded is None else coded.values
    if not _TEXTS.issuperset(map(type, values)):
        values = [category_text(column.name, row, value) for row, value in enumerate(values)]
    known = [size if not text else codes.get(text, size + 1) for text in values]
    if coded is not None:  # the last one stands at -1
        code = np.array([*known, size], dtype=np.int64)[coded.codes]
        values = coded
    else:
        code = np.array(known, dtype=np.int64)
    special = code >= size
    if special.any():
        for at, policy, reason in (
            (size, column.missing, MISSING),
            (size + 1, column.unknown, UNKNOWN),
        ):
            hit = code == at
            if not hit.any():
                continue
            if policy == "error":
                row = int(hit.argmax())
                value = "" if at == size else f": {shown(values[row])}"
                raise EncodingError(column.name, row, reason + value)
            if policy == "nan":
                out[hit] = np.nan
            if policy == "own":
                own = column.own.index("missing" if at == size else "unknown")
                _set(column, out, np.nonzero(hit)[0], np.full(int(hit.sum()), size + own))
        plain = np.nonzero(~special)[0]
        _set(column, out, plain, code[plain])
        return
    _set(column, out, np.arange(len(code)), code)


def _set(
    column: CategoryColumn,
    out: NDArray[np.float32],
    rows: NDArray[np.int64],
    codes: NDArray[np.int64],
) -> None:
    if column.encoding == "ordinal":
        out[rows, 0] = codes
    else:
        out[rows, codes] = 1.0
