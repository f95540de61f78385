"""Faults injected into a running server, as a client meets them."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from mlops_assets.sagemaker_local.store import read_ledger
from mlops_assets_tests.sagemaker_local.api import LocalApi, clean_environment
from mlops_assets_tests.sagemaker_local.training.job_parts import fault_tags, way

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        clean_environment(patch)
        home = tmp_path_factory.mktemp("faults") / "sagemaker"
        server = LocalApi(home, "--job-stop-grace", "1", "--start-limit", "1")
        yield server
        server.end()


def test_a_throttled_create_succeeds_when_it_is_sent_again(api: LocalApi):
    """Fault matrix 14 and 16: refused calls leave nothing behind, and the retry is one job."""
    request = api.request("throttled", "pass", Tags=fault_tags(throttling="2"))
    for _ in range(2):
        with pytest.raises(ClientError) as caught:
            api.sm.create_training_job(**request)
        assert caught.value.response["Error"]["Code"] == "ThrottlingException"
    api.sm.create_training_job(**request)
    assert api.wait("throttled")["TrainingJobStatus"] == "Completed"
    assert [entry.job for entry in read_ledger(api.home)].count("throttled") == 1


def test_a_job_without_capacity_fails_unbilled(api: LocalApi):
    """Fault matrix 16: CapacityError is in FailureReason, where a client must look for it."""
    job = api.train("no-room", "print('ran')", Tags=fault_tags(capacity_error="0"))
    assert (job["TrainingJobStatus"], way(job)) == ("Failed", ["Starting", "Failed"])
    assert job["FailureReason"].startswith("CapacityError: Unable to provision")
    assert job["BillableTimeInSeconds"] == 0
    assert api.lines("no-room") == []


def test_an_internal_error_is_what_a_retry_strategy_is_for(api: LocalApi):
    """Without one the same error is the job's end."""
    tags = fault_tags(internal_error="2")
    retries = {"RetryStrategy": {"MaximumRetryAttempts": 2}}
    job = api.train("retried", "print('ran')", Tags=tags, **retries)
    assert (job["TrainingJobStatus"], way(job).count("Restarting")) == ("Completed", 2)
    assert api.lines("retried") == ["ran"]
    job = api.train("not-retried", "print('ran')", Tags=tags)
    assert job["FailureReason"].startswith("InternalServerError: ")
    assert api.lines("not-retried") == []


def test_the_file_needs_no_restart(api: LocalApi):
    """Faults that are switched on in the middle of a test, and off again."""
    path = api.home / "faults.json"
    path.write_text(json.dumps([{"kind": "throttling", "amount": 1, "operation": "ListModels"}]))
    with pytest.raises(ClientError, match="Rate exceeded"):
        api.sm.list_models()
    api.sm.list_models()
    path.write_text("[")
    with pytest.raises(ClientError, match=r"faults\.json is not JSON"):
        api.sm.list_models()
    path.unlink()
    api.sm.list_models()


def test_a_share_of_an_endpoints_answers_is_a_500(api: LocalApi):
    """What an alarm on 5xx is tested with."""
    api.model("shaky", "shaky")
    tags = fault_tags(error_share="0.5", slow_start="0.3")
    api.sm.create_endpoint(EndpointName="shaky", EndpointConfigName="shaky", Tags=tags)
    assert api.settled("shaky")["EndpointStatus"] == "InService"
    answers = []
    for _ in range(6):
        try:
            answers.append(api.invoke("shaky"))
        except ClientError as error:
            answers.append(error.response["OriginalStatusCode"])
    assert answers == ["shaky:1", 500] * 3


@pytest.mark.parametrize(
    ("kind", "words"),
    [("failed_health_check", "ping health check"), ("capacity_error", "capacity")],
)
def test_an_endpoint_that_does_not_start(api: LocalApi, kind, words):
    """Fault matrix 22: creation fails and says why, and nothing is left running."""
    name = kind.replace("_", "-")
    api.model(name, name)
    tags = fault_tags(**{kind: "0"})
    api.sm.create_endpoint(EndpointName=name, EndpointConfigName=name, Tags=tags)
    found = api.settled(name)
    assert found["EndpointStatus"] == "Failed"
    assert words in found["FailureReason"]
