"""AWS for tests: moto's server on a loopback port, and the way to reach it.

Belongs here: starting it. Does not belong here: SageMaker, which this project serves itself.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REGION = "us-east-1"
KEY = "testing"


@contextmanager
def aws_server(account: str = "123456789012") -> Iterator[str]:
    """The URL of a fresh AWS (S3, Glue, Logs, …) that is gone afterwards.

    A process each, for all servers of one process share their buckets, tables and logs.
    """
    with subprocess.Popen(
        [sys.executable, "-m", "mlops_assets_tests.aws_process"],
        cwd=Path(__file__).parents[1],
        env={**os.environ, "MOTO_ACCOUNT_ID": account},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # a line for every request
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert url, "moto's server did not start"
        try:
            yield url
        finally:
            process.stdin.close()


def environment(url: str) -> dict[str, str]:
    """What boto3's default chain needs to find that AWS."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": KEY,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
    }


def glue_catalog(url: str, bucket: str) -> dict[str, str]:
    """pyiceberg's properties for a lake on that AWS."""
    return {
        "type": "glue",
        "warehouse": f"s3://{bucket}/lake",
        "glue.endpoint": url,
        "glue.region": REGION,
        "glue.access-key-id": KEY,
        "glue.secret-access-key": KEY,
        "s3.endpoint": url,
        "s3.region": REGION,
        "s3.access-key-id": KEY,
        "s3.secret-access-key": KEY,
    }
