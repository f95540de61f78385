"""Copies of requests for shadow variants, whose answers nobody gets.

Belongs here: sampling, the bound on copies in flight, what is measured and captured of them. Does
not belong here: the request itself (runtime.py).

As in the service, the share of requests copied is the shadow's weight over the production
variant's. A copy that finds too many others in flight is dropped and counted, as
ShadowInvocationsDropped in namespace Local/SageMaker.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from mlops_assets.sagemaker_local.fleet.hosting import Fleet, Variant
from mlops_assets.sagemaker_local.http_client import BrokenAnswer, NoAnswer
from mlops_assets.sagemaker_local.invoking.capture import Exchange

MAX_IN_FLIGHT = 32
ANSWER_LIMIT = 25 * 2**20


class Shadows:
    """The copies of one server's requests; ``limit_s`` as for any invocation."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._tasks: set[asyncio.Task[None]] = set()

    def follow(
        self, fleet: Fleet, chosen: Variant, headers: Mapping[str, str], body: bytes
    ) -> None:
        """Send what copies of the request the fleet's shadows are to get; returns at once."""
        for shadow in fleet.shadows:
            share = shadow.weight / chosen.weight if chosen.weight > 0 else 1.0
            shadow.credit += min(share, 1.0)
            if shadow.credit < 1.0 - 1e-9:
                continue
            shadow.credit -= 1.0
            if len(self._tasks) >= MAX_IN_FLIGHT:
                shadow.meter.count("ShadowInvocationsDropped")
                continue
            task = asyncio.create_task(self._send(fleet, shadow, headers, body))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _send(
        self, fleet: Fleet, shadow: Variant, headers: Mapping[str, str], body: bytes
    ) -> None:
        started, when = time.perf_counter(), time.time()
        status = 0
        replica = shadow.next_replica()
        if replica is not None and replica.client is not None:
            replica.in_flight += 1
            try:
                async with asyncio.timeout(self._limit_s):
                    response = await replica.client.request(
                        "POST", "/invocations", headers, body, ANSWER_LIMIT
                    )
                status = response.status
                if fleet.capture is not None and status < 300:
                    kind = response.headers.get("content-type", "application/octet-stream")
                    name, answer = shadow.spec.name, response.body
                    fleet.capture.offer(
                        Exchange(name, shadow.meter, when, headers, body, kind, answer)
                    )
            except (NoAnswer, BrokenAnswer, TimeoutError):
                pass
            finally:
                replica.in_flight -= 1
        took = time.perf_counter() - started
        shadow.meter.invoked(status, took, 0.0, len(shadow.replicas))
