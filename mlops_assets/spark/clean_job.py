"""Station ``clean`` on Spark: chunks judged and cleaned, rules between chunks, two files written.

Here: what the driver does, one partition at a time. Not here: one chunk (`clean_part`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa

from mlops_assets.checks.rows import check_rows, unique_keys
from mlops_assets.checks.rows_parse import from_text
from mlops_assets.resources.lake import scan
from mlops_assets.resources.lake.frames import to_pandas
from mlops_assets.resources.lake.scan import Layout
from mlops_assets.spark import exchange
from mlops_assets.spark.clean_part import CleanPart, Failures
from mlops_assets.spark.order import Order
from mlops_assets.spark.parts import (
    groups_of,
    lake_of,
    pipeline_of,
    read_parts,
    summed,
    whole_schema,
)
from mlops_assets.spark.task import CleanFound, Input, Task
from mlops_assets.spark.writing import Writer, write

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_QUARANTINE = pa.schema(
    [("row", pa.int64()), ("reasons", pa.large_string()), ("record", pa.large_string())]
)
_MOST_SHARED = 5_000_000


def clean(spark: SparkSession, task: Task, given: Input) -> CleanFound:
    """Make one partition of ``clean`` and ``quarantine``; their files are staged, not committed."""
    pipeline = pipeline_of(task.module)
    layout = lake_of(task).layout(
        pipeline.table("raw"), [given.partition], snapshot_id=given.snapshot
    )
    part = CleanPart(task, layout, _broken(spark, task, layout))
    made = exchange.run(spark, len(groups_of(layout)), part.made)
    facts = [json.loads(page.blob) for page in exchange.collect(exchange.only(made, "facts"))]
    schema, dtypes = whole_schema(f"{pipeline.name}.clean", facts)
    pages = exchange.only(made, "clean")
    if part.engine.order_by:
        samples = exchange.collect(exchange.only(made, "order"))
        order = Order.of(part.engine, schema, samples, layout.rows)
        pages = exchange.gather(
            exchange.spread(pages, order.split), len(order.bounds) + 1, order.sort
        )
    rows, bad = sum(fact["rows"] for fact in facts), sum(fact["bad"] for fact in facts)
    into = partial(Writer, task, partition=given.partition)
    staged, sample = write(
        pages,
        into(
            table=pipeline.table("clean"),
            schema=schema.serialize().to_pybytes(),
            dtypes=dtypes,
            rows=rows - bad,
            hidden=pipeline.personal,
        ),
    )
    rejected, _ = write(
        exchange.only(made, "quarantine"),
        into(
            table=pipeline.table("quarantine"),
            schema=_QUARANTINE.serialize().to_pybytes(),
            dtypes={},
            rows=bad,
            hidden=tuple(_QUARANTINE.names[1:]),
        ),
    )
    twins = exchange.shared(exchange.keys(exchange.only(made, "keys"))).count()
    made.unpersist()
    labels = sum(fact["labels"] for fact in facts)
    return CleanFound(
        rows=rows,
        bad=bad,
        reasons=summed([reason for fact in facts for reason in fact["reasons"]]),
        twins=twins,
        labels=labels,
        label_mean=sum(fact["label_sum"] for fact in facts) / labels if labels else None,
        clean=staged,
        quarantine=rejected,
        sample=sample,
    )


def _broken(spark: SparkSession, task: Task, layout: Layout) -> Failures:
    """Rows whose unique key another row has: they are brought together and judged as such."""
    schema = pipeline_of(task.module).raw_schema
    columns = layout.columns.names
    if not unique_keys(pd.DataFrame(columns=columns), schema):
        return {}
    part = CleanPart(task, layout, {})
    hashes = exchange.keys(exchange.run(spark, len(groups_of(layout)), part.keys))
    found = exchange.shared(hashes.persist()).select("row").distinct().limit(_MOST_SHARED + 1)
    positions = np.sort(np.array([each.row for each in found.collect()], dtype=np.int64))
    hashes.unpersist()
    if len(positions) > _MOST_SHARED:
        raise ValueError(
            f"more than {_MOST_SHARED:,} rows share a key that {schema.__name__} says is unique: "
            "the source delivers something else than the schema says"
        )
    if not len(positions):
        return {}
    raw = to_pandas(pa.concat_tables(_rows_at(task, layout, positions)), layout.dtypes)
    report = check_rows(from_text(raw, schema.to_schema()), schema)
    failures: dict[int, tuple[tuple[str, str, str], ...]] = {}
    for failure in report.failures.itertuples():
        other = positions[int(str(failure.value).removeprefix("row "))]
        row = int(positions[failure.row])
        said = (str(failure.column), str(failure.rule), f"row {other}")
        failures[row] = (*failures.get(row, ()), said)
    return failures


def _rows_at(task: Task, layout: Layout, positions: np.ndarray) -> Iterator[pa.Table]:
    for group in groups_of(layout):
        for first, rows in read_parts(task, layout, group, scan.BATCH_ROWS):
            start, end = np.searchsorted(positions, [first, first + rows.num_rows])
            yield rows.take(pa.array(positions[start:end] - first))
