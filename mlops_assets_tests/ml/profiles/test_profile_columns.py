"""Every kind of column that a frame can hold is counted as what it is."""

import datetime as dt
import math

import numpy as np
import pandas as pd
import pytest

from mlops_assets.ml.profiles.categorical import CategoricalProfile
from mlops_assets.ml.profiles.numeric import NumericProfile
from mlops_assets.ml.profiles.profile import fit_grids, merge, profile


def column(values, **kwargs):
    frame = pd.DataFrame({"x": values})
    return profile(frame, fit_grids(frame), **kwargs).columns["x"]


def test_nan_is_missing_and_told_apart_from_na_where_the_type_can():
    """A nullable column can hold both; a plain one has only NaN. The lake makes no difference."""
    plain = column(np.array([1.0, np.nan, 3.0]))
    assert (plain.missing, plain.nan, plain.present) == (1, 1, 2)
    divided = pd.Series([0.0, 1.0, None], dtype="Float64") / pd.Series(
        [0.0, 1.0, 1.0], dtype="Float64"
    )
    nullable = column(divided)
    assert nullable.missing == 2
    assert nullable.nan in (0, 1), "whether 0/0 becomes NA is pandas' own choice"
    whole = column(pd.Series([1, None, 3], dtype="Int64"))
    assert (whole.missing, whole.nan, whole.present) == (1, 0, 2)


def test_infinities_are_counted_and_lie_beyond_all():
    found = column([1.0, 2.5, np.inf, -np.inf, np.inf, np.nan])
    assert (found.inf, found.missing, found.present) == (3, 1, 5)
    assert (int(found.counts[0]), int(found.counts[-1])) == (1, 2)
    assert (found.minimum, found.maximum, found.mean) == (1.0, 2.5, 1.75)
    assert found.quantile([0.0, 1.0]).tolist() == [-math.inf, math.inf]


@pytest.mark.parametrize(
    "values",
    [
        np.array([], dtype=float),
        np.array([np.nan, np.nan]),
        pd.Series([None, None], dtype="Int64"),
        pd.Series([pd.NaT, pd.NaT], dtype="datetime64[us, UTC]"),
    ],
)
def test_numbers_without_a_value(values):
    found = column(values)
    assert isinstance(found, NumericProfile)
    assert (found.present, found.missing) == (0, len(values))
    assert math.isnan(found.mean)
    assert math.isnan(found.std)
    assert math.isnan(found.minimum)
    assert np.isnan(found.quantile([0.5])).all()
    assert np.isnan(found.knots).all()
    assert found.distinct == 0


def test_a_frame_without_rows_keeps_its_columns():
    empty = pd.DataFrame({"x": np.array([], float), "s": pd.Series([], dtype=str)})
    found = profile(empty, {})
    assert (found.rows, sorted(found.columns)) == (0, ["s", "x"])
    full = pd.DataFrame({"x": [1.0], "s": ["a"]})
    grids = fit_grids(full)
    assert merge([found, profile(full, grids)]).columns["x"].present == 1


def test_a_constant_is_exactly_itself():
    """A constant's deviation is 0, not the square root of a rounding error."""
    found = column(np.full(100_000, 0.3))
    assert (found.std, found.distinct, found.minimum) == (0.0, 1, 0.3)
    assert found.mean == pytest.approx(0.3, abs=1e-12)
    assert found.quantile([0.0, 0.5, 1.0]).tolist() == [0.3, 0.3, 0.3]


def test_a_single_row():
    found = column([42])
    assert (found.mean, found.std, found.minimum, found.maximum) == (42, 0, 42, 42)


@pytest.mark.parametrize("value", [1e300, -1e300, 5e-324, 1e16, -0.0])
def test_extreme_constants(value):
    found = column([value, value])
    assert found.minimum == found.maximum == value
    assert found.present == 2


def test_the_widest_range_of_all():
    found = column([-1.7e308, 0.0, 1.7e308])
    assert (found.minimum, found.maximum, found.present) == (-1.7e308, 1.7e308, 3)


def test_poison_far_beyond_the_grid_neither_fails_nor_spoils():
    """One 1e308 among thousands must not make every sum infinite."""
    frame = pd.DataFrame({"x": np.linspace(0, 1, 1001)})
    found = profile(pd.DataFrame({"x": [0.5, 1e308]}), fit_grids(frame)).columns["x"]
    assert (found.maximum, found.beyond, found.inf) == (1e308, 1, 0)
    assert math.isfinite(found.mean)


@pytest.mark.parametrize(
    "dtype", ["int8", "int32", "uint8", "int64", "float32", "Int32", "Float64", "int64[pyarrow]"]
)
def test_every_number_type_counts_alike(dtype):
    wanted = column(np.arange(100.0))
    found = column(pd.Series(range(100), dtype=dtype))
    assert np.array_equal(found.counts, wanted.counts)
    assert found.mean == wanted.mean == 49.5


def test_times_are_seconds_of_utc_in_any_unit_and_zone():
    moment = pd.Timestamp("2013-04-01 12:00", tz="UTC")
    for unit in ("s", "ms", "us", "ns"):
        times = pd.Series([moment, moment + pd.Timedelta(hours=1), pd.NaT])
        here = times.dt.tz_convert("America/New_York").dt.as_unit(unit)
        found = column(here)
        assert isinstance(found, NumericProfile)
        assert (found.minimum, found.maximum) == (moment.timestamp(), moment.timestamp() + 3600)
        assert found.missing == 1
        assert column(here.dt.tz_convert(None)).minimum == moment.timestamp()
    assert column(pd.Series([pd.Timedelta(minutes=1), None])).maximum == 60.0


def test_booleans_are_categories():
    assert column([True, False, True]).counts == {"True": 2, "False": 1}
    assert column(pd.Series([True, None], dtype="boolean")).missing == 1
    assert isinstance(column(pd.Series([], dtype=bool)), CategoricalProfile)


def test_text_in_every_dress_counts_alike():
    values = ["north", None, "south", "north"]
    for dtype in (object, "str", "string", "category"):
        found = column(pd.Series(values, dtype=dtype))
        assert found.counts == {"north": 2, "south": 1}
        assert found.missing == 1


def test_a_category_that_no_row_has_is_none():
    found = column(pd.Categorical(["a"], categories=["a", "b"]))
    assert found.counts == {"a": 1}


def test_mixed_objects_are_counted_by_their_text():
    """Objects of many types fail in many libraries with the whole report; here they are text."""
    day, broken = dt.date(2013, 4, 1), "\ud800"
    values = [1, "a", None, 2.5, np.nan, pd.NaT, True, [1, 2], {"k": 1}, day, broken]
    found = column(pd.Series(values, dtype=object))
    assert found.missing == 3
    names = ["1", "a", "2.5", "True", "[1, 2]", "{'k': 1}", "2013-04-01", broken]
    assert found.counts == dict.fromkeys(names, 1)


def test_long_texts_are_cut_and_still_told_apart():
    found = column(["x" * 5000 + "a", "x" * 5000 + "b"])
    assert len(found.counts) == 2
    assert max(map(len, found.counts)) < 150


def test_hidden_categories_leave_no_value_behind():
    frame = pd.DataFrame({"name": ["Ada", "Ada", "Grace"]})
    grids = fit_grids(frame, hide=["name"])
    found = profile(frame, grids, hide=["name"]).columns["name"]
    assert sorted(found.counts.values()) == [1, 2]
    assert "Ada" not in repr(found) + repr(grids)


def test_two_columns_of_one_name_are_refused():
    with pytest.raises(ValueError, match="occur twice: x"):
        profile(pd.DataFrame([[1, 2]], columns=["x", "x"]), {})


def test_what_lies_apart_in_memory_is_read_right():
    """A column of a 2-D block is strided; values of the neighbours must not slip in."""
    block = np.arange(60_000.0).reshape(-1, 3)
    frame = pd.DataFrame(block, columns=["a", "b", "c"])
    found = profile(frame, fit_grids(frame)).columns["b"]
    assert (found.minimum, found.maximum) == (1.0, 59_998.0)
    assert found.mean == pytest.approx(block[:, 1].mean())


def test_the_fingerprint_knows_names_and_types_but_no_order():
    frame = pd.DataFrame({"a": [1], "b": ["x"]})
    same = profile(frame[["b", "a"]], {}).fingerprint
    assert profile(frame, {}).fingerprint == same
    assert profile(frame.astype({"a": float}), {}).fingerprint != same
    assert profile(frame.rename(columns={"a": "c"}), {}).fingerprint != same
