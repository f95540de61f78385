"""The model registry: SageMaker's model package groups and versions, with each model's lineage.

Here: registering once, approving, finding. A model's lineage and metrics are the package's
CustomerMetadataProperties: at most 50 entries of 256 characters from a small alphabet, so values
are escaped, and what does not fit is an error, never cut. Not here: what a lineage must hold (the
assets), serving (endpoints.py).
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from botocore.exceptions import ClientError

from mlops_assets.resources.sagemaker.errors import already_exists, found_or_none, patiently
from mlops_assets.resources.sagemaker.names import digest_of, tag_list
from mlops_assets.resources.sagemaker.requests import Placement

Approval = Literal["Approved", "Rejected", "PendingManualApproval"]
_METRIC = "metric."
_DIGEST = "mlops:digest"
_MAX_ENTRIES, _MAX_VALUE = 50, 256
_PLAIN = re.compile(r"[A-Za-z0-9 _.:/+@-]")
_ESCAPED = re.compile(r"(?:=[0-9A-F]{2})+")


class RegistryError(ValueError):
    """A model cannot be registered or is not there; the message says which and why."""


@dataclass(frozen=True)
class ModelPackage:
    """One version of a group; ``lineage`` and ``metrics`` as they were registered."""

    arn: str
    group: str
    version: int
    status: str
    model_data_url: str
    image: str
    lineage: Mapping[str, str]
    metrics: Mapping[str, float]
    created: dt.datetime


def register(
    client: Any,
    *,
    group: str,
    model_data_url: str,
    lineage: Mapping[str, str],
    metrics: Mapping[str, float] | None = None,
    metrics_uri: str | None = None,
    status: Approval = "PendingManualApproval",
    description: str = "",
    placement: Placement | None = None,
    image_uri: str | None = None,
) -> ModelPackage:
    """The version of ``group`` with this artifact, image and lineage, created when it is missing.

    Args:
        lineage: where the model comes from (snapshots, code version, job, hyperparameters, …).
        metrics: {name: value} on held-out data.
        metrics_uri: s3:// URI of the evaluation as JSON.
        status: of a new version; one that exists keeps its own, so that registering again never
            undoes a person's decision.

    Raises:
        RegistryError: lineage and metrics do not fit a package's metadata.
    """
    placement = placement or Placement()
    image = image_uri or placement.image_uri
    digest = digest_of(
        {"group": group, "data": model_data_url, "image": image, "lineage": dict(lineage)}
    )
    properties = {**_properties(lineage, metrics or {}), _DIGEST: digest}
    _ensure_group(client, group, placement)
    if (arn := _find(client, group, digest)) is not None:
        return describe(client, arn)
    request: dict[str, Any] = {
        "ModelPackageGroupName": group,
        "ModelPackageDescription": _description(description, digest),
        "ModelApprovalStatus": status,
        "InferenceSpecification": {
            "Containers": [{"Image": image, "ModelDataUrl": model_data_url}],
            "SupportedContentTypes": ["text/csv", "application/json", "application/jsonlines"],
            "SupportedResponseMIMETypes": ["text/csv", "application/json", "application/jsonlines"],
        },
        "CustomerMetadataProperties": properties,
        # A repetition whose first answer was lost is recognized by SageMaker itself.
        "ClientToken": digest[:32],
    }
    if metrics_uri:
        statistics = {"ContentType": "application/json", "S3Uri": metrics_uri}
        request["ModelMetrics"] = {"ModelQuality": {"Statistics": statistics}}
    if placement.kms_key_arn:
        request["SecurityConfig"] = {"KmsKeyId": placement.kms_key_arn}
    # Looked up again before each repetition: the version may be there although no answer came.
    arn = patiently(
        lambda: (
            _find(client, group, digest)
            or client.create_model_package(**request)["ModelPackageArn"]
        )
    )
    return describe(client, arn)


def describe(client: Any, arn: str) -> ModelPackage:
    """One version.

    Raises:
        RegistryError: there is none of this ARN.
    """
    found = found_or_none(lambda: client.describe_model_package(ModelPackageName=arn))
    if found is None:
        raise RegistryError(f"there is no model package {arn}")
    container = found["InferenceSpecification"]["Containers"][0]
    properties = {
        key: _unescape(value) for key, value in found.get("CustomerMetadataProperties", {}).items()
    }
    return ModelPackage(
        arn=found["ModelPackageArn"],
        group=found.get("ModelPackageGroupName", ""),
        version=found.get("ModelPackageVersion", 0),
        status=found.get("ModelApprovalStatus", ""),
        model_data_url=container.get("ModelDataUrl", ""),
        image=container.get("Image", ""),
        lineage={
            key: value
            for key, value in properties.items()
            if not key.startswith(_METRIC) and key != _DIGEST
        },
        metrics={
            key.removeprefix(_METRIC): float(value)
            for key, value in properties.items()
            if key.startswith(_METRIC)
        },
        created=found["CreationTime"],
    )


def latest(client: Any, group: str, status: Approval | None = "Approved") -> ModelPackage | None:
    """The newest version of ``group`` in this state (None: in any); None where there is none."""
    filters = {"ModelApprovalStatus": status} if status else {}
    found = found_or_none(
        lambda: client.list_model_packages(
            ModelPackageGroupName=group, SortBy="CreationTime", SortOrder="Descending", **filters
        )
    )
    # Times have seconds: of versions born in the same one, the higher number is the newer.
    versions = sorted(
        (found or {}).get("ModelPackageSummaryList", []), key=lambda v: v["ModelPackageVersion"]
    )
    return describe(client, versions[-1]["ModelPackageArn"]) if versions else None


def set_approval(client: Any, arn: str, status: Approval, reason: str) -> ModelPackage:
    """Approve or reject a version, with the reason that the registry keeps."""
    patiently(
        lambda: client.update_model_package(
            ModelPackageArn=arn, ModelApprovalStatus=status, ApprovalDescription=reason[:1024]
        )
    )
    return describe(client, arn)


def _ensure_group(client: Any, group: str, placement: Placement) -> None:
    if found_or_none(lambda: client.describe_model_package_group(ModelPackageGroupName=group)):
        return
    try:
        client.create_model_package_group(
            ModelPackageGroupName=group, Tags=tag_list(placement.tags)
        )
    except ClientError as error:
        if not already_exists(error):
            raise


def _find(client: Any, group: str, digest: str) -> str | None:
    """The version of this digest, which the description carries because lists show only that."""
    pages = client.get_paginator("list_model_packages").paginate(
        ModelPackageGroupName=group, SortBy="CreationTime", SortOrder="Descending"
    )
    for page in pages:
        for version in page["ModelPackageSummaryList"]:
            if version.get("ModelPackageDescription", "").endswith(_mark(digest)):
                return str(version["ModelPackageArn"])
    return None


def _mark(digest: str) -> str:
    return f"[{_DIGEST} {digest}]"


def _description(text: str, digest: str) -> str:
    mark = _mark(digest)
    return f"{text[: 1024 - len(mark) - 1]} {mark}".lstrip()


def _properties(lineage: Mapping[str, str], metrics: Mapping[str, float]) -> dict[str, str]:
    properties = {
        **lineage,
        **{f"{_METRIC}{name}": repr(float(value)) for name, value in metrics.items()},
    }
    if len(properties) + 1 > _MAX_ENTRIES:
        raise RegistryError(
            f"lineage and metrics have {len(properties)} entries, a model package takes "
            f"{_MAX_ENTRIES - 1}: keep the rest in the evaluation's object (metrics_uri)"
        )
    escaped = {key: _escape(value) for key, value in properties.items()}
    for key, value in escaped.items():
        if not 1 <= len(value) <= _MAX_VALUE or not re.fullmatch(
            r"[A-Za-z0-9_.:/+@=-]{1,128}", key
        ):
            raise RegistryError(
                f"lineage {key!r} has {len(value)} characters once escaped, a model package takes "
                f"1 to {_MAX_VALUE}: store the value as an object and register its URI or digest"
            )
    return escaped


def _escape(text: str) -> str:
    """Characters outside SageMaker's alphabet as ``=XX`` (their UTF-8 bytes)."""
    return "".join(
        c if _PLAIN.fullmatch(c) else "".join(f"={byte:02X}" for byte in c.encode()) for c in text
    )


def _unescape(text: str) -> str:
    return _ESCAPED.sub(
        lambda match: bytes.fromhex(match[0].replace("=", "")).decode(errors="replace"), text
    )
