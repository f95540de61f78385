"""A partition that does not fit into memory is made by tasks that hold a part of it each."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from mlops_assets.resources.lake.frames import to_arrow
from mlops_assets.resources.lake.resource import open_lake
from mlops_assets_tests.spark import capped, wide_visits
from mlops_assets_tests.spark import visits_on_spark as visits
from mlops_assets_tests.spark.emr_world import ONE, emr_world
from mlops_assets_tests.spark.spark_there import needs_spark

pytestmark = [pytest.mark.integration, pytest.mark.nightly]
ROWS = 800_000
CAP_MIB = 350
# Of the whole address space: of a process of Spark's that has imported all that it needs, half.
WORKER_MIB = 1_000
# What allocators reserve ahead would count as used.
_ENVIRONMENT = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "MALLOC_ARENA_MAX": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    folder = tmp_path_factory.mktemp("large")
    catalog = {
        "type": "sql",
        "uri": f"sqlite:///{folder}/catalog.db",
        "warehouse": folder.as_uri(),
    }
    lake = open_lake(catalog)
    data, dtypes = to_arrow(visits.MadeVisits(rows=ROWS).read(capped.DAY))
    parts = (data.slice(at, 100_000) for at in range(0, ROWS, 100_000))
    lake.commit("visits.raw", lake.stage("visits.raw", capped.DAY, data.schema, parts, dtypes))
    lake.prepare("visits.clean")
    return catalog


def made(way, catalog, mib):
    done = subprocess.run(
        [sys.executable, "-m", capped.__name__, way, json.dumps(catalog), str(mib)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
        env={**os.environ, **_ENVIRONMENT},
    )
    return done.stdout.strip() or done.stderr[-500:]


@pytest.mark.skipif(sys.platform != "linux", reason="caps the address space")
def test_tasks_need_less_memory_than_the_whole(catalog):
    """With the same cap: pandas runs out of it, the tasks do not, and make the same content."""
    assert made("pandas", catalog, CAP_MIB) == "out of memory"
    by_tasks = made("tasks", catalog, CAP_MIB)
    assert by_tasks == made("pandas", catalog, 8_000), "without the cap, to compare"


@needs_spark
@pytest.mark.skipif(sys.platform != "linux", reason="caps the address space")
def test_features_by_spark_need_less_memory_than_the_whole(tmp_path, monkeypatch):
    """A real job, whose Python workers may have what is too little for pandas at once."""
    for name, value in _ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    cap = {"spark.master": "local[1]", "spark.executor.pyspark.memory": f"{WORKER_MIB}m"}
    monkeypatch.setenv("SPARK_TEST_CAP", "yes")
    with emr_world(tmp_path, {**ONE, **cap}) as world:
        monkeypatch.delenv("SPARK_TEST_CAP")  # of the job alone
        by_pandas = world.of(replace(wide_visits.pipeline, engine="pandas"))
        assert by_pandas.run("raw", "clean", "quarantine", partition=wide_visits.DAY).success
        command = [sys.executable, "-m", wide_visits.__name__]
        catalog = json.dumps(dict(by_pandas.settings.lake_catalog))
        at_once = subprocess.run(
            [*command, catalog, str(WORKER_MIB)],
            capture_output=True,
            text=True,
            check=False,
            cwd=Path(__file__).parents[2],
        )
        assert at_once.stdout.strip() == "out of memory", at_once.stderr[-500:]
        by_spark = world.of(wide_visits.pipeline, by_pandas.instance)
        made = by_spark.run("features", partition=wide_visits.DAY)
        assert made.success
        before = by_spark.lake.snapshots("visits.features")
        assert before
        assert by_pandas.run("features", partition=wide_visits.DAY).success
        assert by_pandas.lake.snapshots("visits.features") == before
