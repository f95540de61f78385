"""The loop that scales variants: measures, decides, and asks for other instance counts.

Belongs here: when and how a target is looked at, and its activities. Does not belong here: the
operations (scaling.py), the decision (scaling_rule.py), starting instances (endpoint_runs.py).
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid

from mlops_assets.sagemaker_local.autoscaling.scaling import (
    ACTIVITY,
    POLICY,
    TARGET,
    Scaling,
    resource_of,
)
from mlops_assets.sagemaker_local.autoscaling.scaling_rule import Seen, wanted
from mlops_assets.sagemaker_local.config import Config
from mlops_assets.sagemaker_local.deployment import endpoint_runs
from mlops_assets.sagemaker_local.deployment.endpoint_runs import EndpointRuns
from mlops_assets.sagemaker_local.deployment.endpoints import Endpoints
from mlops_assets.sagemaker_local.errors import ApiError
from mlops_assets.sagemaker_local.monitoring.metric_store import SAGEMAKER, Metric, MetricStore
from mlops_assets.sagemaker_local.store import Document, Store

_KEPT_ACTIVITIES = 100
log = logging.getLogger(__name__)


class ScalingLoop:
    """start() and shutdown(); looks at every target each ``scaling_pause_s`` seconds."""

    def __init__(
        self,
        config: Config,
        store: Store,
        metrics: MetricStore,
        endpoints: Endpoints,
        runs: EndpointRuns,
        scaling: Scaling,
    ) -> None:
        self._config = config
        self._store = store
        self._metrics = metrics
        self._endpoints = endpoints
        self._runs = runs
        self._scaling = scaling
        self._task: asyncio.Task[None] | None = None
        self._since = time.time()

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def shutdown(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._config.scaling_pause_s)
            for target in self._store.all(TARGET):
                try:
                    self._look(target)
                except Exception:
                    log.exception("scaling of %s", target["ResourceId"])

    def _look(self, target: Document) -> None:
        resource = target["ResourceId"]
        endpoint, variant = resource_of(target)
        document = self._store.get(endpoint_runs.KIND, endpoint)
        if document is None:  # as the service does, when an endpoint is deleted
            self._scaling.forget(resource)
            return
        traffic = self._runs.live(endpoint)
        live = traffic.sides[0].fleet.variant(variant) if traffic else None
        if document["EndpointStatus"] != "InService" or live is None:
            return
        instances = len(live.replicas)
        self._settle(resource, instances, document.get("FailureReason"))
        policies = [each for each in self._store.all(POLICY) if each["ResourceId"] == resource]
        per_minute, now = self._per_minute(endpoint, variant), time.time()
        last_out, last_in = target.get("LastOut", 0.0), target.get("LastIn", 0.0)
        seen = Seen(per_minute, instances, last_out, last_in)
        count = min(wanted(target, policies, seen, now), self._room(document, variant))
        if count != instances:
            self._scale(target, endpoint, variant, seen, count)

    def _per_minute(self, endpoint: str, variant: str) -> float | None:
        """Requests a minute over the window; None without any, or too soon after the start."""
        whole, now = self._config.scaling_window_s, int(time.time())
        window = min(whole, time.time() - self._since)
        dimensions = (("EndpointName", endpoint), ("VariantName", variant))
        metric = Metric(SAGEMAKER, "Invocations", dimensions)
        total = self._metrics.window(metric, now - int(whole) + 1, now + 1).total
        if not total or window < whole / 6:
            return None
        return total * 60 / window

    def _room(self, document: Document, variant: str) -> int:
        """What this machine has for the variant, whatever MaxCapacity allows."""
        others = sum(
            each["instances"] for each in document["Serving"]["variants"] if each["name"] != variant
        )
        return max(1, self._config.instances_per_endpoint - others)

    def _scale(self, target: Document, endpoint: str, variant: str, seen: Seen, count: int) -> None:
        change = {"VariantName": variant, "DesiredInstanceCount": count}
        try:
            self._endpoints.update_weights(
                {"EndpointName": endpoint, "DesiredWeightsAndCapacities": [change]}
            )
        except ApiError as error:  # it changes in another way just now: looked at again soon
            log.info("%s is not scaled to %d: %s", target["ResourceId"], count, error.message)
            return
        now, rate = time.time(), seen.per_minute
        self._store.update(
            TARGET, target["ResourceId"], **{"LastOut" if count > seen.instances else "LastIn": now}
        )
        measured = (
            "no traffic" if rate is None else f"{rate / seen.instances:.0f} requests a minute"
        )
        activity = {member: target[member] for member in ("ServiceNamespace", "ResourceId")} | {
            "ActivityId": str(uuid.uuid4()),
            "ScalableDimension": target["ScalableDimension"],
            "Description": f"Setting desired instance count to {count}.",
            "Cause": f"{measured} on each of {seen.instances} instances; capacities "
            f"{target['MinCapacity']} to {target['MaxCapacity']}",
            "StartTime": now,
            "StatusCode": "InProgress",
            "Wanted": count,
        }
        self._store.put(ACTIVITY, activity["ActivityId"], activity)

    def _settle(self, resource: str, instances: int, problem: str | None) -> None:
        """Say how the activities in progress have ended, and forget the oldest."""
        found = [each for each in self._store.all(ACTIVITY) if each["ResourceId"] == resource]
        for activity in found:
            if activity["StatusCode"] != "InProgress":
                continue
            done = instances == activity["Wanted"]
            text = f"Successfully set desired instance count to {instances}."
            self._store.update(
                ACTIVITY,
                activity["ActivityId"],
                StatusCode="Successful" if done else "Failed",
                StatusMessage=text if done else f"Failed: {problem or 'the endpoint was changed'}",
                EndTime=time.time(),
            )
        found.sort(key=lambda activity: activity["StartTime"], reverse=True)
        for activity in found[_KEPT_ACTIVITIES:]:
            self._store.delete(ACTIVITY, activity["ActivityId"])
