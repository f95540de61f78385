"""What both stations' tasks share: the pipeline, its lake, reading a part, telling what was found.

Here: functions that run in Spark's Python workers as well as in the driver. Not here: Spark
(`exchange`), the stations (`clean_part`, `features_part`).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib import import_module
from typing import Any

import pandas as pd
import pyarrow as pa

from mlops_assets.checks.rows import RowReport, failure_summary
from mlops_assets.engines import Spark
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.lake.core import Lake
from mlops_assets.resources.lake.frames import common_dtypes, to_arrow
from mlops_assets.resources.lake.resource import open_lake
from mlops_assets.resources.lake.scan import Layout, RowGroup
from mlops_assets.spark.blobs import ROW, common_schema
from mlops_assets.spark.task import Reason, Task


class ContractBroken(RuntimeError):
    """A function does not keep what `engines.Spark` asks of it; the message says how."""


@lru_cache
def pipeline_of(module: str) -> MLPipeline:
    pipeline: MLPipeline = import_module(module).pipeline
    return pipeline


def engine_of(module: str) -> Spark:
    """Raises ContractBroken where the pipeline does not say that it runs on Spark."""
    engine = pipeline_of(module).engine
    if not isinstance(engine, Spark):
        raise ContractBroken(f"{module}.pipeline has the engine {engine!r}, not Spark(…)")
    return engine


def lake_of(task: Task) -> Lake:
    return open_lake(task.catalog)


def groups_of(layout: Layout) -> tuple[RowGroup | None, ...]:
    """What the tasks read; a partition without rows is one task that reads nothing."""
    return layout.groups or (None,)


def read_parts(
    task: Task,
    layout: Layout,
    group: RowGroup | None,
    rows: int,
    columns: Sequence[str] | None = None,
) -> Iterator[tuple[int, pa.Table]]:
    """(position of the first row, some ``rows`` rows) of a row group; one empty part for None."""
    if group is None:
        schema = layout.columns
        yield 0, schema.empty_table().select(schema.names if columns is None else columns)
        return
    first = group.first
    for table in lake_of(task).read_group(layout, group, columns=columns):
        for start in range(0, table.num_rows, rows):
            part = table.slice(start, rows)
            yield first, part
            first += part.num_rows


def with_rows(frame: pd.DataFrame, rows: Any) -> tuple[pa.Table, dict[str, str]]:
    """The frame in the lake's types, with the positions of its rows."""
    table, dtypes = to_arrow(frame)
    return table.append_column(ROW, pa.array(rows, pa.int64())), dtypes


def described(table: pa.Table, dtypes: dict[str, str], **found: Any) -> bytes:
    """What was found of a part, and the schema of what was made of it."""
    schema = base64.b64encode(table.drop_columns([ROW]).schema.serialize()).decode()
    return json.dumps({**found, "schema": schema, "dtypes": dtypes}).encode()


def whole_schema(
    function: str, described_parts: Sequence[dict[str, Any]]
) -> tuple[pa.Schema, dict[str, str]]:
    """The schema and dtypes of all parts that `described` told of; parts without rows do not
    count beside others."""
    telling = [part for part in described_parts if part["made"]] or list(described_parts)[:1]
    schemas = [
        pa.ipc.read_schema(pa.py_buffer(base64.b64decode(part["schema"]))) for part in telling
    ]
    schema = common_schema(function, schemas)
    return schema, common_dtypes([part["dtypes"] for part in telling])


def reasons_of(report: RowReport) -> list[dict[str, Any]]:
    return failure_summary(report).to_dict("records")


def summed(reasons: Sequence[dict[str, Any]]) -> tuple[Reason, ...]:
    """The rules that rows break, over all parts, most rows first."""
    if not reasons:
        return ()
    frame = pd.DataFrame(reasons).groupby(["column", "rule"], sort=True)["rows"].sum().reset_index()
    frame = frame.sort_values("rows", ascending=False, kind="stable")
    return tuple(Reason(**row) for row in frame.to_dict("records"))
