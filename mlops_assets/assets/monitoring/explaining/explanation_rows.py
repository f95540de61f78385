"""From an event back to its rows: captured, features, clean, raw.

Here: finding them, and a raw row whose key only ``clean`` makes. Not here: the model, and what is
told of it all (`explanation_trace`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mlops_assets.assets.monitoring.captured.events import event_id
from mlops_assets.checks.rows import REDACTED, accepted_rows, check_rows
from mlops_assets.checks.rows_parse import from_text
from mlops_assets.pipeline import MLPipeline

if TYPE_CHECKING:
    from mlops_assets.resources.lake.core import Lake


_REFUSED = "captures_refused"


class UnknownEvent(LookupError):
    """No captured answer is of this event; the message says where it was looked for."""


@dataclass(frozen=True)
class RawRows:
    """The raw rows behind an event, with their places in the partition, and its quarantine.

    ``why_none`` says why no row is here.
    """

    rows: pd.DataFrame
    places: tuple[int, ...]
    total: int
    quarantined: int
    why_none: str = ""


def where(
    pipeline: MLPipeline, lake: "Lake", event: str, partition: str | None
) -> tuple[str, pd.DataFrame]:
    """The partition in which an event's answers were captured, and these; the newest first.

    Raises:
        UnknownEvent: in none of the partitions; the message names them.
    """
    table = pipeline.table("captures")
    there = lake.partitions(table) if lake.exists(table) else []
    if not there:
        raise UnknownEvent(
            f"nothing was captured of {pipeline.name} yet: let its endpoint answer, with "
            f"endpoint.capture_share above 0, and materialize {pipeline.name}/captures"
        )
    searched = [name for name in reversed(there) if partition in (None, name)]
    for name in searched:
        ids = lake.read(table, [name], columns=["event_id"])["event_id"]
        places = np.flatnonzero(ids.to_numpy(object) == event)
        if len(places):
            return name, lake.read(table, [name]).iloc[places].reset_index(drop=True)
    looked = ", ".join(sorted(searched)) if searched else f"none: {partition} has no captures"
    raise UnknownEvent(
        f"no captured answer of {pipeline.name} is of event {event!r}. Searched: {looked}. "
        f"{_where_else(pipeline, lake, event, partition)}"
    )


def _where_else(pipeline: MLPipeline, lake: "Lake", event: str, partition: str | None) -> str:
    key = "/".join(pipeline.entity_key)
    table = pipeline.table(_REFUSED)
    if lake.exists(table):
        refused = lake.read(table, columns=["event_id", "reason"])
        mine = refused.loc[(refused["event_id"] == event).to_numpy(bool), "reason"]
        if len(mine):
            return f"It was captured and cannot be read: {mine.iloc[-1]}"
    for name in [partition] if partition else []:
        if len(of_event(pipeline, stored(pipeline, lake, "features", name), event)):
            return f"features[{name}] has such a row: it was never asked about, or not captured"
    return f"An event's id is its key, {key}; a request of n rows has ids <id>#0 to <id>#{{n-1}}"


def stored(pipeline: MLPipeline, lake: "Lake", station: str, partition: str) -> pd.DataFrame:
    """The rows of a station's partition; none where there are none."""
    table = pipeline.table(station)
    if lake.partition_snapshot(table, partition) is None:
        return pd.DataFrame()
    return lake.read(table, [partition])


def of_event(pipeline: MLPipeline, frame: pd.DataFrame, event: str) -> pd.DataFrame:
    """The rows of a frame whose entity key is the event's."""
    if not set(pipeline.entity_key) <= set(frame.columns):
        return frame.head(0)
    frame = frame.loc[frame[list(pipeline.entity_key)].notna().all(axis=1)]
    return frame.loc[(event_id(pipeline, frame) == event).to_numpy(bool)]


def raw_rows(pipeline: MLPipeline, lake: "Lake", partition: str, event: str) -> RawRows:
    """The raw rows that became the event, personal values redacted."""
    raw = stored(pipeline, lake, "raw", partition)
    if raw.empty:
        return RawRows(raw, (), 0, 0, f"raw[{partition}] is not in the lake")
    bad = stored(pipeline, lake, "quarantine", partition)
    read = from_text(raw, pipeline.raw_schema.to_schema())
    report = check_rows(read, pipeline.raw_schema)
    good = accepted_rows(read, report, pipeline.raw_schema)
    places = np.flatnonzero(report.accepted)
    found = _trace_back(good, lambda rows: len(of_event(pipeline, pipeline.clean(rows), event)) > 0)
    chosen = places[found]
    rows = raw.iloc[chosen].reset_index(drop=True)
    for column in pipeline.personal:
        if column in rows:
            rows[column] = REDACTED
    why = "" if len(found) else f"no accepted row of raw[{partition}] becomes this event now"
    return RawRows(rows, tuple(int(p) for p in chosen), len(raw), len(bad), why)


def _trace_back(rows: pd.DataFrame, has: Callable[[pd.DataFrame], bool]) -> list[int]:
    """Places of the row that makes ``has`` true, by halving: twice the work of one look at all.

    ``clean`` may rename, order and make keys of rows as it likes; what it makes of a row by itself
    is the row's. Nothing where only several rows together make it true.
    """
    low, high = 0, len(rows)
    if not high or not has(rows):
        return []
    while high - low > 1:
        middle = (low + high) // 2
        if has(rows.iloc[low:middle].reset_index(drop=True)):
            high = middle
        elif has(rows.iloc[middle:high].reset_index(drop=True)):
            low = middle
        else:
            return []
    return [low]
