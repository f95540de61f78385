"""`PipesSageMakerTrainingClient`: a SageMaker training job as one Dagster step.

Here: what only training jobs have: the script's archive, the context's channel, the model. Not
here: driving a job (jobs/client.py), the transport of messages (pipes.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from mlops_assets.resources.sagemaker.image_names import is_algorithm
from mlops_assets.resources.sagemaker.jobs.client import PlacedJobClient
from mlops_assets.resources.sagemaker.jobs.follow import Context, Listener
from mlops_assets.resources.sagemaker.jobs.kinds import TRAINING, Describe
from mlops_assets.resources.sagemaker.outcome import (
    artifact_uri,
    training_metadata,
    without_model,
)
from mlops_assets.resources.sagemaker.pipes import CONTEXT_PATH
from mlops_assets.resources.sagemaker.requests import (
    DAGSTER_CHANNEL,
    TrainingSpec,
    channel,
    training_request,
)
from mlops_assets.resources.sagemaker.source import code_of


class PipesSageMakerTrainingClient(PlacedJobClient):
    """Runs training jobs from Dagster, each at most once.

    Args: as of `PlacedJobClient`; the bucket also gets code, checkpoints and outputs.
    """

    kind = TRAINING
    context_path = CONTEXT_PATH

    def run_spec(
        self,
        *,
        context: Context,
        spec: TrainingSpec,
        extras: dict[str, Any] | None = None,
        listener: Listener | None = None,
    ) -> dg.PipesClientCompletedInvocation:
        """Upload the script, build the request in this client's placement, and `run` it."""
        code_uri = code_of(spec, self._objects(), self._bucket)
        request = training_request(spec, self.placement, bucket=self._bucket, code_uri=code_uri)
        return self.run(
            context=context,
            create_training_job_params=request,
            extras=extras,
            listener=listener,
            alternates=spec.alternates,
        )

    def run(  # type: ignore[override]
        self,
        *,
        context: Context,
        create_training_job_params: Mapping[str, Any],
        extras: dict[str, Any] | None = None,
        listener: Listener | None = None,
        alternates: Sequence[str] = (),
    ) -> dg.PipesClientCompletedInvocation:
        """Start the job, or adopt the one that this request already started, and see it through.

        Args:
            create_training_job_params: CreateTrainingJob's parameters; not changed. Without
                TrainingJobName the job is named by its content.
            listener: hears the job's log, and may have it stopped.
            alternates: further instance types, to go on with where there is no capacity.

        Raises:
            dagster.Failure: the job failed, was stopped, vanished or left no model, or the run was
                interrupted; retried only where trying again may help.
            JobNameTaken: a job of that name was asked for by another request.
        """
        return self.run_request(context, create_training_job_params, extras, listener, alternates)

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
        """The context is a channel of the job; an algorithm of AWS's takes none, nor reads it."""
        if is_algorithm(request):
            return
        inputs = request.get("InputDataConfig", [])
        request["InputDataConfig"] = [*inputs, channel(DAGSTER_CHANNEL, uri)]
        request["Environment"] = {
            # Messages and log lines must not wait in the buffer of a pipe.
            "PYTHONUNBUFFERED": "1",
            **request.get("Environment", {}),
            **variables,
        }
