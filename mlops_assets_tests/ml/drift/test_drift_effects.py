"""Effects and their p-values: against exact figures, and against what chance does."""

import doctest
import importlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from mlops_assets.ml.drift.effects import (
    atoms,
    category_change,
    kolmogorov_smirnov,
    rank_shift,
    share_change,
    surprise,
)

MODULES = (
    "mlops_assets.assets.monitoring.drifting.drift_baseline",
    "mlops_assets.ml.drift.effects",
    "mlops_assets.ml.drift.hours",
    "mlops_assets.ml.drift.units",
)

counts = st.lists(st.integers(0, 50), min_size=2, max_size=30)


@pytest.mark.parametrize("name", MODULES)
def test_examples_are_true(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted > 0
    assert result.failed == 0


def _pair(one: list[int], other: list[int]) -> tuple[np.ndarray, np.ndarray]:
    size = min(len(one), len(other))
    return np.array([one[:size]]), np.array([other[:size]])


@given(counts, counts)
@settings(max_examples=60, deadline=None)
def test_effects_are_scipys_on_tied_values(one, other):
    window, baseline = _pair(one, other)
    if not (window.any() and baseline.any()):
        return
    x, y = (np.repeat(np.arange(side.shape[1]), side[0]) for side in (window, baseline))
    assert kolmogorov_smirnov(window, baseline)[0][0] == pytest.approx(
        stats.ks_2samp(x, y, method="asymp").statistic
    )
    told = stats.mannwhitneyu(x, y, method="asymptotic", use_continuity=False)
    effect, p = rank_shift(window, baseline)
    assert effect[0] + 0.5 == pytest.approx(told.statistic / (len(x) * len(y)))
    if np.isfinite(told.pvalue):
        assert p[0] == pytest.approx(told.pvalue, abs=1e-9)


def test_kolmogorovs_p_value_is_the_asymptotic_one():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=3000), rng.normal(0.08, 1, 5000)
    edges = np.linspace(-5, 5, 4097)
    window, baseline = (np.histogram(side, edges)[0][None, :] for side in (x, y))
    effect, p = kolmogorov_smirnov(window, baseline)
    exact = stats.ks_2samp(x, y, method="asymp")
    assert effect[0] == pytest.approx(exact.statistic, abs=1e-3)
    assert p[0] == pytest.approx(
        stats.kstwobign.sf(effect[0] * np.sqrt(3000 * 5000 / 8000)), rel=1e-6
    )


def test_sides_without_rows_have_no_effect():
    """A division by zero once made a NaN effect, which is neither above nor below a threshold."""
    none, some = np.zeros((1, 4), np.int64), np.ones((1, 4), np.int64)
    for effect, p in (kolmogorov_smirnov(none, some), rank_shift(some, none)):
        assert effect[0] == 0
        assert p[0] == 1
    assert category_change(none[0], some[0]) == (0.0, 1.0)


@given(counts, counts)
@settings(max_examples=60, deadline=None)
def test_every_effect_bounds_the_total_variation(one, other):
    """They share one scale, so that columns of all kinds can be ranked and drawn together."""
    window, baseline = _pair(one, other)
    if not (window.any() and baseline.any()):
        return
    distance = 0.5 * np.abs(window / window.sum() - baseline / baseline.sum()).sum() + 1e-12
    n, m = window.sum(axis=1), baseline.sum(axis=1)
    assert kolmogorov_smirnov(window, baseline)[0][0] <= distance
    assert abs(rank_shift(window, baseline)[0][0]) <= distance
    assert category_change(window[0], baseline[0])[0] <= distance
    assert atoms(window, baseline, n, m)[0][0] <= distance


def test_a_share_that_chance_explains_is_not_significant():
    rng = np.random.default_rng(1)
    draws = rng.binomial([[1000], [75_000]], 0.02, size=(2, 20_000))
    _, p = share_change(draws[0], 1000, draws[1], 75_000)
    assert (p < 1e-4).mean() < 5e-4
    assert (p < 0.05).mean() == pytest.approx(0.05, abs=0.02)


def test_surprise_is_exact_for_a_value_that_the_baseline_lacks():
    """The issue's rule: count · ln((n + m) / m) against ln(1 / alpha), m the window's rows."""
    assert surprise(7, 0, 1000, 75_000) == pytest.approx(7 * np.log(76))
    assert surprise(5, 500, 1000, 1000) == 0, "fewer than usual are no surprise"


def test_a_spike_is_an_atom_and_a_narrow_hump_is_none():
    rng = np.random.default_rng(2)
    edges = np.linspace(-6, 6, 4097)
    there = np.histogram(rng.normal(size=20_000), edges)[0][None, :]
    spiked = np.histogram(np.append(rng.normal(size=19_800), np.full(200, 1.5)), edges)[0][None, :]
    narrow = np.histogram(rng.normal(0, 0.02, 20_000), edges)[0][None, :]
    size = np.array([20_000])
    share, p, place = atoms(spiked, there, size, size)
    assert share[0] == pytest.approx(0.01, abs=1e-3)
    assert p[0] < 1e-10
    assert edges[place[0]] <= 1.5 <= edges[place[0] + 1]
    assert atoms(narrow, there, size, size)[0][0] < 0.005


def test_rare_levels_are_pooled():
    """Chi² on cells of one expected row alarms by itself."""
    rng = np.random.default_rng(3)
    shares = 1 / np.arange(1, 400)
    shares /= shares.sum()
    p = [
        category_change(rng.multinomial(1000, shares), rng.multinomial(1000, shares))[1]
        for _ in range(300)
    ]
    assert np.mean(np.array(p) < 0.05) < 0.11
