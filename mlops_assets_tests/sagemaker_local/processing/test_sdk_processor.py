"""The SageMaker Python SDK's processors, unmodified, against the local API; S3 is moto's."""

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
PROCESS = """
import sys
from sagemaker.core.helper.session_helper import Session
from sagemaker.core.processing import ScriptProcessor
from sagemaker.core.shapes import (
    ProcessingInput, ProcessingOutput, ProcessingS3Input, ProcessingS3Output,
)

processor = ScriptProcessor(
    image_uri="000000000000.dkr.ecr.us-east-1.amazonaws.com/any:1",
    role="arn:aws:iam::000000000000:role/test",
    command=["python3"],
    instance_type="ml.m5.large",
    instance_count=1,
    base_job_name="sdk",
    sagemaker_session=Session(default_bucket="sdk-bucket"),
)
processor.run(
    code=sys.argv[1],
    arguments=["--factor", "3"],
    inputs=[ProcessingInput(input_name="rows", s3_input=ProcessingS3Input(
        s3_uri="s3://sdk-bucket/rows", local_path="/opt/ml/processing/input/rows",
        s3_data_type="S3Prefix", s3_input_mode="File"))],
    outputs=[ProcessingOutput(output_name="made", s3_output=ProcessingS3Output(
        s3_uri="s3://sdk-bucket/made", local_path="/opt/ml/processing/output/made",
        s3_upload_mode="EndOfJob"))],
    wait=False,
    logs=False,
)
processor.latest_job.wait(poll=1)
"""
SCRIPT = """
import pathlib, sys
rows = pathlib.Path("/opt/ml/processing/input/rows/rows.txt").read_text()
pathlib.Path("/opt/ml/processing/output/made/out.txt").write_text(rows * int(sys.argv[2]))
"""


@pytest.mark.nightly
def test_an_unmodified_script_processor_processes(tmp_path, monkeypatch):
    """Users of the SDK have processors that they will not change for us."""
    with aws_server.aws_server() as url:
        for name, value in aws_server.environment(url).items():
            if name != "AWS_ENDPOINT_URL":  # that one would win over the services' own
                monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket="sdk-bucket")
        s3.put_object(Bucket="sdk-bucket", Key="rows/rows.txt", Body=b"a row;")
        (tmp_path / "process.py").write_text(SCRIPT)
        home = tmp_path / "sagemaker"
        server = lifecycle.ensure_running(home, objects="s3")
        try:
            sdk = {
                "AWS_ENDPOINT_URL_SAGEMAKER": server.url,
                "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS": server.url,
                "SAGEMAKER_VALIDATE_ROLE": "false",
                "HOME": str(tmp_path),
            }
            command = [sys.executable, "-c", PROCESS, str(tmp_path / "process.py")]
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
            (job,) = sagemaker.list_processing_jobs()["ProcessingJobSummaries"]
        finally:
            lifecycle.stop(home)
        assert job["ProcessingJobStatus"] == "Completed", job
        made = s3.get_object(Bucket="sdk-bucket", Key="made/out.txt")["Body"].read()
        assert made == b"a row;a row;a row;"
