"""Requests that are wrong, or that this machine cannot do, are refused and leave nothing behind."""

from __future__ import annotations

import copy
import http.client
import json
import os
import subprocess
import urllib.parse

import pytest
from botocore.exceptions import ClientError

from mlops_assets.sagemaker_local.store import read_ledger
from mlops_assets_tests.sagemaker_local.api import LocalApi

pytestmark = pytest.mark.integration

REMOVED = object()


def post(api: LocalApi, target: str, body: bytes, **headers: str) -> tuple[int, dict]:
    """A request that boto3 would not send."""
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(api.url).netloc, timeout=30)
    try:
        connection.request("POST", "/", body, {"X-Amz-Target": target} | headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def changed(request: dict, path: str, value: object) -> dict:
    """The request with one member, given by its dotted path, replaced or removed."""
    result = copy.deepcopy(request)
    *way, last = (int(part) if part.isdigit() else part for part in path.split("."))
    place = result
    for part in way:
        place = place[part]
    if value is REMOVED:
        del place[last]
    else:
        place[last] = value
    return result


S3_SOURCE = "InputDataConfig.0.DataSource.S3DataSource"
REFUSED = [
    ("TrainingJobName", REMOVED, "trainingJobName"),
    ("TrainingJobName", "a" * 64, "length less than or equal to 63"),
    ("TrainingJobName", "under_score", "regular expression"),
    ("TrainingJobName", "-dash-first", "regular expression"),
    ("TrainingJobName", "../../etc", "regular expression"),
    ("TrainingJobName", "new\nline", "regular expression"),
    ("TrainingJobName", 7, "must be a string"),
    ("RoleArn", "not-an-arn", "roleArn"),
    ("Unknown", 1, "no member of CreateTrainingJobRequest"),
    ("Environment", {"A": "x" * 513}, "512"),
    ("HyperParameters", {"a": "x" * 2501}, "2500"),
    ("HyperParameters", {"a": 1}, "must be a string"),
    ("HyperParameters", {str(n): "" for n in range(101)}, "100"),
    ("OutputDataConfig.S3OutputPath", "file:///tmp", "s3OutputPath"),
    ("OutputDataConfig.S3OutputPath", "s3://out/../../etc", "segment"),
    ("OutputDataConfig.S3OutputPath", "https://host/out", "S3OutputPath"),
    (f"{S3_SOURCE}.S3Uri", "s3://data/../secret", "segment"),
    (f"{S3_SOURCE}.S3Uri", "/etc/passwd", "s3Uri|S3"),
    (f"{S3_SOURCE}.S3DataType", "Nonsense", "enum value set"),
    (f"{S3_SOURCE}.S3DataType", "ManifestFile", "does not support S3DataType ManifestFile"),
    ("InputDataConfig.0.InputMode", "Pipe", "does not support Pipe mode"),
    ("InputDataConfig.0.CompressionType", "Gzip", "does not support CompressionType"),
    ("InputDataConfig.0.ChannelName", "../../x", "regular expression"),
    ("ResourceConfig.InstanceType", "ml.enormous", "enum value set"),
    ("ResourceConfig.InstanceCount", 0, "InstanceCount 0"),
    ("ResourceConfig.InstanceCount", 2, "limit"),
    ("ResourceConfig", REMOVED, "ResourceConfig is required"),
    ("StoppingCondition.MaxRuntimeInSeconds", 0, "greater than or equal to 1"),
    ("StoppingCondition.MaxRuntimeInSeconds", 28 * 86400 + 1, "28 days"),
    ("StoppingCondition.MaxWaitTimeInSeconds", 7200, "EnableManagedSpotTraining"),
    ("EnableManagedSpotTraining", True, "MaxWaitTimeInSeconds"),
    ("AlgorithmSpecification.TrainingInputMode", "Pipe", "does not support Pipe mode"),
    ("AlgorithmSpecification.ContainerEntrypoint", REMOVED, "images.json"),
    ("AlgorithmSpecification.TrainingImage", REMOVED, "TrainingImage"),
    ("CheckpointConfig", {"S3Uri": "s3://c/../x"}, "CheckpointConfig"),
    ("Tags", [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}], "more than once"),
    ("Tags", [{"Key": "aws:own", "Value": "1"}], "reserved"),
]


@pytest.mark.parametrize(("path", "value", "words"), REFUSED)
def test_a_wrong_training_job_is_refused(api: LocalApi, path, value, words):
    """What works here but is refused by AWS is found in production, on the bill."""
    request = changed(api.request("right"), path, value)
    status, body = post(api, "SageMaker.CreateTrainingJob", json.dumps(request).encode())
    assert status == 400
    error = next((word for word in words.split("|") if word in body["message"]), None)
    assert error is not None, body
    codes = ("ValidationException", "SerializationException", "ResourceLimitExceeded")
    assert body["__type"] in codes
    assert read_ledger(api.home) == []


def test_two_channels_of_one_name_are_refused(api: LocalApi):
    """One would silently replace the other's files."""
    request = api.request("right")
    request["InputDataConfig"] *= 2
    with pytest.raises(ClientError, match="more than once"):
        api.sm.create_training_job(**request)


def test_all_problems_are_named_at_once(api: LocalApi):
    """One error a round trip makes a long afternoon."""
    status, body = post(api, "SageMaker.CreateTrainingJob", b'{"TrainingJobName": "a_b"}')
    assert status == 400
    assert body["message"].startswith("3 validation errors detected: ")


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("create_hyper_parameter_tuning_job", None),
        ("list_processing_jobs", {}),
        ("list_pipelines", {}),
        ("describe_auto_ml_job_v2", {"AutoMLJobName": "a"}),
    ],
)
def test_what_is_not_implemented_says_so(api: LocalApi, operation, arguments):
    """A tuning job that is accepted and never runs costs a user more than an error."""
    if arguments is None:
        status, body = post(api, "SageMaker.CreateHyperParameterTuningJob", b"{}")
        assert (status, body["__type"]) == (400, "NotImplemented")
        assert "CreateTrainingJob" in body["message"]
        return
    with pytest.raises(ClientError, match=r"supports: .*CreateTrainingJob") as caught:
        getattr(api.sm, operation)(**arguments)
    assert caught.value.response["Error"]["Code"] == "NotImplemented"


@pytest.mark.parametrize(
    ("target", "body", "code"),
    [
        ("SageMaker.NoSuchOperation", b"{}", "UnknownOperationException"),
        ("Nonsense", b"{}", "UnknownOperationException"),
        ("", b"{}", "UnknownOperationException"),
        ("SageMaker.ListTrainingJobs", b"not json", "SerializationException"),
        ("SageMaker.ListTrainingJobs", b"[]", "SerializationException"),
        ("SageMaker.ListTrainingJobs", b"\xff\xfe", "SerializationException"),
        ("SageMaker.ListTrainingJobs", b'{"NextToken": "made up"}', "ValidationException"),
        ("SageMaker.ListTrainingJobs", b'{"MaxResults": true}', "SerializationException"),
    ],
)
def test_malformed_requests_are_answered_not_crashed_on(api: LocalApi, target, body, code):
    """A 500 hides what was wrong with the request."""
    status, reply = post(api, target, body)
    assert (status, reply["__type"]) == (400, code)


def test_a_request_of_another_host_name_is_refused(api: LocalApi):
    """DNS rebinding: a web page in the user's browser could run commands on the machine."""
    status, reply = post(api, "SageMaker.ListTrainingJobs", b"{}", Host="evil.example:80")
    assert (status, reply["__type"]) == (403, "AccessDenied")
    port = urllib.parse.urlsplit(api.url).port
    assert post(api, "SageMaker.ListTrainingJobs", b"{}", Host=f"localhost:{port}")[0] == 200


@pytest.mark.skipif(os.getuid() != 0, reason="only root can act as another user")
@pytest.mark.parametrize(("user", "status"), [(65534, 403), (0, 200)])
@pytest.mark.parametrize("claimed", ["", "192.0.2.1"])
def test_another_user_of_the_machine_is_refused(api: LocalApi, user, status, claimed):
    """Every account can reach a loopback port, and this API runs commands as its owner.

    Nor does a request that claims to come from elsewhere pass.
    """
    code = (
        "import http.client, sys\n"
        "connection = http.client.HTTPConnection(sys.argv[1])\n"
        "headers = {'X-Amz-Target': 'SageMaker.ListTrainingJobs'}\n"
        "headers |= {'X-Forwarded-For': sys.argv[2]} if sys.argv[2] else {}\n"
        "connection.request('POST', '/', b'{}', headers)\n"
        "print(connection.getresponse().status)"
    )
    command = ["/usr/bin/env", "-i", "python3", "-I", "-c", code]
    netloc = urllib.parse.urlsplit(api.url).netloc
    ran = subprocess.run(
        [*command, netloc, claimed], user=user, cwd="/", capture_output=True, text=True, check=False
    )
    if "Permission denied" in ran.stderr or "No such file" in ran.stderr:
        pytest.skip("that user may not run Python here")
    assert ran.stdout.strip() == str(status), ran.stderr


def test_an_oversized_request_is_refused(api: LocalApi):
    """Fault matrix 36: a huge body must not become a huge server."""
    status, reply = post(api, "SageMaker.ListTrainingJobs", b" " * (8 * 2**20 + 1))
    assert (status, reply["__type"]) == (413, "RequestEntityTooLargeException")


@pytest.mark.parametrize(
    ("operation", "arguments", "words"),
    [
        ("describe_training_job", {"TrainingJobName": "none"}, "Requested resource not found"),
        ("stop_training_job", {"TrainingJobName": "none"}, "Requested resource not found"),
        ("describe_model", {"ModelName": "none"}, 'Could not find model "arn:'),
        ("delete_model", {"ModelName": "none"}, 'Could not find model "arn:'),
        ("describe_endpoint", {"EndpointName": "none"}, 'Could not find endpoint "arn:'),
        ("delete_endpoint", {"EndpointName": "none"}, 'Could not find endpoint "arn:'),
        (
            "create_endpoint",
            {"EndpointName": "e", "EndpointConfigName": "none"},
            'Could not find endpoint configuration "arn:',
        ),
        ("describe_model_package", {"ModelPackageName": "none"}, "does not exist"),
        ("describe_model_package_group", {"ModelPackageGroupName": "none"}, "does not exist"),
    ],
)
def test_what_is_not_there_is_said_as_the_service_says_it(api, operation, arguments, words):
    """Clients of SageMaker tell "missing" from "wrong" by these words."""
    with pytest.raises(ClientError, match=words) as caught:
        getattr(api.sm, operation)(**arguments)
    assert caught.value.response["Error"]["Code"] == "ValidationException"
