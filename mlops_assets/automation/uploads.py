"""Uploaded labels: in which partitions they became known, without listing all that there ever were.

Here: how far back is looked, and the version of what is found there. Not here: the files' format
(`resources.monitoring.ground_truth`), what follows from them (`labels`).
"""

import datetime as dt
from collections.abc import Mapping

import pandas as pd

from mlops_assets.assets.monitoring.captured.ground_truth import labels_uri
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.monitoring.ground_truth import files_between, newest_hour
from mlops_assets.resources.records import Store
from mlops_assets.resources.sagemaker.names import digest_of

# Labels that are uploaded late are found at once so long after they could last become known; those
# that are later still, by the look at everything.
LATE_BY = dt.timedelta(days=1)
EVERYTHING_EVERY = dt.timedelta(days=1)
_MOMENT = pd.Timedelta(microseconds=1)


def horizon(pipeline: MLPipeline) -> dt.timedelta:
    """How long after labels became known their upload is found at once."""
    return pipeline.monitors.performance.labels_within + LATE_BY


def recent(pipeline: MLPipeline, store: Store, now: dt.datetime) -> pd.Timestamp | None:
    """The start of the partition that the horizon before the newest labels lies in; None: of the
    first one, or there is no time.

    By the labels' own time, for history may be replayed; but for labels of the future.
    """
    newest = newest_hour(store.open(), labels_uri(pipeline, store), pd.Timestamp(now))
    if newest is None:
        return None
    oldest = newest - pd.Timedelta(horizon(pipeline))
    # The whole partition: its version is a digest of all of its files.
    partition = pipeline.partitions.containing(oldest)
    window = pipeline.partitions.window(partition)
    if window is None or pipeline.partitions.containing(window[0] - _MOMENT) == partition:
        return None  # labels from before the first partition belong to it
    return window[0]


def uploaded(
    pipeline: MLPipeline, store: Store, start: pd.Timestamp | None = None
) -> Mapping[str, str]:
    """{partition in which labels became known: digest of the files that hold them}, of those from
    the start of a partition on; None: of all."""
    declared = set(pipeline.partitions.definition.get_partition_keys())
    files: dict[str, list[str]] = {}
    for file in files_between(store.open(), labels_uri(pipeline, store), start, None):
        files.setdefault(pipeline.partitions.containing(file.known_at), []).append(file.uri)
    return {p: digest_of(found)[:16] for p, found in sorted(files.items()) if p in declared}


def everything_due(cursor: str | None, now: dt.datetime) -> bool:
    """Whether all labels are looked at; the cursor is when that was last done."""
    return cursor is None or now - dt.datetime.fromisoformat(cursor) >= EVERYTHING_EVERY
