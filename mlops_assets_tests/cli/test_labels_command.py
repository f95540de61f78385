"""`mlops labels`: what somebody collected arrives with its moment and its author, or not at all."""

from pathlib import Path

import pandas as pd
import pytest

from mlops_assets.assets.monitoring.captured import ground_truth
from mlops_assets.cli.errors import CommandError
from mlops_assets.cli.labels import run
from mlops_assets.cli.world import World
from mlops_assets.resources.monitoring.label_sheets import to_csv
from mlops_assets_tests.cli.tiny_captured import pipeline


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MLOPS_PIPELINES", "mlops_assets_tests.cli.tiny_captured")
    return tmp_path


def stored(day: str = "2024-03-02") -> pd.DataFrame:
    return ground_truth.read(pipeline, World.open().store, day).rows


def test_a_filled_in_sheet_comes_back_as_the_queues(home: Path, capsys) -> None:
    sheet = pd.DataFrame({"event_id": ["a", "b"], "queue_score": [0.9, 0.1], "label": [1, None]})
    (home / "sheet.csv").write_bytes(to_csv(sheet))
    run("deliveries", home / "sheet.csv", collected_at="2024-03-02T10:00:00+01:00")
    (row,) = stored().to_dict("records")
    assert (row["event_id"], row["label"]) == ("a", 1.0)
    assert row["known_at"] == pd.Timestamp("2024-03-02 09:00", tz="UTC")
    assert row["provenance"].startswith("queue:")
    printed = capsys.readouterr().out
    assert "1 labels" in printed
    assert "deliveries/ground_truth of 2024-03-02" in printed.replace("\n", " ")


def test_other_labels_are_uploads_known_now(home: Path) -> None:
    (home / "labels.jsonl").write_text('{"event_id": "a", "label": 0}\n')
    run("deliveries", home / "labels.jsonl")
    (row,) = stored("2024-03-04").to_dict("records")  # the last partition: now lies after it
    assert row["provenance"].startswith("upload:")
    assert pd.Timestamp.now("UTC") - row["known_at"] < pd.Timedelta(minutes=5)


@pytest.mark.parametrize(
    ("text", "when", "told"),
    [
        ("event_id,label\na,1\nb,2\n", None, "'b' is labelled 2, and late is 0 or 1"),
        ("event_id,label\na,1\nb,perhaps\n", None, "line 3.*Nothing was uploaded"),
        ("event_id,label\na,\n", None, "holds no labels"),
        ("event_id,label\na,1\n", "yesterday", "is no ISO 8601 time"),
        ("event_id,label\na,1\n", "2024-03-02T10:00", "no time zone: write 2024-03-02T10:00"),
    ],
)
def test_a_wrong_file_uploads_nothing(home: Path, text: str, when: str | None, told: str) -> None:
    (home / "labels.csv").write_text(text)
    with pytest.raises(CommandError, match=told):
        run("deliveries", home / "labels.csv", collected_at=when)
    assert stored().empty


def test_a_missing_file_and_an_unknown_pipeline_are_named(home: Path) -> None:
    with pytest.raises(CommandError, match=r"none\.csv cannot be read"):
        run("deliveries", home / "none.csv")
    with pytest.raises(CommandError, match="there is no pipeline 'other'"):
        run("other", home / "none.csv")
