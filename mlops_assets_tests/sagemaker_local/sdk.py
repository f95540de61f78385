"""The SageMaker Python SDK, unmodified, against a local API of its own; S3 is moto's."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from mlops_assets.sagemaker_local import lifecycle
from mlops_assets_tests import aws_server

BUCKET = "sdk-bucket"


@dataclass(frozen=True)
class Sdk:
    """Where the SDK finds itself: a folder, a local API's address and its home."""

    folder: Path
    url: str

    @property
    def home(self) -> Path:
        return self.folder / "sagemaker"

    @property
    def sagemaker(self) -> Any:
        return boto3.client("sagemaker", endpoint_url=self.url)

    @property
    def s3(self) -> Any:
        return boto3.client("s3")

    def write(self, name: str, script: str) -> Path:
        """A user's script; its path."""
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(script)
        return path

    def run(self, program: str, *arguments: object) -> str:
        """What a program of the user's prints. It has a process of its own: importing the SDK takes
        seconds and reads the environment."""
        ran = subprocess.run(
            [sys.executable, "-c", program, *map(str, arguments)],
            env={
                **os.environ,
                "AWS_ENDPOINT_URL_SAGEMAKER": self.url,
                "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS": self.url,
                "SAGEMAKER_VALIDATE_ROLE": "false",
                "HOME": str(self.folder),
            },
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr[-3000:]
        return ran.stdout


@contextmanager
def sdk_world(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sdk]:
    """An S3 with one bucket, and a local API on it."""
    with aws_server.aws_server() as url:
        for name, value in aws_server.environment(url).items():
            if name != "AWS_ENDPOINT_URL":  # that one would win over the services' own
                monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        home = folder / "sagemaker"
        server = lifecycle.ensure_running(home, objects="s3")
        try:
            yield Sdk(folder, server.url)
        finally:
            lifecycle.stop(home)
