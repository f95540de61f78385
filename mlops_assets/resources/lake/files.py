"""Where a partition's rows are: data files, found through a snapshot's manifests.

Belongs here: finding and writing data files of one partition. Does not belong here: commits and
names (core.py), pandas (frames.py).
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Collection, Sequence
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


def write(table: Table, metadata: TableMetadata, partition: str, rows: pa.Table) -> DataFile:
    """Write the rows to one new file, which is removed again if that fails."""
    from pyiceberg.io.pyarrow import write_file
    from pyiceberg.partitioning import PartitionFieldValue, PartitionKey
    from pyiceberg.table import WriteTask

    schema = metadata.schema()
    column = pa.array([partition], pa.large_string()).dictionary_encode()
    constant = column.take(pa.repeat(0, rows.num_rows)).cast(pa.large_string())
    batch = pa.RecordBatch.from_arrays(
        [constant, *(column.combine_chunks() for column in rows.columns)],
        names=[PARTITION_COLUMN, *rows.column_names],
    )
    spec = metadata.spec()
    task = WriteTask(
        write_uuid=uuid.uuid4(),
        task_id=0,
        record_batches=[batch],
        schema=schema.select(PARTITION_COLUMN, *rows.column_names),
        partition_key=PartitionKey([PartitionFieldValue(spec.fields[0], partition)], spec, schema),
    )
    path = table.location_provider().new_data_location(
        task.generate_data_file_filename("parquet"), task.partition_key
    )
    try:
        return next(iter(write_file(table.io, metadata, iter([task]))))
    except Exception:
        with suppress(OSError):
            table.io.delete(path)
        raise


def read(table: Table, schema: Schema, parts: Sequence[PartitionFile]) -> pa.Table:
    """The rows of the files, one after the other, as ``schema`` (a part of the table's)."""
    from pyiceberg.expressions import AlwaysTrue
    from pyiceberg.io.pyarrow import ArrowScan
    from pyiceberg.table import FileScanTask

    scan = ArrowScan(table.metadata, table.io, schema, AlwaysTrue())
    return scan.to_table([FileScanTask(part.file) for part in parts])
