"""Linear and rolling deployments: step by step forward, and step by step back."""

from __future__ import annotations

import time

import pytest
from botocore.exceptions import ClientError

from mlops_assets_tests.sagemaker_local.api import LocalApi, eventually
from mlops_assets_tests.sagemaker_local.load import Load

pytestmark = pytest.mark.integration


def linear(percent: int, wait: int) -> dict:
    routing = {
        "Type": "LINEAR",
        "WaitIntervalInSeconds": wait,
        "LinearStepSize": {"Type": "CAPACITY_PERCENT", "Value": percent},
    }
    return {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing}}


def rolling(batch: int, wait: int, *alarms: str, **more) -> dict:
    policy = {
        "MaximumBatchSize": {"Type": "INSTANCE_COUNT", "Value": batch},
        "WaitIntervalInSeconds": wait,
    }
    names = {"Alarms": [{"AlarmName": name} for name in alarms]}
    guard = {"AutoRollbackConfiguration": names} if alarms else {}
    return {"RollingUpdatePolicy": policy | more} | guard


def watch(api: LocalApi, endpoint: str) -> tuple[list[float], list[tuple[int, int]]]:
    """The pending fleet's weights, and (old, new) instance counts, as they were seen to change."""
    weights: list[float] = []
    counts: list[tuple[int, int]] = []
    while (found := api.described(endpoint))["EndpointStatus"] not in ("InService", "Failed"):
        if "PendingDeploymentSummary" in found:
            pending = found["PendingDeploymentSummary"]["ProductionVariants"][0]
            old = found["ProductionVariants"][0]["CurrentInstanceCount"]
            weights.append(round(pending["CurrentWeight"], 3))
            counts.append((old, pending["CurrentInstanceCount"]))
        time.sleep(0.05)
    return list(dict.fromkeys(weights)), list(dict.fromkeys(counts))


def test_linear_steps_are_equal_and_lose_nothing(api: LocalApi):
    """Four steps of a quarter, not one of everything."""
    api.model("l-old", "old")
    api.model("l-new", "new")
    api.deploy("linear", "l-old")
    with Load(api, "linear", rate=150) as load:
        api.update("linear", "l-new", linear(25, 1))
        weights, _ = watch(api, "linear")
    assert weights == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert load.seen.errors == {}
    assert set(load.seen.answers) == {"old", "new"}
    assert api.described("linear")["EndpointConfigName"] == "l-new"


def test_a_rolling_update_replaces_instances_in_batches(api: LocalApi):
    """No second fleet is paid for: at most one batch more than the fleet runs at any time."""
    api.model("roll-old", "old", instances=3)
    api.model("roll-new", "new", instances=3)
    api.deploy("rolling", "roll-old")
    with Load(api, "rolling", rate=150) as load:
        api.update("rolling", "roll-new", rolling(1, 1))
        weights, counts = watch(api, "rolling")
    assert load.seen.errors == {}
    assert weights == [0.0, 0.333, 0.667, 1.0]
    assert max(old + new for old, new in counts) <= 4
    assert [new for _, new in counts] == sorted(new for _, new in counts)
    found = api.described("rolling")
    assert found["EndpointConfigName"] == "roll-new"
    assert found["ProductionVariants"][0]["CurrentInstanceCount"] == 3


def test_a_bad_rolling_update_brings_the_old_instances_back(api: LocalApi):
    """The way back needs instances that were ended already: they must come before traffic does."""
    api.model("back-old", "old", instances=2)
    api.model("back-new", "new fail=2", instances=2)
    api.deploy("back", "back-old")
    api.error_alarm("back-alarm", "back", "back-new", EvaluationPeriods=1)
    with Load(api, "back", rate=100) as load:
        api.update("back", "back-new", rolling(1, 30, "back-alarm"))
        eventually(lambda: api.described("back")["EndpointStatus"] != "Updating")
        found = api.settled("back")
        after = load.fresh()
        time.sleep(0.5)
    assert (found["EndpointStatus"], found["EndpointConfigName"]) == ("InService", "back-old")
    assert found["ProductionVariants"][0]["CurrentInstanceCount"] == 2
    assert (set(after.answers), after.errors) == ({"old"}, {})


def test_a_rollback_that_fails_is_called_so(api: LocalApi):
    """Two fleets that both serve, after the way back failed, must not be called InService."""
    api.model("stuck-old", "old", instances=2)
    api.model("stuck-new", "new", instances=2)
    api.deploy("stuck", "stuck-old")
    api.error_alarm("stuck-alarm", "stuck", "stuck-new")
    api.update("stuck", "stuck-new", rolling(1, 2, "stuck-alarm"))
    eventually(lambda: 1.0 in watch_now(api, "stuck"))
    images = api.home / "images.json"
    before = images.read_text()
    images.write_text('{"plain": {"serve": ["false"]}}')
    api.cw.set_alarm_state(AlarmName="stuck-alarm", StateValue="ALARM", StateReason="a drill")
    found = api.settled("stuck")
    images.write_text(before)
    assert found["EndpointStatus"] == "UpdateRollbackFailed"
    assert api.invoke("stuck") in ("old:1", "new:1")
    with pytest.raises(ClientError, match="ALL_AT_ONCE"):
        api.update("stuck", "stuck-old", rolling(1, 0))
    api.update("stuck", "stuck-old")
    found = api.settled("stuck")
    assert (found["EndpointStatus"], found["EndpointConfigName"]) == ("InService", "stuck-old")
    assert {api.invoke("stuck") for _ in range(6)} == {"old:1"}


def test_trouble_that_nobody_foresaw_leaves_the_old_fleet_serving(new_api, tmp_path):
    """A defect of the deployment's own must end like a bad challenger, not half-way."""
    broken = tmp_path / "broken.py"
    broken.write_text("""
import sys
from mlops_assets.sagemaker_local import __main__
from mlops_assets.sagemaker_local.fleet import hosting
resize, calls = hosting.Fleet.resize, []
async def second_time(self, counts):
    calls.append(counts)
    if len(calls) == 2:
        raise RuntimeError("unforeseen")
    await resize(self, counts)
hosting.Fleet.resize = second_time
sys.exit(__main__.main())
""")
    api = new_api(program=(str(broken),))
    api.model("un-old", "old", instances=2)
    api.model("un-new", "new", instances=2)
    api.deploy("un", "un-old")
    api.update("un", "un-new", rolling(1, 0))
    found = api.settled("un")
    assert (found["EndpointStatus"], found["EndpointConfigName"]) == ("InService", "un-old")
    assert "unforeseen" in found["FailureReason"]
    assert found["ProductionVariants"][0]["CurrentInstanceCount"] == 2
    assert {api.invoke("un") for _ in range(6)} == {"old:1"}


def watch_now(api: LocalApi, endpoint: str) -> list[float]:
    pending = api.described(endpoint).get("PendingDeploymentSummary", {})
    return [v["CurrentWeight"] for v in pending.get("ProductionVariants", [])]
