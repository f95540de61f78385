"""Amazon SageMaker Clarify's bias metrics, as functions of counts.

Source of every formula: AWS, "Amazon SageMaker AI Developer Guide", chapters "Pre-training Bias
Metrics" and "Post-training Data and Model Bias Metrics" ("Amazon SageMaker Clarify, Fairness
measures"). There a is the advantaged facet, d the disadvantaged one; a positive difference says
that d is worse off, if a positive label is something good.

Belongs here: the definitions, and when each is undefined. Does not: values with their intervals
(`measured`), the flip test, which needs the rows themselves (`flip`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from mlops_assets.ml.bias.counts import Cells

Values = NDArray[np.float64]
Amounts = Callable[[Cells], Values]

_A, _D = 0, 1


@dataclass(frozen=True)
class Metric:
    """One of Clarify's metrics.

    Args:
        of: cells (..., groups, 2, 2, 2) to values (...), NaN where undefined.
        needs: {what: how many there are by facet (..., 2)}; without one the metric is undefined.
        fair: the value that treats both facets alike.
        floor: a difference of two values below which nobody should care.
        relative: the floor is a share of the older value, if that is larger than 1.
        otherwise: why it is undefined although nothing that it needs is missing.
    """

    name: str
    title: str
    of: Amounts
    needs: Mapping[str, Amounts]
    labels: bool = True
    predictions: bool = True
    groups: bool = False
    fair: float = 0.0
    floor: float = 0.05
    relative: bool = False
    otherwise: str = "undefined on these rows"

    @property
    def description(self) -> str:
        """As Clarify's reports write it: ``Class Imbalance (CI)``."""
        return f"{self.title} ({self.name})"


def _by_facet(cells: Cells) -> Cells:
    """(..., facet, label, prediction)."""
    return np.asarray(cells, dtype=float).sum(axis=-4)


def _rows(cells: Cells) -> Values:
    return _by_facet(cells).sum(axis=(-1, -2))


def _labels(value: int) -> Amounts:
    return lambda cells: _by_facet(cells).sum(axis=-1)[..., value]


def _predictions(value: int) -> Amounts:
    return lambda cells: _by_facet(cells).sum(axis=-2)[..., value]


def _pairs(label: int, prediction: int) -> Amounts:
    return lambda cells: _by_facet(cells)[..., label, prediction]


def _ratio(above: Values, below: Values) -> Values:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(below > 0, above / below, np.nan)


def _a_minus_d(above: Amounts, below: Amounts) -> Amounts:
    def difference(cells: Cells) -> Values:
        share = _ratio(above(cells), below(cells))
        return np.asarray(share[..., _A] - share[..., _D])

    return difference


def _d_minus_a(above: Amounts, below: Amounts) -> Amounts:
    return lambda cells: -_a_minus_d(above, below)(cells)


def _correct(cells: Cells) -> Values:
    return _pairs(1, 1)(cells) + _pairs(0, 0)(cells)


def _class_imbalance(cells: Cells) -> Values:
    rows = _rows(cells)
    return _ratio(rows[..., _A] - rows[..., _D], rows.sum(axis=-1))


def _disparate_impact(cells: Cells) -> Values:
    share = _ratio(_predictions(1)(cells), _rows(cells))
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


def _kl(cells: Cells) -> Values:
    return _divergence(*_distributions(cells))


def _js(cells: Cells) -> Values:
    a, d = _distributions(cells)
    middle = (a + d) / 2
    return np.asarray((_divergence(a, middle) + _divergence(d, middle)) / 2)


def _norm(order: float) -> Amounts:
    def distance(cells: Cells) -> Values:
        a, d = _distributions(cells)
        return np.asarray(np.linalg.norm(a - d, ord=order, axis=-1))

    return distance


def _conditional_disparity(axis: int) -> Amounts:
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


def _generalized_entropy(cells: Cells) -> Values:
    """alpha = 2 over the benefits b = prediction − label + 1, of both facets together."""
    both = _by_facet(cells).sum(axis=-3)
    same, lucky = both[..., 0, 0] + both[..., 1, 1], both[..., 0, 1]
    rows = both.sum(axis=(-1, -2))
    mean, square = _ratio(same + 2 * lucky, rows), _ratio(same + 4 * lucky, rows)
    return np.asarray((_ratio(square, mean**2) - 1) / 2)


def _overall(amounts: Amounts) -> Amounts:
    """What both facets together must have, told for each of them."""

    def shared(cells: Cells) -> Values:
        found = amounts(cells)
        return np.broadcast_to(found.sum(axis=-1, keepdims=True), found.shape)

    return shared


_ROWS: Mapping[str, Amounts] = {"rows": _rows}
_POSITIVE_LABELS = {**_ROWS, "positive labels": _labels(1)}
_NEGATIVE_LABELS = {**_ROWS, "negative labels": _labels(0)}
_POSITIVE = {**_ROWS, "positive predictions": _predictions(1)}
_NEGATIVE = {**_ROWS, "negative predictions": _predictions(0)}


def _pre(name: str, title: str, of: Amounts, **options: object) -> Metric:
    return Metric(name, title, of, _ROWS, predictions=False, **options)  # type: ignore[arg-type]


PRE_TRAINING: Mapping[str, Metric] = MappingProxyType(
    {
        metric.name: metric
        for metric in (
            _pre("CI", "Class Imbalance", _class_imbalance, labels=False),
            _pre(
                "DPL",
                "Difference in Positive Proportions in Labels",
                _a_minus_d(_labels(1), _rows),
            ),
            _pre(
                "KL",
                "Kullback-Leibler Divergence",
                _kl,
                otherwise="infinite: the disadvantaged rows lack a label that the others have",
            ),
            _pre("JS", "Jensen-Shannon Divergence", _js),
            _pre("LP", "L-p Norm", _norm(2)),
            _pre("TVD", "Total Variation Distance", lambda cells: _norm(1)(cells) / 2),
            _pre("KS", "Kolmogorov-Smirnov Distance", _norm(np.inf)),
            Metric(
                "CDDL",
                "Conditional Demographic Disparity in Labels",
                _conditional_disparity(-1),
                {
                    **_ROWS,
                    "positive labels": _overall(_labels(1)),
                    "negative labels": _overall(_labels(0)),
                },
                predictions=False,
                groups=True,
            ),
        )
    }
)

POST_TRAINING: Mapping[str, Metric] = MappingProxyType(
    {
        metric.name: metric
        for metric in (
            Metric(
                "DPPL",
                "Difference in Positive Proportions in Predicted Labels",
                _a_minus_d(_predictions(1), _rows),
                _ROWS,
                labels=False,
            ),
            Metric(
                "DI",
                "Disparate Impact",
                _disparate_impact,
                _POSITIVE,
                labels=False,
                fair=1.0,
                floor=0.2,
            ),
            Metric(
                "DCAcc",
                "Difference in Conditional Acceptance",
                _a_minus_d(_labels(1), _predictions(1)),
                _POSITIVE,
                floor=0.2,
                relative=True,
            ),
            Metric(
                "DCR",
                "Difference in Conditional Rejection",
                _d_minus_a(_labels(0), _predictions(0)),
                _NEGATIVE,
                floor=0.2,
                relative=True,
            ),
            Metric(
                "SD",
                "Specificity Difference",
                _d_minus_a(_pairs(0, 0), _labels(0)),
                _NEGATIVE_LABELS,
            ),
            Metric(
                "RD", "Recall Difference", _a_minus_d(_pairs(1, 1), _labels(1)), _POSITIVE_LABELS
            ),
            Metric(
                "DAR",
                "Difference in Acceptance Rates",
                _a_minus_d(_pairs(1, 1), _predictions(1)),
                _POSITIVE,
            ),
            Metric(
                "DRR",
                "Difference in Rejection Rates",
                _d_minus_a(_pairs(0, 0), _predictions(0)),
                _NEGATIVE,
            ),
            Metric("AD", "Accuracy Difference", _a_minus_d(_correct, _rows), _ROWS),
            Metric(
                "TE",
                "Treatment Equality",
                _d_minus_a(_pairs(1, 0), _pairs(0, 1)),
                {**_ROWS, "false positives": _pairs(0, 1)},
                floor=0.5,
                relative=True,
            ),
            Metric(
                "CDDPL",
                "Conditional Demographic Disparity in Predicted Labels",
                _conditional_disparity(-2),
                {
                    **_ROWS,
                    "positive predictions": _overall(_predictions(1)),
                    "negative predictions": _overall(_predictions(0)),
                },
                labels=False,
                groups=True,
            ),
            Metric(
                "GE",
                "Generalized Entropy",
                _generalized_entropy,
                {"rows": _overall(_rows)},
                otherwise="every row is a false negative",
            ),
        )
    }
)

FLIP_TEST = "FT"
NAMES: tuple[str, ...] = (*PRE_TRAINING, *POST_TRAINING, FLIP_TEST)
"""All of Clarify's bias metrics, as a gate may name them."""
