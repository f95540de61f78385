"""Endpoints that nobody asks anything: found, and stopped where that is declared.

Here: what idle means, and stopping. Not here: when one looks (`automation`).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from mlops_assets.resources.sagemaker.errors import found_or_none, patiently
from mlops_assets.resources.sagemaker.rollout.traffic import last_invocation


@dataclass(frozen=True)
class Idleness:
    """An endpoint's last sign of life; ``since``: its last invocation, or its last change."""

    endpoint: str
    since: dt.datetime
    idle: bool
    description: str


def judge(
    endpoint: str,
    *,
    last: dt.datetime | None,
    changed: dt.datetime,
    now: dt.datetime,
    idle_after_s: int,
) -> Idleness:
    """Idle: neither an invocation nor a deployment for the declared time.

    Args:
        last: start of the last minute with an invocation; a whole minute is given to it.
    """
    busy_until = last + dt.timedelta(minutes=1) if last else changed
    since = max(busy_until, changed)
    quiet = max(0.0, (now - since).total_seconds())
    idle = quiet > idle_after_s
    what = f"no invocation for {_span(quiet)}" if idle else f"quiet for {_span(quiet)}"
    return Idleness(endpoint, since, idle, f"{endpoint}: {what} (idle after {_span(idle_after_s)})")


def look(
    client: Any,
    cloudwatch: Any,
    endpoint: str,
    idle_after_s: int,
    *,
    now: dt.datetime | None = None,
) -> Idleness | None:
    """How idle an endpoint is; None where nothing is in service, or it is being changed."""
    found = found_or_none(lambda: client.describe_endpoint(EndpointName=endpoint))
    if found is None or found["EndpointStatus"] != "InService":
        return None
    now = now or dt.datetime.now(dt.UTC)
    variants = [variant["VariantName"] for variant in found["ProductionVariants"]]
    since = now - dt.timedelta(seconds=idle_after_s + 120)
    last = last_invocation(cloudwatch, endpoint, variants, since, now)
    changed = found["LastModifiedTime"]
    return judge(endpoint, last=last, changed=changed, now=now, idle_after_s=idle_after_s)


def stop(client: Any, endpoint: str) -> None:
    """Delete the endpoint; its configuration and models stay, so a deployment brings it back."""
    patiently(lambda: client.delete_endpoint(EndpointName=endpoint))


def _span(seconds: float) -> str:
    return str(dt.timedelta(seconds=round(seconds)))
