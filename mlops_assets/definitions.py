"""The single assembly point: `build_defs` puts a pipeline's stations, jobs and resources together.

Here: who gets what. Not here: any behaviour. ``defs`` is what Dagster loads, built only then: most
who import this want another world. Loading it imports nothing heavy and touches neither network nor
disk.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import dagster as dg

from mlops_assets.assets import (
    clean,
    endpoint,
    evaluation,
    features,
    hyperparameters,
    load_test,
    model,
    online_features,
    predictions,
    raw,
    registered_model,
    splits,
)
from mlops_assets.assets.monitoring import stations as monitoring
from mlops_assets.automation import downstream, events, metrics, personal_columns, sensors
from mlops_assets.automation.targets import targets
from mlops_assets.logs import json_lines, redaction
from mlops_assets.pipeline import Limits, MLPipeline
from mlops_assets.pipelines import declared
from mlops_assets.resources.emr.client import PipesEMRServerlessJobClient
from mlops_assets.resources.emr.requests import Application
from mlops_assets.resources.emr.session import EMRServerlessResource
from mlops_assets.resources.events.queue import EventQueue
from mlops_assets.resources.experiments.experiments import Experiments
from mlops_assets.resources.governance.column_tags import ColumnTags
from mlops_assets.resources.lake.io_manager import LakeIOManager
from mlops_assets.resources.lake.resource import LakeResource
from mlops_assets.resources.monitoring.alerts import AlertChannels
from mlops_assets.resources.monitoring.monitor_metrics import MonitorMetrics
from mlops_assets.resources.records import Store
from mlops_assets.resources.sagemaker.features.offline_features import OfflineFeatures
from mlops_assets.resources.sagemaker.file_systems import Lustre
from mlops_assets.resources.sagemaker.jobs.guard import Guard
from mlops_assets.resources.sagemaker.processing import PipesSageMakerProcessingClient
from mlops_assets.resources.sagemaker.registry.signing import Signing
from mlops_assets.resources.sagemaker.requests import Placement
from mlops_assets.resources.sagemaker.session import SageMakerResource
from mlops_assets.resources.sagemaker.training import PipesSageMakerTrainingClient
from mlops_assets.resources.sagemaker.transform import PipesSageMakerTransformClient
from mlops_assets.resources.sagemaker.tuning import SageMakerTuningClient
from mlops_assets.settings import Settings

STATIONS = (raw, clean, features, splits, model, evaluation, registered_model, endpoint)


def build_assets(pipeline: MLPipeline) -> list[dg.AssetsDefinition]:
    stations = (*STATIONS, online_features) if pipeline.endpoint.online else STATIONS
    assets = [station.build(pipeline) for station in stations]
    if pipeline.endpoint.load_test is not None:
        assets.append(load_test.build(pipeline, pipeline.endpoint.load_test))
    if pipeline.tuning is not None:
        assets.append(hyperparameters.build(pipeline, pipeline.tuning))
    if pipeline.batch is not None:
        assets.append(predictions.build(pipeline, pipeline.batch))
    return [*assets, *monitoring.build(pipeline)]


def build_placement(settings: Settings) -> Placement:
    """Role, image, network and key of every job and endpoint."""
    own = {"mlops:environment": settings.environment} if settings.environment else {}
    if settings.is_local:
        return Placement(region=settings.region, tags=own)
    return Placement(
        role_arn=settings.role_arn,
        image_uri=settings.image_uri,
        torch_image_uri=settings.torch_image_uri,
        cuda_image_uri=settings.cuda_image_uri,
        region=settings.region,
        subnets=settings.subnets,
        security_groups=settings.security_groups,
        kms_key_arn=settings.kms_key_arn,
        alarm_period_s=60,
        alert_topic_arn=settings.alert_topic_arn,
        lustre=Lustre.parse(settings.lustre) if settings.lustre else None,
        tags={"mlops:platform": "mlops_assets", **own},
    )


def build_guard(settings: Settings, pipelines: Iterable[MLPipeline]) -> Guard:
    """What jobs may ask for at most: the platform's limits, and the pipelines' own."""
    platform = Limits(
        instance_types=settings.instance_types,
        instances=settings.max_instances,
        hours=settings.max_instance_hours,
        usd_per_day=settings.max_usd_per_day,
    )
    own = {pipeline.name: pipeline.limits for pipeline in pipelines if pipeline.limits}
    return Guard(platform, own, f"s3://{settings.lake_bucket}/budget", settings.objects)


def build_resources(settings: Settings, pipelines: Iterable[MLPipeline] = ()) -> dict[str, Any]:
    """The world that the assets run in, by the names that they ask for it.

    Args:
        pipelines: whose limits hold, beside the platform's.
    """
    catalog = dict(settings.lake_catalog)
    placement = build_placement(settings)
    guard = build_guard(settings, pipelines).to_json()
    sagemaker = SageMakerResource(
        region=settings.region,
        local_home=str(settings.sagemaker_home) if settings.is_local else None,
        local_objects=settings.objects,
        guard=guard,
    )
    store = Store(bucket=settings.lake_bucket, objects=settings.objects)
    return {
        "lake": LakeResource(catalog=catalog),
        "lake_io": LakeIOManager(catalog=catalog),
        "store": store,
        "sagemaker": sagemaker,
        "placement": placement,
        "alerts": AlertChannels(
            settings.alert_topic_arn, settings.alert_webhook, region=settings.region
        ),
        "events": EventQueue(settings.events_queue_url, settings.region),
        "column_tags": ColumnTags(catalog, settings.region),
        "monitor_metrics": MonitorMetrics(
            settings.metrics_namespace, "" if settings.is_local else settings.alert_topic_arn
        ),
        "experiments": Experiments(store, settings.mlflow_uri, settings.mlflow_files),
        "signing": Signing(signing_key=settings.signing_key, verify_key=settings.verify_key),
        "training_jobs": PipesSageMakerTrainingClient(
            sagemaker, store.open, store.bucket, placement
        ),
        "processing_jobs": PipesSageMakerProcessingClient(
            sagemaker, store.open, store.bucket, placement
        ),
        "spark_jobs": PipesEMRServerlessJobClient(
            EMRServerlessResource(
                application_id=settings.emr_application_id,
                objects=settings.objects,
                folder=store.uri("pipes"),
                region=settings.region,
                guard=guard,
            ),
            store.open,
            store.bucket,
            Application(
                application_id=settings.emr_application_id,
                role_arn=settings.emr_role_arn,
                region=settings.region,
                kms_key_arn=settings.kms_key_arn,
                tags=placement.tags,
            ),
        ),
        "transform_jobs": PipesSageMakerTransformClient(sagemaker, store.open, store.bucket),
        "offline_features": OfflineFeatures(sagemaker, store.open),
        "tuning_jobs": SageMakerTuningClient(sagemaker, store.open, store.bucket, placement),
    }


def build_defs(
    settings: Settings | None = None,
    *,
    pipelines: Iterable[MLPipeline] | None = None,
    resources: Mapping[str, Any] | None = None,
) -> dg.Definitions:
    """Everything Dagster needs to know, for one world.

    Args:
        settings: by default read from the environment.
        pipelines: what to build; by default all that are declared. Tests declare their own.
        resources: replaces resources by name; tests pass theirs instead of patching.
    """
    settings = settings or Settings.load()
    if pipelines is None:
        pipelines = declared(settings.pipelines, settings.environment)
    else:
        pipelines = tuple(pipelines)
    assets = [build_assets(pipeline) for pipeline in pipelines]
    found = [targets(*pair) for pair in zip(pipelines, assets, strict=True)]
    return dg.Definitions(
        assets=[
            asset
            for each, some in zip(found, assets, strict=True)
            for asset in downstream.conditioned(each, some)
        ],
        jobs=[job for each in found for job in sensors.build_jobs(each)],
        sensors=[
            *(sensor for each in found for sensor in sensors.build(each)),
            *(s for each in found for s in metrics.build(each, settings.metrics_namespace)),
            *(s for each in found for s in personal_columns.build(each, settings.lake_formation)),
            # A message is taken once: a branch would take everybody else's.
            *events.build(found, "" if settings.environment else settings.events_queue_url),
        ],
        schedules=[schedule for each in found for schedule in sensors.build_schedules(each)],
        resources={**build_resources(settings, pipelines), **(resources or {})},
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """What Dagster loads: in AWS with logs as lines of JSON, in which secrets are struck out."""
    settings = Settings.load()
    if not settings.is_local:
        redaction.install()
        json_lines.configure()
    return build_defs(settings)
