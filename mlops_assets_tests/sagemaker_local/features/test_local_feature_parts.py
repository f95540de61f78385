"""Parts of the feature store without their server, some with a guard removed."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from mlops_assets.objects import open_objects
from mlops_assets.sagemaker_local.features import feature_offline, feature_records
from mlops_assets.sagemaker_local.features.feature_offline import OfflineStore
from mlops_assets.sagemaker_local.features.feature_records import Records, Write, target_of

TARGET = target_of("s3://bucket/data", {"id": "String", "x": "Integral"})


def write(event: int, x: str, target: str | None = None) -> Write:
    return Write("g", "a", event, {"id": "a", "x": x}, target=target)


@pytest.mark.parametrize("guarded", [True, False])
def test_an_older_record_replaces_a_newer_one_only_without_the_guard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, guarded: bool
):
    if not guarded:
        query = feature_records._UPSERT.partition("WHERE")[0]
        monkeypatch.setattr(feature_records, "_UPSERT", query)
    records = Records(tmp_path)
    records.write([write(2, "2")])
    records.write([write(1, "1")])
    (found,) = records.read("g", ["a"])
    assert found.features["x"] == ("2" if guarded else "1")


def test_a_batch_is_written_whole_or_not_at_all(tmp_path: Path):
    records = Records(tmp_path)
    with pytest.raises(TypeError):
        records.write([write(1, "1"), write(2, b"no text")])  # type: ignore[arg-type]
    assert records.read("g", ["a"]) == []


@pytest.mark.parametrize("crash", [False, True])
def test_a_crash_between_file_and_journal_writes_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crash: bool
):
    """Rows that came since the crash must not change the batch that was already written."""
    objects = open_objects(f"dir:{tmp_path / 'buckets'}")
    monkeypatch.setattr(feature_offline, "_BATCH", 3)
    records = Records(tmp_path)
    records.write([write(n, str(n), TARGET) for n in range(2)])
    if crash:
        batch, entries = records.take(3)
        OfflineStore(records, objects)._write(batch, entries)
        records.close()
        records = Records(tmp_path)
    records.write([write(n, str(n), TARGET) for n in range(2, 8)])
    asyncio.run(OfflineStore(records, objects).flush())
    files = [objects.read(info.uri) for info in objects.list("s3://bucket/data")]
    rows = [row["x"] for file in files for row in pq.read_table(io.BytesIO(file)).to_pylist()]
    assert sorted(rows) == list(range(8))
    assert records.take(3) == (0, [])
