"""What was captured before its rows came is judged again when they come, once, and only that."""

from collections.abc import Iterator

import dagster as dg
import pytest

from mlops_assets.assets.monitoring.captured import skew
from mlops_assets.assets.monitoring.captured.records import SkewRecord
from mlops_assets.definitions import build_assets
from mlops_assets.sagemaker_local import lifecycle
from mlops_assets.settings import Settings
from mlops_assets_tests.automation.loop_world import GROUP, LoopWorld
from mlops_assets_tests.automation.test_label_sensors import captured
from mlops_assets_tests.deliveries import DAYS


@pytest.fixture
def world(tmp_path) -> Iterator[LoopWorld]:
    made = LoopWorld(Settings.load(home=tmp_path))
    yield made
    lifecycle.stop(made.settings.sagemaker_home)  # which the run that is asked for starts


def rows(world: LoopWorld, day: str, n: int = 40) -> None:
    """Rows of features as of a day, as another delivery of them would be."""
    frame = world.pipeline.source.read(day).head(n)
    columns = ["parcel", *world.pipeline.feature_columns, "late"]
    known = {"depot": "north", "weight": 1.0, "recent_late": 0.1, "late": 0.0}
    world.lake.write(f"{GROUP}.features", day, frame.assign(**known)[columns])


def judged(world: LoopWorld, day: str) -> SkewRecord:
    return skew.recorded(world.pipeline, world.lake, world.store, day)[0]


def asked(world: LoopWorld) -> list[dg.RunRequest]:
    return world.tick("captures")[0]


def test_answers_are_compared_again_when_the_rows_of_their_partition_come(world):
    """Captured before the partition's rows came in, skew was unknown, and stayed so for ever."""
    captured(world, DAYS[0])
    assert judged(world, DAYS[0]).status == "unknown"
    assert asked(world) == [], "there is nothing to compare with"
    rows(world, DAYS[0])
    (request,) = asked(world)
    stations = {key.path[-1] for key in request.asset_selection}
    assert (request.partition_key, stations) == (DAYS[0], {"skew", "performance"})
    assert [r.run_key for r in asked(world)] == [request.run_key], "until it has begun"
    world.started(request, job="any")
    assert judged(world, DAYS[0]).status == "healthy"
    assert asked(world) == []
    assert asked(world.like()) == [], "another daemon, with no memory"
    rows(world, DAYS[0], 39)
    assert asked(world)[0].run_key != request.run_key, "other rows are news"


def test_rows_that_nobody_was_asked_about_or_that_were_seen_start_nothing(world):
    """The controls: history comes in without a run that judges nothing; and what was judged with
    its rows is not judged again."""
    rows(world, DAYS[0])
    assert judged(world, DAYS[0]).status == "unknown", "nothing was captured"
    rows(world, DAYS[1])
    captured(world, DAYS[1])
    assert judged(world, DAYS[1]).status == "healthy"
    rows(world, DAYS[2])
    captured(world, DAYS[2])  # and not judged yet: it will be, with its rows
    assert asked(world) == []


@pytest.mark.integration
def test_the_run_that_is_asked_for_makes_skew_known(world):
    captured(world, DAYS[0])
    judged(world, DAYS[0])
    rows(world, DAYS[0])
    (request,) = asked(world)
    done = dg.materialize(
        build_assets(world.pipeline),
        selection=request.asset_selection,
        resources=world.resources,
        partition_key=request.partition_key,
        instance=world.instance,
    )
    assert done.success
    record = world.store.load(SkewRecord, GROUP, "skew", DAYS[0])
    assert (record.status, record.compared, record.different_rows) == ("healthy", 5, 0)
