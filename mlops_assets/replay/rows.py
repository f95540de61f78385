"""The feature rows of a partition as a caller has them, before the platform has seen any of it.

Here: the pipeline's own functions on the source's rows, which of them are asked about, and when
each label became known. Not here: sending them (`traffic`).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import pandas as pd

from mlops_assets.assets.monitoring.captured.events import event_id
from mlops_assets.checks.rows import accepted_rows, check_rows
from mlops_assets.checks.rows_parse import from_text
from mlops_assets.pipeline import MLPipeline


@dataclass(frozen=True)
class Month:
    """``features``: (rows, columns) in order of event time; ``ids``, ``known_at``: (rows,)."""

    features: pd.DataFrame
    ids: pd.Series
    known_at: pd.Series

    def sample(self, rows: int) -> Month:
        """So many rows, the same each time: by a hash of their ids. 0: all."""
        if not rows or rows >= len(self.ids):
            return self
        order = self.ids.map(lambda each: hashlib.blake2b(each.encode()).digest())
        chosen = order.sort_values().index[:rows].sort_values()
        return Month(
            self.features.loc[chosen].reset_index(drop=True),
            self.ids.loc[chosen].reset_index(drop=True),
            self.known_at.loc[chosen].reset_index(drop=True),
        )


def month(pipeline: MLPipeline, partition: str) -> Month:
    """The rows of a partition, by the source itself."""
    if pipeline.event_time is None:
        raise ValueError(f"{pipeline.name} has no event time")
    clean = clean_rows(pipeline, partition)
    made = pipeline.features(clean, _history(pipeline, partition, clean))
    label = pipeline.label
    known = clean[label.known_at] if label.known_at else clean[pipeline.event_time]
    order = made[pipeline.event_time].reset_index(drop=True).sort_values(kind="stable").index
    made = made.reset_index(drop=True).loc[order].reset_index(drop=True)
    return Month(
        made,
        event_id(pipeline, made),
        known.reset_index(drop=True).loc[order].reset_index(drop=True),
    )


def clean_rows(pipeline: MLPipeline, partition: str) -> pd.DataFrame:
    """The valid rows of a partition, cleaned, by the source itself."""
    read = from_text(pipeline.source.read(partition), pipeline.raw_schema.to_schema())
    report = check_rows(read, pipeline.raw_schema)
    return pipeline.clean(accepted_rows(read, report, pipeline.raw_schema))


def _history(pipeline: MLPipeline, partition: str, clean: pd.DataFrame) -> pd.DataFrame:
    window = pipeline.partitions.window(partition)
    wanted = pipeline.partitions.before(partition, pipeline.lookback) if pipeline.lookback else []
    there = [key for key in wanted if key in set(pipeline.source.partitions())]
    if window is None or not there:
        return clean.iloc[:0]
    rows = pd.concat([clean_rows(pipeline, key) for key in there], ignore_index=True)
    times = rows[pipeline.event_time]
    keep = (times >= window[0] - pipeline.lookback) & (times < window[0])
    return rows.loc[keep].reset_index(drop=True)
