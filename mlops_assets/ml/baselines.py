"""Simple models that a real one has to beat: prior, majority, mean, linear.

Belongs here: fitting and predicting a baseline in one call, in memory. Does not belong here:
metrics, gates, anything kept: a baseline is refitted whenever it is needed.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

Kind = Literal["binary", "regression", "multiclass"]

NAMES: dict[str, tuple[Kind, ...]] = {
    "prior": ("binary", "multiclass"),
    "majority": ("binary", "multiclass"),
    "mean": ("regression",),
    "linear": ("binary", "multiclass", "regression"),
}
CATEGORIES = 50  # at most so many one-hot columns a feature, the most frequent
RARE = 20  # a category with fewer training rows gets no column of its own


def fit_predict(
    name: str,
    train_X: pd.DataFrame,
    train_y: ArrayLike,
    holdout_X: pd.DataFrame,
    kind: Kind,
    classes: int = 2,
) -> np.ndarray:
    """Fit baseline `name` on the training rows and predict the held-out ones.

    Returns (n,) probabilities of 1 for binary, (n,) values for regression, (n, k) probabilities
    for multiclass, where train_y holds 0..k-1; k is at least `classes`, of which the training rows
    may lack some. 'prior' answers the class shares, 'majority' the
    most frequent class with certainty, 'mean' the mean, 'linear' a logistic or ridge regression.
    Deterministic. ValueError for an unknown name or kind, a name that does not fit the kind,
    null labels, or no training rows.

    >>> X = pd.DataFrame({"x": [0.0, 1.0, 2.0, 3.0]})
    >>> fit_predict("prior", X, [0, 0, 0, 1], X.head(2), "binary").tolist()
    [0.25, 0.25]
    """
    if name not in NAMES:
        raise ValueError(f"baseline {name!r} is unknown: give one of {', '.join(NAMES)}")
    if kind not in NAMES[name]:
        raise ValueError(f"baseline {name!r} is for {' or '.join(NAMES[name])}, not for {kind!r}")
    labels = np.asarray(train_y, dtype=float)
    if not len(labels) or len(labels) != len(train_X):
        raise ValueError(
            f"{len(train_X)} training rows and {len(labels)} labels: give the same, at least one"
        )
    if not np.isfinite(labels).all():
        raise ValueError(f"{(~np.isfinite(labels)).sum()} labels are null: leave those rows out")
    if name == "mean":
        return np.full(len(holdout_X), labels.mean())
    if name == "linear":
        return _linear(train_X, labels, holdout_X, kind, classes)
    shares = np.bincount(labels.astype(int), minlength=classes) / len(labels)
    if name == "majority":
        shares = np.eye(len(shares))[shares.argmax()]
    answer = np.tile(shares, (len(holdout_X), 1))
    return answer[:, 1] if kind == "binary" else answer


def _linear(
    train_X: pd.DataFrame, labels: np.ndarray, holdout_X: pd.DataFrame, kind: Kind, width: int
) -> np.ndarray:
    from sklearn.linear_model import LogisticRegression, Ridge

    train, holdout = _design(train_X, holdout_X)
    if kind == "regression":
        return Ridge(alpha=1.0).fit(train, labels).predict(holdout)
    classes = labels.astype(int)
    width = max(int(classes.max()) + 1, width)
    answer = np.zeros((len(holdout), width))
    present = np.unique(classes)
    if len(present) == 1:
        answer[:, present[0]] = 1.0
    else:
        # newton-cholesky: made for many more rows than columns, and free of random numbers.
        model = LogisticRegression(solver="newton-cholesky", C=1.0, max_iter=100)
        answer[:, present] = model.fit(train, classes).predict_proba(holdout)
    return answer[:, 1] if kind == "binary" else answer


def _design(train: pd.DataFrame, holdout: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Both frames as float matrices; everything learned (medians, scales, vocabularies) is
    learned on the training rows."""
    missing = [column for column in train.columns if column not in holdout.columns]
    if missing:
        raise ValueError(f"holdout lacks the columns {missing}: give it the training columns")
    blocks: list[tuple[np.ndarray, np.ndarray]] = []
    for column in train.columns:
        encode = _numbers if _is_numeric(train[column]) else _one_hot
        blocks.append(encode(train[column], holdout[column]))
    if not blocks:
        return np.zeros((len(train), 1)), np.zeros((len(holdout), 1))
    return np.hstack([a for a, _ in blocks]), np.hstack([b for _, b in blocks])


def _is_numeric(values: pd.Series) -> bool:
    types = pd.api.types
    return types.is_numeric_dtype(values.dtype) or types.is_datetime64_any_dtype(values.dtype)


def _numbers(train: pd.Series, holdout: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    fitted = _floats(train)
    known = fitted[~np.isnan(fitted)]
    if not len(known):
        return np.zeros((len(train), 0)), np.zeros((len(holdout), 0))
    median, mean, scale = np.median(known), known.mean(), known.std() or 1.0
    with_indicator = len(known) < len(fitted)

    def encode(values: np.ndarray) -> np.ndarray:
        gone = np.isnan(values)
        # Ten standard deviations: one wild value must not own the whole fit.
        scaled = np.clip((np.where(gone, median, values) - mean) / scale, -10, 10)
        return np.column_stack([scaled, gone]) if with_indicator else scaled[:, None]

    return encode(fitted), encode(_floats(holdout))


def _floats(values: pd.Series) -> np.ndarray:
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        epoch = pd.Timestamp(0, tz=getattr(values.dtype, "tz", None))
        return ((values - epoch) / pd.Timedelta(days=1)).to_numpy(dtype=float)
    numbers = values.to_numpy(dtype=float, na_value=np.nan)
    return np.where(np.isfinite(numbers), numbers, np.nan)


def _one_hot(train: pd.Series, holdout: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    text, unseen = train.astype("str"), holdout.astype("str")
    counts = text.value_counts()
    counts = counts[counts >= min(RARE, len(train) / 10)]
    # Ties in frequency fall by name, so that the columns do not depend on the rows' order.
    vocabulary = sorted(counts.index, key=lambda name: (-counts[name], name))[:CATEGORIES]

    def encode(values: pd.Series) -> np.ndarray:
        codes = pd.Index(vocabulary).get_indexer(pd.Index(values))
        return (codes[:, None] == np.arange(len(vocabulary))).astype(float)

    return encode(text), encode(unseen)
