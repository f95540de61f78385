"""Rows 3, 14, 16 and 20 of the fault matrix: requests that are lost, refused or throttled."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError, ReadTimeoutError

from mlops_assets_tests.resources.sagemaker.conftest import Lab, train
from mlops_assets_tests.resources.sagemaker.fault_parts import QUICK, answer_of, waiting_for

pytestmark = pytest.mark.integration


def test_a_lost_answer_to_create_is_not_a_lost_job(lab: Lab, instance: dg.DagsterInstance) -> None:
    """Row 3: the service created the job, and the connection broke before it could say so."""
    sagemaker = lab.fresh()
    lost: list[str] = []

    def lose(**_: Any) -> None:
        if not lost:
            lost.append("the answer")
            raise ReadTimeoutError(endpoint_url="http://sagemaker")

    sagemaker.client().meta.events.register("after-call.sagemaker.CreateTrainingJob", lose)
    ended = train(lab.training(sagemaker), lab.spec("lost", QUICK), instance=instance)
    assert lost
    assert ended.success
    assert ended.metadata["adopted"] is True
    assert len(lab.jobs("lost")) == 1


def test_a_request_that_never_arrived_is_sent_again(lab: Lab, instance: dg.DagsterInstance) -> None:
    """The other half of row 3: no answer, and no job either."""
    sagemaker = lab.fresh()
    lost: list[str] = []

    def lose(**_: Any) -> None:
        if not lost:
            lost.append("the request")
            raise ReadTimeoutError(endpoint_url="http://sagemaker")

    sagemaker.client().meta.events.register("before-call.sagemaker.CreateTrainingJob", lose)
    ended = train(lab.training(sagemaker), lab.spec("unsent", QUICK), instance=instance)
    assert lost
    assert ended.success
    assert ended.metadata["adopted"] is False
    assert len(lab.jobs("unsent")) == 1


def test_a_refused_request_fails_with_the_service_s_words_and_leaves_nothing(
    lab: Lab, instance: dg.DagsterInstance
) -> None:
    """Row 16, its first half: a quota is no reason to wait, and no context stays behind."""
    spec = lab.spec("refused", QUICK, instance_count=9)
    ended = train(lab.training(), spec, instance=instance)
    assert not ended.success
    assert "ResourceLimitExceeded" in str(ended.failure.error)
    assert lab.jobs("refused") == []
    assert not any("refused" in info.uri for info in lab.objects().list("s3://lake/pipes"))


def test_expired_credentials_leave_a_job_that_the_next_run_adopts(
    lab: Lab, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    """Row 20: a clear failure, the job goes on, and its context is still there to be read."""
    gate = tmp_path / "gate"
    spec = lab.spec("expired", waiting_for(gate))
    sagemaker = lab.fresh()

    def expire(**_: Any) -> AWSResponse | None:
        running = [job for job in lab.jobs("expired") if job["SecondaryStatus"] == "Training"]
        return answer_of("ExpiredTokenException", "The security token expired") if running else None

    client = sagemaker.client()
    client.meta.events.register("before-send.sagemaker.DescribeTrainingJob", expire)
    ended = train(lab.training(sagemaker), spec, instance=instance)
    assert not ended.success
    assert "ExpiredTokenException" in str(ended.failure.error)
    (job,) = lab.jobs("expired")
    assert job["TrainingJobStatus"] == "InProgress"
    gate.touch()
    again = train(lab.training(), spec, instance=instance)
    assert again.metadata["adopted"] is True
    assert len(lab.jobs("expired")) == 1


def throttle(client: Any, operation: str, times: int) -> list[int]:
    """Answer the next calls as a throttling service does; what is returned counts them."""
    throttled: list[int] = []

    def answer(**_: Any) -> AWSResponse | None:
        if len(throttled) >= times:
            return None
        throttled.append(1)
        return answer_of("ThrottlingException", "Rate exceeded")

    client.meta.events.register(f"before-send.sagemaker.{operation}", answer)
    return throttled


def test_a_throttled_describe_leaves_the_job_alone(lab: Lab, instance: dg.DagsterInstance) -> None:
    """Row 14. One attempt per call, so that botocore's own retries hide nothing."""
    sagemaker = lab.fresh(max_attempts=1)
    throttled = throttle(sagemaker.client(), "DescribeTrainingJob", times=4)
    ended = train(lab.training(sagemaker), lab.spec("throttled", QUICK), instance=instance)
    assert len(throttled) == 4
    assert ended.success
    assert len(lab.jobs("throttled")) == 1


def test_throttling_is_an_error_to_a_client_that_is_not_patient(lab: Lab) -> None:
    """The negative control of row 14: the injected fault is one."""
    client = lab.fresh(max_attempts=1).client()
    throttle(client, "DescribeTrainingJob", times=1)
    with pytest.raises(ClientError, match="ThrottlingException"):
        client.describe_training_job(TrainingJobName="any")


def test_a_throttled_create_makes_one_job(lab: Lab, instance: dg.DagsterInstance) -> None:
    sagemaker = lab.fresh(max_attempts=1)
    throttled = throttle(sagemaker.client(), "CreateTrainingJob", times=3)
    ended = train(lab.training(sagemaker), lab.spec("throttled-create", QUICK), instance=instance)
    assert len(throttled) == 3
    assert ended.metadata["adopted"] is False
    assert len(lab.jobs("throttled-create")) == 1
