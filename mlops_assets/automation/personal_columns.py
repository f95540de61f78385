"""The sensor `personal`: columns are tagged in Lake Formation as soon as they are there.

By a sensor, since every station that writes a table may add a column; until it has looked, nobody
but Dagster's role reads the column. Here: when. Not here: the tags
(`resources.governance.column_tags`).
"""

import dagster as dg

from mlops_assets.automation.targets import Targets
from mlops_assets.resources.governance.column_tags import ColumnTags


def build(found: Targets, lake_formation: bool) -> list[dg.SensorDefinition]:
    """The sensor; none without ``MLOPS_LAKE_FORMATION``."""
    pipeline = found.pipeline
    if not lake_formation:
        return []
    hidden = ", ".join(pipeline.personal) or "no column"

    @dg.sensor(
        name=f"{pipeline.name}_personal",
        target=None,
        minimum_interval_seconds=60,
        description=(
            f"Tags {hidden} in the pipeline's tables as personal in Lake Formation, so that who "
            "may read rows does not read them, and all others as rows. What has no tag yet, nobody "
            "reads. It starts nothing."
        ),
        tags=found.tags,
    )
    def personal(
        context: dg.SensorEvaluationContext, column_tags: dg.ResourceParam[ColumnTags]
    ) -> dg.SkipReason:
        marked = column_tags.mark(pipeline.name, pipeline.personal)
        if marked:
            context.log.info(f"tagged: {', '.join(marked)}")
        return dg.SkipReason(", ".join(marked) or "All columns are tagged.")

    return [personal]
