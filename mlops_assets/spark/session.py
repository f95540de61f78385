"""The Spark of a job: on all cores of the machine that the job has, or on those of a cluster.

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
    "spark.python.worker.reuse": "true",
    "spark.task.maxFailures": "4",
    "spark.driver.maxResultSize": "2g",
    "spark.ui.showConsoleProgress": "false",
    "spark.python.use.daemon": "true",
    "spark.python.daemon.module": "mlops_assets.spark.daemon",
}


class SparkMissing(RuntimeError):
    """Spark cannot run here; the message says what is missing, and how to get it."""


@contextmanager
def session(
    name: str, *, module: str, paths: Sequence[str], scratch: Path | None
) -> Iterator[SparkSession]:
    """Spark, stopped at the end.

    Args:
        module: where the pipeline is; the workers import it first.
        paths: folders that it is imported from, beside the installed packages.
        scratch: a folder for shuffles and spills of a Spark on all cores of this machine; None: of
            the Spark, on however many machines, that spark-submit started this process for, which
            knows its master, its memory and its folders.

    Raises:
        SparkMissing: there is no pyspark, or no Java.
    """
    require_spark()
    from pyspark.sql import SparkSession

    workers = {
        "PYTHONPATH": os.pathsep.join([*paths, *filter(None, [os.environ.get("PYTHONPATH")])]),
        PIPELINE_MODULE: module,
    }
    os.environ.update(workers)
    # The path at which workers look for Python, on this machine or in the same image elsewhere.
    os.environ["PYSPARK_PYTHON"] = sys.executable
    if scratch is None:
        own = {f"spark.executorEnv.{name}": value for name, value in workers.items()}
    else:
        own = _on_this_machine(scratch)
    builder = SparkSession.builder.appName(name)
    for key, value in {**_SETTINGS, **own}.items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("WARN")
    try:
        yield spark
    finally:
        spark.stop()


def _on_this_machine(scratch: Path) -> dict[str, str]:
    scratch.mkdir(parents=True, exist_ok=True)
    return {
        "spark.master": "local[*]",
        "spark.ui.enabled": "false",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.sql.shuffle.partitions": str(2 * (os.cpu_count() or 1)),
        "spark.driver.memory": f"{_heap_mib()}m",
        "spark.local.dir": str(scratch),
    }


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
