"""A partition that does not fit into memory is made by tasks that hold a chunk of it each."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlops_assets.resources.lake.frames import to_arrow
from mlops_assets.resources.lake.resource import open_lake
from mlops_assets_tests.spark import capped
from mlops_assets_tests.spark import visits_on_spark as visits

pytestmark = [pytest.mark.integration, pytest.mark.nightly]
ROWS = 800_000
CAP_MIB = 350


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
        # What allocators reserve ahead would count as used.
        env={**os.environ, "ARROW_DEFAULT_MEMORY_POOL": "system", "MALLOC_ARENA_MAX": "1",
             "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip
    return done.stdout.strip() or done.stderr[-500:]


@pytest.mark.skipif(sys.platform != "linux", reason="caps the address space")
def test_tasks_need_less_memory_than_the_whole(catalog):
    """With the same cap: pandas runs out of it, the tasks do not, and make the same content."""
    assert made("pandas", catalog, CAP_MIB) == "out of memory"
    by_tasks = made("tasks", catalog, CAP_MIB)
    assert by_tasks == made("pandas", catalog, 8_000), "without the cap, to compare"
