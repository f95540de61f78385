"""What an AutoML job searches, as a tuning job: metrics, algorithms and their ranges.

Belongs here: the CreateHyperParameterTuningJob request of an AutoML job's search. Does not belong
here: which AutoML jobs are right (automl_checks.py), the search (tuning/).
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from mlops_assets.sagemaker_local.images import OWN
from mlops_assets.sagemaker_local.store import Document

SCRIPT = Path(__file__).parents[2] / "containers" / "automl" / "candidate.py"
IMAGE = f"{OWN}:local"
METRICS = {  # by problem type, the default objective first
    "BinaryClassification": ("F1", "Accuracy", "AUC", "BalancedAccuracy", "Precision", "Recall"),
    "MulticlassClassification": (
        "Accuracy",
        "BalancedAccuracy",
        "F1macro",
        "PrecisionMacro",
        "RecallMacro",
    ),
    "Regression": ("MSE", "RMSE", "MAE", "R2"),
}
FALLING = ("MSE", "RMSE", "MAE", "LogLoss")  # better when lower
SIDES = {"train": "Train", "validation": "Validation"}
DEFAULT_CANDIDATES = 24  # the service's is 250: on one machine that is a night
DEFAULT_FRACTION = 0.2
_PARALLEL = 2
_NUMBER = "([-+0-9.e]+)"
_DAY = 86_400


def _continuous(name: str, low: str, high: str, scale: str = "Logarithmic") -> Document:
    return {"Name": name, "MinValue": low, "MaxValue": high, "ScalingType": scale}


ALGORITHMS: dict[str, Document] = {
    "xgboost": {
        "ContinuousParameterRanges": [
            _continuous("eta", "0.01", "0.5"),
            _continuous("min_child_weight", "1", "20"),
            _continuous("subsample", "0.5", "1", "Linear"),
            _continuous("lambda", "0.01", "10"),
        ],
        "IntegerParameterRanges": [
            _continuous("max_depth", "2", "8", "Linear"),
            _continuous("num_round", "20", "300"),
        ],
    },
    "linear-learner": {"ContinuousParameterRanges": [_continuous("l2", "0.0001", "100")]},
    "mlp": {
        "ContinuousParameterRanges": [
            _continuous("learning_rate", "0.0005", "0.05"),
            _continuous("l2", "0.000001", "0.1"),
        ],
        "IntegerParameterRanges": [_continuous("hidden", "8", "128")],
    },
}


def objective_of(metric: str) -> Document:
    """A metric with its direction; in the logs it is measured on held-out rows."""
    return {"Type": "Minimize" if metric in FALLING else "Maximize", "MetricName": metric}


def tuning_name(automl: Document) -> str:
    """The name of its tuning job: at most 32 characters, as the AutoML job's own name."""
    name = automl["AutoMLJobName"]
    digest = hashlib.sha256(f"{name}/{automl['CreationTime']}".encode()).hexdigest()[:5]
    return f"{name[:26].rstrip('-')}-{digest}"


def tuning_request(automl: Document, problem: str, metric: str) -> Document:
    """The search: one training job definition for each algorithm, taking turns."""
    tabular = automl["AutoMLProblemTypeConfig"]["TabularJobConfig"]
    chosen = tabular.get("CandidateGenerationConfig", {}).get("AlgorithmsConfig", [])
    names = [name for one in chosen for name in one["AutoMLAlgorithms"]] or list(ALGORITHMS)
    criteria = tabular.get("CompletionCriteria", {})
    most = criteria.get("MaxCandidates", DEFAULT_CANDIDATES)
    limits: dict[str, Any] = {
        "MaxNumberOfTrainingJobs": most,
        "MaxParallelTrainingJobs": min(_PARALLEL, most),
    }
    if "MaxAutoMLJobRuntimeInSeconds" in criteria:
        limits["MaxRuntimeInSeconds"] = criteria["MaxAutoMLJobRuntimeInSeconds"]
    wanted = objective_of(metric)
    seconds = criteria.get("MaxRuntimePerTrainingJobInSeconds", _DAY)
    return {
        "HyperParameterTuningJobName": tuning_name(automl),
        "HyperParameterTuningJobConfig": {
            "Strategy": "Bayesian",
            "ResourceLimits": limits,
            "RandomSeed": 0,  # equal data give an equal search
        },
        "TrainingJobDefinitions": [
            _definition(automl, problem, seconds, name)
            | {
                "TuningObjective": wanted | {"MetricName": f"validation:{metric}"},
                "HyperParameterRanges": ALGORITHMS[name],
            }
            for name in names
        ],
        "Owner": automl["AutoMLJobArn"],
    } | ({"Tags": automl["Tags"]} if automl.get("Tags") else {})


def _definition(automl: Document, problem: str, seconds: int, algorithm: str) -> Document:
    tabular = automl["AutoMLProblemTypeConfig"]["TabularJobConfig"]
    split = automl.get("DataSplitConfig", {})
    security = automl.get("SecurityConfig", {})
    output = automl["OutputDataConfig"]
    own = {
        "sagemaker_program": SCRIPT.name,
        "sagemaker_submit_directory": str(SCRIPT.parent),
        "algorithm": algorithm,
        "target": tabular["TargetAttributeName"],
        "problem_type": problem,
        "validation_fraction": split.get("ValidationFraction", DEFAULT_FRACTION),
    }
    measured = [*METRICS[problem]] + (["LogLoss"] if problem != "Regression" else [])
    definition = {
        "DefinitionName": algorithm,
        "StaticHyperParameters": {name: json.dumps(value) for name, value in own.items()},
        "AlgorithmSpecification": {
            "TrainingImage": IMAGE,
            "TrainingInputMode": "File",
            "MetricDefinitions": [
                {"Name": f"{side}:{name}", "Regex": f"^{side}:{name}={_NUMBER};"}
                for side in SIDES
                for name in measured
            ],
        },
        "RoleArn": automl["RoleArn"],
        "InputDataConfig": [
            {
                "ChannelName": channel.get("ChannelType", "training"),
                "ContentType": "text/csv",
                "DataSource": {"S3DataSource": channel["DataSource"]["S3DataSource"]},
            }
            for channel in automl["AutoMLJobInputDataConfig"]
        ],
        "OutputDataConfig": output
        | {"S3OutputPath": f"{output['S3OutputPath'].rstrip('/')}/{automl['AutoMLJobName']}"},
        "ResourceConfig": {
            "InstanceType": "ml.m5.xlarge",
            "InstanceCount": 1,
            "VolumeSizeInGB": 50,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": seconds},
        "RetryStrategy": {"MaximumRetryAttempts": 3},  # after the server's end, for one
    }
    members = ("VpcConfig", "EnableInterContainerTrafficEncryption")
    definition |= {name: security[name] for name in members if name in security}
    if "VolumeKmsKeyId" in security:
        definition["ResourceConfig"]["VolumeKmsKeyId"] = security["VolumeKmsKeyId"]
    return definition
