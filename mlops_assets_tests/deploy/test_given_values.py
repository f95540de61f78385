"""What AWS makes is taken by the parameters that it is given to.

A pattern is written from memory, an ARN is what the service calls things: RDS names its secrets
``rds!cluster-…``, and a pattern without ``!`` refuses every deployment.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from mlops_assets_tests.delivery.scripts import script

ACCOUNT, REGION = "111122223333", "eu-central-1"
_AT = f"{REGION}:{ACCOUNT}"
_KEY = f"arn:aws:kms:{_AT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
_ROLE = f"arn:aws:iam::{ACCOUNT}:role/mlops-%s-1A2B3C4D5E6F"
_TARGETS = f"arn:aws:elasticloadbalancing:{_AT}:targetgroup/mlops-%s/73e2d6bc24d8a067"

# Outputs that other stacks read, as the services name them (their own documentation's examples).
MADE = {
    "AccessLogBucket": "mlops-lake-accesslogbucket-1qz6f0x2yexample",
    "AlertTopicArn": f"arn:aws:sns:{_AT}:mlops-alerts",
    "Bucket": "mlops-lake-lakebucket-1qz6f0x2yexample",
    "ClusterName": "mlops",
    "ControlPlaneRepository": "mlops-assets/dagster",
    "DagsterRoleArn": _ROLE % "iam-DagsterRole",
    "DatabaseClusterId": "mlops-dagster",
    "DatabaseHost": f"mlops-dagster.cluster-c7tj4example.{REGION}.rds.amazonaws.com",
    "DatabasePort": "5433",
    "DatabaseSecretArn": f"arn:aws:secretsmanager:{_AT}:secret:"
    "rds!cluster-3ec57a44-2e5e-4a3c-a7b1-0e1b1example-AbCdEf",
    "DatabaseSecurityGroupId": "sg-0123456789abcdef0",
    "DeadEventsQueueName": "mlops-dead-events",
    "EmrApplicationId": "00fk9r4example01",
    "EventsQueueArn": f"arn:aws:sqs:{_AT}:mlops-events",
    "EventsQueueName": "mlops-events",
    "EventsQueueUrl": f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/mlops-events",
    "ImageRepository": "mlops-assets/sagemaker",
    "KmsKeyArn": _KEY,
    "LoadBalancerName": "app/mlops/50dc6c495c0c9188",
    "LoadBalancerSecurityGroupId": "sg-0123456789abcdef0",
    "LogGroupName": "/mlops/mlops/tasks",
    "MetricsNamespace": "mlops_assets/monitor",
    "Nat": "no",
    "OperationsKeyArn": _KEY,
    "PublicSubnetIds": "subnet-0123456789abcdef0,subnet-0123456789abcdef1",
    "ReadersTargetGroupArn": _TARGETS % "readers",
    "ReleaserRoleArn": _ROLE % "cicd-ReleaseRole",
    "RoleArn": _ROLE % "iam-ExecutionRole",
    "S3PrefixListId": "pl-6ea54007",
    "SecurityGroupIds": "sg-0123456789abcdef0",
    "SigningKeyArn": _KEY,
    "SparkRepository": "mlops-assets/spark",
    "SubnetIds": "subnet-0123456789abcdef0,subnet-0123456789abcdef1",
    "TaskExecutionRoleArn": _ROLE % "iam-TaskExecutionRole",
    "TrackingServerArn": f"arn:aws:sagemaker:{_AT}:mlflow-tracking-server/mlops",
    "UiUrl": "https://dagster.example.com",
    "VpcCidr": "10.42.0.0/16",
    "VpcId": "vpc-0123456789abcdef0",
    "WritersTargetGroupArn": _TARGETS % "writers",
}


stacks = script("deploy/stacks.py")
PUT_OUT = {name for stack in stacks.ORDER for name in stack.outputs()}
READ = [
    (stack.name, name, parameter)
    for stack in stacks.ORDER
    for name, parameter in stack.parameters().items()
    if name in PUT_OUT
]


@pytest.mark.parametrize(
    ("name", "parameter"),
    [(name, parameter) for _, name, parameter in READ],
    ids=[f"{stack}-{name}" for stack, name, _ in READ],
)
def test_a_value_as_aws_makes_it_is_taken(name: str, parameter: dict[str, Any]) -> None:
    """A stack that no account can deploy, and that every linter passes."""
    value = MADE[name]
    assert re.fullmatch(parameter.get("AllowedPattern", ".*"), value), parameter["AllowedPattern"]
    assert value in parameter.get("AllowedValues", [value])


def test_every_value_that_is_handed_on_is_tried() -> None:
    """A new output whose parameter's pattern nobody has held against a real name."""
    assert {name for _, name, _ in READ} <= MADE.keys()
    assert MADE.keys() <= {name for _, name, _ in READ}


def test_the_secret_of_rds_was_refused_once() -> None:
    """Negative control: the pattern that stood in the iam stack."""
    before = "arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]+"
    assert not re.fullmatch(before, MADE["DatabaseSecretArn"])
