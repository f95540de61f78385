"""What is asked of an endpoint: pure functions from its declaration to its configuration.

Here: models behind variants, capture, other ways to serve. Not here: how a configuration takes over
from another (deployment_request.py), alarms (alarms.py), calls to AWS (endpoints.py).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mlops_assets.resources.sagemaker.hosting.models import model_request
from mlops_assets.resources.sagemaker.names import name_of, request_digest, slugify, tag_list
from mlops_assets.resources.sagemaker.requests import Placement
from mlops_assets.serving import Endpoint

# SageMaker's guardrails demand the same variant names before and after an update, so the variant
# that answers is always called this, whichever model is behind it.
LIVE, SHADOW, CHALLENGER = "live", "shadow", "challenger"


@dataclass(frozen=True, kw_only=True)
class EndpointSpec:
    """An endpoint and the package that it is to serve.

    Args:
        declared: how the pipeline says that it is served.
        capture_uri: where captured requests go; needed where a share is captured.
        shared_capture_uri: where they go instead while another package answers beside this one.
        output_uri: where the answers of an asynchronous endpoint go.
        online: ``{"group", "key", "columns", "max_age_s"}`` of features that the container reads
            itself.
    """

    name: str
    package_arn: str
    declared: Endpoint = field(default_factory=Endpoint)
    capture_uri: str | None = None
    shared_capture_uri: str | None = None
    output_uri: str | None = None
    online: Mapping[str, Any] | None = None
    placement: Placement = field(default_factory=Placement)
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.declared.capture_share > 0 and not self.capture_uri:
            raise ValueError(
                f"endpoint {self.name}: capture_share={self.declared.capture_share} needs a "
                "capture_uri"
            )
        if self.declared.asynchronous and not self.output_uri:
            raise ValueError(f"endpoint {self.name}: asynchronous answers need an output_uri")
        if self.declared.serverless and self.placement.subnets:
            raise ValueError(
                f"endpoint {self.name}: SageMaker runs no serverless endpoint in a VPC, and this "
                f"one is placed in {list(self.placement.subnets)}: declare instances"
            )

    def captures_to(self, *, shared: bool) -> str | None:
        """Where captured requests go, with another package beside this one or without."""
        return (self.shared_capture_uri if shared else None) or self.capture_uri

    def all_tags(self) -> list[dict[str, str]]:
        return tag_list({**self.placement.tags, **self.tags})

    def model(self) -> dict[str, Any]:
        """``CreateModel``'s parameters for the package."""
        container: dict[str, Any] = {"ModelPackageName": self.package_arn}
        environment, placement = self.declared.container.variables(), self.placement
        if self.online:
            value = json.dumps(self.online, sort_keys=True, separators=(",", ":"))
            environment["MLOPS_ONLINE"] = value
            # It calls the feature store, which an isolated container cannot.
            placement = replace(placement, network_isolation=False)
        if environment:
            container["Environment"] = environment
        return {**model_request(self.name, container, placement), "Tags": self.all_tags()}


def config_request(
    spec: EndpointSpec,
    model_name: str,
    *,
    shadow: tuple[str, float] | None = None,
    challenger: tuple[str, float] | None = None,
) -> dict[str, Any]:
    """``CreateEndpointConfig``'s parameters, named by what they ask for.

    Args:
        shadow: (model, share of the requests that is copied to it).
        challenger: (model, share of the requests that it answers).
    """
    weight = 1.0 if challenger is None else _weight(1 - challenger[1])
    request: dict[str, Any] = {"ProductionVariants": [_variant(spec, LIVE, model_name, weight)]}
    if challenger is not None:
        model, share = challenger
        request["ProductionVariants"].append(_variant(spec, CHALLENGER, model, _weight(share)))
    if shadow is not None:
        # A shadow gets its weight's part of the weight that it shadows, which is 1.
        model, share = shadow
        request["ShadowProductionVariants"] = [_variant(spec, SHADOW, model, _weight(share))]
    instance = None if spec.declared.serverless else spec.declared.instance_type
    if instance and (key := spec.placement.volume_key(instance)):
        request["KmsKeyId"] = key
    # What a shadow answers is seen in the capture alone, so all of it is kept meanwhile.
    captured = 1.0 if shadow is not None and spec.capture_uri else spec.declared.capture_share
    if captured > 0:
        uri = spec.captures_to(shared=shadow is not None or challenger is not None)
        request["DataCaptureConfig"] = _capture(spec, captured, uri)
    if spec.declared.asynchronous:
        request["AsyncInferenceConfig"] = _asynchronous(spec)
    name = name_of(slugify(spec.name), request_digest(request, without=()))
    return {"EndpointConfigName": name, **request, "Tags": spec.all_tags()}


def _variant(spec: EndpointSpec, name: str, model: str, weight: float) -> dict[str, Any]:
    variant: dict[str, Any] = {"VariantName": name, "ModelName": model}
    if serverless := spec.declared.serverless:
        variant["ServerlessConfig"] = {
            "MemorySizeInMB": serverless.memory_mb,
            "MaxConcurrency": serverless.max_concurrency,
        }
    else:
        variant["InstanceType"] = spec.declared.instance_type
        variant["InitialInstanceCount"] = spec.declared.instance_count
    return {**variant, "InitialVariantWeight": weight}


def _weight(share: float) -> float:
    """Without the dust of binary fractions, which would change a configuration's name."""
    return round(share, 6)


def _asynchronous(spec: EndpointSpec) -> dict[str, Any]:
    assert spec.declared.asynchronous is not None  # noqa: S101
    output = {"S3OutputPath": spec.output_uri, "S3FailurePath": f"{spec.output_uri}/failed"}
    if spec.placement.kms_key_arn:
        output["KmsKeyId"] = spec.placement.kms_key_arn
    most = spec.declared.asynchronous.max_concurrency
    return {
        "ClientConfig": {"MaxConcurrentInvocationsPerInstance": most},
        "OutputConfig": output,
    }


def _capture(spec: EndpointSpec, share: float, uri: str | None) -> dict[str, Any]:
    capture: dict[str, Any] = {
        "EnableCapture": True,
        # SageMaker samples in whole percents; a declared share is never rounded down to nothing.
        "InitialSamplingPercentage": max(1, round(100 * share)),
        "DestinationS3Uri": uri,
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        "CaptureContentTypeHeader": {
            "CsvContentTypes": ["text/csv"],
            "JsonContentTypes": ["application/json", "application/jsonlines"],
        },
    }
    if spec.placement.kms_key_arn:
        capture["KmsKeyId"] = spec.placement.kms_key_arn
    return capture
