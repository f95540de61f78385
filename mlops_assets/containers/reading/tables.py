"""Bodies that pyarrow reads: large CSV, Arrow streams, Parquet. Loaded when the first one comes.

Columns become NumPy's through their buffers: `to_numpy` and others would import pandas.
Bodies come from strangers: what is read is validated, and bounded before it is unpacked. Belongs
here: Arrow data to raw columns. Does not: what a value means to the model (ml/artifact/encode.py).
"""

from __future__ import annotations

import csv
import re
import struct
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv
from numpy.typing import NDArray

from mlops_assets.containers.reading.arrow_guard import refuse_compressed
from mlops_assets.containers.reading.parquet_footer import codecs
from mlops_assets.containers.reading.parse import Parser
from mlops_assets.containers.reply import Refused, too_many
from mlops_assets.ml.artifact.spec import FeatureSpec, NumberColumn
from mlops_assets.ml.artifact.values import Coded, Values, shown

Columns = dict[str, Values]

_QUOTED = re.compile(rb'(?:(?<=[,\n\r])|\A)"(?:[^"]|"")*"(?=[,\r\n]|\Z)')
_ENDS = (b"\n", b"\r")
_EMPTY_LINES = (b"\n\n", b"\n\r", b"\r\r")
# Snappy unpacks to some twenty times its size at most; others know no bound.
_PARQUET_CODECS = {"SNAPPY", "UNCOMPRESSED"}
_MISSING = ["", "nan", "NaN"]  # as in parse.py


class TableReader:
    """Reads tables for the columns of one spec. Safe to use from several threads at once."""

    def __init__(self, spec: FeatureSpec, parser: Parser, most_rows: int) -> None:
        self._parser = parser
        self._most_rows = most_rows
        self._columns = spec.columns
        self._csv_types = {
            c.name: pa.float64()
            if isinstance(c, NumberColumn)
            else pa.dictionary(pa.int32(), pa.string())
            for c in spec.columns
        }

    def csv(self, body: bytes, header: str) -> Columns | None:
        """The columns of a CSV body, or None where parse.py has to read it: to say what is wrong,
        or because pyarrow might take it for something else than parse.py does."""
        if not body.isascii():
            body = body.removeprefix(b"\xef\xbb\xbf")
            try:
                body.decode()
            except UnicodeDecodeError:
                return None
        quoted = b'"' in body
        if quoted and b'"' in _QUOTED.sub(b"", body):
            return None
        if len(self._columns) > 1:
            body = body.rstrip(b"\r\n")
            if body[:1] in _ENDS or any(empty in body for empty in _EMPTY_LINES):
                return None  # pyarrow takes an empty line for a row of missing values
        first = re.split(rb"[\r\n]", body, maxsplit=1)[0]
        try:
            (names,) = csv.reader([first.decode()], strict=True)
        except (csv.Error, ValueError):  # ValueError: no row, or a quote that is still open
            return None
        has_header = self._parser.is_header(names, header)
        if has_header:
            names = [name.strip() for name in names]
            self._parser.check_header(names)
        else:
            names = [column.name for column in self._columns]
        try:
            table = arrow_csv.read_csv(
                pa.BufferReader(body),
                read_options=arrow_csv.ReadOptions(
                    use_threads=False,
                    block_size=len(body) + 1,
                    column_names=names,
                    skip_rows=int(has_header),
                ),
                parse_options=arrow_csv.ParseOptions(
                    quote_char='"' if quoted else False,
                    newlines_in_values=quoted,
                    ignore_empty_lines=False,
                ),
                convert_options=arrow_csv.ConvertOptions(
                    column_types=self._csv_types,
                    include_columns=list(self._csv_types),
                    null_values=_MISSING,
                    strings_can_be_null=False,
                    check_utf8=False,
                ),
            )
        except pa.ArrowInvalid:
            return None
        columns: Columns = {}
        for column in self._columns:
            array = _whole(table[column.name])
            if isinstance(column, NumberColumn):
                numbers = _numbers(array)
                # What pyarrow reads as infinite or NaN (1e999, -nan) is for parse.py to judge.
                if int(np.isfinite(numbers).sum()) != len(array) - array.null_count:
                    return None
                columns[column.name] = numbers
            else:
                columns[column.name] = _coded(array)
        return columns if table.num_rows else None

    def arrow(self, body: bytes) -> Columns:
        """The columns of an Arrow stream. Raises Refused (400, 413)."""
        try:
            refuse_compressed(body)
            with pa.ipc.open_stream(pa.BufferReader(body)) as stream:
                self._check_schema(stream.schema)
                table = stream.read_all().select(list(self._csv_types))
            table.validate(full=True)
        except (pa.ArrowException, OSError, ValueError, KeyError, struct.error) as error:
            raise Refused(400, f"the body is not an Arrow stream: {_name(error)}") from None
        return self._columns_of(table)

    def parquet(self, body: bytes) -> Columns:
        """The columns of a Parquet file. Raises Refused (400, 413)."""
        import pyarrow.parquet as pq

        words = [c.name for c in self._columns if not isinstance(c, NumberColumn)]
        try:
            # Words stay in their dictionary: written out, one of a megabyte could come a million
            # times out of a few bytes.
            file = pq.ParquetFile(
                pa.BufferReader(body), read_dictionary=words, arrow_extensions_enabled=False
            )
            self._check_schema(file.schema_arrow)
            self._check_size(file.metadata.num_rows)
            if others := codecs(body) - _PARQUET_CODECS:
                raise Refused(400, f"the Parquet file is packed by {min(others)}: use SNAPPY")
            table = file.read(list(self._csv_types), use_threads=False)
            table.validate(full=True)
        except (pa.ArrowException, OSError, ValueError, KeyError) as error:
            raise Refused(400, f"the body is not a Parquet file: {_name(error)}") from None
        return self._columns_of(table)

    def _check_schema(self, schema: pa.Schema) -> None:
        """Refuse columns that lack, are too many, or are of a type that cannot be meant."""
        self._parser.check_header(schema.names)
        for column in self._columns:
            kind = schema.field(column.name).type
            if isinstance(column, NumberColumn):
                if not (_number(kind) or pa.types.is_null(kind)):
                    raise _wrong_type(column.name, kind, "numbers")
                continue
            kind = kind.value_type if pa.types.is_dictionary(kind) else kind
            if not (_text(kind) or _number(kind) or pa.types.is_null(kind)):
                raise _wrong_type(column.name, kind, "texts")

    def _check_size(self, rows: int) -> None:
        if not rows:
            raise Refused(400, "the request holds no rows")
        if rows > self._most_rows:
            raise too_many(rows, self._most_rows)

    def _columns_of(self, table: pa.Table) -> Columns:
        self._check_size(table.num_rows)
        return {
            column.name: _numbers(array) if isinstance(column, NumberColumn) else _categories(array)
            for column, array in zip(self._columns, map(_whole, table.columns), strict=True)
        }


def _whole(column: pa.ChunkedArray) -> pa.Array:
    if pa.types.is_dictionary(column.type) and column.num_chunks != 1:
        column = column.unify_dictionaries()
    whole = column.combine_chunks()
    return whole if isinstance(whole, pa.Array) else whole.chunk(0)


def _numbers(array: pa.Array) -> NDArray[np.float64]:
    """Numbers as float64, NaN where missing."""
    return _filled(array.cast(pa.float64(), safe=False), np.float64, np.nan)


def _categories(array: pa.Array) -> Values:
    kind = array.type.value_type if pa.types.is_dictionary(array.type) else array.type
    if pa.types.is_floating(kind) or (pa.types.is_integer(kind) and kind != array.type):
        values: list[Any] = array.to_pylist()
        return values
    if kind == array.type:
        if kind not in (pa.string(), pa.large_string()):
            array = array.cast(pa.string())
        array = array.dictionary_encode()
    return _coded(array)


def _coded(array: pa.DictionaryArray) -> Coded:
    codes = _filled(array.indices.cast(pa.int32()), np.int32, -1)
    return Coded(array.dictionary.to_pylist(), codes)


def _filled(array: pa.Array, dtype: type, missing: float) -> NDArray[Any]:
    """An array as NumPy sees its memory, `missing` where it holds nulls (by arrow's own fill_null
    pandas would be imported)."""
    size = len(array)
    if not size:
        return np.empty(0, dtype=dtype)
    bits, data = array.buffers()
    values: NDArray[Any] = np.frombuffer(data, dtype, size, array.offset * np.dtype(dtype).itemsize)
    if not array.null_count:
        return values
    there = np.unpackbits(np.frombuffer(bits, np.uint8), bitorder="little")
    return np.where(there[array.offset : array.offset + size], values, dtype(missing))


def _name(error: Exception) -> str:
    return type(error).__name__.removeprefix("Arrow")


def _number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _text(kind: pa.DataType) -> bool:
    return kind in (pa.string(), pa.large_string(), pa.string_view())


def _wrong_type(name: str, kind: pa.DataType, wanted: str) -> Refused:
    return Refused(400, f"column {name!r} is of type {shown(str(kind))}: it must hold {wanted}")
