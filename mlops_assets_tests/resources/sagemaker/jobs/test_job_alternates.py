"""Instances that are not to be had: waited for, then the declared alternates (fault matrix 16)."""

from itertools import pairwise
from typing import Any

import dagster as dg
import pytest
from botocore.exceptions import ClientError

from mlops_assets.resources.sagemaker.jobs.attempts import Wanted, find_attempt
from mlops_assets.resources.sagemaker.jobs.instances import on_each_instance
from mlops_assets.resources.sagemaker.jobs.kinds import PROCESSING, TRAINING
from mlops_assets.resources.sagemaker.jobs.patience import Patience
from mlops_assets.resources.sagemaker.names import SPEC_HASH_TAG
from mlops_assets.resources.sagemaker.requests import Placement, TrainingSpec
from mlops_assets.resources.sagemaker.training import PipesSageMakerTrainingClient
from mlops_assets.resources.sagemaker.tuning_request import tuning_request
from mlops_assets.tuning import Continuous, Tuning
from mlops_assets_tests.resources.sagemaker.conftest import BUCKET, Ended, Lab, train

FIRST, OTHER = "ml.m5.xlarge", "ml.c5.xlarge"
KEY = "arn:aws:kms:us-east-1:123456789012:key/0"
NO_CAPACITY = {"mlops-fault:capacity-error": f"0 instance={FIRST}"}
NO_QUOTA = {"mlops-fault:resource-limit-exceeded": f"99 instance={FIRST}"}


def clusters(requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [request["ResourceConfig"] for request in requests]


def test_a_request_differs_in_its_instance_type_alone() -> None:
    request = {
        "TrainingJobName": "a",
        "ResourceConfig": {"InstanceType": FIRST, "VolumeSizeInGB": 9},
    }
    found = on_each_instance(TRAINING, request, [OTHER])
    assert found[0] == request
    assert found[1] == {**request, "ResourceConfig": {"InstanceType": OTHER, "VolumeSizeInGB": 9}}
    assert request["ResourceConfig"]["InstanceType"] == FIRST


def test_a_volume_has_a_key_where_the_type_takes_one() -> None:
    """With a key for NVMe storage Create is refused; without one for a volume, the role's policy
    refuses it."""
    placement = Placement(kms_key_arn=KEY)
    keyed = {"ResourceConfig": {"InstanceType": "ml.m5.xlarge", "VolumeKmsKeyId": KEY}}
    types = ["ml.g5.xlarge", "ml.c5.xlarge"]
    keys = [c.get("VolumeKmsKeyId") for c in clusters(on_each_instance(TRAINING, keyed, types))]
    assert keys == [KEY, None, KEY]
    plain = {"ResourceConfig": {"InstanceType": "ml.g5.xlarge"}}
    found = on_each_instance(TRAINING, plain, ["ml.p2.xlarge"], placement)
    assert [c.get("VolumeKmsKeyId") for c in clusters(found)] == [None, KEY]


def test_groups_of_instances_have_no_alternate() -> None:
    groups = {"ProcessingResources": {"ClusterConfig": {"InstanceGroups": []}}}
    assert on_each_instance(PROCESSING, groups, []) == [groups]
    with pytest.raises(ValueError, match="for one type only"):
        on_each_instance(PROCESSING, groups, [OTHER])


def search(*alternates: str) -> dict[str, Any]:
    spec = TrainingSpec(
        pipeline="p", asset="a", partition="x", source=(), program="t.py", channels={},
        alternates=alternates, metric_definitions={"loss": "(.)"},
    )  # fmt: skip
    tuning = Tuning(ranges={"x": Continuous(0, 1)}, metric="loss")
    return tuning_request(spec, tuning, Placement(kms_key_arn=KEY), bucket="b", code_uri="s3://c")


def test_a_search_leaves_the_choice_to_the_service() -> None:
    plain = search()["TrainingJobDefinition"]
    assert plain["ResourceConfig"]["InstanceType"] == FIRST
    several = search(OTHER)["TrainingJobDefinition"]
    assert "ResourceConfig" not in several
    allowed = several["HyperParameterTuningResourceConfig"]
    assert [each["InstanceType"] for each in allowed["InstanceConfigs"]] == [FIRST, OTHER]
    assert allowed["AllocationStrategy"] == "Prioritized"
    assert allowed["VolumeKmsKeyId"] == KEY


def test_a_search_never_trains_on_a_volume_without_key() -> None:
    """One key for all types: with a type that refuses it, the others would have none."""
    with pytest.raises(
        ValueError, match=r"ml\.m5\.xlarge, ml\.m5d\.xlarge .* alternates of one kind"
    ):
        search("ml.m5d.xlarge")


def client(lab: Lab, capacity_s: float = 0.6) -> PipesSageMakerTrainingClient:
    return PipesSageMakerTrainingClient(
        lab.sagemaker,
        lab.objects,
        BUCKET,
        poll_interval=0.1,
        patience=Patience(capacity_s=capacity_s, first_s=0.2),
    )


@pytest.fixture(scope="module")
def starved(lab: Lab) -> tuple[Ended, list[dict[str, Any]]]:
    """A run whose first instance type is not to be had, and its jobs."""
    with dg.DagsterInstance.ephemeral() as instance:
        spec = lab.spec("starved", "", alternates=(OTHER,), tags=NO_CAPACITY)
        return train(client(lab), spec, instance=instance), lab.jobs("starved")


@pytest.mark.integration
def test_it_waits_and_then_takes_the_alternate(starved: tuple[Ended, list[dict[str, Any]]]) -> None:
    ended, jobs = starved
    assert ended.success
    types = [job["ResourceConfig"]["InstanceType"] for job in jobs]
    assert types[:-1] == [FIRST] * (len(jobs) - 1)
    assert len(jobs) >= 3, "the first type was waited for, and asked for again"
    assert types[-1] == OTHER
    assert ended.metadata["job_name"] == f"{jobs[0]['TrainingJobName']}-{len(jobs)}"


@pytest.mark.integration
def test_no_attempt_begins_before_the_last_has_ended(
    starved: tuple[Ended, list[dict[str, Any]]],
) -> None:
    """Two that run at once are both paid."""
    _, jobs = starved
    for before, after in pairwise(jobs):
        assert before["TrainingEndTime"] <= after["CreationTime"]


@pytest.mark.integration
def test_what_it_cost_is_by_the_instance_that_it_had(
    starved: tuple[Ended, list[dict[str, Any]]],
) -> None:
    from mlops_assets.resources.sagemaker.hosting.cost import prices

    ended, jobs = starved
    assert ended.metadata["instance"] == f"1 × {OTHER}"
    usd = prices().instances[OTHER].usd * jobs[-1]["BillableTimeInSeconds"] / 3600
    assert ended.metadata["cost_usd"] == pytest.approx(usd, abs=1e-6)


@pytest.mark.integration
@pytest.mark.parametrize("alternates", [(OTHER,), ()])
def test_another_run_adopts_what_the_alternate_trained(
    lab: Lab, instance: dg.DagsterInstance, starved: tuple[Ended, list], alternates: tuple[str, ...]
) -> None:
    """Alternates are no part of a job's identity: nothing is trained again for another list."""
    before = len(lab.jobs("starved"))
    spec = lab.spec("starved", "", alternates=alternates, tags=NO_CAPACITY)
    again = train(client(lab), spec, instance=instance)
    assert again.metadata["adopted"]
    assert again.metadata["job_name"] == starved[0].metadata["job_name"]
    assert len(lab.jobs("starved")) == before


@pytest.mark.integration
def test_without_an_alternate_it_fails_and_says_why(lab: Lab, instance: dg.DagsterInstance) -> None:
    ended = train(client(lab, 0.1), lab.spec("lonely", "", tags=NO_CAPACITY), instance=instance)
    assert not ended.success
    assert "CapacityError" in ended.failure.error.message


@pytest.mark.integration
def test_a_quota_for_one_type_is_no_quota_for_another(
    lab: Lab, instance: dg.DagsterInstance
) -> None:
    """Nothing was created under the name: the alternate is the first attempt."""
    spec = lab.spec("limited", "", alternates=(OTHER,), tags=NO_QUOTA)
    ended = train(client(lab, 0.4), spec, instance=instance)
    assert ended.success
    (job,) = lab.jobs("limited")
    assert job["ResourceConfig"]["InstanceType"] == OTHER
    assert ended.metadata["job_name"] == job["TrainingJobName"]


@pytest.mark.integration
def test_a_scripts_own_failure_is_tried_on_no_other_instance(
    lab: Lab, instance: dg.DagsterInstance
) -> None:
    """It would fail there as well, and be paid again."""
    spec = lab.spec("broken", "raise SystemExit('no rows')", alternates=(OTHER,))
    assert not train(client(lab), spec, instance=instance).success
    assert len(lab.jobs("broken")) == 1


class Failed:
    """A service in which so many attempts at job ``a`` have failed, for that reason."""

    def __init__(self, attempts: int, reason: str) -> None:
        self._names = ["a", *(f"a-{number}" for number in range(2, attempts + 1))]
        self._reason = reason

    def describe_training_job(self, *, TrainingJobName: str) -> dict[str, Any]:
        if TrainingJobName not in self._names:
            answer = {"Error": {"Code": "ValidationException", "Message": "not found"}}
            raise ClientError(answer, "DescribeTrainingJob")
        return {
            "TrainingJobName": TrainingJobName,
            "TrainingJobArn": "arn",
            "TrainingJobStatus": "Failed",
            "FailureReason": self._reason,
        }

    def get_paginator(self, _: str) -> "Failed":
        return self

    def paginate(self, **_: Any) -> "Failed":
        return self

    def build_full_result(self) -> dict[str, Any]:
        return {"Tags": [{"Key": SPEC_HASH_TAG, "Value": "hash"}]}


@pytest.mark.parametrize(
    ("count", "reason", "found"),
    [
        (30, "CapacityError: no room", "a-31"),
        (98, "CapacityError: no room", "a-99"),
        (99, "CapacityError: no room", None),
        (19, "AlgorithmError: no rows", "a-20"),
        (20, "AlgorithmError: no rows", None),
    ],
)
def test_attempts_that_found_no_instances_are_no_failed_ones(count, reason, found) -> None:
    """An afternoon without capacity used up the twenty attempts of a job for ever."""
    client, wanted = Failed(count, reason), Wanted({"TrainingJobName": "a"}, "hash")
    if found is None:
        with pytest.raises(RuntimeError, match=f"{count} attempts .* FailureReason"):
            find_attempt(lambda: client, TRAINING, wanted, lambda _: True)
    else:
        assert find_attempt(lambda: client, TRAINING, wanted, lambda _: True).name == found
