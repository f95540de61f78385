"""`PipesSageMakerProcessingClient`: a SageMaker processing job as one Dagster step.

Here: what only processing jobs have: the script's files, the context's input, the outputs. Not
here: driving a job (jobs/client.py), its request (processing_request.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from mlops_assets.resources.sagemaker.jobs.client import PlacedJobClient
from mlops_assets.resources.sagemaker.jobs.follow import Context
from mlops_assets.resources.sagemaker.jobs.kinds import PROCESSING, Describe
from mlops_assets.resources.sagemaker.pipes import PROCESSING_CONTEXT_PATH
from mlops_assets.resources.sagemaker.processing_request import (
    ProcessingSpec,
    processing_input,
    processing_request,
)
from mlops_assets.resources.sagemaker.requests import DAGSTER_CHANNEL
from mlops_assets.resources.sagemaker.source import upload_files


class PipesSageMakerProcessingClient(PlacedJobClient):
    """Runs processing jobs from Dagster, each at most once.

    Args: as of `PlacedJobClient`; the bucket also gets code.
    """

    kind = PROCESSING
    context_path = PROCESSING_CONTEXT_PATH

    def run_spec(
        self, *, context: Context, spec: ProcessingSpec, extras: dict[str, Any] | None = None
    ) -> dg.PipesClientCompletedInvocation:
        """Upload the script, build the request in this client's placement, and `run` it."""
        code_uri = upload_files(self._objects(), self._bucket, spec.source)
        request = processing_request(spec, self.placement, code_uri=code_uri)
        return self.run(
            context=context,
            create_processing_job_params=request,
            extras=extras,
            alternates=spec.alternates,
        )

    def run(  # type: ignore[override]
        self,
        *,
        context: Context,
        create_processing_job_params: Mapping[str, Any],
        extras: dict[str, Any] | None = None,
        alternates: Sequence[str] = (),
    ) -> dg.PipesClientCompletedInvocation:
        """Start the job, or adopt the one that this request already started, and see it through.

        A completed job is adopted while something is left of its outputs; a job without outputs
        always is.

        Args:
            create_processing_job_params: CreateProcessingJob's parameters; not changed. Without
                ProcessingJobName the job is named by its content.
            alternates: further instance types, to go on with where there is no capacity.

        Raises:
            dagster.Failure: the job failed, was stopped or vanished, or the run was interrupted;
                retried only where trying again may help. What the script wrote to
                /opt/ml/output/message is in the description.
            JobNameTaken: a job of that name was asked for by another request.
        """
        return self.run_request(
            context, create_processing_job_params, extras, alternates=alternates
        )

    def is_whole(self, job: Describe) -> bool:
        uris = _outputs(job).values()
        objects = self._objects()
        return not uris or any(True for uri in uris for _ in objects.list(uri))

    def metadata(self, job: Describe) -> dict[str, dg.MetadataValue]:
        shown: dict[str, dg.MetadataValue] = {
            f"output_{name}": dg.MetadataValue.text(uri) for name, uri in _outputs(job).items()
        }
        if said := job.get("ExitMessage"):
            shown["exit_message"] = dg.MetadataValue.text(said)
        return shown

    def with_context(self, request: dict[str, Any], uri: str, variables: Mapping[str, str]) -> None:
        """The context is an input of the job."""
        inputs = request.get("ProcessingInputs", [])
        request["ProcessingInputs"] = [*inputs, processing_input(DAGSTER_CHANNEL, uri)]
        request["Environment"] = {
            # Messages and log lines must not wait in the buffer of a pipe.
            "PYTHONUNBUFFERED": "1",
            **request.get("Environment", {}),
            **variables,
        }


def _outputs(job: Mapping[str, Any]) -> dict[str, str]:
    """{name: URI} of the outputs in S3."""
    outputs = job.get("ProcessingOutputConfig", {}).get("Outputs", [])
    return {each["OutputName"]: each["S3Output"]["S3Uri"] for each in outputs if "S3Output" in each}
