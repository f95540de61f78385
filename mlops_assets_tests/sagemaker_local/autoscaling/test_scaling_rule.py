"""How many instances a scaling policy wants, from what it has seen; without any server."""

from __future__ import annotations

import pytest

from mlops_assets.sagemaker_local.autoscaling.scaling_rule import Seen, wanted


def policy(**changes) -> dict:
    settings = {"TargetValue": 100.0, "ScaleOutCooldown": 60, "ScaleInCooldown": 300}
    return {"TargetTrackingScalingPolicyConfiguration": settings | changes}


@pytest.mark.parametrize(
    ("per_minute", "instances", "changes", "count"),
    [
        (250.0, 1, {}, 3),
        (100.0, 1, {}, 1),
        (101.0, 1, {}, 2),
        (10_000.0, 1, {}, 4),  # MaxCapacity
        (50.0, 3, {}, 1),
        (95.0, 1, {}, 1),
        (195.0, 3, {}, 2),
        (275.0, 3, {}, 3),  # above 90 % of the target: not scaled in
        (181.0, 2, {}, 2),
        (50.0, 3, {"DisableScaleIn": True}, 3),
        (None, 3, {}, 3),  # no traffic, no metric, no scaling in: as in SageMaker
        (None, 9, {}, 4),
    ],
)
def test_instances_wanted(per_minute, instances, changes, count):
    """Wrong arithmetic here is a fleet too small under load, or one that is never given back."""
    target = {"MinCapacity": 1, "MaxCapacity": 4}
    seen = Seen(per_minute, instances, 0.0, 0.0)
    assert wanted(target, [policy(**changes)], seen, 1e9) == count


@pytest.mark.parametrize(
    ("per_minute", "out_ago", "in_ago", "count"),
    [
        (400.0, 59, 1e6, 2),
        (400.0, 61, 1e6, 4),
        (400.0, 1e6, 1, 4),  # after scaling in, what is missing is added at once
        (10.0, 299, 1e6, 2),
        (10.0, 1e6, 299, 2),
        (10.0, 301, 301, 1),
    ],
)
def test_cooldowns_hold(per_minute, out_ago, in_ago, count):
    """Without them a fleet swings, each swing paid for."""
    target, now = {"MinCapacity": 1, "MaxCapacity": 4}, 1e9
    seen = Seen(per_minute, 2, now - out_ago, now - in_ago)
    assert wanted(target, [policy()], seen, now) == count
    if count == 2:  # the negative control: without the cooldown it would have been scaled
        free = [policy(ScaleOutCooldown=0, ScaleInCooldown=0)]
        assert wanted(target, free, seen, now) != 2


@pytest.mark.parametrize(
    ("member", "per_minute"),
    [("DynamicScalingOutSuspended", 400.0), ("DynamicScalingInSuspended", 10.0)],
)
def test_suspended_scaling_does_nothing(member, per_minute):
    target = {"MinCapacity": 1, "MaxCapacity": 4, "SuspendedState": {member: True}}
    assert wanted(target, [policy()], Seen(per_minute, 2, 0.0, 0.0), 1e9) == 2
