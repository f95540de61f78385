"""What tuning jobs look like in replies: descriptions, summaries, counters, the best.

Belongs here: trials counted, compared and put into the service's members. Does not belong here:
filters, order and pages (listing.py), what makes a trial end (tuning_run.py).
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from mlops_assets.sagemaker_local.config import Config
from mlops_assets.sagemaker_local.store import Document
from mlops_assets.sagemaker_local.tuning.stopping_rules import jobs_without_improvement
from mlops_assets.sagemaker_local.tuning.training_request import definitions, objective
from mlops_assets.sagemaker_local.tuning.trials import Trial

TUNING_ENDED = ("Completed", "Failed", "Stopped")


def sign(tuning: Document) -> float:
    """What a metric is multiplied by to become a score that is to be minimized."""
    kind = objective(tuning, definitions(tuning)[0])["Type"]
    return 1.0 if kind == "Minimize" else -1.0


def scores(tuning: Document, trials: Sequence[Trial]) -> list[float]:
    """The scores of the jobs with an objective, in the order of their ends."""
    found = [trial for trial in trials if trial.objective is not None]
    found.sort(key=lambda trial: trial.ended or 0)
    return [sign(tuning) * trial.objective for trial in found if trial.objective is not None]


def best(tuning: Document, trials: Sequence[Trial]) -> Trial | None:
    """The trial with the best objective; the first of equals."""
    found = [trial for trial in trials if trial.objective is not None]
    return min(found, key=lambda t: (sign(tuning) * (t.objective or 0.0), t.number), default=None)


def counters(trials: Sequence[Trial]) -> Document:
    """TrainingJobStatusCounters and ObjectiveStatusCounters."""
    statuses = [trial.status for trial in trials]
    failed = [trial.retryable for trial in trials if trial.status == "Failed"]
    objectives = [trial.objective_status for trial in trials]
    return {
        "TrainingJobStatusCounters": {
            "Completed": statuses.count("Completed"),
            "InProgress": statuses.count("InProgress") + statuses.count("Stopping"),
            "RetryableError": failed.count(True),
            "NonRetryableError": failed.count(False),
            "Stopped": statuses.count("Stopped"),
        },
        "ObjectiveStatusCounters": {
            name: objectives.count(name) for name in ("Succeeded", "Pending", "Failed")
        },
    }


def trial_summary(config: Config, tuning: Document, trial: Trial) -> Document:
    """A HyperParameterTrainingJobSummary."""
    definition = definitions(tuning)[trial.definition]
    wanted = objective(tuning, definition)
    found = {
        "TrainingJobName": trial.job,
        "TrainingJobArn": config.arn("training-job", trial.job),
        "CreationTime": tuning["CreationTime"],
        "TrainingJobStatus": trial.status,
        "TunedHyperParameters": trial.tuned,
        "ObjectiveStatus": trial.objective_status,
        "TrainingJobDefinitionName": definition.get("DefinitionName"),
    } | trial.summary
    if trial.objective is not None:
        found["FinalHyperParameterTuningJobObjectiveMetric"] = {
            "Type": wanted["Type"],
            "MetricName": wanted["MetricName"],
            "Value": trial.objective,
        }
    return found


def description(config: Config, tuning: Document, trials: Sequence[Trial]) -> Document:
    """DescribeHyperParameterTuningJob's reply, but for OverallBestTrainingJob."""
    until = tuning.get("HyperParameterTuningEndTime", time.time())
    details: Document = {
        "NumberOfTrainingJobsObjectiveNotImproving": jobs_without_improvement(
            scores(tuning, trials)
        )
    }
    if "ConvergenceDetectedTime" in tuning:
        details["ConvergenceDetectedTime"] = tuning["ConvergenceDetectedTime"]
    found = tuning | counters(trials)
    found["TuningJobCompletionDetails"] = details
    found["ConsumedResources"] = {"RuntimeInSeconds": int(until - tuning["CreationTime"])}
    if (trial := best(tuning, trials)) is not None:
        found["BestTrainingJob"] = trial_summary(config, tuning, trial)
    return found


def job_summary(tuning: Document, trials: Sequence[Trial]) -> Document:
    """A HyperParameterTuningJobSummary."""
    config = tuning["HyperParameterTuningJobConfig"]
    shown = {"Strategy": config["Strategy"], "ResourceLimits": config["ResourceLimits"]}
    return tuning | counters(trials) | shown


def overall_best(
    config: Config, families: Sequence[tuple[Document, Sequence[Trial]]]
) -> Document | None:
    """OverallBestTrainingJob: of a tuning job and its parents, with the name of whose it is."""
    found = [(tuning, trial) for tuning, own in families if (trial := best(tuning, own))]
    if not found:
        return None
    tuning, trial = min(found, key=lambda pair: sign(pair[0]) * (pair[1].objective or 0.0))
    name = tuning["HyperParameterTuningJobName"]
    return trial_summary(config, tuning, trial) | {"TuningJobName": name}
