"""Station ``skew``: did the endpoint see the features that the lake computes?

Here: the asset, its record and what people see. Not here: which values count as different
(`ml.skew`), rolling back because of it (`automation`).
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import dagster as dg
import pandas as pd

from mlops_assets.assets.monitoring.captured.captures import NAME as CAPTURES
from mlops_assets.assets.monitoring.captured.captures import feature_dtypes
from mlops_assets.assets.monitoring.captured.events import event_id
from mlops_assets.assets.monitoring.captured.records import SkewRecord
from mlops_assets.assets.monitoring.current import of_current
from mlops_assets.assets.monitoring.records import Status
from mlops_assets.assets.monitoring.station import monitoring_station
from mlops_assets.assets.preview import facts, table
from mlops_assets.assets.station import check, key
from mlops_assets.checks.results import Verdict, combine
from mlops_assets.ml.skew import Differences, compare
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.lake.resource import LakeResource
from mlops_assets.resources.monitoring.tables import ANSWERED, typed_captures
from mlops_assets.resources.records import Store

if TYPE_CHECKING:
    from mlops_assets.resources.lake.core import Lake

NAME = "skew"


def build(pipeline: MLPipeline) -> dg.AssetsDefinition:
    @monitoring_station(
        pipeline,
        NAME,
        description=(
            "Captured feature rows against the same rows of `features`, value by value: training "
            "and serving must see the same."
        ),
        kinds={"pandas"},
        code_version=pipeline.code_version(compare, pipeline.feature_columns),
        deps=[key(pipeline, CAPTURES), key(pipeline, "features")],
        checks=[
            check(pipeline, NAME, "skew", "The endpoint was sent what `features` holds, exactly.")
        ],
    )
    def skew(
        context: dg.AssetExecutionContext, lake: LakeResource, store: Store
    ) -> dg.MaterializeResult:
        verdicts, last = {}, None
        for partition in context.partition_keys:
            record, found = recorded(pipeline, lake.open(), store, partition)
            verdicts[partition] = _verdict(record, found)
            context.log.info(f"{partition}: {record.words}")
            last = record, found
        record, found = last or judge(pipeline, lake.open(), context.partition_keys[-1])
        return dg.MaterializeResult(
            metadata={
                "status": record.status,
                "different rows": record.different_rows,
                "rows": facts(
                    {
                        "captured": record.captured,
                        "in features": record.offline,
                        "compared": record.compared,
                    }
                ),
                "left out by callers": table(_by_column(found.left_out)),
            },
            check_results=[combine("skew", verdicts)],
        )

    return skew


def recorded(
    pipeline: MLPipeline, lake: "Lake", store: Store, partition: str
) -> tuple[SkewRecord, Differences]:
    """Judge a partition and keep the record, of its rows as they are by then."""

    def make(inputs: dict[str, int | None]) -> tuple[SkewRecord, Differences]:
        record, found = judge(pipeline, lake, partition)
        record = record.model_copy(update={"inputs": inputs})
        store.save(pipeline.name, NAME, partition, record)
        return record, found

    return of_current(lambda: _inputs(pipeline, lake, partition), make)


def _inputs(pipeline: MLPipeline, lake: "Lake", partition: str) -> dict[str, int | None]:
    """{table: the snapshot that last wrote what is read of it}."""
    tables = (pipeline.table(CAPTURES), pipeline.table("features"))
    return {table: lake.partition_snapshot(table, partition) for table in tables}


def judge(pipeline: MLPipeline, lake: "Lake", partition: str) -> tuple[SkewRecord, Differences]:
    """Compare a partition's captured rows with its features, as far as both are there."""
    captured = _captured(pipeline, lake, partition)
    offline = _offline(pipeline, lake, partition)
    found = compare(captured, offline, pipeline.feature_columns, hide=pipeline.personal)
    status, words = _status(partition, captured, offline, found)
    record = SkewRecord(
        partition=partition,
        captured=len(captured),
        offline=len(offline),
        compared=found.compared,
        different_rows=found.different_rows,
        columns=dict(found.columns),
        status=status,
        words=words,
    )
    return record, found


def _status(
    partition: str,
    captured: pd.DataFrame,
    offline: pd.DataFrame,
    found: Differences,
) -> tuple[Status, str]:
    if captured.empty:
        return "unknown", f"nothing was captured of {partition}"
    if offline.empty:
        return "unknown", f"features[{partition}] are not in the lake to compare with"
    if not found.compared:
        return "unknown", (
            f"none of {len(captured):,} captured events is among {len(offline):,} rows of features:"
            " callers do not send the event's id as InferenceId"
        )
    silent = [name for name, rows in found.left_out.items() if rows == found.compared]
    apart = f" ({', '.join(silent)} were not sent, and are not compared)" if silent else ""
    if found.different_rows:
        most = sorted(found.columns.items(), key=lambda item: -item[1])
        named = ", ".join(f"{name} in {rows:,}" for name, rows in most[:5])
        return "failing", (
            f"{found.different_rows:,} of {found.compared:,} captured rows differ from features: "
            f"{named}{apart}"
        )
    return "healthy", f"{found.compared:,} captured rows are the same as in features{apart}"


def _verdict(record: SkewRecord, found: Differences) -> Verdict:
    if record.status != "failing":
        said = "unknown: " if record.status == "unknown" else ""
        return Verdict(True, f"{said}{record.words}")
    return Verdict(
        False,
        f"{record.words}. Whoever asks computes these features in another way than the pipeline",
        {"columns": table(_by_column(record.columns)), "examples": table(found.examples)},
    )


def _by_column(rows: Mapping[str, int]) -> pd.DataFrame:
    return pd.DataFrame({"feature": list(rows), "rows": list(rows.values())})


def _captured(pipeline: MLPipeline, lake: "Lake", partition: str) -> pd.DataFrame:
    """Captured rows; a shadow's are the same requests once more."""
    name = pipeline.table(CAPTURES)
    there = lake.exists(name) and partition in lake.partitions(name)
    rows = lake.read(name, [partition]) if there else pd.DataFrame()
    rows = typed_captures(rows, feature_dtypes(pipeline))
    return rows.loc[rows["variant"].isin(ANSWERED)].reset_index(drop=True)


def _offline(pipeline: MLPipeline, lake: "Lake", partition: str) -> pd.DataFrame:
    name = pipeline.table("features")
    columns = list(pipeline.feature_columns)
    if not lake.exists(name) or partition not in lake.partitions(name):
        return pd.DataFrame(columns=["event_id", *columns])
    rows = lake.read(name, [partition])
    return rows[columns].assign(event_id=event_id(pipeline, rows))
