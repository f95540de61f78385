"""The local API ends in the middle of a deployment, and goes on with it, or ends it honestly."""

from __future__ import annotations

import time

import pytest

from mlops_assets_tests.sagemaker_local.api import alive, eventually
from mlops_assets_tests.sagemaker_local.canary import baking, canary
from mlops_assets_tests.sagemaker_local.load import Load

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("kill", [True, False])
def test_a_canary_goes_on_after_a_restart(new_api, kill):
    """A server that forgets its deployment leaves an endpoint Updating for ever."""
    api = new_api()
    api.model("old", "old")
    api.model("new", "new")
    api.deploy("canary", "old")
    api.update("canary", "new", canary(50, 3))
    baking(api, "canary")
    api.end(kill=kill)
    api.start()
    assert api.invoke("canary") in ("old:1", "new:1")
    pending = baking(api, "canary")
    assert pending["ProductionVariants"][0]["CurrentWeight"] == pytest.approx(0.5)
    found = api.settled("canary")
    assert (found["EndpointStatus"], found["EndpointConfigName"]) == ("InService", "new")


def test_the_bake_begins_anew_after_a_restart(new_api):
    """The measurements are lost with the server: a bad canary must not slip through the gap."""
    api = new_api()
    api.model("old", "old")
    api.model("new", "new fail=1")
    api.deploy("canary", "old")
    api.error_alarm("errors", "canary", "new")
    api.update("canary", "new", canary(50, 4, "errors"))
    baking(api, "canary")
    api.end(kill=True)
    api.start()
    with Load(api, "canary", rate=100):
        found = eventually(
            lambda: api.described("canary") if "FailureReason" in api.described("canary") else None
        )
        found = api.settled("canary")
    assert (found["EndpointStatus"], found["EndpointConfigName"]) == ("InService", "old")
    assert "errors" in found["FailureReason"]


def test_a_rollback_that_was_cut_short_stays_one(new_api):
    """A restart must not give a challenger that was sent back a second chance."""
    api = new_api()
    api.model("old", "old", instances=2)
    api.model("new", "new", instances=2)
    api.deploy("back", "old")
    api.error_alarm("errors", "back", "new")
    batch = {"MaximumBatchSize": {"Type": "INSTANCE_COUNT", "Value": 1}, "WaitIntervalInSeconds": 1}
    guard = {"Alarms": [{"AlarmName": "errors"}]}
    policy = {"RollingUpdatePolicy": batch, "AutoRollbackConfiguration": guard}
    # The old model takes its time on the way back, long enough to be interrupted.
    api.archive("s3://models/old.tar.gz", {"model.txt": "old start=2"})
    api.end()
    api.start()
    api.settled("back")
    api.update("back", "new", policy)
    eventually(lambda: api.described("back")["ProductionVariants"][0]["CurrentInstanceCount"] == 1)
    api.cw.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="a drill")
    eventually(lambda: api.described("back")["EndpointStatus"] == "RollingBack")
    api.end(kill=True)
    api.start()
    found = api.settled("back")
    assert (found["EndpointStatus"], found["EndpointConfigName"]) == ("InService", "old")
    assert "errors" in found["FailureReason"]
    assert api.invoke("back") == "old:1"


def test_an_endpoint_deleted_in_mid_canary_leaves_no_process(new_api):
    """Two fleets run: both must end, and the name be free again."""
    api = new_api()
    api.model("old", "old")
    api.model("new", "new")
    api.deploy("canary", "old")
    api.update("canary", "new", canary(50, 60))
    baking(api, "canary")
    pids = {int(api.invoke("canary", b"pid")) for _ in range(4)}
    assert len(pids) == 2
    api.sm.delete_endpoint(EndpointName="canary")
    eventually(lambda: not api.sm.list_endpoints()["Endpoints"])
    assert not any(alive(pid) for pid in pids)


def test_a_deployment_that_takes_too_long_is_rolled_back(new_api, tmp_path):
    """MaximumExecutionTimeoutInSeconds, whose smallest value is 600 (of 2 ms each in this test)."""
    hasty = tmp_path / "hasty.py"
    hasty.write_text("""
import sys
from mlops_assets.sagemaker_local import __main__
from mlops_assets.sagemaker_local.deployment import deployments
deployments._TIMEOUT_UNIT = 0.002
sys.exit(__main__.main())
""")
    api = new_api(program=(str(hasty),))
    api.model("old", "old")
    api.model("new", "new")
    api.deploy("late", "old")
    policy = canary(50, 20)
    policy["BlueGreenUpdatePolicy"]["MaximumExecutionTimeoutInSeconds"] = 600
    api.update("late", "new", policy)
    found = api.settled("late")
    assert (found["EndpointStatus"], found["EndpointConfigName"]) == ("InService", "old")
    assert "more than 600 s" in found["FailureReason"]
    time.sleep(0.1)
    assert {api.invoke("late") for _ in range(4)} == {"old:1"}
