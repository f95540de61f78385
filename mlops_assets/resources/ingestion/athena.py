"""`AthenaSource`: partitions of a table of Glue's catalog, read by Athena's UNLOAD.

Here: which Glue partitions make up one of ours, the query, and its result. Not here: seeing a query
to its end (`athena_query`), Glue (`glue_partitions`). A finished query of the same content is not
run again: its result is read.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from dataclasses import dataclass

import pandas as pd

from mlops_assets.partitions import Partitions
from mlops_assets.resources.ingestion import glue_partitions
from mlops_assets.resources.ingestion.athena_query import Query, QueryFailed, require_cutoff
from mlops_assets.resources.ingestion.unloading import (
    attempt_of,
    check_identifiers,
    mark_failed,
    parquet,
    quoted,
    result_uri,
    s3,
    selected,
)
from mlops_assets.resources.ingestion.windows import complete, key_of, window_of
from mlops_assets.resources.sources import SourceError


@dataclass(frozen=True, kw_only=True)
class AthenaSource:
    """A table whose Glue partitions are times in one column, such as ``dt=2024-03-01``.

    Args:
        windows: the pipeline's partitions; each takes the Glue partitions that begin in it.
        partition_column: of the table; its values are read by ``partition_format`` (UTC).
        columns: what is read; all by default.
        workgroup: must have a cutoff of scanned bytes per query, of ``most_scanned_gb`` at most.
        patience: a query that takes longer is stopped.
    """

    database: str
    table: str
    windows: Partitions
    partition_column: str
    partition_format: str = "%Y-%m-%d"
    columns: tuple[str, ...] = ()
    workgroup: str = "primary"
    most_scanned_gb: float = 100.0
    patience: dt.timedelta = dt.timedelta(minutes=30)
    poll_s: float = 1.0

    def __post_init__(self) -> None:
        check_identifiers(
            database=self.database,
            table=self.table,
            partition_column=self.partition_column,
            columns=self.columns,
        )

    def describe(self) -> str:
        return f"Athena's table {self.database}.{self.table} (workgroup {self.workgroup})"

    def partitions(self) -> list[str]:
        return complete(self.windows, self._glue())

    def version(self, partition: str) -> str:
        """A digest of the objects below the partition's places."""
        digest, objects = hashlib.sha256(), s3()
        for value, place in sorted(self._of(partition).items()):
            digest.update(f"{value}\0".encode())
            for info in objects.list(place.replace("s3a://", "s3://").rstrip("/") + "/"):
                digest.update(f"{info.uri}\0{info.size}-{info.modified}\0".encode())
        return digest.hexdigest()[:16]

    def read(self, partition: str) -> pd.DataFrame:
        """The partition's rows, as Athena's UNLOAD writes them.

        Raises:
            SourceError: there is no such partition, the workgroup has no cutoff, or the query
                failed; with Athena's reason.
        """
        window_of(self.windows, partition)
        require_cutoff(self.workgroup, self.most_scanned_gb)
        objects, place = s3(), self.unload_uri(partition)
        if not objects.exists(f"{place}.json"):
            try:
                done = self._query(partition, place).run()
            except QueryFailed:
                mark_failed(objects, place)
                raise
            objects.write(f"{place}.json", json.dumps(done).encode())
        frame = parquet([info.uri for info in objects.list(f"{place}/")])
        # UNLOAD of no rows writes no object.
        return frame if len(frame.columns) else pd.DataFrame(columns=list(self.columns))

    def unload_uri(self, partition: str) -> str:
        """The folder that the partition's rows are unloaded to, as the partition is now; another
        one after a failure."""
        identity = self.describe(), self.columns, partition, self.version(partition)
        folder = result_uri("athena", *identity)
        return attempt_of(s3(), folder)

    def _query(self, partition: str, place: str) -> Query:
        kind = glue_partitions.column_type(self.database, self.table, self.partition_column)
        values = [glue_partitions.literal(v, kind) for v in sorted(self._of(partition))]
        marks = ", ".join([glue_partitions.marked(kind)] * len(values))
        select = (  # the names are checked, the values bound
            f"SELECT {selected(self.columns)} FROM {quoted(self.database, self.table)} "  # noqa: S608
            f"WHERE {quoted(self.partition_column)} IN ({marks})"
        )
        return Query(
            sql=f"UNLOAD ({select}) TO '{place}/' "
            "WITH (format = 'PARQUET', compression = 'SNAPPY')",
            values=values,
            database=self.database,
            workgroup=self.workgroup,
            log_uri=f"{place}-log/",
            patience=self.patience,
            poll_s=self.poll_s,
        )

    def _of(self, partition: str) -> dict[str, str]:
        found = self._glue()
        if partition not in found:
            has = ", ".join(sorted(found)) or "none of the declared partitions"
            raise SourceError(f"{self.describe()} has nothing for {partition!r}. It has: {has}")
        return found[partition]

    def _glue(self) -> dict[str, dict[str, str]]:
        """{our partition: {the Glue partition's value: its place}}."""
        found: dict[str, dict[str, str]] = {}
        for value, place in glue_partitions.places(self.database, self.table).items():
            if (moment := self._moment(value)) and (key := key_of(self.windows, moment)):
                found.setdefault(key, {})[value] = place
        return found

    def _moment(self, value: str) -> pd.Timestamp | None:
        """The time of a value; None for one that says none, which then never gets into a query."""
        try:
            moment = dt.datetime.strptime(value, self.partition_format).replace(tzinfo=dt.UTC)
        except ValueError:
            return None
        return pd.Timestamp(moment) if moment.strftime(self.partition_format) == value else None
