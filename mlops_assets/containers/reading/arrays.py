"""NumPy's .npy as a body: a structured array of named columns, or a plain matrix of numbers.

A plain [n, columns] matrix is for models whose columns are all numbers: raw values in the model's
order. With categories among them it is [n, width]: rows that the caller encoded (`encoded_names`
of the spec), taken as they are. Objects, which are pickles, are refused by the header. Belongs
here: reading those. Does not: writing answers (reply.py).
"""

from __future__ import annotations

import io
import math
import tokenize
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from mlops_assets.containers.reading.parse import Parser
from mlops_assets.containers.reply import Refused
from mlops_assets.ml.artifact.spec import FeatureSpec, NumberColumn
from mlops_assets.ml.artifact.values import Values

_MAX_HEADER = 10_000  # characters, NumPy's own bound; structured dtypes of hundreds of columns fit


class ArrayReader:
    """Reads npy bodies for one spec."""

    def __init__(self, spec: FeatureSpec, parser: Parser) -> None:
        self._spec = spec
        self._parser = parser
        # Of each encoded column the raw one.
        self._owners = [column.name for column in spec.columns for _ in range(column.width)]
        self._all_numbers = all(isinstance(column, NumberColumn) for column in spec.columns)

    def __call__(self, body: bytes) -> Mapping[str, Values] | NDArray[np.float32]:
        """Raw columns, or an encoded matrix. Raises Refused (400) for all else."""
        array = load(body)
        if not array.shape or not len(array):
            raise Refused(400, "the request holds no rows")
        if array.dtype.names:
            return self._named(array)
        if array.ndim != 2 or array.dtype.kind not in "fiu":
            raise Refused(
                400,
                f"the array is {array.dtype} of shape {list(array.shape)}: send [rows, columns] of"
                " numbers, or one dimension of a structured type with the columns' names",
            )
        wanted = len(self._spec.columns) if self._all_numbers else self._spec.width
        if array.shape[1] != wanted:
            what = "raw" if self._all_numbers else "encoded"
            raise Refused(400, f"the array has {array.shape[1]} columns instead of {wanted} {what}")
        if self._all_numbers:
            return dict(zip(self._spec.names, array.T, strict=True))
        with np.errstate(over="ignore"):
            matrix = np.ascontiguousarray(array, dtype=np.float32)
        if np.isinf(matrix).any():
            row, at = (int(index) for index in np.argwhere(np.isinf(matrix))[0])
            name = self._owners[at]
            raise Refused(400, f"row {row + 1}, column {name!r}: is infinite, or too large")
        return matrix

    def _named(self, array: NDArray[Any]) -> Mapping[str, Values]:
        if array.ndim != 1:
            raise Refused(400, "a structured array must have one dimension: a row for each entry")
        self._parser.check_header(array.dtype.names or ())
        columns: dict[str, Values] = {}
        for column in self._spec.columns:
            values = array[column.name]
            wanted = "fiu" if isinstance(column, NumberColumn) else "fiuSU"
            if values.ndim != 1 or values.dtype.kind not in wanted:
                kind = "numbers" if wanted == "fiu" else "texts"
                raise Refused(
                    400, f"column {column.name!r} is of type {values.dtype}: it must hold {kind}"
                )
            try:
                columns[column.name] = _texts(values) if values.dtype.kind in "SU" else values
            except ValueError:
                raise Refused(400, f"column {column.name!r} is not text") from None
        return columns


def _texts(values: NDArray[Any]) -> NDArray[Any]:
    """Texts that are texts; NumPy would hand on code points that Python has no character for."""
    if values.dtype.kind == "S":
        return np.char.decode(values, "utf-8")
    values = np.ascontiguousarray(values.astype(values.dtype.newbyteorder("=")))
    points = values.view(np.uint32) if values.dtype.itemsize else np.empty(0, np.uint32)
    if ((points > 0x10FFFF) | ((points >= 0xD800) & (points < 0xE000))).any():
        raise ValueError
    return values


def load(body: bytes) -> NDArray[Any]:
    """The array, as a view of the body. Raises Refused (400) for what is none. Never by np.load:
    its header alone says whether there are objects, which would be a pickle, and how much memory
    the shape stands for."""
    start = 12 if body[6:7] == b"\x02" else 10
    end = start + int.from_bytes(body[8:start], "little")
    try:
        shape, fortran, dtype = _header(body[:end] if end <= _MAX_HEADER else b"")
        if dtype.hasobject:
            raise Refused(400, "the array holds objects: send numbers or texts")
        if math.prod(shape) * dtype.itemsize != len(body) - end:
            raise Refused(400, "the array's shape does not fit the length of the body")
        array = np.frombuffer(body, dtype, offset=end)
        return array.reshape(shape, order="F" if fortran else "C")
    except _NOT_NPY as error:
        raise Refused(400, f"the body is not an .npy array: {type(error).__name__}") from None


# What NumPy raises for headers that are none, its tokenizer's error among them.
_NOT_NPY = (
    *(ValueError, EOFError, SyntaxError, OverflowError, TypeError, MemoryError),
    *(tokenize.TokenError, RecursionError),
)


@lru_cache(maxsize=64)
def _header(data: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether in Fortran's order, and type, as NumPy reads a header."""
    stream = io.BytesIO(data)
    try:
        version = npy.read_magic(stream)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran, dtype = read(stream, max_header_size=_MAX_HEADER)
    except Exception as error:  # NumPy lets through whatever Python's tokenizer and parser raise
        raise ValueError(type(error).__name__) from None
    return shape, fortran, dtype
