"""The sensor `personal`: personal columns are tagged in Lake Formation as soon as they are there.

By a sensor, since every station that writes a table may add a column. Here: when. Not here: the
tags (`resources.governance.column_tags`).
"""

import dagster as dg

from mlops_assets.automation.targets import Targets
from mlops_assets.resources.governance.column_tags import ColumnTags


def build(found: Targets, lake_formation: bool) -> list[dg.SensorDefinition]:
    """The sensor; none without ``MLOPS_LAKE_FORMATION``, or where nothing personal is declared."""
    pipeline = found.pipeline
    if not lake_formation or not pipeline.personal:
        return []

    @dg.sensor(
        name=f"{pipeline.name}_personal",
        target=None,
        minimum_interval_seconds=60,
        description=(
            f"Tags {', '.join(pipeline.personal)} in the pipeline's tables as personal in Lake "
            "Formation, so that who may read rows does not read them. It starts nothing."
        ),
        tags=found.tags,
    )
    def personal(
        context: dg.SensorEvaluationContext, column_tags: dg.ResourceParam[ColumnTags]
    ) -> dg.SkipReason:
        marked = column_tags.mark(pipeline.name, pipeline.personal)
        if marked:
            context.log.info(f"tagged as personal: {', '.join(marked)}")
        return dg.SkipReason(", ".join(marked) or "All personal columns are tagged.")

    return [personal]
