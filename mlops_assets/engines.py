"""Where `clean` and `features` of a pipeline run: in the run's own process, or on Spark.

Here: the declaration and what it can be checked for when it is made. Not here: how Spark runs them
(`spark/`), how a job is asked for (`assets.spark`, `assets.spark_places`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mlops_assets.declaration import require

_LEAST_ROWS = 100
# {cores: (least memory, most memory, step)} in GB: the workers that EMR Serverless has ("Supported
# worker configurations" of its user guide).
_WORKERS = {1: (2, 8, 1), 2: (4, 16, 1), 4: (8, 30, 1), 8: (16, 60, 4), 16: (32, 120, 8)}
_DISK_GB = range(20, 201)


@dataclass(frozen=True, kw_only=True)
class EMRServerless:
    """Spark on several machines: an application of EMR Serverless, which the settings name.

    What has to be there in AWS is `deploy/cloudformation/spark.yaml`; on this machine the same jobs
    run in the local SageMaker API, on its cores.

    Args:
        executors: how many workers a job may have at most, beside its driver.
        cores, memory_gb: of each worker and of the driver: 1 core with 2 to 8 GB, 2 with 4 to 16,
            4 with 8 to 30, 8 with 16 to 60 (by 4), 16 with 32 to 120 (by 8).
        disk_gb: of each worker, 20 to 200, for what is exchanged between tasks.
    """

    executors: int = 10
    cores: int = 4
    memory_gb: int = 16
    disk_gb: int = 50

    def __post_init__(self) -> None:
        require(
            self.executors >= 1,
            "engine.runs_on.executors",
            f"{self.executors} is too few",
            "Give 1 or more",
        )
        require(
            self.cores in _WORKERS,
            "engine.runs_on.cores",
            f"{self.cores} is no size of a worker",
            f"Use one of {', '.join(map(str, _WORKERS))}",
        )
        least, most, step = _WORKERS[self.cores]
        require(
            self.memory_gb in range(least, most + 1, step),
            "engine.runs_on.memory_gb",
            f"{self.memory_gb} is no memory of a worker with {self.cores} cores",
            f"Use {least} to {most}, in steps of {step}",
        )
        require(
            self.disk_gb in _DISK_GB,
            "engine.runs_on.disk_gb",
            f"{self.disk_gb} is no disk of a worker",
            f"Use {_DISK_GB[0]} to {_DISK_GB[-1]}",
        )


@dataclass(frozen=True, kw_only=True)
class Spark:
    """`clean` and `features` run on Spark, chunk by chunk and slice by slice; nothing else changes.

    The same pure pandas functions, on parts of a partition. That gives what they give on all of it
    where they keep this contract, which every job tests on samples:

    - ``clean`` makes each row from that row alone, and keeps the rows' order, or sorts by
      ``order_by``. Rules of ``raw_schema`` answer row by row; unique keys are judged over all rows.
    - ``features`` of a row depend on rows whose event time is at most ``lookback`` before its own
      and not after it (the check ``point_in_time`` asks nothing else); or, with ``features_by``, on
      rows that have its values in these columns; or, of a pipeline without event times and without
      ``features_by``, on that row alone.

    Args:
        order_by: the columns that ``clean`` sorts its rows by (a stable sort, nulls last).
        features_by: columns within which ``features`` looks at other rows. Without, a partition is
            cut by event time.
        runs_on: "processing", a SageMaker Processing job on all cores of one instance; or
            ``EMRServerless(…)``, on several machines. What is made is the same.
        image_uri: of a Processing job in AWS: an image that has this project, the pipeline, pyspark
            and Java 17 (target ``spark`` of deploy/docker; the platform's own has neither of the
            last two). EMR Serverless has its application's image. On this machine nothing is
            needed.
        instance_type: of the Processing job. ``volume_gb`` holds what does not fit into its memory.
        chunk_rows: how many rows ``clean`` sees at a time.
        slice_rows: how many rows ``features`` sees at a time, about; history comes on top.
        max_runtime_s: seconds, then the job is stopped.
    """

    order_by: tuple[str, ...] = ()
    features_by: tuple[str, ...] = ()
    runs_on: Literal["processing"] | EMRServerless = "processing"
    image_uri: str | None = None
    instance_type: str = "ml.m5.4xlarge"
    volume_gb: int = 100
    chunk_rows: int = 50_000
    slice_rows: int = 500_000
    max_runtime_s: int = 6 * 3600

    def __post_init__(self) -> None:
        for name in ("order_by", "features_by"):
            columns = getattr(self, name)
            require(
                isinstance(columns, tuple) and len(set(columns)) == len(columns),
                f"engine.{name}",
                f"{columns!r} is no tuple of different columns",
                "Name each column once, such as ('store', 'till')",
            )
        for name, least in (
            ("chunk_rows", _LEAST_ROWS),
            ("slice_rows", _LEAST_ROWS),
            ("volume_gb", 1),
            ("max_runtime_s", 60),
        ):
            require(
                getattr(self, name) >= least,
                f"engine.{name}",
                f"{getattr(self, name)} is too few",
                f"Give {least:,} or more",
            )
        require(
            self.runs_on == "processing" or isinstance(self.runs_on, EMRServerless),
            "engine.runs_on",
            f"{self.runs_on!r} is no place that jobs run in",
            "Use 'processing' or mlops_assets.pipeline.EMRServerless(…)",
        )
        require(
            self.runs_on == "processing" or self.image_uri is None,
            "engine.image_uri",
            f"{self.image_uri!r} has no say on EMR Serverless, whose application has the image",
            "Leave it out, and give the stack `spark` the image",
        )


Engine = Literal["pandas"] | Spark
"""``pandas``: in the process of the Dagster run."""


def check_engine(engine: Engine, *, event_time: str | None, look_back: bool) -> None:
    """Raises DeclarationError for an engine that cannot run the pipeline's functions."""
    require(
        engine == "pandas" or isinstance(engine, Spark),
        "engine",
        f"{engine!r} is no engine",
        "Use 'pandas' or mlops_assets.pipeline.Spark(…)",
    )
    if isinstance(engine, Spark):
        require(
            bool(engine.features_by) or event_time is not None or not look_back,
            "engine.features_by",
            "is empty, and features look back without an event time to cut by",
            "Name the columns within which history is looked at",
        )
