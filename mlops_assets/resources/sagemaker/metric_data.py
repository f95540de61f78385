"""What CloudWatch answers to queries for metric data, page by page.

Here: asking patiently until all is there. Not here: which figures are asked for.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from mlops_assets.resources.sagemaker.errors import patiently


def results(
    cloudwatch: Any, queries: Sequence[Any], start: dt.datetime, end: dt.datetime
) -> Iterator[tuple[str, dict[dt.datetime, int]]]:
    """(a query's id, {start of a period: rounded value}), for each part that a page holds."""
    token: dict[str, str] = {}
    while True:
        page = patiently(
            partial(
                cloudwatch.get_metric_data,
                MetricDataQueries=queries,
                StartTime=start,
                EndTime=end,
                **token,
            )
        )
        for result in page["MetricDataResults"]:
            pairs = zip(result["Timestamps"], result["Values"], strict=True)
            yield result["Id"], {when: round(value) for when, value in pairs}
        if not page.get("NextToken"):
            return
        token = {"NextToken": page["NextToken"]}
