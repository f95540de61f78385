"""How a Parquet file is packed, read from its footer without pyarrow.

Belongs here: Thrift's compact protocol, as far as the codecs need it. Does not: data (tables.py).
Why at all: pyarrow tells a codec by `RowGroupMetaData.column()`, whose C++ exceptions it does not
catch: a mutated footer ("Repetition level histogram size mismatch") ends the whole process.
"""

from __future__ import annotations

from typing import Any

# parquet.thrift: FileMetaData.row_groups → RowGroup.columns → ColumnChunk.meta_data → codec.
_PATH = (4, 1, 3, 4)

_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)


_CODECS = ("UNCOMPRESSED", "SNAPPY", "GZIP", "LZO", "BROTLI", "LZ4", "ZSTD", "LZ4_RAW")


def codecs(body: bytes) -> set[str]:
    """The names of all columns' codecs; "unknown" for whatever else stands in a codec's place.

    Raises ValueError when the footer is not one.
    """
    if len(body) < 12 or body[-4:] != b"PAR1":
        raise ValueError("no footer")
    start = len(body) - 8 - int.from_bytes(body[-8:-4], "little")
    if start < 4:
        raise ValueError("the footer is longer than the file")
    try:
        found: list[Any] = [_Footer(body[start:-8]).value(_STRUCT)]
    except (IndexError, RecursionError):
        raise ValueError("the footer ends too early, or nests too deep") from None
    for field in _PATH:
        structs = [one for each in found for one in (each if isinstance(each, list) else [each])]
        # A field may stand there twice: what another reader takes is among all of them.
        found = [value for one in structs if isinstance(one, dict) for value in one.get(field, ())]
    return {_CODECS[one] if one in range(len(_CODECS)) else "unknown" for one in found}


class _Footer:
    """Compact Thrift: a struct as {field: [its values]}, a list as a list, texts as None."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def value(self, kind: int) -> Any:
        if kind in (_TRUE, _FALSE, _BYTE):
            return self._byte()
        if kind in (_I16, _I32, _I64):
            number = self._varint()
            return (number >> 1) ^ -(number & 1)
        if kind == _DOUBLE:
            return self._skip(8)
        if kind == _BINARY:
            return self._skip(self._varint())
        if kind in (_LIST, _SET):
            header = self._byte()
            size = header >> 4 if header < 0xF0 else self._varint()
            return [self.value(header & 15) for _ in range(size)]
        if kind == _MAP:
            size = self._varint()
            kinds = self._byte() if size else 0
            return [(self.value(kinds >> 4), self.value(kinds & 15)) for _ in range(size)]
        if kind == _STRUCT:
            return self._struct()
        raise ValueError(f"there is no type {kind}")

    def _struct(self) -> dict[int, list[Any]]:
        fields: dict[int, list[Any]] = {}
        number = 0
        while header := self._byte():
            kind = header & 15
            number = number + (header >> 4) if header >> 4 else self.value(_I16)
            value = kind == _TRUE if kind in (_TRUE, _FALSE) else self.value(kind)
            fields.setdefault(number, []).append(value)
        return fields

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _skip(self, size: int) -> None:
        self._at += size
        if self._at > len(self._data):
            raise IndexError

    def _varint(self) -> int:
        number = shift = 0
        while True:
            byte = self._byte()
            number |= (byte & 127) << shift
            if byte < 128:
                return number
            shift += 7
            if shift > 63:
                raise ValueError("a number is too long")
