"""The model registry: SageMaker's model package groups and versions, with each model's lineage.

Here: registering once, approving, finding, and the question whether a package may be trusted. Not
here: what a lineage must hold (the assets, provenance.py), how it is written (metadata.py), which
version is the champion (promotion.py), serving (endpoints.py).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from botocore.exceptions import ClientError

from mlops_assets.objects import Objects
from mlops_assets.resources.sagemaker.errors import already_exists, found_or_none, patiently
from mlops_assets.resources.sagemaker.names import digest_of, tag_list
from mlops_assets.resources.sagemaker.registry import metadata, provenance
from mlops_assets.resources.sagemaker.registry.lifecycle_state import Standing, State, life_cycle
from mlops_assets.resources.sagemaker.registry.metadata import RegistryError
from mlops_assets.resources.sagemaker.registry.provenance import Untrusted
from mlops_assets.resources.sagemaker.registry.signing import Signing
from mlops_assets.resources.sagemaker.requests import Placement

__all__ = [
    "Approval",
    "ModelPackage",
    "RegistryError",
    "Untrusted",
    "describe",
    "latest",
    "register",
    "set_approval",
    "verify",
]

Approval = Literal["Approved", "Rejected", "PendingManualApproval"]
_BEGINNING: dict[Approval, tuple[State, int, str]] = {
    "Approved": ("approved", 0, "approved by declaration; waits for its deployment"),
    "PendingManualApproval": ("candidate", 0, "waits for a person's approval"),
    "Rejected": ("rejected", 0, "registered as rejected"),
}


@dataclass(frozen=True)
class ModelPackage:
    """One version of a group; ``lineage`` and ``metrics`` as they were registered.

    Args:
        status: SageMaker's approval; ``decision`` is what was said with it.
        state: its place in the promotion; ``note`` says why it has it.
        modified: when anything of it changed last; of an approved one that nobody has touched
            since, when it was approved.
        reason: why it was trained.
    """

    arn: str
    group: str
    version: int
    status: str
    model_data_url: str
    image: str
    lineage: Mapping[str, str]
    metrics: Mapping[str, float]
    created: dt.datetime
    modified: dt.datetime
    state: State
    note: str = ""
    decision: str = ""
    trained_by: str = ""
    signature: str = ""
    reason: str = ""


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
    trained_by: str = "",
    reason: str = "",
    signer: Signing | None = None,
) -> ModelPackage:
    """The version of ``group`` with this artifact, image and lineage, created when it is missing.

    Args:
        lineage: where the model comes from (snapshots, code version, job, hyperparameters, …).
        metrics: {name: value} on held-out data.
        metrics_uri: s3:// URI of the evaluation as JSON.
        status: of a new version; one that exists keeps its own, so that registering again never
            undoes a person's decision.
        trained_by: who, so that somebody else can approve; no part of a version's identity.
        reason: why it was trained, for people; no part of a version's identity either.
        signer: signs a new version, and one that has no signature yet.

    Raises:
        RegistryError: lineage and metrics do not fit a package's metadata.
        SigningError: the signing key cannot be used.
    """
    placement = placement or Placement()
    image = image_uri or placement.image_uri
    digest = digest_of(
        {"group": group, "data": model_data_url, "image": image, "lineage": dict(lineage)}
    )
    properties = {**metadata.properties(lineage, metrics or {}), metadata.DIGEST: digest}
    trained_by = metadata.fitting(trained_by)

    def signature(by: str) -> str | None:
        if signer is None:
            return None
        # Of what is known here, not of what the registry says: that may have been changed.
        return signer.sign(
            provenance.statement(
                group=group,
                model_data_url=model_data_url,
                image=image,
                lineage=lineage,
                metrics=metrics or {},
                trained_by=by,
            )
        )

    _ensure_group(client, group, placement)
    if (arn := _find(client, group, digest)) is not None:
        return _signed(client, describe(client, arn), signature)
    if trained_by:
        properties[metadata.TRAINED_BY] = metadata.escape(trained_by)
    if reason:
        properties[metadata.REASON] = metadata.escape(metadata.fitting(reason))
    if made := signature(trained_by):
        properties[metadata.SIGNATURE] = metadata.escape(made)
    request: dict[str, Any] = {
        "ModelPackageGroupName": group,
        "ModelPackageDescription": _description(description, digest),
        "ModelApprovalStatus": status,
        "ModelLifeCycle": life_cycle(*_BEGINNING[status]),
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


def verify(
    client: Any, objects: Objects, package: ModelPackage, *, signer: Signing | None = None
) -> None:
    """Pass only where the package's lineage, image, signature and archive hold, as they are now.

    Raises:
        Untrusted: naming what does not hold, and the remedy. Nothing of it may be deployed.
    """
    provenance.verify(objects, describe(client, package.arn), signer)


def describe(client: Any, arn: str) -> ModelPackage:
    """One version.

    Raises:
        RegistryError: there is none of this ARN.
    """
    found = found_or_none(lambda: client.describe_model_package(ModelPackageName=arn))
    if found is None:
        raise RegistryError(f"there is no model package {arn}")
    container = found["InferenceSpecification"]["Containers"][0]
    stored = {
        key: metadata.unescape(value)
        for key, value in found.get("CustomerMetadataProperties", {}).items()
    }
    return ModelPackage(
        arn=found["ModelPackageArn"],
        group=found.get("ModelPackageGroupName", ""),
        version=found.get("ModelPackageVersion", 0),
        status=found.get("ModelApprovalStatus", ""),
        model_data_url=container.get("ModelDataUrl", ""),
        image=container.get("Image", ""),
        lineage=metadata.lineage_of(stored),
        metrics=metadata.metrics_of(stored),
        created=found["CreationTime"],
        modified=found.get("LastModifiedTime", found["CreationTime"]),
        state=Standing.of(found).state,
        note=found.get("ModelLifeCycle", {}).get("StageDescription", ""),
        decision=found.get("ApprovalDescription", ""),
        trained_by=stored.get(metadata.TRAINED_BY, ""),
        signature=stored.get(metadata.SIGNATURE, ""),
        reason=stored.get(metadata.REASON, ""),
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


def _signed(
    client: Any, package: ModelPackage, signature: Callable[[str], str | None]
) -> ModelPackage:
    """A package that is there already, signed now where it was not and there is a key."""
    made = None if package.signature else signature(package.trained_by)
    if made is None:
        return package
    stored = {metadata.SIGNATURE: metadata.escape(made)}
    patiently(
        lambda: client.update_model_package(
            ModelPackageArn=package.arn, CustomerMetadataProperties=stored
        )
    )
    return describe(client, package.arn)


def _ensure_group(client: Any, group: str, placement: Placement) -> None:
    if found_or_none(lambda: client.describe_model_package_group(ModelPackageGroupName=group)):
        return
    # A group is called by its pipeline's slug. Its versions have its tags, and no others.
    tags = {"mlops:pipeline": group.replace("-", "_"), **placement.tags}
    try:
        client.create_model_package_group(ModelPackageGroupName=group, Tags=tag_list(tags))
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
    return f"[{metadata.DIGEST} {digest}]"


def _description(text: str, digest: str) -> str:
    mark = _mark(digest)
    return f"{text[: 1024 - len(mark) - 1]} {mark}".lstrip()
