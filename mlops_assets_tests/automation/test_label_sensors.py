"""Captures and labels arrive: which partitions are asked for, and that nothing is twice."""

import datetime as dt

import dagster as dg
import pandas as pd
import pytest

from mlops_assets.assets.monitoring.captured.events import event_id
from mlops_assets.assets.monitoring.captured.ground_truth import labels_uri
from mlops_assets.assets.monitoring.captured.labelled import known_partitions
from mlops_assets.definitions import build_assets
from mlops_assets.pipeline import Performance
from mlops_assets.resources.monitoring.ground_truth import upload
from mlops_assets.settings import Settings
from mlops_assets_tests.automation.loop_world import GROUP, LoopWorld, declare
from mlops_assets_tests.deliveries import DAYS


@pytest.fixture
def world(tmp_path) -> LoopWorld:
    """Labels come within three days, so that a day's labels may be of any of the days before."""
    declared = declare()
    within = Performance(labels_within=dt.timedelta(days=3), least_rows=5)
    monitors = declared.monitors.__class__(performance=within)
    return LoopWorld(Settings.load(home=tmp_path), declare(monitors=monitors))


def captured(world: LoopWorld, day: str, n: int = 5) -> list[str]:
    """A day's captured answers, as the station writes them; the events' ids."""
    rows = world.pipeline.source.read(day).head(n)
    ids = event_id(world.pipeline, rows)
    moment = pd.Timestamp(day, tz="UTC").as_unit("us")
    frame = pd.DataFrame(
        {"event_id": ids, "event_time": moment, "inference_time": moment, "variant": "live",
         "version": 1, "prediction": 0.5, "capture_file": "f", "capture_line": 1, "left_out": "",
         "depot": "north", "weight": 1.0, "recent_late": 0.1}
    )  # fmt: skip
    world.lake.write(f"{GROUP}.captures", day, frame)
    return list(ids)


def uploaded(world: LoopWorld, day: str, ids: list[str]) -> None:
    moment = dt.datetime.fromisoformat(day).replace(hour=12, tzinfo=dt.UTC)
    uri = labels_uri(world.pipeline, world.store)
    upload(world.store.open(), uri, dict.fromkeys(ids, 1.0), moment)


def materialize(world: LoopWorld, request: dg.RunRequest) -> None:
    """The run that was asked for, really."""
    done = dg.materialize(
        build_assets(world.pipeline),
        selection=request.asset_selection,
        resources=world.resources,
        partition_key=request.partition_key,
        tags={**request.tags, "dagster/run_key": str(request.run_key)},
        instance=world.instance,
    )
    assert done.success


def asked(world: LoopWorld) -> set[tuple[str, str]]:
    return {
        (request.asset_selection[0].path[-1], request.partition_key)
        for request in world.tick("labels")[0]
    }


@pytest.mark.integration
def test_labels_are_brought_in_then_judged_for_the_events_that_they_are_of_and_only_those(world):
    first, second = captured(world, DAYS[0]), captured(world, DAYS[1])
    captured(world, DAYS[2])
    assert asked(world) == set()
    # On the third day labels of the first day become known: only where they arrived, first.
    uploaded(world, DAYS[2], first[:3])
    ((request,), _) = world.tick("labels")
    assert (request.partition_key, request.asset_selection[0].path[-1]) == (DAYS[2], "ground_truth")
    assert asked(world) == {("ground_truth", DAYS[2])}, "asked again until it has begun"
    materialize(world, request)
    # All three days could have labels of that day; the first one alone does.
    assert all(DAYS[2] in known_partitions(world.pipeline, day) for day in DAYS[:3])
    ((request,), _) = world.tick("labels")
    assert (request.partition_key, request.asset_selection[0].path[-1]) == (DAYS[0], "performance")
    world.started(request, job="any")
    assert asked(world) == set()
    # A day later labels of the second day: nothing of the others is asked for again.
    uploaded(world, DAYS[3], second)
    ((request,), _) = world.tick("labels")
    materialize(world, request)
    assert asked(world) == {("performance", DAYS[1])}


@pytest.mark.integration
def test_nothing_is_brought_in_twice_whatever_is_forgotten(world):
    """Row 7: the cursor is lost and the runs are purged, or another daemon takes over."""
    first = captured(world, DAYS[0])
    uploaded(world, DAYS[1], first)
    ((request,), _) = world.tick("labels")
    materialize(world, request)
    ((judging,), _) = world.tick("labels")
    world.started(judging, job="any")
    assert asked(world) == set()
    fresh = world.like()
    assert asked(fresh) == set()
    # More labels of the same hour are news, and asked for by a key of their own.
    uploaded(fresh, DAYS[1], captured(fresh, DAYS[0], 7))
    ((again,), _) = fresh.tick("labels")
    assert again.partition_key == DAYS[1]
    assert again.run_key != request.run_key


def test_labels_of_nobody_judge_nobody(world):
    """Labels of events that were not captured have no prediction to compare with."""
    captured(world, DAYS[0])
    moment = pd.Timestamp(DAYS[1], tz="UTC").as_unit("us")
    frame = pd.DataFrame(
        {"event_id": ["elsewhere"], "label": 1.0, "known_at": moment, "label_file": "f",
         "provenance": "upload"}
    )  # fmt: skip
    world.lake.write(f"{GROUP}.ground_truth", DAYS[1], frame)
    assert asked(world) == set()
    # The control: a label of an event that was captured.
    known = captured(world, DAYS[0])[:1]
    world.lake.write(f"{GROUP}.ground_truth", DAYS[1], frame.assign(event_id=known))
    assert asked(world) == {("performance", DAYS[0])}


def test_new_captures_are_asked_for_by_partition_and_content(world, monkeypatch):
    """Each new file must be judged, and no old one again; reading them is another test's."""
    from mlops_assets.automation import captures
    from mlops_assets.resources.monitoring.captured_files import Refreshed

    found = {DAYS[0]: "a", DAYS[1]: "b"}
    monkeypatch.setattr(captures, "refresh", lambda *_: Refreshed(versions=dict(found)))
    requests, _ = world.tick("captures")
    assert [request.partition_key for request in requests] == [DAYS[0], DAYS[1]]
    for request in requests:
        world.started(request, job="any")
    assert world.tick("captures")[0] == []
    assert world.like().tick("captures")[0] == [], "runs purged"
    found[DAYS[1]] = "b and more"
    ((news,), _) = world.tick("captures")
    assert news.partition_key == DAYS[1]
    sensor = world.defs.resolve_sensor_def(f"{GROUP}_captures")
    keys = sensor.job.selection.resolve(world.defs.resolve_asset_graph())
    assert {"captures", "skew", "performance"} <= {key.path[-1] for key in keys}
    assert "ground_truth" not in {key.path[-1] for key in keys}
