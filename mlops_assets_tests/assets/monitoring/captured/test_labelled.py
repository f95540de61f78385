"""Which label counts for which answer: late, corrected, twice, from elsewhere, or never."""

import pandas as pd
import pytest

from mlops_assets.assets.monitoring.captured import ground_truth
from mlops_assets.assets.monitoring.captured.augmented import augmented
from mlops_assets.assets.monitoring.captured.labelled import (
    known_partitions,
    labelled,
    last_answers,
)
from mlops_assets_tests.assets.monitoring.captured.label_lab import DAYS, Lab, within

ONE, TWO, THREE, FOUR = DAYS


def test_a_late_label_joins_the_partition_of_its_event(tmp_path):
    """Partitions of labels are by when they became known, not by their events."""
    lab = Lab.open(tmp_path, performance=within(days=2))
    lab.capture(ONE, {"event_id": "a"}, {"event_id": "b"}, {"event_id": "c"})
    lab.truth(ONE, ("a", 1.0, f"{ONE} 12:00"), ("other", 0.0, f"{ONE} 13:00"))
    lab.truth(THREE, ("b", 0.0, f"{THREE} 09:59"), ("c", 1.0, f"{THREE} 10:01"))
    found = labelled(lab.pipeline, lab.lake, ONE)
    labels = found.set_index("event_id")["label"]
    assert labels["a"] == 1.0
    assert labels["b"] == 0.0
    assert pd.isna(labels["c"]), "it became known two days and a minute after the event"
    assert found.attrs["late"] == 1
    assert found["label_source"].tolist()[:2] == ["ground_truth", "ground_truth"]
    assert found["known_at"].iloc[1] == pd.Timestamp(f"{THREE} 09:59", tz="UTC")


def test_a_correction_replaces_the_label_before_it(tmp_path):
    lab = Lab.open(tmp_path)
    lab.capture(ONE, {"event_id": "a"})
    lab.truth(ONE, ("a", 1.0, f"{ONE} 12:00"))
    before = lab.lake.head("deliveries.ground_truth")
    lab.truth(TWO, ("a", 0.0, f"{TWO} 12:00"), provenance="queue:ada")
    (row,) = labelled(lab.pipeline, lab.lake, ONE).to_dict("records")
    assert (row["label"], row["provenance"]) == (0.0, "queue:ada")
    assert ground_truth.affected(lab.pipeline, lab.lake, TWO) == [ONE]
    assert ground_truth.affected(lab.pipeline, lab.lake, TWO, since=before) == [ONE]
    now = lab.lake.head("deliveries.ground_truth")
    assert ground_truth.affected(lab.pipeline, lab.lake, TWO, since=now) == [], "nothing changed"


def test_the_labels_that_the_source_brings_count_until_somebody_knows_better(tmp_path):
    lab = Lab.open(tmp_path)
    lab.features(ONE, {"parcel": "a", "late": 1.0}, {"parcel": "b", "late": 0.0}, {"parcel": "x"})
    times = [f"{ONE} 11:00", f"{TWO} 09:00", None]
    clean = pd.DataFrame(
        {"parcel": ["a", "b", "x"], "delivered_at": pd.to_datetime(times, utc=True).as_unit("us")}
    )
    lab.lake.write("deliveries.clean", ONE, clean)
    lab.capture(ONE, {"event_id": "a"}, {"event_id": "b"}, {"event_id": "x"})
    lab.truth(TWO, ("b", 1.0, f"{TWO} 10:00"))
    found = labelled(lab.pipeline, lab.lake, ONE).set_index("event_id")
    assert found.loc["a", ["label", "label_source"]].tolist() == [1.0, "source"]
    assert found.loc["a", "known_at"] == pd.Timestamp(f"{ONE} 11:00", tz="UTC")
    assert found.loc["b", ["label", "label_source"]].tolist() == [1.0, "ground_truth"]
    assert pd.isna(found.loc["x", "label"])


def test_without_captures_or_labels_there_is_nothing_and_no_error(tmp_path):
    lab = Lab.open(tmp_path)
    empty = labelled(lab.pipeline, lab.lake, ONE)
    assert (len(empty), empty.attrs["late"]) == (0, 0)
    assert {"event_id", "label", "known_at", "label_source", "depot"} <= set(empty.columns)
    assert ground_truth.affected(lab.pipeline, lab.lake, ONE) == []
    assert augmented(lab.pipeline, lab.lake, [ONE]).empty
    lab.capture(ONE, {"event_id": "a"})
    assert labelled(lab.pipeline, lab.lake, ONE)["label"].isna().all()


def test_a_shadows_answers_are_nobodys(tmp_path):
    lab = Lab.open(tmp_path)
    lab.capture(ONE, {"event_id": "a"}, {"event_id": "a", "variant": "shadow", "version": 2})
    assert labelled(lab.pipeline, lab.lake, ONE)["version"].tolist() == [1]


def test_what_was_said_last_before_the_event_counts(tmp_path):
    """An answer after the event is no prediction of it."""
    lab = Lab.open(tmp_path)
    said = {"07:00": 0.1, "09:00": 0.2, "11:00": 0.9}
    lab.capture(
        ONE,
        *(
            {
                "event_id": event,
                "inference_time": pd.Timestamp(f"{year}-03-01 {at}", tz="UTC"),
                "prediction": answer,
            }
            for event, year in (("a", 2024), ("replayed", 2026))
            for at, answer in said.items()
        ),
    )
    kept = last_answers(labelled(lab.pipeline, lab.lake, ONE)).set_index("event_id")["prediction"]
    assert kept.to_dict() == {"a": 0.2, "replayed": 0.9}


@pytest.mark.parametrize(("days", "wanted"), [(0.1, [ONE, TWO]), (2, [ONE, TWO, THREE])])
def test_labels_are_looked_for_where_they_may_be_known(tmp_path, days, wanted):
    """Also before the event: what is cancelled is known early."""
    lab = Lab.open(tmp_path, performance=within(days=days))
    assert known_partitions(lab.pipeline, ONE)[: len(wanted)] == wanted
    assert known_partitions(lab.pipeline, TWO)[0] == ONE
    for known in wanted:
        assert ONE in ground_truth.event_partitions(lab.pipeline, known)
    assert TWO in ground_truth.event_partitions(lab.pipeline, ONE)


def test_served_rows_and_late_labels_become_training_rows(tmp_path):
    lab = Lab.open(tmp_path)
    lab.features(ONE, {"parcel": "a"}, {"parcel": "b", "late": 0.0}, {"parcel": "x"})
    lab.capture(
        ONE,
        {"event_id": "a"},
        {"event_id": "new%2F1", "weight": 7.5},
        {"event_id": "y" * 39 + "~" + "0" * 24},
    )
    labels = [(event, 1.0, f"{ONE} 12:00") for event in ("a", "new%2F1", "y" * 39 + "~" + "0" * 24)]
    lab.truth(ONE, *labels, provenance="queue:ada")
    made = augmented(lab.pipeline, lab.lake, [ONE])
    columns = list(lab.pipeline.feature_schema.to_schema().columns)
    assert list(made.columns) == [*columns, "provenance"]
    rows = made.set_index("parcel")
    assert rows["late"].to_dict() == {"a": 1.0, "b": 0.0, "new/1": 1.0}
    assert rows["provenance"].to_dict() == {"a": "queue:ada", "b": "source", "new/1": "queue:ada"}
    assert rows.loc["new/1", "weight"] == 7.5
    assert made.attrs["no_key"] == 1
    lab.pipeline.feature_schema.validate(made[columns])
