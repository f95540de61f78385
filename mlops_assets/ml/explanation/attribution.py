"""Feature attribution drift, as Clarify measures it: do the same features matter in the same order?

Source: AWS, "Amazon SageMaker AI Developer Guide", "Feature attribution drift for models in
production"; the score is NDCG (Järvelin and Kekäläinen, ACM TOIS 2002). Belongs here: the score and
Clarify's JSON of attributions and dependence. Does not: the SHAP values (`shapley`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mlops_assets.ml.explanation.dependence import Dependence

LEAST_NDCG = 0.9
"""Clarify's threshold: an alarm below it."""


def ndcg(baseline: Mapping[str, float], now: Mapping[str, float]) -> float | None:
    """Σ a(f'_i)/log2(i+1) over Σ a(f_i)/log2(i+1), where a is the feature's attribution at the
    baseline, f the features by rank then, f' by rank now: 1 for the same order, less the more the
    features that mattered have fallen. None where nothing mattered at the baseline.

    A feature that either side lacks has attribution 0 there.

    >>> training = {"SAT": 0.70, "GPA": 0.50, "class rank": 0.05}
    >>> ndcg(training, training)
    1.0
    >>> round(ndcg(training, {"SAT": 0.10, "GPA": 0.20, "class rank": 0.70}), 3)
    0.688
    """
    names = sorted({*baseline, *now})
    gains = np.array([baseline.get(name, 0.0) for name in names])
    if not gains.sum() > 0:
        return None
    ranks = np.array([now.get(name, 0.0) for name in names])
    discounts = 1 / np.log2(np.arange(len(names)) + 2)
    # Features that matter alike now are as good in either order: the baseline's decides.
    order = np.lexsort((-gains, -ranks))
    score = (gains[order] * discounts).sum() / (np.sort(gains)[::-1] * discounts).sum()
    return float(score)


def violations(label: str, score: float | None) -> dict[str, Any]:
    """constraint_violations.json of an explainability monitor.

    >>> violations("label0", 0.5)["violations"][0]["description"]
    'Feature attribution drift 0.5 exceeds threshold 0.9'
    """
    drifted = score is not None and score < LEAST_NDCG
    entry = {
        "label": label,
        "metric_name": "shap",
        "constraint_check_type": "feature_attribution_drift_check",
        "description": f"Feature attribution drift {score} exceeds threshold {LEAST_NDCG}",
    }
    return {"version": "1.0", "violations": [entry] if drifted else []}


def analysis(
    told: Mapping[str, tuple[Mapping[str, float], float]], curves: Sequence[Dependence] = ()
) -> dict[str, Any]:
    """The section ``explanations`` of Clarify's analysis.json.

    Args:
        told: {label, or name of a class: (importance by feature, the base)}, one entry for each
            output of the model.

    ``kernel_shap`` is the name under which its readers look for SHAP values, however computed.
    """
    explanations: dict[str, Any] = {
        "kernel_shap": {
            label: {"global_shap_values": dict(importance), "expected_value": base}
            for label, (importance, base) in told.items()
        }
    }
    if curves:
        explanations["pdp"] = [
            {
                "feature_name": curve.column,
                "data_type": "numerical" if curve.numeric else "categorical",
                "feature_values": list(curve.values),
                "model_predictions": [list(curve.answers)],
                **({"label": curve.label} if curve.label else {}),
                "data_distribution": list(curve.rows),
            }
            for curve in curves
        ]
    return {"version": "1.0", "explanations": explanations}
