"""The approval sensor: what a person approved is asked for once, and nothing else ever."""

import dataclasses
import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.automation.approval import newest_to_deploy
from mlops_assets.definitions import build_defs
from mlops_assets.resources.sagemaker.hosting.endpoints import deploy
from mlops_assets.resources.sagemaker.registry import promotion, registry
from mlops_assets.resources.sagemaker.registry.registry import ModelPackage
from mlops_assets.resources.sagemaker.session import SageMakerResource
from mlops_assets.sagemaker_local import lifecycle
from mlops_assets.serving import Endpoint
from mlops_assets.settings import Settings
from mlops_assets_tests import deliveries
from mlops_assets_tests.deliveries import DAYS
from mlops_assets_tests.resources.sagemaker.conftest import Lab
from mlops_assets_tests.resources.sagemaker.rollout.rollout_lab import PLACEMENT, package, spec

GROUP = "deliveries"
PIPELINE = dataclasses.replace(deliveries.declare(), approval="manual")


@dataclasses.dataclass
class World:
    """The pipeline's definitions, and the registry that its sensor watches."""

    settings: Settings

    def __post_init__(self) -> None:
        self.defs = build_defs(self.settings, pipelines=[PIPELINE])
        self.instance = dg.DagsterInstance.ephemeral()
        self.lab = Lab(
            self.settings.home,
            SageMakerResource(
                local_home=str(self.settings.sagemaker_home), local_objects=self.settings.objects
            ),
        )

    @property
    def client(self) -> Any:
        return self.lab.sagemaker.client()

    def registered(self, as_of: str, name: str) -> ModelPackage:
        """A candidate that would answer, of this partition."""
        archive = registry.describe(self.client, package(self.lab, "archives", name))
        return registry.register(
            self.client,
            group=GROUP,
            model_data_url=archive.model_data_url,
            lineage={"as_of": as_of, "name": name},
            placement=PLACEMENT,
        )

    def approve(self, found: ModelPackage) -> None:
        """As SageMaker Studio does it: the stage is left alone."""
        self.client.update_model_package(
            ModelPackageArn=found.arn, ModelApprovalStatus="Approved", ApprovalDescription="fine"
        )

    def serve(self, found: ModelPackage) -> None:
        """What the run that was asked for does, in short."""
        deploy(self.client, spec(GROUP, found.arn, Endpoint()), poll_s=0.1)
        promotion.mark_champion(self.client, GROUP, found.arn)

    def tick(self) -> tuple[list[dg.RunRequest], str]:
        """What the sensor asks for; it is told of no earlier tick: no cursor could be lost."""
        resources = {"sagemaker": self.lab.sagemaker}
        sensor = self.defs.resolve_sensor_def("deliveries_approval")
        with dg.build_sensor_context(
            self.instance, definitions=self.defs, resources=resources
        ) as context:
            ticked = sensor.evaluate_tick(context)
        return list(ticked.run_requests or []), ticked.skip_message or ""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(Settings.load(home=tmp_path))
    made.client  # noqa: B018 - starts the local SageMaker API, which the sensor does not
    yield made
    lifecycle.stop(made.settings.sagemaker_home)


@pytest.mark.integration
def test_what_a_person_approves_is_asked_for_with_a_key_of_its_own(world: World) -> None:
    candidate = world.registered(DAYS[1], "first")
    assert world.tick() == ([], "No approved version of deliveries is newer than what serves "
                                "(nothing).")  # fmt: skip
    world.approve(candidate)
    ((request,), _) = world.tick()
    assert request.partition_key == DAYS[1]
    assert request.tags["mlops/package"] == candidate.arn
    assert request.tags["mlops/decision"] == "fine"
    assert str(request.run_key).startswith(candidate.arn)
    ((again,), _) = world.tick()
    assert again.run_key == request.run_key, "Dagster refuses the second run of a key"


@pytest.mark.integration
def test_the_registry_itself_remembers_what_was_deployed(world: World) -> None:
    """Row 7: cursor lost, old runs purged. Nothing but the registry is asked."""
    first, second = world.registered(DAYS[1], "one"), world.registered(DAYS[1], "two")
    world.approve(first)
    world.serve(first)
    assert world.tick()[0] == []
    world.approve(second)
    ((request,), _) = world.tick()
    world.serve(second)
    asked, why = world.tick()
    assert asked == []
    assert "newer than what serves (version 2)" in why
    # A rollback: neither the bad one nor what it was rolled back from is asked for.
    promotion.mark_rolled_back(world.client, GROUP, second.arn, reason="slow")
    world.serve(first)
    assert world.tick()[0] == []
    # Until a person approves it again, which is another approval.
    world.approve(second)
    ((anew,), _) = world.tick()
    assert anew.tags["mlops/package"] == second.arn
    assert anew.run_key != request.run_key


@pytest.mark.integration
def test_an_interrupted_rollback_is_not_undone_by_the_sensor(world: World) -> None:
    """Between "taken out" and "serves again" the bad one serves, and the old one is no approval."""
    first, second = world.registered(DAYS[1], "one"), world.registered(DAYS[1], "two")
    for each in (first, second):
        world.approve(each)
        world.serve(each)
    promotion.mark_rolled_back(world.client, GROUP, second.arn, reason="slow")
    assert world.tick()[0] == []
    deploy(world.client, spec(GROUP, first.arn, Endpoint()), poll_s=0.1)
    assert world.tick()[0] == []


@pytest.mark.integration
def test_it_starts_nothing_that_somebody_has_stopped(world: World) -> None:
    """A tick every 30 s would bring the local SageMaker API back after each `mlops down`."""
    lifecycle.stop(world.settings.sagemaker_home)
    asked, why = world.tick()
    assert asked == []
    assert "not running: start it with `mlops up`" in why
    assert lifecycle.running(world.settings.sagemaker_home) is None


def test_it_is_off_until_turned_on_reaches_the_endpoint_only_and_says_what_it_does(tmp_path):
    defs = build_defs(Settings.load(home=tmp_path), pipelines=[PIPELINE])
    sensor = defs.resolve_sensor_def("deliveries_approval")
    assert sensor.default_status is dg.DefaultSensorStatus.STOPPED
    keys = sensor.job.selection.resolve(defs.resolve_asset_graph())
    assert {key.path[-1] for key in keys} == {"endpoint"}
    assert "Watches the model package group deliveries" in str(sensor.description)
    assert "materializing `endpoint`" in str(sensor.description)


def test_where_nobody_approves_there_is_no_such_sensor(tmp_path) -> None:
    """With approval by the gates the loop deploys; a sensor would deploy back-tests, too."""
    defs = build_defs(Settings.load(home=tmp_path), pipelines=[deliveries.declare()])
    assert "deliveries_approval" not in [sensor.name for sensor in defs.sensors or []]


def version(as_of: str, number: int) -> ModelPackage:
    now = dt.datetime(2024, 3, 1, tzinfo=dt.UTC)
    return ModelPackage(
        f"arn/{number}", GROUP, number, "Approved", "", "", {"as_of": as_of}, {}, now, now,
        "approved",
    )  # fmt: skip


def test_an_approved_back_test_is_not_deployed_by_itself() -> None:
    """Registered later, but it knows less than what serves."""
    assert newest_to_deploy([version(DAYS[0], 9)], version(DAYS[1], 5)) is None
    chosen = newest_to_deploy([version(DAYS[0], 9), version(DAYS[1], 6)], version(DAYS[1], 5))
    assert chosen is not None
    assert chosen.version == 6


@given(st.lists(st.tuples(st.sampled_from(DAYS), st.integers(1, 50)), unique_by=lambda p: p[1]))
def test_once_the_newest_serves_nothing_is_left_to_deploy(found) -> None:
    """Otherwise the sensor would walk back and forth between two versions for ever."""
    packages = [version(as_of, number) for as_of, number in found]
    newest = newest_to_deploy(packages, None)
    assert (newest is None) == (not packages)
    if newest is not None:
        assert newest_to_deploy(packages, newest) is None
