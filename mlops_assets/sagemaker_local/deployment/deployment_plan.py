"""From a DeploymentConfig to the steps that it means.

Belongs here: shares, waits and batches as values; what the service refuses of a configuration. Does
not belong here: carrying the steps out (deployments.py).

Where the service turns CapacitySize into whole instances, the share of a blue/green step is taken
literally here: 10 % of the traffic is 10 %, also with one instance.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from mlops_assets.sagemaker_local.errors import invalid
from mlops_assets.sagemaker_local.store import Document

_DEFAULT_TIMEOUT = 8 * 3600
_PERCENT = "CAPACITY_PERCENT"


@dataclass(frozen=True)
class Step:
    """The new fleet's share of the requests, and how long it is watched then.

    ``instances``: of the new fleet in a rolling update; None: all of them.
    """

    share: float
    wait_s: int
    instances: int | None = None


@dataclass(frozen=True)
class Plan:
    """A deployment. ``rollback``: the new fleet's instances, step by step, on the way back."""

    steps: tuple[Step, ...]
    termination_s: int
    timeout_s: int
    alarms: tuple[str, ...]
    rollback: tuple[int, ...] | None = None

    @property
    def rolling(self) -> bool:
        return self.rollback is not None


def plan(deployment: Document | None, instances: int) -> Plan:
    """The plan for a fleet of so many instances. Raises ApiError ValidationException."""
    given = deployment or {}
    alarms = given.get("AutoRollbackConfiguration", {}).get("Alarms", [])
    names = tuple(alarm["AlarmName"] for alarm in alarms if "AlarmName" in alarm)
    blue_green, rolling = given.get("BlueGreenUpdatePolicy"), given.get("RollingUpdatePolicy")
    if blue_green is not None and rolling is not None:
        raise invalid("DeploymentConfig must have only one of the two update policies")
    if rolling is not None:
        return _rolling(rolling, instances, names)
    if blue_green is None:
        return Plan((Step(1.0, 0),), 0, _DEFAULT_TIMEOUT, names)
    routing = blue_green["TrafficRoutingConfiguration"]
    steps = tuple(
        Step(share, routing["WaitIntervalInSeconds"]) for share in _shares(routing, instances)
    )
    termination = blue_green.get("TerminationWaitInSeconds", 0)
    timeout = blue_green.get("MaximumExecutionTimeoutInSeconds", _DEFAULT_TIMEOUT)
    waiting = sum(step.wait_s for step in steps) + termination
    if waiting >= timeout:
        raise invalid(
            f"MaximumExecutionTimeoutInSeconds {timeout} must be larger than the total waiting "
            f"time, {waiting}"
        )
    return Plan(steps, termination, timeout, names)


def _shares(routing: Document, instances: int) -> Iterator[float]:
    kind, canary, linear = routing["Type"], routing.get("CanarySize"), routing.get("LinearStepSize")
    if (canary is not None) != (kind == "CANARY"):
        raise invalid("CanarySize must be given for CANARY, and for nothing else")
    if (linear is not None) != (kind == "LINEAR"):
        raise invalid("LinearStepSize must be given for LINEAR, and for nothing else")
    if canary is not None:
        yield _share("CanarySize", canary, instances, 0.0)
    if linear is not None:
        size = _share("LinearStepSize", linear, instances, 0.1)
        for number in range(1, math.ceil(1 / size - 1e-9)):
            yield number * size
    yield 1.0


def _share(member: str, size: Document, instances: int, least: float) -> float:
    whole = 100 if size["Type"] == _PERCENT else instances
    share = float(size["Value"]) / whole
    if not least <= share <= 0.5:
        raise invalid(
            f"{member} of {size['Value']} is {share:.0%} of the variant's total capacity, which "
            f"must be {least:.0%} to 50%"
        )
    return share


def _batch(member: str, size: Document, instances: int, least: float, most: float) -> int:
    if size["Type"] != _PERCENT:
        share = size["Value"] / instances
        if instances > 1 and not least <= share <= most:
            raise invalid(f"{member} of {size['Value']} must be {least:.0%} to {most:.0%} of it")
        return min(int(size["Value"]), instances)
    if not least <= size["Value"] / 100 <= most:
        raise invalid(f"{member} of {size['Value']}% must be {least:.0%} to {most:.0%}")
    return max(1, math.ceil(instances * size["Value"] / 100 - 1e-9))


def _rolling(policy: Document, instances: int, alarms: tuple[str, ...]) -> Plan:
    batch = _batch("MaximumBatchSize", policy["MaximumBatchSize"], instances, 0.05, 0.5)
    counts = [*range(batch, instances, batch), instances]
    steps = tuple(Step(n / instances, policy["WaitIntervalInSeconds"], n) for n in counts)
    back = instances
    if "RollbackMaximumBatchSize" in policy:
        size = policy["RollbackMaximumBatchSize"]
        back = _batch("RollbackMaximumBatchSize", size, instances, 0.05, 1.0)
    timeout = policy.get("MaximumExecutionTimeoutInSeconds", _DEFAULT_TIMEOUT)
    return Plan(steps, 0, timeout, alarms, (*range(instances - back, 0, -back), 0))
