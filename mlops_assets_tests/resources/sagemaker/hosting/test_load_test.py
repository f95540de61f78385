"""The load test: the best rate that keeps the promise, on an endpoint that is gone afterwards."""

import pytest

from mlops_assets.resources.sagemaker.hosting.load_test import Point, best, measure
from mlops_assets.rollouts import Canary
from mlops_assets.serving import Endpoint
from mlops_assets_tests.resources.sagemaker.conftest import Lab
from mlops_assets_tests.resources.sagemaker.rollout.rollout_lab import package, rows, spec


def point(callers: int, rate: float, p99: float, errors: int = 0) -> Point:
    return Point(callers, rate, p99, errors, caller_bound=False)


def test_the_best_rate_keeps_the_latency_and_loses_nothing() -> None:
    """Guards against a fleet that is chosen by a rate at which requests fail or wait."""
    points = [point(1, 200, 5), point(4, 500, 9), point(8, 700, 9, errors=1), point(16, 900, 30)]
    assert best(points, 10) == points[1]
    assert best(points, 100) == points[3]
    assert best(points, 1) is None


@pytest.mark.integration
def test_a_measurement_leaves_no_endpoint_and_the_real_one_alone(lab: Lab) -> None:
    """Guards against paying for a forgotten fleet, and against loading the live one."""
    arn = package(lab, "measured", "measured-1", "steady")
    wanted = spec("measured", arn, Endpoint(rollout=Canary(), instance_count=2))
    told: list[str] = []
    found = measure(
        lab.sagemaker, wanted, rows(4).rows, p99_ms=1000, seconds=0.5, on_step=told.append,
        poll_s=0.1,
    )  # fmt: skip
    assert found.best is not None
    assert found.best.per_second > found.points[0].per_second, "40 ms of waiting leave room"
    assert len(told) == len(found.points)
    assert lab.sagemaker.client().list_endpoints(NameContains="measured")["Endpoints"] == []
    configs = lab.sagemaker.client().list_endpoint_configs(NameContains="measured-load-test")
    assert len(configs["EndpointConfigs"]) == 1
