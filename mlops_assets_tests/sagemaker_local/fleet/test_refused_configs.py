"""Models and endpoint configurations that are wrong, or not done here, are refused."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from mlops_assets_tests.sagemaker_local.api import LocalApi

pytestmark = pytest.mark.integration


def variant(**changes) -> dict:
    right = {"VariantName": "v", "ModelName": "m", "InstanceType": "ml.m5.large"}
    return right | {"InitialInstanceCount": 1} | changes


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"ProductionVariants": [variant(ModelName="none")]}, "Could not find model"),
        ({"ProductionVariants": [variant(), variant()]}, "more than once"),
        ({"ProductionVariants": [variant(InitialInstanceCount=5)]}, "more than the 4"),
        ({"ProductionVariants": [variant(InitialVariantWeight=0.0)]}, "more than 0"),
        (
            {
                "ProductionVariants": [
                    {
                        "VariantName": "v",
                        "ModelName": "m",
                        "ServerlessConfig": {"MemorySizeInMB": 1500, "MaxConcurrency": 1},
                    }
                ]
            },
            "MemorySizeInMB 1500",
        ),
        (
            {
                "ProductionVariants": [
                    variant(ServerlessConfig={"MemorySizeInMB": 1024, "MaxConcurrency": 1})
                ]
            },
            "ServerlessConfig, which excludes InstanceType",
        ),
        (
            {
                "ProductionVariants": [variant()],
                "AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": "s3://out/../up"}},
            },
            "OutputConfig.S3OutputPath",
        ),
        (
            {
                "ProductionVariants": [variant()],
                "AsyncInferenceConfig": {
                    "OutputConfig": {
                        "S3OutputPath": "s3://out",
                        "NotificationConfig": {
                            "ErrorTopic": "arn:aws:sns:us-east-1:000000000000:t"
                        },
                    }
                },
            },
            "does not support NotificationConfig",
        ),
        (
            {
                "ProductionVariants": [variant()],
                "DataCaptureConfig": {
                    "EnableCapture": True,
                    "InitialSamplingPercentage": 100,
                    "DestinationS3Uri": "s3://capture/../up",
                    "CaptureOptions": [{"CaptureMode": "Input"}],
                },
            },
            "DestinationS3Uri",
        ),
        (
            {
                "ProductionVariants": [variant()],
                "ShadowProductionVariants": [variant()],
            },
            "more than once",
        ),
    ],
)
def test_a_wrong_endpoint_config_is_refused(api: LocalApi, config, words):
    """A configuration that names what is not there fails here, not at three in the morning."""
    if not api.sm.list_models(NameContains="m")["Models"]:
        api.model("m", "A")
    with pytest.raises(ClientError, match=words):
        api.sm.create_endpoint_config(EndpointConfigName="wrong", **config)


@pytest.mark.parametrize(
    ("container", "words"),
    [
        ({"Image": "any/plain:1", "ModelDataUrl": "s3://models/none.tar.gz"}, "model data"),
        ({"Image": "any/unknown:1"}, "images.json"),
        ({"Image": "any/plain:1", "ModelDataUrl": "s3://models/../x.tar.gz"}, "segment"),
        ({"Image": "any/plain:1", "Mode": "MultiModel"}, "multi-model"),
        ({"Environment": {}}, "Image or ModelPackageName"),
    ],
)
def test_a_wrong_model_is_refused(api: LocalApi, container, words):
    """A model without its archive would be an endpoint that can never start."""
    with pytest.raises(ClientError, match=words):
        api.sm.create_model(ModelName="wrong", PrimaryContainer=container)
