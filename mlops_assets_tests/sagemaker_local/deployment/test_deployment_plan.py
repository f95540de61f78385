"""What a DeploymentConfig means, step by step, and which are refused."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.sagemaker_local.deployment.deployment_plan import plan
from mlops_assets.sagemaker_local.errors import ApiError


def blue_green(kind: str, wait: int = 1, **more) -> dict:
    sizes = {key: more.pop(key) for key in ("CanarySize", "LinearStepSize") if key in more}
    routing = {"Type": kind, "WaitIntervalInSeconds": wait} | sizes
    return {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing} | more}


def percent(value: int) -> dict:
    return {"Type": "CAPACITY_PERCENT", "Value": value}


def instances(value: int) -> dict:
    return {"Type": "INSTANCE_COUNT", "Value": value}


def rolling(size: dict, **more) -> dict:
    return {"RollingUpdatePolicy": {"MaximumBatchSize": size, "WaitIntervalInSeconds": 1} | more}


@pytest.mark.parametrize(
    ("config", "count", "shares"),
    [
        (None, 1, [1.0]),
        (blue_green("ALL_AT_ONCE"), 1, [1.0]),
        (blue_green("CANARY", CanarySize=percent(10)), 1, [0.1, 1.0]),
        (blue_green("CANARY", CanarySize=instances(1)), 4, [0.25, 1.0]),
        (blue_green("LINEAR", LinearStepSize=percent(25)), 1, [0.25, 0.5, 0.75, 1.0]),
        (blue_green("LINEAR", LinearStepSize=percent(40)), 1, [0.4, 0.8, 1.0]),
        (blue_green("LINEAR", LinearStepSize=instances(1)), 2, [0.5, 1.0]),
        (rolling(instances(1)), 1, [1.0]),
        (rolling(instances(1)), 2, [0.5, 1.0]),
        (rolling(percent(50)), 4, [0.5, 1.0]),
        (rolling(percent(5)), 2, [0.5, 1.0]),
    ],
)
def test_the_shares_of_a_policy(config, count, shares):
    """A canary of 10 % that starts with 20 % is not what was reviewed."""
    assert [step.share for step in plan(config, count).steps] == pytest.approx(shares)


@given(st.integers(10, 50), st.integers(1, 20))
def test_linear_steps_grow_to_everything(size, count):
    """Whatever the size: each step adds at most that much, and the last is all of it."""
    steps = plan(blue_green("LINEAR", LinearStepSize=percent(size)), count).steps
    shares = [0.0, *(step.share for step in steps)]
    added = [later - sooner for sooner, later in itertools.pairwise(shares)]
    assert shares[-1] == 1.0
    assert all(0 < more <= size / 100 + 1e-9 for more in added)


@given(st.integers(1, 40), st.integers(5, 50), st.integers(5, 100))
def test_rolling_steps_replace_every_instance_once(count, size, back):
    """Forward to all instances, and back to none, in batches that the policy allows."""
    found = plan(rolling(percent(size), RollbackMaximumBatchSize=percent(back)), count)
    there = [step.instances for step in found.steps]
    assert there == sorted(set(there))
    assert there[-1] == count
    assert found.rollback is not None
    assert list(found.rollback) == sorted(set(found.rollback), reverse=True)
    assert found.rollback[-1] == 0


def test_the_default_way_back_is_one_step():
    """100 % of the capacity: speed is what a rollback is for."""
    assert plan(rolling(instances(1)), 4).rollback == (0,)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (blue_green("CANARY"), "CanarySize must be given"),
        (blue_green("ALL_AT_ONCE", CanarySize=percent(10)), "for nothing else"),
        (blue_green("LINEAR", CanarySize=percent(10)), "CanarySize"),
        (blue_green("CANARY", CanarySize=percent(60)), "0% to 50%"),
        (blue_green("CANARY", CanarySize=instances(3)), "0% to 50%"),
        (blue_green("LINEAR", LinearStepSize=percent(5)), "10% to 50%"),
        (rolling(percent(60)), "5% to 50%"),
        (rolling(instances(3)), "5% to 50%"),
        (blue_green("ALL_AT_ONCE") | rolling(percent(50)), "only one of the two"),
        (
            blue_green("ALL_AT_ONCE", 3600, MaximumExecutionTimeoutInSeconds=600),
            "larger than the total waiting time",
        ),
    ],
)
def test_a_policy_that_the_service_refuses_is_refused(config, words):
    """What works here and is refused by AWS is found at the first deployment there."""
    with pytest.raises(ApiError, match=words):
        plan(config, 4)
