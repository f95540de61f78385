"""AWS on loopback ports, and the environment of a process that runs in it.

Here: moto (S3, Glue, Logs, KMS, STS, IAM), the local SageMaker API as a process of its own whose
``s3://`` is moto's, the variables that name them, and runs of Dagster as child processes that see
nothing else. Not here: what must then be so (the tests).
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from mlops_assets_tests.aws_server import KEY, REGION, aws_server
from mlops_assets_tests.diabetes import write_csv

ROOT = Path(__file__).resolve().parents[2]
BUCKET = "lake-of-the-tests"
# By digest, as dagster.yaml's output names it.
IMAGE = f"{{account}}.dkr.ecr.{REGION}.amazonaws.com/mlops-assets@sha256:{'ab' * 32}"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "sagemaker.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}
_OF_MOTO = (
    "CLOUDWATCH_LOGS",
    "EC2",
    "ECS",
    "GLUE",
    "IAM",
    "KMS",
    "LAKEFORMATION",
    "S3",
    "SECRETS_MANAGER",
    "SNS",
    "SQS",
    "STS",
)
DEADLINE_S = 240  # no test asserts a time: this only ends one that hangs


@dataclass(frozen=True)
class World:
    """``settings`` are the MLOPS_ variables; without a ``sagemaker``, moto is asked for it.

    ``identity``: the variables by which a process gets its credentials; ``extra``: those that are
    not the platform's, such as Dagster's.
    """

    root: Path
    moto: str
    sagemaker: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    identity: Mapping[str, str] = field(
        default_factory=lambda: {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": KEY}
    )
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        """Where the local world would be; in this one nothing may be written there."""
        return self.root / "home"

    @property
    def user(self) -> Path:
        """The home of the user who runs all this; nothing may be written there either."""
        return self.root / "user"

    @property
    def endpoints(self) -> dict[str, str]:
        """URLs by the names that botocore gives the services in its variables."""
        others = dict.fromkeys(_OF_MOTO, self.moto)
        ours = self.sagemaker or self.moto
        # Metrics and alarms of endpoints are where the endpoints are: moto evaluates no alarm.
        beside = ("SAGEMAKER", "SAGEMAKER_RUNTIME", "CLOUDWATCH", "APPLICATION_AUTO_SCALING")
        return {**others, **dict.fromkeys(beside, ours)}

    @property
    def environment(self) -> dict[str, str]:
        """All that a process of the platform sees: nothing of the user's own AWS or settings."""
        theirs = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "MLOPS_"))}
        return {
            **theirs,
            "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)]),
            "HOME": str(self.user),
            "MPLCONFIGDIR": str(self.root / "matplotlib"),  # as in the image: a cache, no state
            "DAGSTER_HOME": str(self.root / "dagster"),
            **self.identity,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            **{f"AWS_ENDPOINT_URL_{name}": url for name, url in self.endpoints.items()},
            "MLOPS_ENV": "aws",
            "MLOPS_HOME": str(self.home),
            **self.settings,
            **self.extra,
        }

    def client(self, service: str) -> Any:
        """A boto3 client, as somebody without this project makes one."""
        import boto3

        url = self.sagemaker if service.startswith("sagemaker") else self.moto
        return boto3.client(
            service,
            endpoint_url=url,
            region_name=REGION,
            aws_access_key_id=KEY,
            aws_secret_access_key=KEY,
        )

    def objects(self, prefix: str = "") -> dict[str, Any]:
        """{key: (ETag, time of writing)} of the bucket's objects below a prefix."""
        pages = self.client("s3").get_paginator("list_objects_v2")
        return {
            found["Key"]: (found["ETag"], found["LastModified"])
            for page in pages.paginate(Bucket=BUCKET, Prefix=prefix)
            for found in page.get("Contents", ())
        }

    def read(self, key: str) -> str:
        body: bytes = self.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return body.decode()

    def materialize(self, select: str) -> Run:
        """``dagster asset materialize`` of the one partition, in a process of its own."""
        command = [sys.executable, "-m", "dagster", "asset", "materialize"]
        command += ["-m", "mlops_assets_tests.aws.location", "--select", select]
        done = subprocess.run(
            [*command, "--partition", "all"],
            env=self.environment,
            cwd=self.root,
            capture_output=True,
            text=True,
            check=False,
            timeout=DEADLINE_S,
        )
        return Run(done.returncode == 0, done.stdout + done.stderr)

    def without(self, variable: str) -> World:
        """The same world, but for one variable that is not set."""
        return replace(self, settings={k: v for k, v in self.settings.items() if k != variable})


@dataclass(frozen=True)
class Run:
    """One run, and what the terminal showed of it."""

    success: bool
    output: str

    @property
    def id(self) -> str:
        found = re.search(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", self.output)
        assert found, self.output[-3000:]
        return found[0]


@contextmanager
def new_world(root: Path) -> Iterator[World]:
    """A fresh AWS with what deploy/cloudformation leaves in it, and the source's file."""
    (root / "user").mkdir()
    configure_dagster(root)
    with aws_server() as moto:
        world = World(root, moto)
        account = world.client("sts").get_caller_identity()["Account"]
        role = world.client("iam").create_role(
            RoleName="execution", AssumeRolePolicyDocument=json.dumps(TRUST)
        )
        key = world.client("kms").create_key()["KeyMetadata"]["Arn"]
        create_bucket(world.client("s3"), key)
        csv = write_csv(root / "source")
        world.client("s3").upload_file(str(csv), BUCKET, f"incoming/diabetes/{csv.name}")
        settings = {
            "MLOPS_BUCKET": BUCKET,
            "MLOPS_ROLE_ARN": role["Role"]["Arn"],
            "MLOPS_IMAGE_URI": IMAGE.format(account=account),
            "MLOPS_SUBNETS": "subnet-0123456789abcdef0,subnet-0123456789abcdef1",
            "MLOPS_SECURITY_GROUPS": "sg-0123456789abcdef0",
            "MLOPS_KMS_KEY_ARN": key,
        }
        with sagemaker_server(world) as url:
            yield replace(world, settings=settings, sagemaker=url)


def create_bucket(s3: Any, key: str) -> None:
    s3.create_bucket(Bucket=BUCKET)
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    rule = {"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": True}
    s3.put_bucket_encryption(Bucket=BUCKET, ServerSideEncryptionConfiguration={"Rules": [rule]})


def configure_dagster(
    root: Path, *, postgres: bool = False, ecs: bool = False, **sections: Any
) -> None:
    """The image's instance, but with folders of this test for scratch, and without Postgres and
    ECS where there are none: SQLite, and runs as processes.

    ``sections`` replace those of the file, which is made for days, not for seconds.
    """
    config = yaml.safe_load((ROOT / "deploy" / "docker" / "dagster.yaml").read_text())
    if not postgres:
        del config["storage"]
    if not ecs:
        del config["run_launcher"]
    config["local_artifact_storage"]["config"]["base_dir"] = str(root / "dagster")
    config["compute_logs"]["config"]["local_dir"] = str(root / "compute-logs")
    (root / "dagster").mkdir()
    (root / "dagster" / "dagster.yaml").write_text(yaml.safe_dump({**config, **sections}))


@contextmanager
def sagemaker_server(world: World) -> Iterator[str]:
    """The local SageMaker API over HTTP, as a server in the foreground; its URL."""
    command = [sys.executable, "-m", "mlops_assets.sagemaker_local", "--objects", "s3"]
    with subprocess.Popen(
        [*command, "--home", str(world.root / "sagemaker")],
        env=world.environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            url = process.stdout.readline().strip()
            assert url, "the local SageMaker API did not start"
            yield url
        finally:
            process.terminate()
