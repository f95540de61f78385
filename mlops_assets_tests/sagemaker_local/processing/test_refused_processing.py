"""Processing requests that the service, or this machine, refuses."""

from __future__ import annotations

import http.client
import json
import urllib.parse
from typing import Any

import pytest
from botocore.exceptions import ClientError

from mlops_assets.sagemaker_local import shapes
from mlops_assets.sagemaker_local.protocol import service_model
from mlops_assets_tests.sagemaker_local.api import LocalApi
from mlops_assets_tests.sagemaker_local.processing.processing_api import (
    process,
    request,
    source,
    target,
    wait,
)

pytestmark = pytest.mark.integration
ATHENA = {
    "AthenaDatasetDefinition": {
        "Catalog": "c",
        "Database": "d",
        "QueryString": "select 1",
        "OutputS3Uri": "s3://out/athena",
        "OutputFormat": "PARQUET",
    }
}
PREFERENCES = [{"InstanceType": "ml.m5.large"}]
NETWORK = {"VpcConfig": {"Subnets": [], "SecurityGroupIds": ["sg-1"]}}


def _input(**changes: Any) -> dict[str, Any]:
    return {"inputs": [source("rows", "s3://data/rows", **changes)]}


def _output(**changes: Any) -> dict[str, Any]:
    return {"outputs": [target("made", "s3://made/rows", **changes)]}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ProcessingJobName": "no_underscores"}, "processingJobName"),
        ({"ProcessingJobName": "n" * 64}, "processingJobName"),
        ({"RoleArn": "arn:aws:iam::1:role/short"}, "roleArn"),
        ({"Environment": {"LONG": "x" * 257}}, "environment"),
        ({"StoppingCondition": {"MaxRuntimeInSeconds": 0}}, "maxRuntimeInSeconds"),
        ({"StoppingCondition": {"MaxRuntimeInSeconds": 777_601}}, "maxRuntimeInSeconds"),
        ({"NetworkConfig": NETWORK}, "subnets"),
        ({"Tags": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]}, "more than once"),
        ({"ExperimentConfig": {"ExperimentName": "e"}}, "does not support ExperimentConfig"),
        ({"cluster": {"InstanceType": "ml.huge"}}, "enum"),
        ({"cluster": {"InstanceCount": 0}}, "instanceCount"),
        ({"cluster": {"InstanceCount": 9}}, "service limit"),
        ({"cluster": {"InstancePreferences": PREFERENCES}}, "does not support InstancePreferences"),
        ({"application": {"ContainerEntrypoint": []}}, "containerEntrypoint"),
        (_input(LocalPath="/data/rows"), "must begin with /opt/ml/processing/"),
        (_input(LocalPath="/opt/ml/processing/../model"), "must begin with"),
        (_input(S3InputMode="Pipe"), "does not support S3InputMode Pipe"),
        (_input(S3CompressionType="Gzip"), "only for S3InputMode Pipe"),
        (_input(S3Uri="https://data.s3.amazonaws.com/rows"), "no object URI"),
        (_input(S3Uri="s3://data/../up"), "input rows"),
        ({"inputs": [source("code", "s3://x/y")]}, "InputName must be unique"),
        (
            _input(LocalPath="/opt/ml/processing/input/code"),
            "LocalPath must be unique",
        ),
        (
            {"inputs": [{"InputName": "q", "DatasetDefinition": ATHENA}]},
            "does not support a DatasetDefinition",
        ),
        ({"inputs": [{"InputName": "nothing"}]}, "has neither S3Input"),
        ({"inputs": [source("m", "s3://data/m") | {"AppManaged": True}]}, "AppManaged of input"),
        (_output(mode="Sometimes"), "enum"),
        (_output(LocalPath="/opt/ml/output"), "must begin with"),
        (
            {"outputs": [{"OutputName": "f", "FeatureStoreOutput": {"FeatureGroupName": "group"}}]},
            "does not support FeatureStoreOutput",
        ),
        (
            {"outputs": [target("made", "s3://a/b"), target("made", "s3://a/c", LocalPath="/x")]},
            "OutputName must be unique",
        ),
    ],
)
def test_wrong_jobs_are_refused(api: LocalApi, changes, words):
    """What would fail in AWS, or is not done here, is said before anything runs."""
    wanted = request(api, "wrong", **changes)
    with pytest.raises(ClientError, match=words):
        # Sent as it is: botocore would refuse some before the server sees them.
        _unchecked(api).create_processing_job(**wanted)
    assert not api.sm.list_processing_jobs(NameContains="wrong")["ProcessingJobSummaries"]


def _unchecked(api: LocalApi) -> Any:
    import boto3
    from botocore.config import Config

    return boto3.client(
        "sagemaker",
        endpoint_url=api.url,
        region_name="us-east-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",
        config=Config(parameter_validation=False, retries={"total_max_attempts": 1}),
    )


@pytest.mark.parametrize("image", ["any/unknown:1", "mlops-assets:local"])
def test_an_image_without_a_command_is_refused(api: LocalApi, image):
    """The project's own image has no program for processing: a job would print its usage."""
    wanted = request(api, "wrong-image")
    wanted["AppSpecification"] = {"ImageUri": image}
    with pytest.raises(ClientError, match="Give ContainerEntrypoint in the request, or map it"):
        api.sm.create_processing_job(**wanted)


def test_a_name_is_taken_once_and_the_other_kinds_names_are_free(api: LocalApi):
    """Two jobs of one name would write over each other's outputs."""
    process(api, "twice", "")
    with pytest.raises(ClientError, match="already exists") as caught:
        api.sm.create_processing_job(**request(api, "twice"))
    assert caught.value.response["Error"]["Code"] == "ResourceInUse"
    assert api.train("twice", "")["TrainingJobStatus"] == "Completed"


@pytest.mark.parametrize("operation", ["describe_processing_job", "stop_processing_job"])
def test_what_is_not_there_is_said(api: LocalApi, operation):
    with pytest.raises(ClientError, match="Could not find requested job with name: none"):
        getattr(api.sm, operation)(ProcessingJobName="none")


def test_replies_conform_and_jobs_are_listed_and_tagged(api: LocalApi):
    """A member that SageMaker never sends breaks the first client that trusts the description."""
    tagged = [{"Key": "team", "Value": "a"}]
    arn = api.sm.create_processing_job(
        **request(api, "shape-one", outputs=[target("o", "s3://made/shape")], Tags=tagged)
    )["ProcessingJobArn"]
    wait(api, "shape-one")
    process(api, "shape-two", "raise SystemExit(1)")
    raw(api, "CreateProcessingJob", **request(api, "shape-three"))
    wait(api, "shape-three")
    assert raw(api, "DescribeProcessingJob", ProcessingJobName="shape-two")["FailureReason"]
    assert api.sm.list_tags(ResourceArn=arn)["Tags"] == tagged
    failed = raw(api, "ListProcessingJobs", StatusEquals="Failed", NameContains="shape")
    assert [job["ProcessingJobName"] for job in failed["ProcessingJobSummaries"]] == ["shape-two"]
    first = raw(api, "ListProcessingJobs", NameContains="shape", SortBy="Name", MaxResults=2)
    rest = raw(
        api,
        "ListProcessingJobs",
        NameContains="shape",
        SortBy="Name",
        NextToken=first["NextToken"],
    )
    found = [
        job["ProcessingJobName"] for page in (first, rest) for job in page["ProcessingJobSummaries"]
    ]
    assert found == ["shape-two", "shape-three", "shape-one"]


def raw(api: LocalApi, operation: str, **wanted: Any) -> dict[str, Any]:
    """The reply before boto3 forgives anything, checked against the output shape."""
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(api.url).netloc, timeout=30)
    headers = {"X-Amz-Target": f"SageMaker.{operation}"}
    connection.request("POST", "/", json.dumps(wanted), headers)
    response = connection.getresponse()
    body: dict[str, Any] = json.loads(response.read())
    connection.close()
    assert response.status == 200, body
    shapes.check(service_model("sagemaker").operation_model(operation).output_shape, body)
    return body
