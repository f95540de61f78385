"""Faults of processing and transform jobs, and what the ledger says that each job cost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from mlops_assets.sagemaker_local.store import LedgerEntry, read_ledger
from mlops_assets_tests.sagemaker_local import transform_api
from mlops_assets_tests.sagemaker_local.api import LocalApi
from mlops_assets_tests.sagemaker_local.processing import processing_api
from mlops_assets_tests.sagemaker_local.training.job_parts import fault_tags

pytestmark = pytest.mark.integration
Ran = Callable[..., dict[str, Any]]


def processed(api: LocalApi, name: str, **faults: str) -> dict[str, Any]:
    found = processing_api.process(api, name, "print('ran')", Tags=fault_tags(**faults))
    return {
        key.removeprefix("ProcessingJob").removeprefix("Processing"): found[key] for key in found
    }


def transformed(api: LocalApi, name: str, **faults: str) -> dict[str, Any]:
    model = transform_api.model(api, f"{name}-model")
    job = transform_api.request(name, model, Tags=fault_tags(**faults))
    found = transform_api.transform(api, job, rows=b"1\n")
    return {key.removeprefix("TransformJob").removeprefix("Transform"): found[key] for key in found}


def entry(api: LocalApi, name: str) -> LedgerEntry:
    (found,) = [each for each in read_ledger(api.home) if each.job == name]
    return found


@pytest.mark.parametrize("run", [processed, transformed])
def test_a_job_without_capacity_never_begins_and_costs_nothing(api: LocalApi, run: Ran):
    name = f"full-{run.__name__}"
    job = run(api, name, capacity_error="0")
    assert job["Status"] == "Failed"
    assert job["FailureReason"].startswith("CapacityError: Unable to provision")
    assert "StartTime" not in job
    assert entry(api, name).billable_seconds == 0


@pytest.mark.parametrize("run", [processed, transformed])
def test_an_internal_error_is_told_as_the_services_own(api: LocalApi, run: Ran):
    """A client retries these, and no error of a script."""
    job = run(api, f"broken-{run.__name__}", internal_error="1")
    assert job["Status"] == "Failed"
    assert job["FailureReason"].startswith("InternalServerError: ")


@pytest.mark.parametrize("run", [processed, transformed])
def test_a_slow_start_is_no_work(api: LocalApi, run: Ran):
    name = f"slow-{run.__name__}"
    job = run(api, name, slow_start="1.5")
    assert job["Status"] == "Completed"
    assert (job["StartTime"] - job["CreationTime"]).total_seconds() >= 1.5
    assert entry(api, name).billable_seconds == round(
        (job["EndTime"] - job["StartTime"]).total_seconds()
    )


@pytest.mark.parametrize("run", [processed, transformed])
def test_a_fault_that_the_job_cannot_have_is_refused(api: LocalApi, run: Ran):
    with pytest.raises(ClientError, match="spot interruption needs"):
        run(api, f"spot-{run.__name__}", spot_interruption="1")


def test_jobs_of_two_kinds_may_share_a_name_and_are_billed_each(api: LocalApi):
    """Names are unique within a kind: by name alone, one job's seconds were the other's."""
    api.train("same", "print('ran')")
    processed(api, "same")
    found = [each for each in read_ledger(api.home) if each.job == "same"]
    assert [each.arn.split(":")[5].split("/")[0] for each in found] == [
        "training-job", "processing-job",
    ]  # fmt: skip
    assert all(each.billable_seconds is not None for each in found)
