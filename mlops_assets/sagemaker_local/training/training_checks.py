"""Rules of CreateTrainingJob that botocore's description does not state.

Belongs here: the service's own limits between members, and what this machine does not do, refused
by name rather than ignored. Does not belong here: anything a shape states (shapes.py), the rules of
channels (channel_checks.py).
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from mlops_assets.sagemaker_local.algorithms import check_metrics
from mlops_assets.sagemaker_local.cluster import MAX_HOSTS
from mlops_assets.sagemaker_local.config import Config
from mlops_assets.sagemaker_local.errors import invalid, over_limit, unsupported
from mlops_assets.sagemaker_local.limits import s3_uri
from mlops_assets.sagemaker_local.namespaces import MOUNT_POINT
from mlops_assets.sagemaker_local.store import Document
from mlops_assets.sagemaker_local.training.channel_checks import check_channels

MAX_RUNTIME = 28 * 24 * 3600
_REFUSED = {
    "SessionChainingConfig": "leave it out",
    "ServerlessJobConfig": "give a ResourceConfig",
    "ModelPackageConfig": "create the model package after the job",
    "MlflowConfig": "let the script log to MLflow",
    "DebugRuleConfigurations": "evaluate rules on the job's metrics",
    "ProfilerRuleConfigurations": "leave it out",
    "TensorBoardOutputConfig": "write TensorBoard's files to /opt/ml/output/data",
}
_REFUSED_RESOURCES = {
    "TrainingPlanArn": "leave it out",
    "InstancePlacementConfig": "leave it out",
    "InstancePreferences": "give InstanceType and InstanceCount",
}


def check_training_job(request: Document, config: Config) -> None:
    """Raise what the service would, or a clear refusal of what cannot be done here."""
    for member, remedy in _REFUSED.items():
        if request.get(member):
            raise unsupported(member, remedy)
    for member in ("AlgorithmSpecification", "ResourceConfig", "StoppingCondition"):
        if member not in request:
            raise invalid(f"{member} is required")
    _algorithm(request["AlgorithmSpecification"])
    check_metrics(request)
    _resources(request, config)
    _time(request)
    s3_uri("OutputDataConfig.S3OutputPath", request["OutputDataConfig"]["S3OutputPath"])
    if request["OutputDataConfig"].get("CompressionType", "GZIP") != "GZIP":
        raise unsupported("uncompressed output", "leave CompressionType out")
    if "CheckpointConfig" in request:
        _checkpoints(request["CheckpointConfig"])
    check_channels(request)


def _algorithm(algorithm: Document) -> None:
    if "AlgorithmName" in algorithm and "TrainingImage" in algorithm:
        raise invalid("give either AlgorithmName or TrainingImage, not both")
    if "AlgorithmName" in algorithm or "TrainingImage" not in algorithm:
        raise unsupported("algorithm resources", "give AlgorithmSpecification.TrainingImage")
    if algorithm["TrainingInputMode"] == "Pipe":
        raise unsupported("Pipe mode", "use File or FastFile")
    if "ContainerArguments" in algorithm and "ContainerEntrypoint" not in algorithm:
        raise invalid("ContainerArguments is given without ContainerEntrypoint")
    names = [definition["Name"] for definition in algorithm.get("MetricDefinitions", [])]
    if len(set(names)) != len(names):
        raise invalid(f"MetricDefinitions names a metric more than once: {sorted(names)}")
    for definition in algorithm.get("MetricDefinitions", []):
        try:
            re.compile(definition["Regex"])
        except re.error as error:
            name, regex = definition["Name"], definition["Regex"]
            raise invalid(
                f"the Regex of metric {name}, {regex!r}, is not valid: {error}"
            ) from error


def _resources(request: Document, config: Config) -> None:
    resources = request["ResourceConfig"]
    for member, remedy in _REFUSED_RESOURCES.items():
        if member in resources:
            raise unsupported(f"ResourceConfig.{member}", remedy)
    groups, kept = resources.get("InstanceGroups"), resources.get("KeepAlivePeriodInSeconds", 0)
    if groups and ("InstanceType" in resources or "InstanceCount" in resources):
        raise invalid("ResourceConfig: give either InstanceGroups or InstanceType and -Count")
    if not groups and "InstanceType" not in resources:
        raise invalid("ResourceConfig: InstanceType or InstanceGroups is required")
    if kept and groups:
        raise invalid("KeepAlivePeriodInSeconds is not allowed with InstanceGroups")
    if kept and request.get("EnableManagedSpotTraining"):
        raise invalid("KeepAlivePeriodInSeconds is not allowed with EnableManagedSpotTraining")
    names = [group["InstanceGroupName"] for group in groups or []]
    if len(set(names)) != len(names):
        raise invalid(f"InstanceGroups names a group more than once: {sorted(names)}")
    counts = [group["InstanceCount"] for group in groups or [{"InstanceCount": 1} | resources]]
    if min(counts) < 1:
        raise invalid(f"ResourceConfig.InstanceCount {min(counts)} must be at least 1")
    allowed = min(config.instances_per_job, MAX_HOSTS)
    if sum(counts) > allowed:
        kind = resources.get("InstanceType") or groups[0]["InstanceType"]
        raise over_limit(
            f"The account-level service limit '{kind} for training job usage' is {allowed} "
            f"Instances, with current utilization of 0 Instances and a request delta of "
            f"{sum(counts)} Instances: each is a process of this machine"
        )


def _time(request: Document) -> None:
    condition = request["StoppingCondition"]
    runtime = condition.get("MaxRuntimeInSeconds", 86_400)
    if runtime > MAX_RUNTIME:
        raise invalid(f"MaxRuntimeInSeconds {runtime} is more than {MAX_RUNTIME}, which is 28 days")
    spot, wait = request.get("EnableManagedSpotTraining"), condition.get("MaxWaitTimeInSeconds")
    if spot and (wait is None or wait < runtime):
        raise invalid(
            f"Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to "
            f"MaxRuntimeInSeconds ({runtime}), not {wait}, when EnableManagedSpotTraining is true"
        )
    if wait is not None and not spot:
        raise invalid("MaxWaitTimeInSeconds is only allowed with EnableManagedSpotTraining")


def _checkpoints(given: Document) -> None:
    s3_uri("CheckpointConfig.S3Uri", given["S3Uri"])
    path = PurePosixPath(given.get("LocalPath", f"{MOUNT_POINT}/checkpoints"))
    if path == PurePosixPath(MOUNT_POINT) or not path.is_relative_to(MOUNT_POINT):
        raise unsupported(f"CheckpointConfig.LocalPath {path}", f"use a path below {MOUNT_POINT}")
    if ".." in path.parts or path.is_relative_to(f"{MOUNT_POINT}/input"):
        raise invalid(f"CheckpointConfig.LocalPath {path} is not a folder for checkpoints")
