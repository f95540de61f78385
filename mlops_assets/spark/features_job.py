"""Station ``features`` on Spark: slices with their history, one file written in the rows' order.

Here: what the driver does, one partition at a time. Not here: one slice (`features_part`).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mlops_assets.spark import exchange
from mlops_assets.spark.blobs import unpack
from mlops_assets.spark.features_part import FeaturesPart, in_order
from mlops_assets.spark.parts import engine_of, lake_of, pipeline_of, summed, whole_schema
from mlops_assets.spark.task import FeaturesFound, Input, Reason, Task
from mlops_assets.spark.writing import Writer, write

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def features(spark: SparkSession, task: Task, given: Input) -> FeaturesFound:
    """Make one partition of ``features``; its file is staged, not committed."""
    pipeline = pipeline_of(task.module)
    part = _part(spark, task, given)
    sliced = exchange.run(spark, part.tasks, part.sliced)
    made = exchange.kept(exchange.gather(sliced, part.slices, part.made))
    facts = [json.loads(page.blob) for page in exchange.collect(exchange.only(made, "facts"))]
    schema, dtypes = whole_schema(f"{pipeline.name}.features", facts)
    blocks = -(-part.layout.rows // part.engine.slice_rows) or 1
    staged, sample = write(
        exchange.gather(exchange.only(made, "made"), blocks, in_order),
        Writer(
            task,
            pipeline.table("features"),
            given.partition,
            schema.serialize().to_pybytes(),
            dtypes,
            part.layout.rows,
            pipeline.personal,
        ),
    )
    keys = exchange.shared(exchange.keys(exchange.only(made, "keys")))
    twins = keys.select("row").distinct().count()
    made.unpersist()
    sliced.unpersist()
    reasons = list(summed([reason for fact in facts for reason in fact["reasons"]]))
    if twins:
        reasons.append(Reason(column="(row)", rule="unique", rows=twins))
    return FeaturesFound(
        rows=part.layout.rows,
        history=part.history.rows if part.history else 0,
        bad=min(sum(fact["bad"] for fact in facts) + twins, part.layout.rows),
        reasons=tuple(reasons),
        recomputed=sum(fact["recomputed"] for fact in facts),
        differ=sum(fact["differ"] for fact in facts),
        leaky=tuple(sorted({name for fact in facts for name in fact["leaky"]})),
        features=staged,
        sample=sample,
    )


def _part(spark: SparkSession, task: Task, given: Input) -> FeaturesPart:
    pipeline, engine = pipeline_of(task.module), engine_of(task.module)
    lake, table = lake_of(task), pipeline.table("clean")
    layout = lake.layout(table, [given.partition], snapshot_id=given.snapshot)
    window = pipeline.partitions.window(given.partition)
    before = None
    if given.history and window is not None:
        before = lake.layout(table, list(given.history), snapshot_id=given.snapshot)
    part = FeaturesPart(
        task=task,
        layout=layout,
        history=before,
        window=None
        if window is None
        else (_microseconds(window[0] - pipeline.lookback), _microseconds(window[0])),
        bounds=(),
        slices=-(-layout.rows // engine.slice_rows) or 1,
        sampled=_sampled(layout.rows, pipeline.monitors.point_in_time_rows),
    )
    if pipeline.event_time is None or engine.features_by:
        return part
    bounds = _bounds(spark, part)
    return part.cut(bounds, len(bounds) + 1)


def _bounds(spark: SparkSession, part: FeaturesPart) -> tuple[int, ...]:
    """Event times that part the rows into slices of some ``slice_rows`` rows."""
    pages = exchange.run(spark, part.own_tasks, part.times)
    found = [unpack(page.blob).column(0) for page in exchange.collect(pages)]
    pages.unpersist()
    times = np.sort(np.concatenate([np.asarray(each.cast("timestamp[us]").cast("int64"))
                                    for each in found]))  # fmt: skip
    places = [len(times) * n // part.slices for n in range(1, part.slices)]
    # The first slice begins with the partition: nothing comes before the earliest time.
    return tuple(sorted({int(times[at]) for at in places if times[at] > times[0]}))


def _sampled(rows: int, wanted: int) -> tuple[int, ...]:
    """The rows that the pandas path's point-in-time check takes."""
    if not rows:
        return ()
    chosen = np.random.default_rng(rows).choice(rows, min(wanted, rows), replace=False)
    return tuple(int(row) for row in np.sort(chosen))


def _microseconds(moment: pd.Timestamp) -> int:
    return int(moment.value // 1000)
