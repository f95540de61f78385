"""Rows that wait in a file for their commit: a record that travels from job to run as JSON.

Belongs here: the fields and nothing else, for the code location loads them. Does not belong here:
writing such a file (staging.py), its rows (content.py).
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Staged(BaseModel):
    """Rows of a partition in a file that no snapshot refers to yet.

    ``uri``: the file, below its table; ``columns``: of these, in this order, under the table's
    Iceberg schema ``table_schema`` (JSON) as the writer expected it; ``digest``: of the content, by
    `digest.content_digest`; ``bytes``: of the file; ``dtypes``: as `frames.to_arrow` tells them;
    ``shown``: {column: pandas dtype} of all columns.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    partition: str
    uri: str
    rows: int
    bytes: int
    digest: str
    columns: tuple[str, ...]
    table_schema: str
    dtypes: dict[str, str]
    shown: dict[str, str]
