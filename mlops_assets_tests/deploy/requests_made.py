"""Requests as the code makes them, and the condition keys that SageMaker makes of each.

Here: building. Not here: what the policies say of them (test_requests_allowed).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlops_assets.resources.sagemaker.features.feature_store import group_request
from mlops_assets.resources.sagemaker.hosting.endpoint_spec import EndpointSpec, config_request
from mlops_assets.resources.sagemaker.processing_request import ProcessingSpec, processing_request
from mlops_assets.resources.sagemaker.requests import Placement, TrainingSpec, training_request
from mlops_assets.resources.sagemaker.transform_request import TransformSpec, transform_request
from mlops_assets.resources.sagemaker.tuning_request import tuning_request
from mlops_assets.serving import Endpoint
from mlops_assets.tuning import Integer, Tuning
from mlops_assets_tests.deploy import iam

KEY = "arn:Key"
PLACEMENT = Placement(
    role_arn="arn:ExecutionRole",
    image_uri="image@sha256:0",
    subnets=("subnet-1", "subnet-2"),
    security_groups=("sg-1",),
    kms_key_arn=KEY,
)
PACKAGE = "arn:aws:sagemaker:us-east-1:111122223333:model-package/flights/1"


def arn(kind: str, name: str, service: str = "sagemaker") -> str:
    separator = ":" if service == "cloudwatch" else "/"
    return f"arn:aws:{service}:us-east-1:111122223333:{kind}{separator}{name}"


# A member of a request, and the condition key that carries it.
_KEYS = {
    "EnableInterContainerTrafficEncryption": "sagemaker:InterContainerTrafficEncryption",
    "EnableNetworkIsolation": "sagemaker:NetworkIsolation",
    "InstanceType": "sagemaker:InstanceTypes",
    "Subnets": "sagemaker:VpcSubnets",
    "VolumeKmsKeyId": "sagemaker:VolumeKmsKey",
}


def context(request: dict[str, Any], own: dict[str, str]) -> dict[str, Any]:
    """The condition keys that SageMaker makes of a request; ``own``: of this operation alone."""
    keys = {**_KEYS, **own}
    found: dict[str, Any] = {}
    for path, value in iam.members(request):
        if path in keys:
            found[keys[path]] = str(value).lower() if isinstance(value, bool) else value
    return found


def training(placement: Placement, instance: str = "ml.m5.xlarge") -> dict[str, Any]:
    spec = TrainingSpec(
        pipeline="flights",
        asset="model",
        partition="2013-04",
        source=Path(),
        program="train.py",
        channels={},
        instance_type=instance,
    )
    request = training_request(spec, placement, bucket="lake", code_uri="s3://lake/code.tar.gz")
    return context(request, {"KmsKeyId": "sagemaker:OutputKmsKey"})


def processing(placement: Placement, instance: str = "ml.m5.xlarge") -> dict[str, Any]:
    spec = ProcessingSpec(
        name="flights",
        source=Path(),
        program="process.py",
        outputs={"made": "s3://lake/made"},
        instance_type=instance,
    )
    request = processing_request(spec, placement, code_uri="s3://lake/code/files")
    return context(request, {"KmsKeyId": "sagemaker:OutputKmsKey"})


def tuning(placement: Placement, instance: str = "ml.m5.xlarge") -> dict[str, Any]:
    spec = TrainingSpec(
        pipeline="flights",
        asset="hyperparameters",
        partition="2013-01-01",
        source=Path(),
        program="train.py",
        channels={"train": "s3://lake/train"},
        metric_definitions={"loss": "loss=([0-9.]+)"},
        instance_type=instance,
    )
    search = Tuning(ranges={"depth": Integer(2, 8)}, metric="loss")
    request = tuning_request(
        spec, search, placement, bucket="lake", code_uri="s3://lake/code/sourcedir.tar.gz"
    )
    # The conditions are about what its training jobs are given.
    return context(request["TrainingJobDefinition"], {"KmsKeyId": "sagemaker:OutputKmsKey"})


def endpoint(placement: Placement, instance: str = "ml.m5.large") -> dict[str, Any]:
    declared = Endpoint(instance_type=instance)
    spec = EndpointSpec(
        name="flights", package_arn=PACKAGE, declared=declared, placement=placement,
        capture_uri="s3://lake/capture",
    )  # fmt: skip
    request = config_request(spec, "model-1")
    request.pop("DataCaptureConfig", None)  # its key is another
    return context(request, {"KmsKeyId": "sagemaker:VolumeKmsKey"})


def model(placement: Placement, **spec: Any) -> dict[str, Any]:
    return context(
        EndpointSpec(name="flights", package_arn=PACKAGE, placement=placement, **spec).model(), {}
    )


def transform(placement: Placement, instance: str = "ml.m5.large") -> dict[str, Any]:
    spec = TransformSpec(
        name="flights",
        model_name="model-1",
        input_uri="s3://lake/in",
        output_uri="s3://lake/out",
        instance_type=instance,
        placement=placement,
    )
    return context(transform_request(spec), {"KmsKeyId": "sagemaker:OutputKmsKey"})


def group(placement: Placement) -> dict[str, Any]:
    request = group_request(
        "flights", {"delay": "Fractional"}, placement=placement, offline_uri="s3://lake/f"
    )
    context: dict[str, Any] = {"sagemaker:FeatureGroupOfflineStoreConfig": "true"}
    if key := request["OnlineStoreConfig"].get("SecurityConfig", {}).get("KmsKeyId"):
        context["sagemaker:FeatureGroupOnlineStoreKmsKey"] = key
    if key := request["OfflineStoreConfig"]["S3StorageConfig"].get("KmsKeyId"):
        context["sagemaker:FeatureGroupOfflineStoreKmsKey"] = key
    return context
