"""What a write puts into a partition: rows in memory, or rows that a job staged in a file.

Belongs here: both under the columns that a table has, with their digest. Does not belong here:
types (frames.py), files (files.py), the commit (commit.py), staging (staging.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from mlops_assets.resources.lake.digest import content_digest
from mlops_assets.resources.lake.frames import Dtypes, fit

if TYPE_CHECKING:
    from pyiceberg.table import Table


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

    @property
    def staged(self) -> Staged | None:
        """The file that already holds the rows, if there is one."""

    def fitted(self, handle: Table, known: pa.Schema) -> Fitted:
        """The rows under the columns ``known``."""


@dataclass(frozen=True)
class Rows:
    """Content in memory."""

    data: pa.Table
    dtypes: Dtypes
    staged: None = None

    def fitted(self, handle: Table, known: pa.Schema) -> Fitted:
        rows = fit(self.data, known)
        return Fitted(rows.schema, rows.num_rows, content_digest(rows), lambda: [rows])


class Staged(BaseModel):
    """Rows of a partition in a file that no snapshot refers to yet.

    ``uri``: the file, below its table; ``columns``: of these, in this order, under the table's
    Iceberg schema ``table_schema`` (JSON) as the writer expected it; ``digest``: of the content, by
    `digest.content_digest`; ``bytes``: of the file.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    partition: str
    uri: str
    rows: int
    bytes: int
    digest: str
    columns: tuple[str, ...]
    table_schema: str
    dtypes: Dtypes
