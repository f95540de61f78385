"""The lake: one Iceberg table per asset, one live version per partition.

Belongs here: the lake's interface, free of Dagster, and its reads. Does not belong here: how a
write commits (commit.py), types (frames.py), catalogs and waiting (catalog.py), where a
partition's file is (files.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from mlops_assets.resources.lake import files, orphans, scan, staging
from mlops_assets.resources.lake.catalog import open_catalog
from mlops_assets.resources.lake.commit import (
    DTYPES,
    Commit,
    commit_content,
    identifier,
    load_or_create,
    write_partition,
)
from mlops_assets.resources.lake.content import StagedRows
from mlops_assets.resources.lake.errors import (
    LakeError,
    PartitionNotFound,
    SnapshotNotFound,
    TableNotFound,
)
from mlops_assets.resources.lake.frames import Dtypes, common_dtypes, to_pandas
from mlops_assets.resources.lake.history import Version, history
from mlops_assets.resources.lake.staged import Staged

__all__ = ["Commit", "Lake"]

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot


class Lake:
    """Tables named ``namespace.table``, of partitions named by strings."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    @classmethod
    def open(cls, catalog: Mapping[str, str]) -> Lake:
        """Open by pyiceberg's catalog properties (``type``, ``uri``, ``warehouse``, …)."""
        return cls(open_catalog(catalog))

    def write(
        self,
        table: str,
        partition: str,
        frame: pd.DataFrame,
        *,
        properties: Mapping[str, str] | None = None,
    ) -> Commit:
        """Make ``frame`` the partition's content; an empty frame is an explicit empty version.

        Columns new to the table are added to it, missing ones read as missing values. The
        ``properties`` go into the snapshot's summary. Raises LakeError for names and types that
        the lake does not take; waits for other writers (catalog.py says how long).
        """
        return write_partition(self._catalog, table, partition, frame, properties or {})

    def read(
        self,
        table: str,
        partitions: Sequence[str] | None = None,
        *,
        snapshot_id: int | None = None,
        columns: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """The rows of the partitions (all: sorted by name), each in the order it was written.

        ``snapshot_id`` reads the table as it was then. Raises TableNotFound, SnapshotNotFound,
        PartitionNotFound, or LakeError for an unknown column.
        """
        handle, snapshot = self._at(table, snapshot_id)
        found = files.find(handle.metadata, handle.io, snapshot, partitions)
        names = sorted(found) if partitions is None else list(partitions)
        if missing := [name for name in names if name not in found]:
            raise PartitionNotFound(table, missing, self._names(handle, snapshot))
        parts = [part for name in names for part in found[name]]
        schema = handle.schemas()[snapshot.schema_id or 0]
        known = [field.name for field in schema.fields if field.name != files.PARTITION_COLUMN]
        if unknown := sorted(set(columns or ()) - set(known)):
            raise LakeError(f"table {table} has no columns {unknown}; there is: {known}")
        chosen = known if columns is None else list(columns)
        rows = files.read(handle, schema.select(*chosen), parts)
        dtypes = common_dtypes([_recorded_dtypes(handle, part) for part in parts])
        return to_pandas(rows.select(chosen), dtypes)

    def layout(
        self, table: str, partitions: Sequence[str], *, snapshot_id: int | None = None
    ) -> scan.Layout:
        """Where the rows are that `read` would give, for who reads them part by part (scan.py).

        Raises as `read` does.
        """
        handle, snapshot = self._at(table, snapshot_id)
        found = files.find(handle.metadata, handle.io, snapshot, partitions)
        if missing := [name for name in partitions if name not in found]:
            raise PartitionNotFound(table, missing, self._names(handle, snapshot))
        parts = [part for name in partitions for part in found[name]]
        schema = handle.schemas()[snapshot.schema_id or 0]
        names = [field.name for field in schema.fields if field.name != files.PARTITION_COLUMN]
        dtypes = common_dtypes([_recorded_dtypes(handle, part) for part in parts])
        return scan.lay_out(table, handle.io, schema.select(*names), parts, dtypes)

    def read_group(
        self, layout: scan.Layout, group: scan.RowGroup, *, columns: Sequence[str] | None = None
    ) -> Iterator[pa.Table]:
        """The rows of one group of a `layout`, some 65,536 at a time, in the lake's types."""
        from pyiceberg.schema import Schema

        schema = Schema.model_validate_json(layout.schema)
        handle = self._catalog.load_table(identifier(layout.table))
        chosen = schema if columns is None else schema.select(*columns)
        return scan.read_group(handle.io, chosen, group)

    def prepare(self, table: str) -> None:
        """Make the table, without columns or content, where there is none."""
        load_or_create(self._catalog, table)

    def stage(
        self,
        table: str,
        partition: str,
        schema: pa.Schema,
        parts: Iterable[pa.Table],
        dtypes: Dtypes,
    ) -> Staged:
        """Write rows part by part to a file that `commit` makes the partition's content; see
        staging.py."""
        return staging.stage(self._catalog, table, partition, schema, parts, dtypes)

    def commit(
        self, table: str, staged: Staged, *, properties: Mapping[str, str] | None = None
    ) -> Commit:
        """As `write`, of rows that were staged, in this process or another."""
        content = StagedRows(staged)
        return commit_content(self._catalog, table, staged.partition, content, properties or {})

    def partitions(self, table: str) -> list[str]:
        """The partitions with a live version (empty ones too), sorted."""
        return self._names(*self._at(table, None))

    def tables(self, namespace: str) -> list[str]:
        """The tables of a namespace, a pipeline's, as ``namespace.table``, sorted."""
        from pyiceberg.exceptions import NoSuchNamespaceError

        try:
            return sorted(".".join(name) for name in self._catalog.list_tables(namespace))
        except NoSuchNamespaceError:
            return []

    def exists(self, table: str) -> bool:
        """Whether anything was ever written to the table."""
        return self.head(table) is not None

    def head(self, table: str) -> int | None:
        """The table's current snapshot, None before the first write."""
        handle = self._load(table)
        snapshot = handle.current_snapshot() if handle else None
        return snapshot.snapshot_id if snapshot else None

    def partition_snapshot(self, table: str, partition: str) -> int | None:
        """The snapshot that wrote the partition's live version, None if there is none."""
        handle = self._load(table)
        snapshot = handle.current_snapshot() if handle else None
        if handle is None or snapshot is None:
            return None
        found = files.find(handle.metadata, handle.io, snapshot, [partition])
        return found[partition][0].snapshot_id if found else None

    def snapshots(self, table: str) -> dict[str, int]:
        """{partition: the snapshot that wrote its live version}, of all, in one look; empty before
        the first write."""
        handle = self._load(table)
        snapshot = handle.current_snapshot() if handle else None
        if handle is None or snapshot is None:
            return {}
        found = files.find(handle.metadata, handle.io, snapshot, None)
        return {name: found[name][0].snapshot_id for name in sorted(found)}

    def origin(self, table: str, partition: str) -> dict[str, str]:
        """What the writer of the partition's live version noted in its snapshot, such as the run;
        nothing where there is no such partition, or its snapshot was expired."""
        handle = self._load(table)
        found = files.live(handle, partition) if handle else []
        return files.summary(handle, found[0].snapshot_id) if handle and found else {}

    def history(self, table: str) -> list[Version]:
        """What was committed to the table, oldest first. Raises TableNotFound."""
        return history(self._at(table, None)[0])

    def last_change(self, table: str, partitions: Sequence[str]) -> int | None:
        """The snapshot that was the last to write any of these partitions, None if none did.

        Read at it, they are what they are now; unlike `head` it stays when others are written.
        """
        handle = self._load(table)
        head = handle.current_snapshot() if handle else None
        if handle is None or head is None:
            return None
        found = files.find(handle.metadata, handle.io, head, list(partitions))
        written = {part.snapshot_id for parts in found.values() for part in parts}
        known = [s for s in handle.metadata.snapshots if s.snapshot_id in written]
        return max(known, key=lambda s: s.sequence_number or 0).snapshot_id if known else None

    def collect_orphans(self, table: str, older_than: timedelta = timedelta(days=1)) -> list[str]:
        """Remove files that killed or refused writes left, if last written that long ago.

        Returns their paths. No snapshot is touched; ``older_than`` must exceed the longest write.
        Raises TableNotFound.
        """
        if self._load(table) is None:  # one whose first write was killed has orphans, too
            raise TableNotFound(table, self.tables(identifier(table)[0]))
        return orphans.collect(self._catalog, identifier(table), older_than)

    def _load(self, table: str) -> Table | None:
        from pyiceberg.exceptions import NoSuchTableError

        try:
            return self._catalog.load_table(identifier(table))
        except NoSuchTableError:
            return None

    def _at(self, table: str, snapshot_id: int | None) -> tuple[Table, Snapshot]:
        handle = self._load(table)
        if handle is None or (current := handle.current_snapshot()) is None:
            raise TableNotFound(table, self.tables(identifier(table)[0]))
        if snapshot_id is None:
            return handle, current
        snapshot = handle.snapshot_by_id(snapshot_id)
        if snapshot is None:
            raise SnapshotNotFound(table, snapshot_id)
        return handle, snapshot

    @staticmethod
    def _names(handle: Table, snapshot: Snapshot) -> list[str]:
        return sorted(files.find(handle.metadata, handle.io, snapshot, None))


def _recorded_dtypes(handle: Table, part: files.PartitionFile) -> Dtypes:
    recorded = files.summary(handle, part.snapshot_id).get(DTYPES)
    return dict(json.loads(recorded)) if recorded else {}
