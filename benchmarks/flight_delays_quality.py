"""How good is the flight delay model, beside simple ones and beside what was measured before?

    python benchmarks/flight_delays_quality.py [--threads 2]

Trains on three months and tests on the next, April to December, and again on all months so far;
prior and logistic regression see the same features. Also times features() by month. The anchors
are the means of the same nine windows with another, larger set of features of these data.
An AUC above .80 two hours before departure means a leak, and ends the run with status 1, as does
one more than .01 below the anchor.
"""

from __future__ import annotations

import argparse
import sys
import time
import zlib
from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd

from mlops_assets.checks.rows import accepted_rows, check_rows
from mlops_assets.ml import baselines, metrics
from mlops_assets.pipelines.flight_delays import pipeline
from mlops_assets.pipelines.flight_delays import train as script
from mlops_assets.pipelines.flight_delays.clean import clean
from mlops_assets.pipelines.flight_delays.features import LOOKBACK, features
from mlops_assets.pipelines.flight_delays.source import Flights

MEASURED = ("auc", "pr_auc", "log_loss", "brier", "ece")
ANCHORS = {
    "prior": (0.500, 0.247, 0.568, 0.189, 0.070),
    "linear": (0.754, 0.550, 0.468, 0.149, 0.041),
    "xgboost": (0.758, 0.557, 0.465, 0.149, 0.039),
}
ALLOWED = 0.01
LEAK = 0.80

Model = Callable[[pd.DataFrame, pd.DataFrame], np.ndarray]


def months() -> list[pd.DataFrame]:
    """Features of each month that have a label, made as the stations make them."""
    source, past, made = Flights(), None, []
    print("month        rows  history  clean s  features s  µs a row")
    for partition in source.partitions():
        raw = source.read(partition)
        good = accepted_rows(raw, check_rows(raw, pipeline.raw_schema), pipeline.raw_schema)
        began = time.perf_counter()
        rows = clean(good)
        cleaned = time.perf_counter()
        start = pd.Timestamp(partition, tz="America/New_York") - LOOKBACK
        history = rows.iloc[:0] if past is None else past[past["scheduled_at"] >= start]
        ready = time.perf_counter()
        made.append(features(rows, history))
        done = time.perf_counter()
        print(
            f"{partition} {len(rows):6,} {len(history):8,} {cleaned - began:8.2f}"
            f" {done - ready:11.2f} {(done - ready) / len(rows) * 1e6:9.1f}",
            flush=True,
        )
        past = rows
    return [month[month["late"].notna()].reset_index(drop=True) for month in made]


def models(threads: int) -> dict[str, Model]:
    """Name to a function of training and test rows that answers probabilities."""
    columns = list(pipeline.feature_columns)

    def boosted(train: pd.DataFrame, test: pd.DataFrame) -> np.ndarray:
        settings = {**pipeline.training.hyperparameters, "nthread": threads}
        rounds = int(settings.pop("num_boost_round"))
        encoding = script.Encoding.fit(train[columns])
        data = script.xgb.DMatrix(encoding.matrix(train), train["late"].to_numpy())
        model = script.xgb.train({**script.FIXED, **settings}, data, rounds)
        return model.predict(script.xgb.DMatrix(encoding.matrix(test))).astype(float)

    def simple(name: str) -> Model:
        return lambda train, test: baselines.fit_predict(
            name, train[columns], train["late"], test[columns], "binary"
        )

    return {"prior": simple("prior"), "linear": simple("linear"), "xgboost": boosted}


def measure(model: Model, train: pd.DataFrame, test: pd.DataFrame) -> dict[str, float]:
    """The metrics of one window, and its seconds."""
    began = time.perf_counter()
    answers = model(train, test)
    seconds = time.perf_counter() - began
    # Equal checksums on two machines: the figures are of the same answers.
    checksum = zlib.crc32(np.round(answers, 4).tobytes())
    return {**metrics.binary(test["late"], answers), "seconds": seconds, "checksum": checksum}


def shown(name: str, values: Iterable[float]) -> str:
    """One line of a table."""
    return f"{name:24}" + "".join(f"{value:10.4f}" for value in values)


def windows(made: list[pd.DataFrame], models: dict[str, Model], expanding: bool) -> float:
    """Print each model's mean over the nine windows beside its anchor; XGBoost's mean AUC."""
    print(f"\n{'expanding' if expanding else 'three months, sliding'}: nine windows, means")
    print(f"{'':24}" + "".join(f"{name:>10}" for name in MEASURED) + "   AUC by month")
    mean = {}
    for name, model in models.items():
        found = []
        for at in range(3, 12):
            first = 0 if expanding else at - 3
            train = pd.concat(made[first:at], ignore_index=True)
            found.append(measure(model, train, made[at]))
        mean[name] = [float(np.mean([one[metric] for one in found])) for metric in MEASURED]
        by_month = " ".join(f"{one['auc']:.3f}" for one in found)
        seconds = sum(one["seconds"] for one in found)
        print(shown(name, mean[name]), f"  {by_month}  ({seconds:.0f} s)", flush=True)
        if not expanding:
            print(shown("  anchor", ANCHORS[name]))
    return mean["xgboost"][0]


def single(made: list[pd.DataFrame], models: dict[str, Model]) -> None:
    """Two windows that a demonstration shows: January to March for April, and April alone."""
    april = made[3].sort_values("scheduled_at", kind="stable")
    cut = int(len(april) * 0.75)
    pairs = {
        "January–March → April": (pd.concat(made[:3], ignore_index=True), made[3]),
        "April: first 75 % → rest": (april.iloc[:cut], april.iloc[cut:]),
    }
    for title, (train, test) in pairs.items():
        print(f"\n{title}: {len(train):,} and {len(test):,} rows")
        for name, model in models.items():
            found = measure(model, train.reset_index(drop=True), test.reset_index(drop=True))
            values = [found[metric] for metric in MEASURED]
            print(shown(name, values), f"  checksum {int(found['checksum']):08x}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    made = months()
    contenders = models(arguments.threads)
    single(made, contenders)
    sliding = windows(made, contenders, expanding=False)
    expanding = windows(made, contenders, expanding=True)
    if max(sliding, expanding) > LEAK:
        print(f"\nAUC above {LEAK}: two hours before departure that is a leak")
        return 1
    least = ANCHORS["xgboost"][0] - ALLOWED
    print(f"\nXGBoost, sliding: mean AUC {sliding:.4f}, at least {least:.3f} is due")
    return int(sliding < least)


if __name__ == "__main__":
    sys.exit(main())
