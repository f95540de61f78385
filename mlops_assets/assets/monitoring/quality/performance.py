"""Station ``performance``: how good the served answers of a partition are, labels late or never.

Here: the asset and its checks. Not here: what is read and when that is enough
(`performance_seeing`), judging (`performance_judging`), what people see (`performance_page`).
"""

import dagster as dg

from mlops_assets.assets.monitoring.quality.performance_judging import judge
from mlops_assets.assets.monitoring.quality.performance_page import page, verdicts
from mlops_assets.assets.monitoring.quality.performance_seeing import (
    STATION,
    digest,
    history,
    recorded,
)
from mlops_assets.assets.monitoring.quality.records import PerformanceRecord
from mlops_assets.assets.monitoring.station import monitoring_station
from mlops_assets.assets.station import check, key
from mlops_assets.checks.results import combine
from mlops_assets.ml.performance import verdict
from mlops_assets.ml.performance.estimate import ASSUMES
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.lake.resource import LakeResource
from mlops_assets.resources.records import Store
from mlops_assets.resources.sagemaker.session import SageMakerResource

CHECKS = {
    "performance": "Realised quality keeps its bounds and what was promised on held-out rows.",
    "calibration": "Answers are as often true as they say, and errors as many as usual.",
    "coverage": "Answers are captured, and their labels are known.",
}
ESTIMATE = f"The estimate from calibrated confidence keeps the bounds; {ASSUMES}."


def checks_of(pipeline: MLPipeline) -> dict[str, str]:
    """The checks by name; a regression's answers do not tell their own error: no estimate."""
    return CHECKS if pipeline.label.kind == "regression" else {**CHECKS, "estimate": ESTIMATE}


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
            record, again = recorded(
                pipeline, lake.open(), store, sagemaker.client(), partition, version
            )
            records[partition] = record
            words = "as before, nothing new was read" if again else record.status
            context.log.info(f"{partition}: {words}, {record.labelled:,} labelled answers")
        return dg.MaterializeResult(
            data_version=dg.DataVersion("-".join(digest(r) for r in records.values())),
            metadata=page(pipeline, list(records.values())[-1], history(pipeline, store)),
            check_results=_checked(pipeline, records),
        )

    return performance


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
