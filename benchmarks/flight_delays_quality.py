"""How good is the flight delay model, beside simple ones and beside what was measured before?

    python benchmarks/flight_delays_quality.py [--threads 2] [--eliminate | --all-candidates]

Trains on three months and tests on the next, April to December, and again on all months so far;
prior and logistic regression see the same features. Also times features() by month. The anchors
are the means of the same nine windows with another, larger set of features of these data.
An AUC above .80 two hours before departure means a leak, and ends the run with status 1, as does
one more than .01 below the anchor.

--all-candidates: of all candidates for features, not of those that were chosen. --eliminate: how
they are chosen. Round by round, candidates are shuffled in the held-out month of each of the nine
windows, as the station `audit` does, and those go that are worth the least beside the error of it.
"""

from __future__ import annotations

import argparse
import sys
import time
import zlib
from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd

from mlops_assets.assets.blocks import event_blocks
from mlops_assets.checks.rows import accepted_rows, check_rows
from mlops_assets.ml import baselines, metrics
from mlops_assets.ml.feature_benefit import benefits
from mlops_assets.ml.pooling import Estimate, pooled
from mlops_assets.pipelines.flight_delays import pipeline
from mlops_assets.pipelines.flight_delays.clean import clean
from mlops_assets.pipelines.flight_delays.features import LOOKBACK, candidates
from mlops_assets.pipelines.flight_delays.source import Flights

# The script's companion lies beside it, as in the job.
sys.path.insert(0, str(pipeline.training.script.parent))
from mlops_assets.pipelines.flight_delays import train as script

MEASURED = ("auc", "pr_auc", "log_loss", "brier", "ece")
ANCHORS = {
    "prior": (0.500, 0.247, 0.568, 0.189, 0.070),
    "linear": (0.754, 0.550, 0.468, 0.149, 0.041),
    "xgboost": (0.758, 0.557, 0.465, 0.149, 0.039),
}
ALLOWED = 0.01
LEAK = 0.80
# Slices and facets are looked at by them: they stay while the others are chosen.
KEPT = ("carrier", "origin")
SHUFFLED = 6_000
IDENTITY = ("flight_id", "scheduled_at", "late")

Answer = Callable[[pd.DataFrame], np.ndarray]
Model = Callable[[pd.DataFrame, pd.DataFrame], np.ndarray]


def months() -> list[pd.DataFrame]:
    """Candidates of each month that have a label, made as the stations make features."""
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
        made.append(candidates(rows, history))
        done = time.perf_counter()
        print(
            f"{partition} {len(rows):6,} {len(history):8,} {cleaned - began:8.2f}"
            f" {done - ready:11.2f} {(done - ready) / len(rows) * 1e6:9.1f}",
            flush=True,
        )
        past = rows
    return [month[month["late"].notna()].reset_index(drop=True) for month in made]


def fitted(train: pd.DataFrame, columns: list[str], threads: int) -> Answer:
    """The pipeline's own model of some columns: a function of rows that answers probabilities."""
    settings = {**pipeline.training.hyperparameters, "nthread": threads}
    rounds = int(settings.pop("num_boost_round"))
    encoding = script.Encoding.fit(train[columns])
    data = script.xgb.DMatrix(encoding.matrix(train), train["late"].to_numpy())
    model = script.xgb.train({**script.FIXED, **settings}, data, rounds)
    return lambda rows: model.inplace_predict(encoding.matrix(rows)).astype(float)


def models(columns: list[str], threads: int) -> dict[str, Model]:
    """Name to a function of training and test rows that answers probabilities."""

    def boosted(train: pd.DataFrame, test: pd.DataFrame) -> np.ndarray:
        return fitted(train, columns, threads)(test)

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


def worths(made: list[pd.DataFrame], columns: list[str], threads: int) -> dict[str, Estimate]:
    """What each column is worth in log-loss over the nine windows; prints how good they are."""
    found: dict[str, list[Estimate]] = {name: [] for name in columns}
    figures = []
    for at in range(3, 12):
        answer = fitted(pd.concat(made[at - 3 : at], ignore_index=True), columns, threads)
        figures.append(metrics.binary(made[at]["late"], answer(made[at])))
        places = np.linspace(0, len(made[at]) - 1, SHUFFLED).astype(int)
        rows = made[at].iloc[places].reset_index(drop=True)
        days = event_blocks(pipeline, rows)
        alone = {name: (name,) for name in columns}
        for each in benefits(answer, rows, rows["late"], "log_loss", alone, blocks=days):
            found[each.group].append(each.worth)
    mean = {name: float(np.mean([each[name] for each in figures])) for name in ("log_loss", "auc")}
    together = {name: pooled(estimates) for name, estimates in found.items()}
    helping = sum(worth.low > 0 for worth in together.values())
    print(
        f"\n{len(columns)} columns: log-loss {mean['log_loss']:.4f}, AUC {mean['auc']:.4f}; "
        f"{helping} of them help",
        flush=True,
    )
    return dict(sorted(together.items(), key=lambda item: _beside_its_error(item[1]), reverse=True))


def _beside_its_error(worth: Estimate) -> float:
    # A column that no tree asks is worth exactly nothing, without any error.
    return worth.value / worth.error if worth.error else 0.0


def eliminate(made: list[pd.DataFrame], threads: int) -> None:
    """Print which columns stay, round by round, until each of them helps."""
    columns = [name for name in made[0].columns if name not in IDENTITY]
    while True:
        found = worths(made, columns, threads)
        for name, worth in found.items():
            print(f"  {name:32}{worth.value:+.5f} [{worth.low:+.5f}, {worth.high:+.5f}]")
        useless = [name for name, worth in found.items() if worth.low <= 0 and name not in KEPT]
        if not useless:
            return
        # Those that stand in for each other are worth little each, until one of them is alone.
        gone = set(useless[-max(1, len(useless) // 2) :])
        columns = [name for name in columns if name not in gone]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--eliminate", action="store_true")
    parser.add_argument("--all-candidates", action="store_true")
    arguments = parser.parse_args()
    made = months()
    if arguments.eliminate:
        eliminate(made, arguments.threads)
        return 0
    chosen = [*pipeline.feature_columns]
    if arguments.all_candidates:
        chosen = [name for name in made[0].columns if name not in IDENTITY]
    contenders = models(chosen, arguments.threads)
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
