"""What a write puts into a partition: rows in memory, or rows that a job staged in a file.

Belongs here: both under the columns that a table has, with their digest. Does not belong here:
types (frames.py), files (files.py), the commit (commit.py), staging (staging.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa

from mlops_assets.resources.lake import scan
from mlops_assets.resources.lake.digest import content_digest, stream_digest
from mlops_assets.resources.lake.frames import Dtypes, fit
from mlops_assets.resources.lake.staged import Staged

if TYPE_CHECKING:
    from pyiceberg.io import FileIO
    from pyiceberg.schema import Schema


@dataclass(frozen=True)
class Fitted:
    """Rows in the column order and types of a table; ``parts`` reads them, anew at each call."""

    schema: pa.Schema
    rows: int
    digest: str
    parts: Callable[[], Iterable[pa.Table]]


class Content(Protocol):
    """What is written."""

    @property
    def dtypes(self) -> Dtypes:
        """As `frames.to_arrow` tells them."""

    def file(self, schema: Schema) -> str | None:
        """The file that already holds the rows under a table's ``schema``, if there is one."""

    def fitted(self, io: FileIO, known: pa.Schema) -> Fitted:
        """The rows under the columns ``known``."""


@dataclass(frozen=True)
class Rows:
    """Content in memory."""

    data: pa.Table
    dtypes: Dtypes

    def file(self, schema: Schema) -> None:
        return None

    def fitted(self, io: FileIO, known: pa.Schema) -> Fitted:
        rows = fit(self.data, known)
        return Fitted(rows.schema, rows.num_rows, content_digest(rows), lambda: [rows])


@dataclass(frozen=True)
class StagedRows:
    """Content in a file."""

    staged: Staged

    @property
    def dtypes(self) -> Dtypes:
        return self.staged.dtypes

    @property
    def iceberg_schema(self) -> Schema:
        from pyiceberg.schema import Schema

        return Schema.model_validate_json(self.staged.table_schema)

    @property
    def schema(self) -> pa.Schema:
        """The rows' columns in the lake's types."""
        columns = scan.arrow_schema(self.iceberg_schema.select(*self.staged.columns))
        return pa.schema([columns.field(name) for name in self.staged.columns])

    def file(self, schema: Schema) -> str | None:
        return self.staged.uri if schema.as_struct() == self.iceberg_schema.as_struct() else None

    def fitted(self, io: FileIO, known: pa.Schema) -> Fitted:
        """The rows under the columns ``known``; where another writer changed them since the rows
        were staged, they are read again."""

        def read(columns: Sequence[str]) -> Iterator[pa.Table]:
            for part in scan.read_file(io, self.iceberg_schema, self.staged.uri, columns):
                yield fit(part.select(columns), known)

        schema, rows = fit(self.schema.empty_table(), known).schema, self.staged.rows
        same = schema == self.schema
        digest = self.staged.digest if same else digest_of(schema, rows, read)
        return Fitted(schema, rows, digest, partial(read, self.staged.columns))


def digest_of(
    schema: pa.Schema, rows: int, read: Callable[[Sequence[str]], Iterable[pa.Table]]
) -> str:
    """`content_digest` of stored rows: ``read`` gives columns of them in parts, and is asked for
    one at a time, some times over."""

    def column(name: str) -> Iterator[pa.Array]:
        for part in read([name]):
            yield from part.column(name).iterchunks()

    return stream_digest(schema, rows, column)
