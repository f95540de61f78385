"""The sums that are put together of 64 bits and a floating point sum are those of whole numbers."""

import numpy as np
import pytest

from mlops_assets.ml.profiles import binning
from mlops_assets.ml.profiles.grid import Grid

ROWS = 60_000
GRID = Grid(-3.0, 6 / 4096)
TOP = GRID.high - GRID.step * 2.0**-20


def draw(kind: str) -> np.ndarray:
    rng = np.random.default_rng(7)
    values = rng.normal(size=ROWS)
    match kind:
        case "at the top":
            values = np.full(ROWS, TOP)
        case "at the bottom":
            values = np.full(ROWS, -3.0)
        case "just below the bottom":
            values = np.where(rng.random(ROWS) < 0.5, np.nextafter(-3.0, -4.0), values)
        case "far":
            values = rng.standard_cauchy(ROWS) * 100
        case "few missing" | "many missing" | "nearly all missing":
            share = {"few missing": 0.1, "many missing": 0.6, "nearly all missing": 0.9999}[kind]
            values = np.where(rng.random(ROWS) < share, np.nan, values)
            values[:30_000:7] = rng.choice([np.nan, -np.nan, 1e9, -1e9, 0.0])
            values[40_000] = -np.nan
    return values


@pytest.mark.parametrize(
    "kind",
    ["normal", "at the top", "at the bottom", "just below the bottom", "far", "few missing",
     "many missing", "nearly all missing"],
)  # fmt: skip
def test_sums_are_those_of_whole_units(kind):
    """A wrong upper half of the squares would be off by 2⁶⁴, a wrong place by a unit."""
    values = draw(kind)
    found = binning.count([values], GRID)
    known = values[~np.isnan(values)]
    places = (known - GRID.low) * (1.0 / GRID.step)
    units = [int(unit) for unit in np.rint(places * binning.UNIT).tolist()]
    most = 4096 * binning.UNIT
    assert found.below == sum(unit for unit in units if unit < 0)
    assert found.inside == sum(unit for unit in units if 0 <= unit < most)
    assert found.above == sum(unit for unit in units if unit >= most)
    assert found.squares == sum(unit * unit for unit in units)
    assert found.nan == len(values) - len(known)
    assert int(found.counts.sum()) == len(known)
    assert found.extremes == ((known.min(), known.max()) if len(known) else None)
    bins = np.bincount([unit // binning.UNIT for unit in units if 0 <= unit < most], minlength=4096)
    assert np.array_equal(found.counts[1:-1], bins)


def test_floating_point_alone_would_be_off():
    """The negative control: what is summed in whole numbers, summed as it comes."""
    values = draw("normal")
    places = np.rint((values - GRID.low) * (1.0 / GRID.step) * binning.UNIT)
    inside = places[(places >= 0) & (places < 4096 * binning.UNIT)]
    exact = sum(int(unit) ** 2 for unit in inside.tolist())
    assert int(inside @ inside) != exact
