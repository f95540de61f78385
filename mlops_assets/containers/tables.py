"""Bodies that pyarrow reads: large CSV, Arrow streams, Parquet. Loaded when the first one comes.

pyarrow turns columns into NumPy only through buffers here, because `to_numpy` imports pandas.
Bodies come from strangers: what is read is validated, and bounded before it is unpacked. Belongs
here: Arrow data to raw columns. Does not: what a value means to the model (ml/artifact/encode.py).
"""

from __future__ import annotations

import csv
import re
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv
from numpy.typing import NDArray

from mlops_assets.containers.parse import Parser
from mlops_assets.containers.reply import Refused
from mlops_assets.ml.artifact.spec import FeatureSpec, NumberColumn
from mlops_assets.ml.artifact.values import Coded, Values, shown

Columns = dict[str, Values]

_QUOTED = re.compile(rb'(?:(?<=[,\n\r])|\A)"(?:[^"]|"")*"(?=[,\r\n]|\Z)')
_ENDS = (b"\n", b"\r")
_EMPTY_LINES = (b"\n\n", b"\n\r", b"\r\r")
_MISSING = ["", "nan", "NaN"]  # as in parse.py


class TableReader:
    """Reads tables for the columns of one spec. Safe to use from several threads at once."""

    def __init__(self, spec: FeatureSpec, parser: Parser) -> None:
        self._parser = parser
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
        """The columns of an Arrow stream. Raises Refused (400)."""
        try:
            with pa.ipc.open_stream(pa.BufferReader(body)) as stream:
                self._parser.check_header(stream.schema.names)
                table = stream.read_all()
        except (pa.ArrowException, OSError, ValueError, KeyError) as error:
            raise Refused(400, f"the body is not an Arrow stream: {_kind(error)}") from None
        return self._table(table)

    def parquet(self, body: bytes) -> Columns:
        """The columns of a Parquet file. Raises Refused (400)."""
        import pyarrow.parquet as pq

        try:
            file = pq.ParquetFile(pa.BufferReader(body), arrow_extensions_enabled=False)
            self._parser.check_header(file.schema_arrow.names)
            table = file.read([column.name for column in self._columns], use_threads=False)
        except (pa.ArrowException, OSError, ValueError, KeyError) as error:
            raise Refused(400, f"the body is not a Parquet file: {_kind(error)}") from None
        return self._table(table)

    def _table(self, table: pa.Table) -> Columns:
        """The columns of a table from a stranger. Raises Refused (400) naming a column of a type
        that cannot be meant."""
        try:
            table = table.select([column.name for column in self._columns])
            table.validate(full=True)
        except pa.ArrowInvalid:
            raise Refused(400, "the body is not sound Arrow data") from None
        if not table.num_rows:
            raise Refused(400, "the request holds no rows")
        columns: Columns = {}
        for column in self._columns:
            array = _whole(table[column.name])
            if isinstance(column, NumberColumn):
                kind = array.type
                if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or _void(kind)):
                    raise _wrong_type(column.name, kind, "numbers")
                columns[column.name] = _numbers(array)
            else:
                columns[column.name] = _categories(column.name, array)
        return columns


def _whole(column: pa.ChunkedArray) -> pa.Array:
    if pa.types.is_dictionary(column.type) and column.num_chunks != 1:
        column = column.unify_dictionaries()
    whole = column.combine_chunks()
    return whole if isinstance(whole, pa.Array) else whole.chunk(0)


def _numbers(array: pa.Array) -> NDArray[np.float64]:
    """Numbers as float64, NaN where missing."""
    array = array.cast(pa.float64(), safe=False)
    if array.null_count:
        array = pc.fill_null(array, float("nan"))
    return _buffer(array, np.float64)


def _categories(name: str, array: pa.Array) -> Values:
    kind = array.type.value_type if pa.types.is_dictionary(array.type) else array.type
    if pa.types.is_floating(kind) or (pa.types.is_integer(kind) and kind != array.type):
        values: list[Any] = array.to_pylist()
        return values
    if pa.types.is_integer(kind) or _void(kind):
        return _coded(array.cast(pa.string()).dictionary_encode())
    if not _text(kind):
        raise _wrong_type(name, kind, "texts")
    if kind == array.type:
        if kind not in (pa.string(), pa.large_string()):
            array = array.cast(pa.string())
        array = array.dictionary_encode()
    return _coded(array)


def _coded(array: pa.DictionaryArray) -> Coded:
    codes = array.indices.cast(pa.int32())
    if codes.null_count:
        codes = pc.fill_null(codes, -1)
    return Coded(array.dictionary.to_pylist(), _buffer(codes, np.int32))


def _buffer(array: pa.Array, dtype: type) -> NDArray[Any]:
    """An array without nulls as NumPy sees its memory."""
    if not len(array):
        return np.empty(0, dtype=dtype)
    size = np.dtype(dtype).itemsize
    return np.frombuffer(array.buffers()[1], dtype, len(array), array.offset * size)


def _kind(error: Exception) -> str:
    return type(error).__name__.removeprefix("Arrow")


def _text(kind: pa.DataType) -> bool:
    return kind in (pa.string(), pa.large_string(), pa.string_view())


def _void(kind: pa.DataType) -> bool:
    return bool(pa.types.is_null(kind))


def _wrong_type(name: str, kind: pa.DataType, wanted: str) -> Refused:
    return Refused(400, f"column {name!r} is of type {shown(str(kind))}: it must hold {wanted}")
