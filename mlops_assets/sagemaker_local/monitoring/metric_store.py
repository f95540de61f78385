"""Measurements in memory: counts, sums, extremes and percentiles by the second.

Belongs here: series, their buckets, how long they are kept, and what is measured of an endpoint.
Does not belong here: the CloudWatch operations (cloudwatch.py), alarms (alarms.py).

A bucket keeps its values' distribution with a relative error of at most 0.8 %: values are rounded
to 7 bits of mantissa and counted. Seconds are kept for an hour, minutes for a day, hours for 63
days; all of it is lost when the server ends, as nothing here is worth a write per request.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

DAY = 24 * 3600
KEPT_SECONDS = 63 * DAY
TIERS = ((1, 3600), (60, DAY), (3600, KEPT_SECONDS))
"""Length of a bucket, and the age up to which buckets of that length are kept, in seconds."""
MAX_SERIES = 10_000
SAGEMAKER = "AWS/SageMaker"
_SLACK = 600

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
        self.count += times
        self.total += value * times
        if value < self.low:
            self.low = value
        if value > self.high:
            self.high = value
        if value not in (0.0, 1.0):  # which most counters are
            fraction, exponent = math.frexp(value)
            value = math.ldexp(round(fraction * 128), exponent - 7)
        self.bins[value] = self.bins.get(value, 0.0) + times

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
    """One metric's buckets: seconds, and what is older by the minute and then by the hour."""

    def __init__(self) -> None:
        self.tiers: tuple[dict[int, Bucket], ...] = tuple({} for _ in TIERS)
        self.latest = 0

    def bucket(self, second: int) -> Bucket:
        """The bucket to add to."""
        finest = self.tiers[0]
        found = finest.get(second)
        if found is None:
            found = finest[second] = Bucket()
            self.latest = max(self.latest, second)
            if len(finest) > TIERS[0][1] + _SLACK:
                self._compact()
        return found

    def window(self, start: int, end: int) -> Iterator[Bucket]:
        """The buckets of seconds start to end - 1; a longer one counts by its first second."""
        if start > self.latest:
            return
        for (length, _), tier in zip(TIERS, self.tiers, strict=True):
            times: Iterable[int] = tier
            if (end - start) // length < len(tier):
                times = range(-(-start // length) * length, end, length)
            for when in times:
                if start <= when < end and (found := tier.get(when)) is not None:
                    yield found

    def _compact(self) -> None:
        for number, (_, kept) in enumerate(TIERS):
            tier = self.tiers[number]
            for when in [when for when in tier if when < self.latest - kept]:
                old = tier.pop(when)
                if number + 1 < len(TIERS):
                    start = when - when % TIERS[number + 1][0]
                    self.tiers[number + 1].setdefault(start, Bucket()).merge(old)


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
        before = int(time.time()) - KEPT_SECONDS
        self._series = {m: s for m, s in self._series.items() if s.latest >= before}
        kept = set(map(id, self._series.values()))
        parts = {m: [s for s in found if id(s) in kept] for m, found in self._parts.items()}
        self._parts = {metric: found for metric, found in parts.items() if found}
