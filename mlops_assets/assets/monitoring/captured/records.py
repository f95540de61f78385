"""What comparing captured features with stored ones found.

Here: the fields and nothing else. How records are stored is `resources.records`.
"""

from pydantic import Field

from mlops_assets.assets.monitoring.records import Record, Status


class SkewRecord(Record):
    """Captured feature rows against the same rows recomputed offline, value by value.

    ``inputs``: {table: the snapshot that last wrote what was read of it}.
    """

    partition: str
    captured: int
    offline: int
    compared: int
    different_rows: int
    columns: dict[str, int]
    status: Status
    words: str
    inputs: dict[str, int | None] = Field(default_factory=dict)
