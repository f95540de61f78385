"""Batch transform requests that the service, or this machine, refuses."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from mlops_assets_tests.sagemaker_local.api import LocalApi
from mlops_assets_tests.sagemaker_local.transform_api import model, request

pytestmark = pytest.mark.integration
JOIN = {"JoinSource": "Input"}
MANIFEST = {"S3DataSource": {"S3DataType": "ManifestFile", "S3Uri": "s3://inputs/x"}}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ModelName": "none"}, "Could not find model"),
        ({"source": {"DataSource": MANIFEST}}, "S3DataType ManifestFile"),
        ({"source": {"CompressionType": "Gzip"}}, "CompressionType Gzip"),
        ({"source": {"SplitType": "RecordIO"}}, "SplitType RecordIO"),
        ({"source": {"SplitType": "None"}, "BatchStrategy": "MultiRecord"}, "To use BatchStrategy"),
        ({"output": {"S3OutputPath": "s3://out/../up"}}, "S3OutputPath"),
        ({"MaxPayloadInMB": 101}, "must not exceed 100 MB"),
        ({"MaxPayloadInMB": 30, "MaxConcurrentTransforms": 4}, "must not exceed 100 MB"),
        ({"DataCaptureConfig": {"DestinationS3Uri": "s3://capture"}}, "DataCaptureConfig"),
        (
            {"TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 5}},
            "5 instances",
        ),
        ({"DataProcessing": {"InputFilter": "$[*]"}}, "InputFilter: .* is not understood"),
        ({"DataProcessing": JOIN}, "Accept must be given"),
        ({"DataProcessing": JOIN, "output": {"Accept": "application/json"}}, "kind of ContentType"),
        (
            {"DataProcessing": {"InputFilter": "$"}, "source": {"ContentType": "image/png"}},
            "DataProcessing needs ContentType",
        ),
        (
            {"DataProcessing": {"InputFilter": "$"}, "source": {"ContentType": "application/json"}},
            "a document a request",
        ),
        (
            {"DataProcessing": {"OutputFilter": "$[0]"}, "output": {"AssembleWith": "None"}},
            "AssembleWith must be SplitType",
        ),
    ],
)
def test_wrong_transforms_are_refused(api: LocalApi, changes, words):
    """What would fail in AWS, or is done differently here, is said before anything runs."""
    if not api.sm.list_models(NameContains="refusing")["Models"]:
        model(api, "refusing")
    with pytest.raises(ClientError, match=words):
        api.sm.create_transform_job(**request("wrong", "refusing", **changes))
    assert not api.sm.list_transform_jobs(NameContains="wrong")["TransformJobSummaries"]


def test_a_name_is_taken_once(api: LocalApi):
    """Two jobs of one name would write over each other's outputs."""
    model(api, "named")
    api.sm.create_transform_job(**request("twice", "named"))
    with pytest.raises(ClientError, match="already exists") as caught:
        api.sm.create_transform_job(**request("twice", "named"))
    assert caught.value.response["Error"]["Code"] == "ResourceInUse"


@pytest.mark.parametrize("operation", ["describe_transform_job", "stop_transform_job"])
def test_what_is_not_there_is_said(api: LocalApi, operation):
    with pytest.raises(ClientError, match="Could not find requested transform job"):
        getattr(api.sm, operation)(TransformJobName="none")


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"S3OutputPath": "s3://out/../up"}, "OutputConfig.S3OutputPath"),
        ({"S3OutputPath": "s3://out", "S3FailurePath": "s3://out/../up"}, "S3FailurePath"),
        ({}, "does not support a default output bucket"),
        (
            {
                "S3OutputPath": "s3://out",
                "NotificationConfig": {"ErrorTopic": "arn:aws:sns:us-east-1:000000000000:t"},
            },
            "does not support NotificationConfig",
        ),
    ],
)
def test_wrong_asynchronous_configurations_are_refused(api: LocalApi, config, words):
    if not api.sm.list_models(NameContains="queued")["Models"]:
        model(api, "queued")
    with pytest.raises(ClientError, match=words):
        api.sm.create_endpoint_config(
            EndpointConfigName="wrong-async",
            ProductionVariants=[api.variant("queued")],
            AsyncInferenceConfig={"OutputConfig": config},
        )


SMALL = {"MemorySizeInMB": 1024, "MaxConcurrency": 1}
CAPTURE = {
    "EnableCapture": True,
    "InitialSamplingPercentage": 100,
    "DestinationS3Uri": "s3://capture",
    "CaptureOptions": [{"CaptureMode": "Input"}],
}


@pytest.mark.parametrize(
    ("serverless", "config", "words"),
    [
        (SMALL | {"MemorySizeInMB": 1500}, {}, "MemorySizeInMB 1500"),
        (SMALL | {"ProvisionedConcurrency": 1}, {}, "ProvisionedConcurrency"),
        (SMALL, {"DataCaptureConfig": CAPTURE}, "not for serverless"),
        (
            SMALL,
            {"AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": "s3://out"}}},
            "not for serverless",
        ),
    ],
)
def test_wrong_serverless_configurations_are_refused(api: LocalApi, serverless, config, words):
    if not api.sm.list_models(NameContains="lazy")["Models"]:
        model(api, "lazy")
    variant = {"VariantName": "v", "ModelName": "lazy", "ServerlessConfig": serverless}
    with pytest.raises(ClientError, match=words):
        api.sm.create_endpoint_config(
            EndpointConfigName="wrong-serverless", ProductionVariants=[variant], **config
        )


def test_a_serverless_variant_has_no_instances(api: LocalApi):
    model(api, "both")
    with pytest.raises(ClientError, match="ServerlessConfig, which excludes InstanceType"):
        api.sm.create_endpoint_config(
            EndpointConfigName="wrong-both",
            ProductionVariants=[api.variant("both", ServerlessConfig=SMALL)],
        )
