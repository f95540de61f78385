"""A small AWS in which Spark jobs of EMR Serverless really run: moto, and pyspark's spark-submit.

Here: the settings of such a world, and the Spark that stands for EMR's: of this machine, or of
several that share no disk. Not here: the API (emr_api.py).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import boto3
import dagster as dg
import pytest

from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.records import _opened
from mlops_assets_tests.aws_server import REGION, aws_server, environment
from mlops_assets_tests.spark.emr_api import APPLICATION, ROLE, EMRServerlessApi, emr_serverless
from mlops_assets_tests.spark.emr_jobs import Submit
from mlops_assets_tests.worlds import TestWorld

BUCKET = "lake-of-spark"
ROOT = Path(__file__).parents[2]
_OF_THIS_MACHINE = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.driver.memory": "1g",
    "spark.executor.memory": "1g",
    "spark.sql.shuffle.partitions": "4",
}
ONE = {"spark.master": "local[2]"}
SEVERAL = {"spark.master": "local-cluster[2,1,2048]"}
# A disk of each executor's own: a file system in memory hides what others have there.
_JAVA = """#!/bin/sh
case "$*" in *CoarseGrainedExecutorBackend*)
    exec unshare -rm sh -c 'mount -t tmpfs none {private} && exec "$@"' - {java} "$@" ;;
esac
exec {java} "$@"
"""


@dataclass(frozen=True)
class EmrWorld:
    """``home``: one that every process sees; ``private``: of it, what no executor sees of others'.
    Drivers have their temporary files there."""

    home: Path
    api: EMRServerlessApi
    submit: Submit

    @property
    def private(self) -> Path:
        return self.home / "private"

    def of(self, pipeline: MLPipeline, instance: dg.DagsterInstance | None = None) -> TestWorld:
        """The pipeline in this AWS."""
        more = {} if instance is None else {"instance": instance}
        made = TestWorld(self.home, pipeline, **more)
        made.resources["spark_jobs"]._poll_interval = 0.2
        return made

    def files(self, prefix: str) -> list[str]:
        """The keys of the bucket's Parquet files below a prefix."""
        pages = boto3.client("s3").get_paginator("list_objects_v2")
        return [
            found["Key"]
            for page in pages.paginate(Bucket=BUCKET, Prefix=prefix)
            for found in page.get("Contents", ())
            if found["Key"].endswith(".parquet")
        ]

    def executors(self) -> list[int]:
        """Of each application of several machines, how many executors had tasks of it."""
        return [
            sum("Running task" in log.read_text() for log in found.glob("*/stderr"))
            for found in sorted((self.home / "spark" / "work").glob("app-*"))
        ]


@contextmanager
def emr_world(home: Path, conf: Mapping[str, str]) -> Iterator[EmrWorld]:
    """The world of MLOPS_ENV=aws, in the environment of this process."""
    (home / "private").mkdir()
    with aws_server() as url, pytest.MonkeyPatch.context() as patch:
        for name, value in {**environment(url), **_settings()}.items():
            patch.setenv(name, value)
        _opened.cache_clear()  # a store of an earlier world, whose AWS is gone
        submit = Submit(
            [str(_spark_home(home) / "bin" / "spark-submit")],
            {
                **os.environ,
                "PYTHONPATH": os.pathsep.join([str(ROOT), *_python_path()]),
                "TMPDIR": str(home / "private"),
                "SPARK_HOME": str(home / "spark"),
                "SPARK_LOCAL_IP": "127.0.0.1",
                "JAVA_HOME": str(_java_home(home)),
            },
            {**_OF_THIS_MACHINE, "spark.local.dir": str(home / "private" / "blocks"), **conf},
        )
        with emr_serverless(submit) as (own, api):
            patch.setenv("AWS_ENDPOINT_URL_EMR_SERVERLESS", own)
            boto3.client("s3").create_bucket(Bucket=BUCKET)
            yield EmrWorld(home, api, submit)


def _settings() -> dict[str, str]:
    account = "123456789012"
    return {
        "MLOPS_ENV": "aws",
        "MLOPS_BUCKET": BUCKET,
        "MLOPS_ROLE_ARN": f"arn:aws:iam::{account}:role/execution",
        "MLOPS_IMAGE_URI": f"{account}.dkr.ecr.{REGION}.amazonaws.com/mlops@sha256:{'ab' * 32}",
        "MLOPS_SUBNETS": "subnet-0123456789abcdef0",
        "MLOPS_SECURITY_GROUPS": "sg-0123456789abcdef0",
        "MLOPS_KMS_KEY_ARN": f"arn:aws:kms:{REGION}:{account}:key/0",
        "MLOPS_EMR_APPLICATION_ID": APPLICATION,
        "MLOPS_EMR_ROLE_ARN": ROLE,
    }


def _python_path() -> list[str]:
    return list(filter(None, [os.environ.get("PYTHONPATH")]))


def _spark_home(home: Path) -> Path:
    """pyspark's own, by links: what a cluster leaves beside it goes with the test."""
    import pyspark

    made = home / "spark"
    (made / "work").mkdir(parents=True)
    for each in Path(pyspark.__file__).parent.iterdir():
        if each.name != "work":
            (made / each.name).symlink_to(each)
    return made


def _java_home(home: Path) -> Path:
    """A Java whose executors have a disk of their own."""
    found = os.environ.get("JAVA_HOME")
    java = f"{found}/bin/java" if found else os.path.realpath(str(shutil.which("java")))
    script = home / "java" / "bin" / "java"
    script.parent.mkdir(parents=True)
    script.write_text(_JAVA.format(private=home / "private", java=java))
    script.chmod(0o755)
    return home / "java"


def disks_can_be_hidden() -> bool:
    """Whether this user may have mounts of their own."""
    if shutil.which("unshare") is None:
        return False
    tried = subprocess.run(
        ["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False
    )
    return tried.returncode == 0
