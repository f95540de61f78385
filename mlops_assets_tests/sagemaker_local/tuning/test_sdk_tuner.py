"""The SageMaker Python SDK's tuner, unmodified, against the local API; S3 is moto's."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import boto3
import pytest

from mlops_assets.sagemaker_local import lifecycle
from mlops_assets_tests import aws_server

pytestmark = pytest.mark.integration

# A process of its own: importing the SDK takes seconds and reads the environment.
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
    with aws_server.aws_server() as url:
        for name, value in aws_server.environment(url).items():
            if name != "AWS_ENDPOINT_URL":  # that one would win over the services' own
                monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
        boto3.client("s3").create_bucket(Bucket="sdk-bucket")
        (tmp_path / "source").mkdir()
        (tmp_path / "source" / "train.py").write_text(SCRIPT)
        home = tmp_path / "sagemaker"
        server = lifecycle.ensure_running(home, objects="s3")
        try:
            sdk = {
                "AWS_ENDPOINT_URL_SAGEMAKER": server.url,
                "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS": server.url,
                "SAGEMAKER_VALIDATE_ROLE": "false",
                "HOME": str(tmp_path),
            }
            ran = subprocess.run(
                [sys.executable, "-c", TUNE, str(tmp_path / "source")],
                env=os.environ | sdk,
                capture_output=True,
                text=True,
                timeout=180,
                check=False,
            )
            assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr[-3000:]
            said = [json.loads(line) for line in ran.stdout.splitlines() if line[:2] == '{"']
            sagemaker = boto3.client("sagemaker", endpoint_url=server.url)
            found = sagemaker.describe_hyper_parameter_tuning_job(
                HyperParameterTuningJobName=said[0]["job"]
            )
        finally:
            lifecycle.stop(home)
        assert found["HyperParameterTuningJobStatus"] == "Completed"
        assert found["TrainingJobStatusCounters"]["Completed"] == 3
        best = found["BestTrainingJob"]
        assert said[1]["best"] == best["TrainingJobName"]
        assert set(best["TunedHyperParameters"]) == {"rate", "depth", "kind"}
