"""Baselines and findings in SageMaker Model Monitor's files, for tools that read those.

Here: constraints.json and constraint_violations.json, as dictionaries. Not here: statistics.json
(`ml.profiles`), how anything is found (`compare`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, TypeGuard

from mlops_assets.ml.drift.policy import Drift
from mlops_assets.ml.drift.report import Finding, Kind
from mlops_assets.ml.profiles.categorical import ALL, CategoricalProfile
from mlops_assets.ml.profiles.numeric import NumericProfile
from mlops_assets.ml.profiles.profile import ColumnProfile, Profile

_CHECKS: dict[Kind, str] = {
    "drift": "baseline_drift_check",
    "range": "baseline_drift_check",
    "unit": "baseline_drift_check",
    "sentinel": "baseline_drift_check",
    "clipped": "baseline_drift_check",
    "constant": "baseline_drift_check",
    "missing": "completeness_check",
    "filled": "completeness_check",
    "all_null": "completeness_check",
    "category": "categorical_values_check",
    "recoded": "categorical_values_check",
    "incomparable": "data_type_check",
    "schema": "data_type_check",
}
_MOST_LEVELS = 200


def constraints(
    baseline: Profile, policy: Drift, *, columns: Collection[str] | None = None
) -> dict[str, Any]:
    """constraints.json: what the baseline promises of each column, and the policy's bounds.

    ``comparison_method`` is Simple, the largest difference of the distribution functions.
    """
    features = []
    for name, column in baseline.columns.items():
        if columns is not None and name not in columns:
            continue
        feature: dict[str, Any] = {
            "name": name,
            "inferred_type": _type(column),
            "completeness": 1 - column.missing / column.rows if column.rows else 0.0,
        }
        if isinstance(column, NumericProfile) and column.present:
            feature["num_constraints"] = {"is_non_negative": column.minimum >= 0}
        elif _listed(column):
            feature["string_constraints"] = {"domains": sorted(column.counts)}
        features.append(feature)
    return {
        "version": 0,
        "features": features,
        "monitoring_config": {
            "evaluate_constraints": "Enabled",
            "emit_metrics": "Enabled",
            "datatype_check_threshold": 1.0,
            "domain_content_threshold": 1.0 - policy.thresholds.strange,
            "distribution_constraints": {
                "perform_comparison": "Enabled",
                "comparison_threshold": policy.thresholds.ks,
                "comparison_method": "Simple",
                "categorical_comparison_threshold": policy.thresholds.categories,
                "categorical_drift_method": "ChiSquared",
            },
        },
    }


def violations(findings: Iterable[Finding], window: Profile, baseline: Profile) -> dict[str, Any]:
    """constraint_violations.json: the findings about columns, as Model Monitor calls them."""
    return {
        "violations": [
            {
                "feature_name": finding.column,
                "constraint_check_type": _check(finding, window, baseline),
                "description": finding.words,
            }
            for finding in findings
            if finding.column is not None and finding.kind in _CHECKS
        ]
    }


def _check(finding: Finding, window: Profile, baseline: Profile) -> str:
    if finding.column not in window.columns:
        return "missing_column_check"
    if finding.column not in baseline.columns:
        return "extra_column_check"
    return _CHECKS[finding.kind]


def _listed(column: ColumnProfile) -> TypeGuard[CategoricalProfile]:
    """Whether all categories are known, and few enough to be listed."""
    categories = isinstance(column, CategoricalProfile) and column.reach == ALL
    return categories and 0 < len(column.counts) <= _MOST_LEVELS  # type: ignore[union-attr]


def _type(column: ColumnProfile) -> str:
    if isinstance(column, NumericProfile):
        return "Integral" if column.whole else "Fractional"
    return "String" if isinstance(column, CategoricalProfile) else "Unknown"
