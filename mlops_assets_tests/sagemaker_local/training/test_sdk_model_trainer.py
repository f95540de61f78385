"""The SageMaker Python SDK, unmodified, against the local API; S3 is moto's."""

from __future__ import annotations

import pytest

from mlops_assets_tests.sagemaker_local.sdk import BUCKET, sdk_world

pytestmark = pytest.mark.integration

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
    with sdk_world(tmp_path, monkeypatch) as sdk:
        sdk.run(TRAIN, sdk.write("source/train.py", SCRIPT).parent)
        (summary,) = sdk.sagemaker.list_training_jobs()["TrainingJobSummaries"]
        job = sdk.sagemaker.describe_training_job(TrainingJobName=summary["TrainingJobName"])
        assert job["TrainingJobStatus"] == "Completed", job
        key = job["ModelArtifacts"]["S3ModelArtifacts"].removeprefix(f"s3://{BUCKET}/")
        assert sdk.s3.head_object(Bucket=BUCKET, Key=key)["ContentLength"] > 0
        logs = [path.read_text() for path in sorted((sdk.home / "logs").rglob("*.log"))]
    assert len(logs) == 2  # one for each instance
    for number, log in enumerate(logs, start=1):
        assert f"trained with ['--depth', '6'] {{\"depth\": 6}} algo-{number}" in log
