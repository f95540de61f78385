"""AWS for the sources: moto over HTTP, a bucket of the platform, and settings that name them."""

import io
from collections.abc import Iterator
from typing import Any

import boto3
import pandas as pd
import pytest

from mlops_assets_tests.aws_server import aws_server, environment

BUCKET = "platform-of-the-tests"


@pytest.fixture(scope="package")
def aws_url() -> Iterator[str]:
    with aws_server() as url:
        yield url


@pytest.fixture
def aws(aws_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Everything of AWS is there, and the platform's bucket."""
    for name, value in {**environment(aws_url), "MLOPS_BUCKET": BUCKET}.items():
        monkeypatch.setenv(name, value)
    if BUCKET not in [b["Name"] for b in boto3.client("s3").list_buckets()["Buckets"]]:
        boto3.client("s3").create_bucket(Bucket=BUCKET)
    return aws_url


def put_parquet(uri: str, frame: pd.DataFrame) -> int:
    """A Parquet object in moto's S3; its size."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    data = io.BytesIO()
    frame.to_parquet(data)
    s3: Any = boto3.client("s3")
    s3.put_object(Bucket=bucket, Key=key, Body=data.getvalue())
    return len(data.getvalue())
