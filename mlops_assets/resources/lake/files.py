"""Where a partition's rows are: data files, found through a snapshot's manifests.

Belongs here: finding and writing data files of one partition. Does not belong here: commits and
names (core.py), pandas (frames.py).
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from mlops_assets.resources.lake.errors import LakeError

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.io import FileIO
    from pyiceberg.manifest import DataFile
    from pyiceberg.schema import Schema
    from pyiceberg.table import Table
    from pyiceberg.table.metadata import TableMetadata
    from pyiceberg.table.snapshots import Snapshot

PARTITION_COLUMN = "_partition"
# What a writer holds in memory: a million rows, as pyiceberg does, or less where they are wide.
_ROW_GROUP_ROWS = 2**20
_ROW_GROUP_BYTES = 2**27
# An empty version has no statistics, which pyiceberg would report once a column.
logging.getLogger("pyiceberg.io.pyarrow").addFilter(
    lambda record: "statistics missing" not in str(record.msg)
)
_PROPERTIES = {
    "format-version": "2",
    "commit.retry.num-retries": "0",  # commit.py tries again, from the start
    "write.target-file-size-bytes": str(2**50),  # one file a partition, so that rows keep order
    # Partitions are what prunes; engines find the row groups' statistics in the files themselves.
    "write.metadata.metrics.default-mode": "none",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "100",
}


@dataclass(frozen=True)
class PartitionFile:
    """The file of a partition's live version, and the snapshot that wrote it."""

    partition: str
    snapshot_id: int
    file: DataFile


def find(
    metadata: TableMetadata, io: FileIO, snapshot: Snapshot, partitions: Collection[str] | None
) -> dict[str, list[PartitionFile]]:
    """Live files by partition, of all partitions or those named, in the order of their paths.

    Reads only manifests that can hold them: every write makes a manifest of its own, so the cost
    follows the partitions asked for, not the table (but for its list of manifests).
    """
    from pyiceberg.expressions import AlwaysTrue, In
    from pyiceberg.expressions.visitors import manifest_evaluator
    from pyiceberg.manifest import ManifestContent

    wanted = None if partitions is None else frozenset(partitions)
    is_in: Any = In  # what type checkers see of its signature changes with pydantic's release
    filter_ = AlwaysTrue() if wanted is None else is_in(PARTITION_COLUMN, wanted)
    may_hold = {
        spec.spec_id: manifest_evaluator(spec, metadata.schema(), filter_)
        for spec in metadata.partition_specs
    }
    found: dict[str, list[PartitionFile]] = {}
    for manifest in snapshot.manifests(io):
        if manifest.content != ManifestContent.DATA:
            raise LakeError("another engine left row-level deletes: compact the table there first")
        if not may_hold[manifest.partition_spec_id](manifest):
            continue
        for entry in manifest.fetch_manifest_entry(io, discard_deleted=True):
            name = entry.data_file.partition[0]
            if wanted is None or name in wanted:
                part = PartitionFile(name, entry.snapshot_id or 0, entry.data_file)
                found.setdefault(name, []).append(part)
    for parts in found.values():
        parts.sort(key=lambda part: part.file.file_path)
    return found


def live(table: Table, partition: str) -> list[PartitionFile]:
    """The live files of one partition at the table's head; none if it was never written."""
    snapshot = table.current_snapshot()
    if snapshot is None:
        return []
    return find(table.metadata, table.io, snapshot, [partition]).get(partition, [])


def summary(table: Table, snapshot_id: int) -> dict[str, str]:
    """What the writer of a snapshot noted in it; nothing if the snapshot was expired."""
    snapshot = table.snapshot_by_id(snapshot_id)
    return dict(snapshot.summary.additional_properties) if snapshot and snapshot.summary else {}


def create(catalog: Catalog, name: tuple[str, str]) -> Table:
    """A table of no column but the partition; the first write adds its own."""
    from pyiceberg.partitioning import PartitionField, PartitionSpec
    from pyiceberg.schema import Schema
    from pyiceberg.transforms import IdentityTransform
    from pyiceberg.types import NestedField, StringType

    schema = Schema(NestedField(1, PARTITION_COLUMN, StringType(), required=False))
    by = PartitionField(1, 1000, IdentityTransform(), PARTITION_COLUMN)
    return catalog.create_table(
        name, schema, partition_spec=PartitionSpec(by), properties=_PROPERTIES
    )


def arrow_schema(table: Table) -> pa.Schema:
    """The table's columns but the partition, without Iceberg's field ids."""
    fields = table.schema().as_arrow()
    return pa.schema(
        [(field.name, field.type) for field in fields if field.name != PARTITION_COLUMN]
    )


def write(
    table: Table, metadata: TableMetadata, partition: str, parts: Iterable[pa.Table]
) -> DataFile:
    """Write parts of one schema, at least one, to one new file, which is removed if that fails.

    Only a row group's worth is held in memory at a time.
    """
    from pyiceberg.io.fileformat import FileFormatFactory
    from pyiceberg.manifest import FileFormat
    from pyiceberg.partitioning import PartitionFieldValue, PartitionKey
    from pyiceberg.schema import sanitize_column_names

    schema = metadata.schema()
    stored = sanitize_column_names(schema)
    spec = metadata.spec()
    key = PartitionKey([PartitionFieldValue(spec.fields[0], partition)], spec, schema)
    path = table.location_provider().new_data_location(f"00000-0-{uuid.uuid4()}.parquet", key)
    output = table.io.new_output(path)
    model = FileFormatFactory.get(FileFormat.PARQUET)
    try:
        with model.create_writer(output, stored, metadata.properties) as writer:
            for rows in _row_groups(parts):
                writer.write(_stored_as(stored, schema, partition, rows, model))
    except Exception:
        with suppress(OSError):
            table.io.delete(path)
        raise
    return _data_file(metadata, path, partition, len(output), writer.result())


def adopt(table: Table, metadata: TableMetadata, partition: str, path: str) -> DataFile:
    """The file that `write` wrote, in another process perhaps, at ``path``."""
    import pyarrow.parquet as pq
    from pyiceberg.io.pyarrow import (
        compute_statistics_plan,
        data_file_statistics_from_parquet_metadata,
        parquet_path_to_id_mapping,
    )

    source = table.io.new_input(path)
    with source.open() as stream:
        footer = pq.read_metadata(stream)
    schema = metadata.schema()
    statistics = data_file_statistics_from_parquet_metadata(
        parquet_metadata=footer,
        stats_columns=compute_statistics_plan(schema, metadata.properties),
        parquet_column_mapping=parquet_path_to_id_mapping(schema),
    )
    return _data_file(metadata, path, partition, len(source), statistics)


def _data_file(
    metadata: TableMetadata, path: str, partition: str, size: int, statistics: Any
) -> DataFile:
    from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
    from pyiceberg.typedef import Record

    return DataFile.from_args(
        content=DataFileContent.DATA,
        file_path=path,
        file_format=FileFormat.PARQUET,
        partition=Record(partition),
        file_size_in_bytes=size,
        sort_order_id=None,
        spec_id=metadata.default_spec_id,
        equality_ids=None,
        key_metadata=None,
        **statistics.to_serialized_dict(),
    )


def _row_groups(parts: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Small parts put together: a row group of few rows makes a file large and slow to read."""
    gathered: list[pa.Table] = []
    for rows in parts:
        gathered.append(rows)
        large = sum(part.nbytes for part in gathered) >= _ROW_GROUP_BYTES
        if large or sum(part.num_rows for part in gathered) >= _ROW_GROUP_ROWS:
            yield pa.concat_tables(gathered)
            gathered = []
    if gathered:
        yield pa.concat_tables(gathered)


def _stored_as(
    stored: Schema, schema: Schema, partition: str, rows: pa.Table, model: Any
) -> pa.Table:
    """The rows with the partition's column, the table's other columns and Iceberg's field ids."""
    from pyiceberg.io.pyarrow import _to_requested_schema

    column = pa.array([partition], pa.large_string()).dictionary_encode()
    constant = column.take(pa.repeat(0, rows.num_rows)).cast(pa.large_string())
    batch = pa.RecordBatch.from_arrays(
        [constant, *(column.combine_chunks() for column in rows.columns)],
        names=[PARTITION_COLUMN, *rows.column_names],
    )
    written = schema.select(PARTITION_COLUMN, *rows.column_names)
    return pa.Table.from_batches(
        [_to_requested_schema(stored, written, batch, include_field_ids=True, format_model=model)]
    )


def read(table: Table, schema: Schema, parts: Sequence[PartitionFile]) -> pa.Table:
    """The rows of the files, one after the other, as ``schema`` (a part of the table's)."""
    from pyiceberg.expressions import AlwaysTrue
    from pyiceberg.io.pyarrow import ArrowScan
    from pyiceberg.table import FileScanTask

    scan = ArrowScan(table.metadata, table.io, schema, AlwaysTrue())
    return scan.to_table([FileScanTask(part.file) for part in parts])
