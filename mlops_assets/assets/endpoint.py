"""Station ``endpoint``: the newest approved model of the run, live and answering.

Here: which package goes live, and a first question to it. Not here: how a deployment is done and
when it counts as done (`resources.sagemaker.endpoints`).
"""

from collections.abc import Iterator

import dagster as dg
import numpy as np

from mlops_assets.assets.records import RegistrationRecord, SplitRecord
from mlops_assets.assets.station import check, key, station
from mlops_assets.checks.results import Verdict, combine
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.datasets import read_split
from mlops_assets.resources.records import Store
from mlops_assets.resources.sagemaker import registry
from mlops_assets.resources.sagemaker.endpoint_spec import EndpointSpec
from mlops_assets.resources.sagemaker.endpoints import Deployment, deploy, smoke
from mlops_assets.resources.sagemaker.payload import json_rows
from mlops_assets.resources.sagemaker.requests import Placement
from mlops_assets.resources.sagemaker.session import SageMakerResource

_SMOKE_ROWS = 5


def build(pipeline: MLPipeline) -> dg.AssetsDefinition:
    @station(
        pipeline,
        "endpoint",
        description=(
            f"The live endpoint {pipeline.slug}: the newest approved model on "
            f"{pipeline.endpoint.instance_count} × {pipeline.endpoint.instance_type}."
        ),
        kinds={"sagemaker"},
        code_version=pipeline.code_version(deploy, pipeline.endpoint),
        deps=[key(pipeline, "registered_model"), key(pipeline, "splits")],
        checks=[
            check(
                pipeline, "endpoint", "answers", "Held-out rows get finite answers.", blocking=True
            )
        ],
        output_required=False,
    )
    def endpoint(
        context: dg.AssetExecutionContext,
        store: Store,
        sagemaker: SageMakerResource,
        placement: dg.ResourceParam[Placement],
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        # Of a range, the newest: the older ones are a back-test.
        as_of = context.partition_keys[-1]
        chosen = store.load(RegistrationRecord, pipeline.name, "registered_model", as_of)
        reason = _not_deployed(sagemaker, chosen)
        if chosen.package_arn is None or reason:
            context.log.warning(reason)
            yield dg.AssetCheckResult(
                check_name="answers",
                passed=False,
                severity=dg.AssetCheckSeverity.WARN,
                description=f"{reason} What served before serves on.",
            )
            return
        deployment = deploy(
            sagemaker.client(), _spec(pipeline, store, placement, chosen.package_arn)
        )
        context.log.info(
            f"{deployment.endpoint_name} serves {deployment.package_arn}"
            + ("" if deployment.changed else ", as before")
        )
        rows = _rows(pipeline, store, as_of)
        answers = smoke(sagemaker.runtime(), deployment.endpoint_name, rows)
        yield dg.MaterializeResult(
            data_version=dg.DataVersion(deployment.config_name),
            metadata=_show(sagemaker, deployment),
            check_results=[
                combine(
                    "answers",
                    {
                        as_of: Verdict(
                            bool(np.isfinite(np.array(answers, float)).all()),
                            f"{len(answers)} held-out rows answered: {answers}",
                        )
                    },
                )
            ],
        )

    return endpoint


def _not_deployed(sagemaker: SageMakerResource, record: RegistrationRecord) -> str:
    """Why the model may not serve; empty when it may. Approval is asked of the registry, now."""
    if record.package_arn is None:
        return f"No model passed its gates ({record.reason})."
    status = registry.describe(sagemaker.client(), record.package_arn).status
    if status == "Approved":
        return ""
    return (
        f"{record.package_arn} is {status}: approve it in the registry, then materialize "
        f"endpoint[{record.as_of}]."
    )


def _spec(
    pipeline: MLPipeline, store: Store, placement: Placement, package_arn: str
) -> EndpointSpec:
    declared = pipeline.endpoint
    return EndpointSpec(
        name=pipeline.slug,
        package_arn=package_arn,
        instance_type=declared.instance_type,
        instance_count=declared.instance_count,
        capture_share=declared.capture_share,
        capture_uri=store.uri("captures", pipeline.name),
        placement=placement,
        tags={"mlops:pipeline": pipeline.name},
    )


def _rows(pipeline: MLPipeline, store: Store, partition: str) -> list[dict[str, object]]:
    split = store.load(SplitRecord, pipeline.name, "splits", partition)
    holdout = read_split(store.open(), split.dataset_uri, "holdout")
    return json_rows(holdout.head(_SMOKE_ROWS), pipeline.feature_columns)


def _show(sagemaker: SageMakerResource, deployment: Deployment) -> dict[str, dg.MetadataValue]:
    """Where it is and what it serves."""
    url = sagemaker.runtime().meta.endpoint_url
    return {
        "url": dg.MetadataValue.text(f"{url}/endpoints/{deployment.endpoint_name}/invocations"),
        "package": dg.MetadataValue.text(deployment.package_arn),
        "configuration": dg.MetadataValue.text(deployment.config_name),
        "changed": dg.MetadataValue.bool(deployment.changed),
        "previous configuration": dg.MetadataValue.text(deployment.previous_config or "none"),
    }
