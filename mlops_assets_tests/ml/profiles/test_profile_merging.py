"""Merging in any order and any chunking is one shot, bit for bit; subtracting undoes it."""

import dataclasses
import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mlops_assets.ml.profiles.codec import dumps
from mlops_assets.ml.profiles.numeric import NumericProfile, ProfileMismatch
from mlops_assets.ml.profiles.profile import (
    MIXED,
    MixedProfile,
    Profile,
    fit_grids,
    merge,
    profile,
    regrid,
)

numbers = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.floats(-10, 10),
    st.integers(-3, 3).map(float),
    st.sampled_from([0.1, 0.2, 0.30000000000000004, -0.0, 5e-324, 1.7e308, -1.7e308]),
)
words = st.one_of(st.none(), st.sampled_from(["north", "south", ""]), st.text(max_size=4))
rows = st.lists(st.tuples(numbers, words), max_size=60)


def frame(values: list[tuple[float, str | None]]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "delay": np.array([number for number, _ in values], dtype=float),
            "depot": pd.Series([word for _, word in values], dtype=object),
        }
    )


def without_extremes(found: Profile) -> Profile:
    """What subtracting gives back exactly: all but the extremes."""
    return dataclasses.replace(
        found,
        numeric={n: dataclasses.replace(c, extremes=None) for n, c in found.numeric.items()},
    )


@settings(deadline=None, max_examples=60)
@given(first=rows, values=rows, cuts=st.lists(st.integers(0, 60), max_size=4), seed=st.randoms())
def test_any_chunking_in_any_order_equals_one_shot(first, values, cuts, seed):
    """Floating point sums would differ in their last bits, and a window's profile with them."""
    grids = fit_grids(frame(first))
    whole = profile(frame(values), grids)
    ends = [0, *sorted(min(cut, len(values)) for cut in cuts), len(values)]
    parts = [profile(frame(values[a:b]), grids) for a, b in itertools.pairwise(ends)]
    # Chunks without a grid of the pipeline have one of their own each.
    assume(set(grids) == {"delay", "depot"})
    seed.shuffle(parts)
    assert merge(parts) == whole
    assert dumps(merge(parts)) == dumps(whole)
    nested = merge([merge(parts[:1]), *([merge(parts[1:])] if parts[1:] else [])])
    assert dumps(nested) == dumps(whole)


@settings(deadline=None, max_examples=60)
@given(kept=rows, gone=rows)
def test_subtracting_undoes_merging(kept, gone):
    """A window slides by subtraction: what is left must not carry what went."""
    grids = fit_grids(frame([*kept, *gone, (1.0, "north"), (2.5, "south")]))
    rest, part = profile(frame(kept), grids), profile(frame(gone), grids)
    left = merge([rest, part]) - part
    assert without_extremes(left) == without_extremes(rest)
    if rest.numeric["delay"].present > rest.numeric["delay"].inf:
        # Extremes are bounds: never inside of what the rest holds.
        assert left.numeric["delay"].minimum <= rest.numeric["delay"].minimum
        assert left.numeric["delay"].maximum >= rest.numeric["delay"].maximum


@settings(deadline=None, max_examples=60)
@given(values=st.lists(st.floats(-1e6, 1e6).map(lambda v: round(v, 6)), min_size=1, max_size=80))
def test_moments_are_those_of_the_values(values):
    """Sums of whole units must still be the sums of the values, to 2⁻³⁹ of the grid's range."""
    data = pd.DataFrame({"x": values})
    column = profile(data, fit_grids(data)).numeric["x"]
    unit = column.grid.step * 2.0**-27
    assert column.mean == pytest.approx(math.fsum(values) / len(values), abs=2 * unit, rel=1e-12)
    assert column.std == pytest.approx(np.std(values), abs=4 * unit, rel=1e-6)
    assert (column.minimum, column.maximum) == (min(values), max(values))


def test_many_blocks_equal_one_by_one():
    """The blocks of one pass are chunks, too: of rows beyond 16,384, with and without strangers."""
    rng = np.random.default_rng(5)
    values = rng.normal(size=50_001)
    values[rng.random(50_001) < 0.01] = np.nan
    values[20_000:20_010] = [1e12, -1e12, np.inf, -np.inf, 1e5, -1e5, 0, 1e-300, 37, -37]
    data = pd.DataFrame({"x": values})
    grids = fit_grids(data.iloc[:10_000])
    whole = profile(data, grids)
    parts = [profile(data.iloc[n : n + 997], grids) for n in range(0, 50_001, 997)]
    assert merge(parts[::-1]) == whole
    column = whole.numeric["x"]
    assert (column.inf, column.missing) == (2, int(np.isnan(values).sum()))
    finite = values[np.isfinite(values)]
    assert column.mean == pytest.approx(math.fsum(finite) / len(finite), abs=1e-8)
    assert column.std == pytest.approx(finite.std(), rel=1e-9)


def test_floating_point_sums_would_not_pass():
    """The negative control: what the sums of whole units are there for."""
    values = np.random.default_rng(5).lognormal(0, 3, 50_001)
    parts = [values[n : n + 997].sum() for n in range(0, 50_001, 997)]
    assert len({values.sum(), sum(parts), sum(parts[::-1])}) > 1


def test_what_is_no_part_cannot_be_taken_away():
    data = pd.DataFrame({"x": [1.0, 2.0, 3.0]})
    grids = fit_grids(data)
    with pytest.raises(ProfileMismatch, match=r"'x'.*no part"):
        profile(data.iloc[:1], grids) - profile(data.iloc[1:2], grids)
    with pytest.raises(ProfileMismatch, match="other"):
        profile(data, grids) - profile(data.rename(columns={"x": "other"}), {})


def test_profiles_on_different_grids_do_not_add_up():
    """Adding bins of different widths would give a distribution that never was."""
    one, two = pd.DataFrame({"x": [1.0, 2.5]}), pd.DataFrame({"x": [100.0, 300.7]})
    first, second = profile(one, fit_grids(one)), profile(two, fit_grids(two))
    with pytest.raises(ProfileMismatch, match=r"'x'.*regrid"):
        merge([first, second])
    added = merge([first, regrid(second, first.grids)])
    assert added.numeric["x"].present == 4
    assert added.numeric["x"].maximum == 300.7


def test_a_new_grid_is_laid_over_an_old_profile():
    """A new baseline must not need the old data: quantiles stay, to a bin of the old grid."""
    rng = np.random.default_rng(0)
    old, new = (
        pd.DataFrame({"x": rng.normal(0, 1, 20_000)}),
        pd.DataFrame({"x": rng.normal(5, 3, 20_000)}),
    )
    grids = fit_grids(new)
    moved = regrid(profile(old, fit_grids(old)), grids).numeric["x"]
    direct = profile(old, grids).numeric["x"]
    assert (moved.rows, moved.missing, moved.extremes) == (20_000, 0, direct.extremes)
    assert moved.mean == pytest.approx(direct.mean, abs=0.01)
    assert np.abs(np.cumsum(moved.counts - direct.counts)).max() / 20_000 < 0.01
    assert moved.knots == pytest.approx(direct.knots, abs=0.02)


def test_a_column_that_changed_its_type_is_told_not_raised():
    """One partition with text in a number column must not stop every report on the window."""
    number, text = pd.DataFrame({"x": [1.0, 2.0]}), pd.DataFrame({"x": ["a", "b"]})
    grids = fit_grids(number)
    parts = [profile(number, grids), profile(text, grids)]
    both = merge(parts)
    assert isinstance(both.columns["x"], MixedProfile)
    assert both.columns["x"].rows == 4
    assert both.fingerprint == MIXED
    assert merge(parts[::-1]) == both
    assert (both - parts[1]).columns["x"] == parts[0].columns["x"]


def test_a_column_without_a_value_is_what_it_is_elsewhere():
    """All None has the type object: text. The numbers of other partitions say what it is."""
    number, nothing = pd.DataFrame({"x": [1.0, 2.0]}), pd.DataFrame({"x": [None, None, None]})
    grids = fit_grids(number)
    column = merge([profile(nothing, grids), profile(number, grids)]).columns["x"]
    assert isinstance(column, NumericProfile)
    assert (column.rows, column.missing, column.present) == (5, 3, 2)


def test_columns_that_come_and_go_are_counted_where_they_are():
    one, two = pd.DataFrame({"x": [1.0]}), pd.DataFrame({"x": [2.0], "y": [3.0]})
    grids = fit_grids(two)
    first, second = profile(one, grids), profile(two, grids)
    both = merge([first, second])
    assert (both.rows, both.columns["x"].rows, both.columns["y"].rows) == (2, 2, 1)
    assert "y" not in (both - second).columns


def test_the_extremes_that_subtracting_loses_stay_bounds_to_a_bin():
    data = pd.DataFrame({"x": [0.0, 1.0, 2.0, 9.0]})
    grids = fit_grids(data)
    low, high = profile(data.iloc[:2], grids), profile(data.iloc[2:], grids)
    left = (merge([low, high]) - high).numeric["x"]
    assert left.minimum == 0.0, "the part did not bring it: exact"
    assert left.maximum == pytest.approx(1.0, abs=2 * left.grid.step)


def test_merging_nothing_is_refused():
    with pytest.raises(ValueError, match="no profiles"):
        merge([])
