"""SageMaker's files, pictures, and the classifier."""

import dataclasses
import json
from typing import get_args

import numpy as np
import pandas as pd
import pytest

from benchmarks.drift.data import FAULTS, frame
from mlops_assets.assets.monitoring.drifting.records import FindingKind
from mlops_assets.ml.drift import plots
from mlops_assets.ml.drift.classifier import domain_auc
from mlops_assets.ml.drift.compare import compare
from mlops_assets.ml.drift.constraints import constraints, violations
from mlops_assets.ml.drift.policy import Drift, Thresholds
from mlops_assets.ml.drift.report import Kind
from mlops_assets.ml.profiles.profile import fit_grids, profile


def test_every_kind_can_be_recorded():
    """The record's kinds and the comparison's live in different layers."""
    assert set(get_args(Kind)) <= set(get_args(FindingKind))


@pytest.mark.parametrize(
    "wrong", [{"ks": 0}, {"missing": 1.5}, {"shift": -0.1}], ids=lambda w: next(iter(w))
)
def test_a_threshold_is_a_share(wrong):
    with pytest.raises(ValueError, match=f"drift.{next(iter(wrong))}"):
        Thresholds(**wrong)


@pytest.fixture(scope="module")
def sides():
    rng = np.random.default_rng(5)
    window, before = frame(rng, 3000), frame(rng, 3000)
    window = window.drop(columns="hour").assign(added=1.0, flag=1.0, normal=window["normal"] + 1)
    window = FAULTS["half of it missing"][1](window.assign(uniform=window["uniform"]), rng)
    window = FAULTS["new category 1 %"][1](window, rng)
    grids = fit_grids(before)
    return profile(window, grids), profile(before, grids)


def test_violations_have_sagemakers_names(sides):
    report = compare(*sides)
    told = violations(report.findings, *sides)
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    checks = {(v["feature_name"], v["constraint_check_type"]) for v in told["violations"]}
    assert checks == {
        ("hour", "missing_column_check"),
        ("added", "extra_column_check"),
        ("flag", "data_type_check"),
        ("normal", "completeness_check"),
        ("normal", "baseline_drift_check"),
        ("twelve", "categorical_values_check"),
    }


def test_constraints_tell_what_the_baseline_promises(sides):
    told = constraints(sides[1], Drift())
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    features = {feature["name"]: feature for feature in told["features"]}
    assert features["lognormal"]["num_constraints"] == {"is_non_negative": True}
    assert features["normal"]["num_constraints"] == {"is_non_negative": False}
    assert features["hour"]["inferred_type"] == "Integral"
    assert features["flag"]["string_constraints"]["domains"] == ["level 000", "level 001"]
    assert 0.9 < features["amount"]["completeness"] < 0.98
    assert told["monitoring_config"]["distribution_constraints"]["comparison_threshold"] == 0.06


@pytest.mark.integration
def test_pictures_are_drawn_of_anything(sides):
    report = compare(*sides)
    pictures = [plots.strength(report.measures), plots.strength(())]
    pictures += [plots.column(name, *sides) for name in ("normal", "twelve", "flag", "hour")]
    assert all(picture.startswith(b"\x89PNG") for picture in pictures)


@pytest.mark.integration
def test_the_classifier_sees_a_permuted_join_and_nothing_in_whole_rows():
    rng = np.random.default_rng(6)
    rows = [_joined(rng) for _ in range(2)]
    assert domain_auc(*rows) < 0.55
    permuted = rows[0].assign(
        weather=rng.permutation(rows[0]["weather"]), town=rng.permutation(rows[0]["town"])
    )
    assert domain_auc(permuted, rows[1]) > 0.75
    assert domain_auc(permuted, rows[1]) == domain_auc(permuted, rows[1]), "the same each time"


def _joined(rng: np.random.Generator) -> pd.DataFrame:
    hour = rng.integers(0, 24, 3000)
    return pd.DataFrame(
        {
            "hour": hour,
            "weather": 10 + np.sin(hour / 4) * 8 + rng.normal(0, 1, 3000),
            "town": np.where(hour > 12, "east", "west"),
            "at": pd.Timestamp("2024-03-01", tz="UTC") + pd.to_timedelta(rng.random(3000), "h"),
        }
    )


def test_the_classifier_needs_rows_and_columns():
    with pytest.raises(ValueError, match="2 rows against 3000"):
        domain_auc(pd.DataFrame({"x": [1, 2]}), pd.DataFrame({"x": range(3000)}))


def test_a_report_is_a_value(sides):
    report = compare(*sides)
    with pytest.raises(dataclasses.FrozenInstanceError):
        report.status = "unchanged"
