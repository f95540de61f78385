"""How often an endpoint was asked, over days, from CloudWatch.

Here: reading counts by the hour. Not here: the minutes of a rollout (`rollout.traffic`), what the
figures mean.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from mlops_assets.resources.sagemaker import metric_data
from mlops_assets.resources.sagemaker.rollout.alarms import NAMESPACE

COUNTS = ("Invocations", "Invocation4XXErrors", "Invocation5XXErrors")
_HOUR_S = 3600


def by_hour(
    cloudwatch: Any,
    endpoint: str,
    variants: Sequence[str],
    since: dt.datetime,
    until: dt.datetime,
) -> dict[str, dict[dt.datetime, int]]:
    """{count: {start of an hour: sum over the variants}}; hours without a request are not in it."""
    found: dict[str, dict[dt.datetime, int]] = {name: {} for name in COUNTS}
    queries = [
        {
            "Id": f"m{place}v{number}",
            "MetricStat": {
                "Metric": {
                    "Namespace": NAMESPACE,
                    "MetricName": name,
                    "Dimensions": [
                        {"Name": "EndpointName", "Value": endpoint},
                        {"Name": "VariantName", "Value": variant},
                    ],
                },
                "Period": _HOUR_S,
                "Stat": "Sum",
            },
        }
        for place, name in enumerate(COUNTS)
        for number, variant in enumerate(variants)
    ]
    if not queries:
        return found
    start = since.replace(minute=0, second=0, microsecond=0)
    for name, counted in metric_data.results(cloudwatch, queries, start, until):
        counts = found[COUNTS[int(name[1 : name.index("v")])]]
        for when, count in counted.items():
            counts[when] = counts.get(when, 0) + count
    return found
