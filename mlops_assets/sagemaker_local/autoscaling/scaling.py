"""Application Auto Scaling's operations, for the instance counts of endpoints' variants.

Belongs here: scalable targets, target tracking policies and activities, as they are stored. Does
not belong here: when an instance count changes (scaling_loop.py).
"""

from __future__ import annotations

import re
import time
import uuid

from mlops_assets.sagemaker_local import listing
from mlops_assets.sagemaker_local.config import Config
from mlops_assets.sagemaker_local.deployment import endpoint_runs
from mlops_assets.sagemaker_local.errors import ApiError, invalid
from mlops_assets.sagemaker_local.protocol import Handler
from mlops_assets.sagemaker_local.store import Document, Store

TARGET, POLICY, ACTIVITY = "scalable-target", "scaling-policy", "scaling-activity"
DIMENSION = "sagemaker:variant:DesiredInstanceCount"
METRIC = "SageMakerVariantInvocationsPerInstance"
_RESOURCE = re.compile(r"endpoint/([a-zA-Z0-9-]{1,63})/variant/([a-zA-Z0-9-]{1,63})")
_SORTS = {"CreationTime": "CreationTime"}
_MAX_CAPACITY = 1000


class Scaling:
    """Register, describe and deregister targets; put, describe and delete policies."""

    def __init__(self, config: Config, store: Store) -> None:
        self._config = config
        self._store = store

    def operations(self) -> dict[str, Handler]:
        return {
            "RegisterScalableTarget": self.register,
            "DescribeScalableTargets": self.describe_targets,
            "DeregisterScalableTarget": self.deregister,
            "PutScalingPolicy": self.put_policy,
            "DescribeScalingPolicies": self.describe_policies,
            "DeleteScalingPolicy": self.delete_policy,
            "DescribeScalingActivities": self.describe_activities,
        }

    def register(self, request: Document) -> Document:
        endpoint, variant = resource_of(request)
        serving = (self._store.get(endpoint_runs.KIND, endpoint) or {}).get("Serving") or {}
        found = [each for each in serving.get("variants", ()) if each["name"] == variant]
        if not found:
            raise invalid(f"SageMaker endpoint {endpoint} has no variant {variant} in service")
        if found[0].get("serverless"):
            raise invalid(f"variant {variant} is serverless: it has no instances to scale")
        name, old = request["ResourceId"], self._store.get(TARGET, request["ResourceId"]) or {}
        document = old | {key: value for key, value in request.items() if key != "Tags"}
        for member in ("MinCapacity", "MaxCapacity"):
            if member not in document:
                raise invalid(f"{member} is required for a new scalable target")
        low, high = document["MinCapacity"], document["MaxCapacity"]
        if not 1 <= low <= high <= _MAX_CAPACITY:
            raise invalid(
                f"MinCapacity {low} and MaxCapacity {high} are no range of 1 to {_MAX_CAPACITY}; "
                "the local SageMaker API scales no variant to 0"
            )
        arn = self._config.arn("scalable-target", uuid.uuid4().hex[:32], "application-autoscaling")
        role = f"arn:aws:iam::{arn.split(':')[4]}:role/aws-service-role/local"
        new = {"ScalableTargetARN": arn, "RoleARN": role, "CreationTime": time.time()}
        self._store.put(TARGET, name, new | document)
        return {"ScalableTargetARN": (new | document)["ScalableTargetARN"]}

    def describe_targets(self, request: Document) -> Document:
        _check_namespace(request)
        wanted = request.get("ResourceIds")
        found = [
            each
            for each in self._store.all(TARGET)
            if wanted is None or each["ResourceId"] in wanted
        ]
        return _page(request, "ScalableTargets", found)

    def deregister(self, request: Document) -> Document:
        resource_of(request)
        name = request["ResourceId"]
        if self._store.get(TARGET, name) is None:
            raise _not_found(f"No scalable target registered for {name}")
        self.forget(name)
        return {}

    def forget(self, resource: str) -> None:
        """Drop a target, its policies and activities."""
        with self._store.transaction():
            self._store.delete(TARGET, resource)
            for kind, member in ((POLICY, "PolicyARN"), (ACTIVITY, "ActivityId")):
                for document in self._store.all(kind):
                    if document["ResourceId"] == resource:
                        self._store.delete(kind, document[member])

    def put_policy(self, request: Document) -> Document:
        resource_of(request)
        resource = request["ResourceId"]
        if self._store.get(TARGET, resource) is None:
            raise _not_found(f"No scalable target registered for {resource}")
        old = self._policy(resource, request["PolicyName"])
        kind = request.get("PolicyType", (old or {}).get("PolicyType", "StepScaling"))
        if kind != "TargetTrackingScaling":
            raise _not_implemented(f"{kind} policies", "use TargetTrackingScaling")
        settings = request.get("TargetTrackingScalingPolicyConfiguration")
        if settings is None:
            raise invalid("TargetTrackingScalingPolicyConfiguration is required")
        if "CustomizedMetricSpecification" in settings:
            raise _not_implemented("CustomizedMetricSpecification", f"track {METRIC}")
        metric = settings.get("PredefinedMetricSpecification", {}).get("PredefinedMetricType")
        if metric != METRIC:
            raise _not_implemented(f"the metric {metric}", f"track {METRIC}")
        if not settings["TargetValue"] > 0:
            raise invalid(f"TargetValue {settings['TargetValue']} must be more than 0")
        for member in ("ScaleOutCooldown", "ScaleInCooldown"):
            if settings.get(member, 0) < 0:
                raise invalid(f"{member} must not be negative")
        name = f"{uuid.uuid4()}:resource/sagemaker/{resource}:policyName/{request['PolicyName']}"
        arn = self._config.arn("scalingPolicy", name, "autoscaling").replace(
            "scalingPolicy/", "scalingPolicy:"
        )
        new = {"PolicyARN": arn, "CreationTime": time.time(), "Alarms": []}
        document: Document = {**new, **(old or {}), **request}
        self._store.put(POLICY, document["PolicyARN"], document)
        # The loop needs no alarms of CloudWatch, so there are none to name.
        return {"PolicyARN": document["PolicyARN"], "Alarms": []}

    def describe_policies(self, request: Document) -> Document:
        _check_namespace(request)
        found = [
            policy
            for policy in self._store.all(POLICY)
            if policy["ResourceId"] == request.get("ResourceId", policy["ResourceId"])
            and policy["PolicyName"] in request.get("PolicyNames", [policy["PolicyName"]])
        ]
        return _page(request, "ScalingPolicies", found)

    def delete_policy(self, request: Document) -> Document:
        resource_of(request)
        found = self._policy(request["ResourceId"], request["PolicyName"])
        if found is None:
            raise _not_found(f"No scaling policy found named {request['PolicyName']}")
        self._store.delete(POLICY, found["PolicyARN"])
        return {}

    def describe_activities(self, request: Document) -> Document:
        _check_namespace(request)
        found = [
            each | {"CreationTime": each["StartTime"]}
            for each in self._store.all(ACTIVITY)
            if each["ResourceId"] == request.get("ResourceId", each["ResourceId"])
        ]
        return _page(request, "ScalingActivities", found)

    def _policy(self, resource: str, name: str) -> Document | None:
        for policy in self._store.all(POLICY):
            if (policy["ResourceId"], policy["PolicyName"]) == (resource, name):
                return policy
        return None


def resource_of(request: Document) -> tuple[str, str]:
    """Endpoint and variant. Raises ApiError for anything else that could be scaled."""
    _check_namespace(request)
    if request["ScalableDimension"] != DIMENSION:
        raise _not_implemented(f"the dimension {request['ScalableDimension']}", f"use {DIMENSION}")
    found = _RESOURCE.fullmatch(request["ResourceId"])
    if found is None:
        text = "ResourceId must be endpoint/<endpoint>/variant/<variant>, not "
        raise invalid(f"{text}{request['ResourceId'][:100]!r}")
    return found[1], found[2]


def _check_namespace(request: Document) -> None:
    if request["ServiceNamespace"] != "sagemaker":
        raise _not_implemented(f"the namespace {request['ServiceNamespace']}", "use sagemaker")


def _page(request: Document, key: str, documents: list[Document]) -> Document:
    most = {"MaxResults": 50} | request
    return listing.summaries(key, listing.page(most, documents, name="ResourceId", sorts=_SORTS))


def _not_implemented(what: str, remedy: str) -> ApiError:
    return ApiError("NotImplemented", f"The local SageMaker API does not scale by {what}: {remedy}")


def _not_found(message: str) -> ApiError:
    return ApiError("ObjectNotFoundException", message)
