"""The digest of what an Arrow table of the lake's types says.

Belongs here: the digest, equal where the content is. Does not belong here: the types
(frames.py), what equality of content is good for (commit.py, ../datasets.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

Arrays = Callable[[], Iterator[pa.Array]]
"""A column, array by array, anew at each call."""


def content_digest(table: pa.Table) -> str:
    """SHA-256 (hex) over column names, types, and values in row order; not over any file.

    Equal for tables that differ only in chunks, or in the bytes that lie under missing values.
    """
    return stream_digest(table.schema, table.num_rows, lambda name: table.column(name).iterchunks())


def stream_digest(schema: pa.Schema, rows: int, column: Callable[[str], Iterator[pa.Array]]) -> str:
    """`content_digest` of rows that need not be in memory: ``column`` is asked for each column of
    the schema, by name, some times over."""
    digest = hashlib.sha256()
    for field in schema:
        digest.update(f"\x00{field.name}\x00{field.type}\x00{rows}\x00".encode())
        _update(digest, field.type, partial(column, field.name))
    return digest.hexdigest()


def _update(digest: Any, kind: pa.DataType, arrays: Arrays) -> None:
    if any(array.null_count for array in arrays()):
        for array in arrays():
            digest.update(pc.is_valid(array).cast(pa.uint8()).to_numpy(zero_copy_only=False))
    else:
        digest.update(b"\x01")
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        for array in arrays():
            lengths = pc.fill_null(pc.list_value_length(array), 0).cast(pa.int64())
            digest.update(lengths.to_numpy())
        _update(digest, kind.value_type, lambda: (array.flatten() for array in arrays()))
    elif pa.types.is_large_string(kind) or pa.types.is_large_binary(kind):
        for array in arrays():
            digest.update(pc.binary_length(_filled(array)).cast(pa.int64()).to_numpy())
        for array in arrays():
            _update_bytes(digest, _filled(array))
    else:
        for array in arrays():
            digest.update(_numbers(array))


def _numbers(array: pa.Array) -> Any:
    kind = array.type
    if pa.types.is_boolean(kind):
        return pc.fill_null(array, False).cast(pa.uint8()).to_numpy()
    width = {32: pa.int32(), 64: pa.int64()}[kind.bit_width]
    numbers = array if pa.types.is_floating(kind) else array.cast(width)
    if numbers.null_count:
        numbers = pc.fill_null(numbers, pa.scalar(0, numbers.type))
    return numbers.to_numpy(zero_copy_only=False)


def _filled(array: pa.Array) -> pa.Array:
    if not array.null_count:
        return array
    return pc.fill_null(array, b"" if pa.types.is_large_binary(array.type) else "")


def _update_bytes(digest: Any, array: pa.Array) -> None:
    _, offsets, data = array.buffers()
    if len(array) and data is not None:
        ends = memoryview(offsets).cast("q")
        digest.update(memoryview(data)[ends[array.offset] : ends[array.offset + len(array)]])
