"""Partitions: windows in the pipeline's own time zone, and what came before them."""

import datetime as dt
import itertools

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_assets.partitions import Partitions

NEW_YORK = Partitions(
    kind="monthly", start="2013-01-01", end="2014-01-01", time_zone="America/New_York"
)


def test_a_month_begins_at_local_midnight_on_both_sides_of_a_clock_change():
    assert NEW_YORK.window("2013-03-01") == (
        pd.Timestamp("2013-03-01 05:00", tz="UTC"),
        pd.Timestamp("2013-04-01 04:00", tz="UTC"),
    )


def test_windows_tile_the_year_without_gap_or_overlap():
    """DST days must neither be skipped nor doubled."""
    windows = [NEW_YORK.window(key) for key in NEW_YORK.definition.get_partition_keys()]
    assert len(windows) == 12
    assert all(before[1] == after[0] for before, after in itertools.pairwise(windows))


@pytest.mark.parametrize(
    ("lookback", "expected"),
    [
        (dt.timedelta(0), []),
        (dt.timedelta(hours=1), ["2013-03-01"]),
        (dt.timedelta(days=30, hours=23), ["2013-03-01"]),
        # March 2013 is an hour short of 31 days: the clocks went forward.
        (dt.timedelta(days=31), ["2013-02-01", "2013-03-01"]),
        (dt.timedelta(days=400), ["2013-01-01", "2013-02-01", "2013-03-01"]),
    ],
)
def test_before_is_what_the_lookback_overlaps(lookback, expected):
    assert NEW_YORK.before("2013-04-01", lookback) == expected


def test_hourly_lookback_crosses_the_repeated_hour():
    hourly = Partitions(kind="hourly", start="2013-11-01-00:00", time_zone="America/New_York")
    assert len(hourly.before("2013-11-03-04:00", dt.timedelta(hours=5))) == 5


def test_static_has_one_partition_and_no_past():
    static = Partitions(kind="static")
    assert static.definition.get_partition_keys() == ["all"]
    assert static.window("all") is None
    assert static.before("all", dt.timedelta(days=1)) == []


def test_unknown_kinds_and_missing_starts_are_refused():
    with pytest.raises(ValueError, match=r"partitions\.kind: 'yearly' is unknown"):
        Partitions(kind="yearly", start="2013")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"partitions\.start: is not set"):
        Partitions(kind="daily")


@settings(max_examples=60)
@given(
    minutes=st.integers(-100_000, 400_000),
    zone=st.sampled_from(["UTC", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu"]),
    kind=st.sampled_from(["hourly", "daily", "weekly", "monthly"]),
)
def test_a_moment_is_in_the_window_of_its_partition(minutes, zone, kind):
    """An event in its neighbour's partition would be judged against another month's labels."""
    start = "2024-02-01-00:00" if kind == "hourly" else "2024-02-01"
    end = "2024-06-01-00:00" if kind == "hourly" else "2024-06-01"
    partitions = Partitions(kind=kind, start=start, end=end, time_zone=zone)
    moment = pd.Timestamp("2024-02-01", tz=zone) + pd.Timedelta(minutes=minutes, seconds=59.9)
    keys = partitions.definition.get_partition_keys()
    key = partitions.containing(moment)
    window = partitions.window(key)
    assert key in keys
    assert moment < window[1] or key == keys[-1]
    assert moment >= window[0] or key == keys[0]
