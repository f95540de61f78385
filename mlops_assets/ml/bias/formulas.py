"""The formulas of Clarify's bias metrics, as functions of counts.

Source: AWS, "Amazon SageMaker AI Developer Guide", chapters "Pre-training Bias Metrics" and
"Post-training Data and Model Bias Metrics"; a is the advantaged facet, d the disadvantaged one.
Belongs here: arithmetic on `counts.Cells`, (..., groups, 2, 2, 2) in, (...) out, NaN where
undefined. Does not: which metric is which formula (`metrics`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from mlops_assets.ml.bias.counts import Cells

Values = NDArray[np.float64]
Amounts = Callable[[Cells], Values]

_A, _D = 0, 1


def _by_facet(cells: Cells) -> Cells:
    """(..., facet, label, prediction)."""
    return np.asarray(cells, dtype=float).sum(axis=-4)


def rows(cells: Cells) -> Values:
    """By facet: all rows."""
    return _by_facet(cells).sum(axis=(-1, -2))


def labels(value: int) -> Amounts:
    """By facet: rows with this label."""
    return lambda cells: _by_facet(cells).sum(axis=-1)[..., value]


def predictions(value: int) -> Amounts:
    """By facet: rows with this prediction."""
    return lambda cells: _by_facet(cells).sum(axis=-2)[..., value]


def pairs(label: int, prediction: int) -> Amounts:
    """By facet: rows with this label and this prediction."""
    return lambda cells: _by_facet(cells)[..., label, prediction]


def _ratio(above: Values, below: Values) -> Values:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(below > 0, above / below, np.nan)


def a_minus_d(above: Amounts, below: Amounts) -> Amounts:
    """A's ratio of two amounts less d's; NaN where one is out of none."""

    def difference(cells: Cells) -> Values:
        share = _ratio(above(cells), below(cells))
        return np.asarray(share[..., _A] - share[..., _D])

    return difference


def d_minus_a(above: Amounts, below: Amounts) -> Amounts:
    """The same the other way round."""
    return lambda cells: -a_minus_d(above, below)(cells)


def correct(cells: Cells) -> Values:
    """By facet: true positives and true negatives."""
    return pairs(1, 1)(cells) + pairs(0, 0)(cells)


def class_imbalance(cells: Cells) -> Values:
    """(n_a − n_d) / (n_a + n_d)."""
    found = rows(cells)
    return _ratio(found[..., _A] - found[..., _D], found.sum(axis=-1))


def disparate_impact(cells: Cells) -> Values:
    """d's share of positive predictions over a's."""
    share = _ratio(predictions(1)(cells), rows(cells))
    return _ratio(share[..., _D], share[..., _A])


def _distributions(cells: Cells) -> tuple[Values, Values]:
    """P_a and P_d over the labels: (..., 2) each."""
    by_label = _by_facet(cells).sum(axis=-1)
    shares = _ratio(by_label, by_label.sum(axis=-1, keepdims=True))
    return shares[..., _A, :], shares[..., _D, :]


def _divergence(p: Values, q: Values) -> Values:
    """Σ p ln(p/q), with 0 ln 0 = 0; NaN where it is infinite."""
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(p > 0, p * np.log(p / q), np.where(np.isnan(p), np.nan, 0.0))
    total = terms.sum(axis=-1)
    return np.where(np.isfinite(total), total, np.nan)


def kullback_leibler(cells: Cells) -> Values:
    """Σ P_a ln(P_a / P_d) over the labels; NaN where it is infinite."""
    return _divergence(*_distributions(cells))


def jensen_shannon(cells: Cells) -> Values:
    """The mean of both facets' divergences from the middle of the two."""
    a, d = _distributions(cells)
    middle = (a + d) / 2
    return np.asarray((_divergence(a, middle) + _divergence(d, middle)) / 2)


def norm(order: float) -> Amounts:
    """The norm of P_a − P_d over the labels."""

    def distance(cells: Cells) -> Values:
        a, d = _distributions(cells)
        return np.asarray(np.linalg.norm(a - d, ord=order, axis=-1))

    return distance


def conditional_disparity(axis: int) -> Amounts:
    """Σ n_i DD_i / n over the groups; DD = d's share of the rejected − its share of the accepted.

    A group in which nobody was rejected (or accepted) counts that share as 0, as Clarify does.
    """

    def disparity(cells: Cells) -> Values:
        outcomes = np.asarray(cells, dtype=float).sum(axis=axis)  # (..., group, facet, outcome)
        share = np.nan_to_num(_ratio(outcomes[..., _D, :], outcomes.sum(axis=-2)))
        weight = outcomes.sum(axis=(-1, -2))
        weighted = (weight * (share[..., 0] - share[..., 1])).sum(axis=-1)
        found = outcomes.sum(axis=(-3, -2))  # (..., outcome)
        return np.where((found > 0).all(axis=-1), _ratio(weighted, weight.sum(axis=-1)), np.nan)

    return disparity


def generalized_entropy(cells: Cells) -> Values:
    """alpha = 2 over the benefits b = prediction − label + 1, of both facets together."""
    both = _by_facet(cells).sum(axis=-3)
    same, lucky = both[..., 0, 0] + both[..., 1, 1], both[..., 0, 1]
    total = both.sum(axis=(-1, -2))
    mean, square = _ratio(same + 2 * lucky, total), _ratio(same + 4 * lucky, total)
    return np.asarray((_ratio(square, mean**2) - 1) / 2)


def overall(amounts: Amounts) -> Amounts:
    """What both facets together must have, told for each of them."""

    def shared(cells: Cells) -> Values:
        found = amounts(cells)
        return np.broadcast_to(found.sum(axis=-1, keepdims=True), found.shape)

    return shared
