"""Every metric once, as a function of row weights: `METRICS[name](y, p)(weights) -> float`.

What is costly and does not depend on the weights (sorting, per-row losses) is done in the first
call, so that a bootstrap pays O(rows) a resample. Weights are counts >= 0 that do not sum to
zero. Inputs are taken as validated: `metrics` is the public face. A metric that the rows leave
undefined (AUC of one class, R² of a constant) is NaN.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Weighted = Callable[[np.ndarray], float]
Metric = Callable[[np.ndarray, np.ndarray], Weighted]

ECE_BINS = 15  # Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, section 2
_CLIP = 1e-15


def _dot(a: np.ndarray, b: np.ndarray) -> float:
    # Not a @ b: BLAS splits long vectors among threads, which costs more than it saves here and
    # makes the last bits depend on the number of cores.
    return float(np.multiply(a, b).sum())


def _mean_of(losses: np.ndarray) -> Weighted:
    return lambda w: _dot(losses, w) / float(w.sum())


def _runs(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows by falling score, and where each run of equal scores starts."""
    order = np.argsort(-p, kind="stable")
    falling = p[order]
    starts = np.flatnonzero(np.concatenate([[True], falling[1:] != falling[:-1]]))
    return order, starts


def _ranked(
    y: np.ndarray, p: np.ndarray, value: Callable[[np.ndarray, np.ndarray], float]
) -> Weighted:
    """A metric of the positives and negatives in each run of equal scores, best run first."""
    order, starts = _runs(p)
    positive = y[order].astype(bool)

    def weighted(w: np.ndarray) -> float:
        w = w[order].astype(float)
        positives = np.add.reduceat(np.where(positive, w, 0.0), starts)
        negatives = np.add.reduceat(np.where(positive, 0.0, w), starts)
        if positives.sum() == 0 or negatives.sum() == 0:
            return float("nan")
        return value(positives, negatives)

    return weighted


def _auc_of_runs(positives: np.ndarray, negatives: np.ndarray) -> float:
    # Mann-Whitney: a pair in the right order counts 1, a tie 1/2.
    below = negatives.sum() - np.cumsum(negatives)
    pairs = float(positives.sum() * negatives.sum())
    return _dot(positives, below + negatives / 2) / pairs


def _precision_of_runs(positives: np.ndarray, negatives: np.ndarray) -> float:
    hits = np.cumsum(positives)
    seen = hits + np.cumsum(negatives)
    precision = np.divide(hits, seen, out=np.zeros_like(hits), where=seen > 0)
    return _dot(positives, precision) / float(hits[-1])


def auc(y: np.ndarray, p: np.ndarray) -> Weighted:
    """Area under the ROC curve: the share of (positive, negative) pairs in the right order."""
    return _ranked(y, p, _auc_of_runs)


def pr_auc(y: np.ndarray, p: np.ndarray) -> Weighted:
    """Average precision: the sum of precision times the gain in recall, as in scikit-learn."""
    return _ranked(y, p, _precision_of_runs)


def log_loss(y: np.ndarray, p: np.ndarray) -> Weighted:
    """Mean negative log-likelihood in nats; p is clipped to [1e-15, 1 - 1e-15]."""
    return _mean_of(-np.log(np.clip(np.where(y == 1, p, 1 - p), _CLIP, 1 - _CLIP)))


def brier(y: np.ndarray, p: np.ndarray) -> Weighted:
    """Mean squared error of the probability (Brier 1950)."""
    return _mean_of((p - y) ** 2)


def accuracy(y: np.ndarray, p: np.ndarray) -> Weighted:
    """Share of rows on the right side of 0.5; 0.5 itself says positive."""
    return _mean_of(((p >= 0.5) == (y == 1)).astype(float))


def base_rate(y: np.ndarray, p: np.ndarray) -> Weighted:
    """Share of positives."""
    return _mean_of(y.astype(float))


def ece(y: np.ndarray, p: np.ndarray) -> Weighted:
    """Expected calibration error over 15 bins of equal width."""
    bins = np.minimum((p * ECE_BINS).astype(int), ECE_BINS - 1)
    gap = y - p
    return lambda w: float(np.abs(np.bincount(bins, w * gap, ECE_BINS)).sum() / w.sum())


def rmse(y: np.ndarray, p: np.ndarray) -> Weighted:
    """Root of the mean squared error, in the target's unit."""
    mean_square = _mean_of((p - y) ** 2)
    return lambda w: mean_square(w) ** 0.5


def mae(y: np.ndarray, p: np.ndarray) -> Weighted:
    """Mean absolute error, in the target's unit."""
    return _mean_of(np.abs(p - y))


def bias(y: np.ndarray, p: np.ndarray) -> Weighted:
    """Mean of prediction minus truth, in the target's unit."""
    return _mean_of(p - y)


def r2(y: np.ndarray, p: np.ndarray) -> Weighted:
    """1 - residual variance / variance of the target; NaN when the target is constant."""
    squares = (p - y) ** 2

    def weighted(w: np.ndarray) -> float:
        spread = _dot(w, (y - _dot(w, y) / w.sum()) ** 2)
        return 1 - _dot(squares, w) / spread if spread > 0 else float("nan")

    return weighted


def top_class(y: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n,) whether each row's most probable class is its own, 1.0 or 0.0, and (n,) how probable.

    As labels and answers of a binary model these say whether confidence is deserved (Guo et al.,
    "On Calibration of Modern Neural Networks", ICML 2017, section 2).
    """
    top = p.argmax(axis=1)
    return (top == y).astype(float), p[np.arange(len(p)), top]


def _of_top_class(metric: Metric) -> Metric:
    return lambda y, p: metric(*top_class(y, p))


def class_log_loss(y: np.ndarray, p: np.ndarray) -> Weighted:
    """Mean negative log-likelihood of the row's own class in nats, p clipped from below."""
    return _mean_of(-np.log(np.clip(p[np.arange(len(p)), y.astype(int)], _CLIP, None)))


def class_brier(y: np.ndarray, p: np.ndarray) -> Weighted:
    """Mean squared distance of the probabilities from the row's own class, 0 to 2 (Brier 1950)."""
    return _mean_of(((p - np.eye(p.shape[1])[y.astype(int)]) ** 2).sum(axis=1))


def class_auc(y: np.ndarray, p: np.ndarray) -> Weighted:
    """Mean over the classes present of the AUC of each against the rest."""
    areas = [auc((y == k).astype(float), p[:, k]) for k in np.unique(y).astype(int)]

    def weighted(w: np.ndarray) -> float:
        found = np.array([area(w) for area in areas])
        defined = found[~np.isnan(found)]
        return float(defined.mean()) if len(defined) else float("nan")

    return weighted


def macro_f1(y: np.ndarray, p: np.ndarray) -> Weighted:
    """Mean of the classes' F1 scores, of those that rows have or are told, as in scikit-learn."""
    classes, own, told = p.shape[1], y.astype(int), p.argmax(axis=1)
    right = own == told

    def weighted(w: np.ndarray) -> float:
        hits = np.bincount(own[right], w[right], classes)
        either = np.bincount(own, w, classes) + np.bincount(told, w, classes)
        return float((2 * hits[either > 0] / either[either > 0]).mean())

    return weighted


def most_frequent(y: np.ndarray, p: np.ndarray) -> Weighted:
    """Share of the most frequent class."""
    own = y.astype(int)
    return lambda w: float(np.bincount(own, w).max() / w.sum())


BINARY: dict[str, Metric] = {
    "auc": auc,
    "pr_auc": pr_auc,
    "log_loss": log_loss,
    "brier": brier,
    "ece": ece,
    "accuracy": accuracy,
    "base_rate": base_rate,
}
REGRESSION: dict[str, Metric] = {
    "rmse": rmse,
    "mae": mae,
    "r2": r2,
    "bias": bias,
}
MULTICLASS: dict[str, Metric] = {
    "accuracy": _of_top_class(base_rate),
    "macro_f1": macro_f1,
    "log_loss": class_log_loss,
    "brier": class_brier,
    "ece": _of_top_class(ece),
    "auc": class_auc,
    "base_rate": most_frequent,
}
