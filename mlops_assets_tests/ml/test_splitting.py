"""Windows over partitions and splits of rows."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.ml.splitting import (
    Expanding,
    Sliding,
    by_hash,
    time_ordered,
    training_window,
)

months = st.lists(st.integers(1, 12).map(lambda m: f"2013-{m:02d}-01"), max_size=15)
windows = st.one_of(st.builds(Sliding, st.integers(1, 6)), st.just(Expanding()))
times = st.lists(
    st.integers(0, 20).map(lambda h: pd.Timestamp("2013-01-01") + pd.Timedelta(hours=h)),
    min_size=1,
    max_size=40,
)
shares = st.floats(0.01, 0.99)


@given(months, st.sampled_from(["2013-01-01", "2013-07-01", "2014-01-01"]), windows)
def test_a_window_never_reaches_the_partition_that_it_is_tested_on(available, as_of, window):
    """Training on the as-of partition would be training on the test set."""
    chosen = training_window(available, as_of, window)
    assert all(key < as_of for key in chosen)
    assert chosen == sorted(set(chosen))
    left_out = {key for key in available if key < as_of} - set(chosen)
    assert all(key < chosen[0] for key in left_out)
    if isinstance(window, Sliding):
        assert len(chosen) == min(window.partitions, len(chosen) + len(left_out))
    else:
        assert not left_out


@pytest.mark.parametrize("count", [0, -1])
def test_a_window_of_nothing_is_refused(count):
    with pytest.raises(ValueError, match="give at least 1"):
        Sliding(count)


@given(times, shares)
def test_no_training_row_is_later_than_a_held_out_one(moments, share):
    """A model that has seen the future of its test set looks better than it is."""
    series = pd.Series(moments, index=[0] * len(moments))
    if series.nunique() < 2:
        with pytest.raises(ValueError, match="distinct times"):
            time_ordered(series, share)
        return
    train, holdout = time_ordered(series, share)
    assert (train ^ holdout).all()
    assert train.any()
    assert holdout.any()
    assert series[train].max() < series[holdout].min()
    closest = min(abs((series >= m).mean() - share) for m in series.unique() if m > series.min())
    assert abs(holdout.mean() - share) == pytest.approx(closest)


@given(times, shares, st.randoms(use_true_random=False))
def test_a_row_falls_on_the_same_side_in_any_order(moments, share, random):
    series = pd.Series(moments)
    order = list(range(len(series)))
    random.shuffle(order)
    if series.nunique() > 1:
        assert (
            time_ordered(series, share)[1][order] == time_ordered(series[order], share)[1]
        ).all()
    keys = series.astype("str")
    assert (by_hash(keys, share, "s")[1][order] == by_hash(keys[order], share, "s")[1]).all()


@given(st.lists(st.integers(0, 30), max_size=40), shares)
def test_a_key_is_on_one_side_whatever_its_type(keys, share):
    """The rows of one customer must not stand on both sides."""
    whole = pd.Series(keys, dtype="int64")
    train, holdout = by_hash(whole, share, "salt")
    assert (train ^ holdout).all()
    assert not set(whole[train]) & set(whole[holdout])
    for other in ("Int64", "str", "int16", "category"):
        assert (by_hash(whole.astype(other), share, "salt")[1] == holdout).all()


def test_the_share_of_keys_is_met_and_another_salt_draws_anew():
    keys = pd.Series(range(20_000))
    first, second = (by_hash(keys, 0.3, salt)[1] for salt in ("a", "b"))
    assert abs(first.mean() - 0.3) < 0.015
    assert abs((first & second).mean() - 0.09) < 0.01


@pytest.mark.integration
def test_a_split_by_hash_is_the_same_in_another_process():
    """Python's own hash() of text changes with every process."""
    here = by_hash(pd.Series(["a", "b", "c", "d", "e"] * 20), 0.5, "s")[1]
    program = (
        "import pandas as pd; from mlops_assets.ml.splitting import by_hash;"
        "print(by_hash(pd.Series(['a','b','c','d','e'] * 20), 0.5, 's')[1].tolist())"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONHASHSEED": "12345"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.strip() == str(here.tolist())


def test_salt_and_key_do_not_run_together():
    keys = pd.Series([f"{n}" for n in range(200)])
    assert (by_hash(keys, 0.5, "x")[1] != by_hash("x" + keys, 0.5, "")[1]).any()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: by_hash(pd.Series([1.0]), 0.5, ""), "float64: hash whole numbers"),
        (lambda: by_hash(pd.Series(["a", None]), 0.5, ""), "1 are null"),
        (lambda: by_hash(pd.Series(["a"]), 1.0, ""), "between 0 and 1"),
        (lambda: time_ordered(pd.Series([pd.NaT, pd.Timestamp(0)]), 0.5), "1 of 2 are null"),
        (lambda: time_ordered(pd.Series([], dtype="datetime64[us]"), 0.5), "0 distinct times"),
        (lambda: time_ordered(pd.Series([pd.Timestamp(0)]), np.nan), "between 0 and 1"),
    ],
)
def test_what_cannot_be_split_is_refused_with_the_reason(call, message):
    with pytest.raises(ValueError, match=message):
        call()
