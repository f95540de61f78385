"""Labels as files: SageMaker's format, by the hour they became known, and never more than read."""

import datetime as dt
import json
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_assets.objects import Objects, open_objects
from mlops_assets.resources.monitoring.ground_truth import (
    BadLabels,
    parse_label,
    read_labels,
    upload,
)

TOP = "s3://lake/ground-truth/p"
KNOWN = dt.datetime(2024, 3, 1, 9, 30, 15, 250_000, tzinfo=dt.UTC)


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    return open_objects(f"dir:{tmp_path}")


def line(data: object, encoding: str = "CSV", event_id: str = "e") -> str:
    return json.dumps(
        {
            "groundTruthData": {"data": data, "encoding": encoding},
            "eventMetadata": {"eventId": event_id},
            "eventVersion": "0",
        }
    )


def hours(first: str, last: str) -> tuple[pd.Timestamp, pd.Timestamp]:
    return pd.Timestamp(first, tz="UTC"), pd.Timestamp(last, tz="UTC")


def test_what_is_uploaded_is_read_with_its_moment_and_its_author(objects: Objects) -> None:
    uri = upload(objects, TOP, {"b": 0, "a": 0.1 + 0.2}, KNOWN, provenance="queue:ada@example.com")
    assert uri.startswith(f"{TOP}/2024/03/01/09/30-15-250.")
    assert (
        upload(objects, TOP, {"a": 0.1 + 0.2, "b": 0}, KNOWN, provenance="queue:ada@example.com")
        == uri
    )
    found = read_labels(objects, TOP, None, None).rows
    assert found["event_id"].tolist() == ["a", "b"]
    assert found["label"].tolist() == [0.1 + 0.2, 0.0]
    assert set(found["known_at"]) == {pd.Timestamp(KNOWN)}
    assert set(found["provenance"]) == {"queue:ada_example_com"}
    record = json.loads(objects.read(uri).splitlines()[0])
    assert record == json.loads(line("0.30000000000000004", event_id="a")), "SageMaker's own form"


@given(
    st.dictionaries(
        st.text(min_size=1), st.floats(allow_nan=False, allow_infinity=False), min_size=1
    )
)
@settings(max_examples=30)
def test_any_label_survives_the_format(labels: dict[str, float]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as scratch:
        objects = open_objects(f"dir:{scratch}")
        upload(objects, TOP, labels, KNOWN)
        found = read_labels(objects, TOP, None, None)
    assert dict(zip(found.rows["event_id"], found.rows["label"], strict=True)) == labels


def test_only_the_hours_of_a_window_are_read(objects: Objects, monkeypatch) -> None:
    """A month of labels must not cost the reading of all that came before and after."""
    for day in range(1, 29):
        upload(objects, TOP, {f"e{day}": 1}, KNOWN.replace(day=day))
    read: list[str] = []
    real = type(objects).read
    monkeypatch.setattr(
        type(objects), "read", lambda self, uri: read.append(uri) or real(self, uri)
    )
    found = read_labels(objects, TOP, *hours("2024-03-10 09:30:15.25", "2024-03-12 09:30:15.25"))
    assert found.rows["event_id"].tolist() == ["e10", "e11"], "from a moment on, up to another"
    assert len(read) == 2


def test_a_foreign_file_counts_as_known_at_the_end_of_its_hour(objects: Objects) -> None:
    """Its place tells no more than the hour: an earlier moment could leak the label."""
    objects.write(f"{TOP}/2024/03/01/09/labels.jsonl", f"{line('1')}\n".encode())
    objects.write(f"{TOP}/notes.txt", b"not labels")
    (row,) = read_labels(objects, TOP, None, None).rows.to_dict("records")
    assert row["known_at"] == pd.Timestamp("2024-03-01 09:59:59.999999", tz="UTC")
    assert row["provenance"] == "upload"
    assert read_labels(objects, TOP, *hours("2024-03-01 08:00", "2024-03-01 09:00")).rows.empty
    assert len(read_labels(objects, TOP, *hours("2024-03-01 09:00", "2024-03-01 10:00")).rows) == 1


def test_a_bad_line_is_refused_with_its_place_and_the_rest_is_kept(objects: Objects) -> None:
    bad = ["{", "[]", line("late"), line("nan"), line(""), line("1", "XML"), line("1", event_id="")]
    text = "\n".join([line("1", event_id="first"), *bad, line("0", event_id="last")])
    objects.write(f"{TOP}/2024/03/01/09/x.jsonl", text.encode())
    found = read_labels(objects, TOP, None, None)
    assert found.rows["event_id"].tolist() == ["first", "last"]
    assert found.refused["label_line"].tolist() == list(range(2, 2 + len(bad)))
    assert found.refused["reason"].str.len().min() > 10


@pytest.mark.parametrize(
    ("data", "encoding", "labels"),
    [
        ("1", "CSV", [1.0]),
        ("1,0,1\n", "CSV", [1.0, 0.0, 1.0]),
        ("0.5", "JSON", [0.5]),
        ("[1, 0]", "JSON", [1.0, 0.0]),
        (1, "JSON", [1.0]),
        ("MQ==", "BASE64", [1.0]),
    ],
)
def test_every_encoding_is_read(data: object, encoding: str, labels: list[float]) -> None:
    found = parse_label(line(data, encoding).encode())
    assert [label for _, label in found] == labels
    wanted = ["e"] if len(labels) == 1 else [f"e#{n}" for n in range(len(labels))]
    assert [event for event, _ in found] == wanted


@pytest.mark.parametrize(
    ("labels", "known"),
    [
        ({}, KNOWN),
        ({"a": float("nan")}, KNOWN),
        ({"": 1.0}, KNOWN),
        ({"a": 1.0}, KNOWN.replace(tzinfo=None)),
    ],
)
def test_what_is_no_label_is_not_uploaded(objects: Objects, labels, known) -> None:
    with pytest.raises(BadLabels):
        upload(objects, TOP, labels, known)
    assert list(objects.list(TOP)) == []
