"""Is a challenger better than a champion on the same rows, or is it luck?

Belongs here: the paired bootstrap and the verdict drawn from it. Does not belong here: which
models are compared, and what happens then.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from mlops_assets.ml import weighted
from mlops_assets.ml.blocks import block_numbers
from mlops_assets.ml.metrics import (
    LOWER_IS_BETTER,
    checked_binary,
    checked_multiclass,
    checked_regression,
)

MetricFunction = Callable[[np.ndarray, np.ndarray], float]


@dataclass(frozen=True)
class Difference:
    """metric(new) - metric(old) on the same rows, with the bootstrap's percentile interval."""

    value: float
    low: float
    high: float


def paired_bootstrap(
    metric: str | MetricFunction,
    y: ArrayLike,
    p_new: ArrayLike,
    p_old: ArrayLike,
    *,
    repeats: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
    blocks: ArrayLike | None = None,
) -> Difference:
    """How far the new predictions' metric is from the old ones', and how sure that is.

    Rows are drawn with replacement, the same rows for both models, which cancels what is hard
    about them (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13:
    percentile interval). Deterministic in `seed`. A metric by name costs O(rows) a repeat; a
    function `metric(y, p) -> float` costs what it costs.

    `blocks`: (n,) of what each row belongs to, such as its day. Then blocks are drawn with all
    their rows (the cluster bootstrap: Davison and Hinkley, "Bootstrap Methods and their
    Application", 1997, section 3.8), for rows of a block are not independent of each other.

    ValueError for an unknown name, for inputs that the metric refuses, for fewer than two blocks,
    and where the metric is undefined on the rows (AUC of one class).

    >>> y = [0, 1] * 50
    >>> good, fair = [0.2, 0.9] * 50, [0.4, 0.6] * 50
    >>> challenger_wins(paired_bootstrap("log_loss", y, good, fair), "log_loss")
    True
    >>> challenger_wins(paired_bootstrap("log_loss", y, fair, fair), "log_loss")
    False
    """
    if repeats < 1:
        raise ValueError(f"repeats={repeats}: give at least 1")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence={confidence}: give a share between 0 and 1, both excluded")
    new, old = _of_weights(metric, y, p_new), _of_weights(metric, y, p_old)
    rows = len(np.asarray(y))
    value = new(np.ones(rows)) - old(np.ones(rows))
    if np.isnan(value):
        raise ValueError(f"{metric} is undefined on these {rows} rows: compare on more rows")
    rng = np.random.default_rng(seed)
    members, count = block_numbers(blocks, rows)
    drawn = np.empty(repeats)
    for repeat in range(repeats):
        times = np.bincount(rng.integers(0, count, count), minlength=count)
        weights = times if members is None else times[members]
        drawn[repeat] = new(weights) - old(weights)
    tail = (1 - confidence) / 2
    # A resample may happen to lose a class; it says nothing and is left out.
    low, high = np.nanquantile(drawn, [tail, 1 - tail])
    return Difference(float(value), float(low), float(high))


def blocks_of_time(times: pd.Series, length: dt.timedelta, time_zone: str = "UTC") -> np.ndarray:
    """(n,) the start of the block of time that each moment falls into, on the clocks of a zone.

    >>> times = pd.Series(pd.to_datetime(["2013-07-01 03:00", "2013-07-01 05:00"], utc=True))
    >>> days = blocks_of_time(times, dt.timedelta(days=1), "America/New_York")
    >>> days.astype("datetime64[D]").tolist()
    [datetime.date(2013, 6, 30), datetime.date(2013, 7, 1)]
    """
    local = times.dt.tz_convert(time_zone).dt.tz_localize(None)
    return local.dt.floor(pd.Timedelta(length)).to_numpy()


def challenger_wins(difference: Difference, metric: str) -> bool:
    """True when the whole interval lies on the better side of zero; a tie keeps the champion."""
    return difference.high < 0 if metric in LOWER_IS_BETTER else difference.low > 0


def _of_weights(metric: str | MetricFunction, y: ArrayLike, p: ArrayLike) -> weighted.Weighted:
    if callable(metric):
        truth, prediction = np.asarray(y), np.asarray(p)
        every = np.arange(len(truth))

        def resampled(weights: np.ndarray) -> float:
            rows = np.repeat(every, weights.astype(int))
            return float(metric(truth[rows], prediction[rows]))

        return resampled
    if np.ndim(p) == 2 and metric in weighted.MULTICLASS:
        return weighted.MULTICLASS[metric](*checked_multiclass(y, p))
    if metric in weighted.BINARY:
        return weighted.BINARY[metric](*checked_binary(y, p))
    if metric in weighted.REGRESSION:
        return weighted.REGRESSION[metric](*checked_regression(y, p))
    known = ", ".join(dict.fromkeys([*weighted.BINARY, *weighted.REGRESSION, *weighted.MULTICLASS]))
    raise ValueError(f"metric {metric!r} is unknown: give one of {known}, or a function")
