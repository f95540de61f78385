"""Tuning requests of one's own against a local API, and scripts whose best point is known."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from mlops_assets_tests.sagemaker_local.api import ROLE, LocalApi, eventually

# The minimum is 1 at x = 0.3; any kind changes nothing.
QUADRATIC = """
import json
given = json.load(open("/opt/ml/input/config/hyperparameters.json"))
print("loss=%r;" % (1 + (float(given["x"]) - 0.3) ** 2))
"""
# A loss of x at each of ten epochs, told as it goes.
EPOCHS = """
import json, time
given = json.load(open("/opt/ml/input/config/hyperparameters.json"))
for epoch in range(int(given["epochs"])):
    print("loss=%r;" % float(given["x"]), flush=True)
    time.sleep(float(given.get("pause", "0.3")))
"""
FAILS = "raise SystemExit('no such data')"
SILENT = "print('nothing to say')"
WAITS = """
import signal, sys, time
print("loss=5;", flush=True)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
time.sleep(600)
"""
OVER = ("Completed", "Failed", "Stopped")


def continuous(name: str, low: str, high: str, scale: str = "Linear") -> dict[str, str]:
    return {"Name": name, "MinValue": low, "MaxValue": high, "ScalingType": scale}


def definition(api: LocalApi, script: str, key: str, **static: str) -> dict[str, Any]:
    """A training job definition for a script, run by the image `tuned`."""
    path = api.home / "images.json"
    images = json.loads(path.read_text())
    if "tuned" not in images:  # jobs that are being started read the file
        images["tuned"] = {"train": [sys.executable, "/opt/ml/input/data/code/train.py"]}
        path.write_text(json.dumps(images))
    api.objects.write(f"s3://code/{key}/train.py", script.encode())
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://code/{key}"}
    return {
        "StaticHyperParameters": static,
        "AlgorithmSpecification": {
            "TrainingImage": "any/tuned:1",
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": "loss", "Regex": "loss=([-0-9.e]+);"}],
        },
        "RoleArn": ROLE,
        "InputDataConfig": [{"ChannelName": "code", "DataSource": {"S3DataSource": source}}],
        "OutputDataConfig": {"S3OutputPath": "s3://out/tuned"},
        "ResourceConfig": {
            "InstanceType": "ml.m5.large",
            "InstanceCount": 1,
            "VolumeSizeInGB": 1,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
    }


def request(
    api: LocalApi,
    name: str,
    script: str = QUADRATIC,
    *,
    jobs: int | None = 4,
    parallel: int = 2,
    static: dict[str, str] | None = None,
    **config: Any,
) -> dict[str, Any]:
    """CreateHyperParameterTuningJob for a script that reads x from 0 to 1; Random unless told."""
    limits = {"MaxParallelTrainingJobs": parallel}
    if jobs is not None:
        limits["MaxNumberOfTrainingJobs"] = jobs
    return {
        "HyperParameterTuningJobName": name,
        "HyperParameterTuningJobConfig": {
            "Strategy": "Random",
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
            "ResourceLimits": limits,
            "ParameterRanges": {"ContinuousParameterRanges": [continuous("x", "0", "1")]},
            "RandomSeed": 1,
        }
        | config,
        "TrainingJobDefinition": definition(api, script, name, **(static or {})),
    }


def describe(api: LocalApi, name: str) -> dict[str, Any]:
    return api.sm.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)


def status(api: LocalApi, name: str) -> str:
    return describe(api, name)["HyperParameterTuningJobStatus"]


def over(api: LocalApi, name: str) -> dict[str, Any]:
    """The description of a tuning job once it has ended."""

    def ended() -> dict[str, Any] | None:
        time.sleep(0.1)  # the jobs need the processor, too
        found = describe(api, name)
        return found if found["HyperParameterTuningJobStatus"] in OVER else None

    return eventually(ended)


def tune(api: LocalApi, name: str, *given: Any, **more: Any) -> dict[str, Any]:
    """Create a tuning job, wait for its end, describe it."""
    api.sm.create_hyper_parameter_tuning_job(**request(api, name, *given, **more))
    return over(api, name)


def training_jobs(api: LocalApi, name: str, **more: Any) -> list[dict[str, Any]]:
    """The summaries of a tuning job's training jobs, in the order of their names."""
    return api.sm.list_training_jobs_for_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name, MaxResults=100, **more
    )["TrainingJobSummaries"]


def value(summary: dict[str, Any]) -> float:
    """The final objective of a training job's summary."""
    return summary["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
