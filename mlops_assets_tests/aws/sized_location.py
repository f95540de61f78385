"""A code location for tests of task sizes: assets that ask for different ones, and a job of two.

With SIZED_LOCATION=broken it does not load. Not here: what size a run then gets (test_run_size).
"""

import os

import dagster as dg

if os.environ.get("SIZED_LOCATION") == "broken":
    raise ImportError("this code location is broken on purpose")


@dg.asset(tags={"ecs/cpu": "4096"})
def quick() -> None:
    """Many cores, and no more memory than others."""


@dg.asset(tags={"ecs/memory": "18000"})
def wide() -> None:
    """More memory than a task of 2,048 CPU units has, and no whole GiB."""


@dg.asset
def usual() -> None:
    """What the task definition has."""


@dg.asset(tags={"ecs/cpu": "256", "ecs/memory": "512"})
def small() -> None:
    """Less than the task definition."""


@dg.asset(tags={"ecs/memory": "200000"})
def impossible() -> None:
    """More than Fargate has."""


defs = dg.Definitions(
    assets=[quick, wide, usual, small, impossible],
    jobs=[dg.define_asset_job("both", selection=[quick, wide])],
)
