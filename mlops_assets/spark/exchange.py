"""Spark as this project uses it: tasks that make records, records brought together in order.

Here: the few calls of Spark that `clean_job` and `features_job` are written with, all on
``mapInArrow``: pages of bytes in, pages of bytes out. Not here: what is in the bytes (`blobs`).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

COLUMNS = "kind string, major long, minor long, blob binary"
_ARROW = pa.schema(
    [("kind", pa.string()), ("major", pa.int64()), ("minor", pa.int64()), ("blob", pa.binary())]
)
KEYS = "key long, high long, low long, row long"
_KEYS_ARROW = pa.schema([(name, pa.int64()) for name in ("key", "high", "low", "row")])


class Record(NamedTuple):
    """A page of ``kind``; pages of one ``major`` are brought together in the order of ``minor``."""

    kind: str
    major: int
    minor: int
    blob: bytes


def run(spark: SparkSession, tasks: int, make: Callable[[int], Iterator[Record]]) -> DataFrame:
    """The records of the tasks 0 … tasks - 1, kept on disk: they are made once."""
    numbers = spark.range(0, tasks, 1, tasks)
    return kept(numbers.mapInArrow(lambda batches: _pages(_each(batches, make)), COLUMNS))


def kept(records: DataFrame) -> DataFrame:
    """The records, made once and kept on disk."""
    from pyspark import StorageLevel

    return records.persist(StorageLevel.DISK_ONLY)


def spread(records: DataFrame, make: Callable[[Record], Iterator[Record]]) -> DataFrame:
    """What is made of each record."""
    return records.mapInArrow(
        lambda batches: _pages(made for record in _records(batches) for made in make(record)),
        COLUMNS,
    )


def gather(
    records: DataFrame, parts: int, make: Callable[[int, Iterator[Record]], Iterator[Record]]
) -> DataFrame:
    """What is made of all records of one major, in the order of minor; ``parts`` majors at most."""
    by_major = records.repartition(parts, "major").sortWithinPartitions("major", "minor")
    return by_major.mapInArrow(
        lambda batches: _pages(
            made
            for major, group in itertools.groupby(_records(batches), key=lambda each: each.major)
            for made in make(major, group)
        ),
        COLUMNS,
    )


def whole(records: DataFrame, make: Callable[[Iterator[Record]], Iterator[Record]]) -> list[Record]:
    """What one task makes of all records, in the order of major and minor; small."""
    together = records.repartition(1).sortWithinPartitions("major", "minor")
    return collect(together.mapInArrow(lambda batches: _pages(make(_records(batches))), COLUMNS))


def keys(records: DataFrame) -> DataFrame:
    """The rows (key, high, low, row) of records whose pages are int64 columns of these names."""
    from mlops_assets.spark.blobs import unpack

    def rows(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for record in _records(batches):
            yield from unpack(record.blob).cast(_KEYS_ARROW).to_batches(max_chunksize=65_536)

    return records.mapInArrow(rows, KEYS)


def shared(keys_: DataFrame) -> DataFrame:
    """The rows of `keys` whose hashes more than one row has."""
    many = keys_.groupBy("key", "high", "low").count().where("count > 1").drop("count")
    return keys_.join(many, ["key", "high", "low"])


def only(records: DataFrame, kind: str) -> DataFrame:
    """The records of one kind."""
    return records.where(f"kind = '{kind}'")


def collect(records: DataFrame) -> list[Record]:
    """Records that are small."""
    return [Record(row.kind, row.major, row.minor, bytes(row.blob)) for row in records.collect()]


def _each(
    batches: Iterable[pa.RecordBatch], make: Callable[[int], Iterator[Record]]
) -> Iterator[Record]:
    for batch in batches:
        for number in batch.column(0).to_pylist():
            yield from make(number)


def _records(batches: Iterable[pa.RecordBatch]) -> Iterator[Record]:
    for batch in batches:
        columns = [batch.column(name) for name in Record._fields]
        for values in zip(*columns, strict=True):
            yield Record(*(value.as_py() for value in values))


def _pages(records: Iterable[Record]) -> Iterator[pa.RecordBatch]:
    for record in records:
        yield pa.RecordBatch.from_pylist([record._asdict()], schema=_ARROW)
