"""Assets' DataFrames in the lake: asset key = table, partition key = partition.

Belongs here: what Dagster hands over and wants to know (partition keys, data version, metadata).
Does not belong here: reading and writing tables (core.py).

The data version of a materialization is the snapshot that wrote its partition. Writing the same
content again makes no new snapshot, so what is downstream stays up to date.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import dagster as dg
import pandas as pd

from mlops_assets.resources.lake.errors import LakeError
from mlops_assets.resources.lake.history import RUN
from mlops_assets.resources.lake.resource import open_lake
from mlops_assets.resources.lake.staged import Staged

if TYPE_CHECKING:
    from mlops_assets.resources.lake.commit import Commit

UNPARTITIONED = "all"
"""The one partition of an asset that has none."""


def table_of(key: dg.AssetKey) -> str:
    """The table of an asset: ``AssetKey(["flight_delays", "clean"])`` is flight_delays.clean."""
    if len(key.path) != 2:
        raise LakeError(f"asset {key.to_user_string()}: the lake needs AssetKey([namespace, name])")
    return ".".join(key.path)


class LakeIOManager(dg.ConfigurableIOManager):
    """Stores DataFrames, and commits what a job staged; an asset run over many partitions returns
    ``{partition key: frame}``."""

    catalog: dict[str, str]

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Write each partition, then tell Dagster the data version and what was written."""
        table = table_of(context.asset_key)
        frames = _by_partition(context, obj)
        lake = open_lake(self.catalog)
        origin = {RUN: context.run_id}
        commits = []
        for partition, frame in frames.items():
            if isinstance(frame, Staged):
                commit = lake.commit(table, frame, properties=origin)
            else:
                commit = lake.write(table, partition, frame, properties=origin)
            state = "written" if commit.changed else "unchanged"
            context.log.debug(
                f"{table}[{partition}] {state}: {commit.rows} rows, snapshot {commit.snapshot_id}"
            )
            commits.append(commit)
        step = context.step_context
        step.set_data_version(context.asset_key, dg.DataVersion(data_version(commits)))
        for commit in commits:
            metadata = _metadata(commit, frames[commit.partition])
            if len(commits) == 1:
                context.add_output_metadata(metadata)
            else:
                step.add_asset_metadata(metadata, context.asset_key, commit.partition)

    def load_input(self, context: dg.InputContext) -> pd.DataFrame:
        """The rows of the upstream partitions that this run reads, in the keys' order."""
        keys = context.asset_partition_keys if context.has_asset_partitions else [UNPARTITIONED]
        return open_lake(self.catalog).read(table_of(context.asset_key), list(keys))


def data_version(commits: "Sequence[Commit]") -> str:
    """The snapshot of one commit; for several, which share one event's version, their digest."""
    if len(commits) == 1:
        return str(commits[0].snapshot_id)
    snapshots = sorted(f"{commit.partition}={commit.snapshot_id}" for commit in commits)
    return hashlib.sha256("\n".join(snapshots).encode()).hexdigest()


def _by_partition(context: dg.OutputContext, obj: Any) -> dict[str, pd.DataFrame | Staged]:
    keys = list(context.asset_partition_keys) if context.has_asset_partitions else [UNPARTITIONED]
    asset = context.asset_key.to_user_string()
    if isinstance(obj, pd.DataFrame):
        if len(keys) != 1:
            raise LakeError(
                f"{asset} ran over {len(keys)} partitions and returned one DataFrame: "
                "return {partition key: DataFrame}"
            )
        return {keys[0]: obj}
    if not isinstance(obj, Mapping) or not all(
        isinstance(frame, pd.DataFrame | Staged) for frame in obj.values()
    ):
        raise LakeError(
            f"{asset} returned {type(obj).__name__}: return a DataFrame, or "
            "{partition key: DataFrame}"
        )
    if set(obj) != set(keys):
        raise LakeError(
            f"{asset} returned partitions {sorted(map(str, obj))}, but the run covers {keys}: "
            "return exactly those (an empty DataFrame where there is no row)"
        )
    return {key: cast("pd.DataFrame | Staged", obj[key]) for key in keys}


def _metadata(commit: "Commit", frame: pd.DataFrame | Staged) -> dict[str, dg.MetadataValue[Any]]:
    dtypes = frame.shown if isinstance(frame, Staged) else frame.dtypes
    columns = [dg.TableColumn(name, str(dtype)) for name, dtype in dtypes.items()]
    return {
        "dagster/row_count": dg.MetadataValue.int(commit.rows),
        "dagster/relation_identifier": dg.MetadataValue.text(commit.table),
        "dagster/column_schema": dg.MetadataValue.table_schema(dg.TableSchema(columns)),
        "rows": dg.MetadataValue.int(commit.rows),
        "bytes": dg.MetadataValue.int(commit.bytes),
        # As text: JavaScript would round a 63-bit number.
        "snapshot_id": dg.MetadataValue.text(str(commit.snapshot_id)),
        "changed": dg.MetadataValue.bool(commit.changed),
    }
