"""SHAP values by feature: what they are, and what is made of them.

Source: Lundberg and Lee, "A Unified Approach to Interpreting Model Predictions", NeurIPS 2017.
Belongs here: the values' form, their mean sizes, the reading in probability. Does not: computing
them (`shapley`), comparing two explanations (`attribution`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Space = Literal["log-odds", "probability", "value", "margin", "logit"]
"""What adds up: log-odds of the positive class, its probability, a regression's value, what the
model's own link function turns into one, or, of one class of several, what softmax takes."""


@dataclass(frozen=True)
class Explained:
    """Rows explained: ``base + values.sum(axis=1)`` is the model's answer in ``space``.

    Args:
        columns: (c,) the features, as the artifact's spec names them.
        values: (n, c) float64, what each feature's value added.
        base: what the model answers on average, without knowing a row.
        answers: (n,) what it answers, in the space that callers see.
        label: the class that this explains the answers for, where there are several.
    """

    columns: tuple[str, ...]
    values: NDArray[np.float64]
    base: float
    space: Space
    answers: NDArray[np.float64]
    label: str = ""

    @property
    def totals(self) -> NDArray[np.float64]:
        """(n,) base and values together."""
        return np.asarray(self.base + self.values.sum(axis=1))

    def importance(self) -> dict[str, float]:
        """Mean absolute SHAP value by feature, largest first; empty without rows.

        >>> values = np.array([[1.0, -3.0], [1.0, 1.0]])
        >>> Explained(("a", "b"), values, 0.0, "value", np.zeros(2)).importance()
        {'b': 2.0, 'a': 1.0}
        """
        if not len(self.values):
            return {}
        return _ranked(self.columns, np.abs(self.values).mean(axis=0))

    def in_probability(self) -> Explained:
        """The same shares of each answer, counted in probability instead of log-odds.

        The logistic function bends, so a value in log-odds has no probability of its own; each is
        given its share of the row's whole way from the base's probability (the slope of the line
        between the two). What is not in log-odds is returned as it is; so are logits, for how
        probable a class is depends on those of the others too.

        >>> told = Explained(("a", "b"), np.array([[2.0, -2.0]]), 0.0, "log-odds", np.array([0.5]))
        >>> told.in_probability().values.tolist()
        [[0.5, -0.5]]
        """
        if self.space != "log-odds":
            return self
        base = float(_logistic(np.array(self.base)))
        way = self.values.sum(axis=1)
        there = _logistic(self.totals)
        with np.errstate(divide="ignore", invalid="ignore"):
            slope = np.where(np.abs(way) > 1e-9, (there - base) / way, base * (1 - base))
        return Explained(
            self.columns, self.values * slope[:, None], base, "probability", self.answers
        )


def importance(explained: Sequence[Explained]) -> dict[str, float]:
    """Mean absolute SHAP value by feature over all classes, largest first; as that of the one
    explanation where there is one.

    >>> one = Explained(("a", "b"), np.array([[1.0, -3.0]]), 0.0, "value", np.zeros(1))
    >>> other = Explained(("a", "b"), np.array([[-4.0, 0.0]]), 0.0, "value", np.zeros(1))
    >>> importance([one, other])
    {'a': 2.5, 'b': 1.5}
    """
    found = [one.importance() for one in explained]
    if not all(found):
        return {}
    columns = explained[0].columns
    return _ranked(columns, np.mean([[sizes[c] for c in columns] for sizes in found], axis=0))


def most_moved(explained: Sequence[Explained], column: str) -> int:
    """The place of the explanation, that is of the class, whose answers a feature moves most."""
    return int(np.argmax([one.importance().get(column, 0.0) for one in explained]))


def most_answered(explained: Sequence[Explained]) -> int:
    """The place of the class that is the most probable one of most rows; 0 where there is one."""
    answers = np.column_stack([one.answers for one in explained])
    return int(np.bincount(answers.argmax(axis=1), minlength=len(explained)).argmax())


def _ranked(columns: Sequence[str], sizes: NDArray[np.float64]) -> dict[str, float]:
    pairs = sorted(zip(columns, sizes.tolist(), strict=True), key=lambda p: (-p[1], p[0]))
    return dict(pairs)


def _logistic(margin: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-margin)))
