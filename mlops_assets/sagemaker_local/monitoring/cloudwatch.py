"""CloudWatch's metric operations over the measurements in memory.

Belongs here: PutMetricData, GetMetricData, GetMetricStatistics, ListMetrics. Does not belong here:
keeping values (metric_store.py), expressions (metric_math.py), alarms (alarms.py).
"""

from __future__ import annotations

import math
import time
from typing import Any

from mlops_assets.sagemaker_local.errors import ApiError
from mlops_assets.sagemaker_local.listing import read_token, write_token
from mlops_assets.sagemaker_local.monitoring.metric_query import Queries, metric, statistic, wrong
from mlops_assets.sagemaker_local.monitoring.metric_store import (
    DAY,
    KEPT_SECONDS,
    MAX_SERIES,
    SAGEMAKER,
    Bucket,
    Metric,
    MetricStore,
)
from mlops_assets.sagemaker_local.protocol import Handler
from mlops_assets.sagemaker_local.shapes import seconds
from mlops_assets.sagemaker_local.store import Document

_MAX_POINTS, _MAX_STATISTICS, _PAGE, _MAX_DATA = 20_160, 1440, 500, 1000
_UNITS = {
    "ModelLatency": "Microseconds",
    "OverheadLatency": "Microseconds",
}


class CloudWatch:
    """The operations on metrics."""

    def __init__(self, metrics: MetricStore) -> None:
        self._metrics = metrics

    def operations(self) -> dict[str, Handler]:
        return {
            "PutMetricData": self.put,
            "GetMetricData": self.get_data,
            "GetMetricStatistics": self.get_statistics,
            "ListMetrics": self.list,
        }

    def put(self, request: Document) -> Document:
        if request["Namespace"].startswith("AWS/"):
            raise _parameter("The value AWS/ for parameter Namespace is invalid.")
        if "EntityMetricData" in request:
            raise wrong("the local CloudWatch does not support EntityMetricData: give MetricData")
        data = request.get("MetricData", [])
        if not 0 < len(data) <= _MAX_DATA:
            raise _parameter(f"MetricData must hold 1 to {_MAX_DATA} metrics, not {len(data)}")
        for datum in data:
            _check_values(datum)
        for datum in data:
            self._put(metric(datum | {"Namespace": request["Namespace"]}), datum)
        return {}

    def get_data(self, request: Document) -> Document:
        queries = Queries(request["MetricDataQueries"])
        start, end = _interval(request)
        ascending = request.get("ScanBy") == "TimestampAscending"
        results = []
        for query in queries.returned:
            period = queries.periods[query.id]
            times = _times(start, end, period, _MAX_POINTS)
            values = [
                (when, value)
                for when in times
                if (value := queries.value(self._metrics, query.id, when, when + period))
                is not None
            ]
            if not ascending:
                values.reverse()
            results.append(
                {
                    "Id": query.id,
                    "Label": query.label,
                    "Timestamps": [when for when, _ in values],
                    "Values": [value for _, value in values],
                    "StatusCode": "Complete",
                }
            )
        return {"MetricDataResults": results, "Messages": []}

    def get_statistics(self, request: Document) -> Document:
        of, period = metric(request), request["Period"]
        names = [*request.get("Statistics", []), *request.get("ExtendedStatistics", [])]
        if not names:
            raise ApiError("MissingParameter", "Statistics or ExtendedStatistics must be given")
        for name in names:
            statistic(name)
        start, end = _interval(request)
        points = []
        for when in _times(start, end, period, _MAX_STATISTICS):
            bucket = self._metrics.window(of, when, when + period)
            if bucket.count:
                points.append(_point(request, of, bucket) | {"Timestamp": when})
        return {"Label": of.name, "Datapoints": points}

    def list(self, request: Document) -> Document:
        recently = int(time.time()) - 3 * 3600 if "RecentlyActive" in request else 0
        found = [
            metric_
            for metric_ in self._metrics.metrics()
            if metric_.namespace == request.get("Namespace", metric_.namespace)
            and metric_.name == request.get("MetricName", metric_.name)
            and _has(metric_, request.get("Dimensions", []))
            and self._metrics.latest(metric_) >= recently
        ]
        found.sort(key=lambda m: (m.namespace, m.name, m.dimensions))
        start = read_token(request.get("NextToken"))
        token = write_token(start + _PAGE) if start + _PAGE < len(found) else None
        metrics = [
            {"Namespace": m.namespace, "MetricName": m.name, "Dimensions": _dimensions(m)}
            for m in found[start : start + _PAGE]
        ]
        return {"Metrics": metrics, "NextToken": token}

    def _put(self, of: Metric, datum: Document) -> None:
        when = seconds(datum["Timestamp"]) if "Timestamp" in datum else time.time()
        if abs(time.time() - when) > DAY:
            raise _parameter(
                f"Timestamp of {of.name} is more than {DAY // 3600} hours away: the "
                "local CloudWatch keeps no more"
            )
        if not self._metrics.has_room(of):
            raise ApiError("LimitExceeded", f"{MAX_SERIES} metrics are kept already")
        bucket = self._metrics.series(of).bucket(int(when))
        if "StatisticValues" in datum:
            known = datum["StatisticValues"]
            bucket.add_summary(
                known["SampleCount"], known["Sum"], known["Minimum"], known["Maximum"]
            )
        elif "Value" in datum:
            bucket.add(datum["Value"])
        else:
            counts = datum.get("Counts", [1.0] * len(datum["Values"]))
            for value, times in zip(datum["Values"], counts, strict=True):
                bucket.add(value, times)


def _check_values(datum: Document) -> None:
    given = [name for name in ("Value", "Values", "StatisticValues") if name in datum]
    if len(given) != 1:
        text = f"{datum['MetricName']} needs one of Value, Values and StatisticValues"
        raise ApiError("InvalidParameterCombination", text)
    values = [*datum.get("Values", []), *datum.get("StatisticValues", {}).values()]
    if not all(math.isfinite(value) for value in [*values, datum.get("Value", 0.0)]):
        raise _parameter(f"{datum['MetricName']} has a value that is no finite number")
    if "Counts" in datum and len(datum["Counts"]) != len(datum.get("Values", [])):
        raise _parameter(f"{datum['MetricName']} has Values and Counts of different length")


def _parameter(message: str) -> ApiError:
    return ApiError("InvalidParameterValue", message)


def _interval(request: Document) -> tuple[float, float]:
    start, end = seconds(request["StartTime"]), seconds(request["EndTime"])
    if not start < end:
        raise _parameter("The parameter StartTime must be less than the parameter EndTime.")
    return start, end


def _times(start: float, end: float, period: int, most: int) -> range:
    """The starts of the periods, each a multiple of the period's length."""
    first = int(start // period) * period
    # Nothing older is kept: a year asked for is not worth a year's loop.
    oldest = int(time.time()) - KEPT_SECONDS - 3600
    if first < oldest:
        first += (oldest - first) // period * period
    times = range(first, math.ceil(end), period)
    if len(times) > most:
        text = f"{len(times)} datapoints are more than {most}: give a longer Period"
        raise ApiError("InvalidParameterCombination", text)
    return times


def _point(request: Document, of: Metric, bucket: Bucket) -> dict[str, Any]:
    point: dict[str, Any] = {name: bucket.statistic(name) for name in request.get("Statistics", [])}
    extended = {
        name: value
        for name in request.get("ExtendedStatistics", [])
        if (value := bucket.statistic(name)) is not None
    }
    unit = _UNITS.get(of.name, "None") if of.namespace == SAGEMAKER else None
    return point | {"ExtendedStatistics": extended or None, "Unit": request.get("Unit", unit)}


def _has(of: Metric, wanted: list[Document]) -> bool:
    own = dict(of.dimensions)
    return all(
        item["Name"] in own and item.get("Value", own[item["Name"]]) == own[item["Name"]]
        for item in wanted
    )


def _dimensions(of: Metric) -> list[dict[str, str]]:
    return [{"Name": name, "Value": value} for name, value in of.dimensions]
