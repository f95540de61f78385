"""What materializes what, and why: the jobs and sensors of a pipeline.

Here: thin shells over pure functions. Not here: the work itself (`assets`) or any rule about data
(`checks`). Every sensor is off until somebody turns it on in the UI, by its name.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.sagemaker.hosting import idle
from mlops_assets.resources.sagemaker.hosting.endpoints import serving_package
from mlops_assets.resources.sagemaker.registry import promotion, registry
from mlops_assets.resources.sagemaker.registry.registry import ModelPackage
from mlops_assets.resources.sagemaker.session import SageMakerResource
from mlops_assets.sagemaker_local import lifecycle

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import (
        UnresolvedAssetJobDefinition,
    )


def build_job(pipeline: MLPipeline) -> "UnresolvedAssetJobDefinition":
    """The whole loop of one partition, from raw rows to the endpoint."""
    return dg.define_asset_job(
        f"{pipeline.name}_loop",
        selection=dg.AssetSelection.groups(pipeline.name),
        description=f"From raw rows to the live endpoint: {pipeline.description}",
        tags={"pipeline": pipeline.name},
    )


def build_sensors(pipeline: MLPipeline) -> list[dg.SensorDefinition]:
    """Every sensor of a pipeline."""
    sensors = [build_new_data_sensor(pipeline)]
    if pipeline.approval == "manual":
        sensors.append(build_approval_sensor(pipeline))
    if pipeline.endpoint.idle_after_s is not None:
        sensors.append(build_idle_sensor(pipeline, pipeline.endpoint.idle_after_s))
    return sensors


def build_new_data_sensor(pipeline: MLPipeline) -> dg.SensorDefinition:
    """Ingests partitions as they appear or change at the source; one run a version."""
    data = dg.AssetSelection.assets(
        *(dg.AssetKey([pipeline.name, station]) for station in pipeline.data_stations)
    )

    @dg.sensor(
        name=f"{pipeline.name}_new_data",
        target=data,
        minimum_interval_seconds=60,
        description=(
            f"Watches the source ({pipeline.source.describe()}) and brings new or changed "
            "partitions through raw, clean and features."
        ),
        tags={"pipeline": pipeline.name},
    )
    def new_data(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest]:
        declared = set(pipeline.partitions.definition.get_partition_keys())
        for partition in pipeline.source.partitions():
            if partition in declared:
                version = pipeline.source.version(partition)
                # Dagster itself refuses the second run of a key, so no cursor can be lost.
                yield dg.RunRequest(
                    run_key=f"{partition}:{version}",
                    partition_key=partition,
                    tags={"reason": "new data", "source_version": version},
                )

    return new_data


def build_approval_sensor(pipeline: MLPipeline) -> dg.SensorDefinition:
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
        home = sagemaker.local_home
        if home is not None and lifecycle.running(Path(home)) is None:
            # A sensor must not start again what somebody has stopped.
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


def build_idle_sensor(pipeline: MLPipeline, idle_after_s: int) -> dg.SensorDefinition:
    """Finds an endpoint that nobody asks anything; warns of it, or stops it by declaration."""
    stops = pipeline.endpoint.stop_when_idle

    @dg.sensor(
        name=f"{pipeline.name}_idle",
        target=dg.AssetSelection.assets(dg.AssetKey([pipeline.name, "endpoint"])),
        minimum_interval_seconds=300,
        description=(
            f"Watches the invocations of endpoint {pipeline.slug}: after {idle_after_s:,} s "
            f"without one it is {'stopped' if stops else 'reported as an observation'}."
        ),
        tags={"pipeline": pipeline.name},
    )
    def idle_endpoint(
        context: dg.SensorEvaluationContext, sagemaker: SageMakerResource
    ) -> dg.SkipReason:
        home = sagemaker.local_home
        if home is not None and lifecycle.running(Path(home)) is None:
            return dg.SkipReason("The local SageMaker API is not running: nothing costs anything.")
        client = sagemaker.client()
        found = idle.look(client, sagemaker.cloudwatch(), pipeline.slug, idle_after_s)
        if found is None:
            return dg.SkipReason(f"No endpoint {pipeline.slug} is in service.")
        if not found.idle:
            return dg.SkipReason(found.description)
        said = found.description
        if stops:
            idle.stop(client, pipeline.slug)
            said += ". It was stopped; materialize `endpoint` to bring it back"
        if context.cursor != found.since.isoformat():
            # Once for each time that it falls idle.
            context.update_cursor(found.since.isoformat())
            context.log.warning(said)
            context.instance.report_runless_asset_event(
                dg.AssetObservation(dg.AssetKey([pipeline.name, "endpoint"]), description=said)
            )
        return dg.SkipReason(said)

    return idle_endpoint
