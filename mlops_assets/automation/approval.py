"""The sensor `approval`: what a person approved is deployed, once.

Here: which approved version is due. Not here: approving (`mlops promote`), nor the rollout.
"""

import datetime as dt
from collections.abc import Iterator, Sequence

import dagster as dg

from mlops_assets.automation.local_api import asleep
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.sagemaker.hosting.endpoints import serving_package
from mlops_assets.resources.sagemaker.registry import promotion, registry
from mlops_assets.resources.sagemaker.registry.registry import ModelPackage
from mlops_assets.resources.sagemaker.session import SageMakerResource


def build(pipeline: MLPipeline) -> dg.SensorDefinition:
    """Deploys what a person has approved; one run an approval."""

    @dg.sensor(
        name=f"{pipeline.name}_approval",
        target=dg.AssetSelection.assets(dg.AssetKey([pipeline.name, "endpoint"])),
        minimum_interval_seconds=30,
        description=(
            f"Watches the model package group {pipeline.slug} for a version that a person has "
            "approved (in SageMaker Studio or by `mlops promote`) and that is newer than what "
            "serves, and starts its rollout by materializing `endpoint` for its partition."
        ),
        tags={"pipeline": pipeline.name},
    )
    def approval(
        context: dg.SensorEvaluationContext, sagemaker: SageMakerResource
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        if asleep(sagemaker):
            yield dg.SkipReason("The local SageMaker API is not running: start it with `mlops up`.")
            return
        client = sagemaker.client()
        arn = serving_package(client, pipeline.slug)
        serving = registry.describe(client, arn) if arn else None
        package = newest_to_deploy(promotion.in_state(client, pipeline.slug, "approved"), serving)
        if package is None:
            yield dg.SkipReason(
                f"No approved version of {pipeline.slug} is newer than what serves "
                f"({f'version {serving.version}' if serving else 'nothing'})."
            )
            return
        yield approval_request(package)

    return approval


def newest_to_deploy(
    approved: Sequence[ModelPackage], serving: ModelPackage | None
) -> ModelPackage | None:
    """The newest of the approved packages, where it is newer than what serves.

    Newer is what knows later data, then what was registered later: an approved back-test of an
    earlier partition is not deployed by itself.
    """
    newest = max(approved, key=_age, default=None)
    if newest is None or (serving is not None and _age(newest) <= _age(serving)):
        return None
    return newest


def approval_request(package: ModelPackage) -> dg.RunRequest:
    """A run that deploys the package, of a key that is this approval's own.

    Dagster itself refuses the second run of a key. Where it has forgotten the first, the registry
    has not: a package that served, or failed to, is no longer only approved.
    """
    approved_at = package.modified.astimezone(dt.UTC).isoformat(timespec="milliseconds")
    return dg.RunRequest(
        run_key=f"{package.arn}@{approved_at}",
        partition_key=package.lineage["as_of"],
        tags={
            "reason": "approved",
            promotion.PACKAGE_TAG: package.arn,
            "mlops/decision": package.decision[:200] or "approved in the registry",
        },
    )


def _age(package: ModelPackage) -> tuple[str, int]:
    return package.lineage.get("as_of", ""), package.version
