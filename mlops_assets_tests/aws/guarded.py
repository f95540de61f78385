"""The AWS of the tests behind the templates' roles, Dagster on Postgres: a deployment's world.

Here: moto and the local SageMaker API, each behind the authority; a key, a bucket, a topic with a
queue that hears it; processes that have the credentials of their role and nothing else. Not here:
what is run in it (the tests), who may what (authority).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlops_assets_tests.aws.authority.credentials import variables
from mlops_assets_tests.aws.authority.grant import Place
from mlops_assets_tests.aws.authority.proxy import Authority, in_front_of
from mlops_assets_tests.aws.authority.roles import DAGSTER, EXECUTION, roles
from mlops_assets_tests.aws.world import (
    BUCKET,
    Run,
    World,
    configure_dagster,
    create_bucket,
    sagemaker_server,
)
from mlops_assets_tests.aws_server import REGION, aws_server
from mlops_assets_tests.deploy.template import full

# Of AWS and of the local SageMaker API alike, so that an ARN names the same thing in both.
ACCOUNT = "000000000000"
IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/mlops-assets/sagemaker@sha256:{'ab' * 32}"
# The same repository, another image of it: with torch.
TORCH_IMAGE = IMAGE.replace("ab", "ef")
SUBNETS = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
VPC = "vpc-0123456789abcdef0"
# What the deployment's image is on this machine: the project itself.
_IMAGES = {"sagemaker": {"train": "mlops-assets", "serve": "mlops-assets"}}
_DEADLINE_S = 590


@dataclass(frozen=True)
class Guarded:
    """``dagster`` is the world as Dagster's role sees it; ``admin`` goes past the authority."""

    dagster: World
    admin: World
    authority: Authority
    alerts_url: str

    def client(self, service: str, role: str = DAGSTER) -> Any:
        """A boto3 client that somebody with a role has."""
        import boto3

        given = self.authority.credentials.issue(role)
        beside = service.startswith("sagemaker") or service == "cloudwatch"
        return boto3.client(
            service,
            endpoint_url=self.dagster.sagemaker if beside else self.dagster.moto,
            region_name=REGION,
            aws_access_key_id=given["AccessKeyId"],
            aws_secret_access_key=given["SecretAccessKey"],
            aws_session_token=given["Token"],
        )

    def alerts(self) -> list[dict[str, Any]]:
        """What was published so far and not yet read, oldest first."""
        sqs, found = self.admin.client("sqs"), []
        while got := sqs.receive_message(QueueUrl=self.alerts_url).get("Messages"):
            for message in got:
                found.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=self.alerts_url, ReceiptHandle=message["ReceiptHandle"])
        return found


@dataclass(frozen=True)
class Started:
    """A process, and the file that it prints to: a pipe is full before its turn to be read."""

    process: subprocess.Popen[bytes]
    output: Path


def start(world: World, module: str, *arguments: str) -> Started:
    """``python -m MODULE …`` in a world."""
    descriptor, name = tempfile.mkstemp(suffix=".out", dir=world.root)
    with open(descriptor, "wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            env=world.environment,
            cwd=world.root,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return Started(process, Path(name))


def finished(started: Sequence[Started]) -> list[Run]:
    """What became of processes that run beside each other."""
    try:
        ends = [each.process.wait(_DEADLINE_S) for each in started]
    finally:
        for each in started:
            if each.process.poll() is None:
                os.killpg(each.process.pid, signal.SIGKILL)
    return [Run(end == 0, each.output.read_text()) for end, each in zip(ends, started, strict=True)]


def place_of(key_arn: str, operations_key_arn: str = "arn:OperationsKey") -> Place:
    names = (DAGSTER, EXECUTION, "TaskExecutionRole")
    arns = {name: f"arn:aws:iam::{ACCOUNT}:role/{name}" for name in names}
    return Place(ACCOUNT, REGION, BUCKET, key_arn, operations_key_arn, VPC, arns)


@contextmanager
def guarded_world(
    root: Path,
    postgres: Mapping[str, str] | None,
    *,
    signs: bool = True,
    ecs: bool = False,
    every_pipeline: bool = False,
    **sections: Any,
) -> Iterator[Guarded]:
    """A fresh one.

    Args:
        postgres: the variables of an empty database with Dagster's tables; None: SQLite.
        signs: whether packages are signed by a key of KMS.
        ecs: whether runs are tasks of ECS, as in the deployment (`fargate` runs them).
        every_pipeline: whether the roles are for other pipelines than those that are declared, too.
        sections: of dagster.yaml, in place of the image's.
    """
    (root / "user").mkdir()
    configure_dagster(root, postgres=postgres is not None, ecs=ecs, **sections)
    with aws_server(ACCOUNT) as moto:
        admin = World(root, moto)
        key = admin.client("kms").create_key()["KeyMetadata"]["Arn"]
        create_bucket(admin.client("s3"), key)
        signing = _signing_key(admin) if signs else ""
        for pipeline in ("digits", "flight_delays"):
            # As catalog.yaml makes it.
            admin.client("lakeformation").create_lf_tag(
                TagKey=f"mlops_{pipeline}", TagValues=["rows", "personal", "unclassified"]
            )
        topic, queue = _topic(admin)
        events = admin.client("sqs").create_queue(QueueName="events")["QueueUrl"]
        place = place_of(key, admin.client("kms").create_key()["KeyMetadata"]["Arn"])
        parameters = {
            "SubnetIds": SUBNETS,
            "SigningKeyArn": signing,
            "SignsPackages": "yes" if signs else "no",
            "AlertTopicArn": topic,
            "EventsQueueArn": place.arn("sqs", "events"),
        }
        stacks = full() if every_pipeline else None
        authority = Authority(roles(place, parameters, stacks), place)
        settings = {
            "MLOPS_BUCKET": BUCKET,
            "MLOPS_ROLE_ARN": place.roles[EXECUTION],
            "MLOPS_IMAGE_URI": IMAGE,
            "MLOPS_TORCH_IMAGE_URI": TORCH_IMAGE,
            "MLOPS_SUBNETS": ",".join(SUBNETS),
            "MLOPS_SECURITY_GROUPS": "sg-0123456789abcdef0",
            "MLOPS_KMS_KEY_ARN": key,
            "MLOPS_ALERT_TOPIC_ARN": topic,
            "MLOPS_EVENTS_QUEUE_URL": events,
            "MLOPS_METRICS_NAMESPACE": "mlops_assets/tests",
            "MLOPS_LAKE_FORMATION": "true",
            **({"MLOPS_SIGNING_KEY": signing, "MLOPS_VERIFY_KEY": signing} if signs else {}),
        }
        with in_front_of(moto, authority) as door:
            world = World(root, door, settings=settings, identity=variables(door, DAGSTER))
            world = replace(world, extra=postgres or {})
            (root / "sagemaker").mkdir()
            (root / "sagemaker" / "images.json").write_text(json.dumps(_IMAGES))
            service = replace(world, identity=variables(door, EXECUTION))
            with (
                sagemaker_server(service) as local,
                in_front_of(local, authority) as sagemaker_door,
            ):
                yield Guarded(
                    replace(world, sagemaker=sagemaker_door),
                    replace(admin, sagemaker=local, settings=settings),
                    authority,
                    queue,
                )


def _signing_key(admin: World) -> str:
    made = admin.client("kms").create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
    arn: str = made["KeyMetadata"]["Arn"]
    return arn


def _topic(admin: World) -> tuple[str, str]:
    """A topic, and the URL of a queue that gets what is published there."""
    topic: str = admin.client("sns").create_topic(Name="alerts")["TopicArn"]
    sqs = admin.client("sqs")
    url: str = sqs.create_queue(QueueName="alerts")["QueueUrl"]
    asked = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    admin.client("sns").subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint=asked["Attributes"]["QueueArn"]
    )
    return topic, url
