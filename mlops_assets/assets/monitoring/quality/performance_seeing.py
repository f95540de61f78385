"""What ``performance`` reads of a partition, and whether that was judged already.

Here: from the lake, the registry and earlier records to one record. Not here: judging
(`performance_judging`), the asset (`performance`).
"""

import hashlib
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mlops_assets.assets.monitoring.captured.labelled import (
    LATE,
    labelled,
    last_answers,
    snapshots_read,
)
from mlops_assets.assets.monitoring.current import of_current
from mlops_assets.assets.monitoring.quality import performance_figures
from mlops_assets.assets.monitoring.quality.performance_held_out import promise
from mlops_assets.assets.monitoring.quality.performance_judging import Seen, judge
from mlops_assets.assets.monitoring.quality.records import PerformanceRecord
from mlops_assets.ml.metrics import SUMS_WITHIN
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.records import RecordNotFound, Store

if TYPE_CHECKING:
    from mlops_assets.resources.lake.core import Lake

STATION = "performance"
BASELINE_PARTITIONS = 24
"""Earlier partitions that a band is made of, at most: what was usual two years ago need not be."""
SHOWN_PARTITIONS = 36


def recorded(
    pipeline: MLPipeline, lake: "Lake", store: Store, client: Any, partition: str, version: str
) -> tuple[PerformanceRecord, bool]:
    """The partition's record, and whether it was there already, of the very same inputs."""
    return of_current(
        lambda: snapshots_read(pipeline, lake, partition),
        lambda inputs: _recorded(pipeline, lake, store, client, partition, version, inputs),
    )


def _recorded(
    pipeline: MLPipeline,
    lake: "Lake",
    store: Store,
    client: Any,
    partition: str,
    version: str,
    inputs: dict[str, int | None],
) -> tuple[PerformanceRecord, bool]:
    baseline = _baseline(pipeline, store, partition)
    judged_by = hashlib.sha256("".join([version, *map(digest, baseline)]).encode()).hexdigest()
    settled = _settled(pipeline, lake, partition)
    judged_by = f"{judged_by[:16]}{'' if settled else ', labels to come'}"
    try:
        known = store.load(PerformanceRecord, pipeline.name, STATION, partition)
        if known.inputs == inputs and known.judged_by == judged_by:
            return known, True
    except RecordNotFound:
        pass
    found = labelled(pipeline, lake, partition)
    rows = _sound(pipeline, last_answers(found))
    versions = performance_figures.versions(rows)
    seen = Seen(
        partition=partition,
        rows=rows,
        expected=_expected(pipeline, lake, partition),
        settled=settled,
        promises={v: promise(client, store, pipeline, v) for v in versions},
        baseline=baseline,
        inputs=inputs,
        judged_by=judged_by,
        late=int(found.attrs.get(LATE, 0)),
    )
    record = judge(pipeline, seen)
    store.save(pipeline.name, STATION, partition, record)
    return record, False


def _sound(pipeline: MLPipeline, rows: pd.DataFrame) -> pd.DataFrame:
    """The rows that can be measured: an answer that is no number, or no probability where one is
    asked for, counts as not captured, a label that is none as not known. One must not stop all."""
    told = pipeline.label
    answers = performance_figures.answers(pipeline, rows)
    if told.kind == "regression":
        good = np.abs(answers) <= sys.float_info.max
    else:
        probable = (answers >= 0) & (answers <= 1)
        good = probable if told.kind == "binary" else probable.all(axis=1)
        if told.kind == "multiclass":
            good &= np.abs(answers.sum(axis=1) - 1) <= SUMS_WITHIN
    sound = rows.loc[good].reset_index(drop=True)
    label = sound["label"]
    if told.kind == "regression":
        return sound.assign(label=label.where(label.abs() <= sys.float_info.max))
    return sound.assign(label=label.where(label.isin(range(len(told.classes) or 2))))


def _expected(pipeline: MLPipeline, lake: "Lake", partition: str) -> float | None:
    """How many events of the partition should have been captured."""
    table = pipeline.table("features")
    if lake.partition_snapshot(table, partition) is None:
        return None
    rows = lake.read(table, [partition], columns=list(pipeline.entity_key))
    return len(rows.drop_duplicates()) * pipeline.endpoint.capture_share


def _settled(pipeline: MLPipeline, lake: "Lake", partition: str) -> bool:
    """Whether the data has come so far that labels of the partition would be too late."""
    window = pipeline.partitions.window(partition)
    table = pipeline.table("features")
    if window is None or not lake.exists(table):
        return window is None
    newest = pipeline.partitions.window(lake.partitions(table)[-1])
    within = pd.Timedelta(pipeline.monitors.performance.labels_within)
    return newest is not None and newest[1] >= window[1] + within


def history(pipeline: MLPipeline, store: Store) -> list[PerformanceRecord]:
    """The records of the latest partitions, for plots over time."""
    return [
        store.load(PerformanceRecord, pipeline.name, STATION, partition)
        for partition in store.partitions(pipeline.name, STATION)[-SHOWN_PARTITIONS:]
    ]


def _baseline(pipeline: MLPipeline, store: Store, partition: str) -> list[PerformanceRecord]:
    """The partitions before this one, of which enough is known and which did not fail."""
    earlier = [p for p in store.partitions(pipeline.name, STATION) if p < partition]
    found = [
        store.load(PerformanceRecord, pipeline.name, STATION, p)
        for p in earlier[-BASELINE_PARTITIONS:]
    ]
    least = pipeline.monitors.performance.least_rows
    return [r for r in found if r.status != "failing" and r.labelled >= least]


def digest(record: PerformanceRecord) -> str:
    return hashlib.sha256(record.model_dump_json().encode()).hexdigest()[:16]
