"""The sensors that retrain, on a real lake, store, registry and endpoint: asked for once."""

import dataclasses
import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from mlops_assets.assets.monitoring.decided import decisions
from mlops_assets.assets.monitoring.drifting.records import Finding
from mlops_assets.assets.records import SplitRecord
from mlops_assets.automation import retraining
from mlops_assets.automation.evidence import gather
from mlops_assets.automation.scene import Scene
from mlops_assets.definitions import build_defs
from mlops_assets.pipeline import Gate, Performance, Retraining
from mlops_assets.resources.sagemaker.registry.registry import ModelPackage
from mlops_assets.sagemaker_local import lifecycle
from mlops_assets.settings import Settings
from mlops_assets_tests.automation.loop_world import EAGER, GROUP, LoopWorld, declare
from mlops_assets_tests.deliveries import DAYS

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Iterator[tuple[LoopWorld, ModelPackage]]:
    """Three days with features; the champion is as of the second."""
    world = LoopWorld(Settings.load(home=tmp_path_factory.mktemp("loop")))
    world.features(*DAYS[:3])
    champion = world.champion(DAYS[1])
    yield world, champion
    lifecycle.stop(world.settings.sagemaker_home)


@pytest.fixture
def world(base) -> LoopWorld:
    """Fresh: no decision, no record, no memory."""
    world = base[0].like()
    for kept in ("decisions", "begun", f"records/{GROUP}/drift", f"records/{GROUP}/performance"):
        world.store.open().delete_tree(world.store.uri(kept))
    return world


@pytest.fixture
def champion(base) -> ModelPackage:
    return base[1]


def actions(world: LoopWorld) -> list[tuple[str, str]]:
    return [(d.trigger, d.action) for d in decisions(world.store, GROUP)]


def test_drift_that_matters_retrains_as_of_the_newest_labelled_day_with_its_reason(world, champion):
    world.drifted(DAYS[2], champion, 0.4)
    ((request,), _) = world.tick("drift")
    assert request.partition_key == DAYS[2]
    assert request.tags["reason"].startswith("drift: 40% of the model's importance lies on")
    assert request.tags["mlops/trigger"] == "drift"
    assert request.tags["mlops/evidence"] in str(request.run_key)
    assert actions(world) == [("drift", "retrain")]
    (kept,) = decisions(world.store, GROUP)
    assert kept.evidence["columns"] == "weight"


def test_drift_that_only_moved_starts_nothing(world, champion):
    """The negative control: drift is a warning."""
    world.drifted(DAYS[2], champion, 0.05)
    asked, why = world.tick("drift")
    assert (asked, actions(world)) == ([], [])
    assert "from 10% on it matters" in why


def test_drift_from_what_a_former_champion_knew_starts_nothing(world, champion):
    """After a retraining the old record would start the next, for ever."""
    world.drifted(DAYS[2], dataclasses.replace(champion, arn=f"{champion.arn}9"), 0.9)
    assert world.tick("drift")[0] == []


def test_broken_data_is_held_and_said_once(world, champion):
    unit = Finding(kind="unit", column="weight", effect=1.6, threshold=0.1, words="lb for kg")
    world.drifted(DAYS[2], champion, 0.9, unit)
    asked, why = world.tick("drift")
    assert asked == []
    assert why.startswith("hold: retraining cannot help broken data: 2024-03-03: lb for kg")
    assert world.tick("drift")[0] == []
    assert actions(world) == [("drift", "hold")]


def test_labels_that_are_no_longer_what_was_learned_hold_the_training(world, champion):
    """A poisoned source: the champion learned of other labels than the lake holds now."""
    table = f"{GROUP}.features"
    then = world.lake.last_change(table, [DAYS[0], DAYS[1]])
    split = SplitRecord(
        as_of=DAYS[1], dataset_uri="s3://x/y", digest="d", method="window",
        train_partitions=(DAYS[0],), missing_partitions=(), rows={"train": 40, "holdout": 40},
        unlabelled=0, features_snapshot=then,
    )  # fmt: skip
    knows = world.champion(DAYS[1], split_uri=world.store.keep(GROUP, split))
    world.drifted(DAYS[2], knows, 0.4)
    sound = world.lake.read(table, [DAYS[0]])
    late = sound["late"].where(sound.index >= 10, 1 - sound["late"])
    world.lake.write(table, DAYS[0], sound.assign(late=late))
    try:
        asked, why = world.tick("drift")
        world.lake.write(table, DAYS[0], sound)
        mended, _ = world.tick("drift")
    finally:
        world.lake.write(table, DAYS[0], sound)
        world.serve(champion)
    assert asked == []
    assert "labels have changed since" in why
    assert len(mended) == 1, "the control: mended, it is trained"


def test_quality_below_its_bound_retrains_and_a_warning_does_not(world, champion):
    world.performed(DAYS[2], champion.version, "warning")
    assert world.tick("performance")[0] == []
    world.performed(DAYS[2], champion.version + 1, "failing")
    assert world.tick("performance")[0] == [], "another version's"
    world.performed(DAYS[2], champion.version, "failing")
    ((request,), _) = world.tick("performance")
    assert request.tags["reason"].startswith(f"performance: {DAYS[2]}: realised quality is failing")


def test_an_estimate_below_the_bound_retrains_until_more_is_known(world, champion):
    monitors = dataclasses.replace(
        world.pipeline.monitors,
        performance=Performance(bounds=(Gate(metric="auc", at_least=0.7),), least_rows=30),
    )
    world = world.like(monitors=monitors)
    low = {"auc": 0.6}
    world.performed(DAYS[2], champion.version, "healthy", estimate=low, labelled=35)
    assert world.tick("performance")[0] == [], "what is realised counts more"
    world.performed(DAYS[2], champion.version, "unknown", estimate=low, labelled=0)
    ((request,), _) = world.tick("performance")
    assert "estimated auc 0.6 breaks auc ≥ 0.7" in request.tags["reason"]


def test_freshness_counts_in_the_time_of_the_data(world, champion):
    asked, why = world.tick("freshness")
    assert asked == []
    assert why.startswith(f"1 newer partitions than the champion's {DAYS[1]} have features")
    stale = world.like(retraining=dataclasses.replace(EAGER, stale_after=1))
    ((request,), _) = stale.tick("freshness")
    assert request.partition_key == DAYS[2]


def test_new_code_retrains_and_the_same_code_does_not(world):
    assert world.tick("code") == ([], "no change")
    training = dataclasses.replace(world.pipeline.training, script=Path(__file__))
    ((request,), _) = world.like(training=training).tick("code")
    assert "the training script or its files" in request.tags["reason"]


def test_newly_labelled_days_retrain(world):
    ((request,), _) = world.tick("labelled")
    assert request.partition_key == DAYS[2]


def test_asked_for_once_whatever_is_forgotten(world, champion):
    """Row 7: the cursor is lost, then the runs are purged. Rows 5 and 6: the tick doubles, dies
    before Dagster hears of it, and a second daemon looks at the same moment."""
    world.drifted(DAYS[2], champion, 0.4)
    ((request,), _) = world.tick("drift")
    # At once again, here and in a daemon that knows no runs: the log has it.
    assert world.tick("drift")[0] == []
    assert world.like().tick("drift")[0] == []
    # The run is there: it is marked; then forgotten.
    world.started(request)
    assert world.tick("drift")[0] == []
    assert world.like().tick("drift")[0] == []
    assert actions(world) == [("drift", "retrain")]


def test_a_run_that_was_lost_is_asked_for_again_by_the_same_key(world, champion, monkeypatch):
    """The tick died between the decision and the request: without this the training never comes."""
    world.drifted(DAYS[2], champion, 0.4)
    ((request,), _) = world.tick("drift")
    monkeypatch.setattr(retraining, "GRACE", dt.timedelta(0))
    ((again,), _) = world.tick("drift")
    assert again.run_key == request.run_key
    assert actions(world) == [("drift", "retrain")], "one decision, however often it is asked for"
    world.started(request)
    assert world.tick("drift")[0] == []


@pytest.mark.parametrize("job", [f"{GROUP}_retraining", f"{GROUP}_loop"])
def test_never_two_trainings_at_once(world, champion, job):
    world.drifted(DAYS[2], champion, 0.4)
    world.performed(DAYS[2], champion.version, "failing")
    ((request,), _) = world.tick("drift")
    asked, why = world.tick("performance")
    assert asked == [], "asked for, and not there yet"
    assert why.startswith("wait: a model of the pipeline is being trained (run asked for at")
    run = world.started(request, dg.DagsterRunStatus.STARTED, job=job)
    assert world.tick("performance")[0] == []
    world.instance.delete_run(run)
    ((second,), _) = world.tick("performance")
    assert second.tags["mlops/trigger"] == "performance"


def test_nothing_is_decided_while_rows_come_in(world, champion):
    """Freshness trained on a month before the drift station had seen that its rows were broken."""
    world.drifted(DAYS[2], champion, 0.4)
    run = dg.DagsterRun(
        job_name="ingestion",
        tags={"dagster/sensor_name": f"{world.pipeline.name}_new_data"},
        status=dg.DagsterRunStatus.STARTED,
    )
    world.instance.add_run(run)
    asked, why = world.tick("drift")
    assert asked == []
    assert why == f"Run {run.run_id} is bringing rows in: looks again when it has."
    world.instance.delete_run(run.run_id)
    assert len(world.tick("drift")[0]) == 1


def test_two_sensors_at_one_moment_start_one_training(world, champion, monkeypatch):
    """Both have read the log before either wrote: the second write loses."""
    world.drifted(DAYS[2], champion, 0.4)
    world.performed(DAYS[2], champion.version, "failing")
    scene = Scene(world.pipeline, world.store, world.lake, world.client)
    now = dt.datetime.now(dt.UTC)
    found = [gather(scene, "drift"), gather(scene, "performance")]

    look, other = retraining.trainings, []

    def meanwhile(instance: dg.DagsterInstance, pipeline: str) -> list[str]:
        monkeypatch.setattr(retraining, "trainings", look)
        other.append(retraining.consider(scene, found[1], world.instance, now))
        return look(instance, pipeline)

    monkeypatch.setattr(retraining, "trainings", meanwhile)
    first = retraining.consider(scene, found[0], world.instance, now)
    (second,) = other
    assert isinstance(second, dg.RunRequest)
    assert isinstance(first, dg.SkipReason)
    assert "at this very moment" in str(first.skip_message)
    assert actions(world) == [("performance", "retrain")]


def test_nothing_is_started_that_somebody_has_stopped(tmp_path):
    world = LoopWorld(Settings.load(home=tmp_path))
    for sensor in ("drift", "performance", "freshness", "code", "labelled", "guard", "champion"):
        asked, why = world.tick(sensor)
        assert asked == []
        assert "is not running: start it with `mlops up`" in why
    assert lifecycle.running(world.settings.sagemaker_home) is None


def test_the_sensors_are_the_declared_ones_off_and_say_what_they_do(tmp_path):
    declared = declare(retraining=Retraining(on=("drift", "schedule"), cron="0 6 * * 1"))
    defs = build_defs(Settings.load(home=tmp_path), pipelines=[declared])
    found = {sensor.name: sensor for sensor in defs.sensors or []}
    assert f"{GROUP}_drift" in found
    assert f"{GROUP}_freshness" not in found
    for sensor in found.values():
        assert sensor.default_status is dg.DefaultSensorStatus.STOPPED
        assert "atches" in str(sensor.description) or "Re-materializes" in str(sensor.description)
    schedule = defs.resolve_schedule_def(f"{GROUP}_schedule")
    assert schedule.cron_schedule == "0 6 * * 1"
    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED


def test_the_schedule_asks_once_a_tick_under_the_same_rules(world):
    declared = dataclasses.replace(EAGER, on=("schedule",), cron="0 6 * * 1")
    world = world.like(retraining=declared)
    schedule = world.defs.resolve_schedule_def(f"{GROUP}_schedule")
    with dg.instance_for_test() as instance:
        _ask_twice(world, schedule, instance)


def _ask_twice(world: LoopWorld, schedule, instance: dg.DagsterInstance) -> None:

    def tick(hour: int):
        with dg.build_schedule_context(
            instance,
            scheduled_execution_time=dt.datetime(2024, 3, 4, hour, tzinfo=dt.UTC),
            resources={n: world.resources[n] for n in schedule.required_resource_keys},
            repository_def=world.defs.get_repository_def(),
        ) as context:
            return schedule.evaluate_tick(context).run_requests

    (request,) = tick(6)
    assert request.tags["mlops/trigger"] == "schedule"
    world.started(request, instance=instance)
    assert not tick(6)
    (second,) = tick(7)
    assert second.run_key != request.run_key
