"""A process that writes to a lake, started, stopped and killed by test_lake_faults.py.

Run: python -m mlops_assets_tests.resources.lake.lake_worker CATALOG_JSON MODE TABLE PARTITION ID.
Prints "ready" and waits for a line on standard input, so that many start at once.
"""

import json
import os
import signal
import sys

import pandas as pd

from mlops_assets.resources.lake.core import Lake


def frame(writer: int, rows: int = 500) -> pd.DataFrame:
    """Rows that say who wrote them, so that a mix of two writers shows."""
    return pd.DataFrame({"writer": [writer] * rows, "n": range(rows)})


def main() -> None:
    catalog, mode, table, partition, writer = sys.argv[1:]
    number = int(writer)
    print("ready", flush=True)
    sys.stdin.readline()
    lake = Lake.open(json.loads(catalog))
    if mode == "once":
        lake.write(table, partition, frame(number))
    elif mode == "own_column":
        lake.write(table, partition, frame(number).assign(**{f"column_{number}": 1.5}))
    elif mode == "forever":
        while True:
            number += 1
            lake.write(table, partition, frame(number))
    elif mode == "stop_before_commit":
        from pyiceberg.table import Transaction

        commit = Transaction.commit_transaction

        def stopping(transaction: Transaction) -> object:
            if not stopped:
                stopped.append(True)
                print("stopping", flush=True)
                os.kill(os.getpid(), signal.SIGSTOP)
            return commit(transaction)

        stopped: list[bool] = []
        Transaction.commit_transaction = stopping  # type: ignore[method-assign, assignment]
        lake.write(table, partition, frame(number))
    print("done", flush=True)


if __name__ == "__main__":
    main()
