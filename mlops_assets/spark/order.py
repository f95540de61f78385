"""A partition's rows in the order that ``clean`` gives them, though it saw them chunk by chunk.

Here: cutting sorted chunks at the same values, and putting what is between two cuts in order. Not
here: Spark (`exchange`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlops_assets.engines import Spark
from mlops_assets.spark.blobs import pack, unpack
from mlops_assets.spark.exchange import Record


@dataclass(frozen=True)
class Order:
    """The order by ``columns``, cut at ``bounds`` of the first of them; missing values are last."""

    columns: tuple[str, ...]
    schema: bytes
    bounds: tuple[object, ...]

    @classmethod
    def of(cls, engine: Spark, schema: pa.Schema, samples: Sequence[Record], rows: int) -> Order:
        """Cut so that some ``slice_rows`` rows come to lie between two cuts, by samples of the
        first column from every chunk."""
        kind = schema.field(engine.order_by[0]).type
        values = np.sort(
            np.concatenate([_values(unpack(page.blob).column(0), kind)[0] for page in samples])
        )
        cuts = min(-(-rows // engine.slice_rows) - 1, len(values))
        places = [len(values) * (n + 1) // (cuts + 1) for n in range(max(cuts, 0))]
        bounds = sorted({values[place] for place in places})
        return cls(engine.order_by, schema.serialize().to_pybytes(), tuple(bounds))

    def split(self, page: Record) -> Iterator[Record]:
        """The page's rows, by where they belong."""
        rows = unpack(page.blob)
        schema = pa.ipc.read_schema(pa.py_buffer(self.schema))
        kind = schema.field(self.columns[0]).type
        values, missing = _values(rows.column(self.columns[0]), kind)
        place = np.full(rows.num_rows, len(self.bounds))
        if self.bounds:
            bounds = np.array(self.bounds, dtype=values.dtype)
            place[~missing] = np.searchsorted(bounds, values, side="right")
        for number in np.unique(place) if len(place) else [0]:
            here = rows.take(pa.array(np.flatnonzero(place == number)))
            yield Record("clean", int(number), page.major, pack(here))

    def sort(self, place: int, pages: Iterator[Record]) -> Iterator[Record]:
        """The rows of one place, in order; those that are equal as the chunks had them."""
        tables = [unpack(page.blob) for page in pages]
        rows = pa.concat_tables(tables, promote_options="permissive")
        order = pc.sort_indices(
            rows, sort_keys=[(name, "ascending") for name in self.columns], null_placement="at_end"
        )
        yield Record("clean", place, 0, pack(rows.take(order)))


def _values(column: pa.ChunkedArray, kind: pa.DataType) -> tuple[np.ndarray, np.ndarray]:
    """(values that are there, which are missing)"""
    cast = column.cast(kind)
    missing = np.asarray(pc.is_null(cast, nan_is_null=True))
    return cast.filter(pa.array(~missing)).to_numpy(), missing
