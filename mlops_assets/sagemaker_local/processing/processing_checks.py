"""Rules of CreateProcessingJob that botocore's description does not state.

Belongs here: the service's own limits between members, and what this machine does not do, refused
by name rather than ignored. Does not belong here: anything a shape states (shapes.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from mlops_assets.sagemaker_local.errors import invalid, over_limit, unsupported
from mlops_assets.sagemaker_local.limits import s3_uri
from mlops_assets.sagemaker_local.processing.processing_layout import PROCESSING
from mlops_assets.sagemaker_local.store import Document


def check_processing_job(request: Document, *, most_instances: int) -> None:
    """Raise what the service would, or a clear refusal of what cannot be done here."""
    if "ExperimentConfig" in request:
        raise unsupported("ExperimentConfig", "record experiments in MLflow, and leave it out")
    inputs = request.get("ProcessingInputs", [])
    outputs = request.get("ProcessingOutputConfig", {}).get("Outputs", [])
    _unique("InputName", [given["InputName"] for given in inputs])
    _unique("OutputName", [given["OutputName"] for given in outputs])
    paths = [*map(_input, inputs), *map(_output, outputs)]
    _unique("LocalPath", paths)
    _cluster(request["ProcessingResources"]["ClusterConfig"], most_instances)


def _unique(member: str, values: list[str]) -> None:
    repeated = sorted({value for value in values if values.count(value) > 1})
    if repeated:
        raise invalid(f"{member} must be unique within a processing job, and is not: {repeated}")


def _input(given: Document) -> str:
    """Its LocalPath, once the input is one that can be brought."""
    name = given["InputName"]
    for problem, remedy in _input_problems(given):
        raise unsupported(f"{problem} of input {name}", remedy)
    source = given["S3Input"]
    if source.get("S3CompressionType", "None") == "Gzip":
        raise invalid(f"input {name}: S3CompressionType Gzip is only for S3InputMode Pipe")
    if "S3InputMode" not in source:
        raise invalid(f"input {name}: S3InputMode is required where AppManaged is false")
    s3_uri(f"input {name}", source["S3Uri"])
    return _local_path(f"input {name}", source)


def _input_problems(given: Document) -> Iterator[tuple[str, str]]:
    source = given.get("S3Input")
    if "DatasetDefinition" in given:
        yield "a DatasetDefinition", "query Athena or Redshift before, and give the S3Input"
    elif source is None:
        raise invalid(f"input {given['InputName']} has neither S3Input nor DatasetDefinition")
    elif given.get("AppManaged"):
        yield "AppManaged", "let the job be given its S3Input"
    elif source.get("S3InputMode") == "Pipe":
        yield "S3InputMode Pipe", "use File"


def _output(given: Document) -> str:
    """Its LocalPath, once the output is one that can be stored."""
    name = given["OutputName"]
    if "FeatureStoreOutput" in given:
        raise unsupported(f"FeatureStoreOutput of output {name}", "put the records with PutRecord")
    if "S3Output" not in given:
        raise invalid(f"output {name} has no S3Output")
    if given.get("AppManaged"):
        raise unsupported(f"AppManaged of output {name}", "let the job store its S3Output")
    s3_uri(f"output {name}", given["S3Output"]["S3Uri"])
    return _local_path(f"output {name}", given["S3Output"])


def _local_path(whose: str, member: Document) -> str:
    given = member.get("LocalPath")
    if given is None:
        raise invalid(f"{whose}: LocalPath is required where AppManaged is false")
    path = PurePosixPath(given)
    if PurePosixPath(PROCESSING) not in path.parents or ".." in path.parts:
        raise invalid(f"{whose}: LocalPath {given!r} must begin with {PROCESSING}/")
    return str(path)


def _cluster(cluster: Document, most_instances: int) -> None:
    if "InstancePreferences" in cluster:
        raise unsupported("InstancePreferences", "give InstanceType and InstanceCount")
    for member in ("InstanceType", "InstanceCount"):
        if member not in cluster:
            raise invalid(f"ProcessingResources.ClusterConfig.{member} is required")
    count = cluster["InstanceCount"]
    if count > most_instances:
        raise over_limit(
            f"The account-level service limit '{cluster['InstanceType']} for processing job usage'"
            f" is {most_instances} Instances, with current utilization of 0 Instances and a "
            f"request delta of {count} Instances: the local SageMaker API runs each as a process"
        )
