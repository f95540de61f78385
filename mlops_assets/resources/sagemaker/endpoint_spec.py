"""What is asked of an endpoint: pure functions from its declaration to requests.

Here: the declaration, its configuration and its update. Not here: calls to AWS (endpoints.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from mlops_assets.resources.sagemaker.names import name_of, request_digest, slugify, tag_list
from mlops_assets.resources.sagemaker.requests import Placement

VARIANT = "live"


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """How traffic moves to a new configuration; times in seconds.

    Args:
        max_execution_s: the update is rolled back when it takes longer (600 to 28,800).
        alarms: CloudWatch alarms that roll the update back.
    """

    strategy: Literal["all_at_once"] = "all_at_once"
    wait_s: int = 0
    termination_wait_s: int = 0
    max_execution_s: int = 1800
    alarms: tuple[str, ...] = ()

    def request(self) -> dict[str, Any]:
        """``DeploymentConfig`` of UpdateEndpoint."""
        policy = {
            "TrafficRoutingConfiguration": {
                "Type": self.strategy.upper(),
                "WaitIntervalInSeconds": self.wait_s,
            },
            "TerminationWaitInSeconds": self.termination_wait_s,
            "MaximumExecutionTimeoutInSeconds": self.max_execution_s,
        }
        request: dict[str, Any] = {"BlueGreenUpdatePolicy": policy}
        if self.alarms:
            alarms = [{"AlarmName": name} for name in self.alarms]
            request["AutoRollbackConfiguration"] = {"Alarms": alarms}
        return request


@dataclass(frozen=True, kw_only=True)
class EndpointSpec:
    """An endpoint, declared.

    Args:
        capture_share: share (0 to 1) of requests captured to ``capture_uri``; 0 captures nothing.
    """

    name: str
    package_arn: str
    instance_type: str = "ml.m5.large"
    instance_count: int = 1
    capture_share: float = 0.0
    capture_uri: str | None = None
    rollout: Rollout = field(default_factory=Rollout)
    placement: Placement = field(default_factory=Placement)
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 <= self.capture_share <= 1:
            raise ValueError(
                f"endpoint {self.name}: capture_share={self.capture_share} is not a share of 0 to 1"
            )
        if self.capture_share > 0 and not self.capture_uri:
            raise ValueError(
                f"endpoint {self.name}: capture_share={self.capture_share} needs a capture_uri"
            )

    def all_tags(self) -> list[dict[str, str]]:
        return tag_list({**self.placement.tags, **self.tags})


def config_request(spec: EndpointSpec, model_name: str) -> dict[str, Any]:
    """``CreateEndpointConfig``'s parameters, named by what they ask for."""
    variant = {
        "VariantName": VARIANT,
        "ModelName": model_name,
        "InstanceType": spec.instance_type,
        "InitialInstanceCount": spec.instance_count,
        "InitialVariantWeight": 1.0,
    }
    request: dict[str, Any] = {"ProductionVariants": [variant]}
    if key := spec.placement.volume_key(spec.instance_type):
        request["KmsKeyId"] = key
    if spec.capture_share > 0:
        request["DataCaptureConfig"] = _capture(spec)
    name = name_of(slugify(spec.name), request_digest(request, without=()))
    return {"EndpointConfigName": name, **request, "Tags": spec.all_tags()}


def _capture(spec: EndpointSpec) -> dict[str, Any]:
    capture: dict[str, Any] = {
        "EnableCapture": True,
        # SageMaker samples in whole percents; a declared share is never rounded down to nothing.
        "InitialSamplingPercentage": max(1, round(100 * spec.capture_share)),
        "DestinationS3Uri": spec.capture_uri,
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        "CaptureContentTypeHeader": {
            "CsvContentTypes": ["text/csv"],
            "JsonContentTypes": ["application/json", "application/jsonlines"],
        },
    }
    if spec.placement.kms_key_arn:
        capture["KmsKeyId"] = spec.placement.kms_key_arn
    return capture


def update_request(
    spec: EndpointSpec,
    config_name: str,
    *,
    endpoint: Mapping[str, Any],
    config: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """``UpdateEndpoint``'s parameters, from the descriptions of what serves now.

    An update resets counts to the configuration's: where autoscaling has moved the count since, it
    is retained, unless the declaration changed its own.
    """
    request: dict[str, Any] = {
        "EndpointName": spec.name,
        "EndpointConfigName": config_name,
        "DeploymentConfig": spec.rollout.request(),
    }
    declared = [v.get("InitialInstanceCount") for v in (config or {}).get("ProductionVariants", [])]
    desired = [v.get("DesiredInstanceCount") for v in endpoint.get("ProductionVariants", [])]
    if declared == [spec.instance_count] and desired not in ([], [None], declared):
        request["RetainAllVariantProperties"] = True
        request["ExcludeRetainedVariantProperties"] = [
            {"VariantPropertyType": "DataCaptureConfig"},
            {"VariantPropertyType": "DesiredWeight"},
        ]
    return request
