"""The guard before each job: what breaks a limit is refused before SageMaker is asked.

It hangs on boto3's client itself, so that no code path goes around it. Here: that hook, and what a
refusal says. Not here: limits (`mlops_assets.limits`), what a request asks for (ask.py), what was
spent (ledger.py).
"""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import dagster as dg

from mlops_assets.limits import Limits
from mlops_assets.objects import open_objects
from mlops_assets.resources.sagemaker.jobs import attempts
from mlops_assets.resources.sagemaker.jobs.ask import KINDS, OPERATIONS, Ask, ask_of
from mlops_assets.resources.sagemaker.jobs.cost import cost_of
from mlops_assets.resources.sagemaker.jobs.ledger import Entry, Ledger

# Where each bound is set: for the whole platform, and in a declaration.
SETTINGS = {
    "instance_types": "MLOPS_INSTANCE_TYPES",
    "instances": "MLOPS_MAX_INSTANCES",
    "hours": "MLOPS_MAX_INSTANCE_HOURS",
    "usd_per_day": "MLOPS_MAX_USD_PER_DAY",
}


class LimitExceeded(dg.Failure):
    """A request breaks a limit; nothing was asked for, and trying again does not help."""

    def __init__(self, ask: Ask, whose: str, bound: str, words: str) -> None:
        name = ask.pipeline or "no pipeline"
        field_name = f"limits={{{bound}}} of {name}'s declaration"
        where = SETTINGS[bound] if whose == "platform" else field_name
        super().__init__(
            f"{ask.operation} {ask.name} of {name} asks for {words} ({where}). Nothing was "
            f"started. Ask for less, or have the limit raised in {where}",
            allow_retries=False,
        )


@dataclass(frozen=True)
class Guard:
    """Limits of the platform and of pipelines by name, and where spendings are kept.

    Args:
        ledger: an ``s3://`` folder.
        objects: the store behind it, in the words of `open_objects`.
    """

    platform: Limits = field(default_factory=Limits)
    pipelines: Mapping[str, Limits] = field(default_factory=dict)
    ledger: str = ""
    objects: str = ""

    def __bool__(self) -> bool:
        return bool(self.platform) or any(self.pipelines.values())

    def to_json(self) -> str:
        """As a resource's configuration holds it; empty where nothing is bounded."""
        return json.dumps(asdict(self), sort_keys=True) if self else ""

    @classmethod
    def from_json(cls, text: str) -> Guard:
        data = json.loads(text)
        return cls(
            _limits(data["platform"]),
            {name: _limits(each) for name, each in data["pipelines"].items()},
            data["ledger"],
            data["objects"],
        )

    def watch(self, client: Any) -> None:
        """Check every request of this client, of SageMaker or of Application Auto Scaling."""
        service = client.meta.service_model.service_id.hyphenize()
        for operation in OPERATIONS:
            client.meta.events.register(
                f"provide-client-params.{service}.{operation}",
                lambda params, model, **_: self.check(client, model.name, params),
            )

    def check(self, client: Any, operation: str, params: Mapping[str, Any]) -> None:
        """Put the request's cost aside.

        Raises:
            LimitExceeded: naming the bound, the value and the remedy.
        """
        cost = (lambda each: _cost(client, each)) if operation in KINDS else None
        self.judge(ask_of(operation, params), cost)

    def judge(self, ask: Ask, cost: Callable[[Entry], float | None] | None) -> None:
        """Put aside what an ask costs.

        Args:
            cost: of an earlier job once it has ended, as `Ledger.spent` wants it; None: the ask is
                for no job, and counts in no budget.

        Raises:
            LimitExceeded: naming the bound, the value and the remedy.
        """
        for whose, limits in self._limits_of(ask.pipeline).items():
            for bound, words in limits.broken(ask.types, ask.instances, ask.hours):
                raise LimitExceeded(ask, whose, bound, words)
        if cost is not None:
            self._check_budget(ask, cost)

    def _limits_of(self, pipeline: str) -> dict[str, Limits]:
        return {"platform": self.platform, "pipeline": self.pipelines.get(pipeline, Limits())}

    def _check_budget(self, ask: Ask, cost: Callable[[Entry], float | None]) -> None:
        budgets = {
            whose: limits.usd_per_day
            for whose, limits in self._limits_of(ask.pipeline).items()
            if limits.usd_per_day is not None
        }
        if not budgets:
            return
        whose, budget = min(budgets.items(), key=lambda pair: pair[1])
        if ask.unpriced:
            words = f"{', '.join(ask.unpriced)}, of which no price is known (prices.json)"
            raise LimitExceeded(ask, whose, "usd_per_day", words)
        now = dt.datetime.now(dt.UTC)
        entry = Entry(operation=ask.operation, job=ask.name, at=now, usd=ask.usd)
        # First put aside, then counted: of two at once neither overlooks the other.
        before = self._ledger.put_aside(ask.pipeline, entry)
        spent = self._ledger.spent(ask.pipeline, now, cost)
        if spent > budget:
            self._ledger.give_back(ask.pipeline, entry, before)
            raise LimitExceeded(
                ask,
                whose,
                "usd_per_day",
                f"up to {ask.usd:,.2f} USD, with which today's jobs come to {spent:,.2f} USD, "
                f"and {budget:,.2f} USD a day are allowed",
            )

    @cached_property
    def _ledger(self) -> Ledger:
        return Ledger(open_objects(self.objects), self.ledger)


def _limits(data: Mapping[str, Any]) -> Limits:
    return Limits(**{**data, "instance_types": tuple(data["instance_types"])})


def _cost(client: Any, entry: Entry) -> float | None:
    """What a job has cost; None while that is not known, NaN where there is no such job."""
    kind = KINDS.get(entry.operation)
    if kind is None:
        return None  # of another service, which is not asked here
    job = attempts.describe(lambda: client, kind, entry.job)
    if job is None:
        return math.nan
    if kind.status(job) not in attempts.ENDED or entry.operation == "CreateHyperParameterTuningJob":
        return None  # a search's description does not say what its jobs have cost
    cost = cost_of(kind, job)
    # Ended before an instance was there.
    return 0.0 if cost is None else cost.usd
