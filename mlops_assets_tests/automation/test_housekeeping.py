"""Housekeeping, as Dagster runs it: over a lake in which a writer was killed."""

import os
import time
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

from mlops_assets.automation.housekeeping import AGE
from mlops_assets.definitions import build_defs, build_resources
from mlops_assets.settings import Settings
from mlops_assets_tests.automation.loop_world import GROUP, declare


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.load(home=tmp_path)


def left_behind(lake_files: Path, name: str, age_s: float) -> Path:
    """A file that no snapshot knows, last written so long ago."""
    path = lake_files / name
    path.write_bytes(b"half a file")
    os.utime(path, (time.time() - age_s,) * 2)
    return path


def test_what_a_killed_writer_left_goes_and_nothing_else(settings: Settings) -> None:
    """Files that are paid for and read by nobody; or a slow job's staged rows, taken from it."""
    lake = build_resources(settings)["lake"].open()
    for rows in ([1, 2], [3]):
        lake.write(f"{GROUP}.raw", "2024-01-01", pd.DataFrame({"row": rows}))
    lake.write("another.raw", "2024-01-01", pd.DataFrame({"row": [4]}))
    (first, _) = lake.history(f"{GROUP}.raw")
    (file, *_) = settings.home.rglob(f"*{GROUP}*/**/*.parquet")
    (foreign, *_) = settings.home.rglob("*another*/**/*.parquet")
    old = left_behind(file.parent, "old.parquet", AGE.total_seconds() + 60)
    young = left_behind(file.parent, "young.parquet", AGE.total_seconds() - 3600)
    not_ours = left_behind(foreign.parent, "old.parquet", AGE.total_seconds() + 60)

    job = build_defs(settings, pipelines=[declare()]).resolve_job_def(f"{GROUP}_housekeeping")
    with dg.DagsterInstance.ephemeral() as instance:
        assert job.execute_in_process(instance=instance).success

    assert (old.exists(), young.exists(), not_ours.exists()) == (False, True, True)
    assert lake.read(f"{GROUP}.raw")["row"].tolist() == [3]
    kept = lake.read(f"{GROUP}.raw", snapshot_id=first.snapshot_id)
    assert kept["row"].tolist() == [1, 2]


def test_it_is_asked_for_weekly_once_somebody_turns_it_on(settings: Settings) -> None:
    defs = build_defs(settings, pipelines=[declare()])
    schedule = defs.resolve_schedule_def(f"{GROUP}_housekeeping_weekly")
    assert schedule.job_name == f"{GROUP}_housekeeping"
    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED
    assert schedule.execution_timezone == declare().partitions.time_zone
