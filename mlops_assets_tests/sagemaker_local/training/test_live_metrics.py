"""A training job's metrics: in CloudWatch while it runs, in its description when it has ended."""

from __future__ import annotations

import time

import pytest

from mlops_assets.sagemaker_local.monitoring.metric_store import MetricStore
from mlops_assets.sagemaker_local.training.job_metrics import MetricPoints, Point
from mlops_assets_tests.sagemaker_local.api import LocalApi, eventually


def statistics(api: LocalApi, job: str, metric: str) -> list[dict]:
    return api.cw.get_metric_statistics(
        Namespace="/aws/sagemaker/TrainingJobs",
        MetricName=metric,
        Dimensions=[{"Name": "TrainingJobName", "Value": job}],
        StartTime=time.time() - 600,
        EndTime=time.time() + 60,
        Period=3600,
        Statistics=["SampleCount", "Minimum", "Maximum"],
    )["Datapoints"]


@pytest.mark.integration
def test_metrics_are_in_cloudwatch_while_the_job_runs(api: LocalApi):
    """Early stopping and training-time rules need the loss now, not when it has been paid for."""
    script = """
import os, time
for epoch in range(1, 4):
    print(f"epoch={epoch} loss={1 / epoch:.3f}")
while not os.path.exists("/opt/ml/checkpoints/go"):
    time.sleep(0.05)
print("epoch=4 loss=0.250")
"""
    request = api.request("live", script)
    definitions = [{"Name": name, "Regex": rf"{name}=([0-9.]+)"} for name in ("loss", "epoch")]
    request["AlgorithmSpecification"]["MetricDefinitions"] = definitions
    api.sm.create_training_job(**request)

    def three() -> bool:
        points = statistics(api, "live", "loss")
        return bool(points) and points[0]["SampleCount"] == 3

    eventually(three)
    assert api.describe("live")["TrainingJobStatus"] == "InProgress"
    (api.home / "jobs" / "live" / "algo-1" / "ml" / "checkpoints" / "go").touch()
    job = api.wait("live")
    final = [(m["MetricName"], m["Value"]) for m in job["FinalMetricDataList"]]
    assert final == [("loss", 0.25), ("epoch", 4.0)]
    (point,) = statistics(api, "live", "loss")
    assert (point["SampleCount"], point["Minimum"], point["Maximum"]) == (4, 0.25, 1.0)
    names = api.cw.list_metrics(Namespace="/aws/sagemaker/TrainingJobs")["Metrics"]
    assert {m["MetricName"] for m in names} >= {"loss", "epoch"}


def test_points_are_kept_in_the_order_of_the_log():
    """A median-stopping rule compares the values step by step."""
    points = MetricPoints(MetricStore())
    for step in range(3):
        points.add("job", "loss", Point(1000.0, float(step)))
    assert [point.value for point in points.of("job", "loss")] == [0.0, 1.0, 2.0]
    assert points.of("job", "other") == []


def test_points_do_not_grow_without_end():
    points = MetricPoints(MetricStore())
    for step in range(10_100):
        points.add("job", "loss", Point(1000.0, float(step)))
    found = points.of("job", "loss")
    assert (len(found), found[-1].value) == (10_000, 10_099.0)
