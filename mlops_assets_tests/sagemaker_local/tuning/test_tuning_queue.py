"""A search whose training jobs find no room waits for it."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import pytest

from mlops_assets.sagemaker_local.config import Config
from mlops_assets.sagemaker_local.server import Backend
from mlops_assets_tests.sagemaker_local.api import ROLE

pytestmark = pytest.mark.integration
PRINTS = "import os; print('loss=%s;' % len(os.environ['TRAINING_JOB_NAME']))"


def request() -> dict[str, Any]:
    return {
        "HyperParameterTuningJobName": "crowded",
        "HyperParameterTuningJobConfig": {
            "Strategy": "Random",
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
            "ResourceLimits": {"MaxParallelTrainingJobs": 3, "MaxNumberOfTrainingJobs": 3},
            "ParameterRanges": {
                "ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}]
            },
        },
        "TrainingJobDefinition": {
            "AlgorithmSpecification": {
                "TrainingImage": "any/prints:1",
                "TrainingInputMode": "File",
                "MetricDefinitions": [{"Name": "loss", "Regex": "loss=([0-9]+);"}],
            },
            "RoleArn": ROLE,
            "OutputDataConfig": {"S3OutputPath": "s3://out/tuned"},
            "ResourceConfig": {
                "InstanceType": "ml.m5.large",
                "InstanceCount": 1,
                "VolumeSizeInGB": 1,
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        },
    }


def test_a_full_queue_is_waited_for(tmp_path):
    """A quota that is reached for a while must not cost a search its points."""
    home = tmp_path / "sagemaker"
    home.mkdir()
    images = {"prints": {"train": [sys.executable, "-c", PRINTS]}}
    (home / "images.json").write_text(json.dumps(images))
    config = Config(home, f"dir:{tmp_path / 'buckets'}", queue_limit=1, job_workers=1)

    async def search() -> dict[str, Any]:
        backend = Backend(config, False, "")
        named = {"HyperParameterTuningJobName": "crowded"}
        try:
            backend.tunings.create(request())
            while True:
                await asyncio.sleep(0.1)
                found = backend.tunings.describe(named)
                if found["HyperParameterTuningJobStatus"] != "InProgress":
                    return found
        finally:
            await asyncio.gather(backend.tunings.shutdown(), backend.jobs.shutdown())
            backend.store.close()

    found = asyncio.run(asyncio.wait_for(search(), timeout=60))
    assert found["HyperParameterTuningJobStatus"] == "Completed"
    assert found["TrainingJobStatusCounters"]["Completed"] == 3
    assert found["ObjectiveStatusCounters"]["Succeeded"] == 3
