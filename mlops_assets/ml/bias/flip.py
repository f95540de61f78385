"""Clarify's flip test: would the answer be another one for a like row of the other facet?

Source: AWS, "Amazon SageMaker AI Developer Guide", "Counterfactual Fliptest (FT)", after Black,
Yeom and Fredrikson, "FlipTest", FAT* 2020, with nearest neighbours for optimal transport.
Belongs here: finding like rows and the metric. scikit-learn is imported when it is called.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from mlops_assets.ml.bias.measured import Measured
from mlops_assets.ml.bias.metrics import FLIP_TEST

NEIGHBOURS = 5
CANDIDATES = 30
"""Neighbours that a resample chooses from: of so many at least five are drawn all but surely."""
REPEATS = 200
ROWS = 2000
WORDS = 50
"""Categories told apart in a column; rarer ones are alike."""
DESCRIPTION = f"Counterfactual Fliptest ({FLIP_TEST})"


def flip_test(
    rows: pd.DataFrame, disadvantaged: ArrayLike, predicted: ArrayLike, *, seed: int = 0
) -> Measured:
    """(F+ − F−) / n_d over at most 2,000 rows of each facet, evenly spread.

    F+ counts rows of d with a negative answer whose 5 nearest rows of a mostly have a positive
    one, F− the reverse. `rows`: the features without the facet's own column; numbers are compared
    in standard deviations, categories as equal or not, missing values as the mean.

    The 95 % interval is a bootstrap of both facets: a row of a that is not drawn is nobody's
    neighbour, and the next nearest is asked. Drawing d alone, with its neighbours fixed, is far too
    sure: one row of a answers for many of d. For estimators that match neighbours the bootstrap is
    not proven (Abadie and Imbens, "On the Failure of the Bootstrap for Matching Estimators", 2008),
    so its draws are centred on the value, and a test holds how often it is right. It has no
    ``sigma``: with fewer rows neighbours are farther, so values of unlike numbers of rows say
    nothing of a drift.

    >>> like = pd.DataFrame({"x": [1.0, 2.0, 3.0] * 8})
    >>> d = [False] * 12 + [True] * 12
    >>> flip_test(like, d, [True] * 12 + [False] * 12).value
    1.0
    """
    facet, answers = np.asarray(disadvantaged, dtype=bool), np.asarray(predicted, dtype=bool)
    a, d = _spread(np.flatnonzero(~facet)), _spread(np.flatnonzero(facet))
    if len(a) < NEIGHBOURS or not len(d):
        reason = f"{len(a)} advantaged and {len(d)} disadvantaged rows are too few"
        return Measured(FLIP_TEST, DESCRIPTION, None, error=reason)
    points = _points(rows.iloc[np.concatenate([a, d])])
    if not points.shape[1]:
        reason = "no column but the facet's own tells rows apart"
        return Measured(FLIP_TEST, DESCRIPTION, None, error=reason)
    from sklearn.neighbors import NearestNeighbors

    index = NearestNeighbors(n_neighbors=min(CANDIDATES, len(a))).fit(points[: len(a)])
    near = index.kneighbors(points[len(a) :], return_distance=False)
    told, own = answers[a][near], answers[d]
    value = float(_flips(own, told, np.ones(near.shape, dtype=np.int64)).mean())
    rng = np.random.default_rng(seed)
    drawn = np.empty(REPEATS)
    for repeat in range(REPEATS):
        times_a, times_d = (
            np.bincount(rng.integers(0, len(side), len(side)), minlength=len(side))
            for side in (a, d)
        )
        drawn[repeat] = (times_d * _flips(own, told, times_a[near])).sum() / len(d)
    low, high = value + np.quantile(drawn, [0.025, 0.975]) - drawn.mean()
    low, high = (float(np.clip(side, -1, 1)) for side in (low, high))
    return Measured(FLIP_TEST, DESCRIPTION, value, low=min(low, value), high=max(high, value))


def _flips(own: np.ndarray, told: np.ndarray, times: np.ndarray) -> np.ndarray:
    """By row of d: 1 for F+, −1 for F−, else 0.

    Args:
        own: (n_d,) the rows' answers; told: (n_d, candidates) those of their neighbours, nearest
            first; times: (n_d, candidates) how often each neighbour is there.
    """
    before = np.cumsum(times, axis=1) - times
    asked = np.clip(NEIGHBOURS - before, 0, times)
    like = (asked * told).sum(axis=1) > 0.5 * asked.sum(axis=1)
    return (~own & like).astype(np.int64) - (own & ~like)


def _spread(places: np.ndarray) -> np.ndarray:
    if len(places) <= ROWS:
        return places
    return places[np.linspace(0, len(places) - 1, ROWS).astype(int)]


def _points(rows: pd.DataFrame) -> np.ndarray:
    columns = []
    for name in rows.columns:
        values = rows[name]
        if pd.api.types.is_numeric_dtype(values):
            numbers = values.to_numpy(float, na_value=np.nan)
            finite = np.isfinite(numbers)
            spread = float(numbers[finite].std()) if finite.any() else 0.0
            if spread > 0:
                scaled = (numbers - numbers[finite].mean()) / spread
                columns.append(np.where(finite, scaled, 0.0)[:, None])
        elif not pd.api.types.is_datetime64_any_dtype(values):
            words = values.astype(object)
            often = words.value_counts().index[:WORDS]
            indicators = [(words == word).to_numpy(float) for word in often]
            # Two indicators differ for different words: 1/√2 each makes their distance 1.
            columns.append(np.reshape(indicators, (len(often), len(rows))).T / np.sqrt(2))
    return np.hstack(columns) if columns else np.empty((len(rows), 0))
