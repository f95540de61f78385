"""Measurements in memory: counts, sums, extremes and percentiles by the second.

Belongs here: series, their buckets, how long they are kept, and what is measured of an endpoint.
Does not belong here: the CloudWatch operations (cloudwatch.py), alarms (alarms.py).

A bucket keeps its values' distribution with a relative error of at most 0.8 %: values are rounded
to 7 bits of mantissa and counted. Seconds are kept for an hour, minutes for a day; all of it is
lost when the server ends, as nothing here is worth a write per request.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

FINE_SECONDS, COARSE_SECONDS = 3600, 24 * 3600
MAX_SERIES = 10_000
SAGEMAKER = "AWS/SageMaker"
_MINUTE = 60

Dimensions = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Metric:
    """What a series is of; dimensions sorted by name."""

    namespace: str
    name: str
    dimensions: Dimensions


class Bucket:
    """The values of some stretch of time."""

    __slots__ = ("bins", "count", "high", "low", "total")

    def __init__(self) -> None:
        self.count = 0.0
        self.total = 0.0
        self.low = math.inf
        self.high = -math.inf
        self.bins: dict[float, float] = {}

    def add(self, value: float, times: float = 1.0) -> None:
        self.add_summary(times, value * times, value, value)
        fraction, exponent = math.frexp(value)
        rounded = math.ldexp(round(fraction * 128), exponent - 7)
        self.bins[rounded] = self.bins.get(rounded, 0.0) + times

    def add_summary(self, count: float, total: float, low: float, high: float) -> None:
        """Values of which only this is known: no percentile can be told from then on."""
        self.count += count
        self.total += total
        self.low = min(self.low, low)
        self.high = max(self.high, high)

    def merge(self, other: Bucket) -> None:
        self.add_summary(other.count, other.total, other.low, other.high)
        for value, times in other.bins.items():
            self.bins[value] = self.bins.get(value, 0.0) + times

    def statistic(self, name: str) -> float | None:
        """Sum, Average, Minimum, Maximum, SampleCount or pNN; None where there is none."""
        if not self.count:
            return None
        if name.startswith("p"):
            return self._percentile(float(name[1:]) / 100)
        known = {"Sum": self.total, "Minimum": self.low, "Maximum": self.high}
        known |= {"SampleCount": self.count, "Average": self.total / self.count}
        return known[name]

    def _percentile(self, share: float) -> float | None:
        if sum(self.bins.values()) < self.count:
            return None
        wanted, seen = share * self.count, 0.0
        for value in sorted(self.bins):
            seen += self.bins[value]
            if seen >= wanted:
                return min(max(value, self.low), self.high)
        return self.high


class Series:
    """One metric's buckets: by the second, and by the minute for what is older than an hour."""

    def __init__(self) -> None:
        self._fine: dict[int, Bucket] = {}
        self._coarse: dict[int, Bucket] = {}
        self.latest = 0

    def bucket(self, second: int) -> Bucket:
        """The bucket to add to."""
        found = self._fine.get(second)
        if found is None:
            found = self._fine[second] = Bucket()
            self.latest = max(self.latest, second)
            if len(self._fine) > FINE_SECONDS + 10 * _MINUTE:
                self._compact()
        return found

    def window(self, start: int, end: int) -> Iterator[Bucket]:
        """The buckets of seconds start to end - 1; a minute counts by its first second."""
        if start > self.latest:
            return
        if end - start <= len(self._fine):
            fine: Iterable[int] = range(start, end)
        else:
            fine = [second for second in self._fine if start <= second < end]
        for second in fine:
            if (found := self._fine.get(second)) is not None:
                yield found
        if not self._coarse:
            return
        for minute in range(
            max(start, next(iter(self._coarse))) // _MINUTE * _MINUTE, end, _MINUTE
        ):
            if minute >= start and (found := self._coarse.get(minute)) is not None:
                yield found

    def _compact(self) -> None:
        for second in [s for s in self._fine if s < self.latest - FINE_SECONDS]:
            minute = second - second % _MINUTE
            self._coarse.setdefault(minute, Bucket()).merge(self._fine.pop(second))
        for minute in [m for m in self._coarse if m < self.latest - COARSE_SECONDS]:
            del self._coarse[minute]


class MetricStore:
    """All series of one server; used from the event loop's thread only."""

    def __init__(self) -> None:
        self._series: dict[Metric, Series] = {}
        self._parts: dict[Metric, list[Series]] = {}

    def series(self, metric: Metric, whole: Dimensions | None = None) -> Series:
        """The series to add to; ``whole`` are the dimensions of a sum that it is part of."""
        found = self._series.get(metric)
        if found is None:
            found = self._series[metric] = Series()
            if whole is not None:
                sum_of = Metric(metric.namespace, metric.name, whole)
                self._parts.setdefault(sum_of, []).append(found)
        return found

    def has_room(self, metric: Metric) -> bool:
        """Whether a client may add to this metric: it exists, or there are not too many."""
        if metric not in self._series and len(self._series) >= MAX_SERIES:
            self._forget_old()
        return metric in self._series or len(self._series) < MAX_SERIES

    def metrics(self) -> list[Metric]:
        """Everything that can be asked for."""
        return [*self._series, *(metric for metric in self._parts if metric not in self._series)]

    def window(self, metric: Metric, start: int, end: int) -> Bucket:
        """All values of seconds start to end - 1, together."""
        result = Bucket()
        for series in self._all(metric):
            for bucket in series.window(start, end):
                result.merge(bucket)
        return result

    def latest(self, metric: Metric) -> int:
        """The last second with a value; 0 where there is none."""
        return max((series.latest for series in self._all(metric)), default=0)

    def _all(self, metric: Metric) -> list[Series]:
        own = self._series.get(metric)
        return [*([own] if own else []), *self._parts.get(metric, ())]

    def _forget_old(self) -> None:
        before = int(time.time()) - COARSE_SECONDS
        self._series = {m: s for m, s in self._series.items() if s.latest >= before}
        kept = set(map(id, self._series.values()))
        parts = {m: [s for s in found if id(s) in kept] for m, found in self._parts.items()}
        self._parts = {metric: found for metric, found in parts.items() if found}
