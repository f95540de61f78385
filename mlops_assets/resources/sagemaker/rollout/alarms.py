"""CloudWatch alarms of one configuration of an endpoint: what rolls it back while it is watched.

Here: the alarms' requests (pure), putting them up, reading which one tripped, taking old ones down.
Every metric carries the dimension EndpointConfigName of the *new* configuration, so that the old
fleet's errors never roll a good challenger back. Not here: the bounds (`serving.Bounds`).

SageMaker's own metrics come once a minute, so in AWS a period is 60 s; the local API emits them at
once, and a period is CloudWatch's shortest, 10 s (`Placement.alarm_period_s`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from mlops_assets.resources.sagemaker.errors import patiently
from mlops_assets.rollouts import Bounds

NAMESPACE = "AWS/SageMaker"
OWN_NAMESPACE, WRONG_ANSWERS = "mlops_assets/rollout", "WrongAnswers"
KINDS = ("server-errors", "client-errors", "latency", "answers")
NOTICEABLE_MS = 50.0
"""Latencies below this are as good as each other: no ratio between them rolls a model back."""


@dataclass(frozen=True)
class Tripped:
    """An alarm in state ALARM and CloudWatch's reason for it."""

    name: str
    reason: str


def alarm_name(config_name: str, kind: str) -> str:
    return f"mlops-{config_name}-{kind}"


def dimensions(endpoint: str, config_name: str, variant: str) -> list[dict[str, str]]:
    return [
        {"Name": "EndpointName", "Value": endpoint},
        {"Name": "VariantName", "Value": variant},
        {"Name": "EndpointConfigName", "Value": config_name},
    ]


def alarm_requests(
    endpoint: str,
    config_name: str,
    bounds: Bounds,
    *,
    variant: str,
    period_s: int,
    champion_p99_ms: float | None,
    topic_arn: str = "",
) -> list[dict[str, Any]]:
    """``PutMetricAlarm``'s parameters: shares of errors, latency, wrong answers to our own probes.

    A model that nobody calls is no bad model: missing data is not breaching.

    Args:
        topic_arn: of SNS, where it is told that one trips; empty: nowhere.
    """
    where = dimensions(endpoint, config_name, variant)
    shares = {
        "server-errors": ("Invocation5XXErrors", bounds.server_errors),
        "client-errors": ("Invocation4XXErrors", bounds.client_errors),
    }
    requests = [
        {
            **_common(config_name, kind, f"share of {metric} of {config_name}"),
            "Metrics": _share(metric, where, period_s),
            "Threshold": bound,
        }
        for kind, (metric, bound) in shares.items()
    ]
    limit_ms = latency_bound(bounds, champion_p99_ms)
    if limit_ms is not None:
        requests.append(
            {
                **_common(config_name, "latency", f"p99 of {config_name} above {limit_ms:.4g} ms"),
                "Namespace": NAMESPACE,
                "MetricName": "ModelLatency",
                "Dimensions": where,
                "ExtendedStatistic": "p99",
                "Period": period_s,
                "Threshold": round(limit_ms * 1000, 1),  # the metric is in microseconds
            }
        )
    requests.append(
        {
            **_common(config_name, "answers", f"probes that {config_name} answered wrongly"),
            "Namespace": OWN_NAMESPACE,
            "MetricName": WRONG_ANSWERS,
            "Dimensions": where,
            "Statistic": "Sum",
            "Period": 10,  # we send this one ourselves, at high resolution
            "Threshold": 0.0,
        }
    )
    return [{**each, **({"AlarmActions": [topic_arn]} if topic_arn else {})} for each in requests]


def latency_bound(bounds: Bounds, champion_p99_ms: float | None) -> float | None:
    """The greatest p99 in milliseconds; None where neither a bound nor a champion says."""
    limits = [] if bounds.p99_ms is None else [bounds.p99_ms]
    if champion_p99_ms is not None:
        limits.append(max(bounds.slowdown * champion_p99_ms, NOTICEABLE_MS))
    return min(limits, default=None)


def wrong_answers_request(endpoint: str, config_name: str, variant: str, n: int) -> dict[str, Any]:
    """``PutMetricData``'s parameters: so many of our probes were answered wrongly."""
    data = {
        "MetricName": WRONG_ANSWERS,
        "Dimensions": dimensions(endpoint, config_name, variant),
        "Value": float(n),
        "Unit": "Count",
        "StorageResolution": 1,
    }
    return {"Namespace": OWN_NAMESPACE, "MetricData": [data]}


def put(cloudwatch: Any, requests: Sequence[Mapping[str, Any]]) -> None:
    """Put alarms up in a fresh state: SageMaker refuses an update while one of them is tripped."""
    if not requests:
        return
    patiently(lambda: cloudwatch.delete_alarms(AlarmNames=[r["AlarmName"] for r in requests]))
    for request in requests:
        patiently(partial(cloudwatch.put_metric_alarm, **request))


def tripped(cloudwatch: Any, names: Sequence[str]) -> list[Tripped]:
    """Those of the alarms that are in state ALARM."""
    if not names:
        return []
    found = patiently(lambda: cloudwatch.describe_alarms(AlarmNames=list(names)))["MetricAlarms"]
    return [
        Tripped(alarm["AlarmName"], alarm.get("StateReason", ""))
        for alarm in found
        if alarm["StateValue"] == "ALARM"
    ]


def take_down(cloudwatch: Any, slug: str, *, except_config: str | None) -> list[str]:
    """Delete an endpoint's alarms of all configurations but one; their names."""
    mine = re.compile(rf"mlops-({re.escape(slug)}-[0-9a-f]{{12}})-(?:{'|'.join(KINDS)})")
    pages = cloudwatch.get_paginator("describe_alarms").paginate(AlarmNamePrefix=f"mlops-{slug}-")
    names = [
        alarm["AlarmName"]
        for page in pages
        for alarm in page["MetricAlarms"]
        if (found := mine.fullmatch(alarm["AlarmName"])) and found[1] != except_config
    ]
    for start in range(0, len(names), 100):
        patiently(partial(cloudwatch.delete_alarms, AlarmNames=names[start : start + 100]))
    return names


def _common(config_name: str, kind: str, description: str) -> dict[str, Any]:
    return {
        "AlarmName": alarm_name(config_name, kind),
        "AlarmDescription": description,
        "ComparisonOperator": "GreaterThanThreshold",
        "EvaluationPeriods": 1,
        "DatapointsToAlarm": 1,
        "TreatMissingData": "notBreaching",
    }


def _share(metric: str, where: list[dict[str, str]], period_s: int) -> list[dict[str, Any]]:
    def stat(name: str, metric_name: str) -> dict[str, Any]:
        found = {"Namespace": NAMESPACE, "MetricName": metric_name, "Dimensions": where}
        return {
            "Id": name,
            "MetricStat": {"Metric": found, "Period": period_s, "Stat": "Sum"},
            "ReturnData": False,
        }

    return [
        {"Id": "share", "Expression": "FILL(errors,0)/requests", "ReturnData": True},
        stat("errors", metric),
        stat("requests", "Invocations"),
    ]
