"""The guard, end to end on two real models: it goes back where that helps, and only there."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from mlops_assets.assets.artifacts import fetch
from mlops_assets.assets.monitoring.captured.events import event_id
from mlops_assets.assets.monitoring.captured.records import SkewRecord
from mlops_assets.assets.monitoring.decided import decisions
from mlops_assets.assets.monitoring.quality.records import PerformanceRecord
from mlops_assets.assets.versions import Versions
from mlops_assets.definitions import build_assets, build_defs
from mlops_assets.ml.artifact.load import Artifact
from mlops_assets.pipeline import Endpoint, Retraining
from mlops_assets.resources.sagemaker.hosting.endpoints import serving_package
from mlops_assets.resources.sagemaker.registry import promotion, registry
from mlops_assets_tests.diabetes import declare, write_csv
from mlops_assets_tests.worlds import TestWorld

pytestmark = pytest.mark.integration
NAME = "diabetes"
LOOP = (
    "raw", "clean", "quarantine", "features", "splits", "model", "evaluation",
    "registered_model", "endpoint",
)  # fmt: skip


@dataclasses.dataclass
class Guarded:
    """Version 2 serves, version 1 did before; what version 2 answered is written by the tests."""

    world: TestWorld

    @property
    def client(self) -> Any:
        return self.world.client

    @property
    def store(self) -> Any:
        return self.world.resources["store"]

    def version(self) -> int:
        arn = serving_package(self.client, NAME)
        return registry.describe(self.client, arn).version if arn else 0

    def states(self) -> list[str]:
        return [registry.describe(self.client, f"{NAME}/{n}").state for n in (1, 2)]

    def captured(self, version: int, *, answers: str) -> None:
        """Answers of a version to every patient: its own, or nonsense."""
        rows = self.world.lake.read(f"{NAME}.features", ["all"])
        columns = list(self.world.pipeline.feature_columns)
        package = registry.describe(self.client, f"{NAME}/{version}")
        with fetch(self.store, package.model_data_url) as model:
            said = Artifact.load(model).predict({c: rows[c].to_numpy() for c in columns})
        if answers == "nonsense":
            said = np.random.default_rng(0).permutation(said)
        moment = pd.Timestamp("2024-03-01", tz="UTC").as_unit("us")
        frame = pd.DataFrame(
            {
                "event_id": event_id(self.world.pipeline, rows), "event_time": moment,
                "inference_time": moment, "variant": "live", "version": version,
                "prediction": said, "capture_file": "made", "capture_line": range(1, len(rows) + 1),
                "left_out": "",
            }
        )  # fmt: skip
        self.world.lake.write(f"{NAME}.captures", "all", frame.join(rows[columns]))

    def judged(self, version: int, status: str) -> None:
        record = PerformanceRecord(
            partition="all", versions={str(version): 442}, captured=442, labelled=442, expected=442,
            status=status, metrics={}, estimate={}, held_out={}, lines=(),  # type: ignore[arg-type]
        )  # fmt: skip
        self.store.save(NAME, "performance", "all", record)

    def tick(self, instance: dg.DagsterInstance | None = None) -> tuple[list[dg.RunRequest], str]:
        instance = instance or self.world.instance
        sensor = self.defs.resolve_sensor_def(f"{NAME}_guard")
        needed = {name: self.world.resources[name] for name in sensor.required_resource_keys}
        with dg.build_sensor_context(instance, definitions=self.defs, resources=needed) as context:
            ticked = sensor.evaluate_tick(context)
        return list(ticked.run_requests or []), str(ticked.skip_message or "")

    def run(self, request: dg.RunRequest) -> None:
        job = self.defs.resolve_job_def(f"{NAME}_rollback")
        done = job.execute_in_process(
            run_config=request.run_config,
            instance=self.world.instance,
            tags={"dagster/run_key": str(request.run_key)},
        )
        assert done.success

    def versions(self) -> Versions:
        named = ("sagemaker", "store", "placement", "signing")
        return Versions(self.world.pipeline, *(self.world.resources[n] for n in named))

    @property
    def defs(self) -> dg.Definitions:
        return build_defs(self.world.settings, pipelines=[self.world.pipeline])


def run(world: TestWorld, tags: dict[str, str]) -> dg.ExecuteInProcessResult:
    """The loop of the one partition, for a reason."""
    return dg.materialize(
        build_assets(world.pipeline),
        selection=[dg.AssetKey([NAME, station]) for station in LOOP],
        resources=world.resources,
        partition_key="all",
        tags=tags,
        instance=world.instance,
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Iterator[TestWorld]:
    """Two real models, the second of which won against the first."""
    home = tmp_path_factory.mktemp("guarded")
    write_csv(home / "csv")
    world = None
    for rounds in (10, 40):
        pipeline = declare(home / "csv")
        settings = {**pipeline.training.hyperparameters, "num_boost_round": rounds}
        pipeline = dataclasses.replace(
            pipeline,
            endpoint=Endpoint(capture_share=1.0),
            training=dataclasses.replace(pipeline.training, hyperparameters=settings),
        )
        world = TestWorld(home / "home", pipeline)
        tags = {"reason": "drift: 40 % matters"} if rounds == 40 else {}
        assert run(world, tags).success
    assert world is not None
    yield world
    world.stop()


@pytest.fixture
def guarded(trained) -> Guarded:
    found = Guarded(dataclasses.replace(trained, instance=dg.DagsterInstance.ephemeral()))
    for kept in ("decisions", "begun", f"records/{NAME}/performance", f"records/{NAME}/skew"):
        found.store.open().delete_tree(found.store.uri(kept))
    if found.states() != ["previous", "champion"]:
        versions = found.versions()
        for number in (1, 2):
            arn = versions.chosen(str(number)).arn
            promotion.approve(found.client, NAME, arn, by="a fixture")
        versions.serve(versions.chosen("2"))
        for number in (1, 2):
            promotion.mark_champion(found.client, NAME, versions.chosen(str(number)).arn)
    assert (found.version(), found.states()) == (2, ["previous", "champion"])
    return found


def test_what_its_answers_condemn_is_taken_out_once_with_the_reason(guarded) -> None:
    guarded.captured(2, answers="nonsense")
    guarded.judged(2, "failing")
    ((request,), _) = guarded.tick()
    assert request.tags["reason"].startswith("performance: its realised quality fails")
    guarded.run(request)
    assert (guarded.version(), guarded.states()) == (1, ["champion", "rolled-back"])
    (decision,) = decisions(guarded.store, NAME)
    assert (decision.action, decision.trigger) == ("roll_back", "guard")
    assert "version 1 against version 2 on 442 labelled answers" in decision.words
    told = guarded.world.instance.fetch_observations(dg.AssetKey([NAME, "endpoint"]), limit=5)
    assert "rolled back from version 2" in str(told.records[0].asset_observation.description)
    assert "by the guard" in registry.describe(guarded.client, f"{NAME}/2").decision
    # And it stays so: nothing is left to go back to, here and in a daemon without memory.
    assert guarded.tick()[0] == []
    assert guarded.tick(dg.DagsterInstance.ephemeral())[0] == []
    assert guarded.version() == 1


def test_the_package_says_why_it_was_trained(guarded) -> None:
    """By the run's reason, or by who started it."""
    person = registry.describe(guarded.client, f"{NAME}/1")
    assert person.reason == f"started by {person.trained_by}"
    assert registry.describe(guarded.client, f"{NAME}/2").reason == "drift: 40 % matters"


def test_when_the_world_has_changed_going_back_does_not_help(guarded) -> None:
    """The negative control: the quality fails all the same, and the previous one is no better."""
    guarded.captured(2, answers="its own")
    guarded.judged(2, "failing")
    ((request,), _) = guarded.tick()
    guarded.run(request)
    assert (guarded.version(), guarded.states()) == (2, ["previous", "champion"])
    (decision,) = decisions(guarded.store, NAME)
    assert decision.action == "hold"
    assert "going back would not help" in decision.words
    # The same charge is looked at once, also where no run is remembered.
    assert guarded.tick(dg.DagsterInstance.ephemeral())[0] == []


@pytest.mark.parametrize("switched", [False, True])
def test_interrupted_before_or_behind_the_switch_it_is_finished(guarded, switched) -> None:
    """Row 23: the run died with the bad one taken out, serving still or no longer."""
    guarded.captured(2, answers="nonsense")
    guarded.judged(2, "failing")
    ((request,), _) = guarded.tick()
    bad = registry.describe(guarded.client, f"{NAME}/2").arn
    promotion.mark_rolled_back(guarded.client, NAME, bad, reason="by the guard: half-way")
    if switched:
        guarded.versions().serve(registry.describe(guarded.client, f"{NAME}/1"))
    else:
        ((request,), _) = guarded.tick()
        assert str(request.run_key).endswith(":finish")
    guarded.run(request)
    assert (guarded.version(), guarded.states()) == (1, ["champion", "rolled-back"])
    assert decisions(guarded.store, NAME)[-1].action == "roll_back"


@pytest.mark.parametrize("status", ["healthy", "warning", "unknown"])
def test_what_does_not_fail_is_left_alone(guarded, status) -> None:
    guarded.judged(2, status)
    asked, why = guarded.tick()
    assert asked == []
    assert "Nothing speaks against version 2" in why


def test_skew_that_was_there_before_is_not_the_models(guarded) -> None:
    """Going back cures no caller that sends something else than `features` holds."""
    guarded.judged(2, "healthy")
    skew = SkewRecord(
        partition="all", captured=442, offline=442, compared=442, different_rows=400,
        columns={"bmi": 400}, status="failing", words="400 of 442 rows differ in bmi",
    )  # fmt: skip
    guarded.store.save(NAME, "skew", "all", skew)
    ((request,), _) = guarded.tick()
    guarded.run(request)
    assert guarded.version() == 2
    (decision,) = decisions(guarded.store, NAME)
    assert decision.action == "hold"
    assert "whether version 1 had skew is not known" in decision.words


def test_a_run_that_comes_too_late_takes_out_nobody_else(guarded) -> None:
    """A person rolled back meanwhile: what serves now is not what was condemned."""
    guarded.captured(2, answers="nonsense")
    guarded.judged(2, "failing")
    ((request,), _) = guarded.tick()
    guarded.run(request)
    assert guarded.version() == 1
    guarded.run(request)
    assert guarded.version() == 1
    assert decisions(guarded.store, NAME)[-1].action == "hold"


def test_whoever_does_not_want_it_has_no_guard(trained) -> None:
    pipeline = dataclasses.replace(trained.pipeline, retraining=Retraining(roll_back=False))
    defs = build_defs(trained.settings, pipelines=[pipeline])
    assert f"{NAME}_guard" not in [sensor.name for sensor in defs.sensors or []]
