"""Station ``ground_truth``: labels that came after the prediction, by when they became known.

Here: the asset, its page, and which events' labels a partition of it changes. Not here: the files
(`resources.monitoring.ground_truth`), which label counts for which answer (`labelled`).
"""

import datetime as dt
from collections.abc import Mapping
from typing import TYPE_CHECKING

import dagster as dg
import pandas as pd

from mlops_assets.assets.monitoring.captured.captures import NAME as CAPTURES
from mlops_assets.assets.monitoring.station import monitoring_station
from mlops_assets.assets.preview import table
from mlops_assets.assets.station import check
from mlops_assets.checks.results import Verdict, warning
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.lake.errors import LakeError
from mlops_assets.resources.lake.resource import LakeResource
from mlops_assets.resources.monitoring import ground_truth as files
from mlops_assets.resources.monitoring.ground_truth import Labels
from mlops_assets.resources.records import Store

if TYPE_CHECKING:
    from mlops_assets.resources.lake.core import Lake

NAME = "ground_truth"
REFUSED = "ground_truth_refused"


def labels_uri(pipeline: MLPipeline, store: Store) -> str:
    """The folder that labels are uploaded to."""
    return store.uri("ground-truth", pipeline.name)


def upload(
    pipeline: MLPipeline,
    store: Store,
    labels: Mapping[str, float],
    collected_at: dt.datetime,
    *,
    provenance: str = files.UPLOAD,
) -> str:
    """Upload labels by event id, as `resources.monitoring.ground_truth.upload` does."""
    uri = labels_uri(pipeline, store)
    return files.upload(store.open(), uri, labels, collected_at, provenance=provenance)


def build(pipeline: MLPipeline) -> dg.AssetsDefinition:
    @monitoring_station(
        pipeline,
        NAME,
        description=(
            f"Labels of {pipeline.label.column} that were collected after the prediction, by when "
            f"they became known. What cannot be read is in {pipeline.table(REFUSED)}, with the "
            "reason."
        ),
        kinds={"sagemaker", "iceberg"},
        code_version=pipeline.code_version(files.read_labels),
        io_manager_key="lake_io",
        dagster_type=dg.Any,
        checks=[check(pipeline, NAME, "labels_read", "Every line of ground truth can be read.")],
    )
    def ground_truth(
        context: dg.AssetExecutionContext, lake: LakeResource, store: Store
    ) -> dg.MaterializeResult:
        verdicts, found = {}, {}
        for partition in context.partition_keys:
            labels = found[partition] = read(pipeline, store, partition)
            lake.open().write(pipeline.table(REFUSED), partition, labels.refused)
            verdicts[partition] = _verdict(labels)
            context.log.info(f"{partition}: {len(labels.rows):,} labels")
        last = found[context.partition_keys[-1]].rows
        unknown = unknown_events(pipeline, lake.open(), context.partition_keys[-1], last)
        return dg.MaterializeResult(
            value={partition: labels.rows for partition, labels in found.items()},
            metadata={
                "labels": len(last),
                "labelled more than once": int(last["event_id"].duplicated().sum()),
                "of events that nobody captured": unknown,
                "provenance": table(
                    last.groupby("provenance", as_index=False).agg(
                        labels=("label", "size"),
                        mean_label=("label", "mean"),
                        last_known=("known_at", "max"),
                    )
                ),
            },
            check_results=[warning("labels_read", verdicts)],
        )

    return ground_truth


def read(pipeline: MLPipeline, store: Store, partition: str) -> Labels:
    """The labels that became known in a partition, from the files of its hours alone.

    Labels from before the first partition belong to it, and those from after the last to that.
    """
    window = pipeline.partitions.window(partition)
    start, end = window or (None, None)
    moment = pd.Timedelta(microseconds=1)
    if start is not None and pipeline.partitions.containing(start - moment) == partition:
        start = None
    if end is not None and pipeline.partitions.containing(end) == partition:
        end = None
    return files.read_labels(store.open(), labels_uri(pipeline, store), start, end)


def affected(
    pipeline: MLPipeline, lake: "Lake", known_partition: str, *, since: int | None = None
) -> list[str]:
    """The partitions of events whose labels a partition of ``ground_truth`` brings or changes.

    Args:
        since: a snapshot of ``ground_truth``: only what it did not hold yet counts. It must have
            held the partition, else everything does.

    Returns:
        Partitions with captured events among these labels, in order.
    """
    ids = _news(pipeline, lake, known_partition, since)
    name = pipeline.table(CAPTURES)
    if not ids or not lake.exists(name):
        return []
    there = set(lake.partitions(name))
    return [
        partition
        for partition in event_partitions(pipeline, known_partition)
        if partition in there
        and not ids.isdisjoint(lake.read(name, [partition], columns=["event_id"])["event_id"])
    ]


def event_partitions(pipeline: MLPipeline, known_partition: str) -> list[str]:
    """The partitions whose events may get their labels in a partition of ``ground_truth``: what
    `labelled.known_partitions` says, seen from the label."""
    window = pipeline.partitions.window(known_partition)
    if window is None:
        return [known_partition]
    within = pd.Timedelta(pipeline.monitors.performance.labels_within)
    early = pd.Timedelta(pipeline.horizon)
    return pipeline.partitions.between(window[0] - within, window[1] + early)


def unknown_events(
    pipeline: MLPipeline, lake: "Lake", known_partition: str, labels: pd.DataFrame
) -> int:
    """How many labelled events of a partition were never captured (yet)."""
    name = pipeline.table(CAPTURES)
    there = set(lake.partitions(name)) if lake.exists(name) else set()
    near = [p for p in event_partitions(pipeline, known_partition) if p in there]
    captured = set(lake.read(name, near, columns=["event_id"])["event_id"]) if near else set()
    return len(set(labels["event_id"]) - captured)


def _news(pipeline: MLPipeline, lake: "Lake", known_partition: str, since: int | None) -> set[str]:
    name = pipeline.table(NAME)
    if not lake.exists(name) or known_partition not in lake.partitions(name):
        return set()
    now = lake.read(name, [known_partition])
    if since is not None:
        try:
            before = lake.read(name, [known_partition], snapshot_id=since)
        except LakeError:
            return set(now["event_id"])
        both = ["event_id", "label", "known_at", "label_file"]
        merged = now[both].merge(before[both], how="outer", indicator=True)
        return set(merged.loc[merged["_merge"] != "both", "event_id"])
    return set(now["event_id"])


def _verdict(labels: Labels) -> Verdict:
    if labels.refused.empty:
        return Verdict(True, f"{len(labels.rows):,} labels, no line refused")
    first = labels.refused.iloc[0]
    return Verdict(
        False,
        f"{len(labels.refused):,} lines are no labels; the first: line {first['label_line']} of "
        f"{first['label_file']}: {first['reason']}",
    )
