"""A month's requests to the live endpoint, and its labels as they became known.

Here: sending and uploading, as any caller would. Not here: which rows (`rows`), nor what the
platform makes of them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pandas as pd

from mlops_assets.assets.monitoring.captured.events import invocations
from mlops_assets.objects import Objects
from mlops_assets.pipeline import MLPipeline
from mlops_assets.replay.plan import ReplayError
from mlops_assets.replay.rows import Month
from mlops_assets.resources.monitoring import ground_truth
from mlops_assets.resources.records import Store
from mlops_assets.resources.sagemaker.hosting.payload import json_rows

_CALLERS = 4
_POLL_S = 0.5
COLLECTED = pd.Timedelta(days=1)
"""Labels are collected so often: one file of them a day."""


def ask(runtime: Any, pipeline: MLPipeline, month: Month) -> None:
    """One request for each row, told apart by its event's id and time.

    Raises:
        ReplayError: the endpoint refused a row.
    """
    from botocore.exceptions import ClientError

    bodies = json_rows(month.features, pipeline.feature_columns)
    attributes = invocations(pipeline, month.features)

    def send(position: int) -> None:
        reply = runtime.invoke_endpoint(
            EndpointName=pipeline.slug,
            ContentType="application/json",
            Body=json.dumps({"instances": [bodies[position]]}).encode(),
            **attributes[position],
        )
        reply["Body"].read()

    with ThreadPoolExecutor(_CALLERS) as callers:
        try:
            for _ in callers.map(send, range(len(bodies))):
                pass
        except ClientError as error:
            callers.shutdown(cancel_futures=True)
            raise ReplayError(
                f"endpoint {pipeline.slug} does not answer: {error.response['Error']['Message']}"
            ) from None


def captured_lines(objects: Objects, prefix_uri: str, counted: dict[str, int]) -> int:
    """How many requests are captured below a prefix; ``counted`` keeps {file: lines} of before."""
    for info in objects.list(prefix_uri):
        if info.uri not in counted:
            counted[info.uri] = objects.read(info.uri).count(b"\n")
    return sum(counted.values())


def until_captured(count: Callable[[], int], wanted: int, *, timeout_s: float) -> None:
    """Return when the capture of what was sent is written, which happens behind the answers.

    Raises:
        ReplayError: it is not, in time.
    """
    deadline = time.monotonic() + timeout_s
    while (found := count()) < wanted:
        if time.monotonic() > deadline:
            raise ReplayError(f"{found:,} of {wanted:,} requests are captured after {timeout_s} s")
        time.sleep(_POLL_S)


def upload_labels(
    store: Store, pipeline: MLPipeline, month: Month, since: pd.Timestamp, until: pd.Timestamp
) -> int:
    """Upload the labels that became known in [since, until), a file a day; returns how many."""
    label = month.features[pipeline.label.column]
    known = month.known_at
    due = label.notna() & known.notna() & (known >= since) & (known < until)
    collected = known[due].dt.floor(COLLECTED) + COLLECTED - pd.Timedelta(milliseconds=1)
    prefix = store.uri("ground-truth", pipeline.name)
    for at, rows in month.ids[due].groupby(collected):
        labels = {each: float(label[position]) for position, each in rows.items()}
        ground_truth.upload(store.open(), prefix, labels, min(at, until).to_pydatetime())
    return int(due.sum())
