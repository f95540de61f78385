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

_REPEATS = 200


@dataclass(frozen=True)
class SliceQuality:
    """How much better than its own mean a slice is answered, above 0 is better, with 95 %."""

    column: str
    value: str
    rows: int
    gain: float
    low: float
    high: float

    @property
    def sufficient(self) -> bool:
        return self.low > 0


def of_slices(
    metric: str, y: ArrayLike, p: ArrayLike, slices: pd.DataFrame, min_rows: int
) -> list[SliceQuality]:
    """Each value of each column with at least ``min_rows`` rows and more than one label.

    y, p: (n,); slices: (n, columns), by position.

    >>> y = [0, 1] * 50
    >>> found = of_slices("log_loss", y, [0.1, 0.9] * 50, pd.DataFrame({"s": ["a"] * 100}), 10)
    >>> found[0].value, found[0].sufficient
    ('a', True)
    """
    truth, answers = np.asarray(y, float), np.asarray(p, float)
    found = []
    for column in slices.columns:
        codes, values = pd.factorize(slices[column], sort=True, use_na_sentinel=True)
        for code in (*range(len(values)), -1):
            mine = codes == code
            if mine.sum() < max(min_rows, 2) or len(np.unique(truth[mine])) < 2:
                continue
            mean = np.full(int(mine.sum()), truth[mine].mean())
            better = paired_bootstrap(metric, truth[mine], answers[mine], mean, repeats=_REPEATS)
            sign = -1.0 if metric in LOWER_IS_BETTER else 1.0
            low, high = sorted((sign * better.low, sign * better.high))
            name = "missing" if code == -1 else str(values[code])
            found.append(
                SliceQuality(
                    str(column), name, int(mine.sum()), sign * better.value, float(low), float(high)
                )
            )
    return found
