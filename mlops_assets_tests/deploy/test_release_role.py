"""What a release may: all that it needs to bring services to other images, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlops_assets_tests.deploy import iam
from mlops_assets_tests.deploy.calls import needed_actions
from mlops_assets_tests.deploy.template import FOLDER, parse

RELEASE = parse(FOLDER / "release.yaml")
GIVEN = {
    "DagsterRoleArn": "arn:aws:iam::111122223333:role/dagster",
    "TaskExecutionRoleArn": "arn:aws:iam::111122223333:role/execution",
}
STACK = iam.statements(RELEASE, ["StackPolicy"], **GIVEN)
RELEASER = iam.statements(RELEASE, ["ReleaserPolicy"], **GIVEN)

# What CloudFormation's own resource types call (the handlers in their published schemas). Another
# image is a new task definition and an old one less, and a service that takes it, or goes back.
HANDLERS = {
    "AWS::ECS::Service, update": {
        "ecs:DescribeServiceDeployments",
        "ecs:DescribeServices",
        "ecs:ListServiceDeployments",
        "ecs:ListTagsForResource",
        "ecs:StopServiceDeployment",
        "ecs:TagResource",
        "ecs:UntagResource",
        "ecs:UpdateService",
    },
    "AWS::ECS::TaskDefinition, create, update and delete": {
        "ecs:DeregisterTaskDefinition",
        "ecs:DescribeTaskDefinition",
        "ecs:ListTagsForResource",
        "ecs:RegisterTaskDefinition",
        "ecs:TagResource",
        "ecs:UntagResource",
        "iam:GetRole",
        "iam:PassRole",
    },
}


def test_cloudformation_may_what_its_resource_types_call() -> None:
    """A release that fails half-way, and a way back that fails for the same want."""
    allowed = iam.actions(STACK)
    for kind, needed in HANDLERS.items():
        assert needed <= allowed, kind
    assert allowed == set().union(*HANDLERS.values())


@pytest.mark.integration  # botocore's description of CloudFormation takes seconds
def test_the_releaser_may_what_its_script_calls() -> None:
    """A call that was added to release.py, and is refused in production first."""
    script = FOLDER.parents[1] / "deploy" / "pipelines" / "release.py"
    called = set(needed_actions([Path(script)])) - {"sts:GetCallerIdentity"}  # which everybody may
    assert "cloudformation:ExecuteChangeSet" in called
    assert called <= iam.actions(RELEASER)


def test_a_delivery_finds_the_stacks_role_by_the_releasers_name() -> None:
    """A release as the releaser itself, who may not touch a service."""
    names = [
        RELEASE["Resources"][role]["Properties"]["RoleName"]["Fn::Sub"]
        for role in ("ReleaserRole", "StackRole")
    ]
    assert names[1] == f"{names[0]}-stack"
    root = FOLDER.parents[1]
    assert '--role="$AWS_ROLE_ARN-stack"' in (root / ".github/workflows/release.yml").read_text()
    assert '--role="$ROLE_ARN-stack"' in (FOLDER / "cicd.yaml").read_text()


def test_it_reaches_one_stack_and_the_services_of_one_cluster() -> None:
    """A delivery that could change the network, the lake or somebody else's service."""
    stack = "arn:aws:cloudformation:us-east-1:111122223333:stack/mlops-{}/1"
    service = "arn:aws:ecs:us-east-1:111122223333:service/{}/daemon"
    assert iam.allowed(RELEASER, "cloudformation:CreateChangeSet", stack.format("dagster"))
    assert not iam.allowed(RELEASER, "cloudformation:CreateChangeSet", stack.format("lake"))
    assert iam.allowed(STACK, "ecs:UpdateService", service.format("mlops"))
    assert not iam.allowed(STACK, "ecs:UpdateService", service.format("payroll"))
    passed = {"iam:PassedToService": "ecs-tasks.amazonaws.com"}
    assert iam.allowed(STACK, "iam:PassRole", GIVEN["DagsterRoleArn"], passed)
    assert not iam.allowed(STACK, "iam:PassRole", "arn:aws:iam::111122223333:role/admin", passed)
    assert not iam.allowed(STACK, "iam:PassRole", GIVEN["DagsterRoleArn"])
