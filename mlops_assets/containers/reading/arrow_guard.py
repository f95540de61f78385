"""What an Arrow stream says of itself before anything in it is unpacked.

Belongs here: reading the messages' own headers. Does not: their data (tables.py).
"""

from __future__ import annotations

import struct

import pyarrow as pa

from mlops_assets.containers.reply import Refused


def refuse_compressed(body: bytes) -> None:
    """Raise Refused for an Arrow stream whose buffers are packed: nothing says how large they are
    until they are unpacked. The flag is in each message's header, a flatbuffer.

    Source: https://arrow.apache.org/docs/format/Columnar.html (Message.fbs).
    """
    for message in pa.ipc.MessageReader.open_stream(pa.BufferReader(body)):
        if message.type == "schema":
            continue
        data = message.metadata
        header = _child(data, _child(data, 0, None), 2)
        if message.type == "dictionary":
            header = _child(data, header, 1)
        if header and _field(data, header, 3):
            raise Refused(400, "the Arrow stream is compressed: send it uncompressed")


def _field(data: bytes, table: int, index: int) -> int:
    """Where a flatbuffer table's field lies; 0 where it is not there."""
    rows = table - struct.unpack_from("<i", data, table)[0]
    if 4 + 2 * index >= struct.unpack_from("<H", data, rows)[0]:
        return 0
    offset = struct.unpack_from("<H", data, rows + 4 + 2 * index)[0]
    return table + offset if offset else 0


def _child(data: bytes, table: int, index: int | None) -> int:
    """Where the table begins that a field points to; without a field, the root."""
    at = table if index is None else _field(data, table, index)
    return at + struct.unpack_from("<I", data, at)[0]
