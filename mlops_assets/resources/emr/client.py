"""`PipesEMRServerlessJobClient`: a Spark job on EMR Serverless as one Dagster step.

dagster_aws has `PipesEMRServerlessClient`, and this is not built on it: it asks without a client
token, so that a run that is killed and started again pays for a second job; it reads the log only
of a job that has succeeded, so that a failed one shows nothing but "EMR Serverless job failed"; it
raises on CANCELLING, changes the caller's parameters, and puts its context into a parameter of
spark-submit. `sagemaker.jobs` does all of that for SageMaker's jobs, and does it here: names that
follow from the request, adoption, live logs, one stop, failures with their reason. What is left out
is Pipes itself: the program answers with an object, and has nothing to report beside it.

Here: what only these jobs have: their last word, their metadata. Not here: EMR's own words
(job_runs.py), the request (requests.py), prices (cost.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import dagster as dg

from mlops_assets.objects import Objects
from mlops_assets.resources.emr.cost import BASIS, USD, usd_of
from mlops_assets.resources.emr.job_runs import JOB_RUN
from mlops_assets.resources.emr.requests import Application
from mlops_assets.resources.emr.session import EMRServerlessResource
from mlops_assets.resources.sagemaker.jobs.client import PipesJobClient
from mlops_assets.resources.sagemaker.jobs.follow import Context
from mlops_assets.resources.sagemaker.jobs.kinds import Describe


class PipesEMRServerlessJobClient(PipesJobClient):
    """Runs Spark jobs from Dagster, each at most once.

    Args:
        application: where they run, and on whose behalf.
        options: as of `PipesJobClient`.
    """

    kind = JOB_RUN

    def __init__(
        self,
        emr: EMRServerlessResource,
        objects: Callable[[], Objects],
        bucket: str,
        application: Application,
        **options: Any,
    ) -> None:
        super().__init__(emr, objects, bucket, **options)
        self.application = application

    def run(  # type: ignore[override]
        self,
        *,
        context: Context,
        start_job_run_params: Mapping[str, Any],
    ) -> dg.PipesClientCompletedInvocation:
        """Start the job, or adopt the one that this request already started, and see it through.

        Args:
            start_job_run_params: as of `requests.spark_request`; not changed. The second argument
                of the program is the object that it answers with: without it, a completed job is
                not adopted but done again.

        Raises:
            dagster.Failure: the job failed, was stopped or vanished, or the run was interrupted;
                what its program said last is in the description.
            JobNameTaken: a job of that name was asked for by another request.
        """
        return self.run_request(context, start_job_run_params, None)

    def is_whole(self, job: Describe) -> bool:
        """A completed job that was not to answer always is."""
        answer = _arguments(job)[1:2]
        return not answer or self._objects().exists(answer[0])

    def with_context(self, request: dict[str, Any], uri: str, variables: Mapping[str, str]) -> None:
        """The URI for the program's last word, of this attempt and no other."""
        _arguments(request).append(f"{uri}message")

    def metadata(self, job: Describe) -> dict[str, dg.MetadataValue]:
        shown: dict[str, dg.MetadataValue] = {
            "job_run_id": dg.MetadataValue.text(job["jobRunId"]),
            "application_id": dg.MetadataValue.text(job["applicationId"]),
        }
        used = job.get("billedResourceUtilization") or {}
        for name in USD.keys() & used.keys():
            shown[f"billed_{name}"] = dg.MetadataValue.float(float(used[name]))
        if used:
            shown["cost_usd"] = dg.MetadataValue.float(round(usd_of(job), 6))
            shown["cost_basis"] = dg.MetadataValue.text(BASIS)
        if said := job.get("ExitMessage"):
            shown["exit_message"] = dg.MetadataValue.text(said)
        return shown


def _arguments(job: Mapping[str, Any]) -> list[str]:
    arguments: list[str] = job["jobDriver"]["sparkSubmit"].setdefault("entryPointArguments", [])
    return arguments
