"""The digest of what an Arrow table of the lake's types says.

Belongs here: the digest, equal where the content is. Does not belong here: the types
(frames.py), what equality of content is good for (commit.py, ../datasets.py).
"""

from __future__ import annotations

import hashlib
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc


def content_digest(table: pa.Table) -> str:
    """SHA-256 (hex) over column names, types, and values in row order; not over any file.

    Equal for tables that differ only in chunks, or in the bytes that lie under missing values.
    """
    digest = hashlib.sha256()
    for field, column in zip(table.schema, table.columns, strict=True):
        digest.update(f"\x00{field.name}\x00{field.type}\x00{len(column)}\x00".encode())
        _update(digest, column)
    return digest.hexdigest()


def _update(digest: Any, column: pa.ChunkedArray) -> None:
    array = column.combine_chunks()
    kind = array.type
    if array.null_count:
        digest.update(pc.is_valid(array).cast(pa.uint8()).to_numpy())
    else:
        digest.update(b"\x01")
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        digest.update(pc.fill_null(pc.list_value_length(array), 0).cast(pa.int64()).to_numpy())
        _update(digest, pa.chunked_array([array.flatten()]))
    elif pa.types.is_large_string(kind) or pa.types.is_large_binary(kind):
        _update_bytes(digest, array)
    elif pa.types.is_boolean(kind):
        digest.update(pc.fill_null(array, False).cast(pa.uint8()).to_numpy())
    else:
        width = {32: pa.int32(), 64: pa.int64()}[kind.bit_width]
        numbers = array if pa.types.is_floating(kind) else array.cast(width)
        if numbers.null_count:
            numbers = pc.fill_null(numbers, pa.scalar(0, numbers.type))
        digest.update(numbers.to_numpy(zero_copy_only=False))


def _update_bytes(digest: Any, array: pa.Array) -> None:
    if array.null_count:
        array = pc.fill_null(array, b"" if pa.types.is_large_binary(array.type) else "")
    digest.update(pc.binary_length(array).cast(pa.int64()).to_numpy())
    _, offsets, data = array.buffers()
    if len(array) and data is not None:
        ends = memoryview(offsets).cast("q")
        digest.update(memoryview(data)[ends[array.offset] : ends[array.offset + len(array)]])
