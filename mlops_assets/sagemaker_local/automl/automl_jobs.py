"""The AutoML operations: Create, Describe, List, Stop, and the list of candidates.

Belongs here: requests to documents and back, the look at the data before the search. Does not
belong here: the search itself, which is a tuning job (tuning/), or candidates (containers/automl).
"""

from __future__ import annotations

import asyncio
import logging
import time

from mlops_assets.objects import Objects
from mlops_assets.sagemaker_local import listing, tags
from mlops_assets.sagemaker_local.automl import automl_views, candidates
from mlops_assets.sagemaker_local.automl.automl_checks import check_automl_job
from mlops_assets.sagemaker_local.automl.data_look import UnfitData, problem_type
from mlops_assets.sagemaker_local.config import Config
from mlops_assets.sagemaker_local.errors import ApiError, in_use, invalid
from mlops_assets.sagemaker_local.protocol import Handler
from mlops_assets.sagemaker_local.store import Document, Store
from mlops_assets.sagemaker_local.training.progress import KIND as TRAINING_JOB
from mlops_assets.sagemaker_local.tuning import tuning_views
from mlops_assets.sagemaker_local.tuning.trials import Trial
from mlops_assets.sagemaker_local.tuning.tuning_run import KIND as TUNING_JOB
from mlops_assets.sagemaker_local.tuning.tunings import TuningJobs

KIND = "automl-job"
_VALUE = "FinalObjectiveMetricValue"
log = logging.getLogger(__name__)


class AutoMLJobs:
    """All AutoML jobs of one server; each searches by a tuning job of its own."""

    def __init__(self, config: Config, store: Store, objects: Objects, tunings: TuningJobs) -> None:
        self._config = config
        self._store = store
        self._objects = objects
        self._tunings = tunings
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def operations(self) -> dict[str, Handler]:
        return {
            "CreateAutoMLJobV2": self.create,
            "DescribeAutoMLJobV2": self.describe,
            "ListAutoMLJobs": self.list_jobs,
            "ListCandidatesForAutoMLJob": self.list_candidates,
            "StopAutoMLJob": self.stop,
        }

    def recover(self) -> None:
        """After a restart: a job whose search had not begun begins it now. To be called before the
        tuning jobs' recovery, which takes up the others."""
        for document in self._store.all(KIND):
            if document["AutoMLJobStatus"] == "InProgress" and self._tuning(document) is None:
                self._start(document)

    async def shutdown(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def create(self, request: Document) -> Document:
        check_automl_job(request)
        name, now = request["AutoMLJobName"], time.time()
        arn = self._config.arn(KIND, name)
        given_tags = tags.from_request(request)
        if self._store.get(KIND, name) is not None:
            raise in_use(f"An AutoML job with the name {name} already exists ({arn})")
        document = request | {
            "Arn": arn,
            "AutoMLJobArn": arn,
            "AutoMLProblemTypeConfigName": "Tabular",
            "AutoMLJobStatus": "InProgress",
            "AutoMLJobSecondaryStatus": "AnalyzingData",
            "CreationTime": now,
            "LastModifiedTime": now,
        }
        with self._store.transaction():
            self._store.put(KIND, name, document)
            self._store.set_tags(arn, given_tags)
        self._start(document)
        return {"AutoMLJobArn": arn}

    def describe(self, request: Document) -> Document:
        document = self._existing(request["AutoMLJobName"])
        found = document | automl_views.state(document, self._tuning(document))
        if "Resolved" in document:
            found["ResolvedAttributes"] = automl_views.resolved(document)
        tuning, trials = self._search(document)
        if tuning is not None and (best := tuning_views.best(tuning, trials)):
            job = self._store.get(TRAINING_JOB, best.job)
            found["BestCandidate"] = automl_views.candidate(self._config, document, best, job)
        if failures := automl_views.partial_failures(trials):
            found["PartialFailureReasons"] = failures
        return found

    def list_jobs(self, request: Document) -> Document:
        documents = [
            one | automl_views.state(one, self._tuning(one)) for one in self._store.all(KIND)
        ]
        return listing.jobs(request, documents, "AutoMLJob", by="Name")

    def list_candidates(self, request: Document) -> Document:
        document = self._existing(request["AutoMLJobName"])
        _, trials = self._search(document)
        shown = [
            automl_views.candidate(
                self._config, document, trial, self._store.get(TRAINING_JOB, trial.job)
            )
            | {_VALUE: trial.objective}
            for trial in trials
            if request.get("SortBy") != _VALUE or trial.objective is not None
        ]
        found = listing.page(
            {"SortOrder": "Ascending"} | request,
            shown,
            name="CandidateName",
            sorts={"CreationTime": "CreationTime", "Status": "CandidateStatus", _VALUE: _VALUE},
            equal={"StatusEquals": "CandidateStatus", "CandidateNameEquals": "CandidateName"},
        )
        return listing.summaries("Candidates", found)

    def stop(self, request: Document) -> Document:
        document = self._existing(request["AutoMLJobName"])
        tuning = self._tuning(document)
        status = (document | automl_views.state(document, tuning))["AutoMLJobStatus"]
        if status == "Stopping":
            return {}
        if status != "InProgress":
            raise invalid(f"The request was rejected because the AutoML job is in status {status}")
        if tuning is not None:
            return self._tunings.stop(
                {"HyperParameterTuningJobName": tuning["HyperParameterTuningJobName"]}
            )
        self._tasks[request["AutoMLJobName"]].cancel()  # it looks at its data: nothing was trained
        self._end(request["AutoMLJobName"], "Stopped")
        return {}

    def _start(self, document: Document) -> None:
        name = document["AutoMLJobName"]
        self._tasks[name] = task = asyncio.create_task(self._begin(document))
        task.add_done_callback(lambda _: self._tasks.pop(name, None))

    async def _begin(self, document: Document) -> None:
        """Look at the data, then search."""
        name = document["AutoMLJobName"]
        try:
            problem = await asyncio.to_thread(problem_type, document, self._objects)
            given = document.get("AutoMLJobObjective", {})
            metric = given.get("MetricName", candidates.METRICS[problem][0])
            known = {"ProblemType": problem, "MetricName": metric}
            found = self._store.update(KIND, name, Resolved=known)
            self._tunings.create(candidates.tuning_request(found, problem, metric))
        except (UnfitData, ApiError) as error:
            self._end(name, "Failed", str(error))
        except Exception as error:
            log.exception("AutoML job %s failed", name)
            self._end(name, "Failed", f"InternalServerError: {error!r}")

    def _end(self, name: str, status: str, reason: str = "") -> None:
        members: Document = {"AutoMLJobStatus": status, "AutoMLJobSecondaryStatus": status}
        if reason:
            members["FailureReason"] = reason[:1024]
        self._store.update(KIND, name, EndTime=time.time(), **members)

    def _existing(self, name: str) -> Document:
        document = self._store.get(KIND, name)
        if document is None:
            raise ApiError("ResourceNotFound", f"Could not find AutoML job with name {name}.")
        return document

    def _tuning(self, document: Document) -> Document | None:
        return self._store.get(TUNING_JOB, candidates.tuning_name(document))

    def _search(self, document: Document) -> tuple[Document | None, list[Trial]]:
        tuning = self._tuning(document)
        return tuning, [] if tuning is None else self._tunings.trials_of(tuning)
