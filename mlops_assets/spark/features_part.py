"""What a task does with one slice of clean rows and its history: features, and what proves them.

Here: which slice a row belongs to, as one of its rows and as history of others, and the features of
a slice. Not here: the driver (`features_job`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from mlops_assets.checks.rows import SchemaMismatch, check_rows, unique_keys
from mlops_assets.engines import Spark
from mlops_assets.ml.point_in_time import differences, recompute
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.lake.frames import to_pandas
from mlops_assets.resources.lake.scan import Layout
from mlops_assets.spark.blobs import ROW, key_hashes, pack, unpack
from mlops_assets.spark.clean_part import hashed
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

_GROUPS_TESTED = 3


@dataclass(frozen=True)
class FeaturesPart:
    """The slices of one partition.

    Args:
        history: where the rows of the look-back are; None where there are none.
        window: the look-back's start and the partition's, in microseconds.
        bounds: event times, in microseconds, at which slices after the first begin; empty unless
            the partition is cut by time.
        slices: how many there are.
        sampled: positions of the rows of the point-in-time check.
    """

    task: Task
    layout: Layout
    history: Layout | None
    window: tuple[int, int] | None
    bounds: tuple[int, ...]
    slices: int
    sampled: tuple[int, ...]

    @property
    def pipeline(self) -> MLPipeline:
        return pipeline_of(self.task.module)

    @property
    def engine(self) -> Spark:
        return engine_of(self.task.module)

    @property
    def own_tasks(self) -> int:
        return len(groups_of(self.layout))

    @property
    def tasks(self) -> int:
        return self.own_tasks + (len(self.history.groups) if self.history else 0)

    def times(self, number: int) -> Iterator[Record]:
        """Event times of a task's rows, every hundredth."""
        group = groups_of(self.layout)[number]
        time = str(self.pipeline.event_time)
        for first, rows in read_parts(self.task, self.layout, group, 65_536, [time]):
            if rows.column(0).null_count:
                raise ContractBroken(
                    f"{self.pipeline.name}: {time} is missing in rows of "
                    f"{self.pipeline.table('clean')}, and slices are cut by it. Reject such rows "
                    "in raw_schema, or declare engine.features_by"
                )
            step = rows.take(pa.array(range(0, rows.num_rows, 100)))
            yield Record("times", first, 0, pack(step))

    def sliced(self, number: int) -> Iterator[Record]:
        """A task's rows, by the slices that they belong to: as rows, and as history of others."""
        if number < self.own_tasks:
            layout, group, offset = self.layout, groups_of(self.layout)[number], 0
        else:
            layout = self.history or self.layout
            group = layout.groups[number - self.own_tasks]
            offset = -layout.rows  # history comes before the partition's own rows
        for first, rows in read_parts(self.task, layout, group, self.engine.chunk_rows):
            positions = pa.array(np.arange(first, first + rows.num_rows))
            numbered = rows.append_column(ROW, positions)
            if number < self.own_tasks:
                yield from self._own(numbered, first)
            else:
                yield from self._of_history(numbered, first + offset)

    def _own(self, rows: pa.Table, first: int) -> Iterator[Record]:
        mine = self._slices_of(rows, first)
        yield from _by_slice("rows", rows, first, mine)
        if self.bounds and self.pipeline.lookback:
            yield from self._ahead(rows, first, mine + 1)

    def _of_history(self, rows: pa.Table, first: int) -> Iterator[Record]:
        if self.window is None:
            return
        times = _microseconds(rows, self.pipeline.event_time)
        inside = (times >= self.window[0]) & (times < self.window[1])
        rows = rows.filter(pa.array(inside))
        if self.engine.features_by:
            yield from _by_slice("history", rows, first, self._slices_of(rows, first))
        else:
            yield from self._ahead(rows, first, np.zeros(rows.num_rows, dtype=np.int64))

    def _ahead(self, rows: pa.Table, first: int, since: np.ndarray) -> Iterator[Record]:
        """The rows as history of the slices from ``since`` on that begin within the look-back."""
        lookback = int(pd.Timedelta(self.pipeline.lookback) / pd.Timedelta(microseconds=1))
        times = _microseconds(rows, self.pipeline.event_time)
        until = np.searchsorted(np.array(self.bounds, np.int64), times + lookback, side="right")
        for number in range(int(since.min(initial=0)), int(until.max(initial=-1)) + 1):
            here = np.flatnonzero((since <= number) & (number <= until))
            if len(here):
                yield Record("history", number, first, pack(rows.take(pa.array(here))))

    def _slices_of(self, rows: pa.Table, first: int) -> np.ndarray:
        if self.engine.features_by:
            columns = list(self.engine.features_by)
            texts = pa.table({name: rows.column(name).cast(pa.large_string()) for name in columns})
            hashes = key_hashes(to_pandas(texts, {}), columns)[:, 0].view(np.uint64)
            return (hashes % np.uint64(self.slices)).astype(np.int64)
        if self.pipeline.event_time is None:
            return np.full(rows.num_rows, first // self.engine.slice_rows)
        times = _microseconds(rows, self.pipeline.event_time)
        return np.searchsorted(np.array(self.bounds, np.int64), times, side="right")

    def made(self, number: int, pages: Iterator[Record]) -> Iterator[Record]:
        """The features of one slice, and what was found of them."""
        tables: dict[str, list[pa.Table]] = {"rows": [], "history": []}
        for page in pages:
            tables[page.kind].append(unpack(page.blob))
        if not tables["rows"]:
            return  # a slice of nothing but history
        own = pa.concat_tables(tables["rows"])
        past = pa.concat_tables(tables["history"] or [own.slice(0, 0)])
        positions = own.column(ROW).to_numpy()
        rows = to_pandas(own.drop_columns([ROW]), self.layout.dtypes)
        dtypes = self.history.dtypes if self.history else self.layout.dtypes
        history = to_pandas(past.drop_columns([ROW]), dtypes)
        made = self.pipeline.features(rows, history)
        self._require_same_rows(rows, made)
        self._require_contract(rows, history, made)
        try:
            report = check_rows(made, self.pipeline.feature_schema, part=True)
            bad, reasons = int((~report.accepted).sum()), reasons_of(report)
        except SchemaMismatch as mismatch:
            bad, reasons = len(made), [{"column": "", "rule": str(mismatch), "rows": len(made)}]
        table, found = with_rows(made, positions)
        facts = described(
            table,
            found,
            made=len(made),
            history=len(history),
            bad=bad,
            reasons=reasons,
            **self._point_in_time(rows, history, made, positions),
        )
        yield Record("facts", number, 0, facts)
        for key, columns in enumerate(unique_keys(made, self.pipeline.feature_schema)):
            yield Record("keys", number, key, hashed(key, made, columns, positions))
        blocks = positions // self.engine.slice_rows
        for block in np.unique(blocks) if len(blocks) else [0]:
            here = table.filter(pa.array(blocks == block))
            yield Record("made", int(block), number, pack(here))

    def _require_same_rows(self, rows: pd.DataFrame, made: pd.DataFrame) -> None:
        key = [column for column in self.pipeline.entity_key if column in made.columns]
        same = len(made) == len(rows) and bool(
            (made[key].to_numpy(object) == rows[key].to_numpy(object)).all()
        )
        if not same:
            raise ContractBroken(
                f"{self.pipeline.name}.features returned {len(made):,} rows for {len(rows):,}, or "
                "in another order. Return one row for each row, in the same order."
            )

    def _require_contract(
        self, rows: pd.DataFrame, history: pd.DataFrame, made: pd.DataFrame
    ) -> None:
        """Groups alone, or rows alone where nothing groups them, have to come out as among others.

        What is cut by time is what the point-in-time check recomputes.
        """
        by, name = list(self.engine.features_by), f"{self.pipeline.name}.features"
        if rows.empty or (self.pipeline.event_time is not None and not by):
            return
        if by:
            some = rows[by].drop_duplicates().iloc[:_GROUPS_TESTED]
            groups = [((rows[by] == one).all(axis=1), (history[by] == one).all(axis=1))
                      for _, one in some.iterrows()]  # fmt: skip
            whose = f"of rows of other {', '.join(by)}"
        else:
            one_in = -(-len(rows) // _GROUPS_TESTED)
            groups = [(pd.Series(rows.index == at, rows.index), pd.Series(False, history.index))
                      for at in range(0, len(rows), one_in)]  # fmt: skip
            whose = "of other rows, with neither event_time nor engine.features_by to say of which"
        columns = list(self.pipeline.feature_columns)
        for mine, before in groups:
            if not mine.any():
                continue  # a missing value equals nothing
            alone = self.pipeline.features(
                rows[mine].reset_index(drop=True), history[before].reset_index(drop=True)
            )
            found = differences(
                made[mine.to_numpy()][columns].reset_index(drop=True), alone[columns]
            )
            if len(found):
                leaky = ", ".join(sorted(set(found["column"])))
                raise ContractBroken(f"{name}: {leaky} depend on values {whose}")

    def _point_in_time(
        self, rows: pd.DataFrame, history: pd.DataFrame, made: pd.DataFrame, positions: np.ndarray
    ) -> dict[str, object]:
        chosen = np.flatnonzero(np.isin(positions, self.sampled))
        time = self.pipeline.event_time
        if time is None or not len(chosen):
            return {"recomputed": 0, "differ": 0, "leaky": []}
        again = recompute(
            self.pipeline.features,
            rows,
            history,
            chosen.tolist(),
            event_time=time,
            horizon=pd.Timedelta(self.pipeline.horizon),
            lookback=pd.Timedelta(self.pipeline.lookback),
            known_at=self.pipeline.known_at,
        )
        columns = list(self.pipeline.feature_columns)
        found = differences(made.iloc[chosen][columns], again[columns])
        return {
            "recomputed": len(chosen),
            "differ": int(found["row"].nunique()),
            "leaky": sorted(set(found["column"])),
        }

    def cut(self, bounds: tuple[int, ...], slices: int) -> FeaturesPart:
        return replace(self, bounds=bounds, slices=slices)


def in_order(block: int, pages: Iterator[Record]) -> Iterator[Record]:
    """The rows of one block of positions, in their order."""
    tables = [unpack(page.blob) for page in pages]
    rows = pa.concat_tables(tables, promote_options="permissive")
    yield Record("made", block, 0, pack(rows.take(pc.sort_indices(rows, [(ROW, "ascending")]))))


def _by_slice(kind: str, rows: pa.Table, first: int, slices: np.ndarray) -> Iterator[Record]:
    for number in np.unique(slices) if len(slices) else [0]:
        here = rows.take(pa.array(np.flatnonzero(slices == number)))
        yield Record(kind, int(number), first, pack(here))


def _microseconds(rows: pa.Table, column: str | None) -> np.ndarray:
    return np.asarray(rows.column(str(column)).cast(pa.timestamp("us")).cast(pa.int64()))
