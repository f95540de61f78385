"""The SageMaker Python SDK, unmodified, against the local API; S3 is moto's."""

from __future__ import annotations

import os
import subprocess
import sys

import boto3
import pytest

from mlops_assets.sagemaker_local import lifecycle
from mlops_assets_tests import aws_server

pytestmark = pytest.mark.integration

# A process of its own: importing the SDK takes seconds and reads the environment.
TRAIN = """
import sys
from sagemaker.core.helper.session_helper import Session
from sagemaker.train.configs import Compute, OutputDataConfig, SourceCode
from sagemaker.train.model_trainer import ModelTrainer

ModelTrainer(
    sagemaker_session=Session(default_bucket="sdk-bucket"),
    training_image="000000000000.dkr.ecr.us-east-1.amazonaws.com/any:1",
    role="arn:aws:iam::000000000000:role/test",
    source_code=SourceCode(source_dir=sys.argv[1], entry_script="train.py"),
    compute=Compute(instance_type="ml.m5.large", instance_count=2),
    hyperparameters={"depth": 6},
    base_job_name="sdk",
    output_data_config=OutputDataConfig(s3_output_path="s3://sdk-bucket/out"),
).train(wait=True, logs=True)
"""
SCRIPT = """
import os, sys
print("trained with", sys.argv[1:], os.environ["SM_HPS"], os.environ["SM_CURRENT_HOST"])
open(os.environ["SM_MODEL_DIR"] + "/model.txt", "w").write("m")
"""


def test_an_unmodified_model_trainer_trains(tmp_path, monkeypatch):
    """Users of the SDK have scripts that they will not change for us."""
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
            command = [sys.executable, "-c", TRAIN, str(tmp_path / "source")]
            ran = subprocess.run(
                command,
                env=os.environ | sdk,
                capture_output=True,
                text=True,
                timeout=180,
                check=False,
            )
            assert ran.returncode == 0, ran.stderr[-3000:]
            sagemaker = boto3.client("sagemaker", endpoint_url=server.url)
            (summary,) = sagemaker.list_training_jobs()["TrainingJobSummaries"]
            job = sagemaker.describe_training_job(TrainingJobName=summary["TrainingJobName"])
        finally:
            lifecycle.stop(home)
        assert job["TrainingJobStatus"] == "Completed", job
        key = job["ModelArtifacts"]["S3ModelArtifacts"].removeprefix("s3://sdk-bucket/")
        assert boto3.client("s3").head_object(Bucket="sdk-bucket", Key=key)["ContentLength"] > 0
        logs = [path.read_text() for path in sorted((home / "logs").rglob("*.log"))]
        assert len(logs) == 2  # one for each instance
        for number, log in enumerate(logs, start=1):
            assert f"trained with ['--depth', '6'] {{\"depth\": 6}} algo-{number}" in log
