"""What a profile costs and how exact it is: speed, memory, precision and size, beside the floor.

Run: OMP_NUM_THREADS=1 python benchmarks/profiles.py [--rows 1000000] [--repeats 5]

CPU seconds (user + system, all threads), best of the repeats, in one process. The floor is NumPy
itself: `np.bincount` of bins that somebody already computed, and `np.histogram` of the same values,
which counts and does nothing else. Distances are compared with those of the values themselves.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy import stats

from mlops_assets.ml.profiles import distances
from mlops_assets.ml.profiles.codec import dumps, loads
from mlops_assets.ml.profiles.fitting import BINS
from mlops_assets.ml.profiles.profile import fit_grids, merge, profile


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def best(run: Callable[[], object], repeats: int) -> float:
    """CPU seconds of the best of the repeats."""
    took = []
    for _ in range(repeats):
        start = cpu_seconds()
        run()
        took.append(cpu_seconds() - start)
    return min(took)


def kinds(rows: int) -> dict[str, pd.Series]:
    """One column of each kind that costs something of its own; codes are of one length."""
    rng = np.random.default_rng(0)
    normal = rng.normal(size=rows)
    levels = np.array([f"level {n}" for n in range(105)], dtype=object)
    codes = np.array([f"level {n:03}" for n in range(105)], dtype=object)
    return {
        "normal, float64": pd.Series(normal),
        "normal, float32": pd.Series(normal.astype(np.float32)),
        "hours, int64": pd.Series(rng.integers(0, 24, rows)),
        "10 % missing": pd.Series(np.where(rng.random(rows) < 0.1, np.nan, normal)),
        "lognormal": pd.Series(rng.lognormal(size=rows)),
        "Cauchy": pd.Series(rng.standard_cauchy(rows)),
        "Int64, nullable": pd.Series(rng.integers(0, 24, rows), dtype="Int64"),
        "time": pd.Series(pd.Timestamp("2013-01-01", tz="UTC"))
        .repeat(rows)
        .reset_index(drop=True)
        .add(pd.to_timedelta(rng.integers(0, 31_536_000, rows), "s")),
        "105 codes, str": pd.Series(rng.choice(codes, rows), dtype="str"),
        "105 levels, str": pd.Series(rng.choice(levels, rows), dtype="str"),
        "105 levels, category": pd.Series(pd.Categorical(rng.choice(levels, rows))),
    }


def speed(rows: int, repeats: int) -> None:
    columns = kinds(rows)
    values = columns["normal, float64"].to_numpy()
    places = np.floor((values + 6) * (BINS / 12)).astype(np.int64).clip(0, BINS - 1)
    floor = best(lambda: np.bincount(places, minlength=BINS), repeats)
    histogram = best(lambda: np.histogram(values, BINS, (-6, 6)), repeats)
    print(f"\n{rows:,} rows               ns a value  M values/s  × np.histogram")
    for name, took in {"np.bincount alone": floor, "np.histogram": histogram}.items():
        line(name, took, rows, histogram)
    for name, series in columns.items():
        frame = pd.DataFrame({"x": series})
        grids = fit_grids(frame)
        line(name, best(lambda f=frame, g=grids: profile(f, g), repeats), rows, histogram)
    line("fitting a grid", best(lambda: fit_grids(pd.DataFrame({"x": values})), repeats), rows,
         histogram)  # fmt: skip


def line(name: str, took: float, rows: int, histogram: float) -> None:
    print(f"{name:24} {took / rows * 1e9:12.2f} {rows / took / 1e6:11.0f} {took / histogram:14.2f}")


def windows(repeats: int) -> None:
    """20 columns: two windows compared again, 90 partitions merged, what is stored."""
    rng = np.random.default_rng(1)
    frames = [
        pd.DataFrame({f"c{n}": rng.normal(part / 900, 1, 4000) for n in range(20)})
        for part in range(90)
    ]
    grids = fit_grids(frames[0])
    parts = [profile(frame, grids) for frame in frames]
    window, baseline = merge(parts[:30]), merge(parts[30:])
    stored = [dumps(part) for part in parts]

    def compare() -> None:
        for name in window.columns:
            a, b = window.numeric[name], baseline.numeric[name]
            distances.ks(a, b)
            distances.wasserstein(a, b)
            distances.psi(a, b)

    print(f"\n{'20 numeric columns':45} ms")
    for name, run in {
        "KS, Wasserstein and PSI of two windows": compare,
        "90 partitions merged": lambda: merge(parts),
        "a partition taken away": lambda: window - parts[0],
        "90 profiles read from their bytes": lambda: [loads(data) for data in stored],
    }.items():
        print(f"{name:40} {best(run, repeats) * 1e3:7.2f}")
    for rows in (28_000, 1_000_000):
        frame = pd.DataFrame({"x": rng.normal(size=rows)})
        size = 14 * len(dumps(profile(frame, fit_grids(frame))))
        print(f"14 columns of {rows:9,} rows are stored in {size / 1024:5.1f} KB")


def precision(rows: int) -> None:
    """The greatest error over shifts of 0 to 3, against the values themselves."""
    rng = np.random.default_rng(2)
    made: dict[str, Callable[[float], np.ndarray]] = {
        "normal": lambda s: rng.normal(s, 1, rows),
        "lognormal": lambda s: rng.lognormal(s, 1, rows),
        "Cauchy": lambda s: rng.standard_cauchy(rows) + s,
        "Pareto 1.5": lambda s: rng.pareto(1.5, rows) * (1 + s),
        "Poisson": lambda s: rng.poisson(3 + s, rows).astype(float),
        "tenths": lambda s: np.round(rng.normal(s, 1, rows), 1),
        "half zeros": lambda s: np.where(rng.random(rows) < 0.5, 0, rng.normal(s, 1, rows)),
    }
    print(f"\n{rows:,} rows, greatest error      KS   Wasserstein/σ      PSI")
    for name, draw in made.items():
        worst = np.zeros(3)
        for shift in (0.0, 0.1, 0.5, 3.0):
            b, a = draw(0.0), draw(shift)
            worst = np.maximum(worst, errors(a, b))
        print(f"{name:24} {worst[0]:12.1e} {worst[1]:15.1e} {worst[2]:12.1e}")


def errors(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    grids = fit_grids(pd.DataFrame({"x": b}))
    first, second = (profile(pd.DataFrame({"x": v}), grids).numeric["x"] for v in (a, b))
    far = distances.wasserstein(first, second) - stats.wasserstein_distance(a, b)
    return np.abs(
        [
            distances.ks(first, second) - stats.ks_2samp(a, b, method="asymp").statistic,
            far / b.std(),
            distances.psi(first, second) - exact_psi(a, b),
        ]
    )


def exact_psi(a: np.ndarray, b: np.ndarray) -> float:
    edges = np.unique(np.quantile(b, np.arange(1, 10) / 10, method="inverted_cdf"))
    p, q = (
        np.maximum(
            np.bincount(np.searchsorted(edges, side), minlength=len(edges) + 1) / len(side), 1e-3
        )
        for side in (a, b)
    )
    return float(((p - q) * np.log(p / q)).sum())


MEMORY = """
import resource, sys
import numpy as np, pandas as pd
from mlops_assets.ml.profiles.profile import fit_grids, profile
rng = np.random.default_rng(0)
words = pd.Series(["a", "b"] * 50_000, dtype="str")
warm = pd.DataFrame({"x": rng.normal(size=100_000), "s": words})
profile(warm, fit_grids(warm))
rows = int(sys.argv[1])
frame = pd.DataFrame({"x": rng.normal(size=rows), "i": rng.integers(0, 24, rows)}, copy=False)
frame["s"] = pd.Series(pd.array(["abc", "d"], dtype="str").take(rng.integers(0, 2, rows)))
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
def now():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 2**20
# The peak so far belongs to making the data: fill it up, to see what comes on top.
ballast = np.ones(max(int((peak() - now()) * 2**17), 1))
before = max(peak(), now())
profile(frame, fit_grids(frame))
print(round(peak() - before, 1))
"""


def memory(rows: int) -> None:
    """What building grids and profile adds to the process's peak, in a process of its own."""
    out = subprocess.run(
        [sys.executable, "-c", MEMORY, str(rows)], capture_output=True, text=True, check=True
    )
    print(f"\nextra peak at {rows:,} rows of 3 columns: {out.stdout.strip()} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--memory-rows", type=int, default=10_000_000)
    arguments = parser.parse_args()
    speed(arguments.rows, arguments.repeats)
    windows(arguments.repeats)
    precision(100_000)
    memory(arguments.memory_rows)


if __name__ == "__main__":
    main()
