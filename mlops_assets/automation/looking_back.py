"""Features whose past has changed: which partitions are made anew, and once for each change.

`features` notes which versions of ``clean`` it looked back on. Here: comparing that with what the
lake holds. Not here: bringing rows in (`new_data`).
"""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Literal

import dagster as dg
import pandas as pd

from mlops_assets.assets.records import HistoryRecord
from mlops_assets.automation.asking import has_begun
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.monitoring.begun import Begun
from mlops_assets.resources.records import RecordNotFound, Store
from mlops_assets.resources.sagemaker.names import digest_of

if TYPE_CHECKING:
    from mlops_assets.resources.lake.core import Lake

Whereabouts = Literal["coming", "broken", "here"]
"""Of the rows of a partition at the version that the source has; ``broken``: their run failed."""

_MOMENT = pd.Timedelta(microseconds=1)


def outdated(
    pipeline: MLPipeline,
    store: Store,
    lake: "Lake",
    begun: Begun,
    instance: dg.DagsterInstance,
    whereabouts: Callable[[str], Whereabouts],
) -> Iterator[tuple[str, str]]:
    """The partitions whose features looked back on other rows than there are now, each with the run
    key of making them anew.

    Args:
        whereabouts: nothing follows yet from rows that are coming in or came in broken, and
            features of such rows are not made past their checks.
    """
    if not pipeline.lookback:
        return
    clean = lake.snapshots(pipeline.table("clean"))
    unseen = {p: s for p, s in clean.items() if not begun.has(_passed_on(p, s))}
    changed = {p: s for p, s in unseen.items() if whereabouts(p) == "here"}
    if not changed:
        return
    made = lake.snapshots(pipeline.table("features"))
    asked: set[str] = set()
    for partition, snapshot in changed.items():
        after = {p: whereabouts(p) for p in looking_back_on(pipeline, partition)}
        stale: dict[str, str] = {}
        for later in (p for p, where in after.items() if where == "here" and p in made):
            if _seen(pipeline, store, later).get(partition) != snapshot:
                stale[later] = _run_key(pipeline, later, clean)
        stale = {p: key for p, key in stale.items() if not has_begun(begun, key, instance)}
        yield from ((p, key) for p, key in stale.items() if p not in asked)
        asked |= set(stale)
        if not stale and "coming" not in after.values():
            begun.mark(_passed_on(partition, snapshot), "what looks back on it knows it")


def looking_back_on(pipeline: MLPipeline, partition: str) -> list[str]:
    """The later partitions whose features look back on a partition, in order."""
    window = pipeline.partitions.window(partition)
    if window is None or not pipeline.lookback:
        return []
    last = window[1] + pd.Timedelta(pipeline.lookback) - _MOMENT
    return [p for p in pipeline.partitions.between(window[1], last) if p > partition]


def _seen(pipeline: MLPipeline, store: Store, partition: str) -> Mapping[str, int]:
    """Of features that were made before anybody noted what they saw, nothing is known."""
    try:
        return store.load(HistoryRecord, pipeline.name, "features", partition).clean
    except RecordNotFound:
        return {}


def _run_key(pipeline: MLPipeline, partition: str, clean: Mapping[str, int]) -> str:
    """The same as long as the rows that it looks back on are the same."""
    before = pipeline.partitions.before(partition, pipeline.lookback)
    versions = {p: clean[p] for p in before if p in clean}
    return f"{pipeline.name}:{partition}:history:{digest_of(versions)[:16]}"


def _passed_on(partition: str, snapshot: int) -> str:
    return f"clean:{partition}@{snapshot}"
