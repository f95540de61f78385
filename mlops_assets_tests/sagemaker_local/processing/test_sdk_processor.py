"""The SageMaker Python SDK's processors, unmodified, against the local API; S3 is moto's."""

from __future__ import annotations

import pytest

from mlops_assets_tests.sagemaker_local.sdk import BUCKET, sdk_world

pytestmark = pytest.mark.integration

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
    with sdk_world(tmp_path, monkeypatch) as sdk:
        sdk.s3.put_object(Bucket=BUCKET, Key="rows/rows.txt", Body=b"a row;")
        sdk.run(PROCESS, sdk.write("process.py", SCRIPT))
        (job,) = sdk.sagemaker.list_processing_jobs()["ProcessingJobSummaries"]
        assert job["ProcessingJobStatus"] == "Completed", job
        made = sdk.s3.get_object(Bucket=BUCKET, Key="made/out.txt")["Body"].read()
    assert made == b"a row;a row;a row;"
