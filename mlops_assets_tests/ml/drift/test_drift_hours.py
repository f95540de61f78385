"""Hours that are missing, doubled or late, and quiet ones that are none of it."""

import numpy as np
import pandas as pd
import pytest

from mlops_assets.ml.drift.hours import hourly, odd_hours

START, END = pd.Timestamp("2024-03-01", tz="UTC"), pd.Timestamp("2024-04-01", tz="UTC")
DAY = np.array([0, 0, 0, 0, 0, 30, 60, 80, 90, 70, 60, 50, 50, 60, 80, 90, 100, 100, 90, 70, 50,
                40, 20, 5])  # fmt: skip


def month(seed: int = 0) -> dict[str, int]:
    """Counts by hour: nights are quiet, days differ by a third, as traffic does."""
    rng = np.random.default_rng(seed)
    hours = pd.date_range(START, END, freq="h", inclusive="left")
    level = np.repeat(rng.uniform(0.85, 1.15, len(hours) // 24), 24)
    counts = rng.poisson(DAY[hours.hour] * level)
    return {h.isoformat(): int(c) for h, c in zip(hours, counts, strict=True) if c}


def at(day: int, hour: int) -> str:
    return pd.Timestamp(2024, 3, day, hour, tz="UTC").isoformat()


def told(counts: dict[str, int], **options) -> list[tuple[str, str]]:
    return [(f.kind, f.words) for f in odd_hours(counts, (START, END), **options)]


@pytest.mark.parametrize("seed", range(12))
def test_a_usual_month_is_silent(seed):
    assert told(month(seed)) == []


def test_a_gap_is_told_with_its_hours():
    counts = {h: c for h, c in month().items() if not at(12, 8) <= h <= at(12, 10)}
    [(kind, words)] = told(counts)
    assert kind == "gap"
    assert "from 2024-03-12 08:00 to 2024-03-12 11:00 UTC (3 h)" in words


def test_a_quiet_night_is_no_gap():
    counts = {h: c for h, c in month().items() if h != at(9, 23)}
    assert told(counts) == []


def test_rows_that_are_still_to_come_are_late():
    counts = {h: c for h, c in month().items() if h < at(30, 15)}
    [(kind, words)] = told(counts)
    assert kind == "late"
    assert "2024-03-30 15:00" in words


def test_an_hour_delivered_twice():
    counts = month()
    counts[at(5, 16)] *= 2
    counts[at(5, 17)] *= 2
    [(kind, words)] = told(counts)
    assert kind == "duplicates"
    assert "from 2024-03-05 16:00 to 2024-03-05 18:00 UTC (2 h)" in words


def test_rows_of_another_month_came_late():
    [(kind, words)] = told(month() | {"2024-02-28T12:00:00+00:00": 40})
    assert kind == "late"
    assert "40 rows are of another time" in words


def test_a_day_needs_earlier_days_to_know_the_usual():
    """A first day without afternoon says nothing: nobody knows what is usual."""
    window = START, START + pd.Timedelta(days=1)
    day = {h: c for h, c in month().items() if h < at(1, 12)}
    assert odd_hours(day, window) == []
    earlier = [{h.replace("2024-03", "2024-02"): c for h, c in month(3).items() if h < at(20, 0)}]
    assert [f.kind for f in odd_hours(day, window, earlier=earlier)] == ["late"]


def test_hours_follow_the_local_clock():
    """The night of New York is no gap in UTC, on either side of daylight saving."""
    local = pd.date_range("2024-03-01", "2024-04-01", freq="h", tz="America/New_York")
    counts = {h.tz_convert("UTC").isoformat(): int(DAY[h.hour]) for h in local if DAY[h.hour]}
    window = tuple(pd.Timestamp(d, tz="America/New_York").tz_convert("UTC")
                   for d in ("2024-03-01", "2024-04-01"))  # fmt: skip
    assert odd_hours(counts, window, time_zone="America/New_York") == []


def test_counts_by_hour_leave_out_rows_without_a_time():
    times = pd.Series(pd.to_datetime(["2024-03-01T05:59Z", None, "2024-03-01T06:00Z"], utc=True))
    assert hourly(times) == {"2024-03-01T05:00:00+00:00": 1, "2024-03-01T06:00:00+00:00": 1}
