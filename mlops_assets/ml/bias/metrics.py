"""Amazon SageMaker Clarify's bias metrics by name.

Source of every formula: AWS, "Amazon SageMaker AI Developer Guide", chapters "Pre-training Bias
Metrics" and "Post-training Data and Model Bias Metrics" ("Amazon SageMaker Clarify, Fairness
measures"). There a is the advantaged facet, d the disadvantaged one: a positive DPL or DPPL
says that d has the smaller share of positive labels, whether those are good or bad.

Belongs here: which metric is which formula, what it needs, what would be fair. Does not: the
arithmetic (`formulas`), values with their intervals (`measured`), the flip test, which needs the
rows themselves (`flip`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from mlops_assets.ml.bias import formulas
from mlops_assets.ml.bias.formulas import Amounts


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


_ROWS: Mapping[str, Amounts] = {"rows": formulas.rows}
_POSITIVE_LABELS = {**_ROWS, "positive labels": formulas.labels(1)}
_NEGATIVE_LABELS = {**_ROWS, "negative labels": formulas.labels(0)}
_POSITIVE = {**_ROWS, "positive predictions": formulas.predictions(1)}
_NEGATIVE = {**_ROWS, "negative predictions": formulas.predictions(0)}


def _pre(name: str, title: str, of: Amounts, **options: object) -> Metric:
    return Metric(name, title, of, _ROWS, predictions=False, **options)  # type: ignore[arg-type]


PRE_TRAINING: Mapping[str, Metric] = MappingProxyType(
    {
        metric.name: metric
        for metric in (
            _pre("CI", "Class Imbalance", formulas.class_imbalance, labels=False),
            _pre(
                "DPL",
                "Difference in Positive Proportions in Labels",
                formulas.a_minus_d(formulas.labels(1), formulas.rows),
            ),
            _pre(
                "KL",
                "Kullback-Leibler Divergence",
                formulas.kullback_leibler,
                otherwise="infinite: the disadvantaged rows lack a label that the others have",
            ),
            _pre("JS", "Jensen-Shannon Divergence", formulas.jensen_shannon),
            _pre("LP", "L-p Norm", formulas.norm(2)),
            _pre("TVD", "Total Variation Distance", lambda cells: formulas.norm(1)(cells) / 2),
            _pre("KS", "Kolmogorov-Smirnov Distance", formulas.norm(np.inf)),
            Metric(
                "CDDL",
                "Conditional Demographic Disparity in Labels",
                formulas.conditional_disparity(-1),
                {
                    **_ROWS,
                    "positive labels": formulas.overall(formulas.labels(1)),
                    "negative labels": formulas.overall(formulas.labels(0)),
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
                formulas.a_minus_d(formulas.predictions(1), formulas.rows),
                _ROWS,
                labels=False,
            ),
            Metric(
                "DI",
                "Disparate Impact",
                formulas.disparate_impact,
                _POSITIVE,
                labels=False,
                fair=1.0,
                floor=0.2,
            ),
            Metric(
                "DCAcc",
                "Difference in Conditional Acceptance",
                formulas.a_minus_d(formulas.labels(1), formulas.predictions(1)),
                _POSITIVE,
                floor=0.2,
                relative=True,
            ),
            Metric(
                "DCR",
                "Difference in Conditional Rejection",
                formulas.d_minus_a(formulas.labels(0), formulas.predictions(0)),
                _NEGATIVE,
                floor=0.2,
                relative=True,
            ),
            Metric(
                "SD",
                "Specificity Difference",
                formulas.d_minus_a(formulas.pairs(0, 0), formulas.labels(0)),
                _NEGATIVE_LABELS,
            ),
            Metric(
                "RD",
                "Recall Difference",
                formulas.a_minus_d(formulas.pairs(1, 1), formulas.labels(1)),
                _POSITIVE_LABELS,
            ),
            Metric(
                "DAR",
                "Difference in Acceptance Rates",
                formulas.a_minus_d(formulas.pairs(1, 1), formulas.predictions(1)),
                _POSITIVE,
            ),
            Metric(
                "DRR",
                "Difference in Rejection Rates",
                formulas.d_minus_a(formulas.pairs(0, 0), formulas.predictions(0)),
                _NEGATIVE,
            ),
            Metric(
                "AD",
                "Accuracy Difference",
                formulas.a_minus_d(formulas.correct, formulas.rows),
                _ROWS,
            ),
            Metric(
                "TE",
                "Treatment Equality",
                formulas.d_minus_a(formulas.pairs(1, 0), formulas.pairs(0, 1)),
                {**_ROWS, "false positives": formulas.pairs(0, 1)},
                floor=0.5,
                relative=True,
            ),
            Metric(
                "CDDPL",
                "Conditional Demographic Disparity in Predicted Labels",
                formulas.conditional_disparity(-2),
                {
                    **_ROWS,
                    "positive predictions": formulas.overall(formulas.predictions(1)),
                    "negative predictions": formulas.overall(formulas.predictions(0)),
                },
                labels=False,
                groups=True,
            ),
            Metric(
                "GE",
                "Generalized Entropy",
                formulas.generalized_entropy,
                {"rows": formulas.overall(formulas.rows)},
                otherwise="every row is a false negative",
            ),
        )
    }
)

FLIP_TEST = "FT"
NAMES: tuple[str, ...] = (*PRE_TRAINING, *POST_TRAINING, FLIP_TEST)
"""All of Clarify's bias metrics, as a gate may name them."""
