"""The figures of the monitors, by the names that CloudWatch knows them by.

Here: from records and tables to numbers. Not here: sending them (`metrics`). A status is 0 healthy,
1 warning, 2 failing; unknown is no number, and so never looks healthy.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import pandas as pd

from mlops_assets.assets.monitoring.captured.records import SkewRecord
from mlops_assets.assets.monitoring.drifting.records import DriftRecord
from mlops_assets.assets.monitoring.quality.records import PerformanceRecord
from mlops_assets.assets.monitoring.records import Status
from mlops_assets.automation.alarms import WATCHED
from mlops_assets.automation.scene import RECENT
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.records import RecordNotFound, Store

if TYPE_CHECKING:
    from mlops_assets.resources.lake.core import Lake

_STATUS: Mapping[Status, float] = {"healthy": 0.0, "warning": 1.0, "failing": 2.0}


@dataclass(frozen=True)
class Told:
    """What one version of one partition has to tell; ``key`` is the same for the same version, and
    is known before the figures are looked up."""

    key: str
    figures: Callable[[], Mapping[str, float]]


def told(pipeline: MLPipeline, store: Store, lake: "Lake") -> Iterator[Told]:
    """What the newest partitions have to tell, oldest first."""
    for kind, station in WATCHED:
        for partition in store.partitions(pipeline.name, station)[-RECENT:]:
            try:
                record = store.load(kind, pipeline.name, station, partition)
            except RecordNotFound:
                continue  # removed meanwhile
            figures = of_record(record)
            key = f"{station}:{partition}:{sorted(figures.items())}"
            yield Told(key, lambda figures=figures: figures)  # type: ignore[misc]
    yield from _of_rows(pipeline, lake)


def of_record(record: DriftRecord | PerformanceRecord | SkewRecord) -> dict[str, float]:
    """A record's figures."""
    if isinstance(record, DriftRecord):
        drifted = {f.column or f.kind for f in record.findings if f.kind != "insufficient"}
        found = {"DriftedColumns": float(len(drifted))} if record.baseline_kind != "none" else {}
        if record.matters is not None:
            found["DriftedImportance"] = record.matters
        return found | _status("DriftStatus", record.status)
    if isinstance(record, SkewRecord):
        found = {"SkewShare": record.different_rows / record.compared} if record.compared else {}
        return found | _status("SkewStatus", record.status)
    found = {f"Performance.{name}": figure.value for name, figure in record.metrics.items()}
    found |= {f"Estimate.{name}": value for name, value in record.estimate.items()}
    if record.captured:
        found["LabelledShare"] = record.labelled / record.captured
    finite = {name: value for name, value in found.items() if value == value}
    return finite | _status("PerformanceStatus", record.status)


def freshness(pipeline: MLPipeline, lake: "Lake", now: dt.datetime) -> dict[str, float]:
    """Hours since the end of the newest partition that has features; nothing without time."""
    table = pipeline.table("features")
    newest = max(lake.snapshots(table), default=None)
    window = pipeline.partitions.window(newest) if newest else None
    if window is None:
        return {}
    return {"FreshnessHours": (pd.Timestamp(now) - window[1]).total_seconds() / 3600}


def _of_rows(pipeline: MLPipeline, lake: "Lake") -> Iterator[Told]:
    """Rows that came in and that were put aside; read once for each version of a partition."""
    good, bad = pipeline.table("clean"), pipeline.table("quarantine")
    rejected = lake.snapshots(bad)
    for partition, snapshot in sorted(lake.snapshots(good).items())[-RECENT:]:
        if partition not in rejected:
            continue
        key = f"rows:{partition}:{snapshot}:{rejected[partition]}"
        yield Told(key, partial(_rows, pipeline, lake, partition))


def _rows(pipeline: MLPipeline, lake: "Lake", partition: str) -> dict[str, float]:
    column = list(pipeline.entity_key)[:1]
    rows = len(lake.read(pipeline.table("clean"), [partition], columns=column))
    quarantined = len(lake.read(pipeline.table("quarantine"), [partition]))
    found = {"Rows": float(rows), "QuarantinedRows": float(quarantined)}
    if rows + quarantined:
        found["QuarantinedShare"] = quarantined / (rows + quarantined)
    return found


def _status(name: str, status: Status) -> dict[str, float]:
    return {name: _STATUS[status]} if status in _STATUS else {}
