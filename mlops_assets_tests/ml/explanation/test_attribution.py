"""Attribution drift and what is read from SHAP values: the score, its silence, its alarm."""

from __future__ import annotations

import doctest
import importlib
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.ml.explanation import dependence as curves_of
from mlops_assets.ml.explanation.attribution import LEAST_NDCG, analysis, ndcg, violations
from mlops_assets.ml.explanation.dependence import dependence
from mlops_assets.ml.explanation.explained import Explained

attributions = st.dictionaries(st.sampled_from("abcdefgh"), st.floats(0.01, 10), min_size=1)


def test_the_score_of_awss_example():
    """SAT, GPA and class rank turned round: AWS's own example of an alarm."""
    training = {"SAT": 0.70, "GPA": 0.50, "class rank": 0.05}
    live = {"SAT": 0.10, "GPA": 0.20, "class rank": 0.70}
    by_hand = (0.05 + 0.50 / np.log2(3) + 0.70 / 2) / (0.70 + 0.50 / np.log2(3) + 0.05 / 2)
    assert ndcg(training, live) == pytest.approx(by_hand)
    assert by_hand < LEAST_NDCG


@given(attributions, attributions)
def test_the_score_is_one_at_most_and_one_for_the_same_order(training, live):
    score = ndcg(training, live)
    assert score is not None
    assert 0 < score <= 1 + 1e-12
    assert ndcg(training, {n: 3 * v for n, v in training.items()}) == pytest.approx(1)


def test_features_that_matter_alike_now_are_no_drift():
    assert ndcg({"a": 2.0, "b": 1.0}, {"a": 1.0, "b": 1.0}) == 1


def test_nothing_mattered_is_unknown_not_fine():
    assert ndcg({"a": 0.0}, {"a": 1.0}) is None
    assert violations("y", None)["violations"] == []


def test_a_new_feature_on_top_counts_as_drift():
    """A feature that training did not have pushes all that mattered down by a place."""
    score = ndcg({"a": 1.0, "b": 0.1}, {"new": 9.0, "a": 1.0, "b": 0.1})
    assert score is not None
    assert score < LEAST_NDCG


def test_chance_raises_no_alarm_and_swapped_features_do():
    """The negative control: the same population explained again, 30 rows a time, 500 times."""
    rng = np.random.default_rng(0)
    sizes = np.array([1.5, 1.0, 0.6, 0.4, 0.2, 0.1, 0.05])
    names = [f"f{n}" for n in range(7)]

    def importance(rows: int, spread: np.ndarray = sizes) -> dict[str, float]:
        values = rng.normal(0, 1, (rows, 7)) * spread
        return Explained(tuple(names), values, 0.0, "value", np.zeros(rows)).importance()

    training = importance(500)
    scores = [ndcg(training, importance(30)) for _ in range(500)]
    assert min(s for s in scores if s is not None) >= LEAST_NDCG
    swapped = [ndcg(training, importance(30, sizes[::-1])) for _ in range(50)]
    assert max(s for s in swapped if s is not None) < LEAST_NDCG


def test_violations_have_the_form_of_an_explainability_monitor():
    assert violations("late", 0.76) == {
        "version": "1.0",
        "violations": [
            {
                "label": "late",
                "metric_name": "shap",
                "constraint_check_type": "feature_attribution_drift_check",
                "description": "Feature attribution drift 0.76 exceeds threshold 0.9",
            }
        ],
    }
    assert violations("late", 0.95)["violations"] == []


def test_the_analysis_has_clarifys_form_and_is_json():
    frame = pd.DataFrame({"x": [0.0, 1.0, 2.0], "c": ["u", "v", "v"]})
    answers = lambda f: f["x"].to_numpy() * 2  # noqa: E731
    curves = curves_of.curves(answers, frame, {"x": 2.0, "c": 0.0})
    made = json.loads(json.dumps(analysis({"late": ({"x": 2.0}, 0.5)}, curves), allow_nan=False))
    told = made["explanations"]["kernel_shap"]["late"]
    assert told == {"global_shap_values": {"x": 2.0}, "expected_value": 0.5}
    number, category = made["explanations"]["pdp"]
    assert number["data_type"] == "numerical"
    assert number["feature_values"] == [0.0, 1.0, 2.0]
    assert number["model_predictions"] == [[0.0, 2.0, 4.0]]
    assert category["feature_values"] == ["v", "u"]
    assert category["data_distribution"] == [2, 1]


def test_dependence_holds_the_other_features_as_they_are():
    """A curve over changed rows would show what the data does, not what the model does."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"x": rng.normal(size=500)})
    frame["y"] = frame["x"] * 10
    curve = dependence(lambda f: (f["x"] ** 2 + f["y"]).to_numpy(), frame, "x")
    assert curve is not None
    flat = np.array(curve.answers) - np.array(curve.values) ** 2
    assert np.ptp(flat) < 1e-9
    assert sum(curve.rows) == 500


@pytest.mark.parametrize("values", [[1.0, 1.0], [None, None], ["a", "a"], []])
def test_a_feature_without_two_values_has_no_curve(values):
    assert dependence(lambda f: np.zeros(len(f)), pd.DataFrame({"x": values}), "x") is None


def test_probability_points_add_up_to_the_answer():
    """A person adds up the effects and must come to the answer that was given."""
    rng = np.random.default_rng(2)
    values = rng.normal(0, 2, (200, 5))
    values[0] = 0
    told = Explained(tuple("abcde"), values, -1.2, "log-odds", np.zeros(200))
    points = told.in_probability()
    assert np.allclose(points.totals, 1 / (1 + np.exp(-told.totals)))
    assert (np.sign(points.values) == np.sign(values)).all()
    assert points.base == pytest.approx(1 / (1 + np.exp(1.2)))
    assert points.in_probability() is points


@pytest.mark.parametrize("module", ["attribution", "dependence", "explained"])
def test_examples_of_explanation_are_true(module):
    found = doctest.testmod(importlib.import_module(f"mlops_assets.ml.explanation.{module}"))
    assert found.attempted > 0
    assert found.failed == 0
