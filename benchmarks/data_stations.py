"""What a row costs on its way through the data stations, step by step, in CPU time of one thread.

    OMP_NUM_THREADS=1 PYTHONPATH=. .venv/bin/python benchmarks/data_stations.py

A month of flights: read, judge, clean, features; then written part by part as a Spark job's last
task does, and packed as the pages between its tasks are. Judge by the ratios: machines differ.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from mlops_assets.checks.rows import accepted_rows, check_rows
from mlops_assets.checks.rows_parse import from_text
from mlops_assets.pipelines.flight_delays import pipeline
from mlops_assets.resources.lake.core import Lake
from mlops_assets.resources.lake.frames import to_arrow
from mlops_assets.spark.blobs import key_hashes, pack, unpack


def timed(what: str, rows: int, work: Callable[[], Any]) -> Any:
    began = time.process_time()
    made = work()
    print(f"{what:<40}{(time.process_time() - began) / rows * 1e6:8.2f} µs a row")
    return made


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def judged(raw: pd.DataFrame) -> pd.DataFrame:
    read = from_text(raw, pipeline.raw_schema.to_schema())
    return accepted_rows(read, check_rows(read, pipeline.raw_schema), pipeline.raw_schema)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--partition", default="2013-01-01")
    parser.add_argument("--times", type=int, default=20, help="how often the month is written")
    options = parser.parse_args()
    raw = pipeline.source.read(options.partition)
    rows = len(raw)
    print(f"{rows:,} rows of {to_arrow(raw)[0].nbytes / rows:.0f} bytes")
    accepted = timed("parsed and judged", rows, lambda: judged(raw))
    clean = timed("clean", rows, lambda: pipeline.clean(accepted))
    timed("features", rows, lambda: pipeline.features(clean, clean.iloc[:0]))
    table, dtypes = to_arrow(clean)
    many = rows * options.times
    with tempfile.TemporaryDirectory() as folder:
        uri = f"sqlite:///{folder}/catalog.db"
        warehouse = Path(folder).as_uri()
        lake = Lake.open({"type": "sql", "uri": uri, "warehouse": warehouse})
        before = peak_mib()
        parts = (table for _ in range(options.times))
        staged = timed(
            "written, with digest",
            many,
            lambda: lake.stage("flights.clean", "p", table.schema, parts, dtypes),
        )
        print(f"{'  more memory at the peak':<40}{peak_mib() - before:8.0f} MiB for {many:,} rows")
        lake.commit("flights.clean", staged)
        layout = lake.layout("flights.clean", ["p"])
        timed(
            "read",
            many,
            lambda: [list(lake.read_group(layout, group)) for group in layout.groups],
        )
    page = timed("packed", rows, lambda: pack(table))
    timed("unpacked", rows, lambda: unpack(page))
    print(f"{'  a page':<40}{len(page) / rows:8.0f} bytes a row")
    timed("a key hashed", rows, lambda: key_hashes(clean, list(pipeline.entity_key)))


if __name__ == "__main__":
    main()
