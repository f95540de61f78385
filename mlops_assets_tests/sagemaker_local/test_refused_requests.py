"""Requests that are wrong, or that this machine cannot do, are refused and leave nothing behind."""

from __future__ import annotations

import os
import subprocess
import urllib.parse

import pytest
from botocore.exceptions import ClientError

from mlops_assets_tests.sagemaker_local.api import LocalApi
from mlops_assets_tests.sagemaker_local.raw_requests import post

pytestmark = pytest.mark.integration


def test_all_problems_are_named_at_once(api: LocalApi):
    """One error a round trip makes a long afternoon."""
    status, body = post(api, "SageMaker.CreateTrainingJob", b'{"TrainingJobName": "a_b"}')
    assert status == 400
    assert body["message"].startswith("3 validation errors detected: ")


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("create_compilation_job", None),
        ("list_labeling_jobs", {}),
        ("list_pipelines", {}),
        ("describe_monitoring_schedule", {"MonitoringScheduleName": "a"}),
    ],
)
def test_what_is_not_implemented_says_so(api: LocalApi, operation, arguments):
    """A job that is accepted and never runs costs a user more than an error."""
    if arguments is None:
        status, body = post(api, "SageMaker.CreateCompilationJob", b"{}")
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
