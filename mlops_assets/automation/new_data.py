"""The sensor `new_data`: partitions that appear or change at the source are brought in.

Here: which runs are asked for. Not here: reading a source (`assets.raw`), nor training.
"""

from collections.abc import Iterator

import dagster as dg

from mlops_assets.automation.targets import Targets


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
    def new_data(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest]:
        declared = set(pipeline.partitions.definition.get_partition_keys())
        for partition in pipeline.source.partitions():
            if partition in declared:
                version = pipeline.source.version(partition)
                # Dagster itself refuses the second run of a key, so no cursor can be lost.
                yield dg.RunRequest(
                    run_key=f"{partition}:{version}",
                    partition_key=partition,
                    tags={"reason": "new data", "source_version": version},
                )

    return new_data
