"""A code location for drills on Dagster's storage: runs that write many events, and leave a trace.

Here: one partitioned asset, which notes each time that it is begun and ended in the file that
LEDGER names. Not here: what is done to the storage meanwhile.
"""

import os
import time
from pathlib import Path

import dagster as dg

PARTITIONS = tuple(f"p{number}" for number in range(6))
EVENTS, PAUSE_S = 30, 0.1


def _note(what: str) -> None:
    with Path(os.environ["LEDGER"]).open("a") as ledger:
        ledger.write(f"{what}\n")


@dg.asset(partitions_def=dg.StaticPartitionsDefinition(PARTITIONS))
def entry(context: dg.AssetExecutionContext) -> None:
    _note(f"begun {context.partition_key} {context.run.run_id}")
    for number in range(EVENTS):
        context.log.info(f"event {number}")
        time.sleep(PAUSE_S)
    _note(f"ended {context.partition_key} {context.run.run_id}")


defs = dg.Definitions(
    assets=[entry],
    jobs=[dg.define_asset_job("entries", selection=[entry])],
    executor=dg.in_process_executor,
)
