"""Station ``performance``: how good the served answers of a partition are, labels late or never.

Here: the asset, its checks, and when a partition needs no second look. Not here: judging
(`performance_judging`), what people see of it (`performance_page`).
"""

import hashlib
from typing import TYPE_CHECKING, Any

import dagster as dg
import numpy as np
import pandas as pd

from mlops_assets.assets.monitoring import performance_figures
from mlops_assets.assets.monitoring.labelled import known_partitions, labelled, last_answers
from mlops_assets.assets.monitoring.performance_held_out import promise
from mlops_assets.assets.monitoring.performance_judging import Seen, judge
from mlops_assets.assets.monitoring.performance_page import page, verdicts
from mlops_assets.assets.monitoring.records import PerformanceRecord
from mlops_assets.assets.monitoring.station import monitoring_station
from mlops_assets.assets.station import check, key
from mlops_assets.checks.results import combine
from mlops_assets.ml.performance import verdict
from mlops_assets.ml.performance.estimate import ASSUMES
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.lake.resource import LakeResource
from mlops_assets.resources.records import RecordNotFound, Store
from mlops_assets.resources.sagemaker.session import SageMakerResource

if TYPE_CHECKING:
    from mlops_assets.resources.lake.core import Lake

STATION = "performance"
BASELINE_PARTITIONS = 24
"""Earlier partitions that a band is made of, at most: what was usual two years ago need not be."""

CHECKS = {
    "performance": "Realised quality keeps its bounds and what was promised on held-out rows.",
    "calibration": "Answers are as often true as they say, and errors as many as usual.",
    "coverage": "Answers are captured, and their labels are known.",
}
ESTIMATE = f"The estimate from calibrated confidence keeps the bounds; {ASSUMES}."


def checks_of(pipeline: MLPipeline) -> dict[str, str]:
    """The checks by name; a regression's answers do not tell their own error: no estimate."""
    return {**CHECKS, "estimate": ESTIMATE} if pipeline.label.kind == "binary" else CHECKS


def build(pipeline: MLPipeline) -> dg.AssetsDefinition:
    watched = pipeline.monitors.performance
    version = pipeline.code_version(
        judge,
        verdict.quality,
        watched,
        pipeline.evaluation,
        pipeline.monitors.decision_threshold,
    )
    labels = pipeline.partitions.mapping(lookback=pipeline.horizon, ahead=watched.labels_within)

    @monitoring_station(
        pipeline,
        STATION,
        description="Quality of the served answers, with labels that come late or never.",
        kinds={"python"},
        code_version=version,
        deps=[
            key(pipeline, "captures"),
            key(pipeline, "features"),
            dg.AssetDep(key(pipeline, "ground_truth"), partition_mapping=labels),
        ],
        checks=[
            check(pipeline, STATION, name, words) for name, words in checks_of(pipeline).items()
        ],
    )
    def performance(
        context: dg.AssetExecutionContext,
        lake: LakeResource,
        store: Store,
        sagemaker: SageMakerResource,
    ) -> dg.MaterializeResult:
        records = {}
        for partition in context.partition_keys:
            record, again = _recorded(
                pipeline, lake.open(), store, sagemaker.client(), partition, version
            )
            records[partition] = record
            words = "as before, nothing new was read" if again else record.status
            context.log.info(f"{partition}: {words}, {record.labelled:,} labelled answers")
        return dg.MaterializeResult(
            data_version=dg.DataVersion("-".join(_digest(r) for r in records.values())),
            metadata=page(pipeline, list(records.values())[-1], _history(pipeline, store)),
            check_results=_checked(pipeline, records),
        )

    return performance


def _recorded(
    pipeline: MLPipeline, lake: "Lake", store: Store, client: Any, partition: str, version: str
) -> tuple[PerformanceRecord, bool]:
    """The partition's record, and whether it was there already, of the very same inputs."""
    inputs = _inputs(pipeline, lake, partition)
    baseline = _baseline(pipeline, store, partition)
    judged_by = hashlib.sha256("".join([version, *map(_digest, baseline)]).encode()).hexdigest()
    settled = _settled(pipeline, lake, partition)
    judged_by = f"{judged_by[:16]}{'' if settled else ', labels to come'}"
    try:
        known = store.load(PerformanceRecord, pipeline.name, STATION, partition)
        if known.inputs == inputs and known.judged_by == judged_by:
            return known, True
    except RecordNotFound:
        pass
    rows = last_answers(labelled(pipeline, lake, partition))
    # An answer that is no number answers nothing: it counts as not captured.
    rows = rows.loc[np.isfinite(rows["prediction"].astype(float))].reset_index(drop=True)
    found = {v: promise(client, store, pipeline, v) for v in performance_figures.versions(rows)}
    seen = Seen(
        partition=partition,
        rows=rows,
        expected=_expected(pipeline, lake, partition),
        settled=settled,
        promises=found,
        baseline=baseline,
        inputs=inputs,
        judged_by=judged_by,
    )
    record = judge(pipeline, seen)
    store.save(pipeline.name, STATION, partition, record)
    return record, False


def _inputs(pipeline: MLPipeline, lake: "Lake", partition: str) -> dict[str, int | None]:
    """{table: the snapshot that last wrote what is read of it}."""
    truth = pipeline.table("ground_truth")
    tables = (pipeline.table(name) for name in ("captures", "features", "clean"))
    return {
        **{table: lake.partition_snapshot(table, partition) for table in tables},
        truth: lake.last_change(truth, known_partitions(pipeline, partition)),
    }


def _expected(pipeline: MLPipeline, lake: "Lake", partition: str) -> float | None:
    """How many events of the partition should have been captured."""
    table = pipeline.table("features")
    if lake.partition_snapshot(table, partition) is None:
        return None
    rows = lake.read(table, [partition], columns=list(pipeline.entity_key))
    return len(rows.drop_duplicates()) * pipeline.endpoint.capture_share


def _settled(pipeline: MLPipeline, lake: "Lake", partition: str) -> bool:
    """Whether the data has come so far that labels of the partition would be too late."""
    window = pipeline.partitions.window(partition)
    table = pipeline.table("features")
    if window is None or not lake.exists(table):
        return window is None
    newest = pipeline.partitions.window(lake.partitions(table)[-1])
    within = pd.Timedelta(pipeline.monitors.performance.labels_within)
    return newest is not None and newest[1] >= window[1] + within


def _history(pipeline: MLPipeline, store: Store) -> list[PerformanceRecord]:
    return [
        store.load(PerformanceRecord, pipeline.name, STATION, partition)
        for partition in store.partitions(pipeline.name, STATION)
    ]


def _baseline(pipeline: MLPipeline, store: Store, partition: str) -> list[PerformanceRecord]:
    """The partitions before this one, of which enough is known and which did not fail."""
    earlier = [p for p in store.partitions(pipeline.name, STATION) if p < partition]
    found = [
        store.load(PerformanceRecord, pipeline.name, STATION, p)
        for p in earlier[-BASELINE_PARTITIONS:]
    ]
    least = pipeline.monitors.performance.least_rows
    return [r for r in found if r.status != "failing" and r.labelled >= least]


def _digest(record: PerformanceRecord) -> str:
    return hashlib.sha256(record.model_dump_json().encode()).hexdigest()[:16]


def _checked(
    pipeline: MLPipeline, records: dict[str, PerformanceRecord]
) -> list[dg.AssetCheckResult]:
    """Only a realised failure is an error; what warns or is unknown does not pass either."""
    error, warn = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN
    failing = any(record.status == "failing" for record in records.values())
    return [
        combine(
            name,
            {partition: verdicts(record)[name] for partition, record in records.items()},
            severity=error if name == "performance" and failing else warn,
        )
        for name in checks_of(pipeline)
    ]
