"""Where `clean` and `features` of a pipeline run: in the run's own process, or on Spark.

Here: the declaration and what it can be checked for when it is made. Not here: how Spark runs them
(`spark/`), how a job is asked for (`assets.spark`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mlops_assets.declaration import require

_LEAST_ROWS = 100


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
        image_uri: in AWS, an image that has this project, the pipeline, pyspark and Java 17 (the
            platform's has neither of the last two); on this machine nothing is needed.
        instance_type: of the SageMaker Processing job that it runs in, on all cores. ``volume_gb``
            holds what does not fit into its memory.
        chunk_rows: how many rows ``clean`` sees at a time.
        slice_rows: how many rows ``features`` sees at a time, about; history comes on top.
        max_runtime_s: seconds, then the job is stopped.
    """

    order_by: tuple[str, ...] = ()
    features_by: tuple[str, ...] = ()
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
