"""What the lake refuses, and how it says so.

Belongs here: the lake's exceptions. Does not belong here: conflicts between writers (they are
retried, core.py) and the failures of storage and catalog, which keep their own types.
"""

from __future__ import annotations

from collections.abc import Sequence


class LakeError(Exception):
    """A table, partition or frame that the lake cannot serve; the message names the remedy."""


class TableNotFound(LakeError):
    """No such table, or one to which nothing was written yet."""

    def __init__(self, table: str, existing: Sequence[str]) -> None:
        super().__init__(f"table {table} is not in the lake; there is: {_some(existing)}")


class PartitionNotFound(LakeError):
    """The table, at that snapshot, holds no version (not even an empty one) of a partition."""

    def __init__(self, table: str, missing: Sequence[str], existing: Sequence[str]) -> None:
        super().__init__(
            f"table {table} holds no partition {_some(missing)}; there is: {_some(existing)}"
        )


class SnapshotNotFound(LakeError):
    """The table has no such snapshot, or it was expired."""

    def __init__(self, table: str, snapshot_id: int) -> None:
        super().__init__(f"table {table} has no snapshot {snapshot_id} (never had, or expired)")


def _some(names: Sequence[str], limit: int = 12) -> str:
    shown = ", ".join(sorted(names)[:limit])
    return (shown + f", … ({len(names)} in all)" if len(names) > limit else shown) or "nothing"
