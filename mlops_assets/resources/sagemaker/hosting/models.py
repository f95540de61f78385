"""SageMaker models: a container and its artifact, ready to be hosted.

Here: the model of a package or of a container, named by its content. Not here: endpoints.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from mlops_assets.resources.sagemaker.errors import already_exists, found_or_none, patiently
from mlops_assets.resources.sagemaker.names import name_of, request_digest, slugify, tag_list
from mlops_assets.resources.sagemaker.requests import Placement


def model_request(slug: str, container: Mapping[str, Any], placement: Placement) -> dict[str, Any]:
    """``CreateModel``'s parameters, named by what they ask for."""
    request = {
        "PrimaryContainer": dict(container),
        "ExecutionRoleArn": placement.role_arn,
        "EnableNetworkIsolation": placement.network_isolation,
        **placement.vpc(),
    }
    name = name_of(slugify(slug), request_digest(request, without=()))
    return {"ModelName": name, **request, "Tags": tag_list(placement.tags)}


def ensure_model(
    client: Any, slug: str, container: Mapping[str, Any], placement: Placement | None = None
) -> str:
    """The name of the model with this container in this placement, created when it is missing.

    Args:
        container: PrimaryContainer: ``{"ModelPackageName": arn}`` for a registered model, or
            ``{"Image", "ModelDataUrl", "Environment"}``.
    """
    request = model_request(slug, container, placement or Placement())
    name = str(request["ModelName"])
    ensure(
        describe=lambda: client.describe_model(ModelName=name),
        create=lambda: client.create_model(**request),
    )
    return name


def ensure(*, describe: Any, create: Any) -> None:
    """Create what is named by its content, unless it, and therefore the same, is there."""
    if found_or_none(describe) is not None:
        return
    try:
        patiently(create)
    except ClientError as error:
        if not already_exists(error):
            raise
