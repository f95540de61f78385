"""What of a table of the lake was looked through, so that each change of it is followed once.

Here: which partitions changed since, and keeping that they were followed. Not here: what follows
from a change (`labels`, `captures`).
"""

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import BaseModel, ConfigDict

from mlops_assets.automation.asking import not_begun
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.monitoring.begun import Begun
from mlops_assets.resources.records import RecordNotFound, Store

if TYPE_CHECKING:
    from mlops_assets.resources.lake.core import Lake

# A tick must end in time, whatever came in since the last one.
_AT_ONCE = 20
_LAST = "last"

Follow = Callable[[str, int, int | None], Iterable[dg.RunRequest]]
"""Which runs follow from a change: of the partition, its snapshot, and the one before (None: it is
new, or was never looked at)."""


class LookedThrough(BaseModel):
    """``head`` of the table when all of it was looked through, and the snapshot of each of its
    partitions. Kept as the record of a station, partition ``last``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    head: int | None = None
    partitions: dict[str, int] = {}


def followed(
    pipeline: MLPipeline,
    lake: "Lake",
    store: Store,
    begun: Begun,
    instance: dg.DagsterInstance,
    *,
    table: str,
    station: str,
    follow: Follow,
) -> Iterator[dg.RunRequest]:
    """The runs that follow from what changed in a table and have not begun.

    A partition counts as looked through when all that follows from it has begun, and not before:
    who dies in between looks again.

    Args:
        station: under which it is kept what was looked through.
    """
    before = _looked_through(pipeline, store, station)
    head = lake.head(pipeline.table(table))
    if head is None or head == before.head:
        return
    now, done = lake.snapshots(pipeline.table(table)), dict(before.partitions)
    changed = [p for p in reversed(now) if done.get(p) != now[p]]
    for partition in changed[:_AT_ONCE]:
        wanted = follow(partition, now[partition], done.get(partition))
        missing = list(not_begun(wanted, begun, instance))
        yield from missing
        if not missing:
            done[partition] = now[partition]
    complete = all(done.get(p) == now[p] for p in changed)
    if complete or done != before.partitions:
        seen = LookedThrough(head=head if complete else None, partitions=done)
        store.save(pipeline.name, station, _LAST, seen)


def _looked_through(pipeline: MLPipeline, store: Store, station: str) -> LookedThrough:
    try:
        return store.load(LookedThrough, pipeline.name, station, _LAST)
    except RecordNotFound:
        return LookedThrough()
