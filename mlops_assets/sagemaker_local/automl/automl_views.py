"""What AutoML jobs and their candidates look like in replies.

Belongs here: tuning jobs and trials put into the service's members for AutoML. Does not belong
here: the operations (automl_jobs.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from mlops_assets.sagemaker_local.automl.candidates import (
    DEFAULT_CANDIDATES,
    IMAGE,
    SIDES,
    objective_of,
)
from mlops_assets.sagemaker_local.config import Config
from mlops_assets.sagemaker_local.store import Document
from mlops_assets.sagemaker_local.tuning.trials import Trial

_PARTIAL = 5  # the service names as many partial failures at most


def candidate(config: Config, automl: Document, trial: Trial, job: Document | None) -> Document:
    """An AutoMLCandidate: a training job, with the metrics that it logged of both sides."""
    started = trial.summary.get("CreationTime", automl["CreationTime"])
    ended = trial.summary.get("TrainingEndTime")
    found: Document = {
        "CandidateName": trial.job,
        "ObjectiveStatus": trial.objective_status,
        "CandidateSteps": [
            {
                "CandidateStepType": "AWS::SageMaker::TrainingJob",
                "CandidateStepArn": config.arn("training-job", trial.job),
                "CandidateStepName": trial.job,
            }
        ],
        "CandidateStatus": trial.status,
        "CreationTime": started,
        "EndTime": ended,
        "LastModifiedTime": ended or started,
        "FailureReason": trial.reason or None,
    }
    metrics = _metrics(job or {})
    if metrics:
        found["CandidateProperties"] = {"CandidateMetrics": metrics}
    if trial.objective is not None:
        metric = automl["Resolved"]["MetricName"]
        value = {"Value": trial.objective, "StandardMetricName": metric}
        found["FinalAutoMLJobObjectiveMetric"] = objective_of(metric) | value
    if trial.status == "Completed" and job is not None:
        model = job["ModelArtifacts"]["S3ModelArtifacts"]
        container = {"Image": IMAGE, "ModelDataUrl": model, "Environment": {}}
        found["InferenceContainers"] = [container]
    return found


def _metrics(job: Document) -> list[Document]:
    """Each logged metric of the training and of the held-out rows."""
    found = []
    for logged in job.get("FinalMetricDataList", []):
        side, _, name = logged["MetricName"].partition(":")
        datum = {"StandardMetricName": name, "Value": logged["Value"], "Set": SIDES[side]}
        found.append(datum if name == "LogLoss" else datum | {"MetricName": name})
    return found


def state(automl: Document, tuning: Document | None) -> Document:
    """The job's statuses and times: its own until its search has begun, then the search's."""
    if tuning is None:
        return {}
    status = tuning["HyperParameterTuningJobStatus"]
    ended = tuning.get("HyperParameterTuningEndTime")
    secondary = {"InProgress": "ModelTuning"}.get(status, status)
    if status == "Completed" and _out_of_time(automl, ended):
        secondary = "MaxAutoMLJobRuntimeReached"
    found = {
        "AutoMLJobStatus": status,
        "AutoMLJobSecondaryStatus": secondary,
        "LastModifiedTime": tuning["LastModifiedTime"],
        "EndTime": ended,
        "FailureReason": tuning.get("FailureReason"),
    }
    return {member: value for member, value in found.items() if value is not None}


def _out_of_time(automl: Document, ended: float | None) -> bool:
    tabular = automl["AutoMLProblemTypeConfig"]["TabularJobConfig"]
    limit = tabular.get("CompletionCriteria", {}).get("MaxAutoMLJobRuntimeInSeconds")
    return None not in (limit, ended) and ended - automl["CreationTime"] >= limit


def partial_failures(trials: Sequence[Trial]) -> list[Document]:
    """Why candidates have failed, each reason once."""
    reasons = dict.fromkeys(trial.reason for trial in trials if trial.status == "Failed")
    return [{"PartialFailureMessage": reason[:1024]} for reason in reasons if reason][:_PARTIAL]


def resolved(automl: Document) -> Document:
    """ResolvedAttributes: what was found out or filled in."""
    tabular = automl["AutoMLProblemTypeConfig"]["TabularJobConfig"]
    known = automl["Resolved"]
    criteria = {"MaxCandidates": DEFAULT_CANDIDATES} | tabular.get("CompletionCriteria", {})
    problem = {"TabularResolvedAttributes": {"ProblemType": known["ProblemType"]}}
    return {
        "AutoMLJobObjective": {"MetricName": known["MetricName"]},
        "CompletionCriteria": criteria,
        "AutoMLProblemTypeResolvedAttributes": problem,
    }
