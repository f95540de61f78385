"""`PipesSageMakerTrainingClient`: a SageMaker training job as one Dagster step.

Here: what only training jobs have: the script's archive, the context's channel, the model. Not
here: driving a job (jobs/client.py), the transport of messages (pipes.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg

from mlops_assets.resources.sagemaker.jobs.client import PipesJobClient
from mlops_assets.resources.sagemaker.jobs.follow import Context, Listener
from mlops_assets.resources.sagemaker.jobs.kinds import TRAINING, Describe
from mlops_assets.resources.sagemaker.jobs.patience import Patience
from mlops_assets.resources.sagemaker.outcome import (
    artifact_uri,
    training_metadata,
    without_model,
)
from mlops_assets.resources.sagemaker.pipes import CONTEXT_PATH
from mlops_assets.resources.sagemaker.requests import (
    DAGSTER_CHANNEL,
    Placement,
    TrainingSpec,
    channel,
    training_request,
)
from mlops_assets.resources.sagemaker.source import upload_source

if TYPE_CHECKING:
    from mlops_assets.objects import Objects
    from mlops_assets.resources.sagemaker.session import SageMakerResource


class PipesSageMakerTrainingClient(PipesJobClient):
    """Runs training jobs from Dagster, each at most once.

    Args:
        sagemaker: where the clients come from.
        objects: opens the store that s3:// URIs live in.
        bucket: code, contexts, checkpoints and outputs go there.
        placement: role, image, network, key and tags of the jobs that `run_spec` builds.
        poll_interval: seconds between two looks at a running job (default .5 locally, 5 in AWS).
        forward_termination: whether interrupting the run stops the job.
        patience: how long a run waits for capacity and quota.
    """

    kind = TRAINING
    context_path = CONTEXT_PATH

    def __init__(
        self,
        sagemaker: SageMakerResource,
        objects: Callable[[], Objects],
        bucket: str,
        placement: Placement | None = None,
        *,
        poll_interval: float | None = None,
        forward_termination: bool = True,
        patience: Patience | None = None,
    ) -> None:
        super().__init__(
            sagemaker,
            objects,
            bucket,
            poll_interval=poll_interval,
            forward_termination=forward_termination,
            patience=patience,
        )
        self._placement = placement or Placement()

    def run_spec(
        self,
        *,
        context: Context,
        spec: TrainingSpec,
        extras: dict[str, Any] | None = None,
        listener: Listener | None = None,
    ) -> dg.PipesClientCompletedInvocation:
        """Upload the script, build the request in this client's placement, and `run` it."""
        code_uri = upload_source(self._objects(), self._bucket, spec.source)
        request = training_request(spec, self._placement, bucket=self._bucket, code_uri=code_uri)
        return self.run(
            context=context, create_training_job_params=request, extras=extras, listener=listener
        )

    def run(  # type: ignore[override]
        self,
        *,
        context: Context,
        create_training_job_params: Mapping[str, Any],
        extras: dict[str, Any] | None = None,
        listener: Listener | None = None,
    ) -> dg.PipesClientCompletedInvocation:
        """Start the job, or adopt the one that this request already started, and see it through.

        Args:
            create_training_job_params: CreateTrainingJob's parameters; not changed. Without
                TrainingJobName the job is named by its content.
            listener: hears the job's log, and may have it stopped.

        Raises:
            dagster.Failure: the job failed, was stopped, vanished or left no model, or the run was
                interrupted; retried only where trying again may help.
            JobNameTaken: a job of that name was asked for by another request.
        """
        return self.run_request(context, create_training_job_params, extras, listener)

    def is_whole(self, job: Describe) -> bool:
        uri = artifact_uri(job)
        return uri is not None and any(
            info.uri == uri and info.size > 0 for info in self._objects().list(uri)
        )

    def incomplete(self, job: Describe) -> str | None:
        return None if self.is_whole(job) else without_model(job)

    def metadata(self, job: Describe) -> dict[str, dg.MetadataValue]:
        return training_metadata(job)

    def with_context(self, request: dict[str, Any], uri: str, variables: Mapping[str, str]) -> None:
        """The context is a channel of the job."""
        inputs = request.get("InputDataConfig", [])
        request["InputDataConfig"] = [*inputs, channel(DAGSTER_CHANNEL, uri)]
        request["Environment"] = {
            # Messages and log lines must not wait in the buffer of a pipe.
            "PYTHONUNBUFFERED": "1",
            **request.get("Environment", {}),
            **variables,
        }
