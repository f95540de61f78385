"""What jobs cost: billable seconds × instances × price, and what spot saved."""

import datetime as dt
from typing import Any

import pytest

from mlops_assets.resources.sagemaker.jobs.cost import cost_of
from mlops_assets.resources.sagemaker.jobs.kinds import PROCESSING, TRAINING, TRANSFORM
from mlops_assets.resources.sagemaker.jobs.outcome import job_metadata

START = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
SPOT: dict[str, Any] = {
    "TrainingJobName": "spot",
    "TrainingJobArn": "arn",
    "TrainingJobStatus": "Completed",
    "ResourceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 2},
    "TrainingTimeInSeconds": 3600,
    "BillableTimeInSeconds": 900,
    "EnableManagedSpotTraining": True,
}


def between(clock: str, seconds: float) -> dict[str, Any]:
    return {f"{clock}StartTime": START, f"{clock}EndTime": START + dt.timedelta(seconds=seconds)}


def test_spot_training_is_billed_by_its_billable_seconds_on_every_instance() -> None:
    """AWS: BillableTimeInSeconds × InstanceCount; the rest of the time is what spot saved."""
    cost = cost_of(TRAINING, SPOT)
    assert cost is not None
    assert cost.usd == pytest.approx(2 * 0.23 * 900 / 3600)
    assert cost.saved_usd == pytest.approx(2 * 0.23 * 2700 / 3600)
    shown = {k: v.value for k, v in job_metadata(TRAINING, SPOT, adopted=False, region="x").items()}
    assert shown["spot_savings"] == pytest.approx(0.75)
    assert shown["spot_saved_usd"] == pytest.approx(0.345)
    assert "this machine" not in str(shown["cost_basis"])


def test_groups_of_instances_add_up() -> None:
    """A heterogeneous cluster, billed as one of its types, would show a fraction of its cost."""
    groups = [
        {"InstanceGroupName": "gpu", "InstanceType": "ml.g5.xlarge", "InstanceCount": 1},
        {"InstanceGroupName": "cpu", "InstanceType": "ml.m5.large", "InstanceCount": 4},
    ]
    cost = cost_of(TRAINING, SPOT | {"ResourceConfig": {"InstanceGroups": groups}})
    assert cost is not None
    assert cost.usd == pytest.approx((1.408 + 4 * 0.115) * 900 / 3600)


def test_processing_and_transform_are_billed_from_start_to_end() -> None:
    cluster = {"InstanceType": "ml.m5.large", "InstanceCount": 3, "VolumeSizeInGB": 30}
    job = {"ProcessingResources": {"ClusterConfig": cluster}, **between("Processing", 120)}
    cost = cost_of(PROCESSING, job)
    assert cost is not None
    assert cost.usd == pytest.approx(3 * 0.115 * 120 / 3600)
    assert cost.saved_usd == 0
    resources = {"InstanceType": "ml.c5.xlarge", "InstanceCount": 1}
    cost = cost_of(TRANSFORM, {"TransformResources": resources, **between("Transform", 3600)})
    assert cost is not None
    assert cost.usd == pytest.approx(0.204)


@pytest.mark.parametrize(
    "change",
    [
        {"ResourceConfig": {"InstanceType": "ml.unknown.xlarge", "InstanceCount": 1}},
        {"TrainingTimeInSeconds": None, "BillableTimeInSeconds": None},
    ],
)
def test_what_is_not_known_is_not_shown(change: dict[str, Any]) -> None:
    """The negative control: a cost of zero would pass for a free job."""
    job = SPOT | change
    assert cost_of(TRAINING, job) is None
    assert "cost_usd" not in job_metadata(TRAINING, job, adopted=False, region=None)
