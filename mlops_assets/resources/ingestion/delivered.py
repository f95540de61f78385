"""Rows of one object that Firehose has delivered.

Here: gzip, JSON and Parquet to a frame, within bounds. Not here: which objects there are
(`firehose`). Firehose puts records one after the other, with line breaks between them only where
the producer or a processor sends some: both are read.
"""

from __future__ import annotations

import io
import json
import zlib
from typing import Any, Literal

import pandas as pd

from mlops_assets.resources.sources import SourceError

Format = Literal["json", "parquet"]

# Firehose buffers 128 MiB at most; text packs to a tenth or less.
_MOST_BYTES = 2 << 30
_GZIP = b"\x1f\x8b"
_decoder = json.JSONDecoder()


def rows_of(data: bytes, form: Format, name: str) -> pd.DataFrame:
    """The rows, as they were sent: a JSON record's members are columns.

    Raises:
        SourceError: naming the object, and where reading it ended.
    """
    try:
        if form == "parquet":
            return pd.read_parquet(io.BytesIO(data))
        return pd.DataFrame(_records(_unpacked(data).decode()))
    except (ValueError, OSError, zlib.error) as error:
        raise SourceError(f"{name} cannot be read: {error}") from error


def _unpacked(data: bytes) -> bytes:
    if not data.startswith(_GZIP):
        return data
    found = io.BytesIO()
    while data:  # gzip files may follow each other in one object
        unpacker = zlib.decompressobj(wbits=31)
        found.write(unpacker.decompress(data, _MOST_BYTES - found.tell()))
        if not unpacker.eof:
            torn = found.tell() < _MOST_BYTES
            raise ValueError("it is torn" if torn else f"it unpacks to over {_MOST_BYTES:,} bytes")
        data = unpacker.unused_data
    return found.getvalue()


def _records(text: str) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = []
    place = 0
    while place < len(text):
        if text[place].isspace() or text[place] == "\ufeff":
            place += 1
            continue
        record, place = _decoder.raw_decode(text, place)
        if not isinstance(record, dict):
            raise ValueError(f"record {len(records) + 1:,} is no JSON object")
        records.append(record)
    return records
