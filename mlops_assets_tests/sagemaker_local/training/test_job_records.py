"""Training jobs in the books: their names, the ledger, lists and tags."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from mlops_assets.sagemaker_local.store import read_ledger
from mlops_assets_tests.sagemaker_local.api import LocalApi

pytestmark = pytest.mark.integration


def test_a_name_is_used_once_and_billed_once(api: LocalApi):
    """Fault matrix 1–3: a retry meets ResourceInUse, and the ledger shows one job."""
    request = api.request("once", "print('trained')")
    arn = api.sm.create_training_job(**request)["TrainingJobArn"]
    with pytest.raises(ClientError) as caught:
        api.sm.create_training_job(**request)
    assert caught.value.response["Error"]["Code"] == "ResourceInUse"
    assert arn in str(caught.value)
    api.wait("once")
    (entry,) = [entry for entry in read_ledger(api.home) if entry.job == "once"]
    assert (entry.instance_type, entry.instance_count) == ("ml.m5.large", 1)
    assert entry.billable_seconds is not None


def test_list_filters_sorts_and_pages(api: LocalApi):
    """Adoption looks jobs up by name: a page that skips or repeats one would train twice."""
    for number in range(3):
        api.train(f"listed-{number}", "pass")
    pages = api.sm.get_paginator("list_training_jobs").paginate(
        NameContains="listed",
        SortBy="Name",
        SortOrder="Ascending",
        PaginationConfig={"PageSize": 2},
    )
    names = [[s["TrainingJobName"] for s in page["TrainingJobSummaries"]] for page in pages]
    assert names == [["listed-0", "listed-1"], ["listed-2"]]
    found = api.sm.list_training_jobs(NameContains="listed", StatusEquals="Failed")
    assert found["TrainingJobSummaries"] == []


def test_tags_of_a_job(api: LocalApi):
    """The adoption of a job compares the hash in its tags."""
    tags = [{"Key": "hash", "Value": "abc"}]
    arn = api.sm.create_training_job(**api.request("tagged", "pass", Tags=tags))["TrainingJobArn"]
    api.sm.add_tags(ResourceArn=arn, Tags=[{"Key": "more", "Value": "x"}])
    assert {t["Key"]: t["Value"] for t in api.sm.list_tags(ResourceArn=arn)["Tags"]} == {
        "hash": "abc",
        "more": "x",
    }
    api.sm.delete_tags(ResourceArn=arn, TagKeys=["more"])
    assert api.sm.list_tags(ResourceArn=arn)["Tags"] == tags
    with pytest.raises(ClientError, match="Could not find"):
        api.sm.list_tags(ResourceArn=arn.replace("tagged", "nobody"))
