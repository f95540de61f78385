"""What is asked of SageMaker for a processing job: from a declaration to CreateProcessingJob.

Here: pure functions, with the limits that the service enforces and botocore does not check. Not
here: calls to AWS (processing.py), where jobs may run (`Placement` in requests.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlops_assets.resources.sagemaker.names import digest_of, name_of, slugify, tag_list
from mlops_assets.resources.sagemaker.requests import DAGSTER_CHANNEL, Placement

ROOT = "/opt/ml/processing"
CODE = "code"
_RESERVED = (CODE, DAGSTER_CHANNEL)
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_MOST_INPUTS = 10 - len(_RESERVED)
_MOST_OUTPUTS = 10
_MOST_CHARACTERS = 256


@dataclass(frozen=True, kw_only=True)
class ProcessingSpec:
    """One processing job, declared.

    Args:
        name: what the job is called, before the digest of its request.
        source: the script's folder, or the files that travel.
        program: the script, relative to ``source``; it is run by ``command``.
        inputs: {name: s3:// URI}, copied to ``/opt/ml/processing/input/<name>``. URIs must name
            immutable, content-addressed objects: the job's identity is its request, and a changed
            object behind the same URI is not seen.
        outputs: {name: s3:// URI}, stored from ``/opt/ml/processing/output/<name>`` when the job
            has completed.
        continuous: names of outputs that are stored while the job runs.
        sharded: names of inputs whose objects are shared among the instances.
        alternates: instance types to go on with, in order, once there has been no capacity for
            ``instance_type``; no part of the job's identity.
        volume_gb: GiB.
        max_runtime_s: seconds.

    Raises:
        ValueError: a limit of the service is broken; the message names the field.
    """

    name: str
    source: Path | Sequence[Path]
    program: str
    inputs: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    arguments: Sequence[str] = ()
    command: Sequence[str] = ("python3",)
    continuous: frozenset[str] = frozenset()
    sharded: frozenset[str] = frozenset()
    image_uri: str | None = None
    instance_type: str = "ml.m5.xlarge"
    alternates: tuple[str, ...] = ()
    instance_count: int = 1
    volume_gb: int = 30
    max_runtime_s: int = 3600
    environment: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in (*self.inputs, *self.outputs):
            if not _NAME.fullmatch(name):
                raise ValueError(f"{name!r}: use letters, digits, '.', '_' and '-' for names")
        for name in _RESERVED:
            if name in self.inputs:
                raise ValueError(f"input {name!r} is reserved: {', '.join(_RESERVED)} are added")
        if len(self.inputs) > _MOST_INPUTS or len(self.outputs) > _MOST_OUTPUTS:
            raise ValueError(
                f"{len(self.inputs)} inputs and {len(self.outputs)} outputs: SageMaker takes "
                f"{_MOST_INPUTS} beside {' and '.join(_RESERVED)}, and {_MOST_OUTPUTS}. Put some "
                "below one prefix"
            )
        for member, names, known in (
            ("continuous", self.continuous, self.outputs),
            ("sharded", self.sharded, self.inputs),
        ):
            if unknown := sorted(names - known.keys()):
                raise ValueError(f"{member} names {unknown}, of which it has none: {sorted(known)}")
        for name, value in self.environment.items():
            if len(value) > _MOST_CHARACTERS:
                raise ValueError(
                    f"environment[{name!r}] has {len(value)} characters, SageMaker takes "
                    f"{_MOST_CHARACTERS} of a processing job: pass it in a file of an input"
                )
        for value in (*self.command, *self.arguments):
            if not 0 < len(value) <= _MOST_CHARACTERS:
                raise ValueError(
                    f"argument {value[:80]!r} has {len(value)} characters, SageMaker takes 1 to "
                    f"{_MOST_CHARACTERS}: pass it in a file of an input"
                )


def processing_request(
    spec: ProcessingSpec, placement: Placement, *, code_uri: str
) -> dict[str, Any]:
    """``CreateProcessingJob``'s parameters, named by what they ask for.

    Args:
        code_uri: folder of the script's files.
    """
    program = f"{ROOT}/input/{CODE}/{spec.program}"
    application: dict[str, Any] = {
        "ImageUri": spec.image_uri or placement.image_uri,
        "ContainerEntrypoint": [*spec.command, program],
    }
    if spec.arguments:
        application["ContainerArguments"] = list(spec.arguments)
    inputs = {CODE: code_uri, **dict(sorted(spec.inputs.items()))}
    request: dict[str, Any] = {
        "AppSpecification": application,
        "RoleArn": placement.role_arn,
        "ProcessingInputs": [
            processing_input(name, uri, sharded=name in spec.sharded)
            for name, uri in inputs.items()
        ],
        "ProcessingResources": {"ClusterConfig": _cluster(spec, placement)},
        "StoppingCondition": {"MaxRuntimeInSeconds": spec.max_runtime_s},
        "NetworkConfig": {
            "EnableNetworkIsolation": placement.network_isolation,
            "EnableInterContainerTrafficEncryption": True,
            **placement.vpc(),
        },
        "Environment": dict(sorted(spec.environment.items())),
        "ProcessingOutputConfig": _outputs(spec, placement),
    }
    name = name_of(slugify(spec.name), digest_of(request))
    tags = {**placement.tags, **spec.tags}
    return {"ProcessingJobName": name, **request, "Tags": tag_list(tags)}


def processing_input(name: str, uri: str, *, sharded: bool = False) -> dict[str, Any]:
    """One of ProcessingInputs: the objects under ``uri``, copied before the job starts."""
    return {
        "InputName": name,
        "S3Input": {
            "S3Uri": uri,
            "LocalPath": f"{ROOT}/input/{name}",
            "S3DataType": "S3Prefix",
            "S3InputMode": "File",
            "S3DataDistributionType": "ShardedByS3Key" if sharded else "FullyReplicated",
            "S3CompressionType": "None",
        },
    }


def _outputs(spec: ProcessingSpec, placement: Placement) -> dict[str, Any]:
    outputs = [
        {
            "OutputName": name,
            "S3Output": {
                "S3Uri": uri,
                "LocalPath": f"{ROOT}/output/{name}",
                "S3UploadMode": "Continuous" if name in spec.continuous else "EndOfJob",
            },
        }
        for name, uri in sorted(spec.outputs.items())
    ]
    key = {"KmsKeyId": placement.kms_key_arn} if placement.kms_key_arn else {}
    return {"Outputs": outputs, **key}


def _cluster(spec: ProcessingSpec, placement: Placement) -> dict[str, Any]:
    cluster: dict[str, Any] = {
        "InstanceType": spec.instance_type,
        "InstanceCount": spec.instance_count,
        "VolumeSizeInGB": spec.volume_gb,
    }
    if key := placement.volume_key(spec.instance_type):
        cluster["VolumeKmsKeyId"] = key
    return cluster
