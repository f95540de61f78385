"""Station ``drift``: did the features change from what the champion learnt, and are they whole?

Here: the asset and its checks. Not here: which baseline (`drift_baseline`), judging
(`drift_judging`), what people see of it (`drift_page`), the statistics (`ml.drift`).
"""

import dagster as dg

from mlops_assets.assets.monitoring.drifting import drift_page
from mlops_assets.assets.monitoring.drifting.drift_baseline import (
    baseline,
    known_champion,
    remember,
    require_profile,
)
from mlops_assets.assets.monitoring.drifting.drift_judging import SERVED_BEFORE, Judged, judge
from mlops_assets.assets.monitoring.profiling.profiles import SERVED
from mlops_assets.assets.monitoring.station import monitoring_station
from mlops_assets.assets.station import check, key
from mlops_assets.checks.results import combine, warning
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.lake.resource import LakeResource
from mlops_assets.resources.records import Store
from mlops_assets.resources.sagemaker.names import digest_of
from mlops_assets.resources.sagemaker.session import SageMakerResource

STATION = "drift"
CHECKS = {
    "data_quality": "Units, types, codes and hours are what they were: the data are not broken.",
    "drift": "The features are distributed as in the champion's training data.",
}


def build(pipeline: MLPipeline) -> dg.AssetsDefinition:
    """For every pipeline; runs with new data, and asks the champion's training profile."""

    @monitoring_station(
        pipeline,
        STATION,
        description=(
            "What changed in the features against the champion's training data (else against "
            "earlier partitions): broken data told from drift, drift that matters to the model "
            "from drift that does not. A warning; performance pages."
        ),
        kinds={"python"},
        code_version=pipeline.code_version(judge, pipeline.monitors.drift),
        deps=[
            dg.AssetDep(
                key(pipeline, "profile"), partition_mapping=pipeline.partitions.all_before()
            ),
            key(pipeline, "features"),
            *_served(pipeline),
        ],
        checks=[check(pipeline, STATION, name, words) for name, words in CHECKS.items()],
    )
    def drift(
        context: dg.AssetExecutionContext,
        lake: LakeResource,
        store: Store,
        sagemaker: SageMakerResource,
    ) -> dg.MaterializeResult:
        opened = lake.open()
        champion = known_champion(pipeline, store, sagemaker, context.log)
        table = pipeline.table("profile")
        profiled = opened.partitions(table) if opened.exists(table) else []
        judged: dict[str, Judged] = {}
        uri = None
        for partition in context.partition_keys:
            require_profile(pipeline, partition, profiled)
            against = baseline(pipeline, store, champion, partition, profiled)
            found = judge(pipeline, opened, store, partition, against, profiled)
            store.save(pipeline.name, STATION, partition, found.record)
            rows = opened.partition_snapshot(pipeline.table("features"), partition)
            if pipeline.partitions.kind == "static" and rows and found.record.profile_snapshot:
                remember(pipeline, store, rows, found.record.profile_snapshot)
            uri = drift_page.keep(pipeline, store, found)
            context.log.info(
                f"{partition}: {found.record.status}, {len(found.record.findings)} findings "
                f"against {found.record.baseline}"
            )
            judged[partition] = found
        newest = list(judged.values())[-1]
        worst = [p for p, j in judged.items() if drift_page.severity(j.record).value == "ERROR"]
        records = {partition: j.record for partition, j in judged.items()}
        return dg.MaterializeResult(
            data_version=dg.DataVersion(
                digest_of([record.model_dump_json() for record in records.values()])[:16]
            ),
            metadata={
                **drift_page.page(pipeline, newest),
                **({"constraint_violations.json": dg.MetadataValue.path(uri)} if uri else {}),
            },
            check_results=[
                combine(
                    "data_quality",
                    {p: drift_page.quality(record) for p, record in records.items()},
                    severity=dg.AssetCheckSeverity.ERROR if worst else dg.AssetCheckSeverity.WARN,
                ),
                warning("drift", {p: drift_page.moved(record) for p, record in records.items()}),
            ],
        )

    return drift


def _served(pipeline: MLPipeline) -> list[dg.AssetDep]:
    """Profiles of what was answered, which are read where they are there: none is waited for."""
    if pipeline.endpoint.capture_share == 0:
        return []
    before = pipeline.partitions.mapping(windows=SERVED_BEFORE)
    return [dg.AssetDep(key(pipeline, SERVED), partition_mapping=before)]
