"""Challenger against champion: a verdict that luck does not decide."""

from __future__ import annotations

import numpy as np
import pytest

from mlops_assets.ml import weighted
from mlops_assets.ml.compare import Difference, challenger_wins, paired_bootstrap
from mlops_assets.ml.metrics import LOWER_IS_BETTER, binary, regression


def scored(rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, the true probabilities, and the same blurred."""
    rng = np.random.default_rng(seed)
    logit = rng.normal(-1, 1.5, rows)
    blurred = logit + rng.normal(0, 1, rows)
    truth = rng.random(rows) < 1 / (1 + np.exp(-logit))
    return truth.astype(float), 1 / (1 + np.exp(-logit)), 1 / (1 + np.exp(-blurred))


@pytest.mark.parametrize("metric", ["auc", "pr_auc", "log_loss", "brier"])
def test_a_clearly_better_challenger_wins_and_the_worse_one_loses(metric):
    y, good, fair = scored(4000)
    assert challenger_wins(paired_bootstrap(metric, y, good, fair, repeats=200), metric)
    assert not challenger_wins(paired_bootstrap(metric, y, fair, good, repeats=200), metric)


@pytest.mark.parametrize("metric", ["auc", "log_loss"])
def test_a_challenger_that_is_only_noise_rarely_wins(metric):
    """Without the interval, noise wins every second time: September's retrained model did."""
    wins = naive = 0
    for seed in range(60):
        y, good, _ = scored(400, seed)
        rng = np.random.default_rng(1000 + seed)
        first, second = (np.clip(good + rng.normal(0, 0.05, 400), 0.001, 0.999) for _ in "ab")
        difference = paired_bootstrap(metric, y, first, second, repeats=200)
        wins += challenger_wins(difference, metric)
        naive += challenger_wins(Difference(*[difference.value] * 3), metric)
    assert wins <= 6
    assert naive >= 15, "the control: the bare difference crowns noise"


def test_the_same_predictions_are_a_tie_and_keep_the_champion():
    y, good, _ = scored(500)
    difference = paired_bootstrap("auc", y, good, good)
    assert difference == Difference(0.0, 0.0, 0.0)
    assert not challenger_wins(difference, "auc")


def test_the_answer_depends_on_the_seed_alone():
    y, good, fair = scored(500)
    first, again = (paired_bootstrap("auc", y, good, fair, repeats=100, seed=1) for _ in "ab")
    assert first == again
    assert first != paired_bootstrap("auc", y, good, fair, repeats=100, seed=2)


@pytest.mark.parametrize("metric", [*weighted.BINARY, *weighted.REGRESSION])
def test_the_fast_way_is_the_plain_way(metric):
    """By name uses row weights, by function draws rows: the resamples must be the same."""
    y, good, fair = scored(300)
    plain = binary if metric in weighted.BINARY else regression
    fast = paired_bootstrap(metric, y, good, fair, repeats=30)
    slow = paired_bootstrap(lambda a, b: plain(a, b)[metric], y, good, fair, repeats=30)
    assert (fast.value, fast.low, fast.high) == pytest.approx((slow.value, slow.low, slow.high))


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    """brier's true difference is known here: the blurred probability's extra variance."""
    inside = 0
    _, many_good, many_fair = scored(200_000, 10_000)
    expected = -((many_good - many_fair) ** 2).mean()
    for seed in range(100):
        y, good, fair = scored(500, seed)
        difference = paired_bootstrap("brier", y, good, fair, repeats=200, confidence=0.9)
        inside += difference.low <= expected <= difference.high
        if seed == 0:
            assert difference.low <= difference.value <= difference.high
    assert 80 <= inside <= 98


def test_lower_is_better_names_metrics_that_exist():
    assert {*weighted.BINARY, *weighted.REGRESSION} >= LOWER_IS_BETTER


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"metric": "f1"}, "'f1' is unknown: give one of auc"),
        ({"repeats": 0}, "repeats=0"),
        ({"confidence": 95}, "confidence=95"),
        ({"y": [1.0, 1.0]}, "auc is undefined on these 2 rows"),
    ],
)
def test_what_cannot_be_compared_is_refused(arguments, message):
    call = {"metric": "auc", "y": [0.0, 1.0], "p_new": [0.1, 0.2], "p_old": [0.2, 0.1]} | arguments
    with pytest.raises(ValueError, match=message):
        paired_bootstrap(call.pop("metric"), **call)
