"""How good are predictions: one number, a curve, or a table by slice. NumPy and pandas only.

Belongs here: the metrics by kind of model, the points of curves, the table by slice, and the
validation of what is measured. Does not belong here: which value is good enough (gates), the
comparison of two models (`compare`), drawing (`plots`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from mlops_assets.ml import weighted

LOWER_IS_BETTER = frozenset({"log_loss", "brier", "ece", "rmse", "mae"})
"""Metrics that fall as a model gets better. `bias` and `base_rate` have no better direction."""


IN_LABELS_UNIT = frozenset({"rmse", "mae", "bias"})
"""Metrics in the unit of a regression's label: what is much of one is nothing of another."""
SUMS_WITHIN = 1e-3
"""Probabilities of all classes may miss 1 by so much: a model computes in single precision."""


def binary(y: ArrayLike, p: ArrayLike) -> dict[str, float]:
    """auc, pr_auc, log_loss, brier, ece, accuracy, base_rate of probabilities p for labels y.

    y: (n,) of 0/1 or booleans; p: (n,) in [0, 1]. With only one class in y, auc and pr_auc are
    NaN (`undefined` names them). ValueError for empty, null, out-of-range or unequal inputs.

    >>> scores = binary([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    >>> scores["auc"], round(scores["brier"], 4)
    (0.75, 0.1581)
    >>> undefined(binary([1, 1], [0.5, 0.6]))
    ('auc', 'pr_auc')
    """
    truth, score = checked_binary(y, p)
    ones = np.ones(len(truth))
    return {name: metric(truth, score)(ones) for name, metric in weighted.BINARY.items()}


def regression(y: ArrayLike, p: ArrayLike) -> dict[str, float]:
    """rmse, mae, r2 (NaN for a constant y), bias (mean of p - y); y, p: (n,) finite.

    >>> regression([1.0, 2.0, 3.0], [1.0, 2.0, 5.0])["bias"]
    0.6666666666666666
    """
    truth, value = checked_regression(y, p)
    ones = np.ones(len(truth))
    return {name: metric(truth, value)(ones) for name, metric in weighted.REGRESSION.items()}


def multiclass(
    y: ArrayLike, p: ArrayLike, classes: Sequence[object] | None = None
) -> dict[str, float]:
    """accuracy, macro_f1, log_loss, brier, ece (of the top class), macro auc, base_rate.

    y: (n,) positions into p's columns, or members of `classes`; p: (n, k) rows that sum to 1
    within 1e-3. auc is the mean over the classes present, each against the rest, NaN when only one
    is; macro_f1 that over the classes that rows have or are told. base_rate is the share of the
    most frequent class.

    >>> multiclass(["b", "a"], [[0.2, 0.8], [0.9, 0.1]], classes=["a", "b"])["accuracy"]
    1.0
    """
    truth, probability = checked_multiclass(y, p, classes)
    ones = np.ones(len(truth))
    return {n: metric(truth, probability)(ones) for n, metric in weighted.MULTICLASS.items()}


BY_KIND: Mapping[str, Callable[[ArrayLike, ArrayLike], dict[str, float]]] = {
    "binary": binary,
    "regression": regression,
    "multiclass": multiclass,
}
"""The metrics of each kind of label."""


def undefined(values: Mapping[str, float]) -> tuple[str, ...]:
    """The metrics that these rows leave undefined (NaN), to be said rather than compared."""
    return tuple(name for name, value in values.items() if np.isnan(value))


def roc_points(y: ArrayLike, p: ArrayLike) -> pd.DataFrame:
    """The ROC curve: false_positive_rate, true_positive_rate, threshold, from (0, 0) to (1, 1).

    ValueError when y holds one class only: there is no curve.
    """
    truth, score = checked_binary(y, p)
    if truth.min() == truth.max():
        raise ValueError(f"y holds only {int(truth[0])}: a ROC curve needs both classes")
    order = np.argsort(-score, kind="stable")
    falling, hits = score[order], np.cumsum(truth[order])
    last = np.flatnonzero(np.concatenate([falling[1:] != falling[:-1], [True]]))
    misses = last + 1 - hits[last]
    return pd.DataFrame(
        {
            "false_positive_rate": np.concatenate([[0.0], misses / misses[-1]]),
            "true_positive_rate": np.concatenate([[0.0], hits[last] / hits[-1]]),
            "threshold": np.concatenate([[np.inf], falling[last]]),
        }
    )


def calibration_points(y: ArrayLike, p: ArrayLike, bins: int = 10) -> pd.DataFrame:
    """predicted, observed (means), rows, low, high for groups of near-equal size by rising p.

    low and high are Wilson's 95 % interval of the observed share (Wilson 1927). Equal scores
    stay in one group, so there may be fewer groups than `bins`.
    """
    truth, score = checked_binary(y, p)
    if bins < 1:
        raise ValueError(f"bins={bins}: give at least 1")
    edges = np.unique(np.quantile(score, np.linspace(0, 1, bins + 1)[1:-1]))
    group = np.searchsorted(edges, score, side="left")
    rows = np.bincount(group, minlength=len(edges) + 1)
    kept = rows > 0
    rows = rows[kept]
    observed = np.bincount(group, truth, len(kept))[kept] / rows
    z = 1.959963984540054
    centre = (observed + z**2 / (2 * rows)) / (1 + z**2 / rows)
    half = z * np.sqrt(observed * (1 - observed) / rows + z**2 / (4 * rows**2)) / (1 + z**2 / rows)
    return pd.DataFrame(
        {
            "predicted": np.bincount(group, score, len(kept))[kept] / rows,
            "observed": observed,
            "rows": rows,
            # The interval holds the observed share; rounding may say otherwise at 0 and 1.
            "low": np.clip(centre - half, 0, observed),
            "high": np.clip(centre + half, observed, 1),
        }
    )


def by_slice(
    metric_fn: Callable[[np.ndarray, np.ndarray], Mapping[str, float]],
    y: ArrayLike,
    p: ArrayLike,
    slices: pd.DataFrame,
    min_rows: int,
) -> pd.DataFrame:
    """One row for each value of each column of `slices`: slice_column, value, rows, metrics.

    `slices` is aligned by position, its index is ignored. A null is the value "missing". Values
    with fewer than `min_rows` rows are left out: their numbers would be noise.
    """
    truth, prediction = np.asarray(y), np.asarray(p)
    if not len(truth) == len(prediction) == len(slices):
        raise ValueError(
            f"{len(truth)} labels, {len(prediction)} predictions and {len(slices)} rows of "
            "slices: give the same rows to all three"
        )
    found = []
    for column in slices.columns:
        codes, values = pd.factorize(slices[column], sort=True, use_na_sentinel=True)
        for code in (*range(len(values)), -1):
            rows = np.flatnonzero(codes == code)
            if len(rows) < max(min_rows, 1):
                continue
            value = "missing" if code == -1 else str(values[code])
            scores = metric_fn(truth[rows], prediction[rows])
            found.append({"slice_column": column, "value": value, "rows": len(rows), **scores})
    return pd.DataFrame(found) if found else pd.DataFrame(columns=["slice_column", "value", "rows"])


def checked_binary(y: ArrayLike, p: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """y as 0.0/1.0 and p as float64, both (n,), or ValueError naming the first bad row."""
    truth, score = checked_regression(y, p)
    _require("y", truth, (truth == 0) | (truth == 1), "a label is 0 or 1")
    _require("p", score, (score >= 0) & (score <= 1), "a probability is between 0 and 1")
    return truth, score


def checked_regression(y: ArrayLike, p: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """y and p as finite float64 (n,), or ValueError naming the first bad row."""
    truth, value = np.asarray(y, dtype=float), np.asarray(p, dtype=float)
    if truth.ndim != 1 or value.ndim != 1:
        raise ValueError(f"y has shape {truth.shape}, p {value.shape}: give one value a row")
    _require_rows(truth, value)
    _require_finite("y", truth)
    _require_finite("p", value)
    return truth, value


def checked_multiclass(
    y: ArrayLike, p: ArrayLike, classes: Sequence[object] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """y as class numbers (n,) and p as float64 (n, k), or ValueError naming the first bad row."""
    probability = np.asarray(p, dtype=float)
    if probability.ndim != 2 or probability.shape[1] < 2:
        raise ValueError(f"p has shape {probability.shape}: multiclass wants (rows, classes >= 2)")
    truth = _class_positions(y, classes, probability.shape[1])
    _require_rows(truth, probability)
    _require_finite("p", probability.ravel())
    off = np.abs(probability.sum(axis=1) - 1)
    if probability.min() < 0 or off.max() > SUMS_WITHIN:
        worst = int(np.where(probability.min(axis=1) < 0, np.inf, off).argmax())
        raise ValueError(f"p[{worst}] = {probability[worst]} is no distribution over the classes")
    return truth, probability


def _class_positions(y: ArrayLike, classes: Sequence[object] | None, width: int) -> np.ndarray:
    labels = np.asarray(y)
    if classes is not None:
        if len(classes) != width:
            raise ValueError(f"{len(classes)} classes, but p has {width} columns")
        positions = pd.Index(list(classes)).get_indexer(pd.Index(labels))
    else:
        whole = np.isfinite(labels) & (labels == np.floor(labels))
        positions = np.where(whole, labels, -1).astype(int)
    strange = np.flatnonzero((positions < 0) | (positions >= width))
    if len(strange):
        first = strange[0]
        raise ValueError(f"y[{first}] = {labels.tolist()[first]!r} is none of the {width} classes")
    return positions


def _require_rows(y: np.ndarray, p: np.ndarray) -> None:
    if len(y) != len(p):
        raise ValueError(f"{len(y)} labels and {len(p)} predictions: give one for each row")
    if len(y) == 0:
        raise ValueError("no rows: a metric of nothing is undefined")


def _require_finite(name: str, values: np.ndarray) -> None:
    _require(name, values, np.isfinite(values), "drop or repair rows without a finite value")


def _require(name: str, values: np.ndarray, good: np.ndarray, remedy: str) -> None:
    if not good.all():
        first = int(np.argmin(good))
        raise ValueError(f"{name}[{first}] = {values[first]} ({(~good).sum()} such rows): {remedy}")
