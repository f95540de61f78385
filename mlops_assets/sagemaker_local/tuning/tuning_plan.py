"""A tuning job's request, read for the loop that runs it.

Belongs here: which definition's turn it is, scores, limits and criteria as CreateHyperParameter-
TuningJob gave them. Does not belong here: anything that changes while it runs (trials.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from mlops_assets.sagemaker_local.store import Document
from mlops_assets.sagemaker_local.tuning.search_space import Value, combinations, read_space
from mlops_assets.sagemaker_local.tuning.stopping_rules import Criteria, Hyperband
from mlops_assets.sagemaker_local.tuning.suggestions import Search
from mlops_assets.sagemaker_local.tuning.training_request import (
    definitions,
    job_name,
    objective,
    ranges,
    resources,
    training_request,
)
from mlops_assets.sagemaker_local.tuning.trials import Trial
from mlops_assets.sagemaker_local.tuning.tuning_checks import hyperband_epochs, total_jobs
from mlops_assets.sagemaker_local.tuning.tuning_views import sign


class TuningPlan:
    """What follows from the tuning job's document alone; the document was checked."""

    def __init__(self, tuning: Document) -> None:
        self._tuning = tuning
        self._config: Document = tuning["HyperParameterTuningJobConfig"]
        self._definitions = definitions(tuning)
        self._sign = sign(tuning)
        self.strategy: str = self._config["Strategy"]
        self.spaces = [read_space(ranges(tuning, one)) for one in self._definitions]
        self.total = total_jobs(tuning)
        limits = self._config["ResourceLimits"]
        self.parallel: int = limits["MaxParallelTrainingJobs"]
        limit = limits.get("MaxRuntimeInSeconds")
        self.deadline = None if limit is None else tuning["CreationTime"] + limit
        self.by_median = self._config.get("TrainingJobEarlyStoppingType", "Off") == "Auto"
        self.hyperbands = [
            Hyperband(*hyperband_epochs(self._config, one))
            if self.strategy == "Hyperband"
            else None
            for one in self._definitions
        ]

    def new_trial(self, number: int, point: dict[str, Value]) -> Trial:
        """The trial of that number at a point that search() led to."""
        place, _ = self.place(number)
        tuned = {p.name: p.text(point[p.name]) for p in self.spaces[place]}
        return Trial(number, job_name(self._tuning, number), place, tuned)

    def request(self, trial: Trial) -> Document:
        """The CreateTrainingJob request of a trial."""
        definition = self._definitions[trial.definition]
        return training_request(self._tuning, definition, trial.job, trial.tuned)

    def resources(self, trial: Trial) -> list[Document]:
        """What a trial may run on, the best first."""
        return resources(self._definitions[trial.definition])

    def place(self, number: int) -> tuple[int, int]:
        """The definition whose turn it is, and which of its jobs this is: they take turns, but a
        grid after the other is tried."""
        if self.strategy != "Grid":
            return number % len(self.spaces), number // len(self.spaces)
        for place, space in enumerate(self.spaces):
            if number < combinations(space):
                return place, number
            number -= int(combinations(space))
        raise IndexError(number)

    def search(self, place: int) -> Search:
        return Search(self.spaces[place], self.strategy, self._tuning["Seed"] + place)

    def metric(self, place: int) -> str:
        """The name of a definition's objective metric."""
        return str(objective(self._tuning, self._definitions[place])["MetricName"])

    def score(self, value: float) -> float:
        """The objective metric as what is to be minimized."""
        return self._sign * value

    def scores(self, values: Sequence[float]) -> list[float]:
        return [self.score(value) for value in values]

    def criteria(self) -> Criteria:
        """When it is complete before all its jobs have run. Autotune ends on convergence."""
        given = self._config.get("TuningJobCompletionCriteria", {})
        target = given.get("TargetObjectiveMetricValue")
        converged = given.get("ConvergenceDetected", {}).get("CompleteOnConvergence")
        autotuned = "Autotune" in self._tuning and converged is None
        return Criteria(
            None if target is None else self.score(target),
            given.get("BestObjectiveNotImproving", {}).get("MaxNumberOfTrainingJobsNotImproving"),
            converged == "Enabled" or autotuned,
        )
