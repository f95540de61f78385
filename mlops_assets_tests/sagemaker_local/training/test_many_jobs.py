"""Two hundred training jobs at once over a few workers, with the server killed in the middle."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import pytest

from mlops_assets.sagemaker_local.store import read_ledger
from mlops_assets_tests.sagemaker_local.api import ENDED, LocalApi, eventually

pytestmark = pytest.mark.integration

JOBS, WORKERS = 200, 4


def summaries(api: LocalApi) -> list[dict[str, Any]]:
    pages = api.sm.get_paginator("list_training_jobs").paginate(PaginationConfig={"PageSize": 100})
    return [summary for page in pages for summary in page["TrainingJobSummaries"]]


def ended(api: LocalApi) -> int:
    time.sleep(0.3)  # a list of them all each 20 ms would be what the server is busy with
    return sum(job["TrainingJobStatus"] in ENDED for job in summaries(api))


def test_two_hundred_jobs_end_although_the_server_is_killed(new_api):
    """Fault matrix 4: of a backfill no job may be lost, none may run twice, and only those that ran
    when the server died may have failed, with that as the reason."""
    api = new_api("--job-workers", str(WORKERS))
    request = api.request("job")
    request["AlgorithmSpecification"]["ContainerEntrypoint"] = ["true"]
    del request["InputDataConfig"]
    for number in range(JOBS):
        api.sm.create_training_job(**request | {"TrainingJobName": f"job-{number}"})
    eventually(lambda: ended(api) >= 10, within=300)
    api.end(kill=True)
    api.start()
    eventually(lambda: ended(api) == JOBS, within=300)
    found = summaries(api)
    assert len({job["TrainingJobName"] for job in found}) == JOBS
    counts = Counter(job["TrainingJobStatus"] for job in found)
    assert counts["Completed"] + counts["Failed"] == JOBS
    assert counts["Failed"] <= WORKERS
    for job in found:
        if job["TrainingJobStatus"] == "Failed":
            reason = api.describe(job["TrainingJobName"])["FailureReason"]
            assert "stopped or killed while the job was running" in reason
    entries = read_ledger(api.home)
    assert len(entries) == len({entry.job for entry in entries}) == JOBS
    assert all(entry.billable_seconds is not None for entry in entries)
