"""One task that writes all pages of a partition, in order, to one file of the lake.

Here: pages to `Lake.stage`, and a few rows for people to look at. Not here: what is in the pages.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa

from mlops_assets.resources.lake.staged import Staged
from mlops_assets.spark import exchange
from mlops_assets.spark.blobs import ROW, pack, unpack
from mlops_assets.spark.exchange import Record
from mlops_assets.spark.parts import lake_of
from mlops_assets.spark.task import Task

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_SHOWN = 5


@dataclass(frozen=True)
class Writer:
    """Writes pages as ``table``'s ``partition``; ``rows`` is how many there will be."""

    task: Task
    table: str
    partition: str
    schema: bytes
    dtypes: dict[str, str]
    rows: int
    hidden: tuple[str, ...] = field(default=())

    def __call__(self, pages: Iterator[Record]) -> Iterator[Record]:
        schema = pa.ipc.read_schema(pa.py_buffer(self.schema))
        shown = schema.empty_table()
        wanted = [n * max(self.rows // _SHOWN, 1) for n in range(_SHOWN)]

        def parts() -> Iterator[pa.Table]:
            nonlocal shown
            seen = 0
            for page in pages:
                rows = unpack(page.blob)
                rows = rows.drop_columns([ROW]) if ROW in rows.column_names else rows
                rows = rows.cast(schema)
                here = [at - seen for at in wanted if seen <= at < seen + rows.num_rows]
                shown = pa.concat_tables([shown, rows.take(pa.array(here, pa.int64()))])
                seen += rows.num_rows
                yield rows

        staged = lake_of(self.task).stage(self.table, self.partition, schema, parts(), self.dtypes)
        if staged.rows != self.rows:
            raise AssertionError(f"{staged.rows} rows written of {self.rows}: a bug in spark/")
        shown = shown.drop_columns([name for name in self.hidden if name in shown.column_names])
        said = {"staged": staged.model_dump(), "sample": base64.b64encode(pack(shown)).decode()}
        yield Record("staged", 0, 0, json.dumps(said).encode())


def write(pages: DataFrame, writer: Writer) -> tuple[Staged, str]:
    """The staged file, and a few of its rows (base64)."""
    (record,) = exchange.whole(pages, writer)
    said = json.loads(record.blob)
    return Staged.model_validate(said["staged"]), said["sample"]
