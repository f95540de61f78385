"""How a pipeline's data is cut into partitions, and the time that each one covers.

Here: the declaration of partitions and its translation to Dagster's definitions and mappings.
Not here: which partitions exist in a source or in the lake.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import dagster as dg
import pandas as pd

from mlops_assets.beta import allowed_beta

_TIME_WINDOWS = {
    "hourly": dg.HourlyPartitionsDefinition,
    "daily": dg.DailyPartitionsDefinition,
    "weekly": dg.WeeklyPartitionsDefinition,
    "monthly": dg.MonthlyPartitionsDefinition,
}
# The shortest that a window of each kind can be, daylight saving and February included.
_SHORTEST = {
    "hourly": dt.timedelta(hours=1),
    "daily": dt.timedelta(hours=23),
    "weekly": dt.timedelta(days=6, hours=23),
    "monthly": dt.timedelta(days=27, hours=23),
}
STATIC_KEY = "all"
_QUARTER_S = 900
# How far an expanding window without an end may grow; Dagster wants a number.
_OPEN_ENDED_YEARS = 20


@dataclass(frozen=True, kw_only=True)
class Partitions:
    """Time windows in a time zone, or one static partition named ``all``.

    Args:
        start: key of the first window: ``2013-01-01``, hourly ``2013-01-01-00:00``.
        end: the window at which the data stops, exclusive; open when left out.
        time_zone: IANA name of the zone whose midnight cuts the windows.

    >>> months = Partitions(kind="monthly", start="2013-01-01", end="2013-04-01")
    >>> months.definition.get_partition_keys()
    ['2013-01-01', '2013-02-01', '2013-03-01']
    """

    kind: Literal["hourly", "daily", "weekly", "monthly", "static"]
    start: str = ""
    end: str | None = None
    time_zone: str = "UTC"

    def __post_init__(self) -> None:
        if self.kind != "static":
            if self.kind not in _TIME_WINDOWS:
                kinds = ", ".join([*_TIME_WINDOWS, "static"])
                raise ValueError(f"partitions.kind: {self.kind!r} is unknown. Use one of {kinds}.")
            if not self.start:
                raise ValueError(
                    f"partitions.start: is not set, and the partitions are {self.kind}. "
                    "Give the first window's key, such as '2013-01-01'."
                )

    @cached_property
    def definition(self) -> dg.PartitionsDefinition[str]:
        if self.kind == "static":
            return dg.StaticPartitionsDefinition([STATIC_KEY])
        return _TIME_WINDOWS[self.kind](
            start_date=self.start, end_date=self.end, timezone=self.time_zone
        )

    def window(self, key: str) -> tuple[pd.Timestamp, pd.Timestamp] | None:
        """[start, end) of a time partition in UTC; None for the static partition."""
        definition = self.definition
        if not isinstance(definition, dg.TimeWindowPartitionsDefinition):
            return None
        window = definition.time_window_for_partition_key(key)
        return (
            pd.Timestamp(window.start).tz_convert("UTC"),
            pd.Timestamp(window.end).tz_convert("UTC"),
        )

    def containing(self, moment: pd.Timestamp) -> str:
        """The partition of a moment; before the first and after the last one, these.

        >>> months = Partitions(kind="monthly", start="2013-01-01", end="2013-04-01")
        >>> moments = "2012-06-01", "2013-02-28 23:59", "2026-01-01"
        >>> [months.containing(pd.Timestamp(moment, tz="UTC")) for moment in moments]
        ['2013-01-01', '2013-02-01', '2013-03-01']
        """
        # All moments of a quarter of an hour are in one window, in every time zone.
        quarter = int(moment.timestamp() // _QUARTER_S)
        if quarter not in self._containing:
            self._containing[quarter] = self._key_at(float(quarter * _QUARTER_S))
        return self._containing[quarter]

    def _key_at(self, timestamp: float) -> str:
        definition = self.definition
        if not isinstance(definition, dg.TimeWindowPartitionsDefinition):
            return STATIC_KEY
        # Start and end need not lie where a window does: weeks begin on Sundays.
        if first := definition.get_next_partition_window(
            definition.start - dt.timedelta(seconds=1), respect_bounds=False
        ):
            timestamp = max(timestamp, first.start.timestamp())
        if definition.end is not None:
            last = definition.get_prev_partition_window(definition.end)
            if last is not None and timestamp >= last.end.timestamp():
                timestamp = last.start.timestamp()
        return definition.get_partition_key_for_timestamp(timestamp)

    @cached_property
    def _containing(self) -> dict[int, str]:
        """{quarter of an hour since the epoch: key}, of what was asked for: Dagster's own way takes
        a millisecond."""
        return {}

    def between(self, first: pd.Timestamp, last: pd.Timestamp) -> list[str]:
        """The partitions from one moment's to another's (inclusive), in order.

        >>> months = Partitions(kind="monthly", start="2013-01-01")
        >>> first, last = (pd.Timestamp(day, tz="UTC") for day in ("2013-01-31", "2013-02-01"))
        >>> months.between(first, last)
        ['2013-01-01', '2013-02-01']
        """
        keys = [self.containing(first)]
        until = self.containing(last)
        while keys[-1] != until:
            window = self.window(keys[-1])
            if window is None or window[1] > last:
                break
            keys.append(self.containing(window[1]))
        return keys

    def before(self, key: str, lookback: dt.timedelta) -> list[str]:
        """The partitions that overlap the ``lookback`` before a partition, in order.

        >>> months = Partitions(kind="monthly", start="2013-01-01")
        >>> months.before("2013-03-01", dt.timedelta(days=2))
        ['2013-02-01']
        """
        definition = self.definition
        window = self.window(key)
        if window is None or not isinstance(definition, dg.TimeWindowPartitionsDefinition):
            return []
        earliest = window[0] - lookback
        keys: list[str] = []
        current = definition.get_prev_partition_window(
            definition.time_window_for_partition_key(key).start
        )
        while current is not None and pd.Timestamp(current.end) > earliest:
            keys.append(definition.get_partition_key_for_timestamp(current.start.timestamp()))
            current = definition.get_prev_partition_window(current.start)
        return keys[::-1]

    def mapping(
        self,
        *,
        lookback: dt.timedelta | None = None,
        windows: int | None = None,
        ahead: dt.timedelta | None = None,
    ) -> dg.PartitionMapping:
        """A partition's dependency on itself, on the windows before it, and on those ``ahead``.

        Give either a ``lookback`` in time or a number of ``windows``.
        """
        if self.kind == "static":
            return dg.IdentityPartitionMapping()
        offset = windows or 0
        if lookback:
            offset = -(-lookback // _SHORTEST[self.kind])
        with allowed_beta():
            return dg.TimeWindowPartitionMapping(
                start_offset=-offset,
                end_offset=-(-ahead // _SHORTEST[self.kind]) if ahead else 0,
                allow_nonexistent_upstream_partitions=True,
            )

    def all_before(self) -> dg.PartitionMapping:
        """A partition's dependency on itself and on everything before it."""
        if self.kind == "static":
            return dg.IdentityPartitionMapping()
        first = pd.Timestamp(self.start.rsplit("-", 1)[0] if self.kind == "hourly" else self.start)
        last = pd.Timestamp(self.end or f"{first.year + _OPEN_ENDED_YEARS}-01-01")
        return self.mapping(windows=int((last - first) / _SHORTEST[self.kind]) + 1)
