"""`PipesSageMakerTransformClient`: a SageMaker batch transform as one Dagster step.

Here: what only transform jobs have. Not here: driving a job (jobs/client.py), its request
(transform_request.py), models (hosting/models.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from mlops_assets.resources.sagemaker.jobs.client import PipesJobClient
from mlops_assets.resources.sagemaker.jobs.follow import Context
from mlops_assets.resources.sagemaker.jobs.kinds import TRANSFORM, Describe
from mlops_assets.resources.sagemaker.transform_request import TransformSpec, transform_request


class PipesSageMakerTransformClient(PipesJobClient):
    """Runs batch transform jobs from Dagster, each at most once.

    The model's container hears nothing of Dagster: of Pipes there is only the way in which every
    client here is called, and the live log.
    """

    kind = TRANSFORM

    def run_spec(
        self, *, context: Context, spec: TransformSpec
    ) -> dg.PipesClientCompletedInvocation:
        """Build the request, and `run` it."""
        return self.run(
            context=context,
            create_transform_job_params=transform_request(spec),
            alternates=spec.alternates,
        )

    def run(  # type: ignore[override]
        self,
        *,
        context: Context,
        create_transform_job_params: Mapping[str, Any],
        alternates: Sequence[str] = (),
    ) -> dg.PipesClientCompletedInvocation:
        """Start the job, or adopt the one that this request already started, and see it through.

        A completed job is adopted while something is left of its output.

        Args:
            create_transform_job_params: CreateTransformJob's parameters; not changed. Without
                TransformJobName the job is named by its content.
            alternates: further instance types, to go on with where there is no capacity.

        Raises:
            dagster.Failure: the job failed, was stopped or vanished, or the run was interrupted;
                retried only where trying again may help.
            JobNameTaken: a job of that name was asked for by another request.
        """
        return self.run_request(context, create_transform_job_params, None, alternates=alternates)

    def is_whole(self, job: Describe) -> bool:
        return any(True for _ in self._objects().list(_output(job)))

    def metadata(self, job: Describe) -> dict[str, dg.MetadataValue]:
        return {"predictions_uri": dg.MetadataValue.text(_output(job))}


def _output(job: Mapping[str, Any]) -> str:
    return str(job["TransformOutput"]["S3OutputPath"])
