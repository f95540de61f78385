"""Canary deployments under load: a share first, then the rest, or the way back."""

from __future__ import annotations

import time

import pytest
from botocore.exceptions import ClientError

from mlops_assets_tests.sagemaker_local.api import LocalApi, eventually
from mlops_assets_tests.sagemaker_local.canary import baking, canary
from mlops_assets_tests.sagemaker_local.load import Load

pytestmark = pytest.mark.integration


def test_a_good_canary_gets_its_share_and_then_everything(api: LocalApi):
    """A canary of 20 % that gets 60 % is no canary; one that gets nothing proves nothing."""
    api.model("c-old", "old")
    api.model("c-new", "new")
    api.deploy("canary", "c-old")
    with Load(api, "canary", rate=150) as load:
        api.update("canary", "c-new", canary(20, 3))
        pending = baking(api, "canary")
        during = load.fresh()
        assert pending["EndpointConfigName"] == "c-new"
        assert pending["ProductionVariants"][0]["CurrentWeight"] == pytest.approx(0.2)
        found = api.described("canary")
        assert (found["EndpointStatus"], found["EndpointConfigName"]) == ("Updating", "c-old")
        time.sleep(2)
        load.fresh()
        assert during.errors == {}
        assert during.answers["new"] / during.total == pytest.approx(0.2, abs=0.02)
        found = api.settled("canary")
        after = load.fresh()
        time.sleep(0.5)
    assert (found["EndpointStatus"], found["EndpointConfigName"]) == ("InService", "c-new")
    assert "PendingDeploymentSummary" not in found
    assert found["LastDeploymentConfig"] == canary(20, 3)
    assert (set(after.answers), after.errors) == ({"new"}, {})


def test_a_bad_canary_is_rolled_back_by_its_alarm(api: LocalApi):
    """Fault matrix 22: the champion serves on, and only the canary's own requests have failed."""
    api.model("r-old", "old")
    api.model("r-new", "new fail=1")
    api.deploy("rolled", "r-old")
    api.error_alarm("r-alarm", "rolled", "r-new")
    with Load(api, "rolled", rate=150) as load:
        began = load.fresh()
        api.update("rolled", "r-new", canary(10, 60, "r-alarm"))
        eventually(lambda: api.described("rolled")["EndpointStatus"] != "Updating", within=20)
        found = api.settled("rolled")
        after = load.fresh()
        time.sleep(0.5)
    assert (found["EndpointStatus"], found["EndpointConfigName"]) == ("InService", "r-old")
    assert "r-alarm" in found["FailureReason"]
    assert all("out of order" in text for text in began.errors)
    assert began.errors.total() <= 0.11 * began.total + 2
    assert (set(after.answers), after.errors) == ({"old"}, {})


def test_a_canary_that_dies_is_rolled_back_and_nobody_notices(api: LocalApi):
    """Its requests are sent again, to the champion: what dies must still be seen by the alarm."""
    api.model("d-old", "old")
    api.model("d-new", "new crash=3")
    api.deploy("dying", "d-old")
    api.error_alarm("d-alarm", "dying", "d-new")
    with Load(api, "dying", rate=100) as load:
        api.update("dying", "d-new", canary(20, 60, "d-alarm"))
        eventually(lambda: api.described("dying")["EndpointStatus"] != "Updating", within=20)
        found = api.settled("dying")
    assert (found["EndpointStatus"], found["EndpointConfigName"]) == ("InService", "d-old")
    assert "d-alarm" in found["FailureReason"]
    assert load.seen.errors == {}


def test_without_its_alarm_the_same_canary_is_promoted(api: LocalApi):
    """The negative control of the test above: it is the alarm that sends the canary back."""
    api.model("n-old", "old")
    api.model("n-new", "new fail=1")
    api.deploy("promoted", "n-old")
    with Load(api, "promoted", rate=50):
        api.update("promoted", "n-new", canary(10, 1))
        found = api.settled("promoted")
    assert (found["EndpointStatus"], found["EndpointConfigName"]) == ("InService", "n-new")
    with pytest.raises(ClientError, match="out of order"):
        api.invoke("promoted")


def test_an_alarm_that_does_not_exist_is_refused(api: LocalApi):
    """A guard that nobody has hung up must not be believed in."""
    api.model("guarded", "guarded")
    api.deploy("guarded", "guarded")
    with pytest.raises(ClientError, match="alarm none of AutoRollbackConfiguration does not exist"):
        api.update("guarded", "guarded", canary(10, 1, "none"))
    assert api.described("guarded")["EndpointStatus"] == "InService"


def test_an_alarm_that_is_on_already_rolls_back_at_once(api: LocalApi):
    """Nothing is deployed into a fire."""
    api.model("fire", "fire")
    api.model("fire-new", "new")
    api.deploy("fire", "fire")
    api.error_alarm("fire-alarm", "fire", "fire-new", TreatMissingData="breaching")
    api.update("fire", "fire-new", canary(10, 30, "fire-alarm"))
    found = api.settled("fire")
    assert (found["EndpointStatus"], found["EndpointConfigName"]) == ("InService", "fire")
    assert "is in ALARM" in found["FailureReason"]
    assert api.invoke("fire") == "fire:1"


def test_other_variant_names_are_refused(api: LocalApi):
    """Guardrails want the old names: on the service this fails, so it must fail here."""
    api.model("named", "named")
    api.deploy("named", "named")
    variants = [api.variant("named", "other")]
    api.sm.create_endpoint_config(EndpointConfigName="renamed", ProductionVariants=variants)
    with pytest.raises(ClientError, match="variant names"):
        api.update("named", "renamed", canary(10, 1))
    api.update("named", "renamed")
    assert api.settled("named")["EndpointConfigName"] == "renamed"
