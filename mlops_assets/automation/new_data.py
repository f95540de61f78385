"""The sensor `new_data`: partitions that appear or change at the source are brought in.

Here: which runs are asked for. Not here: reading a source (`assets.raw`), nor training.
"""

from collections.abc import Iterator

import dagster as dg

from mlops_assets.automation.asking import not_begun
from mlops_assets.automation.targets import Targets
from mlops_assets.resources.monitoring.begun import Begun
from mlops_assets.resources.records import Store


def build(found: Targets) -> dg.SensorDefinition:
    """Ingests partitions as they appear or change at the source; one run a version."""
    pipeline = found.pipeline

    @dg.sensor(
        name=f"{pipeline.name}_new_data",
        target=found.selection(*found.data),
        minimum_interval_seconds=60,
        description=(
            f"Watches the source ({pipeline.source.describe()}) and brings new or changed "
            "partitions through raw, clean and features, and compares them with what the model "
            "was trained on."
        ),
        tags=found.tags,
    )
    def new_data(context: dg.SensorEvaluationContext, store: Store) -> Iterator[dg.RunRequest]:
        declared = set(pipeline.partitions.definition.get_partition_keys())
        versions = {p: pipeline.source.version(p) for p in pipeline.source.partitions()}
        wanted = (
            dg.RunRequest(
                run_key=f"{pipeline.name}:{partition}:{version}",
                partition_key=partition,
                tags={"reason": "new data", "source_version": version},
            )
            for partition, version in versions.items()
            if partition in declared
        )
        # Dagster refuses the second run of a key; where it has forgotten the first, the mark does.
        yield from not_begun(wanted, Begun(store, pipeline.name, "new_data"), context.instance)

    return new_data
