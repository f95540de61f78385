"""Faults met by requests, and those that jobs and endpoints are told of.

Belongs here: refusing calls, counting them, looking up a resource's faults. Does not belong here:
how faults are written (fault_rules.py); what a job or a fleet does with one.
"""

from __future__ import annotations

import fnmatch
import re
import time
from collections import Counter
from typing import Any

from mlops_assets.sagemaker_local import tags as tag_requests
from mlops_assets.sagemaker_local.cluster import Cluster
from mlops_assets.sagemaker_local.config import Config
from mlops_assets.sagemaker_local.errors import ApiError, invalid, over_limit
from mlops_assets.sagemaker_local.faults.fault_rules import (
    FILE_NAME,
    FaultError,
    FaultRule,
    read_rules,
    tagged,
)
from mlops_assets.sagemaker_local.faults.job_faults import EndpointFaults, JobFaults
from mlops_assets.sagemaker_local.store import Document, Store

_CALLS = ("throttling", "resource-limit-exceeded")
_VERB = re.compile(r"^(Create|Describe|Stop|Update|Delete)")
_REMEMBERED_S = 0.5


class Faults:
    """The faults of one server. Counts of refused calls begin again when the file is written to,
    and when the server starts."""

    def __init__(self, config: Config, store: Store) -> None:
        self._config = config
        self._store = store
        self._path = config.home / FILE_NAME
        self._stamp: float | None = None
        self._rules: list[FaultRule] = []
        self._refused: Counter[tuple[FaultRule, str]] = Counter()
        self._endpoints: dict[str, tuple[float, EndpointFaults]] = {}
        self._due: dict[str, float] = {}

    def before(self, operation: str, request: dict[str, Any]) -> None:
        """Raise what a rule wants a call to be answered. A wrong rule is a ValidationException."""
        creates = operation.startswith("Create")
        rules = [(rule, "") for rule in self._file_rules() if _meets(rule, operation)]
        if not rules and not (creates and "Tags" in request):
            return
        name = str(request.get(_VERB.sub("", operation).removesuffix("V2") + "Name", ""))
        rules = [pair for pair in rules if fnmatch.fnmatchcase(name, pair[0].resource)]
        if creates:  # tags are those of the request; each resource has calls of its own refused
            given = self._tag_rules(tag_requests.from_request(request))
            rules = [*((rule, name) for rule in given if rule.kind in _CALLS), *rules]
        instance_type = _instance_type(request)
        for rule, counted in rules:
            if rule.instance and not instance_type.startswith(rule.instance):
                continue
            if self._refused[rule, counted] < rule.amount:
                self._refused[rule, counted] += 1
                raise _refusal(rule, operation)

    def job(self, name: str, arn: str, instance_type: str) -> JobFaults:
        """The faults of a job that exists, on instances of that type."""
        found = self._of(name, self._store.tags(arn))
        return JobFaults.from_rules(r for r in found if instance_type.startswith(r.instance))

    def of_training(self, document: Document) -> JobFaults:
        """The faults of a training job; of several instance types the first counts."""
        first = Cluster.from_request(document["ResourceConfig"]).groups[0]
        return self.job(document["TrainingJobName"], document["Arn"], first.instance_type)

    def has_capacity(self, name: str, tags: dict[str, str], instance_type: str) -> bool:
        """Whether a job that is not created yet would get instances of that type."""
        rules = [rule for rule in self._of(name, tags) if rule.kind == "capacity-error"]
        return not any(instance_type.startswith(rule.instance) for rule in rules)

    def check_job(self, tags: dict[str, str], *, spot: bool) -> None:
        """Raise ValidationException for a fault that the job could not have."""
        for rule in self._tag_rules(tags):
            if rule.kind == "spot-interruption" and not spot:
                raise invalid("a spot interruption needs EnableManagedSpotTraining")

    def endpoint(self, name: str) -> EndpointFaults:
        """The faults of an endpoint as they are now; asked for each invocation."""
        now = time.monotonic()
        known = self._endpoints.get(name)
        if known is None or known[0] < now:
            tags = self._store.tags(self._config.arn("endpoint", name))
            found = EndpointFaults.from_rules(self._of(name, tags))
            known = self._endpoints[name] = now + _REMEMBERED_S, found
        return known[1]

    def fails(self, endpoint: str) -> bool:
        """Whether this invocation is one of the share that is to fail: every so many, evenly."""
        share = self.endpoint(endpoint).error_share
        if share == 0.0:
            return False
        due = self._due.get(endpoint, 0.0) + share
        fails = due > 1 - 1e-9
        self._due[endpoint] = due - fails
        return fails

    def _of(self, name: str, tags: dict[str, str]) -> list[FaultRule]:
        wanted = [r for r in self._file_rules() if fnmatch.fnmatchcase(name, r.resource)]
        return [*self._tag_rules(tags), *wanted]

    @staticmethod
    def _tag_rules(tags: dict[str, str]) -> list[FaultRule]:
        try:
            return tagged(tags)
        except FaultError as error:
            raise invalid(str(error)) from error

    def _file_rules(self) -> list[FaultRule]:
        try:
            stamp = self._path.stat().st_mtime
        except FileNotFoundError:
            stamp = 0.0
        if stamp != self._stamp:
            try:
                self._rules = read_rules(self._path)
            except FaultError as error:
                raise invalid(str(error)) from error
            self._stamp = stamp
            self._refused.clear()
        return self._rules


def _instance_type(request: dict[str, Any]) -> str:
    """What a request for a job asks to run on; "" where it asks for nothing of that name."""
    processing = request.get("ProcessingResources", {}).get("ClusterConfig", {})
    for cluster in (
        request.get("ResourceConfig", {}), processing, request.get("TransformResources", {})
    ):  # fmt: skip
        if "InstanceType" in cluster:
            return str(cluster["InstanceType"])
    return ""


def _meets(rule: FaultRule, operation: str) -> bool:
    """Whether a rule of the file is about calls of that operation."""
    if rule.kind not in _CALLS:
        return False
    limited = rule.kind == "throttling" or operation.startswith("Create")
    return operation == rule.operation if rule.operation else limited


def _refusal(rule: FaultRule, operation: str) -> ApiError:
    if rule.kind == "throttling":
        return ApiError("ThrottlingException", "Rate exceeded")
    return over_limit(
        f"The account-level service limit for {operation} is reached (injected by a fault rule). "
        "Please use AWS Service Quotas to request an increase for this quota."
    )
