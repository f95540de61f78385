"""What a tuning job makes of its trials: which job is stopped early, whether the search has failed.

Belongs here: the rules of stopping_rules.py applied to trials. Does not belong here: the rules
themselves, and stopping anything (tuning_run.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mlops_assets.sagemaker_local.tuning import stopping_rules
from mlops_assets.sagemaker_local.tuning.suggestions import Observation
from mlops_assets.sagemaker_local.tuning.trials import Trial
from mlops_assets.sagemaker_local.tuning.tuning_plan import TuningPlan

ATTEMPTS = 5  # the service gives up after so many training jobs without a result


def failure(plan: TuningPlan, ended: Sequence[Trial]) -> str:
    """Why the tuning job has failed, in the service's words; "" if it has not.

    What failed by no fault of its own counts only when nothing is left to be tried.
    """
    whole = len(ended) >= plan.total
    counted = [trial for trial in ended if whole or not trial.retryable]
    enough = len(counted) >= min(ATTEMPTS, plan.total)
    if not enough or any(trial.objective is not None for trial in ended):
        return ""
    if any(trial.status == "Completed" for trial in counted):
        return (
            f"No objective metrics found after running {len(counted)} training jobs. Please ensure "
            "that the custom algorithm is emitting the objective metric as defined by the regular "
            "expression provided."
        )
    return (
        f"No training job succeeded after {len(counted)} attempts. Please take a look at the "
        "training job failures to get more details."
    )


def below_median(
    plan: TuningPlan, trial: Trial, values: Sequence[float], trials: Sequence[Trial]
) -> bool:
    """Whether early stopping ends a running job, by its values so far."""
    previous = [
        plan.scores(other.values)
        for other in trials
        if other.objective is not None and other.definition == trial.definition
    ]
    return stopping_rules.worse_than_median(plan.scores(values), previous)


def judged(
    plan: TuningPlan, trial: Trial, values: Sequence[float], trials: Sequence[Trial]
) -> tuple[Trial, bool]:
    """Hyperband: the trial with its scores at the rungs that it has come to, and whether it goes on
    from all of them. Each rung judges a job once, against those that came to it before."""
    hyperband, bracket = plan.hyperbands[trial.definition], _bracket(plan, trial)
    if hyperband is None:
        return trial, True
    for epoch, score in hyperband.reached(bracket, plan.scores(values)):
        rung = str(epoch)
        if rung in trial.judged:
            continue
        trial = replace(trial, judged=trial.judged | {rung: score})
        rivals = [
            other.judged[rung]
            for other in trials
            if other.number != trial.number
            and other.definition == trial.definition
            and rung in other.judged
            and _bracket(plan, other) == bracket
        ]
        if not stopping_rules.promoted(score, rivals):
            return trial, False
    return trial, True


def observed(plan: TuningPlan, trial: Trial) -> Observation:
    """What the sampler is told of a trial."""
    point = {}
    for parameter in plan.spaces[trial.definition]:
        value = parameter.value(trial.tuned[parameter.name])
        if value is None:
            raise ValueError(f"{trial.job}: {trial.tuned} is no point of the tuning job's ranges")
        point[parameter.name] = value
    score = None if trial.objective is None else plan.score(trial.objective)
    return Observation(point, score, trial.epochs if trial.stopped_early else None)


def _bracket(plan: TuningPlan, trial: Trial) -> int:
    hyperband = plan.hyperbands[trial.definition]
    return 0 if hyperband is None else hyperband.bracket(plan.place(trial.number)[1])
