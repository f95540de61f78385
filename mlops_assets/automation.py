"""What materializes what, and why: the jobs and sensors of a pipeline.

Here: thin shells over pure functions. Not here: the work itself (`assets`) or any rule about data
(`checks`).
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import dagster as dg

from mlops_assets.pipeline import DATA_STATIONS, MLPipeline

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import (
        UnresolvedAssetJobDefinition,
    )


def build_job(pipeline: MLPipeline) -> "UnresolvedAssetJobDefinition":
    """The whole loop of one partition, from raw rows to the endpoint."""
    return dg.define_asset_job(
        f"{pipeline.name}_loop",
        selection=dg.AssetSelection.groups(pipeline.name),
        description=f"From raw rows to the live endpoint: {pipeline.description}",
        tags={"pipeline": pipeline.name},
    )


def build_new_data_sensor(pipeline: MLPipeline) -> dg.SensorDefinition:
    """Ingests partitions as they appear or change at the source; one run a version."""
    data = dg.AssetSelection.assets(
        *(dg.AssetKey([pipeline.name, station]) for station in DATA_STATIONS)
    )

    @dg.sensor(
        name=f"{pipeline.name}_new_data",
        target=data,
        minimum_interval_seconds=60,
        description=(
            f"Watches the source ({pipeline.source.describe()}) and brings new or changed "
            "partitions through raw, clean and features."
        ),
        tags={"pipeline": pipeline.name},
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
