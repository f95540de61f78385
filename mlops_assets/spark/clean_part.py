"""What a task does with one chunk of raw rows: judge, quarantine, clean, and test the contract.

Here: functions of a chunk. Not here: rules between chunks and the order of the whole
(`clean_job`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from mlops_assets.checks.rows import (
    RowReport,
    accepted_rows,
    check_rows,
    quarantine,
    unique_keys,
)
from mlops_assets.checks.rows_parse import from_text
from mlops_assets.engines import Spark
from mlops_assets.ml.point_in_time import differences
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.lake.frames import to_arrow, to_pandas
from mlops_assets.resources.lake.scan import Layout
from mlops_assets.spark.blobs import ROW, key_hashes, pack
from mlops_assets.spark.exchange import Record
from mlops_assets.spark.parts import (
    ContractBroken,
    described,
    engine_of,
    groups_of,
    pipeline_of,
    read_parts,
    reasons_of,
    with_rows,
)
from mlops_assets.spark.task import Task

_SAMPLED = 32
ORDER_SAMPLES = 64

Failures = Mapping[int, tuple[tuple[str, str, str], ...]]
"""{position of a row: the unique keys that it breaks, as (column, rule, value)}"""


@dataclass(frozen=True)
class CleanPart:
    """The chunks of one partition. ``broken``: rows that repeat or contradict another's key."""

    task: Task
    layout: Layout
    broken: Failures

    @property
    def pipeline(self) -> MLPipeline:
        return pipeline_of(self.task.module)

    @property
    def engine(self) -> Spark:
        return engine_of(self.task.module)

    def keys(self, number: int) -> Iterator[Record]:
        """Hashes of the unique keys of rows that break no rule of their own."""
        for first, raw, report, read in self._judged(number):
            good = accepted_rows(read, report, self.pipeline.raw_schema)
            rows = np.flatnonzero(report.accepted) + first
            for key, columns in enumerate(unique_keys(raw, self.pipeline.raw_schema)):
                yield Record("keys", first, key, hashed(key, good, columns, rows))

    def made(self, number: int) -> Iterator[Record]:
        """Clean rows, quarantined ones, and what was found, of each chunk of a task."""
        hidden = [c for c in self.pipeline.personal if c in self._raw_columns]
        for first, raw, own, read in self._judged(number):
            report = self._with_broken(own, first)
            bad = quarantine(raw, report, redact=hidden)
            bad["row"] += first
            given = accepted_rows(read, report, self.pipeline.raw_schema)
            good = self.pipeline.clean(given)
            if len(good) != len(given):
                raise ContractBroken(
                    f"{self.pipeline.name}.clean returned {len(good):,} rows for {len(given):,} "
                    "valid ones: rows may be quarantined, never dropped. Keep every row, or reject "
                    "it in raw_schema."
                )
            self._require_contract(given, good)
            table, dtypes = with_rows(good, np.arange(len(good)) + first)
            labels = good[self.pipeline.label.column].dropna()
            facts = described(
                table,
                dtypes,
                made=len(good),
                rows=len(raw),
                bad=len(bad),
                reasons=reasons_of(report),
                labels=len(labels),
                label_sum=float(labels.sum()),
            )
            yield Record("facts", first, 0, facts)
            yield Record("clean", first, 0, pack(table))
            yield Record("quarantine", first, 0, pack(to_arrow(bad)[0]))
            rows = np.arange(len(good)) + first
            yield Record("keys", first, 0, hashed(0, good, list(self.pipeline.entity_key), rows))
            if self.engine.order_by:
                places = np.linspace(0, len(good) - 1, min(ORDER_SAMPLES, len(good)), dtype=int)
                first_column = table.select([self.engine.order_by[0]])
                yield Record("order", first, 0, pack(first_column.take(pa.array(places))))

    @property
    def _raw_columns(self) -> list[str]:
        return list(self.pipeline.raw_schema.to_schema().columns)

    def _judged(self, number: int) -> Iterator[tuple[int, pd.DataFrame, RowReport, pd.DataFrame]]:
        """(position of the first row, raw rows, what is wrong with them, the rows read)"""
        schema = self.pipeline.raw_schema
        group = groups_of(self.layout)[number]
        for first, table in read_parts(self.task, self.layout, group, self.engine.chunk_rows):
            raw = to_pandas(table, self.layout.dtypes)
            read = from_text(raw, schema.to_schema())
            yield first, raw, check_rows(read, schema, part=True), read

    def _with_broken(self, report: RowReport, first: int) -> RowReport:
        here = range(first, first + len(report.accepted))
        broken = [row for row in self.broken if row in here]
        if not broken:
            return report
        accepted = report.accepted.copy()
        accepted[np.array(broken) - first] = False
        more = pd.DataFrame(
            [(row - first, *failure) for row in broken for failure in self.broken[row]],
            columns=list(report.failures.columns),
        ).astype(report.failures.dtypes)
        failures = pd.concat([report.failures, more], ignore_index=True)
        return RowReport(accepted, failures.sort_values("row", kind="stable", ignore_index=True))

    def _require_contract(self, given: pd.DataFrame, good: pd.DataFrame) -> None:
        """A sample of rows, alone and the other way round, has to come out as among the others."""
        key, order_by = list(self.pipeline.entity_key), list(self.engine.order_by)
        name = f"{self.pipeline.name}.clean"
        if order_by and not good.sort_values(order_by, kind="stable").index.equals(good.index):
            raise ContractBroken(
                f"{name} does not order its rows by {', '.join(order_by)}, which engine.order_by "
                "says: name the columns that it sorts by (a stable sort), or leave order_by out"
            )
        if good.duplicated(key).any():
            return  # the check entity_key_unique says so; which row is whose cannot be told
        some = given.iloc[:: -(-len(given) // _SAMPLED) or 1].reset_index(drop=True)
        alone = self.pipeline.clean(some)
        turned = self.pipeline.clean(some.iloc[::-1].reset_index(drop=True)).iloc[::-1]
        if not order_by and not _same(alone[key], turned[key]):
            raise ContractBroken(
                f"{name} changes the order of its rows, and engine.order_by is empty: name the "
                "columns that it sorts by, such as order_by=('event_time', 'id')"
            )
        numbered = good[key].assign(**{ROW: range(len(good))})
        places = alone[key].merge(numbered, on=key, how="left")[ROW]
        changed = sorted(key) if places.isna().any() else []
        if not changed:
            there = good.iloc[places.to_numpy(dtype=np.int64)].reset_index(drop=True)
            changed = sorted(set(differences(there, alone.reset_index(drop=True))["column"]))
        if changed:
            raise ContractBroken(
                f"{name} makes other values of {', '.join(changed)} when it sees fewer rows: it "
                "has to make each row from that row alone. What looks at other rows is a feature"
            )


def _same(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    return differences(one.reset_index(drop=True), other.reset_index(drop=True)).empty


def hashed(key: int, rows: pd.DataFrame, columns: list[str], positions: np.ndarray) -> bytes:
    """A page for `exchange.keys`: the key's number, hashes of its values, and whose they are."""
    hashes = key_hashes(rows, columns)
    return pack(
        pa.table(
            {
                "key": np.full(len(rows), key, np.int64),
                "high": hashes[:, 0],
                "low": hashes[:, 1],
                "row": np.asarray(positions, np.int64),
            }
        )
    )
