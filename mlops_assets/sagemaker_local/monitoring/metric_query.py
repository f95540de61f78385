"""MetricDataQueries: what GetMetricData and an alarm ask of the measurements.

Belongs here: the check of a list of queries, and their values over one stretch of time. Does not
belong here: the operations (cloudwatch.py, alarms.py), expressions (metric_math.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlops_assets.sagemaker_local.errors import ApiError
from mlops_assets.sagemaker_local.monitoring.metric_math import Expression
from mlops_assets.sagemaker_local.monitoring.metric_store import Metric, MetricStore
from mlops_assets.sagemaker_local.store import Document

STATISTICS = ("SampleCount", "Average", "Sum", "Minimum", "Maximum")
_PERCENTILE = re.compile(r"p(100|\d{1,2})(\.\d{1,10})?")
_ID = re.compile(r"[a-z][a-zA-Z0-9_]*")


def wrong(message: str) -> ApiError:
    """CloudWatch's word for a request that is wrong."""
    return ApiError("ValidationError", message)


def statistic(name: str) -> str:
    """``name`` if it is one that is computed here. Raises ApiError ValidationError."""
    if name not in STATISTICS and not _PERCENTILE.fullmatch(name):
        raise wrong(f"statistic {name[:80]!r} is none of {', '.join(STATISTICS)} and pNN.NN")
    return name


def metric(document: Document) -> Metric:
    """The metric that a request's Namespace, MetricName and Dimensions name."""
    if "Namespace" not in document or "MetricName" not in document:
        raise wrong("a metric needs Namespace and MetricName")
    pairs = [(item["Name"], item["Value"]) for item in document.get("Dimensions", [])]
    if len(dict(pairs)) != len(pairs):
        raise wrong(f"Dimensions of {document['MetricName']} holds a name more than once")
    return Metric(document["Namespace"], document["MetricName"], tuple(sorted(pairs)))


@dataclass(frozen=True)
class Query:
    """One of the list: a metric's statistic, or an expression over the others."""

    id: str
    label: str
    period: int
    returned: bool
    metric: Metric | None = None
    statistic: str = ""
    expression: Expression | None = None


class Queries:
    """A checked list of queries, all of one period where expressions combine them."""

    def __init__(self, documents: Sequence[Document]) -> None:
        """Raises ApiError ValidationError."""
        self._queries: dict[str, Query] = {}
        for document in documents:
            query = _query(document)
            if query.id in self._queries:
                raise wrong(f"the id {query.id} is given more than once")
            self._queries[query.id] = query
        self.periods = {q.id: self._period(q, ()) for q in self._queries.values()}

    @property
    def returned(self) -> list[Query]:
        return [query for query in self._queries.values() if query.returned]

    def value(self, store: MetricStore, id_: str, start: int, end: int) -> float | None:
        """The query's value over seconds start to end - 1; None where there is none."""
        query = self._queries[id_]
        if query.metric is not None:
            return store.window(query.metric, start, end).statistic(query.statistic)
        assert query.expression is not None  # noqa: S101
        others = query.expression.ids
        return query.expression.value({o: self.value(store, o, start, end) for o in others})

    def samples(self, store: MetricStore, start: int, end: int) -> float:
        """The least number of values behind any of the queried metrics."""
        found = [q.metric for q in self._queries.values() if q.metric is not None]
        return min((store.window(m, start, end).count for m in found), default=0.0)

    def _period(self, query: Query, above: tuple[str, ...]) -> int:
        if query.expression is None:
            return query.period
        if query.id in above:
            raise wrong(f"the expression {query.id} needs itself")
        missing = query.expression.ids - self._queries.keys()
        if missing:
            raise wrong(f"the expression {query.id} needs {sorted(missing)[0]}, which is not given")
        others = (self._queries[id_] for id_ in query.expression.ids)
        periods = {self._period(other, (*above, query.id)) for other in others}
        if len(periods) != 1:
            raise wrong(f"the expression {query.id} must combine metrics of one Period")
        return periods.pop()


def _query(document: Mapping[str, Document]) -> Query:
    id_ = str(document["Id"])
    if not _ID.fullmatch(id_):
        raise wrong(f"the id {id_[:80]!r} must begin with a lower-case letter: [a-z][a-zA-Z0-9_]*")
    returned = bool(document.get("ReturnData", True))
    stat, text = document.get("MetricStat"), document.get("Expression")
    if (stat is None) == (text is None):
        raise wrong(f"the query {id_} needs either MetricStat or Expression")
    if stat is None:
        label = str(document.get("Label", id_))
        return Query(id_, label, 0, returned, expression=Expression(str(text)))
    of = metric(stat["Metric"])
    return Query(
        id_,
        str(document.get("Label", of.name)),
        stat["Period"],
        returned,
        metric=of,
        statistic=statistic(stat["Stat"]),
    )
