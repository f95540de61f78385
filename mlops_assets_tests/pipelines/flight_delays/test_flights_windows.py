"""Prefix sums over what was known: the same as counting by hand, whatever came before."""

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.pipelines.flight_delays.windows import NEVER, Sums, codes, minutes, ratio

EVENT = st.tuples(
    st.integers(0, 3),  # group
    st.one_of(st.integers(0, 60), st.just(NEVER)),  # minute
    st.integers(-50, 50),  # value
)
ASKED = st.tuples(st.integers(0, 4), st.integers(-5, 70), st.integers(0, 40))


def columns(rows: list[tuple[int, ...]], width: int) -> list[np.ndarray]:
    return list(np.array(rows, dtype=np.int64).reshape(len(rows), width).T)


@given(st.lists(EVENT, max_size=40), st.lists(ASKED, min_size=1, max_size=10))
def test_a_window_is_counted_as_by_hand(
    events: list[tuple[int, ...]], asked: list[tuple[int, ...]]
) -> None:
    """Off by one at either end of a window is a leak, or an event that is lost."""
    group, at, value = columns(events, 3)
    key, until, length = columns(asked, 3)
    found = Sums.of(group, at, value).between(key, until - length, until)
    for (k, u, w), (count, total) in zip(asked, found.tolist(), strict=True):
        inside = [v for g, a, v in events if g == k and a != NEVER and u - w < a <= u]
        assert (count, total) == (len(inside), sum(inside))


@given(st.lists(EVENT, max_size=20), st.lists(EVENT, max_size=20))
def test_events_outside_a_window_change_nothing(
    events: list[tuple[int, ...]], others: list[tuple[int, ...]]
) -> None:
    """Sums of floats would differ in their last bits with the length of the history."""
    outside = [(g, a - 1_000 if a != NEVER else a, v) for g, a, v in others]
    key = np.arange(4)
    until, after = np.full(4, 60), np.full(4, -1)
    group, at, value = columns(events, 3)
    alone = Sums.of(group, at, value).between(key, after, until)
    group, at, value = columns(outside + events, 3)
    np.testing.assert_array_equal(Sums.of(group, at, value).between(key, after, until), alone)


def test_minutes_of_a_null_are_never() -> None:
    """NaT as an integer is the smallest there is: as an instant it lies before all others."""
    times = pd.Series(pd.to_datetime(["1970-01-01T01:00Z", None], utc=True)).dt.as_unit("us")
    assert minutes(times).tolist() == [60, NEVER]
    assert minutes(times.dt.as_unit("ns")).tolist() == [60, NEVER]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("ab")), max_size=30))
def test_codes_tell_combinations_apart(rows: list[tuple[str, str]]) -> None:
    """("ab", "c") and ("a", "bc") joined as text would be one group."""
    first = pd.Series([a for a, _ in rows], dtype="str")
    second = pd.Series([b for _, b in rows], dtype="str")
    numbers = codes(first, second).tolist()
    assert len(set(zip(numbers, rows, strict=True))) == len(set(numbers)) == len(set(rows))


def test_nothing_has_no_mean() -> None:
    """0 / 0 is a NaN to the model, never a delay of zero minutes."""
    np.testing.assert_array_equal(ratio(np.array([0, 6]), np.array([0, 4])), [np.nan, 1.5])
