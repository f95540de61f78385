"""Updates all at once, under load: nothing lost, and nothing changed by an update that fails."""

from __future__ import annotations

import time

import pytest

from mlops_assets_tests.sagemaker_local.api import LocalApi, alive, eventually
from mlops_assets_tests.sagemaker_local.load import Load, Seen

pytestmark = pytest.mark.integration


def update_under_load(api: LocalApi) -> Seen:
    for name in ("slow-a", "slow-b"):
        api.model(name, name)
    api.deploy("busy", "slow-a")
    with Load(api, "busy", rate=200, threads=12) as load:
        for config in ("slow-b", "slow-a", "slow-b", "slow-a", "slow-b"):
            api.update("busy", config)
            assert api.settled("busy")["EndpointConfigName"] == config
            time.sleep(0.2)
    return load.seen


def test_updates_under_load_lose_no_request(new_api):
    """A deployment at noon must not be seen by anyone who asks for a prediction."""
    seen = update_under_load(new_api())
    assert seen.errors == {}
    assert set(seen.answers) == {"slow-a", "slow-b"}


def test_without_drain_and_retry_requests_are_lost(new_api, monkeypatch):
    """The negative control of the test above: its load does reveal a careless swap."""
    monkeypatch.setenv("MLOPS_LOCAL_API_DRAIN", "0")
    assert update_under_load(new_api()).errors != {}


def test_a_failed_update_keeps_the_old_config_serving(api: LocalApi):
    """Fault matrix 22: InService on the old configuration, with the reason, and no gap."""
    api.model("good", "good")
    api.model("broken", "bad")
    api.deploy("kept", "good")
    api.update("kept", "broken")
    found = api.settled("kept")
    assert (found["EndpointStatus"], found["EndpointConfigName"]) == ("InService", "good")
    assert "did not pass the ping health check" in found["FailureReason"]
    assert "cannot load the model" in found["FailureReason"]
    assert api.invoke("kept") == "good:1"
    api.model("better", "better")
    api.update("kept", "better")
    found = api.settled("kept")
    assert found["EndpointConfigName"] == "better"
    assert "FailureReason" not in found


def test_the_last_deployment_config_can_be_used_again(api: LocalApi):
    """RetainDeploymentConfig: a team's policy is not lost by whoever deploys next."""
    api.model("again", "again")
    api.model("again-2", "again-2")
    api.deploy("again", "again")
    routing = {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0}
    policy = {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing}}
    api.update("again", "again-2", policy)
    assert api.settled("again")["LastDeploymentConfig"] == policy
    api.update("again", "again", RetainDeploymentConfig=True)
    assert api.settled("again")["LastDeploymentConfig"] == policy
    api.update("again", "again-2")
    assert "LastDeploymentConfig" not in api.settled("again")


def test_the_old_fleet_is_kept_until_the_termination_wait_is_over(api: LocalApi):
    """A way back that is gone as soon as it is needed is none."""
    api.model("wait-a", "wait-a")
    api.model("wait-b", "wait-b")
    api.deploy("wait", "wait-a")
    pid = int(api.invoke("wait", b"pid"))
    routing = {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 1}
    policy = {"TrafficRoutingConfiguration": routing, "TerminationWaitInSeconds": 2}
    api.update("wait", "wait-b", {"BlueGreenUpdatePolicy": policy})
    stages = []
    while (serves := alive(pid)) and "PendingDeploymentSummary" in (found := api.described("wait")):
        pending = found["PendingDeploymentSummary"]["ProductionVariants"][0]
        stages.append(pending["VariantStatus"][0]["Status"])
        time.sleep(0.05)
    found = api.described("wait")
    assert serves or "PendingDeploymentSummary" not in found
    assert list(dict.fromkeys(stages)) == ["Creating", "Baking", "Deleting"]
    assert found["EndpointConfigName"] == "wait-b"
    eventually(lambda: not alive(pid))
