"""The job `housekeeping` and its schedule: what killed runs left in the lake is removed.

Nobody reads such files, and they cost what others cost. Here: when, and of which tables. Not here:
what is an orphan (`resources.lake.orphans`). Snapshots stay, however old: models are reproduced by
them.
"""

import datetime as dt

import dagster as dg

from mlops_assets.automation.targets import Targets
from mlops_assets.resources.lake.resource import LakeResource

# Longer than the longest write: a Spark job may stage files for days before its run commits them.
AGE = dt.timedelta(days=7)
_SUNDAYS = "30 3 * * 0"


def job_name(pipeline: str) -> str:
    return f"{pipeline}_housekeeping"


def build_job(found: Targets) -> dg.JobDefinition:
    """Removes, table by table, files older than `AGE` that no snapshot knows."""
    pipeline = found.pipeline

    @dg.op(
        name=f"{pipeline.name}_collect_orphans",
        description=f"Files of at least {AGE.days} days that no snapshot of a table knows.",
    )
    def collect_orphans(context: dg.OpExecutionContext, lake: LakeResource) -> None:
        opened = lake.open()
        for table in opened.tables(pipeline.name):
            removed = opened.collect_orphans(table, AGE)
            for path in removed:
                context.log.info(f"removed {path}")
            context.log.info(f"{table}: {len(removed):,} files that no snapshot knows were removed")

    @dg.job(
        name=job_name(pipeline.name),
        description=(
            f"Removes what killed and refused writes left in the pipeline's tables {AGE.days} days "
            "ago or earlier. No version of any partition is touched."
        ),
        tags=found.tags,
    )
    def housekeeping() -> None:
        collect_orphans()

    return housekeeping


def build_schedule(found: Targets) -> dg.ScheduleDefinition:
    """Weekly, by night: the lake is listed as a whole."""
    pipeline = found.pipeline
    name = job_name(pipeline.name)
    return dg.ScheduleDefinition(
        name=f"{name}_weekly",
        job_name=name,
        cron_schedule=_SUNDAYS,
        execution_timezone=pipeline.partitions.time_zone,
        description=f"Starts {name} in the night to Sunday.",
        tags=found.tags,
    )
