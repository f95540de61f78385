"""The sensor `captures`: what the endpoint answered is brought in and judged, as it is captured.

Here: which partitions have news. Not here: reading captured files
(`assets.monitoring.captured.captures`).
"""

from collections.abc import Iterator

import dagster as dg

from mlops_assets.assets.monitoring.captured.captures import refresh
from mlops_assets.automation.asking import not_begun
from mlops_assets.automation.local_api import asleep
from mlops_assets.automation.targets import Targets
from mlops_assets.resources.monitoring.begun import Begun
from mlops_assets.resources.records import Store
from mlops_assets.resources.sagemaker.session import SageMakerResource

STATIONS = ("captures", "served_profile", "skew", "performance")


def build(found: Targets) -> dg.SensorDefinition:
    """Materializes what follows from captured answers, for the partitions that have new ones."""
    pipeline = found.pipeline
    stations = found.existing(*STATIONS)

    @dg.sensor(
        name=f"{pipeline.name}_captures",
        target=found.selection(*stations),
        minimum_interval_seconds=300,
        description=(
            f"Watches the files that endpoint {pipeline.slug} captures requests and answers in, "
            f"and materializes {', '.join(stations)} for the partitions that have new ones."
        ),
        tags=found.tags,
    )
    def captures(
        context: dg.SensorEvaluationContext, store: Store, sagemaker: SageMakerResource
    ) -> Iterator[dg.RunRequest]:
        # Without SageMaker the rows that name their columns are read all the same.
        read = refresh(pipeline, store, None if asleep(sagemaker) else sagemaker)
        declared = set(pipeline.partitions.definition.get_partition_keys())
        wanted = (
            dg.RunRequest(
                run_key=f"{pipeline.name}:captures:{partition}:{version}",
                partition_key=partition,
                tags={"reason": "captured answers", "captured_version": version},
            )
            for partition, version in sorted(read.versions.items())
            if partition in declared
        )
        begun = Begun(store, pipeline.name, "captures")
        yield from not_begun(wanted, begun, context.instance)

    return captures
