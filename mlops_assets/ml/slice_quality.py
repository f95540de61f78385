"""Is a model good enough on each slice? Better than answering the slice's own mean.

A bound on a metric does not fit all slices: where more events happen, every log-loss is larger. To
beat the slice's own mean is asked of all of them alike. Belongs here: that comparison. Does not
belong here: which slices matter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from mlops_assets.ml.compare import paired_bootstrap
from mlops_assets.ml.metrics import LOWER_IS_BETTER
from mlops_assets.ml.pooling import Estimate

_REPEATS = 200


@dataclass(frozen=True)
class SliceQuality:
    """How much better than its own mean a slice is answered; above 0 is better."""

    column: str
    value: str
    gain: Estimate

    @property
    def name(self) -> str:
        """``carrier = FL``."""
        return f"{self.column} = {self.value}"

    @property
    def sufficient(self) -> bool:
        """Whether the whole 95 % interval is above 0."""
        return self.gain.low > 0


def of_slices(
    metric: str,
    y: ArrayLike,
    p: ArrayLike,
    slices: pd.DataFrame,
    min_rows: int,
    *,
    blocks: np.ndarray | None = None,
) -> list[SliceQuality]:
    """Each value of each column with at least ``min_rows`` rows and more than one label.

    y: (n,); p: (n,), or (n, k) of k classes that y holds the numbers of; slices: (n, columns), by
    position; blocks: (n,), drawn as a whole, as `ml.compare.paired_bootstrap` takes them. A slice
    within a single block is left out.

    >>> y = [0, 1] * 50
    >>> found = of_slices("log_loss", y, [0.1, 0.9] * 50, pd.DataFrame({"s": ["a"] * 100}), 10)
    >>> found[0].name, found[0].sufficient
    ('s = a', True)
    """
    truth, answers = np.asarray(y, float), np.asarray(p, float)
    found = []
    for column in slices.columns:
        codes, values = pd.factorize(slices[column], sort=True, use_na_sentinel=True)
        for code in (*range(len(values)), -1):
            mine = codes == code
            if mine.sum() < max(min_rows, 2) or len(np.unique(truth[mine])) < 2:
                continue
            within = None if blocks is None else blocks[mine]
            if within is not None and len(np.unique(within)) < 2:
                continue
            better = paired_bootstrap(
                metric,
                truth[mine],
                answers[mine],
                _own_mean(truth[mine], answers[mine]),
                repeats=_REPEATS,
                blocks=within,
            )
            sign = -1.0 if metric in LOWER_IS_BETTER else 1.0
            low, high = sorted((sign * better.low, sign * better.high))
            name = "missing" if code == -1 else str(values[code])
            gain = Estimate(int(mine.sum()), sign * better.value, float(low), float(high))
            found.append(SliceQuality(str(column), name, gain))
    return found


def _own_mean(truth: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """What knows nothing but the slice answers: its mean, or the shares of its classes."""
    if answers.ndim == 1:
        return np.full(len(truth), truth.mean())
    shares = np.bincount(truth.astype(int), minlength=answers.shape[1]) / len(truth)
    return np.tile(shares, (len(truth), 1))
