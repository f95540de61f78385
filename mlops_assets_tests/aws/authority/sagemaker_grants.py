"""What SageMaker asks of its caller, and of the role that a job or an endpoint gets.

Here: resources and condition keys by AWS's Service Authorization Reference; what the execution role
needs by its developer guide ("How to use SageMaker AI execution roles"). Not here: other services
(grants).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mlops_assets_tests.aws.authority.grant import Grant, Place
from mlops_assets_tests.aws.authority.operations import Operation, Request
from mlops_assets_tests.deploy.iam import Context, members

EXECUTION = "ExecutionRole"
# Lists have no resource, but for those that are of one thing.
_LISTED_OF = {"ListTrainingJobsForHyperParameterTuningJob": "HyperParameterTuningJob"}
# Operations on several things: each must be allowed.
_SEVERAL = {
    "CreateEndpoint": ("Endpoint", "EndpointConfig"),
    "UpdateEndpoint": ("Endpoint", "EndpointConfig"),
    "CreateModelPackage": ("ModelPackageGroup",),
    "UpdateEndpointWeightsAndCapacities": ("Endpoint",),
    "InvokeEndpointAsync": ("Endpoint",),
}
_FEATURE_RECORDS = ("BatchGetRecord", "BatchWriteRecord", "DeleteRecord", "GetRecord", "PutRecord")
_KEYS = {
    "ApprovalStatus": "sagemaker:ModelApprovalStatus",
    "EnableInterContainerTrafficEncryption": "sagemaker:InterContainerTrafficEncryption",
    "EnableNetworkIsolation": "sagemaker:NetworkIsolation",
    "ModelApprovalStatus": "sagemaker:ModelApprovalStatus",
    "SecurityGroupIds": "sagemaker:VpcSecurityGroupIds",
    "Subnets": "sagemaker:VpcSubnets",
    "VolumeKmsKeyId": "sagemaker:VolumeKmsKey",
}
# Where the same member's key is another's: of an endpoint, ``KmsKeyId`` is of its volumes.
_OWN_KEY = {"CreateEndpointConfig": "sagemaker:VolumeKmsKey"}
_METRICS = {"CreateTrainingJob": "TrainingJobs", "CreateEndpoint": "Endpoints",
            "CreateProcessingJob": "ProcessingJobs", "CreateTransformJob": "TransformJobs",
            "CreateHyperParameterTuningJob": "TrainingJobs"}  # fmt: skip
_IMAGE = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
_DESCRIBED = (
    "ec2:DescribeDhcpOptions",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
)


def sagemaker_grants(operation: Operation, request: Request, place: Place) -> Iterator[Grant]:
    """Of the caller: the operation, its tags, the role, the key. Of that role: see `_of_role`."""
    action, params = f"sagemaker:{operation.name}", operation.params
    context = _context(operation)
    resources = list(_resources(operation, place))
    for resource in resources:
        yield Grant(action, resource, context)
    if not operation.name.startswith("Create"):
        if operation.name == "UpdateEndpoint":
            yield _volume_key(place)
        return
    if params.get("Tags"):
        yield Grant("sagemaker:AddTags", resources[0])
    given = {key: value for key, value in members(params) if isinstance(value, str)}
    if role := given.get("RoleArn") or given.get("ExecutionRoleArn"):
        passed = {"iam:PassedToService": "sagemaker.amazonaws.com"}
        yield Grant("iam:PassRole", role, passed)
    if "VolumeKmsKeyId" in given or operation.name in ("CreateEndpointConfig", "CreateEndpoint"):
        yield _volume_key(place)
    yield from _of_role(operation, given, place)


def _volume_key(place: Place, role: str = "") -> Grant:
    return Grant("kms:CreateGrant", place.key_arn, {"kms:GrantIsForAWSResource": "true"}, role)


def _of_role(operation: Operation, given: Mapping[str, str], place: Place) -> Iterator[Grant]:
    """What SageMaker does in the name of the role before a container runs: image, network, key."""
    if image := given.get("TrainingImage") or given.get("ImageUri") or given.get("Image"):
        repository = image.partition("/")[2].partition("@")[0].partition(":")[0]
        if operation.name != "CreateModelPackage":
            yield Grant("ecr:GetAuthorizationToken", "*", role=EXECUTION)
            for each in _IMAGE:
                yield Grant(each, place.arn("ecr", f"repository/{repository}"), role=EXECUTION)
    if "VpcConfig" in dict(members(operation.params)):
        vpc: Context = {"ec2:Vpc": place.arn("ec2", f"vpc/{place.vpc}")}
        for kind in ("network-interface/*", "subnet/subnet-0", "security-group/sg-0"):
            yield Grant("ec2:CreateNetworkInterface", place.arn("ec2", kind), vpc, EXECUTION)
        interface = place.arn("ec2", "network-interface/eni-0")
        for each in ("CreateNetworkInterfacePermission", "DeleteNetworkInterface",
                     "DeleteNetworkInterfacePermission"):  # fmt: skip
            yield Grant(f"ec2:{each}", interface, vpc, EXECUTION)
        for each in _DESCRIBED:
            yield Grant(each, "*", role=EXECUTION)
    if operation.name in _METRICS:
        namespace = {"cloudwatch:namespace": f"/aws/sagemaker/{_METRICS[operation.name]}"}
        yield Grant("cloudwatch:PutMetricData", "*", namespace, EXECUTION)
    if "VolumeKmsKeyId" in given:
        yield _volume_key(place, EXECUTION)
    if "KmsKeyId" in given:
        for use in ("DescribeKey", "Encrypt"):
            yield Grant(f"kms:{use}", place.key_arn, role=EXECUTION)


def _context(operation: Operation) -> dict[str, str | Sequence[str]]:
    """The condition keys that SageMaker makes of a request."""
    keys = {**_KEYS, "KmsKeyId": _OWN_KEY.get(operation.name, "sagemaker:OutputKmsKey")}
    found: dict[str, Any] = {}
    params = {k: v for k, v in operation.params.items() if k != "DataCaptureConfig"}
    for name, value in members(params):
        if name in keys:
            found[keys[name]] = str(value).lower() if isinstance(value, bool) else value
    instances = [value for name, value in members(params) if name == "InstanceType"]
    if instances:
        found["sagemaker:InstanceTypes"] = instances
    tags = {tag["Key"]: tag["Value"] for tag in params.get("Tags", ())}
    return found | {f"aws:RequestTag/{key}": value for key, value in tags.items()}


def _resources(operation: Operation, place: Place) -> Iterator[str]:
    params, name = operation.params, operation.name
    if name.startswith(("List", "Search")) and name not in _LISTED_OF and name != "ListTags":
        yield "*"
        return
    if name in ("AddTags", "DeleteTags", "ListTags"):
        yield params["ResourceArn"]
        return
    if name in _FEATURE_RECORDS:
        groups = [value for key, value in members(dict(params)) if key == "FeatureGroupName"]
        for group in groups:
            yield (
                group
                if group.startswith("arn:")
                else place.arn("sagemaker", f"feature-group/{group}")
            )
        return
    if name == "CreateModelPackage":
        yield place.arn("sagemaker", f"model-package/{params['ModelPackageGroupName']}/*")
    for kind in _SEVERAL.get(name, (_LISTED_OF.get(name) or _noun(name),)):
        given = params.get(f"{kind}Arn") or params[f"{kind}Name"]
        dashed = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", kind).lower()
        yield given if given.startswith("arn:") else place.arn("sagemaker", f"{dashed}/{given}")


def _noun(name: str) -> str:
    """What an operation is about: DescribeTrainingJob → TrainingJob."""
    return re.sub(r"^[A-Z][a-z]+", "", name)
