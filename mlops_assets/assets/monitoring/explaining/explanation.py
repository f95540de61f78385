"""Station ``explanation``: which features moved the answers, and are they those of the training?

Here: the asset and its check. Not here: explaining (`explanation_making`), what people see of it
(`explanation_page`), SHAP values (`ml.explanation`), one single answer (`explanation_trace`).
"""

import dagster as dg

from mlops_assets.assets.monitoring.explaining import explanation_page
from mlops_assets.assets.monitoring.explaining.explanation_making import make
from mlops_assets.assets.monitoring.explaining.explanation_subject import (
    answered,
    features_of,
    subject,
)
from mlops_assets.assets.monitoring.station import monitoring_station
from mlops_assets.assets.station import check
from mlops_assets.checks.results import warning
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.lake.resource import LakeResource
from mlops_assets.resources.records import Store
from mlops_assets.resources.sagemaker.names import digest_of
from mlops_assets.resources.sagemaker.session import SageMakerResource

STATION = "explanation"
CHECK = "attribution_drift"


def build(pipeline: MLPipeline) -> dg.AssetsDefinition:
    @monitoring_station(
        pipeline,
        STATION,
        description=(
            "SHAP values of the partition's answers beside those of the model's training rows, "
            "and how answers depend on the features that matter most."
        ),
        kinds={"python"},
        code_version=pipeline.code_version(make, pipeline.monitors.explained_rows),
        deps=answered(pipeline),
        checks=[
            check(
                pipeline,
                STATION,
                CHECK,
                "The features that mattered in training still matter, in that order (NDCG ≥ 0.9).",
            )
        ],
    )
    def explanation(
        context: dg.AssetExecutionContext,
        lake: LakeResource,
        store: Store,
        sagemaker: SageMakerResource,
    ) -> dg.MaterializeResult:
        made, uri = {}, ""
        for partition in context.partition_keys:
            found = subject(sagemaker.client(), pipeline, lake.open(), partition)
            rows = features_of(pipeline, lake.open(), partition)
            made[partition] = one = make(pipeline, store, partition, found, rows)
            store.save(pipeline.name, STATION, partition, one.record)
            uri = explanation_page.keep(pipeline, store, one)
            context.log.info(f"{partition}: {one.record.status}, {one.record.words}")
        records = {partition: one.record for partition, one in made.items()}
        newest = list(made.values())[-1]
        return dg.MaterializeResult(
            data_version=dg.DataVersion(
                digest_of([r.model_dump_json() for r in records.values()])[:16]
            ),
            metadata={
                **explanation_page.page(pipeline, newest),
                "analysis.json": dg.MetadataValue.path(uri),
            },
            check_results=[
                warning(CHECK, {p: explanation_page.verdict(r) for p, r in records.items()})
            ],
        )

    return explanation
