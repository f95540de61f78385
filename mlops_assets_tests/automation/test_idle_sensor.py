"""The idle sensor: an endpoint that nobody asks is reported or stopped, and nothing is started."""

import dataclasses
import time

import dagster as dg
import pytest

from mlops_assets.definitions import build_defs, build_resources
from mlops_assets.pipeline import Endpoint
from mlops_assets.resources.sagemaker.hosting.endpoints import deploy
from mlops_assets.sagemaker_local import lifecycle
from mlops_assets.settings import Settings
from mlops_assets_tests import deliveries
from mlops_assets_tests.resources.sagemaker.conftest import Lab
from mlops_assets_tests.resources.sagemaker.rollout.rollout_lab import package, spec

pytestmark = pytest.mark.integration


@pytest.fixture
def settings(tmp_path):
    settings = Settings.load(home=tmp_path)
    yield settings
    lifecycle.stop(settings.sagemaker_home)


def tick(settings, instance, **endpoint) -> str:
    """What the sensor says."""
    declared = Endpoint(idle_after_s=1, **endpoint)
    pipeline = dataclasses.replace(deliveries.declare(), endpoint=declared)
    defs = build_defs(settings, pipelines=[pipeline])
    sensor = defs.resolve_sensor_def("deliveries_idle")
    resources = {"sagemaker": build_resources(settings)["sagemaker"]}
    with dg.build_sensor_context(instance, definitions=defs, resources=resources) as context:
        return str(sensor.evaluate_tick(context).skip_message)


def test_without_a_declared_time_there_is_no_sensor(settings):
    names = [s.name for s in build_defs(settings, pipelines=[deliveries.declare()]).sensors or []]
    assert "deliveries_idle" not in names


def test_an_idle_endpoint_is_reported_then_stopped_by_declaration(settings, tmp_path):
    """Guards against a fleet that is paid for and forgotten, and against a sensor that starts
    what somebody has stopped."""
    with dg.DagsterInstance.ephemeral() as instance:
        assert "is not running" in tick(settings, instance)
        assert lifecycle.running(settings.sagemaker_home) is None
        lab = Lab(tmp_path, build_resources(settings)["sagemaker"])
        client = lab.sagemaker.client()
        assert "No endpoint deliveries" in tick(settings, instance)
        wanted = spec("deliveries", package(lab, "deliveries", "d-1"), Endpoint())
        deploy(client, wanted, poll_s=0.1)
        time.sleep(1.5)
        assert "no invocation for" in tick(settings, instance)
        assert client.list_endpoints()["Endpoints"], "reported, not stopped"
        told = instance.fetch_observations(dg.AssetKey(["deliveries", "endpoint"]), limit=5)
        assert len(told.records) == 1
        assert "It was stopped" in tick(settings, instance, stop_when_idle=True)
        assert "No endpoint deliveries" in tick(settings, instance, stop_when_idle=True)
