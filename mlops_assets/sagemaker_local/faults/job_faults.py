"""What is to go wrong with one job, and with one endpoint.

Belongs here: the faults of a resource as numbers that its run can follow. Does not belong here:
where they were asked for (fault_rules.py, faults.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mlops_assets.sagemaker_local.faults.fault_rules import FaultRule

NO_CAPACITY = (
    "CapacityError: Unable to provision requested ML compute capacity. Please retry using a "
    "different ML instance type."
)

INTERNAL_ERROR = "InternalServerError: injected by a fault rule"


@dataclass(frozen=True)
class JobFaults:
    """Times in seconds. ``interruptions`` of managed spot training, each ``interrupted_after`` so
    long a training and followed by a wait for capacity; ``internal_errors`` is a number of attempts
    that fail; ``capacity_error`` is None for a job that gets its instances."""

    slow_start: float = 0.0
    capacity_error: float | None = None
    interruptions: int = 0
    interrupted_after: float = 0.0
    capacity_wait: float = 0.0
    internal_errors: int = 0

    @classmethod
    def from_rules(cls, rules: Iterable[FaultRule]) -> JobFaults:
        """Of several rules of a kind the first counts."""
        first = _first(rules)
        spot, capacity = first.get("spot-interruption"), first.get("capacity-error")
        slow, internal = first.get("slow-start"), first.get("internal-error")
        return cls(
            slow_start=slow.amount if slow else 0.0,
            capacity_error=capacity.amount if capacity else None,
            interruptions=spot.times if spot else 0,
            interrupted_after=spot.amount if spot else 0.0,
            capacity_wait=spot.wait if spot else 0.0,
            internal_errors=int(internal.amount) if internal else 0,
        )


@dataclass(frozen=True)
class EndpointFaults:
    """Times in seconds. ``unhealthy_after`` and ``capacity_error`` are None for an endpoint that
    has no such fault."""

    slow_start: float = 0.0
    capacity_error: float | None = None
    unhealthy_after: float | None = None
    error_share: float = 0.0

    @classmethod
    def from_rules(cls, rules: Iterable[FaultRule]) -> EndpointFaults:
        """Of several rules of a kind the first counts."""
        first = _first(rules)
        slow, capacity = first.get("slow-start"), first.get("capacity-error")
        sick, errors = first.get("failed-health-check"), first.get("error-share")
        return cls(
            slow_start=slow.amount if slow else 0.0,
            capacity_error=capacity.amount if capacity else None,
            unhealthy_after=sick.amount if sick else None,
            error_share=errors.amount if errors else 0.0,
        )


NO_JOB_FAULTS = JobFaults()
NO_ENDPOINT_FAULTS = EndpointFaults()


def _first(rules: Iterable[FaultRule]) -> dict[str, FaultRule]:
    found: dict[str, FaultRule] = {}
    for rule in rules:
        found.setdefault(rule.kind, rule)
    return found
