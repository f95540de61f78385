"""Visits with features that are wide: what a partition of them takes is more than its rows do.

``wide_visits.py CATALOG MIB``: the features of a day at once, as the pandas path makes them, in a
process that may have so much memory; says "out of memory", or how many rows it made.
"""

import datetime as dt
import json
import os
import resource
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pandera.pandas as pa

from mlops_assets.pipeline import EMRServerless, Spark
from mlops_assets.resources.lake.resource import open_lake
from mlops_assets_tests.spark import visits_on_spark as visits

DAY = visits.DAYS[1]
ROWS = 600_000
_WIDTH = 60
_HOUR = pd.Timedelta(hours=1)


class WideFeatures(pa.DataFrameModel):
    visit: int
    came_at: pd.DatetimeTZDtype = pa.Field(dtype_kwargs={"unit": "us", "tz": "UTC"})
    before: int = pa.Field(ge=0)
    big: float = pa.Field(isin=[0, 1], nullable=True)


def features(df: pd.DataFrame, history: pd.DataFrame) -> pd.DataFrame:
    """How many came in the hour before, and what was spent, to many powers.

    Where SPARK_TEST_CAP is set, a process that may have all memory is refused.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if "SPARK_TEST_CAP" in os.environ and limit == resource.RLIM_INFINITY:
        raise AssertionError("Spark's worker was to be capped, and is not")
    times = pd.concat([history["came_at"], df["came_at"]]).sort_values(ignore_index=True)
    first = times.searchsorted(df["came_at"] - _HOUR, side="left")
    last = times.searchsorted(df["came_at"], side="left")
    spent = df["spent"].to_numpy(np.float64)
    powers = {f"spent_{n}": spent ** (n / 10) for n in range(_WIDTH)}
    made = df[["visit", "came_at", "big"]].assign(before=last - first)
    return made.assign(**powers)


pipeline = replace(
    visits.pipeline,
    source=visits.MadeVisits(rows=ROWS),
    features=features,
    feature_schema=WideFeatures,
    lookback=dt.timedelta(hours=1),
    engine=Spark(
        chunk_rows=20_000,
        slice_rows=20_000,
        runs_on=EMRServerless(executors=1, cores=1, memory_gb=4),
    ),
)


def at_once(catalog: dict[str, str]) -> str:
    lake = open_lake(catalog)
    rows = lake.read("visits.clean", [DAY])
    made = pipeline.features(rows, rows.iloc[:0])
    return str(lake.write("visits.features", DAY, made).rows)


def main(catalog: str, mib: str) -> None:
    limit = int(mib) * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    try:
        made = at_once(json.loads(catalog))
    except (MemoryError, OSError):  # pyarrow's is both
        made = "out of memory"
    sys.stdout.write(made + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
