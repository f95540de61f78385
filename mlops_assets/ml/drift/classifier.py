"""A classifier that tries to tell the window's rows from the baseline's: drift that no single
column shows, such as a join on the wrong key.

Here: its cross-validated AUC. Not here: when that is drift (`policy`).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

_FOLDS = 3
_SEED = 13
_MOST_LEVELS = 255


def domain_auc(window: pd.DataFrame, baseline: pd.DataFrame, *, rows: int = 5000) -> float:
    """AUC of telling the two apart on held-out rows; .5 is chance, 1 is full separation.

    Args:
        window, baseline: rows, any columns; those of both are used. At most ``rows`` of each side
            are sampled, always the same ones.

    Deterministic. Raises ValueError with fewer than two rows a fold and side, or no column.

    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=600)
    >>> joined = pd.DataFrame({"x": x, "y": x})
    >>> permuted = pd.DataFrame({"x": x, "y": rng.permutation(x)})
    >>> domain_auc(permuted, joined) > 0.8
    True
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    columns = [name for name in baseline.columns if name in window.columns]
    least = 2 * _FOLDS
    if min(len(window), len(baseline)) < least or not columns:
        raise ValueError(
            f"{len(window)} rows against {len(baseline)}, {len(columns)} columns of both: a "
            f"domain classifier needs {least} rows a side and a column."
        )
    # As many of each, so that the larger side does not drown the other.
    most = min(rows, len(window), len(baseline))
    both = pd.concat([_sample(window[columns], most), _sample(baseline[columns], most)])
    encoded, categorical = _encode(both)
    model = HistGradientBoostingClassifier(
        max_iter=60,
        max_leaf_nodes=15,
        early_stopping=False,
        categorical_features=categorical,
        random_state=_SEED,
    )
    truth = np.repeat([1, 0], most)
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=_SEED)
    answers = cross_val_predict(model, encoded, truth, cv=folds, method="predict_proba")[:, 1]
    return float(roc_auc_score(truth, answers))


def _sample(frame: pd.DataFrame, most: int) -> pd.DataFrame:
    chosen = np.random.default_rng(_SEED).choice(len(frame), most, replace=False)
    return frame.iloc[np.sort(chosen)]


def _encode(frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Numbers as they are, times as seconds, everything else as codes by frequency."""
    encoded = np.full((len(frame), frame.shape[1]), np.nan)
    categorical = np.zeros(frame.shape[1], dtype=bool)
    for place, name in enumerate(frame.columns):
        values = frame[name]
        if pd.api.types.is_datetime64_any_dtype(values):
            seconds = values.astype("int64").to_numpy(float) / 1e9
            encoded[:, place] = np.where(values.isna(), np.nan, seconds)
        elif pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
            numbers = values.to_numpy(dtype=float, na_value=np.nan)
            encoded[:, place] = np.where(np.isfinite(numbers), numbers, np.nan)
        else:
            categorical[place] = True
            levels = values.value_counts().index[:_MOST_LEVELS]
            codes = pd.Categorical(values, categories=levels).codes.astype(float)
            encoded[:, place] = np.where(codes < 0, np.nan, codes)
    return encoded, categorical
