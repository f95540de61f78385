"""Rules of CreateTrainingJob that botocore's description does not state.

Belongs here: the service's own limits between members, and what this machine does not do, refused
by name rather than ignored. Does not belong here: anything a shape states (shapes.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlops_assets.objects import split_uri
from mlops_assets.sagemaker_local.errors import invalid, over_limit, unsupported
from mlops_assets.sagemaker_local.store import Document

MAX_RUNTIME = 28 * 24 * 3600
_REFUSED = {
    "SessionChainingConfig": "leave it out",
    "ServerlessJobConfig": "give a ResourceConfig",
    "ModelPackageConfig": "create the model package after the job",
}


def s3_uri(member: str, uri: str) -> str:
    """``uri`` if it is one; ValidationException naming the member for anything else."""
    try:
        split_uri(uri)
    except ValueError as error:
        raise invalid(f"{member}: {error}") from error
    return uri


def check_training_job(request: Document) -> None:
    """Raise what the service would, or a clear refusal of what cannot be done here."""
    for member, remedy in _REFUSED.items():
        if member in request:
            raise unsupported(member, remedy)
    for member in ("AlgorithmSpecification", "ResourceConfig", "StoppingCondition"):
        if member not in request:
            raise invalid(f"{member} is required")
    _algorithm(request["AlgorithmSpecification"])
    _resources(request["ResourceConfig"])
    _time(request)
    s3_uri("OutputDataConfig.S3OutputPath", request["OutputDataConfig"]["S3OutputPath"])
    if request["OutputDataConfig"].get("CompressionType", "GZIP") != "GZIP":
        raise unsupported("uncompressed output", "leave CompressionType out")
    if "CheckpointConfig" in request:
        s3_uri("CheckpointConfig.S3Uri", request["CheckpointConfig"]["S3Uri"])
    names = [channel["ChannelName"] for channel in request.get("InputDataConfig", [])]
    if len(set(names)) != len(names):
        raise invalid(f"InputDataConfig names a channel more than once: {sorted(names)}")
    for channel in request.get("InputDataConfig", []):
        for problem in _channel(channel):
            raise unsupported(f"{problem} in channel {channel['ChannelName']}", "use File mode")


def _algorithm(algorithm: Document) -> None:
    if "AlgorithmName" in algorithm or "TrainingImage" not in algorithm:
        raise unsupported("algorithm resources", "give AlgorithmSpecification.TrainingImage")
    if algorithm["TrainingInputMode"] == "Pipe":
        raise unsupported("Pipe mode", "use File or FastFile")
    if "ContainerArguments" in algorithm and "ContainerEntrypoint" not in algorithm:
        raise invalid("ContainerArguments is given without ContainerEntrypoint")


def _resources(resources: Document) -> None:
    if "InstanceGroups" in resources or "InstanceType" not in resources:
        raise unsupported("instance groups", "give InstanceType and InstanceCount")
    count = resources.get("InstanceCount", 1)
    if count < 1:
        raise invalid(f"ResourceConfig.InstanceCount {count} must be at least 1")
    if count > 1:
        raise over_limit(
            f"The account-level service limit '{resources['InstanceType']} for training job usage'"
            f" is 1 Instances, with current utilization of 0 Instances and a request delta of"
            f" {count} Instances: the local SageMaker API runs each job on one host"
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


def _channel(channel: dict[str, Any]) -> Iterator[str]:
    """What of the channel cannot be done here."""
    source = channel["DataSource"].get("S3DataSource")
    if source is None or "FileSystemDataSource" in channel["DataSource"]:
        yield "a source other than S3"
        return
    s3_uri(f"channel {channel['ChannelName']}", source["S3Uri"])
    if source["S3DataType"] != "S3Prefix":
        yield f"S3DataType {source['S3DataType']}"
    if channel.get("InputMode") == "Pipe":
        yield "Pipe mode"
    if channel.get("CompressionType", "None") != "None":
        yield f"CompressionType {channel['CompressionType']}"
    if channel.get("RecordWrapperType", "None") != "None":
        yield f"RecordWrapperType {channel['RecordWrapperType']}"
