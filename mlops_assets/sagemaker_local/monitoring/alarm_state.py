"""When an alarm is in which state: a function of its definition, the measurements and the time.

Belongs here: the check of a definition, M of N datapoints, and the four treatments of missing ones.
Does not belong here: keeping alarms and their states (alarms.py). Source: Amazon CloudWatch User
Guide, "Configuring how CloudWatch alarms treat missing data".
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from mlops_assets.sagemaker_local.monitoring.metric_query import Queries, wrong
from mlops_assets.sagemaker_local.monitoring.metric_store import MetricStore
from mlops_assets.sagemaker_local.store import Document

OK, ALARM, INSUFFICIENT = "OK", "ALARM", "INSUFFICIENT_DATA"
_SHORT_PERIODS = (10, 20, 30)
_DAY, _WEEK = 86_400, 7 * 86_400
_COMPARISONS: dict[str, tuple[Callable[[float, float], bool], str]] = {
    "GreaterThanOrEqualToThreshold": (operator.ge, "greater than or equal to"),
    "GreaterThanThreshold": (operator.gt, "greater than"),
    "LessThanThreshold": (operator.lt, "less than"),
    "LessThanOrEqualToThreshold": (operator.le, "less than or equal to"),
}
_MISSING = ("missing", "ignore", "breaching", "notBreaching")


@dataclass(frozen=True)
class Definition:
    """An alarm as it is evaluated; ``period`` in seconds, ``needed`` of ``periods`` to alarm.

    ``enough``: with fewer values than this a percentile does not change the state.
    """

    queries: Queries
    query: str
    period: int
    periods: int
    needed: int
    threshold: float
    comparison: str
    missing: str
    enough: float

    @property
    def window_s(self) -> int:
        """The seconds that an evaluation looks at."""
        return self.period * self.periods


@dataclass
class Evaluation:
    """An alarm's definition and present state, which holds at least until ``hold_until``; ``due``
    is when it is to be evaluated again."""

    definition: Definition
    state: str
    hold_until: float = 0.0
    due: float = 0.0


def definition(request: Document) -> Definition:
    """The definition in a PutMetricAlarm request. Raises ApiError ValidationError."""
    if "Metrics" in request:
        if "MetricName" in request or "Statistic" in request:
            raise wrong("Metrics and MetricName exclude each other")
        documents = request["Metrics"]
    else:
        documents = [_own_query(request)]
    queries = Queries(documents)
    if len(queries.returned) != 1:
        raise wrong("exactly one of Metrics must have ReturnData true")
    query = queries.returned[0].id
    periods = int(request.get("EvaluationPeriods", 0))
    needed = int(request.get("DatapointsToAlarm", periods))
    if not 1 <= needed <= periods:
        raise wrong("DatapointsToAlarm must be 1 to EvaluationPeriods, which must be given")
    if "Threshold" not in request or "ComparisonOperator" not in request:
        raise wrong("Threshold and ComparisonOperator must be given")
    if request["ComparisonOperator"] not in _COMPARISONS:
        raise wrong(f"The local CloudWatch does not support {request['ComparisonOperator']}")
    missing = request.get("TreatMissingData", "missing")
    if missing not in _MISSING:
        raise wrong(f"TreatMissingData {missing!r} is none of {', '.join(_MISSING)}")
    return Definition(
        queries,
        query,
        _checked_period(queries.periods[query], periods),
        periods,
        needed,
        float(request["Threshold"]),
        request["ComparisonOperator"],
        missing,
        _enough(request),
    )


def _own_query(request: Document) -> Document:
    stat = request.get("Statistic") or request.get("ExtendedStatistic")
    if not stat or ("Statistic" in request and "ExtendedStatistic" in request):
        raise wrong("either Statistic or ExtendedStatistic must be given")
    if "Period" not in request:
        raise wrong("Period must be given")
    return {
        "Id": "own",
        "MetricStat": {"Metric": request, "Period": request["Period"], "Stat": stat},
    }


def _checked_period(period: int, periods: int) -> int:
    if period not in _SHORT_PERIODS and period % 60:
        raise wrong(f"Period must be 10, 20, 30 or a multiple of 60, not {period}")
    longest = _WEEK if period >= 3600 else _DAY
    if period * periods > longest:
        raise wrong(f"Period times EvaluationPeriods must not exceed {longest} s")
    return period


def _enough(request: Document) -> float:
    if request.get("EvaluateLowSampleCountPercentile") != "ignore":
        return 0.0
    share = float(request.get("ExtendedStatistic", "p0")[1:]) / 100
    tail = 1 - share if share >= 0.5 else share
    return 10 / tail if tail > 0 else 0.0


def evaluate(of: Definition, metrics: MetricStore, now: float, state: str) -> tuple[str, str]:
    """The state at ``now`` (seconds since the epoch) and its reason; ``state`` is the present one.

    Datapoint k covers the ``period`` seconds that end k periods ago, the running second included.
    """
    last = int(now) + 1
    windows = [(last - (k + 1) * of.period, last - k * of.period) for k in range(of.periods)]
    points = [of.queries.value(metrics, of.query, start, end) for start, end in windows]
    if of.enough:
        samples = [of.queries.samples(metrics, start, end) for start, end in windows]
        if sum(samples) and max(samples) < of.enough:
            return state, ""
    compare, words = _COMPARISONS[of.comparison]
    breaching = [None if p is None else compare(p, of.threshold) for p in points]
    new = decide(breaching, of.needed, of.missing, state)
    return new, _reason(of, points, words, new, last)


def decide(breaching: Sequence[bool | None], needed: int, missing: str, state: str) -> str:
    """The state from the datapoints, the newest first; None is a missing one.

    >>> decide([True], 1, "missing", "OK")
    'ALARM'
    >>> decide([None, None], 2, "missing", "OK")
    'INSUFFICIENT_DATA'
    """
    bad, absent = breaching.count(True), breaching.count(None)
    if missing == "breaching":
        bad, absent = bad + absent, 0
    elif missing == "notBreaching":
        absent = 0
    if bad >= needed:
        return ALARM
    if missing in ("breaching", "notBreaching"):
        return OK
    if absent == len(breaching):
        return INSUFFICIENT if missing == "missing" else state
    if missing == "ignore":
        return state if bad + absent >= needed else OK
    if bad and bad + absent >= needed:
        oldest = max(k for k, found in enumerate(breaching) if found)
        newer = breaching[: oldest + 1]
        if False not in newer:
            # Not yet as old as the alarm's patience: it may be the first of a row, or a blip.
            return ALARM if oldest + 1 >= needed else state
    return OK


def _reason(
    of: Definition, points: Sequence[float | None], words: str, state: str, last: int
) -> str:
    if state == INSUFFICIENT:
        return "Insufficient Data: all datapoints of the evaluation range are missing"
    known = [
        f"{point:g} ({datetime.fromtimestamp(last - (k + 1) * of.period, UTC):%d/%m/%y %H:%M:%S})"
        for k, point in enumerate(points)
        if point is not None
    ]
    if not known:
        return f"no datapoints were received, and missing ones count as {of.missing}"
    was = "was" if state == ALARM else "was not"
    return (
        f"Threshold Crossed: {len(known)} out of the last {len(points)} datapoints "
        f"[{', '.join(known[:5])}] {was} {words} the threshold ({of.threshold:g})"
    )
