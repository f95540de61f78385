"""What is asked of SageMaker, and where it may run: pure functions from declarations to requests.

Here: `Placement` (role, image, network, key, tags of every request) and the training request with
the limits that the service enforces and botocore does not check. Not here: calls to AWS
(training.py, endpoints.py, registry.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlops_assets.aws_images import AwsImage
from mlops_assets.resources.sagemaker.file_systems import Lustre
from mlops_assets.resources.sagemaker.image_names import aws_image_uri
from mlops_assets.resources.sagemaker.names import digest_of, name_of, slugify, tag_list

CODE_CHANNEL = "code"
DAGSTER_CHANNEL = "dagster"
_CODE_IN_CONTAINER = f"/opt/ml/input/data/{CODE_CHANNEL}/sourcedir.tar.gz"
_RESERVED_CHANNELS = (CODE_CHANNEL, DAGSTER_CHANNEL)
_CHANNEL = re.compile(r"[A-Za-z0-9._-]{1,64}")
# Instances with NVMe storage encrypt it by themselves and refuse a key for the volume.
_NVME = re.compile(r"ml\.(g4dn|g5|g6e?|g7e?|p3dn|p4de?|p5(e|en)?|p6.*|trn\d.*|[cmr]\d[a-z]*d)\.")


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where jobs, models and endpoints run, and on whose behalf; the defaults are this machine's.

    Args:
        torch_image_uri, cuda_image_uri: the platform's image with torch, and for GPUs; empty where
            there is none.
        network_isolation: containers reach no network, so code travels as a channel.
        alarm_period_s: how often metrics of endpoints come, so how short an alarm may look back:
            60 in AWS, where SageMaker's own are standard resolution; 10 from the local API.
        alert_topic_arn: of SNS, which endpoints' alarms are told to; empty: they are only seen.
        lustre: a file system that has the bucket's objects, for jobs that declare it.
    """

    role_arn: str = "arn:aws:iam::000000000000:role/mlops-local"
    image_uri: str = "mlops-assets:local"
    torch_image_uri: str = "mlops-assets:local"
    cuda_image_uri: str = "mlops-assets:local"
    region: str = "us-east-1"
    subnets: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    kms_key_arn: str | None = None
    network_isolation: bool = True
    alarm_period_s: int = 10
    alert_topic_arn: str = ""
    lustre: Lustre | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if bool(self.subnets) != bool(self.security_groups):
            raise ValueError(
                f"subnets {self.subnets} and security groups {self.security_groups}: a VPC needs "
                "both. Set MLOPS_SUBNETS and MLOPS_SECURITY_GROUPS, or neither"
            )

    def image(self, wanted: str | AwsImage | None, instance_type: str) -> str:
        """The URI of a training image. Raises ValueError where the platform has none of that."""
        if isinstance(wanted, AwsImage):
            return aws_image_uri(wanted, self.region, instance_type)
        if wanted not in ("torch", "cuda"):
            return wanted or self.image_uri
        uri: str = getattr(self, f"{wanted}_image_uri")
        if not uri:
            raise ValueError(
                f"MLOPS_{wanted.upper()}_IMAGE_URI is not set: training.image={wanted!r} needs the "
                f"platform's image with {wanted} (deploy/docker says how to build it)"
            )
        return uri

    def mounted(self, lustre: bool) -> Lustre | None:
        """The file system that a job's data is read from; None: S3. Without a VPC no file system
        can be reached: on this machine the same objects come as they always do.

        Raises:
            ValueError: one is declared, and this platform has none.
        """
        if lustre and self.subnets and self.lustre is None:
            raise ValueError(
                "MLOPS_LUSTRE is not set: training.input='lustre' needs a file system that is "
                "linked to the bucket, as fs-…:/mountname"
            )
        return self.lustre if lustre else None

    def vpc(self) -> dict[str, Any]:
        if not self.subnets:
            return {}
        return {
            "VpcConfig": {
                "Subnets": list(self.subnets),
                "SecurityGroupIds": list(self.security_groups),
            }
        }

    def volume_key(self, instance_type: str) -> str | None:
        """The key of the attached volume, where the instance type takes one."""
        return None if has_nvme(instance_type) else self.kms_key_arn


def has_nvme(instance_type: str) -> bool:
    """Whether its storage encrypts itself, and refuses a key for the volume.

    >>> has_nvme("ml.g5.xlarge"), has_nvme("ml.m5.xlarge")
    (True, False)
    """
    return _NVME.match(instance_type) is not None


@dataclass(frozen=True, kw_only=True)
class TrainingSpec:
    """One training job, declared.

    Args:
        source: the script's folder, or the files that travel.
        program: the script, relative to ``source``; empty for an algorithm of AWS's, which reads
            its channels as CSV and is given no code.
        hyperparameters: passed as strings, JSON where they are not strings already.
        alternates: instance types to go on with, in order, once there has been no capacity for
            ``instance_type``; no part of the job's identity.
        channels: {name: s3:// URI}. URIs must name immutable, content-addressed objects: the job's
            identity is its request, and a changed object behind the same URI is not seen.
        lustre: the channels are mounted from the placement's file system, where it has one.
        volume_gb: GiB.
        max_runtime_s, max_wait_s: seconds; ``max_wait_s`` (spot only) includes the waiting.
        metric_definitions: {name: regular expression with one group}, read from the log.

    Raises:
        ValueError: a limit of the service is broken; the message names the field.
    """

    pipeline: str
    asset: str
    partition: str
    source: Path | Sequence[Path]
    program: str
    channels: Mapping[str, str]
    lustre: bool = False
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    image_uri: str | AwsImage | None = None
    instance_type: str = "ml.m5.xlarge"
    alternates: tuple[str, ...] = ()
    instance_count: int = 1
    volume_gb: int = 30
    max_runtime_s: int = 3600
    use_spot: bool = False
    max_wait_s: int | None = None
    metric_definitions: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.max_wait_s is not None and not self.use_spot:
            raise ValueError("max_wait_s is for spot instances: set use_spot=True or leave it out")
        if self.max_wait_s is not None and self.max_wait_s < self.max_runtime_s:
            raise ValueError(
                f"max_wait_s={self.max_wait_s} must be at least max_runtime_s={self.max_runtime_s}"
            )
        for name in self.channels:
            if name in _RESERVED_CHANNELS or not _CHANNEL.fullmatch(name):
                raise ValueError(
                    f"channel {name!r}: use letters, digits, '.', '_' and '-', and neither of "
                    f"{', '.join(_RESERVED_CHANNELS)}"
                )
        for name, value in self.environment.items():
            if len(value) > 512:
                raise ValueError(
                    f"environment[{name!r}] has {len(value)} characters, SageMaker takes 512: "
                    "pass it in a file of a channel"
                )


def encode_hyperparameters(values: Mapping[str, Any]) -> dict[str, str]:
    """SageMaker's map of strings; what is not a string is JSON, as the toolkits decode it.

    >>> encode_hyperparameters({"max_depth": 6, "objective": "reg:squarederror"})
    {'max_depth': '6', 'objective': 'reg:squarederror'}
    """
    encoded = {}
    for name, value in sorted(values.items()):
        try:
            text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
        except TypeError as error:
            raise ValueError(
                f"hyperparameter {name!r} cannot be written as JSON: {error}"
            ) from None
        if len(text) > 2500 or len(name) > 256:
            raise ValueError(
                f"hyperparameter {name!r} has {len(text)} characters, SageMaker takes 2500: "
                "pass it in a file of a channel"
            )
        encoded[name] = text
    return encoded


def training_request(
    spec: TrainingSpec, placement: Placement, *, bucket: str, code_uri: str
) -> dict[str, Any]:
    """``CreateTrainingJob``'s parameters, named by what they ask for."""
    code: dict[str, str] = {}
    hyperparameters: dict[str, str] = {}
    algorithm: dict[str, Any] = {
        "TrainingImage": placement.image(spec.image_uri, spec.instance_type),
        "TrainingInputMode": "File",
    }
    if spec.program:
        hyperparameters["sagemaker_program"] = spec.program
        hyperparameters["sagemaker_submit_directory"] = code_uri
        # Of its own algorithms AWS knows the metrics, and refuses other definitions of them.
        algorithm["MetricDefinitions"] = [
            {"Name": name, "Regex": regex}
            for name, regex in sorted(spec.metric_definitions.items())
        ]
        if placement.network_isolation:
            code[CODE_CHANNEL] = code_uri
            hyperparameters["sagemaker_submit_directory"] = _CODE_IN_CONTAINER
    content_type = None if spec.program else "text/csv"
    mounted = placement.mounted(spec.lustre)
    read = mounted.channel if mounted else channel
    inputs = {name: read(name, uri, content_type) for name, uri in spec.channels.items()}
    inputs |= {name: channel(name, uri, content_type) for name, uri in code.items()}
    request: dict[str, Any] = {
        "AlgorithmSpecification": algorithm,
        "RoleArn": placement.role_arn,
        "HyperParameters": {**encode_hyperparameters(spec.hyperparameters), **hyperparameters},
        "InputDataConfig": [inputs[name] for name in sorted(inputs)],
        "OutputDataConfig": _output(spec, placement, bucket),
        "ResourceConfig": _resources(spec, placement),
        "StoppingCondition": {"MaxRuntimeInSeconds": spec.max_runtime_s},
        "EnableNetworkIsolation": placement.network_isolation,
        "EnableInterContainerTrafficEncryption": True,
        "EnableManagedSpotTraining": spec.use_spot,
        "Environment": dict(sorted(spec.environment.items())),
        **placement.vpc(),
    }
    if spec.use_spot:
        request["StoppingCondition"]["MaxWaitTimeInSeconds"] = (
            spec.max_wait_s or 2 * spec.max_runtime_s
        )
        request["CheckpointConfig"] = {
            "S3Uri": f"s3://{bucket}/checkpoints/{slugify(spec.pipeline)}/{digest_of(request)[:16]}"
        }
    slug = slugify(spec.pipeline, spec.asset, spec.partition)
    return {
        "TrainingJobName": name_of(slug, digest_of(request)),
        **request,
        "Tags": tag_list(
            {
                **placement.tags,
                **spec.tags,
                "mlops:pipeline": spec.pipeline,
                "mlops:asset": spec.asset,
                "mlops:partition": spec.partition,
            }
        ),
    }


def channel(name: str, uri: str, content_type: str | None = None) -> dict[str, Any]:
    """One entry of InputDataConfig: every object under ``uri``, copied before the job starts."""
    return {
        **({"ContentType": content_type} if content_type else {}),
        "ChannelName": name,
        "DataSource": {
            "S3DataSource": {
                "S3DataType": "S3Prefix",
                "S3Uri": uri,
                "S3DataDistributionType": "FullyReplicated",
            }
        },
        "CompressionType": "None",
        "InputMode": "File",
    }


def _output(spec: TrainingSpec, placement: Placement, bucket: str) -> dict[str, Any]:
    output = {"S3OutputPath": f"s3://{bucket}/training/{slugify(spec.pipeline, spec.asset)}"}
    if placement.kms_key_arn:
        output["KmsKeyId"] = placement.kms_key_arn
    return output


def _resources(spec: TrainingSpec, placement: Placement) -> dict[str, Any]:
    resources: dict[str, Any] = {
        "InstanceType": spec.instance_type,
        "InstanceCount": spec.instance_count,
        "VolumeSizeInGB": spec.volume_gb,
    }
    if key := placement.volume_key(spec.instance_type):
        resources["VolumeKmsKeyId"] = key
    return resources
