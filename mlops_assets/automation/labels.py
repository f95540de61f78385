"""The sensor `labels`: labels are brought in as they arrive, and what they say of is judged again.

Here: which partitions labels became known in, and which events' partitions they are of. Not here:
the format of labels (`resources.monitoring.ground_truth`), judging (`assets.monitoring`).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import dagster as dg

from mlops_assets.assets.monitoring.captured.ground_truth import labels_uri
from mlops_assets.assets.monitoring.captured.labelled import known_partitions
from mlops_assets.automation.asking import not_begun
from mlops_assets.automation.targets import Targets
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.lake.resource import LakeResource
from mlops_assets.resources.monitoring.begun import Begun
from mlops_assets.resources.monitoring.ground_truth import files_between
from mlops_assets.resources.records import Store
from mlops_assets.resources.sagemaker.names import digest_of

if TYPE_CHECKING:
    from mlops_assets.resources.lake.core import Lake

# What is judged again where labels have come.
JUDGED = ("performance", "bias", "label_queue")
# Labels of how many of the newest partitions are looked through for the events that they are of.
_NEWEST = 40


def build(found: Targets) -> dg.SensorDefinition:
    """Materializes ``ground_truth`` where labels arrived, then judges their events again."""
    pipeline = found.pipeline
    judged = found.existing(*JUDGED)

    @dg.sensor(
        name=f"{pipeline.name}_labels",
        target=found.selection("ground_truth", *judged),
        minimum_interval_seconds=60,
        description=(
            "Watches uploaded labels: materializes ground_truth for the partitions in which they "
            f"became known, then {', '.join(judged)} for the partitions whose events they are of, "
            "and only those."
        ),
        tags=found.tags,
    )
    def labels(
        context: dg.SensorEvaluationContext, lake: LakeResource, store: Store
    ) -> Iterator[dg.RunRequest]:
        begun = Begun(store, pipeline.name, "labels")
        arrived = [
            _request(found, ["ground_truth"], partition, version)
            for partition, version in uploaded(pipeline, store).items()
        ]
        yield from not_begun(arrived, begun, context.instance)
        for partition, snapshot in _written(pipeline, lake.open()).items():
            looked_through = f"{partition}@{snapshot}"
            if begun.has(looked_through):
                continue
            wanted = [
                _request(found, judged, events, looked_through)
                for events in labelled_events(pipeline, lake.open(), partition)
            ]
            missing = list(not_begun(wanted, begun, context.instance))
            yield from missing
            if not missing:
                begun.mark(looked_through, "each of its runs has begun")

    return labels


def uploaded(pipeline: MLPipeline, store: Store) -> Mapping[str, str]:
    """{partition in which labels became known: digest of the files that hold them}."""
    declared = set(pipeline.partitions.definition.get_partition_keys())
    files: dict[str, list[str]] = {}
    for file in files_between(store.open(), labels_uri(pipeline, store), None, None):
        files.setdefault(pipeline.partitions.containing(file.known_at), []).append(file.uri)
    return {p: digest_of(found)[:16] for p, found in sorted(files.items()) if p in declared}


def labelled_events(pipeline: MLPipeline, lake: "Lake", partition: str) -> list[str]:
    """The partitions of captured events whose labels became known in a partition."""
    captures = pipeline.table("captures")
    if not lake.exists(captures):
        return []
    truth = lake.read(pipeline.table("ground_truth"), [partition], columns=["event_id"])
    known = set(truth["event_id"])
    return [
        events
        for events in lake.partitions(captures)
        if partition in known_partitions(pipeline, events)
        and not known.isdisjoint(lake.read(captures, [events], columns=["event_id"])["event_id"])
    ]


def _written(pipeline: MLPipeline, lake: "Lake") -> dict[str, int | None]:
    """{newest partition of the table of labels: the snapshot that wrote it}."""
    table = pipeline.table("ground_truth")
    if not lake.exists(table):
        return {}
    return {p: lake.partition_snapshot(table, p) for p in lake.partitions(table)[-_NEWEST:]}


def _request(
    found: Targets, stations: Sequence[str], partition: str, version: str
) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=f"{found.pipeline.name}:{stations[0]}:{partition}:{version}",
        partition_key=partition,
        asset_selection=[found.key(station) for station in stations],
        tags={"reason": "labels arrived"},
    )
