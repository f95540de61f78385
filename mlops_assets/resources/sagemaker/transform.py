"""Batch transform jobs that exist once: asked for, adopted, waited for.

Here: seeing a batch transform through, as a Dagster step or from any code. Not here: its request
(transform_request.py), models (hosting/models.py), driving a job (jobs/).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg

from mlops_assets.resources.sagemaker.jobs import outcome
from mlops_assets.resources.sagemaker.jobs.attempts import Client, Wanted
from mlops_assets.resources.sagemaker.jobs.client import PipesJobClient
from mlops_assets.resources.sagemaker.jobs.cost import cost_of
from mlops_assets.resources.sagemaker.jobs.driver import INTERRUPTIONS, Driver
from mlops_assets.resources.sagemaker.jobs.follow import Context
from mlops_assets.resources.sagemaker.jobs.kinds import TRANSFORM, Describe
from mlops_assets.resources.sagemaker.names import request_digest
from mlops_assets.resources.sagemaker.transform_request import TransformSpec, transform_request


@dataclass(frozen=True)
class TransformResult:
    """A completed job; ``seconds`` between its start and its end, ``cost_usd`` by list price, None
    where the price of its instances is not known."""

    job_name: str
    job_arn: str
    output_uri: str
    adopted: bool
    seconds: float
    cost_usd: float | None = None

    def metadata(self) -> dict[str, dg.MetadataValue]:
        shown: dict[str, dg.MetadataValue] = {
            "transform_job": dg.MetadataValue.text(self.job_name),
            "transform_job_arn": dg.MetadataValue.text(self.job_arn),
            "predictions_uri": dg.MetadataValue.text(self.output_uri),
            "adopted": dg.MetadataValue.bool(self.adopted),
            "transform_seconds": dg.MetadataValue.float(self.seconds),
        }
        if self.cost_usd is not None:
            shown["cost_usd"] = dg.MetadataValue.float(self.cost_usd)
        return shown


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
        return self.run(context=context, create_transform_job_params=transform_request(spec))

    def run(  # type: ignore[override]
        self, *, context: Context, create_transform_job_params: Mapping[str, Any]
    ) -> dg.PipesClientCompletedInvocation:
        """Start the job, or adopt the one that this request already started, and see it through.

        A completed job is adopted while something is left of its output.

        Raises:
            dagster.Failure: the job failed, was stopped or vanished, or the run was interrupted;
                retried only where trying again may help.
            JobNameTaken: a job of that name was asked for by another request.
        """
        return self.run_request(context, create_transform_job_params, None)

    def is_whole(self, job: Describe) -> bool:
        return any(True for _ in self._objects().list(_output(job)))

    def metadata(self, job: Describe) -> dict[str, dg.MetadataValue]:
        return {"predictions_uri": dg.MetadataValue.text(_output(job))}


def _output(job: Mapping[str, Any]) -> str:
    return str(job["TransformOutput"]["S3OutputPath"])


def transform(
    client: Client,
    spec: TransformSpec,
    *,
    poll_interval: float = 5.0,
    log: Callable[[str], None] = lambda _: None,
) -> TransformResult:
    """Run the job, or adopt the one that this request already started, and wait for its end.

    A completed job of the same request is adopted without running again; after a failed or stopped
    one the next attempt is ``<name>-2``, ….

    Args:
        client: gives SageMaker's client; asked for each call.
        poll_interval: seconds between two looks.

    Raises:
        dagster.Failure: the job failed or was stopped, or the run was interrupted (the job is then
            stopped); retried only where trying again may help.
        JobNameTaken: a job of that name was asked for by another request.
    """
    request = transform_request(spec)
    digest = request_digest(request, without=(TRANSFORM.name_member, "Tags"))
    driver = Driver(client, TRANSFORM, poll_interval, log)
    name: str | None = None
    try:
        found = driver.find(Wanted(request, digest))
        name, adopted = found.name, found.job is not None
        if not adopted:
            adopted = driver.start(Wanted(request | {TRANSFORM.name_member: name}, digest))
        driver.announce(found, adopted)
        job = driver.until_ended(name)
    except INTERRUPTIONS:
        raise dg.Failure(driver.terminate(name), allow_retries=False) from None
    failed = outcome.failure(TRANSFORM, job, {"transform_job": name}, [])
    if failed is not None:
        raise failed
    cost = cost_of(TRANSFORM, job)
    return TransformResult(
        name,
        TRANSFORM.arn(job),
        spec.output_uri,
        adopted,
        TRANSFORM.seconds(job) or 0.0,
        None if cost is None else round(cost.usd, 6),
    )
