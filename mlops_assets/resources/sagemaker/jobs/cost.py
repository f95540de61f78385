"""What a job has cost, by list price.

Here: billable seconds × instances × price. Not here: the table of prices
(hosting/prices.json), what an endpoint costs (hosting/cost.py), volumes and traffic.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlops_assets.resources.sagemaker.hosting.cost import prices
from mlops_assets.resources.sagemaker.jobs.kinds import JobKind

_HOUR_S = 3600


@dataclass(frozen=True)
class Cost:
    """USD of an ended job. ``saved_usd`` is what spot instances saved of the on-demand price;
    ``basis`` says which prices these are."""

    usd: float
    saved_usd: float
    basis: str


def fleet_of(job: Mapping[str, Any]) -> list[tuple[str, int]]:
    """[(instance type, count)] of a job's description, whatever its kind."""
    cluster = (
        job.get("ResourceConfig")
        or job.get("ProcessingResources", {}).get("ClusterConfig")
        or job.get("TransformResources")
        or {}
    )
    groups = cluster.get("InstanceGroups") or [cluster]
    return [
        (group["InstanceType"], group.get("InstanceCount", 1))
        for group in groups
        if "InstanceType" in group
    ]


def seconds_of(kind: JobKind, job: Mapping[str, Any]) -> tuple[float, float] | None:
    """(seconds of work, billable seconds) of each instance; None before the job has ended.

    Only training jobs differ in the two, by the interruptions of spot instances.
    """
    worked = job.get("TrainingTimeInSeconds", kind.seconds(job))
    billable = job.get("BillableTimeInSeconds", worked)
    return None if worked is None or billable is None else (float(worked), float(billable))


def cost_of(kind: JobKind, job: Mapping[str, Any]) -> Cost | None:
    """What the job has cost; None where a price of its instances is not known, or nothing ran.

    AWS's formula: BillableTimeInSeconds × InstanceCount (DescribeTrainingJob); the others are
    billed from their start to their end. The price of an instance type is the same for training,
    processing, transform and hosting.
    """
    fleet, seconds, table = fleet_of(job), seconds_of(kind, job), prices()
    if not fleet or seconds is None or any(name not in table.instances for name, _ in fleet):
        return None
    worked, billable = seconds
    per_second = sum(table.instances[name].usd * count for name, count in fleet) / _HOUR_S
    basis = f"on-demand list price, {table.region}, {table.as_of}; volumes and traffic not included"
    return Cost(per_second * billable, per_second * max(0.0, worked - billable), basis)
