"""What an environment has in SageMaker: found by name and tag, stopped and deleted.

Here: SageMaker's lists, tags and deletions. Not here: tables and objects (`storage`), who asks
(`cli.environments`). A thing is the environment's only where both hold: its name begins as the
environment's names do, and its tag ``mlops:environment`` says so. Versions of a model package group
have no tags: they are as their group.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from mlops_assets.resources.sagemaker.errors import error_code, is_not_found, patiently

TAG = "mlops:environment"


@dataclass(frozen=True)
class Kind:
    """One kind of thing.

    Args:
        lists: boto3's method; ``listed`` is the member that holds what it found.
        member: what its members begin with: ``EndpointName``, ``EndpointArn``.
        remove: boto3's method that deletes it, or stops what cannot be deleted.
        only: of the list, such as jobs that run.
    """

    noun: str
    lists: str
    listed: str
    member: str
    remove: str
    only: Mapping[str, str]


# In the order of removal: what uses another thing goes before it.
KINDS = (
    Kind("running training job", "list_training_jobs", "TrainingJobSummaries", "TrainingJob",
         "stop_training_job", {"StatusEquals": "InProgress"}),
    Kind("running tuning job", "list_hyper_parameter_tuning_jobs",
         "HyperParameterTuningJobSummaries", "HyperParameterTuningJob",
         "stop_hyper_parameter_tuning_job", {"StatusEquals": "InProgress"}),
    Kind("running processing job", "list_processing_jobs", "ProcessingJobSummaries",
         "ProcessingJob", "stop_processing_job", {"StatusEquals": "InProgress"}),
    Kind("running transform job", "list_transform_jobs", "TransformJobSummaries", "TransformJob",
         "stop_transform_job", {"StatusEquals": "InProgress"}),
    Kind("endpoint", "list_endpoints", "Endpoints", "Endpoint", "delete_endpoint", {}),
    Kind("endpoint configuration", "list_endpoint_configs", "EndpointConfigs", "EndpointConfig",
         "delete_endpoint_config", {}),
    Kind("model", "list_models", "Models", "Model", "delete_model", {}),
    Kind("model package group", "list_model_package_groups", "ModelPackageGroupSummaryList",
         "ModelPackageGroup", "delete_model_package_group", {}),
    Kind("feature group", "list_feature_groups", "FeatureGroupSummaries", "FeatureGroup",
         "delete_feature_group", {}),
)  # fmt: skip


@dataclass(frozen=True)
class Thing:
    """One thing of an environment."""

    kind: Kind
    name: str
    arn: str

    def __str__(self) -> str:
        return f"{self.kind.noun} {self.name}"


def find(client: Any, environment: str) -> Iterator[Thing]:
    """All that the environment has in SageMaker, in the order of removal."""
    for kind in KINDS:
        for name, arn in _listed(client, kind, f"{environment}-"):
            if name.startswith(f"{environment}-") and _tag(client, arn) == environment:
                yield Thing(kind, name, arn)


def remove(client: Any, thing: Thing) -> None:
    """Delete the thing, or stop the job; what is gone already is no error."""
    if thing.kind.member == "ModelPackageGroup":
        for arn in list(_packages(client, thing.name)):
            _gone(lambda arn=arn: client.delete_model_package(ModelPackageName=arn))  # type: ignore[misc]
    method = getattr(client, thing.kind.remove)
    _gone(lambda: method(**{f"{thing.kind.member}Name": thing.name}))


def _listed(client: Any, kind: Kind, begins: str) -> Iterator[tuple[str, str]]:
    pages = client.get_paginator(kind.lists).paginate(NameContains=begins, **kind.only)
    try:
        found = patiently(lambda: pages.build_full_result())[kind.listed]
    except ClientError as error:
        if error_code(error) == "NotImplemented":
            return  # the local API lists no such things
        raise
    for each in found:
        yield each[f"{kind.member}Name"], each[f"{kind.member}Arn"]


def _packages(client: Any, group: str) -> Iterator[str]:
    pages = client.get_paginator("list_model_packages").paginate(ModelPackageGroupName=group)
    for package in patiently(lambda: pages.build_full_result())["ModelPackageSummaryList"]:
        yield package["ModelPackageArn"]


def _tag(client: Any, arn: str) -> str | None:
    try:
        pages = client.get_paginator("list_tags").paginate(ResourceArn=arn)
        found = patiently(lambda: pages.build_full_result())["Tags"]
    except ClientError as error:
        if is_not_found(error):
            return None
        raise
    return next((tag["Value"] for tag in found if tag["Key"] == TAG), None)


def _gone(call: Callable[[], Any]) -> None:
    try:
        patiently(call)
    except ClientError as error:
        if not is_not_found(error):
            raise
