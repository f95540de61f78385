"""Bias in Clarify's JSON: analysis.json, and the violations of a bias monitor.

Formats: AWS, "Amazon SageMaker AI Developer Guide", "Analysis Results" and "Bias Drift Violations".
Belongs here: the form. Does not: measuring (`measured`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mlops_assets.ml.bias.measured import Measured, Worse

VERSION = "1.0"


@dataclass(frozen=True)
class FacetAnalysis:
    """What was measured of one facet: ``value`` as `facets.written` gives it."""

    column: str
    value: str
    pre_training: Sequence[Measured]
    post_training: Sequence[Measured]


def analysis(label: str, positive: str, facets: Sequence[FacetAnalysis]) -> dict[str, Any]:
    """analysis.json: `label` is the label's column, `positive` what counts as a positive one.

    >>> measured = Measured("CI", "Class Imbalance (CI)", 0.5)
    >>> made = analysis("late", "1", [FacetAnalysis("carrier", "9E", [measured], [])])
    >>> made["pre_training_bias_metrics"]["facets"]["carrier"][0]["metrics"]
    [{'name': 'CI', 'description': 'Class Imbalance (CI)', 'value': 0.5}]
    """
    return {
        "version": VERSION,
        "pre_training_bias_metrics": _section(
            label, positive, [(f.column, f.value, f.pre_training) for f in facets]
        ),
        "post_training_bias_metrics": _section(
            label, positive, [(f.column, f.value, f.post_training) for f in facets]
        ),
    }


def violations(found: Sequence[tuple[str, str, Worse]]) -> dict[str, Any]:
    """constraint_violations.json of a bias monitor, from (facet, its value, what got worse)."""
    return {
        "version": VERSION,
        "violations": [
            {
                "facet": column,
                "facet_value": value,
                "metric_name": worse.name,
                "constraint_check_type": "bias_drift_check",
                "description": (
                    f"Metric value {worse.value:.6g} doesn't meet the baseline constraint "
                    f"requirement {worse.baseline:.6g}"
                ),
            }
            for column, value, worse in found
        ],
    }


def _section(
    label: str, positive: str, facets: Sequence[tuple[str, str, Sequence[Measured]]]
) -> dict[str, Any]:
    by_column: dict[str, list[dict[str, Any]]] = {}
    for column, value, measured in facets:
        metrics = [_metric(one) for one in measured]
        by_column.setdefault(column, []).append({"value_or_threshold": value, "metrics": metrics})
    return {"label": label, "label_value_or_threshold": positive, "facets": by_column}


def _metric(measured: Measured) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": measured.name,
        "description": measured.description,
        "value": measured.value,
    }
    if measured.error:
        entry["error"] = measured.error
    return entry
