"""What is asked of a batch transform: a pure function from its declaration to its request.

Here: the declaration, its limits, the request named by its content. Not here: running it
(transform.py), which asset predicts what.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mlops_assets.resources.sagemaker.names import (
    SPEC_HASH_TAG,
    name_of,
    request_digest,
    slugify,
    tag_list,
)
from mlops_assets.resources.sagemaker.requests import Placement

_MAX_IN_FLIGHT_MB = 100
_IDENTITY = ("TransformJobName", "Tags")


@dataclass(frozen=True, kw_only=True)
class TransformSpec:
    """One batch transform, declared.

    Args:
        name: what the job is called, before the digest of its request.
        model_name: a SageMaker model; named by its content, as `ensure_model` does it.
        input_uri: an object or a folder of objects, which must not change: the job's identity is
            its request, and changed objects behind the same URI are not seen.
        output_uri: folder of ``<key>.out`` objects, one for each input object.
        content_type, accept: of one record's payload, and of its answer.
        by_line: a line is a record (a CSV header would be one too: inputs must have none);
            False: an object is.
        input_filter, output_filter: JSONPath, 63 characters at most; see `join_input`.
        join_input: answers are written beside their records; ``output_filter`` then selects from
            both, and ``input_filter`` only what the model gets.
        alternates: instance types to go on with, in order, once there has been no capacity for
            ``instance_type``; no part of the job's identity.
        max_payload_mb, max_concurrent: of a request; together 100 MB at most. None: the container
            says, or SageMaker does.

    Raises:
        ValueError: a limit of the service is broken; the message names the field.
    """

    name: str
    model_name: str
    input_uri: str
    output_uri: str
    content_type: str = "text/csv"
    accept: str = "text/csv"
    by_line: bool = True
    input_filter: str | None = None
    output_filter: str | None = None
    join_input: bool = False
    max_payload_mb: int | None = None
    max_concurrent: int | None = None
    instance_type: str = "ml.m5.large"
    alternates: tuple[str, ...] = ()
    instance_count: int = 1
    environment: Mapping[str, str] = field(default_factory=dict)
    placement: Placement = field(default_factory=Placement)
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        in_flight = (self.max_payload_mb or 1) * (self.max_concurrent or 1)
        if in_flight > _MAX_IN_FLIGHT_MB:
            raise ValueError(
                f"transform {self.name}: max_payload_mb * max_concurrent is {in_flight}, more than "
                f"{_MAX_IN_FLIGHT_MB}. Lower one of them"
            )
        for member in ("input_filter", "output_filter"):
            if len(getattr(self, member) or "") > 63:
                raise ValueError(f"transform {self.name}: {member} is longer than 63 characters")
        if len(self.environment) > 16:
            raise ValueError(f"transform {self.name}: environment has more than 16 entries")


def transform_request(spec: TransformSpec) -> dict[str, Any]:
    """``CreateTransformJob``'s parameters, named by what they ask for."""
    output = {"S3OutputPath": spec.output_uri, "Accept": spec.accept}
    resources = {"InstanceType": spec.instance_type, "InstanceCount": spec.instance_count}
    if spec.placement.kms_key_arn:
        output["KmsKeyId"] = spec.placement.kms_key_arn
    if key := spec.placement.volume_key(spec.instance_type):
        resources["VolumeKmsKeyId"] = key
    request: dict[str, Any] = {
        "ModelName": spec.model_name,
        "TransformInput": {
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": spec.input_uri}},
            "ContentType": spec.content_type,
            "SplitType": "Line" if spec.by_line else "None",
        },
        "TransformOutput": output | {"AssembleWith": "Line" if spec.by_line else "None"},
        "TransformResources": resources,
    }
    if spec.by_line:
        # A JSON document cannot be joined to others, as lines can.
        single = spec.content_type.startswith("application/json") and "lines" not in (
            spec.content_type
        )
        request["BatchStrategy"] = "SingleRecord" if single else "MultiRecord"
    processing = {
        "InputFilter": spec.input_filter,
        "OutputFilter": spec.output_filter,
        "JoinSource": "Input" if spec.join_input else None,
    }
    optional = {
        "DataProcessing": {key: value for key, value in processing.items() if value is not None},
        "MaxPayloadInMB": spec.max_payload_mb,
        "MaxConcurrentTransforms": spec.max_concurrent,
        "Environment": dict(spec.environment),
    }
    request |= {key: value for key, value in optional.items() if value}
    digest = request_digest(request, without=_IDENTITY)
    tags = {**spec.placement.tags, **spec.tags, SPEC_HASH_TAG: digest}
    name = name_of(slugify(spec.name), digest)
    return {"TransformJobName": name, **request, "Tags": tag_list(tags)}
