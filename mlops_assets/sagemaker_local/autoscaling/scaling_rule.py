"""How many instances a variant should have: a pure function of what was measured.

Belongs here: target tracking's arithmetic and its cooldowns. Does not belong here: measuring
(metric_store.py), acting (scaling_loop.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mlops_assets.sagemaker_local.store import Document

# The service scales in when the metric is below 90 % of its target, so that it does not swing.
_SLACK = 0.9
_COOLDOWN_S = 300.0


@dataclass(frozen=True)
class Seen:
    """What is known of a variant: requests a minute (None: no request was measured), instances,
    and when it was last scaled, in seconds since the epoch."""

    per_minute: float | None
    instances: int
    last_out: float
    last_in: float


def wanted(target: Document, policies: Sequence[Document], seen: Seen, now: float) -> int:
    """The instance count to have now, within the target's capacities.

    Without a request measured nothing is scaled in: the service does not either, as a variant
    without traffic emits no metric.
    """
    low, high = target["MinCapacity"], target["MaxCapacity"]
    count = _tracked(target.get("SuspendedState", {}), policies, seen, now)
    return min(max(count, low), high)


def _tracked(suspended: Document, policies: Sequence[Document], seen: Seen, now: float) -> int:
    if seen.per_minute is None or not policies:
        return seen.instances
    most, slowest = 0, 0.0
    for policy in policies:
        settings = policy["TargetTrackingScalingPolicyConfiguration"]
        goal = settings["TargetValue"]
        count = math.ceil(seen.per_minute / goal - 1e-9)
        if count < seen.instances:
            quiet = seen.per_minute / seen.instances < _SLACK * goal
            if settings.get("DisableScaleIn") or not quiet:
                count = seen.instances
            slowest = max(slowest, settings.get("ScaleInCooldown", _COOLDOWN_S))
        elif now - seen.last_out < settings.get("ScaleOutCooldown", _COOLDOWN_S):
            count = seen.instances
        most = max(most, count)
    if most > seen.instances and suspended.get("DynamicScalingOutSuspended"):
        return seen.instances
    if most < seen.instances:
        cooling = now - max(seen.last_in, seen.last_out) < slowest
        if cooling or suspended.get("DynamicScalingInSuspended"):
            return seen.instances
    return most
