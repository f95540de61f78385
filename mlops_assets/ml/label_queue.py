"""Which rows are worth a person's time: those whose label would teach the most.

Here: the score of a row, and the choice. Not here: where the rows come from and where they go
(`assets.monitoring.captured.label_queue`).

A row is worth a label if the model is uncertain (uncertainty sampling: Lewis and Gale, "A
Sequential Algorithm for Training Text Classifiers", 1994) or if it lies outside of what rows are
usually like. A tenth of the queue is drawn by chance: labels of the hardest rows alone would tell
neither how good the model is nor what ordinary rows look like.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

UNUSUAL_FEATURES = 3
"""So many features out of range count as wholly unusual."""
CHANCE = 0.1
"""Share of the queue that is drawn by chance."""


def uncertainty(predictions: ArrayLike) -> NDArray[np.float64]:
    """How undecided a model is between its two most probable answers: 1 where they are equally
    probable, 0 where it is sure of one.

    Of several classes 1 minus the margin between the best two (Scheffer, Decomain and Wrobel,
    "Active Hidden Markov Models for Information Extraction", 2001, section 3); of two, the same.

    Args:
        predictions: (rows,) probabilities of the positive class, or (rows, classes) of each.

    >>> uncertainty([0.5, 0.9, 0.0]).round(3).tolist()
    [1.0, 0.2, 0.0]
    >>> uncertainty([[0.45, 0.45, 0.1], [0.1, 0.8, 0.1]]).round(3).tolist()
    [1.0, 0.3]
    """
    told = np.asarray(predictions, float)
    if told.ndim == 1:
        return np.asarray(1 - 2 * np.abs(told - 0.5), dtype=np.float64)
    best = np.sort(told, axis=1)[:, -2:]
    return np.asarray(1 - (best[:, 1] - best[:, 0]), dtype=np.float64)


def unusual(
    rows: pd.DataFrame, baseline: pd.DataFrame, columns: Sequence[str]
) -> NDArray[np.float64]:
    """How many of its features take a row out of what the baseline's rows are like, 0 to 1.

    A number is out of range beyond the baseline's 0.1 and 99.9 percentiles, anything else where the
    baseline has no such value; what is missing never is.

    >>> base = pd.DataFrame({"x": range(100), "c": ["a", "b"] * 50})
    >>> rows = pd.DataFrame({"x": [50, 5000, 50], "c": ["a", "z", None]})
    >>> unusual(rows, base, ["x", "c"]).round(3).tolist()
    [0.0, 0.667, 0.0]
    """
    count = np.zeros(len(rows))
    for column in columns:
        known = baseline[column].dropna()
        if known.empty:
            continue
        values = rows[column]
        if pd.api.types.is_numeric_dtype(known) and not pd.api.types.is_bool_dtype(known):
            low, high = known.astype(float).quantile([0.001, 0.999])
            numbers = pd.to_numeric(values, errors="coerce").astype("Float64")
            found = numbers.to_numpy(np.float64, na_value=np.nan)
            strange = (found < low) | (found > high)
        else:
            strange = ~values.isin(known.unique()).to_numpy(bool) & values.notna().to_numpy(bool)
        count += strange
    return np.minimum(count / UNUSUAL_FEATURES, 1.0)


def choose(
    uncertain: ArrayLike | None, strange: ArrayLike, size: int, *, seed: int = 0
) -> pd.DataFrame:
    """The rows of the queue, the most useful first.

    Args:
        uncertain: (rows,) 0 to 1; None where the model's answers do not tell (regression).
        strange: (rows,) 0 to 1.
        size: rows at most.

    Returns:
        ``row``: position; ``score``: the mean of both, 0 to 1; ``reason``: uncertain, unusual or
        chance.

    >>> choose([0.1, 0.9, 0.0], [0.0, 0.0, 1.0], 2).to_dict("list")
    {'row': [2, 1], 'score': [0.5, 0.45], 'reason': ['unusual', 'uncertain']}
    """
    unlike = np.asarray(strange, float)
    unsure = np.zeros(len(unlike)) if uncertain is None else np.asarray(uncertain, float)
    score = unlike if uncertain is None else (unlike + unsure) / 2
    by_chance = int(CHANCE * size)
    order = np.argsort(-score, kind="stable")
    best, rest = order[: size - by_chance], order[size - by_chance :]
    drawn = np.random.default_rng(seed).permutation(rest)[:by_chance]
    reasons = np.where(unlike > unsure, "unusual", "uncertain")
    return pd.DataFrame(
        {
            "row": [*best.tolist(), *drawn.tolist()],
            "score": [*score[best].tolist(), *score[drawn].tolist()],
            "reason": [*reasons[best].tolist(), *["chance"] * len(drawn)],
        }
    )
