"""A slice is answered well enough where the model beats the slice's own mean."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mlops_assets.ml.slice_quality import of_slices


@pytest.fixture(scope="module")
def answered():
    """Slice ``bad`` gets noise for answers, at its right mean; ``good`` gets the truth's odds."""
    rng = np.random.default_rng(3)
    p = rng.uniform(0.05, 0.95, 4000)
    y = (rng.random(4000) < p).astype(float)
    slices = pd.DataFrame({"group": np.where(np.arange(4000) < 2000, "good", "bad")})
    answers = np.where(slices["group"] == "good", p, rng.permutation(p))
    return y, answers, slices


@pytest.mark.parametrize("metric", ["log_loss", "brier", "auc"])
def test_the_slice_that_is_answered_by_noise_is_named(answered, metric):
    y, p, slices = answered
    found = {s.value: s for s in of_slices(metric, y, p, slices, 100)}
    assert found["good"].sufficient
    assert not found["bad"].sufficient
    good = found["good"].gain
    assert good.low <= good.value <= good.high


def test_a_slice_with_a_higher_share_of_events_is_not_punished_for_it():
    """Log-loss is larger where more happens: an absolute bound would call that a bad slice."""
    rng = np.random.default_rng(5)
    rare, often = rng.beta(1, 9, 3000), rng.beta(5, 5, 3000)
    p = np.concatenate([rare, often])
    y = (rng.random(6000) < p).astype(float)
    slices = pd.DataFrame({"s": ["rare"] * 3000 + ["often"] * 3000})
    assert all(s.sufficient for s in of_slices("log_loss", y, p, slices, 100))


def test_small_slices_and_slices_of_one_label_are_left_out():
    slices = pd.DataFrame({"s": ["a"] * 100 + ["b"] * 3 + [None] * 100})
    y = np.concatenate([np.zeros(100), [0, 1, 0], np.tile([0.0, 1.0], 50)])
    found = of_slices("log_loss", y, np.full(203, 0.4), slices, 50)
    assert [s.value for s in found] == ["missing"]


def test_a_regression_is_held_to_the_mean_too():
    rng = np.random.default_rng(1)
    x = rng.normal(size=2000)
    y = x + rng.normal(scale=0.3, size=2000)
    slices = pd.DataFrame({"s": ["a"] * 2000})
    assert of_slices("rmse", y, x, slices, 10)[0].sufficient
    assert not of_slices("rmse", y, rng.permutation(x), slices, 10)[0].sufficient


def test_classes_are_held_to_the_shares_of_the_slice():
    rng = np.random.default_rng(2)
    y = rng.integers(0, 3, 1500)
    sure = np.full((1500, 3), 0.1)
    sure[np.arange(1500), y] = 0.8
    slices = pd.DataFrame({"s": ["a"] * 1500})
    assert of_slices("log_loss", y, sure, slices, 10)[0].sufficient
    assert not of_slices("log_loss", y, rng.permutation(sure), slices, 10)[0].sufficient


def test_a_slice_within_one_block_is_no_evidence():
    """All of its rows share their cause: nothing can be drawn, and no audit must end there."""
    y, slices = [0, 1] * 50, pd.DataFrame({"s": ["a"] * 100})
    p = [0.1, 0.9] * 50
    assert of_slices("log_loss", y, p, slices, 10, blocks=np.zeros(100)) == []
    assert of_slices("log_loss", y, p, slices, 10, blocks=np.arange(100) // 50)[0].sufficient
