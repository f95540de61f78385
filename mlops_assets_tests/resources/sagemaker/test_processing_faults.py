"""Processing jobs that are refused, starved, throttled or gone: waited for, once, or explained."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from botocore.awsrequest import AWSResponse

from mlops_assets.resources.sagemaker.jobs.patience import Patience
from mlops_assets.resources.sagemaker.session import SageMakerResource
from mlops_assets_tests.resources.sagemaker.conftest import Lab
from mlops_assets_tests.resources.sagemaker.fault_parts import answer_of, waiting_for
from mlops_assets_tests.resources.sagemaker.processing_parts import client, jobs, process, spec

pytestmark = pytest.mark.integration
IN_USE = (
    "The account-level service limit 'ml.m5.xlarge for processing job usage' is 2 Instances, with "
    "current utilization of 2 Instances and a request delta of 1 Instances."
)


def refusing(lab: Lab, message: str, times: int) -> tuple[SageMakerResource, list[int]]:
    """Clients whose first Creates are refused for a quota; the list counts them."""
    sagemaker = lab.fresh(max_attempts=1)
    refused: list[int] = []

    def answer(**_: Any) -> AWSResponse | None:
        if len(refused) >= times:
            return None
        refused.append(1)
        return answer_of("ResourceLimitExceeded", message)

    events = sagemaker.client().meta.events
    events.register("before-send.sagemaker.CreateProcessingJob", answer)
    return sagemaker, refused


def test_a_quota_that_others_use_is_waited_for(lab: Lab, instance: dg.DagsterInstance) -> None:
    """Twenty backfilled partitions and a quota of two: each must run in the end, once."""
    sagemaker, refused = refusing(lab, IN_USE, 3)
    ended = process(client(lab, sagemaker), spec(lab, "queued", ""), instance=instance)
    assert ended.success
    assert len(refused) == 3
    assert len(jobs(lab, "queued")) == 1


def test_the_wait_for_a_quota_has_an_end_that_says_what_to_do(
    lab: Lab, instance: dg.DagsterInstance
) -> None:
    """A run that waits for ever holds its slot for ever."""
    sagemaker, refused = refusing(lab, IN_USE, 10_000)
    short = Patience(capacity_s=0.3, first_s=0.05, longest_s=0.1)
    ended = process(
        client(lab, sagemaker, patience=short), spec(lab, "starved", ""), instance=instance
    )
    assert len(refused) > 1
    assert "ask AWS for a higher quota" in ended.failure.user_failure_data.description
    assert jobs(lab, "starved") == []
    assert not list(lab.objects().list("s3://lake/pipes/starved"))


def test_more_than_the_whole_quota_is_not_waited_for(
    lab: Lab, instance: dg.DagsterInstance
) -> None:
    """The negative control: what can never be granted fails at once."""
    sagemaker, refused = refusing(lab, IN_USE.replace("delta of 1", "delta of 3"), 10_000)
    ended = process(client(lab, sagemaker), spec(lab, "greedy", ""), instance=instance)
    assert not ended.success
    assert len(refused) == 1


@pytest.fixture
def no_room(lab: Lab) -> Iterator[None]:
    """The local API fails the first attempt of `starving` for want of capacity."""
    lab.sagemaker.client().list_processing_jobs()  # the server is started, so its home exists
    faults = lab.root / "sagemaker" / "faults.json"
    rule = {"kind": "capacity-error", "resource": "starving-????????????"}
    faults.write_text(json.dumps([rule]))
    yield
    faults.unlink()


def test_want_of_capacity_starts_the_next_attempt_within_the_budget(
    lab: Lab, instance: dg.DagsterInstance, no_room: None
) -> None:
    """CapacityError is AWS's to mend: waited for, and only after the first job has ended."""
    ended = process(client(lab), spec(lab, "starving", ""), instance=instance)
    assert ended.success
    assert ended.metadata["job_name"].endswith("-2")
    first, second = jobs(lab, "starving")
    assert first["FailureReason"].startswith("CapacityError")
    assert second["ProcessingJobStatus"] == "Completed"
    assert second["CreationTime"] >= first["ProcessingEndTime"]


def test_a_job_that_vanishes_is_an_error_that_says_what_to_do(
    lab: Lab, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    """A local home that was deleted, another account's credentials: no endless wait."""
    gate, sagemaker = tmp_path / "gate", lab.fresh(max_attempts=1)
    wanted = spec(lab, "vanishing", waiting_for(gate))
    created: list[int] = []

    def vanish(**_: Any) -> AWSResponse | None:
        message = "Could not find requested job with name: vanishing"
        return answer_of("ValidationException", message) if created else None

    events = sagemaker.client().meta.events
    events.register("before-send.sagemaker.DescribeProcessingJob", vanish)
    events.register("after-call.sagemaker.CreateProcessingJob", lambda **_: created.append(1))
    ended = process(client(lab, sagemaker), wanted, instance=instance)
    assert "vanished" in ended.failure.user_failure_data.description
    assert "a new run of this step starts it again" in ended.failure.user_failure_data.description
    gate.touch()


def test_expired_credentials_leave_a_job_that_the_next_run_adopts(
    lab: Lab, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    """A clear failure that leaves the job alone."""
    gate, sagemaker = tmp_path / "gate", lab.fresh(max_attempts=1)
    wanted = spec(lab, "outlived", waiting_for(gate))
    created: list[int] = []

    def expire(**_: Any) -> AWSResponse | None:
        return answer_of("ExpiredTokenException", "The token expired") if created else None

    events = sagemaker.client().meta.events
    events.register("before-send.sagemaker.DescribeProcessingJob", expire)
    events.register("after-call.sagemaker.CreateProcessingJob", lambda **_: created.append(1))
    ended = process(client(lab, sagemaker), wanted, instance=instance)
    description = ended.failure.user_failure_data.description
    assert "it adopts the job" in description
    assert "ExpiredTokenException" in description
    gate.touch()
    again = process(client(lab), wanted, instance=instance)
    assert again.metadata["adopted"] is True
    assert len(jobs(lab, "outlived")) == 1
