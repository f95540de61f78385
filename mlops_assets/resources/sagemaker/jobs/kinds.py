"""The kinds of jobs, as far as driving one is concerned.

Here: what the calls and members of each are called, where it logs, and what is asked of a service
that has jobs. Not here: what is asked of a kind (its request module), or how any is driven
(attempts.py, driver.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

Describe = dict[str, Any]


class JobService(Protocol):
    """Where jobs are asked for, and where they log: `SageMakerResource`, or what is like it."""

    @property
    def region(self) -> str: ...

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine: looked at more often, and nothing is billed."""
        ...

    def client(self) -> Any:
        """What has the methods that a kind names."""
        ...

    def logs(self) -> Any:
        """CloudWatch Logs."""
        ...


@dataclass(frozen=True)
class JobKind:
    """One kind of job.

    Args:
        noun: in sentences, without an article.
        member: what its members begin with: ``TrainingJob`` of TrainingJobName, ….
        clock: what the members of its times begin with: ``Training`` of TrainingStartTime, ….
        create, describe, stop: boto3's methods.
        log_group: where its containers write; None: nowhere of its own.
        console: its part of the console's address; empty: it has none that could be known.
        cluster: the members of its request that lead to its instances; none: it asks for no type.
        service: whose jobs they are.
    """

    noun: str
    member: str
    clock: str
    create: str
    describe: str
    stop: str
    log_group: str | None
    console: str
    cluster: tuple[str, ...]
    service: str = "SageMaker"

    @property
    def title(self) -> str:
        """The noun at the beginning of a sentence."""
        return self.noun[:1].upper() + self.noun[1:]

    @property
    def name_member(self) -> str:
        return f"{self.member}Name"

    def name(self, job: Mapping[str, Any]) -> str:
        return str(job[self.name_member])

    def arn(self, job: Mapping[str, Any]) -> str:
        return str(job[f"{self.member}Arn"])

    def status(self, job: Mapping[str, Any]) -> str:
        """InProgress, Stopping, Completed, Failed or Stopped."""
        return str(job[f"{self.member}Status"])

    def seconds(self, job: Mapping[str, Any]) -> float | None:
        """From the start of the work to its end; None before both are known."""
        times = [job.get(f"{self.clock}{name}Time") for name in ("Start", "End")]
        if not all(isinstance(time, datetime) for time in times):
            return None
        started, ended = times
        return float((ended - started).total_seconds())  # type: ignore[operator]


TRAINING = JobKind(
    noun="training job",
    member="TrainingJob",
    clock="Training",
    create="create_training_job",
    describe="describe_training_job",
    stop="stop_training_job",
    log_group="/aws/sagemaker/TrainingJobs",
    console="jobs",
    cluster=("ResourceConfig",),
)
PROCESSING = JobKind(
    noun="processing job",
    member="ProcessingJob",
    clock="Processing",
    create="create_processing_job",
    describe="describe_processing_job",
    stop="stop_processing_job",
    log_group="/aws/sagemaker/ProcessingJobs",
    console="processing-jobs",
    cluster=("ProcessingResources", "ClusterConfig"),
)
TRANSFORM = JobKind(
    noun="transform job",
    member="TransformJob",
    clock="Transform",
    create="create_transform_job",
    describe="describe_transform_job",
    stop="stop_transform_job",
    log_group="/aws/sagemaker/TransformJobs",
    console="transform-jobs",
    cluster=("TransformResources",),
)
# A search has no log of its own: its training jobs have.
TUNING = JobKind(
    noun="tuning job",
    member="HyperParameterTuningJob",
    clock="HyperParameterTuning",
    create="create_hyper_parameter_tuning_job",
    describe="describe_hyper_parameter_tuning_job",
    stop="stop_hyper_parameter_tuning_job",
    log_group=None,
    console="hyper-tuning-jobs",
    cluster=("TrainingJobDefinition", "ResourceConfig"),
)
