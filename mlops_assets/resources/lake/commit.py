"""One write of one partition, and how it gets its turn among other writers.

Belongs here: the commit and its retries. Does not belong here: reads (core.py), how rows become
a file (files.py).

A write replaces the partition's live file by a new one in a single snapshot. The catalog swaps
the table's metadata only if its head is still the one that the snapshot was made from; otherwise
everything but the data file is made anew from the new head. So of n writers each gets its turn,
and the rows of the last one stand, once. (pyiceberg's Table.overwrite makes two snapshots, of
which the first has lost the partition, and refuses two writers of one partition.)
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pyarrow as pa
from pyiceberg.exceptions import CommitFailedException, NoSuchTableError
from pyiceberg.table import Transaction

from mlops_assets.resources.lake import files
from mlops_assets.resources.lake.catalog import attempts
from mlops_assets.resources.lake.content import Content, Fitted, Rows
from mlops_assets.resources.lake.errors import LakeError
from mlops_assets.resources.lake.frames import to_arrow

if TYPE_CHECKING:
    import pandas as pd
    from pyiceberg.catalog import Catalog
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table
    from pyiceberg.table.metadata import TableMetadata
    from pyiceberg.table.update.snapshot import _OverwriteFiles
    from pyiceberg.types import StructType

DIGEST, DTYPES, PARTITION = "mlops.digest", "mlops.dtypes", "mlops.partition"
"""Keys of a snapshot's summary: the content's digest, pandas dtypes (frames.Dtypes, JSON), and the
partition that was written."""

_TABLE = re.compile(r"([a-z0-9_]+)\.([a-z0-9_]+)")
_PARTITION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_ :.|+=@-]{0,254}")


@dataclass(frozen=True)
class Commit:
    """The version of a partition that now stands; ``bytes`` is its file's size.

    ``changed`` is False when the partition already held this content: ``snapshot_id`` is then
    the snapshot that wrote it, and nothing was committed.
    """

    table: str
    partition: str
    snapshot_id: int
    rows: int
    bytes: int
    columns: tuple[str, ...]
    digest: str
    changed: bool


def identifier(table: str) -> tuple[str, str]:
    """Namespace and name of ``namespace.table``; LakeError for what Glue or Athena would refuse."""
    match = _TABLE.fullmatch(table)
    if not match:
        raise LakeError(f"table {table!r}: use namespace.table of a-z, 0-9 and _")
    return match[1], match[2]


def load_or_create(catalog: Catalog, table: str) -> Table:
    """The table, made with no column but the partition where there was none."""
    name = identifier(table)
    try:
        return catalog.load_table(name)
    except NoSuchTableError:
        catalog.create_namespace_if_not_exists(name[0])
        return files.create(catalog, name)


def widened(handle: Table, known: pa.Schema, wanted: pa.Schema) -> Transaction:
    """A transaction after which the table, of the columns ``known``, holds ``wanted`` too."""
    transaction = _Transaction(handle)
    if any(column not in known for column in wanted):
        with transaction.update_schema() as update:
            update.union_by_name(wanted)
    return transaction


def check_names(table: str, partition: str, columns: Iterable[str]) -> None:
    """LakeError for what the lake, Glue or Athena would refuse."""
    identifier(table)
    if not _PARTITION.fullmatch(partition) or ".." in partition:
        raise LakeError(
            f"partition {partition!r} of {table}: use letters, digits, spaces and _:.|+=@- "
            "(255 at most, no '..')"
        )
    if files.PARTITION_COLUMN in columns:
        raise LakeError(f"{table}[{partition}]: {files.PARTITION_COLUMN} is the lake's own: rename")


def write_partition(
    catalog: Catalog,
    table: str,
    partition: str,
    frame: pd.DataFrame,
    properties: Mapping[str, str],
) -> Commit:
    """Make the frame the partition's content; see Lake.write."""
    check_names(table, partition, frame.columns)
    try:
        content = Rows(*to_arrow(frame))
    except LakeError as error:
        raise LakeError(f"{table}[{partition}]: {error}") from error
    return commit_content(catalog, table, partition, content, properties)


def commit_content(
    catalog: Catalog, table: str, partition: str, content: Content, properties: Mapping[str, str]
) -> Commit:
    """Make rows in memory, or a file of staged ones, the partition's content."""
    try:
        write = _Write(catalog, table, partition, content, dict(properties))
        for attempt in attempts():
            with attempt:
                return write.attempt()
    except LakeError as error:
        raise LakeError(f"{table}[{partition}]: {error}") from error
    raise AssertionError("unreachable: the last attempt raises")


@dataclass
class _Write:
    """What one write keeps between its attempts."""

    catalog: Catalog
    table: str
    partition: str
    content: Content
    properties: dict[str, str]
    tried: list[_Tried] = field(default_factory=list)
    new: tuple[StructType, DataFile] | None = None

    def attempt(self) -> Commit:
        """Commit once, or raise; after a conflict the next attempt goes on from here."""
        handle = load_or_create(self.catalog, self.table)
        for tried in self.tried:
            if handle.snapshot_by_id(tried.commit.snapshot_id):
                return tried.commit  # it landed, and only the answer was lost
            tried.discard_manifests()
        known = files.arrow_schema(handle)
        rows = self.content.fitted(handle.io, known)
        live = files.live(handle, self.partition)
        if standing := self._standing(handle, live, rows):
            return standing

        transaction = widened(handle, known, rows.schema)
        try:
            file = self._file(handle, transaction.table_metadata, rows)
            with transaction.update_snapshot(self._summary(rows)).overwrite() as overwrite:
                for part in live:
                    overwrite.delete_data_file(part.file)
                overwrite.append_data_file(file)
        except Exception:
            self._discard(handle)
            raise
        commit = self._commit(overwrite.snapshot_id, file, rows)
        _forget_producers(transaction)
        self.tried.append(_Tried(commit, overwrite))
        try:
            transaction.commit_transaction()
        except CommitFailedException:
            self.tried[-1].refused = True
            raise
        return commit

    def _standing(
        self, handle: Table, live: list[files.PartitionFile], rows: Fitted
    ) -> Commit | None:
        """The live version, if it says the same as ``rows``."""
        if len(live) != 1:
            return None
        found = files.summary(handle, live[0].snapshot_id)
        wanted = self._summary(rows)
        if any(found.get(key) != wanted.get(key) for key in (PARTITION, DIGEST, DTYPES)):
            return None
        commit = self._commit(live[0].snapshot_id, live[0].file, rows)
        return replace(commit, changed=False)

    def _file(self, handle: Table, metadata: TableMetadata, rows: Fitted) -> DataFile:
        """The new file, written once (or staged before) unless another writer changed the columns
        meanwhile."""
        schema = metadata.schema()
        columns = schema.as_struct()
        if self.new is None and (uri := self.content.file(schema)):
            self.new = columns, files.adopt(handle, metadata, self.partition, uri)
        if self.new is None or self.new[0] != columns:
            self.new = columns, files.write(handle, metadata, self.partition, rows.parts())
        return self.new[1]

    def _discard(self, handle: Table) -> None:
        """Remove the new file, unless a commit that may yet land refers to it; a staged one stays
        for who tries again."""
        if self.new and not self.tried:
            path = self.new[1].file_path
            if path != self.content.file(handle.schema()):
                handle.io.delete(path)
            self.new = None

    def _summary(self, rows: Fitted) -> dict[str, str]:
        dtypes = self.content.dtypes
        noted = {DTYPES: json.dumps(dtypes, sort_keys=True)} if dtypes else {}
        return {**self.properties, PARTITION: self.partition, DIGEST: rows.digest, **noted}

    def _commit(self, snapshot_id: int, file: DataFile, rows: Fitted) -> Commit:
        return Commit(
            table=self.table,
            partition=self.partition,
            snapshot_id=snapshot_id,
            rows=rows.rows,
            bytes=file.file_size_in_bytes,
            columns=tuple(rows.schema.names),
            digest=rows.digest,
            changed=True,
        )


@dataclass
class _Tried:
    """A snapshot that was offered to the catalog; ``refused`` if the catalog said no."""

    commit: Commit
    producer: _OverwriteFiles
    refused: bool = False

    def discard_manifests(self) -> None:
        """Remove what a refused commit wrote; one of unknown outcome may yet land, so it stays."""
        if self.refused:
            self.producer._clean_all_uncommitted()
            self.refused = False


def _forget_producers(transaction: Transaction) -> None:
    """Keep pyiceberg from deleting the manifests of a commit that it takes for refused.

    It may have landed, its answer been lost, and the request been sent again: then the table's
    head refers to them.
    """
    transaction._snapshot_producers.clear()


class _Transaction(Transaction):
    """pyiceberg's, but with its metadata computed once per staged update.

    pyiceberg computes it at every look, some 17 a commit, each a deep copy of every snapshot that
    the table ever had.
    """

    _seen: tuple[int, TableMetadata] | None = None

    @property
    def table_metadata(self) -> TableMetadata:
        if self._seen is None or self._seen[0] != len(self._updates):
            staged = super().table_metadata if self._updates else self._table.metadata
            self._seen = len(self._updates), staged
        return self._seen[1]
