"""One tuning job from its first training job to its end.

Belongs here: the loop: what has ended, whether it is over, which jobs are stopped early, what is
tried next. Does not belong here: the operations (tunings.py), what the loop decides by (verdicts.py
and stopping_rules.py), the choice of a point (suggestions.py).

All that the loop knows is in the store: after a restart it goes on where it was.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from mlops_assets.sagemaker_local.errors import ApiError
from mlops_assets.sagemaker_local.store import Document, Store
from mlops_assets.sagemaker_local.training.jobs import TrainingJobs
from mlops_assets.sagemaker_local.training.progress import ENDED
from mlops_assets.sagemaker_local.training.progress import KIND as TRAINING_JOB
from mlops_assets.sagemaker_local.tuning import trials, verdicts
from mlops_assets.sagemaker_local.tuning.stopping_rules import standardized
from mlops_assets.sagemaker_local.tuning.suggestions import Observation, suggest
from mlops_assets.sagemaker_local.tuning.trials import Trial
from mlops_assets.sagemaker_local.tuning.tuning_plan import TuningPlan
from mlops_assets.sagemaker_local.tuning.tuning_views import scores
from mlops_assets.sagemaker_local.tuning.warm_start import Parent, inherited, is_transfer

KIND = "hyper-parameter-tuning-job"
_PAUSE = 0.1
Series = Callable[[str, str], list[float]]
log = logging.getLogger(__name__)


class TuningRun:
    """One tuning job's execution; run() is called once, stop() any number of times."""

    def __init__(
        self,
        tuning: Document,
        *,
        store: Store,
        jobs: TrainingJobs,
        series: Series,
        parents: Sequence[Parent],
    ) -> None:
        """
        Args:
            series: the values of a training job's metric so far, by the job's and metric's names.
        """
        self.name: str = tuning["HyperParameterTuningJobName"]
        self._tuning = tuning
        self._plan = TuningPlan(tuning)
        self._store = store
        self._jobs = jobs
        self._series = series
        self._parents = parents
        self._trials = trials.load(store, self.name)
        self._stopping = tuning["HyperParameterTuningJobStatus"] == "Stopping"
        self._over: tuple[str, str] | None = None

    def stop(self) -> None:
        """Ask for the end: no more training jobs, and those that run are stopped."""
        self._stopping = True

    async def run(self) -> None:
        """Search; every end, also an unexpected one, is recorded in the store."""
        try:
            while not await self._turn():
                await asyncio.sleep(_PAUSE)
        except Exception as error:
            log.exception("tuning job %s failed", self.name)
            self._stop(self._running())
            self._end("Failed", f"InternalServerError: {error!r}")

    async def _turn(self) -> bool:
        """One round of the loop; True once the tuning job has ended."""
        self._settle()
        self._over = self._over or self._verdict()
        if self._over is not None:
            self._stop(self._running())
            if self._running():
                return False
            self._end(*self._over)
            return True
        for trial in self._running():
            self._stop_early(trial)
        while self._has_room():
            await self._launch()
        return False

    def _settle(self) -> None:
        """Take over the ends of training jobs; create those that are still to be created."""
        for trial in self._running():
            job = self._store.get(TRAINING_JOB, trial.job)
            if job is None:
                self._create(trial)
            elif job["TrainingJobStatus"] in ENDED:
                values = self._values(trial)
                reached, _ = verdicts.judged(self._plan, trial, values, self._trials)
                metric = self._plan.metric(trial.definition)
                kept = values if self._plan.by_median else []
                place, epochs = self._ended(), len(values)
                self._keep(
                    trials.ended(reached, job, metric, epochs=epochs, values=kept, place=place)
                )

    def _verdict(self) -> tuple[str, str] | None:
        """Whether the search is over, as its status and the reason of a failure."""
        if self._stopping:
            return "Stopped", ""
        ended = [trial for trial in self._trials if not trial.running]
        if reason := verdicts.failure(self._plan, ended):
            return "Failed", reason
        if self._plan.deadline is not None and time.time() >= self._plan.deadline:
            return "Completed", ""
        found = scores(self._tuning, ended)
        if met := self._plan.criteria().met(found):
            log.info("tuning job %s is complete: %s", self.name, met)
            return "Completed", ""
        return ("Completed", "") if len(ended) >= self._plan.total else None

    def _stop_early(self, trial: Trial) -> None:
        """Stop a running job that falls behind, or that has used all of Hyperband's epochs."""
        if trial.stopped_early:
            return
        values, hyperband = self._values(trial), self._plan.hyperbands[trial.definition]
        behind = False
        if hyperband is not None:
            trial, goes_on = verdicts.judged(self._plan, trial, values, self._trials)
            self._keep(trial)
            behind = not goes_on
            if len(values) >= hyperband.high:
                self._stop([trial])
        elif self._plan.by_median:
            behind = verdicts.below_median(self._plan, trial, values, self._trials)
        if behind:
            self._keep(replace(trial, stopped_early=True))
            self._stop([trial])

    def _has_room(self) -> bool:
        if self._stopping or len(self._trials) >= self._plan.total:
            return False
        return len(self._running()) < self._plan.parallel

    async def _launch(self) -> None:
        number = len(self._trials)
        place, index = self._plan.place(number)
        told = self._observations(place)
        point = await asyncio.to_thread(suggest, self._plan.search(place), index, told)
        if self._stopping:
            return
        trial = self._plan.new_trial(number, point)
        self._trials.append(trial)
        self._keep(trial)
        self._create(trial)

    def _observations(self, place: int) -> list[Observation]:
        own = [verdicts.observed(self._plan, t) for t in self._trials if t.definition == place]
        groups = [*inherited(self._parents, self._plan.spaces[place]), own]
        if is_transfer(self._tuning):
            groups = [_standardized(group) for group in groups]
        return [one for group in groups for one in group]

    def _create(self, trial: Trial) -> None:
        request = self._plan.request(trial)
        # As the service does it: the first that there is room for; with none, it fails as the job.
        for resources in self._plan.resources(trial):
            if self._jobs.has_capacity(request, resources["InstanceType"]):
                request["ResourceConfig"] = resources
                break
        try:
            self._jobs.create(request)
        except ApiError as error:
            if error.code != "ResourceLimitExceeded":  # after that one it is tried again
                self._keep(trials.lost(trial, f"{error.code}: {error.message}", self._ended()))

    def _stop(self, running: Sequence[Trial]) -> None:
        for trial in running:
            job = self._store.get(TRAINING_JOB, trial.job)
            if job is None:  # it waited to be created
                lost = trials.lost(trial, "", self._ended())
                self._keep(replace(lost, status="Stopped"))
            elif job["TrainingJobStatus"] == "InProgress":
                self._jobs.stop({"TrainingJobName": trial.job})

    def _end(self, status: str, reason: str) -> None:
        members: Document = {
            "HyperParameterTuningJobStatus": status,
            "HyperParameterTuningEndTime": time.time(),
        }
        if reason:
            members["FailureReason"] = reason[:1024]
        if self._plan.criteria().converged(scores(self._tuning, self._trials)):
            members["ConvergenceDetectedTime"] = time.time()
        self._store.update(KIND, self.name, **members)

    def _running(self) -> list[Trial]:
        return [trial for trial in self._trials if trial.running]

    def _ended(self) -> int:
        return len(self._trials) - len(self._running())

    def _values(self, trial: Trial) -> list[float]:
        return self._series(trial.job, self._plan.metric(trial.definition))

    def _keep(self, trial: Trial) -> None:
        self._trials[trial.number] = trial
        trials.save(self._store, self.name, trial)


def _standardized(group: Sequence[Observation]) -> list[Observation]:
    found = iter(standardized([one.score for one in group if one.score is not None]))
    return [one if one.score is None else replace(one, score=next(found)) for one in group]
