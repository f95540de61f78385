"""The Spark of a job: on all cores of the machine that the job has.

Here: its settings. Not here: what is done with it.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
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
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.ui.showConsoleProgress": "false",
    "spark.python.use.daemon": "true",
    "spark.python.daemon.module": "mlops_assets.spark.daemon",
}


class SparkMissing(RuntimeError):
    """Spark cannot run here; the message says what is missing, and how to get it."""


@contextmanager
def session(
    name: str, *, module: str, paths: Sequence[str], scratch: Path
) -> Iterator[SparkSession]:
    """Spark on all cores of this machine, stopped at the end.

    Args:
        module: where the pipeline is; the workers import it first.
        paths: folders that it is imported from, beside the installed packages.
        scratch: a folder for shuffles and spills.

    Raises:
        SparkMissing: there is no pyspark, or no Java.
    """
    require_spark()
    from pyspark.sql import SparkSession

    scratch.mkdir(parents=True, exist_ok=True)
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["PYTHONPATH"] = os.pathsep.join(
        [*paths, *filter(None, [os.environ.get("PYTHONPATH")])]
    )
    os.environ[PIPELINE_MODULE] = module
    settings = {
        **_SETTINGS,
        "spark.sql.shuffle.partitions": str(2 * (os.cpu_count() or 1)),
        "spark.driver.memory": f"{_heap_mib()}m",
        "spark.local.dir": str(scratch),
    }
    builder = SparkSession.builder.appName(name).master("local[*]")
    for key, value in settings.items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("WARN")
    try:
        yield spark
    finally:
        spark.stop()


def require_spark() -> None:
    """Raises SparkMissing where a job could not start."""
    if importlib.util.find_spec("pyspark") is None:
        raise SparkMissing(
            "pyspark is not installed: install deploy/requirements-spark.lock, in AWS in the image "
            "that engine.image_uri names"
        )
    if not (os.environ.get("JAVA_HOME") or shutil.which("java")):
        raise SparkMissing(
            "there is no Java, which Spark runs on: install Java 17 (on Debian: apt-get install "
            "openjdk-17-jre-headless), or set JAVA_HOME"
        )


def _heap_mib() -> int:
    """A quarter of the memory: the rows themselves are in Python's workers."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    return max(1024, min(memory // 4, 16 * 1024))
