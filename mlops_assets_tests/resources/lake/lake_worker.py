"""What the writing processes of test_lake_faults.py do.

Each waits for ``go``, so that many start at the same moment, then writes to the lake.
"""

import os
import signal
from multiprocessing.synchronize import Event

import pandas as pd

from mlops_assets.resources.lake.core import Lake


def frame(writer: int, rows: int = 500) -> pd.DataFrame:
    """Rows that say who wrote them, so that a mix of two writers shows."""
    return pd.DataFrame({"writer": [writer] * rows, "n": range(rows)})


def once(go: Event, catalog: dict[str, str], table: str, partition: str, writer: int) -> None:
    go.wait()
    Lake.open(catalog).write(table, partition, frame(writer))


def own_column(go: Event, catalog: dict[str, str], table: str, partition: str, writer: int) -> None:
    go.wait()
    rows = frame(writer).assign(**{f"column_{writer}": 1.5})
    Lake.open(catalog).write(table, partition, rows)


def forever(go: Event, catalog: dict[str, str], table: str, partition: str, writer: int) -> None:
    go.wait()
    lake = Lake.open(catalog)
    while True:
        writer += 1
        lake.write(table, partition, frame(writer))


def stop_before_commit(
    go: Event, catalog: dict[str, str], table: str, partition: str, writer: int
) -> None:
    """Stop (as by SIGSTOP from outside) once, when all but the commit itself is done."""
    from pyiceberg.table import Transaction

    commit, stopped = Transaction.commit_transaction, list[bool]()

    def stopping(transaction: Transaction) -> object:
        if not stopped:
            stopped.append(True)
            os.kill(os.getpid(), signal.SIGSTOP)
        return commit(transaction)

    Transaction.commit_transaction = stopping  # type: ignore[method-assign, assignment]
    once(go, catalog, table, partition, writer)
