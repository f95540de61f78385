"""Station ``features``: one row of features for each clean row, known ``horizon`` before its event.

Here: handing the pipeline's ``features`` its rows and their history, and proving of a sample that
nothing from the future leaked in. Not here: the features, nor how a proof is made
(`ml.point_in_time`).
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg
import numpy as np
import pandas as pd

from mlops_assets.assets import spark, spark_places, verdicts
from mlops_assets.assets.preview import columns, sample
from mlops_assets.assets.records import HistoryRecord
from mlops_assets.assets.station import check, key, station
from mlops_assets.checks.results import Verdict, combine, warning
from mlops_assets.checks.rows import SchemaMismatch, check_rows, failure_summary
from mlops_assets.engines import Spark
from mlops_assets.ml.point_in_time import differences, recompute
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.emr.client import PipesEMRServerlessJobClient
from mlops_assets.resources.lake.resource import LakeResource
from mlops_assets.resources.records import Store
from mlops_assets.resources.sagemaker.processing import PipesSageMakerProcessingClient

if TYPE_CHECKING:
    # pyiceberg takes half a second to import, and the code location needs none of it.
    from mlops_assets.resources.lake.core import Lake


def build(pipeline: MLPipeline) -> dg.AssetsDefinition:
    name = "features"
    horizon = pipeline.horizon

    decorate = station(
        pipeline,
        name,
        description=(
            f"What is known {horizon} before each event, one row an event."
            if horizon
            else "One row of features for each clean row."
        ),
        kinds={"spark" if isinstance(pipeline.engine, Spark) else "pandas", "iceberg"},
        code_version=pipeline.code_version(
            pipeline.features,
            pipeline.feature_schema,
            pipeline.lookback,
            pipeline.horizon,
            dict(pipeline.known_at),
        ),
        deps=[
            dg.AssetDep(
                key(pipeline, "clean"),
                partition_mapping=pipeline.partitions.mapping(lookback=pipeline.lookback),
            )
        ],
        io_manager_key="lake_io",
        pool=spark_places.pool(pipeline),
        dagster_type=dg.Any,
        metadata=columns(pipeline.feature_schema),
        checks=[
            check(
                pipeline,
                name,
                "feature_schema",
                f"Every row keeps {pipeline.feature_schema.__name__}.",
                blocking=True,
            ),
            check(
                pipeline,
                name,
                "point_in_time",
                "Features of sampled rows are the same when recomputed from data truncated at "
                "event time − horizon.",
                blocking=True,
            ),
            check(pipeline, name, "lookback", "The history that features look back on is there."),
        ],
    )
    if isinstance(pipeline.engine, Spark):
        return _on_spark(pipeline, decorate)

    @decorate
    def features(
        context: dg.AssetExecutionContext, lake: LakeResource, store: Store
    ) -> dg.MaterializeResult:
        frames: dict[str, pd.DataFrame] = {}
        judged: dict[str, dict[str, Verdict]] = {
            "feature_schema": {},
            "point_in_time": {},
            "lookback": {},
        }
        for partition in context.partition_keys:
            rows = lake.open().read(pipeline.table("clean"), [partition])
            history, lookback, seen = read_history(pipeline, lake.open(), partition, rows)
            made = frames[partition] = pipeline.features(rows, history)
            _require_same_rows(pipeline, partition, rows, made)
            if pipeline.lookback:
                store.save(pipeline.name, name, partition, seen)
            context.log.info(f"{partition}: {len(made):,} rows, {len(history):,} of history")
            judged["feature_schema"][partition] = _schema(made, pipeline)
            judged["point_in_time"][partition] = _point_in_time(pipeline, rows, history, made)
            judged["lookback"][partition] = lookback
        last = next(reversed(frames.values()))
        return dg.MaterializeResult(
            value=frames,
            metadata={
                "features": len(pipeline.feature_columns),
                "sample": sample(last, hide=pipeline.personal),
            },
            check_results=_results(judged),
        )

    return features


def _results(judged: Mapping[str, Mapping[str, Verdict]]) -> list[dg.AssetCheckResult]:
    return [
        combine("feature_schema", judged["feature_schema"]),
        combine("point_in_time", judged["point_in_time"]),
        warning("lookback", judged["lookback"]),
    ]


def _on_spark(
    pipeline: MLPipeline, decorate: Callable[[Callable[..., Any]], dg.AssetsDefinition]
) -> dg.AssetsDefinition:
    """The same station, made by a job."""

    @decorate
    def features(
        context: dg.AssetExecutionContext,
        lake: LakeResource,
        store: Store,
        processing_jobs: PipesSageMakerProcessingClient,
        spark_jobs: PipesEMRServerlessJobClient,
    ) -> dg.MaterializeResult:
        keys = context.partition_keys
        before = {partition: find_history(pipeline, lake.open(), partition) for partition in keys}
        job = spark.SparkJob(pipeline, "features", lake, store, processing_jobs, spark_jobs)
        history = {partition: there for partition, (there, _, _) in before.items()}
        made, metadata = job.run(context, job.inputs("clean", keys, history))
        judged: dict[str, dict[str, Verdict]] = {}
        for partition, part in made.features.items():
            if pipeline.lookback:
                store.save(pipeline.name, "features", partition, before[partition][2])
            context.log.info(f"{partition}: {part.rows:,} rows, {part.history:,} of history")
            reasons = spark.reasons(part.reasons)
            here = {
                "feature_schema": verdicts.feature_schema(part.bad, part.rows, reasons),
                "point_in_time": verdicts.point_in_time(
                    part.recomputed, part.differ, list(part.leaky), part.rows, pipeline
                ),
                "lookback": before[partition][1],
            }
            for check_name, verdict in here.items():
                judged.setdefault(check_name, {})[partition] = verdict
        return dg.MaterializeResult(
            value={partition: part.features for partition, part in made.features.items()},
            metadata={
                "features": len(pipeline.feature_columns),
                "sample": spark.shown(part.sample, part.features, pipeline),
                **metadata,
            },
            check_results=_results(judged),
        )

    return features


def _require_same_rows(
    pipeline: MLPipeline, partition: str, rows: pd.DataFrame, made: pd.DataFrame
) -> None:
    """A row of features that belongs to another row's entity would train on the wrong label."""
    key = [column for column in pipeline.entity_key if column in made.columns]
    same = len(made) == len(rows) and bool(
        (made[key].to_numpy(object) == rows[key].to_numpy(object)).all()
    )
    if not same:
        raise dg.Failure(
            f"{pipeline.name}.features returned {len(made):,} rows for {len(rows):,} in "
            f"{partition}, or in another order. Return one row for each row, in the same order.",
            allow_retries=False,
        )


def read_history(
    pipeline: MLPipeline, lake: "Lake", partition: str, rows: pd.DataFrame
) -> tuple[pd.DataFrame, Verdict, HistoryRecord]:
    """The clean rows of the look-back before a partition, whether all of it is in the lake, and in
    which version."""
    there, verdict, seen = find_history(pipeline, lake, partition)
    window = pipeline.partitions.window(partition)
    if window is None or not there:
        return rows.iloc[:0], verdict, seen
    history = lake.read(pipeline.table("clean"), there)
    times = history[pipeline.event_time]
    keep = (times >= window[0] - pipeline.lookback) & (times < window[0])
    return history.loc[keep].reset_index(drop=True), verdict, seen


def find_history(
    pipeline: MLPipeline, lake: "Lake", partition: str
) -> tuple[list[str], Verdict, HistoryRecord]:
    """The partitions of ``clean`` that hold the look-back before one, whether all of it is in the
    lake, and in which version."""
    wanted = pipeline.partitions.before(partition, pipeline.lookback) if pipeline.lookback else []
    # Before the rows are read: what is written in between counts as not seen.
    there = lake.snapshots(pipeline.table("clean"))
    seen = HistoryRecord(partition=partition, clean={p: there[p] for p in wanted if p in there})
    missing = [p for p in wanted if p not in there]
    available = set(pipeline.source.partitions()) if missing else set()
    if not set(missing) & available:
        verdict = Verdict(True, f"{len(wanted) - len(missing)} partitions before this one")
    else:
        verdict = Verdict(
            False,
            f"clean of {', '.join(missing)} is not in the lake; features see less history than "
            "declared. Materialize it, then this partition again",
        )
    return [p for p in wanted if p in there], verdict, seen


def _schema(frame: pd.DataFrame, pipeline: MLPipeline) -> Verdict:
    try:
        report = check_rows(frame, pipeline.feature_schema)
    except SchemaMismatch as mismatch:
        return Verdict(False, str(mismatch))
    bad = int((~report.accepted).sum())
    return verdicts.feature_schema(bad, len(frame), failure_summary(report))


def _point_in_time(
    pipeline: MLPipeline, rows: pd.DataFrame, history: pd.DataFrame, made: pd.DataFrame
) -> Verdict:
    if pipeline.event_time is None or rows.empty:
        return verdicts.point_in_time(0, 0, [], len(rows), pipeline)
    wanted = min(pipeline.monitors.point_in_time_rows, len(rows))
    # Seeded by the data's size alone: a rerun checks the same rows.
    chosen = np.sort(np.random.default_rng(len(rows)).choice(len(rows), wanted, replace=False))
    again = recompute(
        pipeline.features,
        rows,
        history,
        chosen.tolist(),
        event_time=pipeline.event_time,
        horizon=pd.Timedelta(pipeline.horizon),
        lookback=pd.Timedelta(pipeline.lookback),
        known_at=pipeline.known_at,
    )
    columns = list(pipeline.feature_columns)
    found = differences(made.iloc[chosen][columns], again[columns])
    leaky = sorted(found["column"].unique())
    return verdicts.point_in_time(wanted, found["row"].nunique(), leaky, len(rows), pipeline)
