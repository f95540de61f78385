"""What a Spark job on EMR Serverless costs, and may cost: prices, and the guard before each job.

Here: list prices, what a request asks for at most, what an ended job has cost. Not here: limits and
how they are kept (`sagemaker.jobs.guard`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mlops_assets.resources.sagemaker.jobs.ask import Ask, Use
from mlops_assets.resources.sagemaker.jobs.attempts import ENDED
from mlops_assets.resources.sagemaker.jobs.guard import Guard
from mlops_assets.resources.sagemaker.jobs.kinds import Describe
from mlops_assets.resources.sagemaker.jobs.ledger import Entry

# USD by list price of us-east-1, x86 (https://aws.amazon.com/emr/pricing/).
USD = {"vCPUHour": 0.052624, "memoryGBHour": 0.0057785, "storageGBHour": 0.000111}
BASIS = "list price, us-east-1, 2025-10; traffic not included"
OPERATION = "StartJobRun"
# Each worker's first GB of storage are not billed.
_FREE_GB = 20
# EMR's own, of a request that says nothing.
_CORES, _MEMORY_GB, _EXECUTORS = 4, 16, 1_000
_CONF = re.compile(r"--conf (\S+?)=(\S+)")


@dataclass(frozen=True)
class Workers(Use):
    """Workers of one size, at so many USD an hour each."""

    usd_per_hour: float

    @property
    def usd(self) -> float:
        return self.usd_per_hour * self.reserved


def usd_of(job: Mapping[str, Any]) -> float:
    """What an ended job has cost: what EMR bills, by list price."""
    used = job.get("billedResourceUtilization") or {}
    return sum(price * float(used.get(name, 0.0)) for name, price in USD.items())


def usd_per_hour(cores: int, memory_gb: int, disk_gb: int) -> float:
    """Of one worker.

    >>> round(usd_per_hour(4, 16, 20), 3)
    0.303
    """
    return (
        cores * USD["vCPUHour"]
        + memory_gb * USD["memoryGBHour"]
        + max(disk_gb - _FREE_GB, 0) * USD["storageGBHour"]
    )


def asked(params: Mapping[str, Any]) -> Ask:
    """What StartJobRun's parameters ask for at most: all workers, for all of the time."""
    spark = params.get("jobDriver", {}).get("sparkSubmit", {})
    conf = dict(_CONF.findall(spark.get("sparkSubmitParameters", "")))

    def number(name: str, default: int) -> int:
        return int(conf.get(name, f"{default}").removesuffix("g"))

    memory = number("spark.executor.memory", _MEMORY_GB)
    price = usd_per_hour(
        number("spark.executor.cores", _CORES),
        memory + number("spark.executor.memoryOverhead", 0),
        number("spark.emr-serverless.executor.disk", _FREE_GB),
    )
    count = number("spark.dynamicAllocation.maxExecutors", _EXECUTORS) + 1  # the driver
    hours = count * params.get("executionTimeoutMinutes", 12 * 60) / 60
    pipeline = params.get("tags", {}).get("mlops:pipeline", "")
    name = str(params.get("name", ""))
    return Ask(OPERATION, name, pipeline, ((Workers("", count, hours, hours, price),),))


def watch(guard: Guard, client: Any, describe: Callable[[str], Describe | None]) -> None:
    """Check every job that this client of EMR Serverless asks for.

    Args:
        describe: gives a job by its name; None where there is none.
    """

    def cost(entry: Entry) -> float | None:
        if entry.operation != OPERATION:
            return None  # SageMaker's, which is not asked here
        job = describe(entry.job)
        if job is None:
            return math.nan
        return usd_of(job) if job["JobRunStatus"] in ENDED else None

    client.meta.events.register(
        f"provide-client-params.emr-serverless.{OPERATION}",
        lambda params, **_: guard.judge(asked(params), cost),
    )
