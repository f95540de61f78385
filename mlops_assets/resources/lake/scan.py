"""Reading a partition part by part, in any process: where its row groups are, and their rows.

Belongs here: what reads fewer rows at a time than a partition has. Does not belong here: reading
whole partitions (core.py), finding files (files.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from mlops_assets.resources.lake.files import PartitionFile
from mlops_assets.resources.lake.frames import NULLABLE, Dtypes, stored_type

if TYPE_CHECKING:
    from pyarrow.parquet import FileMetaData
    from pyiceberg.io import FileIO
    from pyiceberg.schema import Schema


BATCH_ROWS = 65_536


@dataclass(frozen=True)
class RowGroup:
    """``rows`` rows of a file; ``first`` counts them from the beginning of what was laid out."""

    uri: str
    index: int
    first: int
    rows: int


@dataclass(frozen=True)
class Layout:
    """Partitions of a table as row groups, in the order in which `Lake.read` gives their rows.

    ``schema``: the Iceberg schema (JSON) of the columns; ``dtypes``: as `frames.to_pandas` needs
    them for any part of the rows to have the dtypes of all of them.
    """

    table: str
    schema: str
    dtypes: Dtypes
    groups: tuple[RowGroup, ...]

    @property
    def columns(self) -> pa.Schema:
        """The columns in the lake's types."""
        from pyiceberg.schema import Schema

        return arrow_schema(Schema.model_validate_json(self.schema))

    @property
    def rows(self) -> int:
        return sum(group.rows for group in self.groups)


def lay_out(
    table: str, io: FileIO, schema: Schema, parts: Sequence[PartitionFile], dtypes: Dtypes
) -> Layout:
    """The row groups of the files, one after the other; reads only the files' ends."""
    import pyarrow.parquet as pq

    groups: list[RowGroup] = []
    holes: set[str] = set()
    first = 0
    arrow = arrow_schema(schema)
    for part in parts:
        with io.new_input(part.file.file_path).open() as stream:
            footer = pq.read_metadata(stream)
        for index in range(footer.num_row_groups):
            rows = footer.row_group(index).num_rows
            if rows:
                groups.append(RowGroup(part.file.file_path, index, first, rows))
                first += rows
        holes |= _with_missing(footer, arrow)
    forced = {name: str(NULLABLE[arrow.field(name).type]) for name in holes}
    return Layout(table, schema.model_dump_json(), {**forced, **dtypes}, tuple(groups))


def _with_missing(footer: FileMetaData, schema: pa.Schema) -> set[str]:
    """Columns whose dtype depends on whether a value is missing, and where one may be."""
    open_ones = {field.name for field in schema if field.type in NULLABLE}
    whole = dict.fromkeys(open_ones, 0)
    for index in range(footer.num_row_groups):
        group = footer.row_group(index)
        for position in range(group.num_columns):
            column = group.column(position)
            known = column.statistics is not None and column.statistics.has_null_count
            if column.path_in_schema in whole and known and not column.statistics.null_count:
                whole[column.path_in_schema] += group.num_rows
    return {name for name, rows in whole.items() if rows < footer.num_rows}


def arrow_schema(schema: Schema) -> pa.Schema:
    """The columns in the lake's types, without Iceberg's field ids."""
    return pa.schema([(field.name, stored_type(field.type)) for field in schema.as_arrow()])


def read_group(
    io: FileIO, schema: Schema, group: RowGroup, *, rows: int = BATCH_ROWS
) -> Iterator[pa.Table]:
    """The row group as ``schema``, at most ``rows`` rows at a time."""
    import pyarrow.parquet as pq
    from pyiceberg.io.pyarrow import _to_requested_schema, pyarrow_to_schema
    from pyiceberg.schema import prune_columns

    wanted = arrow_schema(schema)
    with io.new_input(group.uri).open() as stream:
        file = pq.ParquetFile(stream)
        found = pyarrow_to_schema(file.schema_arrow, downcast_ns_timestamp_to_us=True)
        found = prune_columns(found, _leaves(schema), select_full_types=False)
        names = [field.name for field in found.fields]
        for batch in file.iter_batches(rows, row_groups=[group.index], columns=names):
            fitted = _to_requested_schema(schema, found, batch, allow_timestamp_tz_mismatch=True)
            yield pa.Table.from_batches([fitted]).cast(wanted)


def _leaves(schema: Schema) -> set[int]:
    """The ids that name what is read: of a list, its elements."""
    from pyiceberg.types import ListType, MapType

    ids = schema.field_ids
    return {i for i in ids if not isinstance(schema.find_type(i), ListType | MapType)}


def read_file(io: FileIO, schema: Schema, uri: str, columns: Sequence[str]) -> Iterator[pa.Table]:
    """Columns of a whole file so, in the order of ``schema``."""
    import pyarrow.parquet as pq

    chosen = schema.select(*columns)
    with io.new_input(uri).open() as stream:
        footer = pq.read_metadata(stream)
    for index in range(footer.num_row_groups):
        yield from read_group(io, chosen, RowGroup(uri, index, 0, footer.row_group(index).num_rows))
