"""The tuning operations: Create, Describe, List, Stop, Delete, and the list of training jobs.

Belongs here: requests to documents and back, what a restart makes of tuning jobs. Does not belong
here: what a running tuning job does (tuning_run.py), which requests are right (tuning_checks.py).
"""

from __future__ import annotations

import asyncio
import secrets
import time

from mlops_assets.sagemaker_local import listing, tags
from mlops_assets.sagemaker_local.config import Config
from mlops_assets.sagemaker_local.errors import ApiError, in_use, invalid, over_limit
from mlops_assets.sagemaker_local.images import Images
from mlops_assets.sagemaker_local.protocol import Handler
from mlops_assets.sagemaker_local.store import Document, Store
from mlops_assets.sagemaker_local.training.jobs import TrainingJobs
from mlops_assets.sagemaker_local.training.progress import KIND as TRAINING_JOB
from mlops_assets.sagemaker_local.training.training_checks import check_training_job
from mlops_assets.sagemaker_local.tuning import trials, tuning_views, warm_start
from mlops_assets.sagemaker_local.tuning.search_space import read_space
from mlops_assets.sagemaker_local.tuning.training_request import (
    definitions,
    job_name,
    ranges,
    training_request,
)
from mlops_assets.sagemaker_local.tuning.trials import Trial
from mlops_assets.sagemaker_local.tuning.tuning_checks import check_tuning_job
from mlops_assets.sagemaker_local.tuning.tuning_defaults import with_defaults, with_metrics
from mlops_assets.sagemaker_local.tuning.tuning_run import KIND, Series, TuningRun

_MAX_AT_ONCE = 100  # the service's default quota
_VALUE = "FinalObjectiveMetricValue"


class TuningJobs:
    """All tuning jobs of one server; their training jobs share its workers with all others."""

    def __init__(
        self, config: Config, store: Store, images: Images, jobs: TrainingJobs, series: Series
    ) -> None:
        """
        Args:
            series: the values of a training job's metric so far, by the job's and metric's names.
        """
        self._config = config
        self._store = store
        self._images = images
        self._jobs = jobs
        self._series = series
        self._runs: dict[str, TuningRun] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def operations(self) -> dict[str, Handler]:
        return {
            "CreateHyperParameterTuningJob": self.create,
            "DescribeHyperParameterTuningJob": self.describe,
            "ListHyperParameterTuningJobs": self.list_jobs,
            "ListTrainingJobsForHyperParameterTuningJob": self.list_training_jobs,
            "StopHyperParameterTuningJob": self.stop,
            "DeleteHyperParameterTuningJob": self.delete,
        }

    def recover(self) -> None:
        """After a restart: every search that was not over goes on. To be called after the training
        jobs' recovery, which says what became of those that ran."""
        for document in self._store.all(KIND):
            if document["HyperParameterTuningJobStatus"] in ("InProgress", "Stopping"):
                self._start(document)

    async def shutdown(self) -> None:
        """Leave the searches as they are; recover() takes them up again."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def create(self, request: Document) -> Document:
        request = with_metrics(request)
        check_tuning_job(request)
        name, now = request["HyperParameterTuningJobName"], time.time()
        arn = self._config.arn(KIND, name)
        warm_start.check_warm_start(request, self._parents(request))
        given_tags = tags.from_request(request)
        if any(name.lower() == known.lower() for known in self._names()):
            raise in_use(
                "Job name must be unique within an AWS account and region, and a job with this "
                f"name already exists ({arn})"
            )
        if len(self._tasks) >= _MAX_AT_ONCE:
            raise over_limit(f"{len(self._tasks)} tuning jobs run already: try later")
        config = request["HyperParameterTuningJobConfig"]
        document = with_defaults(request) | {
            "Arn": arn,
            "HyperParameterTuningJobArn": arn,
            "HyperParameterTuningJobStatus": "InProgress",
            "CreationTime": now,
            "LastModifiedTime": now,
            "Seed": config.get("RandomSeed", secrets.randbits(31)),
        }
        self._check_training(document)
        with self._store.transaction():
            self._store.put(KIND, name, document)
            self._store.set_tags(arn, given_tags)
        self._start(document)
        return {"HyperParameterTuningJobArn": arn}

    def describe(self, request: Document) -> Document:
        document = self._existing(request["HyperParameterTuningJobName"])
        own = self.trials_of(document)
        found = tuning_views.description(self._config, document, own)
        if warm_start.parent_names(document) and not warm_start.is_transfer(document):
            families = [(document, own), *((p, self.trials_of(p)) for p in self._known(document))]
            found["OverallBestTrainingJob"] = tuning_views.overall_best(self._config, families)
        return found

    def list_jobs(self, request: Document) -> Document:
        documents = self._store.all(KIND)
        shown = [tuning_views.job_summary(one, self.trials_of(one)) for one in documents]
        return listing.jobs(request, shown, "HyperParameterTuningJob", by="Name", order="Ascending")

    def list_training_jobs(self, request: Document) -> Document:
        document = self._existing(request["HyperParameterTuningJobName"])
        shown = [
            tuning_views.trial_summary(self._config, document, trial) | {_VALUE: trial.objective}
            for trial in self.trials_of(document)
            if request.get("SortBy") != _VALUE or trial.objective is not None
        ]
        found = listing.page(
            {"SortOrder": "Ascending"} | request,
            shown,
            name="TrainingJobName",
            sorts={
                "Name": "TrainingJobName",
                "CreationTime": "CreationTime",
                "Status": "TrainingJobStatus",
                _VALUE: _VALUE,
            },
            equal={"StatusEquals": "TrainingJobStatus"},
        )
        return listing.summaries("TrainingJobSummaries", found)

    def stop(self, request: Document) -> Document:
        name = request["HyperParameterTuningJobName"]
        status = self._existing(name)["HyperParameterTuningJobStatus"]
        if status == "Stopping":
            return {}
        if status != "InProgress":
            raise invalid(
                f"The request was rejected because the hyperparameter tuning job is in status "
                f"{status}"
            )
        self._store.update(KIND, name, HyperParameterTuningJobStatus="Stopping")
        self._runs[name].stop()
        return {}

    def delete(self, request: Document) -> Document:
        """Only the tuning job's entry goes; its training jobs and artifacts stay."""
        name = request["HyperParameterTuningJobName"]
        document = self._existing(name)
        status = document["HyperParameterTuningJobStatus"]
        if status not in tuning_views.TUNING_ENDED:
            raise invalid(
                f"The hyperparameter tuning job {name} is in status {status}: stop it before it is "
                "deleted"
            )
        if "Owner" in document:
            raise invalid(f"The hyperparameter tuning job {name} belongs to {document['Owner']}")
        with self._store.transaction():
            self._store.delete(KIND, name)
            self._store.set_tags(document["Arn"], {})
            trials.forget(self._store, name)
        return {}

    def _check_training(self, tuning: Document) -> None:
        """Refuse now what the training jobs would be refused for later."""
        for definition in definitions(tuning):
            space = read_space(ranges(tuning, definition))
            tuned = {p.name: p.text(p.choices[0] if p.choices else p.low) for p in space}
            first = training_request(tuning, definition, job_name(tuning, 0), tuned)
            check_training_job(first, self._config)
            self._images.command(first["AlgorithmSpecification"]["TrainingImage"], "train")

    def _start(self, document: Document) -> None:
        name = document["HyperParameterTuningJobName"]
        parents = [
            warm_start.Parent(parent, tuple(self.trials_of(parent)))
            for parent in self._known(document)
        ]
        self._runs[name] = run = TuningRun(
            document, store=self._store, jobs=self._jobs, series=self._series, parents=parents
        )
        self._tasks[name] = task = asyncio.create_task(run.run())
        task.add_done_callback(lambda _: self._forget(name))

    def _forget(self, name: str) -> None:
        del self._runs[name], self._tasks[name]

    def _existing(self, name: str) -> Document:
        document = self._store.get(KIND, name)
        if document is None:
            raise ApiError(
                "ResourceNotFound",
                f"Amazon SageMaker can't find a tuning job with name: {name}.",
            )
        return document

    def _names(self) -> list[str]:
        return [document["HyperParameterTuningJobName"] for document in self._store.all(KIND)]

    def _parents(self, request: Document) -> list[Document]:
        """The parents of a request, each of which must exist."""
        return [self._existing(name) for name in warm_start.parent_names(request)]

    def _known(self, document: Document) -> list[Document]:
        """The parents that have not been deleted since."""
        found = [self._store.get(KIND, name) for name in warm_start.parent_names(document)]
        return [parent for parent in found if parent is not None]

    def trials_of(self, document: Document) -> list[Trial]:
        """The trials, those that run with the present status of their training jobs."""
        return [
            trials.live(trial, self._store.get(TRAINING_JOB, trial.job)) if trial.running else trial
            for trial in trials.load(self._store, document["HyperParameterTuningJobName"])
        ]
