"""From a request to a labelled event, by a real endpoint: captures, skew, ground truth, queue."""

import datetime as dt
import io

import pandas as pd
import pytest

from mlops_assets.assets.monitoring.captured import ground_truth
from mlops_assets.assets.monitoring.captured.augmented import augmented
from mlops_assets.assets.monitoring.captured.events import event_id, invocations
from mlops_assets.assets.monitoring.captured.labelled import labelled, last_answers
from mlops_assets.assets.monitoring.captured.records import SkewRecord
from mlops_assets.cli.predictions import predict
from mlops_assets.cli.world import World
from mlops_assets.resources.monitoring.label_sheets import read_sheet
from mlops_assets_tests.assets.monitoring.captured.captured_parcels import (
    NEXT,
    THIRD,
    ask,
    captured,
    features,
    serve,
)
from mlops_assets_tests.worlds import checks

pytestmark = pytest.mark.integration
KNOWN = dt.datetime(2024, 3, 3, 9, 30, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """All parcels of the second day but one were asked about: one by `mlops invoke`, one by CSV
    without a header, and one twice."""
    world = serve(tmp_path_factory.mktemp("captured"))
    rows = features(world, NEXT)
    (identity,) = invocations(world.pipeline, rows.iloc[[1]])
    world.resources["sagemaker"].runtime().invoke_endpoint(
        EndpointName=world.pipeline.slug,
        ContentType="text/csv",
        Body=rows.iloc[[1]][list(world.pipeline.feature_columns)].to_csv(index=False, header=False),
        **identity,
    )
    predict(World(world.settings), world.pipeline, NEXT, 2)
    answers = ask(world, rows.iloc[3:])
    ask(world, rows.iloc[[5]].assign(recent_late=0.99))
    yield world, rows, answers
    world.stop()


@pytest.fixture(scope="module")
def read(asked):
    world, rows, answers = asked
    captured(world, NEXT, len(rows))
    result = world.run("captures", partition=NEXT)
    assert result.success
    return world, rows, answers, result


def test_every_answer_is_found_with_its_event_version_and_features(read):
    world, rows, answers, result = read
    table = world.lake.read("deliveries.captures", [NEXT])
    assert len(table) == len(rows)
    first = table.drop_duplicates("event_id").set_index("event_id")
    ids = event_id(world.pipeline, rows.iloc[3:])
    assert first.loc[ids, "prediction"].tolist() == answers
    assert set(table["version"]) == {1}
    assert set(table["variant"]) == {"live"}
    times = rows.set_index(event_id(world.pipeline, rows))["promised_at"]
    assert (first["event_time"] == times.loc[first.index]).all()
    found = checks(result)
    assert found["decoded"].passed
    assert found["capture_gap"].passed
    assert "2.5 % of 40 rows have no captured answer" in str(found["capture_gap"].description)
    (event,) = [e for e in result.all_events if e.is_step_materialization]
    shown = event.step_materialization_data.materialization.metadata
    assert shown["accepted"].value == len(rows)
    assert shown["refused"].value == 0
    assert "|1|live|40|" in shown["by version and variant"].value


def test_a_second_run_changes_nothing_and_probes_are_no_events(read):
    world, rows, _, _ = read
    before = world.lake.partition_snapshot("deliveries.captures", NEXT)
    assert world.run("captures", partition=NEXT).success
    assert world.lake.partition_snapshot("deliveries.captures", NEXT) == before
    # The rollout asked about its held-out rows, now and not on any of these days.
    store = world.resources["store"]
    listed = store.open().list(store.uri("captures", "deliveries"))
    records = sum(store.open().read(info.uri).count(b"\n") for info in listed)
    assert records > len(rows), "the endpoint was probed, and that was captured"
    last = world.run("captures", partition="2024-03-04")
    (event,) = [e for e in last.all_events if e.is_step_materialization]
    shown = event.step_materialization_data.materialization.metadata
    assert shown["probes"].value == records - len(rows)
    assert shown["accepted"].value == 0
    assert "unknown" in str(checks(last)["capture_gap"].description)


def test_skew_tells_which_feature_the_caller_computes_otherwise(read):
    world, *_ = read
    result = world.run("skew", partition=NEXT)
    assert result.success, "an alarm blocks nothing"
    found = checks(result)["skew"]
    assert not found.passed
    assert found.severity.value == "ERROR"
    record = world.resources["store"].load(SkewRecord, "deliveries", "skew", NEXT)
    assert (record.different_rows, record.columns) == (1, {"recent_late": 1})
    assert (record.captured, record.compared, record.offline) == (40, 40, 40)
    assert record.status == "failing"
    unknown = world.run("skew", partition=THIRD)
    assert checks(unknown)["skew"].passed
    record = world.resources["store"].load(SkewRecord, "deliveries", "skew", THIRD)
    assert record.status == "unknown"


def test_labels_that_come_late_join_their_events_and_only_theirs(read):
    world, rows, *_ = read
    pipeline, store = world.pipeline, world.resources["store"]
    ids = event_id(pipeline, rows)
    known = labelled(pipeline, world.lake, NEXT)
    assert set(known["label_source"].dropna()) <= {"source"}
    said = {ids.iloc[5]: 1.0, ids.iloc[6]: 0.0, "nobody": 1.0}
    ground_truth.upload(pipeline, store, said, KNOWN)
    later = KNOWN + dt.timedelta(hours=2)
    ground_truth.upload(pipeline, store, {ids.iloc[6]: 1.0}, later, provenance="queue:ada")
    result = world.run("ground_truth", partition=THIRD)
    assert checks(result)["labels_read"].passed
    assert len(world.lake.read("deliveries.ground_truth", [THIRD])) == 4
    assert ground_truth.affected(pipeline, world.lake, THIRD) == [NEXT]
    joined = last_answers(labelled(pipeline, world.lake, NEXT)).set_index("event_id")
    assert joined.loc[ids.iloc[5], ["label", "label_source"]].tolist() == [1.0, "ground_truth"]
    corrected = joined.loc[ids.iloc[6]]
    assert (corrected["label"], corrected["provenance"]) == (1.0, "queue:ada")
    assert corrected["known_at"] == pd.Timestamp(later)
    trained = augmented(pipeline, world.lake, [NEXT]).set_index("parcel")
    assert trained.loc[rows["parcel"].iloc[6], ["late", "provenance"]].tolist() == [
        1.0, "queue:ada",
    ]  # fmt: skip


def test_a_sheet_is_exported_and_comes_back_with_its_author(read):
    world, *_ = read
    unlabelled = features(world, NEXT).assign(late=float("nan"))
    world.lake.write("deliveries.features", NEXT, unlabelled)
    assert world.run("captures", "label_queue", partition=NEXT).success
    store = world.resources["store"]
    sheet = store.open().read(store.uri("label-queue/deliveries", f"{NEXT}.csv"))
    rows = pd.read_csv(io.BytesIO(sheet))
    assert list(rows.columns) == [
        "event_id", "event_time", "prediction", "queue_score", "queue_reason",
        *world.pipeline.feature_columns, "label",
    ]  # fmt: skip
    assert len(rows) == 5
    assert rows["label"].isna().all()
    filled = read_sheet(rows.assign(label=1).to_csv(index=False).encode())
    assert filled.queued
    ground_truth.upload(world.pipeline, store, filled.labels, KNOWN, provenance="queue:eve")
    assert world.run("ground_truth", partition=THIRD).success
    found = labelled(world.pipeline, world.lake, NEXT).set_index("event_id")
    assert set(found.loc[rows["event_id"], "provenance"]) == {"queue:eve"}
