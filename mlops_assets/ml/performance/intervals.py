"""Metrics with 95 % confidence intervals, over all rows and by slice: how sure a figure is.

Belongs here: the bootstrap and its bounds on time. Does not belong here: the metrics (`weighted`),
what a figure means (`verdict`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from mlops_assets.ml import weighted
from mlops_assets.ml.metrics import by_slice, checked_binary, checked_regression

Kind = Literal["binary", "regression"]
Metric = Callable[[np.ndarray, np.ndarray], weighted.Weighted]

SAMPLE = 50_000
"""Rows that a bootstrap draws at most: beyond, the interval is that of a sample, made narrower."""
REPEATS = 200
# A resample of rows is worse calibrated than they are, so percentiles lie too high.
_BIASED = frozenset({"ece"})


@dataclass(frozen=True)
class Measured:
    """A figure with its confidence interval, ``low <= value <= high``."""

    value: float
    low: float
    high: float


def metrics_of(kind: Kind, threshold: float = 0.5) -> dict[str, Metric]:
    """The metrics that a served model is watched by.

    Binary ones have two more than `weighted.BINARY`: ``error_rate`` (share of answers on the wrong
    side of ``threshold``) and ``calibration_gap`` (mean predicted minus observed share).
    """
    if kind == "regression":
        return dict(weighted.REGRESSION)

    def error_rate(y: np.ndarray, p: np.ndarray) -> weighted.Weighted:
        return weighted.base_rate(((p >= threshold) != (y == 1)).astype(float), p)

    return {**weighted.BINARY, "error_rate": error_rate, "calibration_gap": weighted.bias}


def measure(
    y: ArrayLike,
    p: ArrayLike,
    metrics: Mapping[str, Metric],
    *,
    kind: Kind,
    repeats: int = REPEATS,
    confidence: float = 0.95,
    seed: int = 0,
) -> dict[str, Measured]:
    """Every metric with its bootstrap interval; metrics that the rows leave undefined are left out.

    y, p: (n,), as `ml.metrics.binary` and `regression` take them. Rows are drawn with replacement,
    the same rows for all metrics; percentile interval, the basic one for ECE (Efron and Tibshirani,
    "An Introduction to the Bootstrap", 1993, chapters 13 and 14). With more than `SAMPLE` rows the
    figure is of all, the interval of a sample of m rows made narrower by sqrt(m/n) (Bickel, Götze
    and van Zwet, "Resampling fewer than n observations", 1997). Deterministic in `seed`.

    Rows count as independent: within a storm they are not, so the interval tells how sure the
    figure is for this partition, not how much partitions differ (`band` does).

    Raises ValueError for inputs that the metrics refuse.

    >>> y, p = [0, 1] * 200, [0.2, 0.6] * 200
    >>> found = measure(y, p, metrics_of("binary"), kind="binary")
    >>> found["accuracy"], found["calibration_gap"].low <= -0.1 <= found["calibration_gap"].high
    (Measured(value=1.0, low=1.0, high=1.0), True)
    """
    if repeats < 20:
        raise ValueError(f"repeats={repeats}: an interval needs at least 20")
    truth, answer = (checked_binary if kind == "binary" else checked_regression)(y, p)
    rows, rng = len(truth), np.random.default_rng(seed)
    values = _values(truth, answer, metrics)
    if rows > SAMPLE:
        chosen = rng.choice(rows, SAMPLE, replace=False)
        truth, answer = truth[chosen], answer[chosen]
    middle = _values(truth, answer, {name: metrics[name] for name in values})
    drawn = _resampled(truth, answer, {name: metrics[name] for name in middle}, repeats, rng)
    narrower = (len(truth) / rows) ** 0.5
    tail = (1 - confidence) / 2
    found = {}
    for name, figures in drawn.items():
        # A resample may happen to lose a class; it says nothing and is left out.
        low, high = (np.nanquantile(figures, [tail, 1 - tail]) - middle[name]) * narrower
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
) -> pd.DataFrame:
    """slice_column, value, rows, the metric, low, high: one row for each value of each column.

    Values with fewer than ``least_rows`` rows are left out, as in `metrics.by_slice`.
    """
    metrics = {metric: metrics_of(kind, threshold)[metric]}

    def figures(truth: np.ndarray, answer: np.ndarray) -> dict[str, float]:
        found = measure(truth, answer, metrics, kind=kind).get(metric)
        if found is None:
            return {metric: float("nan"), "low": float("nan"), "high": float("nan")}
        return {metric: found.value, "low": found.low, "high": found.high}

    return by_slice(figures, y, p, slices, least_rows)


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
) -> dict[str, np.ndarray]:
    """{metric: its value in each resample}; what does not depend on the rows drawn is done once."""
    prepared = {name: metric(truth, answer) for name, metric in metrics.items()}
    drawn = {name: np.empty(repeats) for name in metrics}
    rows = len(truth)
    for repeat in range(repeats):
        weights = np.bincount(rng.integers(0, rows, rows), minlength=rows)
        for name, weighed in prepared.items():
            drawn[name][repeat] = weighed(weights)
    return drawn
