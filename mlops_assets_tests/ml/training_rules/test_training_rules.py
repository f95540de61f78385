"""Rules on trainings: each is silent on a healthy training and speaks on the sick one."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.ml.training_rules.stream import (
    Exploding,
    LossNotDecreasing,
    Overfitting,
    Vanishing,
)
from mlops_assets.ml.training_rules.trained import ClassImbalance, DeadFeatures
from mlops_assets.ml.training_rules.watch import Watch

ALL = (
    LossNotDecreasing(metric="train:loss"),
    Overfitting(train="train:loss", held_out="holdout:loss"),
    Exploding(metric="train:loss"),
    Vanishing(metric="grad_norm"),
)
STEPS = np.arange(40)
FALLING = 0.7 * np.exp(-STEPS / 20) + 0.1
NORM = 0.5 * np.exp(-STEPS / 10) + 1e-3


def told(rules, **series):
    """The names of the rules that speak while the series come point by point."""
    watch = Watch(rules)
    names = {name.replace("_loss", ":loss"): values for name, values in series.items()}
    for at in range(max(len(values) for values in names.values())):
        watch.feed([(name, float(v[at])) for name, v in names.items() if at < len(v)])
    return [finding.rule for finding in watch.findings]


@pytest.mark.parametrize("seed", range(20))
def test_a_healthy_training_is_silent(seed):
    """A false alarm that may stop a paid job would be the first thing to be turned off."""
    noise = np.random.default_rng(seed).normal(1, 0.002, (2, len(STEPS)))
    train, held_out = FALLING * noise[0], (FALLING + 0.02) * noise[1]
    assert told(ALL, train_loss=train, holdout_loss=held_out, grad_norm=NORM) == []


@pytest.mark.parametrize(
    ("series", "rule"),
    [
        ({"train_loss": np.full(20, 0.69)}, "loss_not_decreasing(train:loss)"),
        ({"train_loss": [0.6, 0.5, math.nan]}, "exploding(train:loss)"),
        ({"train_loss": [0.6, 0.5, 0.4, 900.0]}, "exploding(train:loss)"),
        ({"grad_norm": [1e-2, *np.full(6, 1e-9)]}, "vanishing(grad_norm)"),
        (
            {"train_loss": FALLING, "holdout_loss": 0.5 + 0.004 * (STEPS - 8) ** 2 / 10},
            "overfitting(holdout:loss)",
        ),
    ],
)
def test_a_sick_training_is_found(series, rule):
    assert told(ALL, **series) == [rule]


def test_a_loss_below_zero_can_fall():
    """A log-likelihood: a share is of its size, or falling would look like rising."""
    falling = -np.arange(1.0, 20.0)
    assert told((LossNotDecreasing(metric="train:loss"),), train_loss=falling) == []


def test_held_out_that_rises_with_the_training_loss_is_no_overfitting():
    """Both rise: the training diverges, which is another rule's to say."""
    rising = 0.3 + STEPS / 100
    rules = (Overfitting(train="train:loss", held_out="holdout:loss"),)
    assert told(rules, train_loss=rising, holdout_loss=rising) == []


@given(st.lists(st.floats(width=32), max_size=30), st.integers(1, 6))
def test_no_series_breaks_a_rule(values, over):
    """A script may print anything: a rule that raised would fail a training that is well."""
    series = {"train:loss": values, "holdout:loss": values, "grad_norm": values}
    for rule in (
        LossNotDecreasing(metric="train:loss", over=over),
        Overfitting(train="train:loss", held_out="holdout:loss", over=over),
        Exploding(metric="train:loss"),
        Vanishing(metric="grad_norm", over=over),
    ):
        assert isinstance(rule.judge(series), str)


def test_data_and_model_are_judged_too():
    assert ClassImbalance().judge_labels({"a": 50, "b": 50}) == ""
    assert "all 7 training rows are of class 'a'" in ClassImbalance().judge_labels({"a": 7})
    assert DeadFeatures().judge_importance({"a": 1.0}) == ""
    assert DeadFeatures().judge_importance({}) == ""
