"""The gates: each must stop what it is there to stop, and let the rest pass."""

import numpy as np
import pytest

from mlops_assets.checks.gates import absolute, against_baselines, against_champion, leakage
from mlops_assets.pipeline import Evaluation, Gate

EVALUATION = Evaluation(
    primary="log_loss",
    gates=(Gate(metric="auc", at_least=0.7), Gate(metric="log_loss", at_most=0.5)),
    leakage_ceiling=Gate(metric="auc", at_most=0.9),
)


@pytest.fixture
def answers():
    rng = np.random.default_rng(0)
    signal = rng.normal(size=4000)
    truth = (rng.random(4000) < 1 / (1 + np.exp(-2 * signal))).astype(float)
    good = 1 / (1 + np.exp(-2 * signal))
    return truth, good, np.clip(good + rng.normal(0, 0.15, 4000), 0.01, 0.99)


def test_absolute_gates_name_what_is_broken():
    verdict = absolute(EVALUATION, {"auc": 0.65, "log_loss": 0.45})
    assert not verdict.passed
    assert verdict.description == "auc 0.6500 (needs auc ≥ 0.7)"
    assert absolute(EVALUATION, {"auc": 0.75, "log_loss": 0.45}).passed


def test_a_simpler_model_that_is_as_good_stops_the_model():
    """Untuned XGBoost loses to logistic regression on the flights: the gate must catch it."""
    measured = {"model": {"log_loss": 0.5}, "linear": {"log_loss": 0.5}, "prior": {"log_loss": 0.6}}
    verdict = against_baselines(EVALUATION, measured)
    assert not verdict.passed
    assert "does not beat linear" in verdict.description
    measured["model"]["log_loss"] = 0.49
    assert against_baselines(EVALUATION, measured).passed


def test_a_result_too_good_to_be_true_stops():
    assert not leakage(EVALUATION, {"auc": 0.97}).passed
    assert leakage(EVALUATION, {"auc": 0.75}).passed


def test_only_a_clear_win_replaces_the_champion(answers):
    truth, good, noisy = answers
    assert against_champion(EVALUATION, truth, challenger=good, champion=noisy).passed
    assert not against_champion(EVALUATION, truth, challenger=noisy, champion=good).passed
    assert not against_champion(EVALUATION, truth, challenger=good, champion=good).passed
