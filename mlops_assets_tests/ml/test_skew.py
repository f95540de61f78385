"""Skew is told exactly: silent when nothing differs, and by name when something does."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_assets.ml.skew import compare, same

COLUMNS = ["weight", "stops", "depot", "fragile", "at"]


def offline(rows: int = 50) -> pd.DataFrame:
    rng = np.random.default_rng(7)
    weight = rng.normal(10, 3, rows)
    weight[::7] = np.nan
    return pd.DataFrame(
        {
            "event_id": [f"e{n}" for n in range(rows)],
            "weight": weight.astype("float32"),
            "stops": pd.array([None if n % 5 == 0 else n for n in range(rows)], dtype="Int64"),
            "depot": [None if n % 9 == 0 else "north" for n in range(rows)],
            "fragile": rng.random(rows) < 0.5,
            "at": pd.date_range("2024-01-01", periods=rows, freq="h", tz="America/New_York"),
        }
    )


def sent(rows: pd.DataFrame) -> pd.DataFrame:
    """What capture makes of them: float64, text, plain integers, UTC; in another order."""
    captured = rows.assign(
        weight=rows["weight"].astype("float64"),
        depot=rows["depot"].fillna(""),
        fragile=rows["fragile"].astype("boolean"),
        at=rows["at"].dt.tz_convert("UTC").dt.as_unit("us"),
        left_out="",
    )
    return captured.sample(frac=1, random_state=1)


def test_the_same_rows_are_silent_whatever_their_types():
    """A false alarm here rolls a good model back."""
    found = compare(sent(offline()), offline(), COLUMNS)
    assert (found.compared, found.different_rows, found.columns) == (50, 0, {})
    assert found.examples.empty


@pytest.mark.parametrize(
    ("column", "changed"),
    [
        ("weight", lambda values: values * 1.6),
        ("weight", lambda values: values.fillna(0.0)),
        ("stops", lambda values: values + 1),
        ("depot", lambda values: values.replace("north", "North")),
        ("fragile", lambda values: ~values),
        ("at", lambda values: values + pd.Timedelta(hours=5)),
    ],
)
def test_one_changed_column_is_told_and_no_other(column, changed):
    captured = sent(offline())
    found = compare(captured.assign(**{column: changed(captured[column])}), offline(), COLUMNS)
    assert set(found.columns) == {column}
    assert found.different_rows == found.columns[column] > 0
    assert set(found.examples["column"]) == {column}


def test_what_was_not_sent_is_no_difference_but_is_counted():
    """With online features the endpoint reads them itself: their absence is no skew."""
    captured = sent(offline()).assign(weight=np.nan, left_out="weight,at")
    found = compare(captured, offline(), COLUMNS)
    assert found.different_rows == 0
    assert found.left_out == {"weight": 50, "at": 50}
    assert compare(captured.assign(left_out=""), offline(), COLUMNS).columns["weight"] > 0


def test_only_events_that_both_have_are_compared_and_personal_values_stay_hidden():
    captured = sent(offline().assign(depot="Ada Lovelace"))
    captured.loc[captured.index[:10], "event_id"] = "unknown"
    found = compare(captured, offline(), COLUMNS, hide=["depot"])
    assert found.compared == 40
    assert "Ada" not in found.examples.to_string()


@settings(max_examples=100)
@given(st.floats(width=32, allow_nan=False, allow_infinity=False), st.integers(-8, 8))
def test_finer_than_float32_is_no_difference_and_coarser_is(value, steps):
    """The model sees float32: what it cannot see cannot change an answer."""
    moved = np.float32(value)
    for _ in range(abs(steps)):
        moved = np.nextafter(moved, np.float32(np.sign(steps) * np.inf))
    one, other = pd.Series([float(value)]), pd.Series([float(moved)])
    assert bool(same(one, other)[0]) == (np.float32(value) == moved)
    if np.isfinite(moved):
        near = pd.Series([float(value) * (1 + 1e-12)])
        assert same(one, near)[0] or abs(value) > 3e38
