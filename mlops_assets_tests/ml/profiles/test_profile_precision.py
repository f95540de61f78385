"""Distances by bins against those of the values: the issue's bounds, on data of every kind."""

import math

import numpy as np
import pandas as pd
import pytest

from mlops_assets.ml.profiles import distances
from mlops_assets.ml.profiles.profile import fit_grids, merge, profile
from mlops_assets_tests.ml.profiles import exact

ROWS = 20_000


def normal(rng, shift):
    return rng.normal(shift, 1, ROWS)


def lognormal(rng, shift):
    return rng.lognormal(shift, 1, ROWS)


def cauchy(rng, shift):
    return rng.standard_cauchy(ROWS) + shift


def pareto(rng, shift):
    return rng.pareto(1.5, ROWS) * (1 + shift)


def uniform(rng, shift):
    return rng.uniform(shift, 1 + shift, ROWS)


def whole(rng, shift):
    return rng.poisson(3 * (1 + shift), ROWS).astype(float)


def many_whole(rng, shift):
    return rng.integers(0, 1_000_000, ROWS) + round(shift * 100_000)


def tenths(rng, shift):
    return np.round(rng.normal(shift, 1, ROWS), 1)


def binary(rng, shift):
    return (rng.random(ROWS) < 0.3 + shift / 5).astype(float)


def zero_inflated(rng, shift):
    return np.where(rng.random(ROWS) < 0.5, 0.0, rng.normal(shift, 1, ROWS))


def quantized(rng, shift):
    """32 bits: tenths are none of exactly equal distance any more."""
    return np.round(rng.normal(shift, 1, ROWS), 1).astype(np.float32)


KINDS = [
    normal, lognormal, cauchy, pareto, uniform, whole, many_whole, tenths, binary, zero_inflated,
    quantized,
]  # fmt: skip


@pytest.mark.parametrize("shift", [0.0, 0.1, 0.5, 3.0])
@pytest.mark.parametrize("kind", KINDS)
def test_distances_keep_their_bounds(kind, shift):
    """KS within 1e-3, Wasserstein within 2e-3 σ, PSI within 5e-3 of the values' own."""
    rng = np.random.default_rng([KINDS.index(kind), int(shift * 10)])
    baseline, window = kind(rng, 0.0), kind(rng, shift)
    grids = fit_grids(pd.DataFrame({"x": baseline}))
    b = profile(pd.DataFrame({"x": baseline}), grids).columns["x"]
    a = profile(pd.DataFrame({"x": window}), grids).columns["x"]
    sigma = float(np.std(baseline, dtype=float))
    assert distances.ks(a, b) == pytest.approx(exact.ks(window, baseline), abs=1e-3)
    far = exact.wasserstein(window, baseline)
    assert distances.wasserstein(a, b) / sigma == pytest.approx(far / sigma, abs=2e-3)
    assert distances.psi(a, b) == pytest.approx(exact.psi(window, baseline), abs=5e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_figures_are_those_of_the_values(kind):
    rng = np.random.default_rng(KINDS.index(kind))
    values = kind(rng, 0.0).astype(float)
    frame = pd.DataFrame({"x": values})
    found = profile(frame, fit_grids(frame)).columns["x"]
    sigma = values.std()
    assert found.mean == pytest.approx(values.mean(), abs=1e-9 * sigma)
    assert found.std == pytest.approx(sigma, rel=1e-9)
    shares = np.array([0.05, 0.25, 0.5, 0.75, 0.95])
    width = np.quantile(values, 0.95) - np.quantile(values, 0.05)
    wanted = np.quantile(values, shares, method="inverted_cdf")
    assert found.quantile(shares) == pytest.approx(wanted, abs=1e-3 * width)
    limits = wanted if found.grid.centred else wanted + 2 * found.grid.step
    below = np.array([(values < limit).mean() for limit in limits])
    assert found.cumulated(limits) / ROWS == pytest.approx(below, abs=2e-3)


def test_a_constant_that_changes_is_as_far_as_can_be():
    frame = pd.DataFrame({"x": np.full(1000, 0.3)})
    grids = fit_grids(frame)
    b = profile(frame, grids).columns["x"]
    a = profile(frame + 0.7, grids).columns["x"]
    assert distances.ks(b, b) == distances.wasserstein(b, b) == distances.psi(b, b) == 0
    assert distances.ks(a, b) == distances.total_variation(a, b) == 1
    assert distances.wasserstein(a, b) == pytest.approx(0.7, abs=1e-3)


def test_two_windows_that_both_left_the_grid_are_still_told_apart():
    """Were everything beyond one bin, a sensor in new units would hide any later drift."""
    rng = np.random.default_rng(0)
    grids = fit_grids(pd.DataFrame({"x": rng.normal(0, 1, ROWS)}))
    values = [rng.normal(60, 1, ROWS), rng.normal(61, 1, ROWS)]
    a, b = (profile(pd.DataFrame({"x": v}), grids).columns["x"] for v in values)
    assert distances.ks(a, b) == pytest.approx(exact.ks(*values), abs=0.02)
    assert distances.wasserstein(a, b) == pytest.approx(1.0, abs=0.03)


def test_infinities_are_values_beyond_all():
    grids = fit_grids(pd.DataFrame({"x": np.linspace(0, 1, 100)}))
    b = profile(pd.DataFrame({"x": np.linspace(0, 1, 100)}), grids).columns["x"]
    a = profile(pd.DataFrame({"x": [*np.linspace(0, 1, 100), *[np.inf] * 100]}), grids).columns["x"]
    assert distances.ks(a, b) == pytest.approx(0.5)
    assert distances.wasserstein(a, b) == pytest.approx(0.0, abs=1e-9), "of finite values"


def test_nothing_to_compare_is_nan():
    frame = pd.DataFrame({"x": [1.0, 2.0]})
    grids = fit_grids(frame)
    b = profile(frame, grids).columns["x"]
    a = profile(frame.iloc[:0], grids).columns["x"]
    for distance in (
        distances.ks, distances.wasserstein, distances.psi, distances.total_variation
    ):  # fmt: skip
        assert math.isnan(distance(a, b))
        assert math.isnan(distance(b, a))


def test_distances_of_merged_windows_are_those_of_the_rows():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"x": rng.normal(size=9000)})
    grids = fit_grids(frame)
    parts = [profile(frame.iloc[n : n + 1000], grids) for n in range(0, 9000, 1000)]
    a, b = merge(parts[:4]).columns["x"], merge(parts[4:]).columns["x"]
    values = frame["x"].to_numpy()
    assert distances.ks(a, b) == pytest.approx(exact.ks(values[:4000], values[4000:]), abs=1e-3)
