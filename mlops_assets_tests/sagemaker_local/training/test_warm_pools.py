"""Warm pools as they are accounted for: who keeps one, who reuses it, what it would cost."""

from __future__ import annotations

import pytest

from mlops_assets.sagemaker_local.training.warm_pool import matching_pool, warm_pool_status
from mlops_assets_tests.sagemaker_local.api import LocalApi


def job(name: str = "a", end: float = 100.0, status: str = "Completed", **more) -> dict:
    resources = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
    return {
        "TrainingJobName": name,
        "TrainingJobStatus": status,
        "TrainingEndTime": end,
        "RoleArn": "role",
        "ResourceConfig": resources | {"KeepAlivePeriodInSeconds": 60},
    } | more


@pytest.mark.parametrize(
    ("given", "now", "status", "seconds"),
    [
        (job(status="InProgress"), 100.0, "InUse", None),
        (job(), 130.0, "Available", 30),
        (job(), 161.0, "Terminated", 60),
        (job(status="Failed"), 130.0, "Terminated", 0),
        (job(WarmPoolReuse={"Job": "b", "Time": 110.0}), 500.0, "Reused", 10),
    ],
)
def test_the_status_of_a_pool(given, now, status, seconds):
    """A pool that nobody uses is paid for until it ends: its seconds must be told."""
    found = warm_pool_status(given, now)
    assert found["Status"] == status
    assert found.get("ResourceRetainedBillableTimeInSeconds") == seconds


def test_a_pool_is_reused_by_a_job_that_matches_only():
    """Another role in the instances of a job before would be a hole."""
    pools = [job("old", 90.0), job("new", 95.0), job("ended", 10.0), job("bad", status="Failed")]
    assert matching_pool(job(), pools, 120.0)["TrainingJobName"] == "new"
    assert matching_pool(job(RoleArn="other"), pools, 120.0) is None
    assert matching_pool(job(EnableNetworkIsolation=True), pools, 120.0) is None
    assert matching_pool(job(), pools, 1000.0) is None


@pytest.mark.integration
def test_a_warm_pool_in_descriptions_and_lists(api: LocalApi):
    """The members that a client of warm pools reads; no pool where none was asked for."""
    resources = {"InstanceType": "ml.c5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1}
    kept = {"ResourceConfig": resources | {"KeepAlivePeriodInSeconds": 600}}
    assert api.train("pool-a", "pass", **kept)["WarmPoolStatus"]["Status"] == "Available"
    listed = api.sm.list_training_jobs(WarmPoolStatusEquals="Available", NameContains="pool-a")
    assert [job["TrainingJobName"] for job in listed["TrainingJobSummaries"]] == ["pool-a"]
    api.train("pool-b", "pass", **kept)
    found = api.describe("pool-a")["WarmPoolStatus"]
    assert (found["Status"], found["ReusedByJob"]) == ("Reused", "pool-b")
    assert "WarmPoolStatus" not in api.train("pool-none", "pass")
