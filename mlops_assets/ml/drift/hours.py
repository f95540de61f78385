"""Hours of a partition in which rows are missing, doubled or still to come, from event times.

Here: what the number of rows an hour tells against the usual number at that hour of the day. Not
here: what the rows hold (`compare`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from mlops_assets.ml.drift.report import Finding

# So many days are needed before an hour of the day has a usual number of rows.
_DAYS = 7
_HOUR = pd.Timedelta(hours=1)
# Traffic varies more than chance alone: an hour is odd from twice a Poisson's spread of rows on.
_OVERDISPERSION = 4.0
_SIGMAS = 6.0
_DOUBLED = (1.6, 2.6)
_MAD = 1.4826  # makes the median absolute deviation a standard deviation, of normal values


def hourly(times: pd.Series) -> dict[str, int]:
    """Rows by hour (UTC, ISO 8601), ascending; rows without a time are left out.

    >>> hourly(pd.to_datetime(pd.Series(["2013-01-01T05:10Z", "2013-01-01T05:50Z"])))
    {'2013-01-01T05:00:00+00:00': 2}
    """
    counts = pd.to_datetime(times.dropna(), utc=True).dt.floor("h").value_counts().sort_index()
    return {hour.isoformat(): int(count) for hour, count in counts.items()}


def odd_hours(
    counts: Mapping[str, int],
    window: tuple[pd.Timestamp, pd.Timestamp],
    *,
    earlier: Sequence[Mapping[str, int]] = (),
    time_zone: str = "UTC",
    alpha: float = 0.001,
) -> list[Finding]:
    """Gaps, doubled hours, hours still to come, and rows that belong to another partition.

    Args:
        counts: of `hourly`, of the partition that covers ``window`` = [start, end).
        earlier: the same of earlier partitions: what is usual, where this one has too few days.
        time_zone: whose hours of the day the traffic follows.
        alpha: the share of partitions without fault that may have a finding.

    An hour counts as empty by chance with probability exp(-usual / 4): a Poisson's with twice its
    spread. Nothing is told while there are fewer than 7 days to learn the usual numbers from.
    """
    start, end = window
    hours = pd.date_range(start.ceil("h"), end, freq="h", inclusive="left")
    seen = _series(counts)
    found = _misplaced(seen, start, end)
    own = seen[(seen.index >= start.floor("h")) & (seen.index < end)]
    known = _usual([own], hours, time_zone) or _usual(
        [_series(part) for part in earlier], hours, time_zone
    )
    if known is None or not len(hours):
        return found
    usual, spread = known
    here = seen.reindex(hours, fill_value=0).to_numpy()
    odds = -np.log(alpha / len(hours))
    for start_of, end_of in _runs(here == 0):
        # Hours that are always quiet join those beside them, but neither begin nor end a gap.
        busy = np.flatnonzero(usual[start_of : end_of + 1])
        expected = float(usual[start_of : end_of + 1].sum())
        if expected / _OVERDISPERSION < odds:
            continue
        first, last = start_of + int(busy[0]), start_of + int(busy[-1])
        span = _span(hours[first], hours[last] + _HOUR)
        # The rest of the partition, quiet hours aside, is empty too: it has not come yet.
        if not here[last + 1 :].any():
            words = f"no row {span}, where some {expected:,.0f} are usual: late, or lost upstream"
            found.append(Finding("late", None, words, effect=float(expected / usual.sum())))
        else:
            words = f"no row {span}, where some {expected:,.0f} are usual: lost upstream?"
            found.append(Finding("gap", None, words, effect=float(expected / usual.sum())))
    ratio = here / np.maximum(usual, 1e-9)
    doubled = (ratio >= _DOUBLED[0]) & (ratio <= _DOUBLED[1])
    doubled &= here - usual >= _SIGMAS * np.maximum(spread, np.sqrt(usual))
    for first, last in _runs(doubled):
        rows = int((here - usual)[first : last + 1].sum())
        words = (
            f"twice the usual number of rows {_span(hours[first], hours[last] + _HOUR)} "
            f"(some {rows:,} too many): delivered twice?"
        )
        found.append(Finding("duplicates", None, words, effect=float(rows / max(here.sum(), 1))))
    return found


def _series(counts: Mapping[str, int]) -> pd.Series:
    index = pd.to_datetime(pd.Index(list(counts), dtype="str"), utc=True, format="ISO8601")
    return pd.Series(list(counts.values()), index=index, dtype="int64")


def _misplaced(seen: pd.Series, start: pd.Timestamp, end: pd.Timestamp) -> list[Finding]:
    outside = int(seen[(seen.index < start.floor("h")) | (seen.index >= end)].sum())
    if not outside:
        return []
    words = (
        f"{outside:,} rows are of another time than {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}"
        ": they came late, or into the wrong partition"
    )
    return [Finding("late", None, words, effect=outside / int(seen.sum()))]


def _usual(
    parts: Sequence[pd.Series], hours: pd.DatetimeIndex, time_zone: str
) -> tuple[np.ndarray, np.ndarray] | None:
    """The median number of rows at each hour's hour of the day, and how far days are from it; None
    with too few days."""
    known = [part for part in parts if len(part)]
    if not known:
        return None
    every = pd.concat(known).groupby(level=0).sum()
    span = pd.date_range(every.index[0], every.index[-1], freq="h")
    if len(span) < _DAYS * 24:
        return None
    local = every.reindex(span, fill_value=0)
    by_hour = local.groupby(local.index.tz_convert(time_zone).hour)
    wanted = hours.tz_convert(time_zone).hour
    spread = by_hour.agg(lambda counts: _MAD * (counts - counts.median()).abs().median())
    return (
        by_hour.median().reindex(wanted, fill_value=0).to_numpy(float),
        spread.reindex(wanted, fill_value=0).to_numpy(float),
    )


def _runs(where: np.ndarray) -> list[tuple[int, int]]:
    """First and last index of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], where.astype(np.int8), [0]])))
    return [(int(a), int(b) - 1) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _span(start: pd.Timestamp, end: pd.Timestamp) -> str:
    hours = int((end - start) / _HOUR)
    return f"from {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC ({hours} h)"
