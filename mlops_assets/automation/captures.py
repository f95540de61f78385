"""The sensor `captures`: what the endpoint answered is brought in and judged, as it is captured.

What was sent is known at once; the rows of `features` that it is compared with, and the labels that
a source brings with them, mostly come later: then it is judged again. Here: which partitions have
news. Not here: reading captured files (`assets.monitoring.captured.captures`).
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeVar

import dagster as dg

from mlops_assets.assets.monitoring.captured.captures import refresh
from mlops_assets.assets.monitoring.captured.records import SkewRecord
from mlops_assets.assets.monitoring.quality.records import PerformanceRecord
from mlops_assets.automation.asking import not_begun
from mlops_assets.automation.labels import JUDGED
from mlops_assets.automation.local_api import asleep
from mlops_assets.automation.looked_through import followed
from mlops_assets.automation.targets import Targets
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.lake.resource import LakeResource
from mlops_assets.resources.monitoring.begun import Begun
from mlops_assets.resources.records import RecordNotFound, Store
from mlops_assets.resources.sagemaker.session import SageMakerResource

Kept = TypeVar("Kept", SkewRecord, PerformanceRecord)

if TYPE_CHECKING:
    from mlops_assets.resources.lake.core import Lake

STATIONS = ("captures", "served_profile", "skew", "performance")
# What is judged again where rows of `features` come after the answers, or change.
COMPARED = ("skew", *JUDGED)
_STATION = "features_compared"


def build(found: Targets) -> dg.SensorDefinition:
    """Materializes what follows from captured answers, for the partitions that have new ones."""
    pipeline = found.pipeline
    stations, compared = found.existing(*STATIONS), found.existing(*COMPARED)

    @dg.sensor(
        name=f"{pipeline.name}_captures",
        target=found.selection(*stations, *compared),
        minimum_interval_seconds=300,
        description=(
            f"Watches the files that endpoint {pipeline.slug} captures requests and answers in, "
            f"and materializes {', '.join(stations)} for the partitions that have new ones; "
            f"{', '.join(compared)} again where the rows of features come later, or change."
        ),
        tags=found.tags,
    )
    def captures(
        context: dg.SensorEvaluationContext,
        lake: LakeResource,
        store: Store,
        sagemaker: SageMakerResource,
    ) -> Iterator[dg.RunRequest]:
        # Without SageMaker the rows that name their columns are read all the same.
        read = refresh(pipeline, store, None if asleep(sagemaker) else sagemaker)
        declared = set(pipeline.partitions.definition.get_partition_keys())
        wanted = (
            dg.RunRequest(
                run_key=f"{pipeline.name}:captures:{partition}:{version}",
                partition_key=partition,
                asset_selection=[found.key(station) for station in stations],
                tags={"reason": "captured answers", "captured_version": version},
            )
            for partition, version in sorted(read.versions.items())
            if partition in declared
        )
        begun = Begun(store, pipeline.name, "captures")
        yield from not_begun(wanted, begun, context.instance)
        yield from _compare_again(found, compared, lake.open(), store, begun, context.instance)

    return captures


def _compare_again(
    found: Targets,
    stations: tuple[str, ...],
    lake: "Lake",
    store: Store,
    begun: Begun,
    instance: dg.DagsterInstance,
) -> Iterator[dg.RunRequest]:
    """For the partitions whose answers were judged without the rows that `features` hold now.

    What was not judged yet sees these rows when it is (`of_current`).
    """
    pipeline = found.pipeline

    def follow(partition: str, snapshot: int, before: int | None) -> list[dg.RunRequest]:
        if not _without(pipeline, store, partition, snapshot):
            return []
        request = dg.RunRequest(
            run_key=f"{pipeline.name}:compared:{partition}:{snapshot}",
            partition_key=partition,
            asset_selection=[found.key(station) for station in stations],
            tags={"reason": "rows to compare captured answers with"},
        )
        return [request]

    yield from followed(
        pipeline, lake, store, begun, instance,
        table="features", station=_STATION, follow=follow,
    )  # fmt: skip


def _without(pipeline: MLPipeline, store: Store, partition: str, snapshot: int) -> bool:
    """Whether what was captured of a partition was judged by other rows than these."""
    skew = _known(pipeline, store, SkewRecord, "skew", partition)
    performance = _known(pipeline, store, PerformanceRecord, "performance", partition)
    table = pipeline.table("features")
    return any(
        record.captured and record.inputs.get(table) != snapshot
        for record in (skew, performance)
        if record is not None
    )


def _known(
    pipeline: MLPipeline, store: Store, kind: type[Kept], station: str, partition: str
) -> Kept | None:
    try:
        return store.load(kind, pipeline.name, station, partition)
    except RecordNotFound:
        return None
