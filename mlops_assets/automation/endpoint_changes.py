"""What is different at an endpoint from how a run of ours left it.

Here: comparing what serves with the registry's champion and with the last rollout's record. Not
here: who is told (`event_answers`), and no change is made.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg

from mlops_assets.assets.endpoint import LAST, ROLLOUT
from mlops_assets.assets.records import RolloutRecord
from mlops_assets.automation.asking import UNDER_WAY
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.records import RecordNotFound, Store
from mlops_assets.resources.sagemaker.errors import found_or_none, patiently
from mlops_assets.resources.sagemaker.hosting.endpoint_watch import MOVING
from mlops_assets.resources.sagemaker.hosting.endpoints import serving_package
from mlops_assets.resources.sagemaker.names import digest_of
from mlops_assets.resources.sagemaker.registry import promotion

_BROKEN = ("Failed", "UpdateRollbackFailed")


@dataclass(frozen=True)
class Change:
    """Something is not as it was left. ``moving``: and it is not over; ``serious``: callers may
    get no answers, or another model's."""

    words: str
    shown: Mapping[str, str]
    seen_at: dt.datetime
    moving: bool = False
    serious: bool = False

    @property
    def digest(self) -> str:
        """The same for the same change, however often it is heard of."""
        return digest_of([self.words, dict(self.shown)])[:32]


def run_under_way(pipeline: MLPipeline, store: Store, instance: dg.DagsterInstance) -> bool:
    """Whether a run that rolls out, or rolls back, is at work: it tells of its own end."""
    record = _last(pipeline, store)
    run = instance.get_run_by_id(record.run_id) if record and record.state == "running" else None
    if run is not None and run.status in UNDER_WAY:
        return True
    rollback = dg.RunsFilter(job_name=f"{pipeline.name}_rollback", statuses=list(UNDER_WAY))
    return bool(instance.get_runs(rollback, limit=1))


def found_change(client: Any, pipeline: MLPipeline, store: Store) -> Change | None:
    """What is different; None where everything is as it was left, or nothing ever served."""
    name, now = pipeline.slug, dt.datetime.now(dt.UTC)
    record = _last(pipeline, store)
    champion = promotion.champion(client, name)
    found = found_or_none(lambda: client.describe_endpoint(EndpointName=name))
    if found is None:
        if champion is None or pipeline.endpoint.stop_when_idle:
            return None
        shown = {"champion": champion.arn}
        return Change(f"endpoint {name} is gone", shown, now, serious=True)
    status, config = str(found["EndpointStatus"]), str(found["EndpointConfigName"])
    since = found["LastModifiedTime"].astimezone(dt.UTC).isoformat(timespec="seconds")
    shown = {"status": status, "configuration": config, "since": since}
    if status in MOVING:
        return Change(f"endpoint {name} is {status}, by no run", shown, now, moving=True)
    if reason := found.get("FailureReason"):
        shown["reason"] = str(reason)[:500]
    if status in _BROKEN:
        return Change(f"endpoint {name} is {status}", shown, now, serious=True)
    serving = serving_package(client, name)
    if champion is not None and serving != champion.arn:
        shown |= {"serves": serving or "no model package", "champion": champion.arn}
        words = f"endpoint {name} serves another model than the champion"
        return Change(words, shown, now, serious=True)
    if record is not None and config not in (record.config, record.previous_config):
        if _is_ours(client, config, pipeline):
            return None
        shown["left"] = record.config
        return Change(f"endpoint {name} has a configuration that no run made", shown, now)
    return None


def _is_ours(client: Any, config: str, pipeline: MLPipeline) -> bool:
    """Whether the platform made a configuration: `mlops rollback` leaves no rollout's record."""
    found = found_or_none(lambda: client.describe_endpoint_config(EndpointConfigName=config))
    if found is None:
        return False
    arn = found["EndpointConfigArn"]
    tags = patiently(
        lambda: client.get_paginator("list_tags").paginate(ResourceArn=arn).build_full_result()
    )["Tags"]
    return {"Key": "mlops:pipeline", "Value": pipeline.name} in tags


def _last(pipeline: MLPipeline, store: Store) -> RolloutRecord | None:
    try:
        return store.load(RolloutRecord, pipeline.name, ROLLOUT, LAST)
    except RecordNotFound:
        return None
