"""Does each feature help? Permutation importance on held-out rows, with intervals.

A feature's values are shuffled among the rows; what the model then answers worse is what the
feature is worth to it (Breiman, "Random Forests", Machine Learning 45, 2001, section 10). Features
that tell the same thing stand in for each other, so they are shuffled together, as a group. A
feature of noise is worth nothing on average, for shuffled it is the noise that it was.

Belongs here: the groups, the permutation and its interval. Does not belong here: the model, nor
what follows from a feature that does not help.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from mlops_assets.ml.compare import paired_bootstrap
from mlops_assets.ml.metrics import LOWER_IS_BETTER
from mlops_assets.ml.pooling import Estimate

Answer = Callable[[pd.DataFrame], np.ndarray]
_REPEATS = 200
_SAME = 0.9


@dataclass(frozen=True)
class Benefit:
    """What a group of features is worth: the loss of quality without it, above 0 is worth."""

    group: str
    features: tuple[str, ...]
    worth: Estimate

    @property
    def helps(self) -> bool:
        """Whether the whole 95 % interval is above 0."""
        return self.worth.low > 0


def groups(rows: pd.DataFrame, *, same: float = _SAME) -> dict[str, tuple[str, ...]]:
    """Features that stand in for each other, by the first one's name.

    Two numeric features do where their ranks correlate by ``same`` or more (Spearman), directly or
    through others; other features stand alone.

    >>> rows = pd.DataFrame({"a": [1, 2, 3, 4], "b": [2, 4, 6, 9], "c": [1, 9, 2, 3]})
    >>> groups(rows)
    {'a': ('a', 'b'), 'c': ('c',)}
    """
    numeric = [c for c in rows.columns if pd.api.types.is_numeric_dtype(rows[c].dtype)]
    linked = rows[numeric].astype(float).corr("spearman").abs().fillna(0.0).to_numpy() >= same
    leader: dict[str, str] = {}
    for place, name in enumerate(numeric):
        if name in leader:
            continue
        reached, waiting = {place}, [place]
        while waiting:
            for other in np.flatnonzero(linked[waiting.pop()]).tolist():
                if other not in reached:
                    reached.add(other)
                    waiting.append(other)
        leader |= {numeric[other]: name for other in reached}
    found: dict[str, tuple[str, ...]] = {}
    for column in map(str, rows.columns):
        first = leader.get(column, column)
        found[first] = (*found.get(first, ()), column)
    return found


def benefits(
    answer: Answer,
    rows: pd.DataFrame,
    truth: ArrayLike,
    metric: str,
    grouped: Mapping[str, Sequence[str]],
    *,
    blocks: np.ndarray | None = None,
    seed: int = 0,
) -> list[Benefit]:
    """Each group's worth on the rows, the most valuable first; deterministic in ``seed``.

    Args:
        answer: the model: (n, features) frame to (n,) answers.
        rows: held out, (n, features).
        truth: (n,) labels.
        metric: by name, as `ml.compare.paired_bootstrap` takes it.
        blocks: (n,) of what each row belongs to, such as its day, where rows of one are no
            evidence independent of each other.

    Raises:
        ValueError: the metric refuses the labels or answers.
    """
    whole = answer(rows)
    rng = np.random.default_rng(seed)
    found = []
    for group, features in grouped.items():
        order = rng.permutation(len(rows))
        shuffled = rows.copy()
        for feature in features:
            # The rows' own index: assigned by position, not aligned back into its old order.
            shuffled[feature] = rows[feature].take(order).set_axis(rows.index)
        lost = paired_bootstrap(
            metric, truth, answer(shuffled), whole, repeats=_REPEATS, blocks=blocks
        )
        value, low, high = lost.value, lost.low, lost.high
        if metric not in LOWER_IS_BETTER:
            value, low, high = -value, -high, -low
        found.append(Benefit(group, tuple(features), Estimate(len(rows), value, low, high)))
    return sorted(found, key=lambda benefit: (-benefit.worth.value, benefit.group))
