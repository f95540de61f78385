"""Arrow streams that leave features out. Loaded when the first one comes.

Belongs here: the key columns of a stream, and a stream with columns added. Does not: checking the
other columns, which only the engine reads (tables.py).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from mlops_assets.containers.reading.arrow_guard import refuse_compressed
from mlops_assets.containers.reply import Refused, too_many


class KeyedTable:
    """A stream that has the `key` columns, and which of `columns` it lacks."""

    def __init__(self, table: pa.Table, key: Sequence[str], columns: Sequence[str]) -> None:
        self._table = table
        self._key = key
        self.lacking = [name for name in columns if name not in table.column_names]

    def keys(self, most_rows: int) -> list[dict[str, Any]]:
        """The key of each row. Raises Refused: 413 for too many, 400 for another type."""
        if self._table.num_rows > most_rows:
            raise too_many(self._table.num_rows, most_rows)
        for name in self._key:
            kind = self._table.schema.field(name).type
            # Not from a dictionary: a few bytes could become a long text in every row.
            plain = kind in (pa.string(), pa.large_string(), pa.string_view())
            if not (plain or pa.types.is_integer(kind)):
                raise Refused(400, f"key column {name!r} must hold texts or integers, not {kind}")
        rows: list[dict[str, Any]] = self._table.select(list(self._key)).to_pylist()
        return rows

    def render(self, added: Mapping[str, tuple[bool, list[Any]]], dropped: Sequence[str]) -> bytes:
        """The stream with columns {name: (is a number, values)} and without `dropped`."""
        table = self._table.drop_columns([n for n in dropped if n in self._table.column_names])
        for name, (is_number, values) in added.items():
            kind = pa.float64() if is_number else pa.string()
            table = table.append_column(name, pa.array(values, kind))
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        return bytes(sink.getvalue().to_pybytes())


def read_keyed(body: bytes, key: Sequence[str], columns: Sequence[str]) -> KeyedTable | None:
    """The table of a stream that has the key columns; None for any other, and for what is none.

    Raises Refused (400) for a compressed stream.
    """
    try:
        refuse_compressed(body)
        with pa.ipc.open_stream(pa.BufferReader(body)) as stream:
            names = stream.schema.names
            if not set(key).issubset(names) or len(set(names)) != len(names):
                return None
            table = stream.read_all()
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError, KeyError, struct.error):
        return None
    return KeyedTable(table, key, columns)
