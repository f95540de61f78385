"""The Spark of a job: on this machine's cores, or on those of all of a Processing job's instances.

Here: which Spark a job works on, and its settings. Not here: what it does.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PIPELINE_MODULE = "SPARK_PIPELINE_MODULE"

# The pages are Arrow as bytes: few at a time, whatever their number of rows.
_SETTINGS = {
    "spark.sql.execution.arrow.maxRecordsPerBatch": "4",
    "spark.sql.adaptive.enabled": "false",
    "spark.ui.enabled": "false",
    "spark.python.worker.reuse": "true",
    "spark.task.maxFailures": "4",
    "spark.driver.maxResultSize": "2g",
    "spark.ui.showConsoleProgress": "false",
    "spark.python.use.daemon": "true",
    "spark.python.daemon.module": "mlops_assets.spark.daemon",
}


@contextmanager
def session(
    name: str, *, module: str = "", paths: Sequence[str] = (), scratch: Path | None = None
) -> Iterator[SparkSession]:
    """A session that is stopped at the end.

    Where spark-submit started the program, on the cluster that it says; otherwise on all cores of
    this machine. Shuffles and spills go to ``scratch``; the workers import ``module`` first.
    """
    from pyspark.sql import SparkSession

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ["PYTHONPATH"] = os.pathsep.join(
        [*paths, *filter(None, [os.environ.get("PYTHONPATH")])]
    )
    os.environ[PIPELINE_MODULE] = module
    settings = {**_SETTINGS, "spark.executorEnv.PYTHONPATH": os.environ["PYTHONPATH"]}
    if scratch is not None:
        scratch.mkdir(parents=True, exist_ok=True)
        settings["spark.local.dir"] = str(scratch)
    builder = SparkSession.builder.appName(name)
    if "SPARK_ENV_LOADED" not in os.environ:  # nobody submitted us
        builder = builder.master("local[*]")
        settings |= {
            "spark.sql.shuffle.partitions": str(2 * (os.cpu_count() or 1)),
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.host": "127.0.0.1",
            "spark.driver.memory": f"{_heap_mib()}m",
        }
    for key, value in settings.items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("WARN")
    try:
        yield spark
    finally:
        spark.stop()


def _heap_mib() -> int:
    """A quarter of the memory: the rows themselves are in Python's workers."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    return max(1024, min(memory // 4, 16 * 1024))
