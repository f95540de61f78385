"""Metrics with 95 % confidence intervals, over all rows and by slice: how sure a figure is.

Belongs here: the bootstrap and its bounds on time. Does not belong here: the metrics (`weighted`),
what a figure means (`verdict`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from mlops_assets.ml import weighted
from mlops_assets.ml.blocks import LEAST_BLOCKS, block_numbers, widened
from mlops_assets.ml.metrics import (
    by_slice,
    checked_binary,
    checked_multiclass,
    checked_regression,
)
from mlops_assets.ml.weighted import Metric

Kind = Literal["binary", "regression", "multiclass"]

SAMPLE = 50_000
"""Rows that a bootstrap draws at most: beyond, the interval is that of a sample, made narrower."""
REPEATS = 200
# A resample of rows is worse calibrated than they are, so percentiles lie too high.
_BIASED = frozenset({"ece"})
_CHECKED = {
    "binary": checked_binary,
    "regression": checked_regression,
    "multiclass": checked_multiclass,
}


@dataclass(frozen=True)
class Measured:
    """A figure with its confidence interval, ``low <= value <= high``."""

    value: float
    low: float
    high: float


def metrics_of(kind: Kind, threshold: float = 0.5) -> dict[str, Metric]:
    """The metrics that a served model is watched by.

    Probabilities have two more than `weighted` lists: ``error_rate`` (share of answers on the wrong
    side of ``threshold``, or whose most probable class is not the row's) and ``calibration_gap``
    (mean predicted minus observed share; of several classes, of the most probable one).
    """
    if kind == "regression":
        return dict(weighted.REGRESSION)
    if kind == "multiclass":

        def missed(y: np.ndarray, p: np.ndarray) -> weighted.Weighted:
            return weighted.base_rate(1 - weighted.top_class(y, p)[0], p)

        def gap(y: np.ndarray, p: np.ndarray) -> weighted.Weighted:
            return weighted.bias(*weighted.top_class(y, p))

        return {**weighted.MULTICLASS, "error_rate": missed, "calibration_gap": gap}

    def error_rate(y: np.ndarray, p: np.ndarray) -> weighted.Weighted:
        return weighted.base_rate(((p >= threshold) != (y == 1)).astype(float), p)

    return {**weighted.BINARY, "error_rate": error_rate, "calibration_gap": weighted.bias}


def measure(
    y: ArrayLike,
    p: ArrayLike,
    metrics: Mapping[str, Metric],
    *,
    kind: Kind,
    blocks: ArrayLike | None = None,
    repeats: int = REPEATS,
    confidence: float = 0.95,
    seed: int = 0,
) -> dict[str, Measured]:
    """Every metric with its bootstrap interval; metrics that the rows leave undefined are left out.

    y, p: as `ml.metrics.binary`, `regression` and `multiclass` take them. Rows are drawn with
    replacement, the same rows for all metrics; percentile interval, the basic one for ECE (Efron
    and Tibshirani, "An Introduction to the Bootstrap", 1993, chapters 13 and 14). With more than
    `SAMPLE` rows the figure is of all, the interval of a sample of m rows made narrower by
    sqrt(m/n) (Bickel, Götze and van Zwet, "Resampling fewer than n observations", 1997).
    Deterministic in `seed`.

    `blocks`: (n,) of what each row belongs to, such as its day: rows that share a storm are not
    independent. Then blocks are drawn with all their rows, which takes nothing for granted of how
    rows within one hang together (Davison and Hinkley, "Bootstrap Methods and their Application",
    1997, section 3.8). Blocks are few: the interval is made wider by what a percentile interval of
    g draws lacks, t(g-1)/z * sqrt(g/(g-1)) (Hesterberg, "What Teachers Should Know about the
    Bootstrap", The American Statistician 2015, section 5.2), and a sample of rows makes nothing
    narrower, for more rows of a day make it no other day.

    Either way it tells how sure the figure is for this partition, not how much partitions differ
    (`band` does).

    Raises ValueError for inputs that the metrics refuse, and for fewer than two blocks.

    >>> y, p = [0, 1] * 200, [0.2, 0.6] * 200
    >>> found = measure(y, p, metrics_of("binary"), kind="binary")
    >>> found["accuracy"], found["calibration_gap"].low <= -0.1 <= found["calibration_gap"].high
    (Measured(value=1.0, low=1.0, high=1.0), True)
    """
    if repeats < 20:
        raise ValueError(f"repeats={repeats}: an interval needs at least 20")
    truth, answer = _CHECKED[kind](y, p)
    members, count = block_numbers(blocks, len(truth))
    rows, rng = len(truth), np.random.default_rng(seed)
    values = _values(truth, answer, metrics)
    if rows > SAMPLE:
        chosen = rng.choice(rows, SAMPLE, replace=False)
        truth, answer = truth[chosen], answer[chosen]
        members = None if members is None else members[chosen]
    middle = _values(truth, answer, {name: metrics[name] for name in values})
    drawn = _resampled(
        truth, answer, {name: metrics[name] for name in middle}, repeats, rng, members, count
    )
    stretched = (len(truth) / rows) ** 0.5 if members is None else widened(count, confidence)
    tail = (1 - confidence) / 2
    found = {}
    for name, figures in drawn.items():
        # A resample may happen to lose a class; it says nothing and is left out.
        low, high = (np.nanquantile(figures, [tail, 1 - tail]) - middle[name]) * stretched
        if name in _BIASED:
            low, high = -high, -low
        value = values[name]
        found[name] = Measured(value, value + min(float(low), 0.0), value + max(float(high), 0.0))
    return found


def measure_slices(
    y: ArrayLike,
    p: ArrayLike,
    slices: pd.DataFrame,
    metric: str,
    *,
    kind: Kind,
    least_rows: int,
    threshold: float = 0.5,
    blocks: ArrayLike | None = None,
) -> pd.DataFrame:
    """slice_column, value, rows, the metric, low, high: one row for each value of each column.

    Values with fewer than ``least_rows`` rows are left out, as in `metrics.by_slice`; the interval
    of one whose rows are all of one block is NaN.
    """
    metrics = {metric: metrics_of(kind, threshold)[metric]}
    truth, answer = np.asarray(y), np.asarray(p)
    of_block = None if blocks is None else np.asarray(blocks)

    def figures(rows: np.ndarray, _: np.ndarray) -> dict[str, float]:
        mine = None if of_block is None else of_block[rows]
        nothing = float("nan")
        if mine is not None and len(np.unique(mine)) < LEAST_BLOCKS:
            return {metric: nothing, "low": nothing, "high": nothing}
        found = measure(truth[rows], answer[rows], metrics, kind=kind, blocks=mine).get(metric)
        if found is None:
            return {metric: nothing, "low": nothing, "high": nothing}
        return {metric: found.value, "low": found.low, "high": found.high}

    every = np.arange(len(truth))
    return by_slice(figures, every, every, slices, least_rows)


def _values(
    truth: np.ndarray, answer: np.ndarray, metrics: Mapping[str, Metric]
) -> dict[str, float]:
    """The metrics that these rows define."""
    ones = np.ones(len(truth))
    values = {name: metric(truth, answer)(ones) for name, metric in metrics.items()}
    return {name: float(value) for name, value in values.items() if np.isfinite(value)}


def _resampled(
    truth: np.ndarray,
    answer: np.ndarray,
    metrics: Mapping[str, Metric],
    repeats: int,
    rng: np.random.Generator,
    members: np.ndarray | None,
    count: int,
) -> dict[str, np.ndarray]:
    """{metric: its value in each resample}; what does not depend on the rows drawn is done once."""
    prepared = {name: metric(truth, answer) for name, metric in metrics.items()}
    drawn = {name: np.empty(repeats) for name in metrics}
    count = len(truth) if members is None else count
    for repeat in range(repeats):
        times = np.bincount(rng.integers(0, count, count), minlength=count)
        weights = times if members is None else times[members]
        for name, weighed in prepared.items():
            drawn[name][repeat] = weighed(weights)
    return drawn
