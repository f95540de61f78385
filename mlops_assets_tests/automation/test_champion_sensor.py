"""Another model serves: drift is told anew against what that one knows, once, and retrains nothing
for the same evidence."""

from collections.abc import Iterator
from dataclasses import dataclass

import dagster as dg
import pytest

from mlops_assets.assets.endpoint import LAST, ROLLOUT
from mlops_assets.assets.monitoring.decided import decisions
from mlops_assets.assets.monitoring.drifting.records import DriftRecord
from mlops_assets.assets.records import RolloutRecord
from mlops_assets.definitions import build_assets
from mlops_assets.resources.sagemaker.registry.registry import ModelPackage
from mlops_assets.sagemaker_local import lifecycle
from mlops_assets.settings import Settings
from mlops_assets_tests.automation.loop_world import GROUP, LoopWorld
from mlops_assets_tests.deliveries import DAYS, clean, features

pytestmark = pytest.mark.integration
RUN_KEY = "dagster/run_key"


@dataclass(frozen=True)
class Reigns:
    """Days with features, of which two are profiled, and two models that can serve them."""

    world: LoopWorld
    first: ModelPackage
    second: ModelPackage


@pytest.fixture(scope="module")
def reigns(tmp_path_factory) -> Iterator[Reigns]:
    world = LoopWorld(Settings.load(home=tmp_path_factory.mktemp("champion")))
    for day in DAYS[:3]:
        rows = clean(world.pipeline.source.read(day))
        world.lake.write(f"{GROUP}.features", day, features(rows, rows.head(0)))
    for day in (DAYS[0], DAYS[2]):
        materialize(world, "profile", day)
    found = Reigns(world, champion(world, DAYS[0], DAYS[0]), champion(world, DAYS[0], DAYS[1]))
    yield found
    lifecycle.stop(world.settings.sagemaker_home)


@pytest.fixture
def world(reigns) -> LoopWorld:
    """Nothing compared and nothing decided yet; the first model serves."""
    world = reigns.world.like()
    for kept in ("decisions", "begun", f"records/{GROUP}/drift", f"records/{GROUP}/{ROLLOUT}"):
        world.store.open().delete_tree(world.store.uri(kept))
    world.serve(reigns.first)
    return world


def materialize(world: LoopWorld, station: str, day: str, **tags: str) -> None:
    assert dg.materialize(
        build_assets(world.pipeline),
        selection=[dg.AssetKey([GROUP, station])],
        resources=world.resources,
        partition_key=day,
        tags=tags,
        instance=world.instance,
    ).success


def champion(world: LoopWorld, first: str, last: str) -> ModelPackage:
    return world.champion(
        last, trained_on=f"{first} to {last}", features_snapshot="1", artifact_digest=last
    )


def compared_with(world: LoopWorld) -> str | None:
    return world.store.load(DriftRecord, GROUP, "drift", DAYS[2]).package_arn


def test_a_model_that_is_not_proven_yet_is_waited_for(world, reigns):
    """It was compared with while its rollout was judged, and once more when that was over."""
    materialize(world, "drift", DAYS[2])
    world.serve(reigns.second)
    rollout = RolloutRecord(
        as_of=DAYS[1], package_arn=reigns.second.arn, champion_arn=reigns.first.arn, config="c",
        previous_config="b", policy="canary", state="running", started="", run_id="r",
    )  # fmt: skip
    world.store.save(GROUP, ROLLOUT, LAST, rollout)
    assert world.tick("champion")[0] == []
    world.store.save(GROUP, ROLLOUT, LAST, rollout.model_copy(update={"state": "proven"}))
    assert len(world.tick("champion")[0]) == 1, "the control"
    # Another's rollout says nothing of what serves.
    other = {"state": "running", "package_arn": reigns.first.arn}
    world.store.save(GROUP, ROLLOUT, LAST, rollout.model_copy(update=other))
    assert len(world.tick("champion")[0]) == 1


def test_drift_of_the_newest_day_is_told_anew_once_a_reign(world, reigns):
    """After a rollout the page would go on showing the drift from what a former champion knew."""
    assert world.tick("champion")[0] == [], "the first comparison comes with the rows"
    materialize(world, "drift", DAYS[2])
    assert compared_with(world) == reigns.first.arn
    assert world.tick("champion")[0] == [], "the control: the same one serves"
    world.serve(reigns.second)
    ((request,), _) = world.tick("champion")
    assert (request.partition_key, request.asset_selection) == (
        DAYS[2], [dg.AssetKey([GROUP, "drift"])],
    )  # fmt: skip
    assert request.tags["reason"] == f"version {reigns.second.version} (as of {DAYS[1]}) serves"
    assert world.tick("champion")[0][0].run_key == request.run_key, "until it has begun"
    materialize(world, "drift", DAYS[2], **request.tags, **{RUN_KEY: str(request.run_key)})
    assert compared_with(world) == reigns.second.arn
    assert world.tick("champion")[0] == world.like().tick("champion")[0] == []


def test_who_comes_back_is_compared_again(world, reigns):
    """By a key of the model alone, the second reign would go on with the other one's drift."""
    keys = []
    for before, now in [("first", "second"), ("second", "first"), ("first", "second")]:
        world.drifted(DAYS[2], getattr(reigns, before), 0.1)
        world.serve(getattr(reigns, now))
        ((request,), _) = world.tick("champion")
        keys.append(request.run_key)
        world.started(request, job="any")
    assert len(set(keys)) == len(keys)


def test_a_comparison_that_fails_is_not_repeated_every_minute(world, reigns):
    world.drifted(DAYS[2], reigns.second, 0.1)
    ((request,), _) = world.tick("champion")
    world.started(request, dg.DagsterRunStatus.FAILURE, job="any")
    assert world.tick("champion")[0] == world.like().tick("champion")[0] == []


def test_drift_told_anew_is_no_second_reason_to_train(world, reigns):
    """Each new champion would be retrained for the very rows that called for it, for ever."""
    world.drifted(DAYS[2], reigns.first, 0.4)
    ((request,), _) = world.tick("drift")
    world.started(request)
    world.serve(reigns.second)
    world.drifted(DAYS[2], reigns.second, 0.4)
    assert world.tick("drift")[0] == []
    # Rolled back, or told anew after more was captured: the same rows still.
    world.serve(reigns.first)
    world.drifted(DAYS[2], reigns.first, 0.5)
    assert world.tick("drift")[0] == []
    assert [(d.trigger, d.action) for d in decisions(world.store, GROUP)] == [("drift", "retrain")]
    # The control: other rows of the day are other evidence.
    record = world.store.load(DriftRecord, GROUP, "drift", DAYS[2])
    world.store.save(GROUP, "drift", DAYS[2], record.model_copy(update={"profile_snapshot": 2}))
    assert len(world.tick("drift")[0]) == 1
