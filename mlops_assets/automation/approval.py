"""The sensor `approval`: what a person approved is deployed, once.

Here: which approved version is due. Not here: approving (`mlops promote`), nor the rollout.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

from mlops_assets.automation.asking import has_run
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
        found = due(sagemaker.client(), pipeline.slug)
        if found.request is None:
            yield dg.SkipReason(found.words)
        elif has_run(str(found.request.run_key), context.instance):
            # Also by `sagemaker_events`, of whose runs Dagster does not know for this sensor.
            yield dg.SkipReason("What was approved was asked for already.")
        else:
            yield found.request

    return approval


@dataclass(frozen=True)
class Due:
    """The run that deploys what a person approved; None: nothing is due, ``words`` say why."""

    request: dg.RunRequest | None
    words: str = ""


def due(client: Any, group: str) -> Due:
    """What the registry says now, whatever told of it."""
    arn = serving_package(client, group)
    serving = registry.describe(client, arn) if arn else None
    package = newest_to_deploy(promotion.in_state(client, group, "approved"), serving)
    if package is not None:
        return Due(approval_request(package))
    return Due(
        None,
        f"No approved version of {group} is newer than what serves "
        f"({f'version {serving.version}' if serving else 'nothing'}).",
    )


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
