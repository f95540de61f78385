"""`RedshiftSource`: windows of time of a table in Redshift, read by UNLOAD through the Data API.

Here: the statements and their results. Not here: seeing a statement to its end (`data_api`).
"""

from __future__ import annotations

import datetime as dt
import json
import re
import time
from dataclasses import dataclass

import pandas as pd

from mlops_assets.objects import ObjectNotFound, Objects
from mlops_assets.partitions import Partitions
from mlops_assets.resources.ingestion.data_api import Database, StatementFailed
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
from mlops_assets.resources.sagemaker.names import digest_of
from mlops_assets.resources.sources import SourceError
from mlops_assets.settings import Settings

_ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]{1,512}")
_seen: dict[str, tuple[float, dict[str, str]]] = {}


@dataclass(frozen=True, kw_only=True)
class RedshiftSource:
    """A table with a column of time (UTC, without a zone).

    Args:
        database: where it is, and as whom one asks.
        role_arn: the role by which Redshift itself writes to the bucket.
        watermark: a column that grows with every change of a row, such as ``updated_at``; without
            it only another number of rows makes a partition another version.
        look_every: one statement asks for all partitions' versions, this often at most.
    """

    database: Database
    schema: str
    table: str
    time_column: str
    windows: Partitions
    role_arn: str
    columns: tuple[str, ...] = ()
    watermark: str | None = None
    look_every: dt.timedelta = dt.timedelta(minutes=15)

    def __post_init__(self) -> None:
        check_identifiers(
            schema=self.schema,
            table=self.table,
            time_column=self.time_column,
            columns=self.columns,
            watermark=[self.watermark] if self.watermark else [],
        )
        if not _ROLE.fullmatch(self.role_arn):
            raise SourceError(f"role_arn={self.role_arn!r} is no ARN of a role")
        if self.windows.kind == "static":
            raise SourceError("RedshiftSource needs partitions of time")

    def describe(self) -> str:
        return f"Redshift's table {self.schema}.{self.table} in {self.database.describe()}"

    def partitions(self) -> list[str]:
        return complete(self.windows, self._versions())

    def version(self, partition: str) -> str:
        """A digest of how many rows each hour of the partition has, and of the last change."""
        found = self._versions()
        if partition not in found:
            has = ", ".join(sorted(found)) or "no rows in the declared partitions"
            raise SourceError(f"{self.describe()} has nothing for {partition!r}. It has: {has}")
        return found[partition]

    def read(self, partition: str) -> pd.DataFrame:
        """The partition's rows, as UNLOAD writes them.

        Raises:
            SourceError: no such partition, the statement failed (with Redshift's reason), or less
                came than its manifest promises.
        """
        start, end = window_of(self.windows, partition)
        identity = self.describe(), self.columns, partition, self.version(partition)
        objects = s3()
        place = attempt_of(objects, result_uri("redshift", *identity))
        try:
            return self._unloaded(objects, f"{place}/")
        except ObjectNotFound:
            pass  # not unloaded yet
        # Another place, another name: what failed is not adopted.
        name = f"mlops-{digest_of(place)[:32]}"
        try:
            self.database.run(self._unload(start, end, f"{place}/"), name=name)
        except StatementFailed:
            mark_failed(objects, place)
            raise
        return self._unloaded(objects, f"{place}/")

    def _unloaded(self, objects: Objects, place: str) -> pd.DataFrame:
        """The rows; the manifest is written last, and says how many there are."""
        manifest = json.loads(objects.read(f"{place}manifest"))
        entries = manifest["entries"]
        frame = parquet([entry["url"] for entry in entries])
        promised = sum(entry["meta"]["record_count"] for entry in entries)
        if len(frame) != promised:
            raise SourceError(f"{place} has {len(frame):,} rows, its manifest says {promised:,}")
        return frame if len(frame.columns) else pd.DataFrame(columns=list(self.columns))

    def _unload(self, start: pd.Timestamp, end: pd.Timestamp, place: str) -> str:
        # UNLOAD takes its query as a text, in which nothing can be bound. What gets into it are
        # checked names, and times that are written here.
        column, key = quoted(self.time_column), Settings.load().kms_key_arn
        query = (
            f"SELECT {selected(self.columns)} FROM {quoted(self.schema, self.table)} "  # noqa: S608
            f"WHERE {column} >= '{_sql(start)}' AND {column} < '{_sql(end)}'"
        )
        encrypted = f" KMS_KEY_ID '{key}' ENCRYPTED" if key else ""
        inner = query.replace("'", "''")
        return (
            f"UNLOAD ('{inner}') TO '{place}' IAM_ROLE '{self.role_arn}' "
            f"FORMAT AS PARQUET MANIFEST VERBOSE{encrypted}"
        )

    def _versions(self) -> dict[str, str]:
        """{partition: its version}, as of ``look_every`` ago at most."""
        place = digest_of(repr(self))
        looked, found = _seen.get(place, (float("-inf"), {}))
        if time.monotonic() - looked < self.look_every.total_seconds():
            return found
        latest = f", MAX({quoted(self.watermark)})" if self.watermark else ""
        column = quoted(self.time_column)
        start = pd.Timestamp(self.windows.definition.start)  # type: ignore[attr-defined]
        rows = self.database.rows(
            f"SELECT DATE_TRUNC('hour', {column}), COUNT(*){latest} "  # noqa: S608
            f"FROM {quoted(self.schema, self.table)} WHERE {column} >= :start "
            "GROUP BY 1 ORDER BY 1",
            {"start": _sql(start.tz_convert("UTC"))},
        )
        hours: dict[str, list[tuple[str, ...]]] = {}
        for hour, *figures in rows:
            moment = pd.Timestamp(hour)
            moment = moment.tz_localize("UTC") if moment.tzinfo is None else moment
            if key := key_of(self.windows, moment):
                hours.setdefault(key, []).append((hour, *figures))
        found = {key: digest_of(figures)[:16] for key, figures in hours.items()}
        _seen[place] = (time.monotonic(), found)
        return found


def _sql(moment: pd.Timestamp) -> str:
    """A time as SQL writes it: digits, and nothing that ends a literal."""
    return f"{moment:%Y-%m-%d %H:%M:%S}"
