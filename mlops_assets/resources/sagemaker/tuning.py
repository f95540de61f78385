"""`SageMakerTuningClient`: a search for hyperparameters as part of one Dagster step.

Here: starting or adopting the search, telling of its training jobs as they end, what it found. Not
here: driving a job (jobs/driver.py), its request (tuning_request.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster._core.definitions.resource_annotation import TreatAsResourceParam

from mlops_assets.resources.sagemaker.errors import patiently
from mlops_assets.resources.sagemaker.jobs import attempts, outcome
from mlops_assets.resources.sagemaker.jobs.cost import Cost, cost_of
from mlops_assets.resources.sagemaker.jobs.driver import INTERRUPTIONS, Driver
from mlops_assets.resources.sagemaker.jobs.follow import Context
from mlops_assets.resources.sagemaker.jobs.kinds import TRAINING, TUNING, Describe
from mlops_assets.resources.sagemaker.jobs.patience import Budget, Patience
from mlops_assets.resources.sagemaker.names import SPEC_HASH_TAG, request_digest, tag_list
from mlops_assets.resources.sagemaker.requests import Placement, TrainingSpec
from mlops_assets.resources.sagemaker.source import code_of
from mlops_assets.resources.sagemaker.tuning_request import tuning_request
from mlops_assets.tuning import Tuning

if TYPE_CHECKING:
    from mlops_assets.objects import Objects
    from mlops_assets.resources.sagemaker.session import SageMakerResource


@dataclass(frozen=True)
class Tried:
    """One training job of a search; ``value`` of the metric, None where it left none.

    Seconds and cost are known once the search has ended, by the instances that the job really had.
    """

    job_name: str
    status: str
    hyperparameters: Mapping[str, str]
    value: float | None
    billable_seconds: int | None
    cost: Cost | None = None


@dataclass(frozen=True)
class Search:
    """A search that has ended: its training jobs in the order of their creation."""

    name: str
    arn: str
    adopted: bool
    best: Tried
    tried: tuple[Tried, ...]

    @property
    def metadata(self) -> dict[str, dg.MetadataValue]:
        """What a step shows of it; its cost is the sum of its training jobs'."""
        shown: dict[str, dg.MetadataValue] = {
            "job_name": dg.MetadataValue.text(self.name),
            "job_arn": dg.MetadataValue.text(self.arn),
            "adopted": dg.MetadataValue.bool(self.adopted),
            "training_jobs": dg.MetadataValue.int(len(self.tried)),
            "billable_seconds": dg.MetadataValue.int(
                sum(each.billable_seconds or 0 for each in self.tried)
            ),
            "best_job": dg.MetadataValue.text(self.best.job_name),
            "hyperparameters": dg.MetadataValue.json(dict(self.best.hyperparameters)),
        }
        if self.best.value is not None:
            shown["best_value"] = dg.MetadataValue.float(self.best.value)
        costs = [each.cost for each in self.tried if each.cost is not None]
        # Of a job without a price the sum would say too little.
        if costs and len(costs) == len(self.tried):
            shown["cost_usd"] = dg.MetadataValue.float(round(sum(cost.usd for cost in costs), 6))
            shown["cost_basis"] = dg.MetadataValue.text(costs[0].basis)
        return shown

    def get_materialize_result(self) -> dg.MaterializeResult:
        """For an asset that is the search, as the other clients' invocations have it."""
        return dg.MaterializeResult(metadata=self.metadata)


class SageMakerTuningClient(TreatAsResourceParam):
    """Runs searches from Dagster, each at most once.

    Args:
        sagemaker: where the clients come from.
        objects: opens the store that s3:// URIs live in.
        bucket: code and outputs go there.
        placement: role, image, network, key and tags of the training jobs.
        poll_interval: seconds between two looks at a running search (default 1 locally, 15 in AWS).
        patience: how long a run waits for capacity and quota.
    """

    def __init__(
        self,
        sagemaker: SageMakerResource,
        objects: Callable[[], Objects],
        bucket: str,
        placement: Placement | None = None,
        *,
        poll_interval: float | None = None,
        patience: Patience | None = None,
    ) -> None:
        self._sagemaker = sagemaker
        self._objects = objects
        self._bucket = bucket
        self._placement = placement or Placement()
        self._poll_interval = poll_interval or (1.0 if sagemaker.is_local else 15.0)
        self._patience = patience or Patience()

    def run_spec(self, *, context: Context, spec: TrainingSpec, tuning: Tuning) -> Search:
        """Upload the script, build the request in this client's placement, and `run` it."""
        code_uri = code_of(spec, self._objects(), self._bucket)
        request = tuning_request(
            spec, tuning, self._placement, bucket=self._bucket, code_uri=code_uri
        )
        return self.run(context=context, create_hyper_parameter_tuning_job_params=request)

    def run(
        self, *, context: Context, create_hyper_parameter_tuning_job_params: Mapping[str, Any]
    ) -> Search:
        """Start the search, or adopt the one that this request already started, and see it through.

        Args:
            create_hyper_parameter_tuning_job_params: CreateHyperParameterTuningJob's parameters.

        Raises:
            dagster.Failure: the search failed, was stopped or vanished, or found nothing; or the
                run was interrupted (the search and its training jobs are then stopped).
            JobNameTaken: a search of that name was asked for by another request.
        """
        params = create_hyper_parameter_tuning_job_params
        spec_hash = request_digest(params, without=(TUNING.name_member, "Tags"))
        driver = Driver(
            self._sagemaker.client,
            TUNING,
            self._poll_interval,
            context.log.info,
            Budget(self._patience),
        )
        name: str | None = None
        try:
            found = driver.find(attempts.Wanted(params, spec_hash))
            name, adopted = found.name, found.job is not None
            if not adopted:
                adopted = driver.start(_named(context, params, name, spec_hash))
            driver.announce(found, adopted)
            told = _Told(context)
            job = driver.until_ended(name, lambda _: told.tell(self._tried(found.name)))
        except INTERRUPTIONS:
            raise dg.Failure(driver.terminate(name), allow_retries=False) from None
        failed = outcome.failure(TUNING, job, {}, (), incomplete=_incomplete(job))
        if failed is not None:
            raise failed
        tried = tuple(self._with_cost(each) for each in self._tried(name))
        best = job["BestTrainingJob"]["TrainingJobName"]
        return Search(
            name=name,
            arn=TUNING.arn(job),
            adopted=adopted,
            best=next(each for each in tried if each.job_name == best),
            tried=tried,
        )

    def _tried(self, name: str) -> tuple[Tried, ...]:
        def listed() -> list[dict[str, Any]]:
            pages = self._sagemaker.client().get_paginator(
                "list_training_jobs_for_hyper_parameter_tuning_job"
            )
            found = pages.paginate(
                HyperParameterTuningJobName=name, SortBy="CreationTime", SortOrder="Ascending"
            )
            summaries: list[dict[str, Any]] = found.build_full_result()["TrainingJobSummaries"]
            return summaries

        return tuple(_of(summary) for summary in patiently(listed))

    def _with_cost(self, tried: Tried) -> Tried:
        job = attempts.describe(self._sagemaker.client, TRAINING, tried.job_name)
        if job is None:
            return tried
        billable = job.get("BillableTimeInSeconds", tried.billable_seconds)
        return replace(tried, billable_seconds=billable, cost=cost_of(TRAINING, job))


class _Told:
    """Tells of each training job once, when it has ended."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._names: set[str] = set()

    def tell(self, tried: Sequence[Tried]) -> None:
        for each in tried:
            if each.status in attempts.ENDED and each.job_name not in self._names:
                self._names.add(each.job_name)
                value = "no figure" if each.value is None else f"{each.value:.5g}"
                given = ", ".join(f"{k}={v}" for k, v in sorted(each.hyperparameters.items()))
                self._context.log.info(f"{each.job_name} {each.status}: {value} with {given}")


def _named(
    context: Context, params: Mapping[str, Any], name: str, spec_hash: str
) -> attempts.Wanted:
    tags = {**context.run.dagster_execution_info, SPEC_HASH_TAG: spec_hash}
    theirs = [tag for tag in params.get("Tags", []) if tag["Key"] not in tags]
    request = {**params, TUNING.name_member: name, "Tags": [*theirs, *tag_list(tags)]}
    return attempts.Wanted(request, spec_hash)


def _incomplete(job: Describe) -> str | None:
    if job.get("BestTrainingJob"):
        return None
    return (
        "none of its training jobs left the metric that is searched by: see their logs, and "
        "whether the regular expression of the metric finds what the script prints"
    )


def _of(summary: Mapping[str, Any]) -> Tried:
    metric = summary.get("FinalHyperParameterTuningJobObjectiveMetric") or {}
    started, ended = summary.get("TrainingStartTime"), summary.get("TrainingEndTime")
    return Tried(
        job_name=summary["TrainingJobName"],
        status=summary["TrainingJobStatus"],
        hyperparameters=dict(summary.get("TunedHyperParameters", {})),
        value=metric.get("Value"),
        billable_seconds=round((ended - started).total_seconds()) if started and ended else None,
    )
