"""The monitors' figures as metrics of CloudWatch, and the declared alarms on them.

Here: CloudWatch's requests. Not here: which figures there are (`automation.figures`), when they are
sent (`automation.metrics`), alarms on endpoints (`sagemaker.rollout.alarms`). The one dimension is
the pipeline: a dimension by partition would be another metric, and another price, each day.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlops_assets.resources.sagemaker.errors import patiently
from mlops_assets.resources.sagemaker.names import digest_of

_PERIOD_S = 300
# While this one is missing nobody watches; the others come when there is something to tell.
_ALWAYS = ("FreshnessHours",)


@dataclass(frozen=True)
class MonitorMetrics:
    """Where the figures go: a namespace of CloudWatch (``MLOPS_METRICS_NAMESPACE``).

    Args:
        topic_arn: is told by the alarms; empty: they only show.
    """

    namespace: str
    topic_arn: str = ""

    def put(
        self, cloudwatch: Any, pipeline: str, figures: Mapping[str, float], now: dt.datetime
    ) -> None:
        """Send the figures, as of when they are told (CloudWatch goes back two weeks at most)."""
        data = [
            {
                "MetricName": name,
                "Dimensions": _dimensions(pipeline),
                "Timestamp": now,
                "Value": float(value),
                "Unit": _unit(name),
            }
            for name, value in sorted(figures.items())
        ]
        if data:
            patiently(lambda: cloudwatch.put_metric_data(Namespace=self.namespace, MetricData=data))

    def alarms(self, pipeline: str, slug: str, above: Mapping[str, float]) -> list[dict[str, Any]]:
        """``PutMetricAlarm``'s parameters for figures that must not exceed a bound."""
        return [
            {
                "AlarmName": f"{_prefix(slug)}{_kebab(name)}",
                "AlarmDescription": f"{name} of pipeline {pipeline} above {bound:g}: see its page "
                "monitoring/health",
                "Namespace": self.namespace,
                "MetricName": name,
                "Dimensions": _dimensions(pipeline),
                "Statistic": "Maximum",
                "Period": _PERIOD_S,
                "EvaluationPeriods": 3 if name in _ALWAYS else 1,
                "DatapointsToAlarm": 3 if name in _ALWAYS else 1,
                "ComparisonOperator": "GreaterThanThreshold",
                "Threshold": float(bound),
                "TreatMissingData": "breaching" if name in _ALWAYS else "ignore",
                **({"AlarmActions": [self.topic_arn]} if self.topic_arn else {}),
            }
            for name, bound in sorted(above.items())
        ]


def put_up(cloudwatch: Any, slug: str, requests: Sequence[Mapping[str, Any]]) -> None:
    """Have exactly these alarms on a pipeline's monitors; others of it go."""
    for request in requests:
        patiently(lambda request=request: cloudwatch.put_metric_alarm(**request))  # type: ignore[misc]
    wanted = {str(request["AlarmName"]) for request in requests}
    take_down(cloudwatch, [name for name in standing(cloudwatch, slug) if name not in wanted])


def take_down(cloudwatch: Any, names: Sequence[str]) -> None:
    if names:
        patiently(lambda: cloudwatch.delete_alarms(AlarmNames=list(names)))


def standing(cloudwatch: Any, slug: str) -> list[str]:
    """The names of the alarms on a pipeline's monitors."""
    pages = cloudwatch.get_paginator("describe_alarms").paginate(AlarmNamePrefix=_prefix(slug))
    found = patiently(lambda: pages.build_full_result()).get("MetricAlarms", [])
    return [str(alarm["AlarmName"]) for alarm in found]


def identity(requests: Sequence[Mapping[str, Any]]) -> str:
    """Another one for other alarms."""
    return digest_of(list(requests))[:16]


def _prefix(slug: str) -> str:
    return f"mlops-{slug}-monitor-"


def _kebab(name: str) -> str:
    """
    >>> _kebab("QuarantinedShare"), _kebab("Performance.auc")
    ('quarantined-share', 'performance-auc')
    """
    return re.sub(r"[^a-z0-9]+", "-", re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower())


def _dimensions(pipeline: str) -> list[dict[str, str]]:
    return [{"Name": "Pipeline", "Value": pipeline}]


def _unit(name: str) -> str:
    if name.endswith(("Rows", "Columns")):
        return "Count"
    return "None"
