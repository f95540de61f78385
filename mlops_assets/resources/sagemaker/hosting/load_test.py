"""How many requests a second one core answers within a promised latency, measured for real.

Here: a temporary endpoint with one worker process, asked by more and more callers at once. Not
here: which fleet that means (cost.py). The same path in AWS and on this machine: what differs is
what stands behind the endpoint's name, and the network before it.
"""

from __future__ import annotations

import dataclasses
import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from botocore.exceptions import BotoCoreError, ClientError

from mlops_assets.resources.sagemaker.errors import found_or_none, patiently
from mlops_assets.resources.sagemaker.hosting.endpoint_spec import EndpointSpec
from mlops_assets.resources.sagemaker.hosting.endpoint_watch import Watch
from mlops_assets.resources.sagemaker.hosting.endpoints import carry_out, serving_now
from mlops_assets.resources.sagemaker.names import name_of, slugify
from mlops_assets.resources.sagemaker.rollout.rollout_plan import make_plan
from mlops_assets.resources.sagemaker.session import SageMakerResource
from mlops_assets.rollouts import AllAtOnce

CALLERS = (1, 2, 4, 8, 16)
_WARM_UP_S = 0.5
_BUSY = 0.9


@dataclass(frozen=True)
class Point:
    """So many callers at once: requests a second and the 99th percentile of their latency.

    ``caller_bound``: this process was busy all the time, so the endpoint may hold more.
    """

    callers: int
    per_second: float
    p99_ms: float
    errors: int
    caller_bound: bool


@dataclass(frozen=True)
class Measured:
    """All points, and the best one that holds the promise; None: not even one caller."""

    points: tuple[Point, ...]
    best: Point | None


def measure(
    sagemaker: SageMakerResource,
    spec: EndpointSpec,
    rows: Sequence[Mapping[str, Any]],
    *,
    p99_ms: float,
    seconds: float = 3.0,
    on_step: Callable[[str], None] = lambda _: None,
    poll_s: float = 1.0,
) -> Measured:
    """Host the package beside its endpoint, ask it, and take it down again."""
    client = sagemaker.client()
    temporary = _temporary(spec)
    now = serving_now(client, temporary.name, poll_s=poll_s)  # left by a test that was killed
    (change,) = make_plan(temporary, now).changes
    try:
        carry_out(client, temporary.name, change, poll_s=poll_s)
        points = []
        for callers in CALLERS:
            points.append(_point(sagemaker.runtime(), temporary.name, rows, callers, seconds))
            on_step(_words(points[-1]))
            if points[-1].p99_ms > 2 * p99_ms:
                break  # more callers only wait longer
    finally:
        if found_or_none(lambda: client.describe_endpoint(EndpointName=temporary.name)):
            patiently(lambda: client.delete_endpoint(EndpointName=temporary.name))
            Watch(client, temporary.name, 600, poll_s).settled()
    return Measured(tuple(points), best(points, p99_ms))


def best(points: Sequence[Point], p99_ms: float) -> Point | None:
    """The point of the highest rate that keeps the latency without an error."""
    kept = [point for point in points if point.p99_ms <= p99_ms and not point.errors]
    return max(kept, key=lambda point: point.per_second, default=None)


def _temporary(spec: EndpointSpec) -> EndpointSpec:
    """The same model on one instance with one worker, so that one core is what is measured."""
    declared = dataclasses.replace(
        spec.declared,
        instance_count=1,
        rollout=AllAtOnce(),
        container=dataclasses.replace(spec.declared.container, workers=1),
        capture_share=0.0,
        autoscaling=None,
        serverless=None,
        asynchronous=None,
    )
    return dataclasses.replace(
        spec,
        name=name_of(slugify(spec.name, "load-test"), spec.model()["ModelName"][-12:]),
        declared=declared,
    )


def _point(
    runtime: Any, endpoint: str, rows: Sequence[Mapping[str, Any]], callers: int, seconds: float
) -> Point:
    bodies = [json.dumps({"instances": [dict(row)]}).encode() for row in rows]
    taken: list[list[float]] = [[] for _ in range(callers)]
    failed = [0] * callers
    counted_from = time.perf_counter() + _WARM_UP_S
    until = counted_from + seconds

    def call(place: int) -> None:
        sent = place
        while (started := time.perf_counter()) < until:
            body = bodies[sent % len(bodies)]
            sent += callers
            try:
                runtime.invoke_endpoint(
                    EndpointName=endpoint, ContentType="application/json", Body=body
                )["Body"].read()
            except (ClientError, BotoCoreError):
                failed[place] += 1
                continue
            if started >= counted_from:
                taken[place].append(1000 * (time.perf_counter() - started))

    busy = time.process_time()
    threads = [
        threading.Thread(target=call, args=(place,), daemon=True) for place in range(callers)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    busy = (time.process_time() - busy) / (seconds + _WARM_UP_S)
    latencies = np.array([ms for each in taken for ms in each])
    p99 = float(np.quantile(latencies, 0.99)) if len(latencies) else float("inf")
    return Point(callers, len(latencies) / seconds, p99, sum(failed), busy > _BUSY)


def _words(point: Point) -> str:
    words = f"{point.callers} callers: {point.per_second:.0f} requests/s, p99 {point.p99_ms:.1f} ms"
    return words + (", as fast as the callers could ask" if point.caller_bound else "")
