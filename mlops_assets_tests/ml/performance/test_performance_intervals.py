"""Confidence intervals of served metrics: true, steady, and honest where there is no answer."""

import numpy as np
import pandas as pd
import pytest

from mlops_assets.ml import weighted
from mlops_assets.ml.performance import intervals
from mlops_assets.ml.performance.intervals import measure, measure_slices, metrics_of
from mlops_assets_tests.ml.performance.made_answers import answers

METRICS = metrics_of("binary")


def test_figures_are_those_of_the_metrics_module():
    y, p = answers(400, 1)
    found = measure(y, p, METRICS, kind="binary")
    for name, metric in weighted.BINARY.items():
        assert found[name].value == pytest.approx(metric(y, p)(np.ones(400)))
        assert found[name].low <= found[name].value <= found[name].high


def test_the_same_rows_give_the_same_interval():
    """Else a record would change at every look, and everything downstream with it."""
    y, p = answers(300, 2)
    assert measure(y, p, METRICS, kind="binary") == measure(y, p, METRICS, kind="binary")


@pytest.mark.parametrize("metric", ["log_loss", "auc", "error_rate", "calibration_gap"])
def test_the_interval_holds_the_truth_as_often_as_it_says(metric):
    truth = measure(*answers(200_000, 0), {metric: METRICS[metric]}, kind="binary", repeats=20)
    value = truth[metric].value
    held = 0
    for seed in range(1, 101):
        y, p = answers(400, seed)
        now = measure(y, p, {metric: METRICS[metric]}, kind="binary", repeats=100)[metric]
        held += now.low <= value <= now.high
    assert held >= 87, f"{held} of 100 intervals of 95 % hold the true value"


def test_ece_of_a_calibrated_model_is_not_told_to_be_surely_above_zero():
    """The plain percentile interval of ECE lies above ECE itself: resampling adds noise to it."""
    y, p = answers(2000, 3)
    found = measure(y, p, {"ece": METRICS["ece"]}, kind="binary")["ece"]
    assert found.low <= 0.01
    assert found.high == found.value or found.high < found.value * 1.5


def test_an_undefined_metric_is_left_out():
    """NaN in a record would be stored as null and could not be read again."""
    found = measure(np.ones(50), np.full(50, 0.7), METRICS, kind="binary")
    assert "auc" not in found
    assert found["error_rate"].value == 0


def test_many_rows_are_sampled_and_the_interval_stays_as_narrow(monkeypatch):
    y, p = answers(20_000, 4)
    whole = measure(y, p, {"log_loss": METRICS["log_loss"]}, kind="binary")["log_loss"]
    monkeypatch.setattr(intervals, "SAMPLE", 4000)
    sampled = measure(y, p, {"log_loss": METRICS["log_loss"]}, kind="binary")["log_loss"]
    assert sampled.value == whole.value
    ratio = (sampled.high - sampled.low) / (whole.high - whole.low)
    assert 0.75 < ratio < 1.35


def test_the_declared_threshold_decides_the_error_rate():
    found = measure([1.0, 0.0], [0.4, 0.2], metrics_of("binary", 0.3), kind="binary")
    assert found["error_rate"].value == 0
    assert found["accuracy"].value == 0.5


def test_regression_has_its_own_metrics():
    y = np.arange(100.0)
    found = measure(y, y + 2, metrics_of("regression"), kind="regression")
    assert found["bias"].value == pytest.approx(2)
    assert set(found) == set(weighted.REGRESSION)


def test_slices_have_intervals_and_small_ones_are_left_out():
    y, p = answers(500, 5)
    groups = pd.DataFrame({"carrier": ["AA"] * 300 + ["UA"] * 190 + ["F9"] * 10})
    found = measure_slices(y, p, groups, "log_loss", kind="binary", least_rows=50)
    assert list(found["value"]) == ["AA", "UA"]
    assert (found["low"] < found["log_loss"]).all()
    assert (found["log_loss"] < found["high"]).all()


def test_too_few_repeats_are_refused():
    with pytest.raises(ValueError, match="repeats=3: an interval needs at least 20"):
        measure([0, 1], [0.1, 0.9], METRICS, kind="binary", repeats=3)
