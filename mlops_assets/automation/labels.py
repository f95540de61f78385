"""The sensor `labels`: labels are brought in as they arrive, and what they say of is judged again.

What a tick costs follows from what is new, not from how much there ever was: of the labels' folder
the newest hours are listed (all of it once a day), of the table of labels what changed is read.
Here: what is asked for. Not here: which labels are looked at (`uploads`), whose labels they are
(`assets.monitoring.captured.ground_truth`), judging.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import dagster as dg

from mlops_assets.assets.monitoring.captured.ground_truth import affected
from mlops_assets.automation.asking import not_begun
from mlops_assets.automation.looked_through import followed
from mlops_assets.automation.targets import Targets
from mlops_assets.automation.uploads import everything_due, horizon, recent, uploaded
from mlops_assets.resources.lake.resource import LakeResource
from mlops_assets.resources.monitoring.begun import Begun
from mlops_assets.resources.records import Store

if TYPE_CHECKING:
    from mlops_assets.resources.lake.core import Lake

# What is judged again where labels have come.
JUDGED = ("performance", "bias", "label_queue")
# Of which labels the events were judged.
_STATION = "labels_judged"


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
            f"and only those. Labels uploaded up to {horizon(pipeline)} late are found at once, "
            "later ones within a day."
        ),
        tags=found.tags,
    )
    def labels(
        context: dg.SensorEvaluationContext, lake: LakeResource, store: Store
    ) -> Iterator[dg.RunRequest]:
        begun = Begun(store, pipeline.name, "labels", one_by_one=True)
        now = dt.datetime.now(dt.UTC)
        everything = everything_due(context.cursor, now)
        start = None if everything else recent(pipeline, store, now)
        arrived = [
            _request(found, ["ground_truth"], partition, version)
            for partition, version in uploaded(pipeline, store, start).items()
        ]
        missing = list(not_begun(arrived, begun, context.instance))
        yield from missing
        if everything and not missing:
            # Not before all that was found has begun: who dies in between looks again.
            context.update_cursor(now.isoformat())
        yield from _judge(found, judged, lake.open(), store, begun, context.instance)

    return labels


def _judge(
    found: Targets,
    judged: Sequence[str],
    lake: "Lake",
    store: Store,
    begun: Begun,
    instance: dg.DagsterInstance,
) -> Iterator[dg.RunRequest]:
    """The stations that judge, for the partitions whose events have other labels than they had."""

    def follow(partition: str, snapshot: int, before: int | None) -> list[dg.RunRequest]:
        return [
            _request(found, judged, events, f"{partition}@{snapshot}")
            for events in affected(found.pipeline, lake, partition, since=before)
        ]

    yield from followed(
        found.pipeline, lake, store, begun, instance,
        table="ground_truth", station=_STATION, follow=follow,
    )  # fmt: skip


def _request(
    found: Targets, stations: Sequence[str], partition: str, version: str
) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=f"{found.pipeline.name}:{stations[0]}:{partition}:{version}",
        partition_key=partition,
        asset_selection=[found.key(station) for station in stations],
        tags={"reason": "labels arrived"},
    )
