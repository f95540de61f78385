"""Grids: where bins go, and that they stay where they were put."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from mlops_assets.ml.profiles.fitting import BINS
from mlops_assets.ml.profiles.grid import Grid, Vocabulary, from_record
from mlops_assets.ml.profiles.profile import fit_grids, profile


def test_the_range_is_padded_and_clamped_to_what_was_seen():
    values = np.random.default_rng(0).normal(0, 1, 100_000)
    grid = Grid.fit(values)
    inner = np.quantile(values, [0.0005, 0.9995])
    pad = (inner[1] - inner[0]) / 2
    assert grid.low == pytest.approx(max(inner[0] - pad, values.min()), abs=0.3)
    assert grid.high == pytest.approx(min(inner[1] + pad, values.max()), abs=0.3)
    assert values.min() <= grid.low
    outlier = Grid.fit(np.append(values, 1e9))
    assert outlier.high < 20, "one outlier must not make all else one bin"


def test_the_greatest_value_has_a_bin():
    for values in ([0.0, 0.4, 1.0, 0.123456], np.linspace(0, 1, 1000) ** 2):
        grid = Grid.fit(values)
        found = profile(pd.DataFrame({"x": values}), {"x": grid}).columns["x"]
        assert found.beyond == 0


@pytest.mark.parametrize(
    "values",
    [
        np.arange(24),
        np.array([0.1, 0.2, 0.3, 0.7]),
        np.array([-1.0, 1.0]),
        np.arange(0, 40_000, 10),
        np.array([0, 1e-9, 3e-9]),
        np.array([5.0]),
    ],
)
def test_every_value_of_a_lattice_lies_in_the_middle_of_its_bin(values):
    """At an edge, rounding would put equal values into different bins."""
    grid = Grid.fit(values)
    assert grid.centred
    bins = [grid.bin(value) for value in values.astype(float)]
    assert len(set(bins)) == len(values)
    assert all(0 <= index < BINS for index in bins)
    assert grid.middle(bins) == pytest.approx(values, abs=grid.step * 1e-6)


def test_whole_numbers_over_a_wide_range_share_bins_evenly():
    """17, 18, 17 numbers in neighbouring bins would look like a comb."""
    values = np.random.default_rng(0).integers(0, 100_000, 50_000)
    grid = Grid.fit(values)
    assert grid.step == int(grid.step)
    assert grid.low % 1 == 0.5


def test_heavy_tails_do_not_take_the_bins_from_the_middle():
    values = np.random.default_rng(0).standard_cauchy(100_000)
    found = profile(pd.DataFrame({"x": values}), {"x": Grid.fit(values)}).columns["x"]
    assert found.counts[1:-1].max() / len(values) < 0.003


def test_a_fit_is_the_same_each_time_and_in_another_process():
    """Two runs that fit at once must agree, or one would have to be thrown away."""
    code = (
        "import numpy as np; from mlops_assets.ml.profiles.grid import Grid;"
        "print(Grid.fit(np.random.default_rng(0).lognormal(size=100_000)).version)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    values = np.random.default_rng(0).lognormal(size=100_000)
    assert out.stdout.strip() == Grid.fit(values).version


def test_grids_come_back_from_their_records():
    frame = pd.DataFrame({"x": [0.1, 0.2, 5.5], "s": ["a", "b", "a"]})
    for grid in fit_grids(frame).values():
        again = from_record(json.loads(json.dumps(grid.record())))
        assert again == grid
        assert again.version == grid.version


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"kind": "grid"},
        {"kind": "grid", "low": "nan", "step": 1.0, "centred": False},
        {"kind": "grid", "low": 0.0, "step": 0.0, "centred": False},
        {"kind": "vocabulary"},
    ],
)
def test_what_is_no_grid_is_refused(record):
    with pytest.raises(ValueError, match=r"grid|vocabulary"):
        from_record(record)


def test_columns_without_a_value_get_no_grid_yet():
    frame = pd.DataFrame({"x": [np.nan, np.inf], "s": pd.Series([None, None], dtype=object)})
    assert fit_grids(frame) == {}


def test_the_vocabulary_is_the_most_frequent():
    assert Vocabulary.fit({"rare": 1, "b": 5, "a": 5}, size=2).frequent == ("a", "b")
