"""Requests hold what the service and the security policy demand, and are named by content."""

import dataclasses
import functools
import json
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator

from mlops_assets.resources.sagemaker.hosting.models import model_request
from mlops_assets.resources.sagemaker.requests import (
    Placement,
    TrainingSpec,
    encode_hyperparameters,
    training_request,
)
from mlops_assets.sagemaker_local import shapes

CODE = "s3://lake/code/0123456789abcdef/sourcedir.tar.gz"
PACKAGE = "arn:aws:sagemaker:us-east-1:000000000000:model-package/flight-delays/1"
AWS = Placement(
    role_arn="arn:aws:iam::123456789012:role/mlops-execution",
    image_uri="123456789012.dkr.ecr.us-east-1.amazonaws.com/mlops@sha256:" + "a" * 64,
    subnets=("subnet-0a1b", "subnet-2c3d"),
    security_groups=("sg-0a1b",),
    kms_key_arn="arn:aws:kms:us-east-1:123456789012:key/0a1b2c3d-0000-4000-8000-000000000000",
    tags={"team": "data science"},
)
SPEC = TrainingSpec(
    pipeline="flight_delays",
    asset="model",
    partition="2013-04-01",
    source=Path("train"),
    program="train.py",
    channels={"train": "s3://lake/datasets/abc/train", "holdout": "s3://lake/datasets/abc/holdout"},
    hyperparameters={"max_depth": 6, "eta": 0.1, "objective": "binary:logistic"},
    metric_definitions={"auc": "auc: ([0-9.]+)"},
    environment={"SEED": "7"},
)


@functools.cache
def input_shape(operation: str) -> Any:
    model = botocore.session.get_session().get_service_model("sagemaker")
    return model.operation_model(operation).input_shape


def accepted(operation: str, request: dict) -> dict:
    """The request, if botocore and its service model (lengths, patterns, enums) take it."""
    shape = input_shape(operation)
    report = ParamValidator().validate(request, shape)
    assert not report.has_errors(), report.generate_report()
    shapes.check(shape, json.loads(json.dumps(request)))
    return request


def request(spec: TrainingSpec = SPEC, placement: Placement = AWS, code: str = CODE) -> dict:
    return accepted(
        "CreateTrainingJob", training_request(spec, placement, bucket="lake", code_uri=code)
    )


@pytest.mark.parametrize(
    ("use_spot", "instance"), [(False, "ml.m5.xlarge"), (True, "ml.m5.xlarge")]
)
def test_a_job_in_aws_is_always_confined_and_encrypted(use_spot: bool, instance: str) -> None:
    """Guards against a job outside the VPC, with a plain volume, plain traffic or a network."""
    job = request(dataclasses.replace(SPEC, use_spot=use_spot, instance_type=instance))
    assert job["VpcConfig"] == {
        "Subnets": ["subnet-0a1b", "subnet-2c3d"],
        "SecurityGroupIds": ["sg-0a1b"],
    }
    assert job["ResourceConfig"]["VolumeKmsKeyId"] == AWS.kms_key_arn
    assert job["OutputDataConfig"]["KmsKeyId"] == AWS.kms_key_arn
    assert job["EnableInterContainerTrafficEncryption"] is True
    assert job["EnableNetworkIsolation"] is True
    assert {"Key": "team", "Value": "data science"} in job["Tags"]


def test_an_instance_with_nvme_gets_no_volume_key() -> None:
    """The service refuses a volume key there (and encrypts by itself); the output keeps its own."""
    job = request(dataclasses.replace(SPEC, instance_type="ml.g5.xlarge"))
    assert "VolumeKmsKeyId" not in job["ResourceConfig"]
    assert job["OutputDataConfig"]["KmsKeyId"] == AWS.kms_key_arn


def test_the_local_placement_needs_nothing_of_aws() -> None:
    job = request(placement=Placement())
    assert "VpcConfig" not in job
    assert job["RoleArn"] == "arn:aws:iam::000000000000:role/mlops-local"
    assert job["AlgorithmSpecification"]["TrainingImage"] == "mlops-assets:local"


def test_the_name_says_what_it_is_and_stays_within_63_characters() -> None:
    long = dataclasses.replace(
        SPEC, pipeline="a_pipeline_with_a_name_of_forty_letters_", partition="x" * 40
    )
    assert request()["TrainingJobName"].startswith("flight-delays-model-2013-04-01-")
    assert len(request(long)["TrainingJobName"]) <= 60  # room for an attempt's "-99"


@pytest.mark.parametrize(
    "change",
    [
        {"hyperparameters": {"max_depth": 7}},
        {"channels": {"train": "s3://lake/datasets/other/train"}},
        {"instance_type": "ml.m5.2xlarge"},
        {"environment": {"SEED": "8"}},
    ],
)
def test_another_request_is_another_job(change: dict) -> None:
    """Guards against adopting a job that was trained with other parameters or data."""
    other = request(dataclasses.replace(SPEC, **change))
    assert other["TrainingJobName"] != request()["TrainingJobName"]


def test_other_code_is_another_job_and_tags_are_not() -> None:
    named = request()["TrainingJobName"]
    assert request(code=CODE.replace("0123", "9999"))["TrainingJobName"] != named
    retagged = request(placement=dataclasses.replace(AWS, tags={"team": "platform"}))
    assert retagged["TrainingJobName"] == named


def test_the_order_of_declaration_does_not_name_another_job() -> None:
    swapped = dataclasses.replace(
        SPEC,
        channels=dict(reversed(SPEC.channels.items())),
        hyperparameters=dict(reversed(SPEC.hyperparameters.items())),
    )
    assert request(swapped) == request()


def test_code_travels_as_a_channel_where_the_container_has_no_network() -> None:
    isolated = request()
    assert [c["ChannelName"] for c in isolated["InputDataConfig"]] == ["code", "holdout", "train"]
    submit = isolated["HyperParameters"]["sagemaker_submit_directory"]
    assert submit == "/opt/ml/input/data/code/sourcedir.tar.gz"
    networked = request(placement=dataclasses.replace(AWS, network_isolation=False))
    assert networked["HyperParameters"]["sagemaker_submit_directory"] == CODE
    assert [c["ChannelName"] for c in networked["InputDataConfig"]] == ["holdout", "train"]


def test_spot_waits_at_least_as_long_as_it_runs_and_has_a_checkpoint() -> None:
    job = request(dataclasses.replace(SPEC, use_spot=True))
    condition = job["StoppingCondition"]
    assert condition["MaxWaitTimeInSeconds"] >= condition["MaxRuntimeInSeconds"]
    assert job["CheckpointConfig"]["S3Uri"].startswith("s3://lake/checkpoints/flight-delays/")
    with pytest.raises(ValueError, match="max_wait_s=10 must be at least max_runtime_s=3600"):
        dataclasses.replace(SPEC, use_spot=True, max_wait_s=10)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"environment": {"TOKEN": "x" * 513}}, "environment\\['TOKEN'\\] has 513 characters"),
        ({"channels": {"dagster": "s3://b/k"}}, "channel 'dagster'"),
        ({"channels": {"a b": "s3://b/k"}}, "channel 'a b'"),
        ({"max_wait_s": 7200}, "set use_spot=True"),
    ],
)
def test_limits_that_only_the_service_would_enforce_are_errors_here(
    change: dict, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(SPEC, **change)


def test_hyperparameters_are_strings_that_decode_to_what_they_were() -> None:
    values = {"depth": 6, "eta": 0.1, "flag": True, "layers": [64, 32], "none": None}
    encoded = encode_hyperparameters({**values, "objective": "reg:squarederror"})
    assert encoded.pop("objective") == "reg:squarederror"
    assert {name: json.loads(text) for name, text in encoded.items()} == values
    with pytest.raises(ValueError, match="'big' has 2501 characters"):
        encode_hyperparameters({"big": "x" * 2501})
    with pytest.raises(ValueError, match="'path' cannot be written as JSON"):
        encode_hyperparameters({"path": Path("x")})


def test_half_a_vpc_is_an_error() -> None:
    with pytest.raises(ValueError, match="MLOPS_SECURITY_GROUPS"):
        Placement(subnets=("subnet-1",))


def test_a_model_in_aws_is_always_confined_and_named_by_content() -> None:
    """Guards against a model server with a network, or outside the VPC."""
    container = {"ModelPackageName": PACKAGE}
    model = accepted("CreateModel", model_request("flight_delays", container, AWS))
    assert model["VpcConfig"]["Subnets"] == list(AWS.subnets)
    assert model["EnableNetworkIsolation"] is True
    assert model["ModelName"].startswith("flight-delays-")
    other = model_request("flight_delays", {"ModelPackageName": PACKAGE[:-1] + "2"}, AWS)
    assert other["ModelName"] != model["ModelName"]
