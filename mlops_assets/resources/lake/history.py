"""What was committed to a table, when and by which run.

Belongs here: reading a table's snapshots as a history. Does not belong here: the rows of one
(core.py), who reads it and why (reading.py).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyiceberg.table import Table

RUN = "dagster.run_id"


@dataclass(frozen=True)
class Version:
    """One commit: the partition that it wrote, how many rows, and the Dagster run, if known."""

    snapshot_id: int
    committed_at: dt.datetime
    partition: str
    rows: int
    run_id: str | None


def history(table: Table) -> list[Version]:
    """The table's commits, oldest first; those that were expired are not among them."""
    # Not above: the code location loads this module, and pyiceberg takes half a second.
    from mlops_assets.resources.lake.commit import PARTITION

    found = []
    ordered = sorted(table.metadata.snapshots, key=lambda snapshot: snapshot.sequence_number or 0)
    for snapshot in ordered:
        noted = snapshot.summary.additional_properties if snapshot.summary else {}
        found.append(
            Version(
                snapshot_id=snapshot.snapshot_id,
                committed_at=dt.datetime.fromtimestamp(snapshot.timestamp_ms / 1000, dt.UTC),
                partition=noted.get(PARTITION, ""),
                rows=int(noted.get("added-records", 0)),
                run_id=noted.get(RUN),
            )
        )
    return found
