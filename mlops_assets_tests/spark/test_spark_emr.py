"""The same content by pandas and by Spark on EMR Serverless, on machines that share no disk."""

import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace

import pytest

from mlops_assets_tests.spark import visits_on_emr
from mlops_assets_tests.spark.emr_world import ONE, SEVERAL, disks_can_be_hidden, emr_world
from mlops_assets_tests.spark.spark_there import needs_spark
from mlops_assets_tests.spark.test_spark_stations import STATIONS, tables
from mlops_assets_tests.worlds import materialized

pytestmark = [pytest.mark.integration, needs_spark]
DAYS = visits_on_emr.visits.DAYS
BY_PANDAS = replace(visits_on_emr.pipeline, engine="pandas")
_LOOKS = """
import os, sys
from pathlib import Path
import pyarrow as pa
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
mine = Path(sys.argv[1])
mine.touch()
def seen(batches):
    for batch in batches:
        found = pa.array([mine.exists()] * batch.num_rows)
        yield pa.RecordBatch.from_arrays([found], names=["seen"])
found = {row.seen for row in spark.range(0, 8, 1, 4).mapInArrow(seen, "seen boolean").collect()}
print(f"driver {mine.exists()}, executors {found}")
"""
needs_disks = pytest.mark.skipif(
    not disks_can_be_hidden(), reason="needs mounts of one's own (unshare -rm)"
)


@needs_disks
def test_visits_are_the_same_on_several_machines(tmp_path):
    """What tasks exchange goes through Spark or the lake: no executor sees another's disk."""
    with emr_world(tmp_path, SEVERAL) as world:
        by_pandas = world.of(BY_PANDAS)
        assert by_pandas.run("raw", *STATIONS, span=DAYS).success
        before = tables(by_pandas)
        by_spark = world.of(visits_on_emr.pipeline, by_pandas.instance)
        made = by_spark.run(*STATIONS, span=DAYS)
        assert made.success
        assert materialized(made) == set(STATIONS)
        assert tables(by_spark) == before
        assert [job.state for job in world.api.jobs] == ["SUCCESS", "SUCCESS"]
        assert world.executors() == [2, 2]


@needs_disks
def test_executors_do_not_see_the_drivers_disk(tmp_path):
    """The negative control: what a job leaves on its disk is not there for the others."""
    with emr_world(tmp_path, SEVERAL) as world:
        script = tmp_path / "looks.py"
        script.write_text(_LOOKS)
        options = [part for name, value in (world.submit.conf or {}).items()
                   for part in ("--conf", f"{name}={value}")]  # fmt: skip
        done = subprocess.run(
            [*world.submit.command, *options, str(script), str(world.private / "mine")],
            env={**world.submit.environment, "PYSPARK_PYTHON": sys.executable},
            capture_output=True,
            text=True,
            check=True,
        )
    assert "driver True, executors {False}" in done.stdout


@pytest.mark.nightly
def test_a_killed_or_terminated_job_leaves_nothing_and_is_made_again(tmp_path, monkeypatch):
    """One whose driver died, one that the run took with it, one that made it: the same content."""
    gate = tmp_path / "gate"
    monkeypatch.setenv("SPARK_TEST_GATE", str(gate))
    with emr_world(tmp_path, ONE) as world:
        by_spark = world.of(visits_on_emr.pipeline)
        assert by_spark.run("raw", span=DAYS).success

        def ended_by(end):
            """A run whose job is ended after its first day, with the second half made."""
            waiting = tmp_path / "gate.waiting"
            waiting.unlink(missing_ok=True)
            gate.touch()
            over = threading.Event()

            def soon():
                while not waiting.exists() and not over.wait(0.05):
                    pass
                if waiting.exists():
                    end()

            thread = threading.Thread(target=soon)
            thread.start()
            try:
                ended = by_spark.run("clean", "quarantine", span=DAYS)
            finally:
                over.set()
                thread.join()
            assert not ended.success
            assert not materialized(ended)
            lake, made = by_spark.lake, [f"visits.{name}" for name in STATIONS[:2]]
            assert not any(lake.exists(name) and lake.partitions(name) for name in made)
            assert world.files("lake/visits.db/clean/"), "the first day was not made yet"

        ended_by(lambda: world.api.jobs[-1].kill())
        ended_by(lambda: os.kill(os.getpid(), signal.SIGINT))
        gate.unlink()
        assert by_spark.run("clean", "quarantine", span=DAYS).success
        states = [(job.state, job.cancelled) for job in world.api.jobs]
        assert states == [("FAILED", 0), ("CANCELLED", 1), ("SUCCESS", 0)]
        names = [job.request["name"] for job in world.api.jobs]
        assert names == [names[0], f"{names[0]}-2", f"{names[0]}-3"]
        left = {name: by_spark.lake.snapshots(f"visits.{name}") for name in STATIONS[:2]}
        by_pandas = world.of(BY_PANDAS, by_spark.instance)
        assert by_pandas.run("clean", "quarantine", span=DAYS).success
        assert {name: by_pandas.lake.snapshots(f"visits.{name}") for name in left} == left
