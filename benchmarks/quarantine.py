"""What quarantine costs: `check_rows` beside the same mask by hand and pandera's lazy validation.

Run: python benchmarks/quarantine.py [--rows 1000000] [--bad 0.002] [--repeats 5] [--pandera]

CPU seconds (user + system, all threads) of the best of the repeats. The schema has 15 columns:
five whole numbers (one of them a unique key), five floats (two nullable), three texts, a
timestamp and a boolean, with 24 rules. The mask by hand is what a careful person would write for
this one schema in NumPy and Arrow; it answers true or false a row, no reasons. All three must
reject the same rows.
"""

from __future__ import annotations

import argparse
import resource
from collections.abc import Callable

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.errors import SchemaErrors

from mlops_assets.checks.rows import check_rows, quarantine

CARRIERS = ["9E", "AA", "AS", "B6", "DL", "EV", "F9", "FL", "HA", "MQ", "OO", "UA", "US", "VX"]


class Flights(pa.DataFrameModel):
    key: int = pa.Field(ge=0, unique=True)
    month: int = pa.Field(ge=1, le=12)
    day: int = pa.Field(ge=1, le=31)
    scheduled: int = pa.Field(in_range={"min_value": 0, "max_value": 2400})
    distance: int = pa.Field(gt=0, lt=6000)
    departure_delay: float = pa.Field(nullable=True, ge=-200, le=3000)
    arrival_delay: float = pa.Field(nullable=True, ge=-300, le=3000)
    temperature: float = pa.Field(ge=-60, le=60)
    humidity: float = pa.Field(in_range={"min_value": 0, "max_value": 100})
    pressure: float = pa.Field(gt=800, lt=1100)
    carrier: str = pa.Field(isin=CARRIERS)
    tail: str = pa.Field(nullable=True, str_length={"min_value": 3, "max_value": 6})
    origin: str = pa.Field(isin=["EWR", "JFK", "LGA"])
    time: pd.Timestamp = pa.Field(ge=pd.Timestamp("2013-01-01"), lt=pd.Timestamp("2014-01-01"))
    cancelled: bool

    class Config:
        strict = True


def make(rows: int, bad: float, seed: int = 0) -> pd.DataFrame:
    """A frame of Flights in which about `bad` of the values of some columns break a rule."""
    rng = np.random.default_rng(seed)

    def spoil(values: np.ndarray, value: object) -> np.ndarray:
        values[rng.random(rows) < bad] = value
        return values

    tails = np.array([f"N{n:05d}" for n in range(4000)], dtype=object)
    return pd.DataFrame(
        {
            "key": np.where(rng.random(rows) < bad, 7, np.arange(rows)),
            "month": spoil(rng.integers(1, 13, rows), 13),
            "day": rng.integers(1, 32, rows),
            "scheduled": rng.integers(0, 2401, rows),
            "distance": spoil(rng.integers(80, 5000, rows), 0),
            "departure_delay": spoil(rng.normal(10, 40, rows).clip(-100, 1500), np.nan),
            "arrival_delay": spoil(rng.normal(5, 45, rows).clip(-100, 1500), np.inf),
            "temperature": spoil(rng.normal(15, 8, rows).clip(-50, 50), 999.0),
            "humidity": rng.uniform(10, 100, rows),
            "pressure": spoil(rng.normal(1013, 8, rows).clip(900, 1090), np.nan),
            "carrier": pd.Series(spoil(rng.choice(CARRIERS, rows).astype(object), "??"), dtype=str),
            "tail": pd.Series(spoil(rng.choice(tails, rows), None), dtype=str),
            "origin": pd.Series(rng.choice(["EWR", "JFK", "LGA"], rows), dtype=str),
            "time": pd.Timestamp("2013-01-01") + pd.to_timedelta(rng.integers(0, 8759, rows), "h"),
            "cancelled": rng.random(rows) < 0.02,
        }
    )


def by_hand(frame: pd.DataFrame) -> np.ndarray:
    """The mask that one would write for this schema: no reasons, no reuse."""
    f = {name: frame[name].to_numpy() for name in frame.columns[:10]}
    ok = f["key"] >= 0
    ok &= (f["month"] >= 1) & (f["month"] <= 12)
    ok &= (f["day"] >= 1) & (f["day"] <= 31)
    ok &= (f["scheduled"] >= 0) & (f["scheduled"] <= 2400)
    ok &= (f["distance"] > 0) & (f["distance"] < 6000)
    for name, low, high in (("departure_delay", -200, 3000), ("arrival_delay", -300, 3000)):
        ok &= np.isnan(f[name]) | ((f[name] >= low) & (f[name] <= high))
    ok &= (f["temperature"] >= -60) & (f["temperature"] <= 60)
    ok &= (f["humidity"] >= 0) & (f["humidity"] <= 100)
    ok &= (f["pressure"] > 800) & (f["pressure"] < 1100)
    ok &= frame["carrier"].isin(CARRIERS).to_numpy()
    length = frame["tail"].str.len()
    ok &= (frame["tail"].isna() | ((length >= 3) & (length <= 6))).to_numpy()
    ok &= frame["origin"].isin(["EWR", "JFK", "LGA"]).to_numpy()
    time = frame["time"]
    ok &= ((time >= pd.Timestamp("2013-01-01")) & (time < pd.Timestamp("2014-01-01"))).to_numpy()
    # The rows' other columns differ by construction, so every row of a shared key goes.
    good = frame["key"][ok]
    ok[np.flatnonzero(ok)[good.duplicated(keep=False).to_numpy()]] = False
    return ok


def by_pandera(frame: pd.DataFrame) -> set[int]:
    try:
        Flights.validate(frame, lazy=True)
    except SchemaErrors as errors:
        return set(errors.failure_cases["index"].dropna().astype(int))
    return set()


def cpu_seconds(work: Callable[[], object], repeats: int) -> float:
    spent = []
    for _ in range(repeats):
        before = resource.getrusage(resource.RUSAGE_SELF)
        work()
        after = resource.getrusage(resource.RUSAGE_SELF)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(spent)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--bad", type=float, default=0.002)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--pandera", action="store_true", help="also time pandera's lazy validate")
    args = parser.parse_args()
    frame = make(args.rows, args.bad)
    report = check_rows(frame, Flights)
    same = np.array_equal(report.accepted, by_hand(frame))
    hand = cpu_seconds(lambda: by_hand(frame), args.repeats)
    ours = cpu_seconds(lambda: check_rows(frame, Flights), args.repeats)
    kept = cpu_seconds(lambda: quarantine(frame, report), args.repeats)
    print(f"{args.rows:,} rows x {frame.shape[1]} columns, {int((~report.accepted).sum()):,} bad")
    print(f"mask by hand      {hand:7.3f} s CPU")
    print(f"check_rows        {ours:7.3f} s CPU   {ours / hand:.2f} x the mask; same rows: {same}")
    print(f"quarantine        {kept:7.3f} s CPU   (only bad rows are written)")
    if args.pandera:
        theirs = cpu_seconds(lambda: by_pandera(frame), 1)
        print(f"pandera, lazy     {theirs:7.3f} s CPU   {theirs / hand:.2f} x the mask")


if __name__ == "__main__":
    main()
