"""The SageMaker Python SDK's tuner, unmodified, against the local API; S3 is moto's."""

from __future__ import annotations

import json

import pytest

from mlops_assets_tests.sagemaker_local.sdk import sdk_world

pytestmark = pytest.mark.integration

TUNE = """
import json, sys
from sagemaker.core.helper.session_helper import Session
from sagemaker.core.parameter import CategoricalParameter, ContinuousParameter, IntegerParameter
from sagemaker.train.configs import Compute, OutputDataConfig, SourceCode, StoppingCondition
from sagemaker.train.model_trainer import ModelTrainer
from sagemaker.train.tuner import HyperparameterTuner

trainer = ModelTrainer(
    sagemaker_session=Session(default_bucket="sdk-bucket"),
    training_image="000000000000.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.6-cpu-py312",
    role="arn:aws:iam::000000000000:role/test",
    source_code=SourceCode(source_dir=sys.argv[1], entry_script="train.py"),
    compute=Compute(instance_type="ml.m5.large", instance_count=1, volume_size_in_gb=1),
    stopping_condition=StoppingCondition(max_runtime_in_seconds=600),
    hyperparameters={"epochs": 2},
    base_job_name="sdk",
    output_data_config=OutputDataConfig(s3_output_path="s3://sdk-bucket/out"),
)
tuner = HyperparameterTuner(
    trainer,
    "loss",
    {
        "rate": ContinuousParameter(0.001, 0.1, "Logarithmic"),
        "depth": IntegerParameter(2, 8),
        "kind": CategoricalParameter(["a", "b"]),
    },
    metric_definitions=[{"Name": "loss", "Regex": "loss=([0-9.e-]+)"}],
    objective_type="Minimize",
    max_jobs=3,
    max_parallel_jobs=2,
    base_tuning_job_name="sdk",
    random_seed=1,
)
tuner.tune(wait=True)
print(json.dumps({"job": tuner.latest_tuning_job.hyper_parameter_tuning_job_name}))
print(json.dumps({"best": tuner.best_training_job()}))
"""
SCRIPT = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--rate", type=float)
parser.add_argument("--depth", type=int)
parser.add_argument("--kind")
parser.add_argument("--epochs", type=int)
given = parser.parse_args()
print("tried", given)
print(f"loss={abs(given.rate - 0.01) + given.depth / given.epochs}")
"""


@pytest.mark.nightly
def test_an_unmodified_tuner_tunes(tmp_path, monkeypatch):
    """Users of the SDK have notebooks that they will not change for us."""
    with sdk_world(tmp_path, monkeypatch) as sdk:
        printed = sdk.run(TUNE, sdk.write("source/train.py", SCRIPT).parent)
        said = [json.loads(line) for line in printed.splitlines() if line[:2] == '{"']
        found = sdk.sagemaker.describe_hyper_parameter_tuning_job(
            HyperParameterTuningJobName=said[0]["job"]
        )
    assert found["HyperParameterTuningJobStatus"] == "Completed"
    assert found["TrainingJobStatusCounters"]["Completed"] == 3
    best = found["BestTrainingJob"]
    assert said[1]["best"] == best["TrainingJobName"]
    assert set(best["TunedHyperParameters"]) == {"rate", "depth", "kind"}
