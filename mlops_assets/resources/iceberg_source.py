"""`IcebergSource`: windows of somebody's Iceberg table in Glue's catalog, read at one snapshot.

Here: which files have rows of a window, and reading them. Not here: our own lake
(`resources.lake`). Athena would read such a table too, for a query's price, and moto runs none:
here the table's own metadata says what is where.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import pandas as pd

from mlops_assets.partitions import Partitions
from mlops_assets.resources.ingestion.unloading import check_identifiers
from mlops_assets.resources.ingestion.windows import complete, window_of
from mlops_assets.resources.lake.catalog import open_catalog
from mlops_assets.resources.sources import SourceError
from mlops_assets.settings import Settings, glue_properties

if TYPE_CHECKING:
    from pyiceberg.expressions import BooleanExpression
    from pyiceberg.table import Table

# Types of time columns, and what their bounds count.
_UNITS = {"timestamptz": "us", "timestamp": "us", "date": "D"}


@dataclass(frozen=True)
class _File:
    """A data file; without ``times`` (its first and its last) it may have rows of any window."""

    path: str
    deletes: tuple[str, ...]
    times: tuple[pd.Timestamp, pd.Timestamp] | None

    def touches(self, start: pd.Timestamp, end: pd.Timestamp) -> bool:
        return self.times is None or (self.times[0] < end and self.times[1] >= start)


@dataclass(frozen=True, kw_only=True)
class IcebergSource:
    """A table of Iceberg whose rows say when they are of.

    A partition that no row is of is listed where a file has earlier and later ones.

    Args:
        location: the ``s3://`` folder of the table; its policy is made of it.
        time_column: a timestamp (UTC where it has no zone), or a date, which begins at 00:00 UTC.
        windows: the pipeline's partitions; each takes the rows whose time lies in it.
        columns: what is read; all by default.
    """

    database: str
    table: str
    location: str
    time_column: str
    windows: Partitions
    columns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_identifiers(
            database=self.database,
            table=self.table,
            time_column=self.time_column,
            columns=self.columns,
        )
        if not self.location.startswith("s3://"):
            raise SourceError(f"location={self.location!r}: give the table's folder, as s3://…")

    def describe(self) -> str:
        return f"Iceberg's table {self.database}.{self.table}"

    def partitions(self) -> list[str]:
        keys = self.windows.definition.get_partition_keys()
        if not keys:
            return []
        whole = self._window(keys[0])[0], self._window(keys[-1])[1]
        spans = {
            tuple(map(self.windows.containing, file.times or whole))
            for file in self._files()
            if file.touches(*whole)
        }
        at, end = {key: number for number, key in enumerate(keys)}, len(keys) - 1
        return complete(
            self.windows,
            {key for one, last in spans for key in keys[at[one] : at.get(last, end) + 1]},
        )

    def version(self, partition: str) -> str:
        """A digest of the files that may have rows of the partition, and of what is deleted there.

        Not the snapshot's id: each commit would be news of every partition.
        """
        window, digest = self._window(partition), hashlib.sha256()
        for file in sorted(self._files(), key=lambda each: each.path):
            if file.touches(*window):
                digest.update("\0".join((file.path, *file.deletes, "")).encode())
        return digest.hexdigest()[:16]

    def read(self, partition: str) -> pd.DataFrame:
        """The partition's rows, all of one snapshot.

        Raises:
            SourceError: there is no such table of Iceberg, it lies elsewhere than declared, or has
                deletes that pyiceberg cannot apply.
        """
        window, table = self._window(partition), self._open()
        scan = table.scan(
            row_filter=self._filter(table, *window), selected_fields=self.columns or ("*",)
        )
        try:
            frame: pd.DataFrame = scan.to_pandas()
        except ValueError as error:
            raise SourceError(f"{self.describe()} cannot be read: {error}") from error
        return frame

    def _window(self, partition: str) -> tuple[pd.Timestamp, pd.Timestamp]:
        return window_of(self.windows, partition)

    def _filter(self, table: Table, start: pd.Timestamp, end: pd.Timestamp) -> BooleanExpression:
        from pyiceberg.expressions import And, GreaterThanOrEqual, LessThan, Reference
        from pyiceberg.expressions.literals import literal

        kind = str(table.schema().find_field(self.time_column).field_type)
        time = Reference(self.time_column)
        first, last = (literal(_written(kind, moment)) for moment in (start, end))
        return And(GreaterThanOrEqual(term=time, value=first), LessThan(term=time, value=last))

    def _files(self) -> tuple[_File, ...]:
        table = self._open()
        try:
            return _files_of(table.metadata_location, self.time_column)
        except ValueError as error:  # of deletes by equality, say
            raise SourceError(f"{self.describe()} cannot be read: {error}") from error

    def _open(self) -> Table:
        """The table as it is now."""
        from pyiceberg.exceptions import NoSuchIcebergTableError, NoSuchTableError

        catalog = open_catalog(glue_properties(Settings.load().region))
        try:
            table = catalog.load_table((self.database, self.table))
        except (NoSuchTableError, NoSuchIcebergTableError) as error:
            raise SourceError(
                f"{self.describe()} is not there: {error}. Correct database and table, or read a "
                "table that is not Iceberg's by AthenaSource"
            ) from error
        place = table.location().replace("s3a://", "s3://", 1).rstrip("/")
        if not f"{place}/".startswith(f"{self.location.rstrip('/')}/"):
            raise SourceError(
                f"{self.describe()} lies in {place}, not in {self.location}: correct `location`, "
                "which says what the pipeline may read"
            )
        self._check_times({field.name: str(field.field_type) for field in table.schema().fields})
        return table

    def _check_times(self, columns: dict[str, str]) -> None:
        if self.time_column not in columns:
            raise SourceError(
                f"{self.describe()} has no column {self.time_column!r}. It has: "
                f"{', '.join(columns)}"
            )
        if columns[self.time_column] not in _UNITS:
            raise SourceError(
                f"column {self.time_column!r} of {self.describe()} is of type "
                f"{columns[self.time_column]}: windows are cut by one of {', '.join(_UNITS)}"
            )


@lru_cache(maxsize=16)
def _files_of(metadata: str, time_column: str) -> tuple[_File, ...]:
    """The files of a state of a table, by where its metadata lies: manifests are read once."""
    from pyiceberg.table import StaticTable

    table = StaticTable.from_metadata(metadata, glue_properties(Settings.load().region))
    field = table.schema().find_field(time_column)
    found = []
    for task in table.scan().plan_files():
        bounds = [
            each.get(field.field_id) if each else None
            for each in (task.file.lower_bounds, task.file.upper_bounds)
        ]
        low, high = (_moment(field.field_type, each) for each in bounds)
        times = (low, high) if low is not None and high is not None else None
        deletes = tuple(sorted(each.file_path for each in task.delete_files))
        found.append(_File(task.file.file_path, deletes, times))
    return tuple(found)


def _moment(kind: Any, bound: bytes | None) -> pd.Timestamp | None:
    from pyiceberg.conversions import from_bytes

    if bound is None:
        return None
    return pd.Timestamp(from_bytes(kind, bound), unit=_UNITS[str(kind)], tz="UTC")


def _written(kind: str, moment: pd.Timestamp) -> str:
    """A moment in UTC as Iceberg's expressions take it; of dates, the first that begins then.

    >>> _written("date", pd.Timestamp("2024-03-01T05:00", tz="UTC"))
    '2024-03-02'
    >>> _written("timestamp", pd.Timestamp("2024-03-01T05:00", tz="UTC"))
    '2024-03-01T05:00:00'
    """
    if kind == "date":
        return str(moment.ceil("D").date())
    naive = moment.tz_convert(dt.UTC).tz_localize(None).isoformat()
    return naive if kind == "timestamp" else f"{naive}+00:00"
