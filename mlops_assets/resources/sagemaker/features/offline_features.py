"""Features as they were at each row's own moment, from the offline store of a feature group.

Here: finding the group's files, reading them, asking for the moment's record. Not here: the join
itself (`ml.feature_history`), the online store (feature_store.py).

The layout is Feature Store's own, in AWS and from the local API alike: Parquet below the group's
ResolvedOutputS3Uri, in folders of the events' hours. A record is there some time after it was
written: minutes in AWS (15 at most, says its documentation), seconds from the local API.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
from dagster._core.definitions.resource_annotation import TreatAsResourceParam

from mlops_assets.ml import feature_history
from mlops_assets.ml.feature_history import DELETED, ENTITY, EVENT, INVOKED, WRITTEN, Known
from mlops_assets.resources.sagemaker.errors import found_or_none

if TYPE_CHECKING:
    from mlops_assets.objects import Objects
    from mlops_assets.resources.sagemaker.session import SageMakerResource

EVENT_TIME = "record_event_time"
"""The column of an answer that says since when what was found holds."""
_HOUR = re.compile(r"/year=(\d+)/month=(\d+)/day=(\d+)/hour=(\d+)/")
_OWN = ("write_time", "api_invocation_time", "is_deleted")


class OfflineStoreError(Exception):
    """A group's offline store cannot answer; the message says what to do."""


class OfflineFeatures(TreatAsResourceParam):
    """Reads the history of feature groups.

    Args:
        sagemaker: where the groups are described.
        objects: opens the store that s3:// URIs live in.
    """

    def __init__(self, sagemaker: SageMakerResource, objects: Callable[[], Objects]) -> None:
        self._sagemaker = sagemaker
        self._objects = objects

    def as_of(
        self,
        group: str,
        rows: pd.DataFrame,
        *,
        entity: str,
        moment: str,
        columns: Sequence[str] | None = None,
        known: Known = "event_time",
        written_by: pd.Timestamp | None = None,
    ) -> pd.DataFrame:
        """For each row the features of its entity that held at its moment, never later ones.

        Args:
            entity, moment: columns of ``rows``: the record identifier as the group has it (this
                platform's have `ml.feature_record.entity_id` of the key), a time with a zone.
            columns: features; by default all of the group.
            known: by ``event_time`` alone, or by when the store was told (``invocation``), too: see
                `ml.feature_history.as_of`.
            written_by: what was written later is left out, so that the same question has the same
                answer whenever it is asked. None: all that is there.

        Returns:
            (rows, columns and `EVENT_TIME`), with the index of ``rows``; null where nothing held.

        Raises:
            OfflineStoreError: no such group, no offline store, or one of another format.
            ValueError: as of `ml.feature_history.as_of`.
        """
        until = None if rows.empty else rows[moment].max()
        told = self.history(group, until=until, written_by=written_by)
        wanted = columns if columns is not None else [c for c in told if not c.startswith("__")]
        identifiers = rows[entity].astype(str)
        found = feature_history.as_of(told, identifiers, rows[moment], wanted, known=known)
        return found.rename(columns={EVENT: EVENT_TIME})

    def history(
        self,
        group: str,
        *,
        until: pd.Timestamp | None = None,
        written_by: pd.Timestamp | None = None,
    ) -> pd.DataFrame:
        """Every write of a group: its features, with `ml.feature_history`'s columns beside them.

        Args:
            until: events after this are left out, and the folders of later hours are not read.
            written_by: what was written later is left out.
        """
        described = self._described(group)
        key = described["RecordIdentifierFeatureName"]
        types = {one["FeatureName"]: one["FeatureType"] for one in described["FeatureDefinitions"]}
        event = described["EventTimeFeatureName"]
        told = self._read(described, types, until)
        moments = _moments(told[event], types[event])
        own = {
            ENTITY: told[key].astype(str),
            EVENT: moments,
            INVOKED: told["api_invocation_time"],
            WRITTEN: told["write_time"],
            DELETED: told["is_deleted"].astype(bool),
        }
        history = told.drop(columns=[*_OWN, key, event]).assign(**own)
        if until is not None:
            history = history[history[EVENT] <= until]
        if written_by is not None:
            history = history[history[WRITTEN] <= written_by]
        return history.reset_index(drop=True)

    def _described(self, group: str) -> dict[str, Any]:
        client = self._sagemaker.client()
        found = found_or_none(lambda: client.describe_feature_group(FeatureGroupName=group))
        if found is None:
            raise OfflineStoreError(f"there is no feature group {group}: materialize what makes it")
        while token := found.get("NextToken"):
            more = client.describe_feature_group(FeatureGroupName=group, NextToken=token)
            found["FeatureDefinitions"] += more["FeatureDefinitions"]
            found["NextToken"] = more.get("NextToken")
        if "OfflineStoreConfig" not in found:
            raise OfflineStoreError(
                f"feature group {group} has no offline store, so no history: create it with an "
                "OfflineStoreConfig"
            )
        if found["OfflineStoreConfig"].get("TableFormat") == "Iceberg":
            raise OfflineStoreError(
                f"the offline store of feature group {group} is an Iceberg table: read it with "
                "pyiceberg or Athena; here only the default format is read"
            )
        return found

    def _read(
        self, described: dict[str, Any], types: dict[str, str], until: pd.Timestamp | None
    ) -> pd.DataFrame:
        import pyarrow as pa
        import pyarrow.parquet as pq

        kinds = {"Integral": pa.int64(), "Fractional": pa.float64(), "String": pa.string()}
        stamp = pa.timestamp("us", "UTC")
        schema = pa.schema(
            [(name, kinds[kind]) for name, kind in types.items()]
            + [("write_time", stamp), ("api_invocation_time", stamp), ("is_deleted", pa.bool_())]
        )
        objects = self._objects()
        storage = described["OfflineStoreConfig"]["S3StorageConfig"]
        tables = [schema.empty_table()]
        for uri in _files(objects, storage["ResolvedOutputS3Uri"], until):
            table = pq.read_table(io.BytesIO(objects.read(uri)))
            # A feature that was added later is null in what was written before.
            columns = [
                table[name].cast(kind) if name in table.column_names else pa.nulls(len(table), kind)
                for name, kind in zip(schema.names, schema.types, strict=True)
            ]
            tables.append(pa.table(columns, schema=schema))
        # Whole numbers stay whole where some are missing.
        nullable = {pa.int64(): pd.Int64Dtype()}
        return pa.concat_tables(tables).to_pandas(types_mapper=nullable.get)


def _files(objects: Objects, root: str, until: pd.Timestamp | None) -> Iterator[str]:
    """The Parquet files whose events may be early enough, in order of their names."""
    for info in sorted(objects.list(root), key=lambda info: info.uri):
        if not info.uri.endswith(".parquet"):
            continue
        hour = _HOUR.search(info.uri)
        if hour and until is not None:
            year, month, day, number = map(int, hour.groups())
            if pd.Timestamp(year, month, day, number, tz="UTC") > until:
                continue
        yield info.uri


def _moments(values: pd.Series, kind: str) -> pd.Series:
    """Event times: ISO 8601 texts, or seconds since the epoch."""
    if kind == "String":
        return pd.to_datetime(values.astype(object), utc=True, format="ISO8601").dt.as_unit("us")
    micros = (values.astype(float) * 1_000_000).round()
    return pd.to_datetime(micros.astype("int64"), unit="us", utc=True).dt.as_unit("us")
