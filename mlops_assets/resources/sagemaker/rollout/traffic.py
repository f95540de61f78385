"""What CloudWatch counted for an endpoint: requests, errors, by configuration and variant.

Here: reading figures. Not here: alarms (alarms.py), what the figures mean (rollout_verdict.py,
idle.py).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from mlops_assets.resources.sagemaker import metric_data
from mlops_assets.resources.sagemaker.rollout.alarms import NAMESPACE, dimensions
from mlops_assets.resources.sagemaker.rollout.rollout_verdict import Traffic

_COUNTS = ("Invocations", "Invocation4XXErrors", "Invocation5XXErrors")


def counted(
    cloudwatch: Any, endpoint: str, config_name: str, variant: str, since: dt.datetime
) -> Traffic | None:
    """What a configuration's variant was asked and answered since; None before any figure is in."""
    where = dimensions(endpoint, config_name, variant)
    sums = _sums(cloudwatch, where, since, dt.datetime.now(dt.UTC), _COUNTS)
    requests, client, server = (sums[name] for name in _COUNTS)
    if not requests:
        return None
    return Traffic(sum(requests.values()), sum(client.values()), sum(server.values()))


def last_invocation(
    cloudwatch: Any,
    endpoint: str,
    variants: Sequence[str],
    since: dt.datetime,
    until: dt.datetime,
) -> dt.datetime | None:
    """The start of the last minute with an invocation of any variant; None where there is none."""
    times = []
    for variant in variants:
        where = [
            {"Name": "EndpointName", "Value": endpoint},
            {"Name": "VariantName", "Value": variant},
        ]
        found = _sums(cloudwatch, where, since, until, ("Invocations",))["Invocations"]
        times += [time for time, count in found.items() if count]
    return max(times, default=None)


def _sums(
    cloudwatch: Any,
    where: list[dict[str, str]],
    since: dt.datetime,
    until: dt.datetime,
    metrics: Sequence[str],
) -> dict[str, dict[dt.datetime, int]]:
    """{metric: {start of a minute: sum}} of the minutes of ``since`` to ``until``."""
    queries = [
        {
            "Id": f"m{place}",
            "MetricStat": {
                "Metric": {"Namespace": NAMESPACE, "MetricName": metric, "Dimensions": where},
                "Period": 60,
                "Stat": "Sum",
            },
        }
        for place, metric in enumerate(metrics)
    ]
    start = since.replace(second=0, microsecond=0)
    # The minute under way counts: an end within it would leave it out.
    end = until.replace(second=0, microsecond=0) + dt.timedelta(minutes=1)
    found: dict[str, dict[dt.datetime, int]] = {metric: {} for metric in metrics}
    for name, counted in metric_data.results(cloudwatch, queries, start, end):
        found[metrics[int(name[1:])]].update(counted)
    return found
