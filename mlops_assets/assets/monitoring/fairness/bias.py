"""Station ``bias``: do labels and answers treat the declared facets alike?

Here: the asset and its checks. Not here: measuring (`bias_measuring`), judging (`bias_judging`),
what people see of it (`bias_page`), the metrics (`ml.bias`).
"""

from typing import TYPE_CHECKING, Any

import dagster as dg

from mlops_assets.assets.monitoring.captured.labelled import snapshots_read
from mlops_assets.assets.monitoring.current import of_current
from mlops_assets.assets.monitoring.explaining.explanation_subject import (
    answered,
    features_of,
    subject,
)
from mlops_assets.assets.monitoring.fairness import bias_measuring, bias_page
from mlops_assets.assets.monitoring.fairness.bias_judging import judge
from mlops_assets.assets.monitoring.fairness.records import BiasRecord
from mlops_assets.assets.monitoring.reporting.histories import latest
from mlops_assets.assets.monitoring.station import monitoring_station
from mlops_assets.assets.station import check
from mlops_assets.checks.results import combine
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.lake.resource import LakeResource
from mlops_assets.resources.records import Store
from mlops_assets.resources.sagemaker.names import digest_of
from mlops_assets.resources.sagemaker.session import SageMakerResource

if TYPE_CHECKING:
    from mlops_assets.resources.lake.core import Lake

STATION = "bias"
_USUAL = 24
"""Earlier partitions that tell what is usual, at most."""
CHECKS = {
    "bias": "Metrics of labels and answers keep the gates declared for their facet.",
    "bias_drift": "Served answers are no further from fair than the held-out ones were.",
}


def build(pipeline: MLPipeline) -> dg.AssetsDefinition:
    """For a pipeline that declares ``monitors.facets``."""

    @monitoring_station(
        pipeline,
        STATION,
        description=(
            "Clarify's bias metrics by facet: "
            + ", ".join(f.column for f in pipeline.monitors.facets)
            + ". Of labels in training and now, of answers held out and served."
        ),
        kinds={"python"},
        code_version=pipeline.code_version(
            judge,
            bias_measuring.answers_of,
            pipeline.monitors.facets,
            pipeline.monitors.decision_threshold,
            pipeline.monitors.positive_classes,
            pipeline.evaluation.slices,
        ),
        deps=answered(pipeline),
        checks=[check(pipeline, STATION, name, words) for name, words in CHECKS.items()],
    )
    def bias(
        context: dg.AssetExecutionContext,
        lake: LakeResource,
        store: Store,
        sagemaker: SageMakerResource,
    ) -> dg.MaterializeResult:
        records, uri = {}, ""
        for partition in context.partition_keys:
            record = _recorded(pipeline, lake.open(), store, sagemaker.client(), partition)
            uri = bias_page.keep(pipeline, store, record)
            context.log.info(f"{partition}: {record.status}, {record.words}")
            records[partition] = record
        newest = list(records.values())[-1]
        return dg.MaterializeResult(
            data_version=dg.DataVersion(
                digest_of([r.model_dump_json() for r in records.values()])[:16]
            ),
            metadata={**bias_page.page(newest), "analysis.json": dg.MetadataValue.path(uri)},
            check_results=_checked(records),
        )

    return bias


def _recorded(
    pipeline: MLPipeline, lake: "Lake", store: Store, client: Any, partition: str
) -> BiasRecord:
    """Measure, judge and keep, of the rows and labels as they are by then."""

    def make(_: object) -> BiasRecord:
        record = _record(pipeline, lake, store, client, partition)
        store.save(pipeline.name, STATION, partition, record)
        return record

    return of_current(lambda: snapshots_read(pipeline, lake, partition), make)


def _record(
    pipeline: MLPipeline, lake: "Lake", store: Store, client: Any, partition: str
) -> BiasRecord:
    found = subject(client, pipeline, lake, partition)
    known = bias_measuring.baseline(pipeline, store, found.package) if found.package else None
    rows = features_of(pipeline, lake, partition)
    return judge(pipeline, partition, found, rows, known, _earlier(pipeline, store, partition))


def _earlier(pipeline: MLPipeline, store: Store, partition: str) -> list[BiasRecord]:
    """Records of the partitions before, but for those whose gates failed: they are not usual."""
    before = [p for p in store.partitions(pipeline.name, STATION) if p < partition]
    found = [latest(store, BiasRecord, pipeline.name, STATION, p) for p in before[-_USUAL:]]
    return [kept.record for kept in found if kept and kept.record.status != "failing"]


def _checked(records: dict[str, BiasRecord]) -> list[dg.AssetCheckResult]:
    """Only gates that fail are an error; what warns or is unknown does not pass either."""
    failing = any(record.status == "failing" for record in records.values())
    error, warn = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN
    return [
        combine(
            name,
            {partition: bias_page.verdicts(r)[name] for partition, r in records.items()},
            severity=error if name == "bias" and failing else warn,
        )
        for name in CHECKS
    ]
