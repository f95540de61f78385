"""deploy/cloudformation/iam.yaml, from the same statements that `mlops iam` prints.

Here: roles, their trust and outputs around the policies, as plain dicts with CloudFormation's
intrinsics. Not here: what the stack is told (`parameters`), text (`template_text`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mlops_assets.permissions.catalogue import POLICIES, ROLES
from mlops_assets.permissions.parameters import CONDITIONS, PARAMETERS
from mlops_assets.permissions.policy import PolicyError, Scope, as_policy, documents
from mlops_assets.permissions.statement import Statement, arn

# IAM's default for one role.
_MOST_POLICIES = 10

_SPARK = "RunsSpark"


def template(scope: Scope) -> dict[str, Any]:
    """The template for these pipelines.

    Raises:
        PolicyError: a role would have more policies than IAM takes.
    """
    cut = {policy: documents(policy, scope) for policy in POLICIES}
    # Where EMR Serverless has no application, there are none of these, and no role of its jobs.
    on_emr = {*cut["SparkJobsPolicy"], *cut["SparkPolicy"]}
    resources: dict[str, Any] = {}
    # A policy that names its own role is attached from its side, or each would wait for the other.
    attached_to: dict[str, str] = {}
    for role, policies in ROLES.items():
        parts = [part for policy in policies for part in cut[policy]]
        if not parts:
            continue  # no declaration asks for what it may
        if len(parts) > _MOST_POLICIES:
            raise PolicyError(
                f"{role} would have {len(parts)} policies, IAM takes {_MOST_POLICIES}: give fewer "
                "pipelines a role in common, or all of them (--any)"
            )
        own = {part for policy in policies for part in _naming(role, cut[policy])}
        attached_to |= dict.fromkeys(own, role)
        attached = [part for part in parts if part not in own]
        conditional = () if role == "SparkRole" else on_emr
        resources[role] = _role(role, [_attached(part, conditional) for part in attached])
    for policy, documented in cut.items():
        for name, statements in documented.items():
            if name in on_emr:
                statements = [replace(each, given="") for each in statements]
            resources[name] = _managed(POLICIES[policy].description, statements)
            if name in attached_to:
                resources[name]["Properties"]["Roles"] = [{"Ref": attached_to[name]}]
            if name in on_emr:
                resources[name]["Condition"] = _SPARK
            if policy == "CiPolicy":
                resources[name]["Condition"] = "OnGitHub"
    spark = "SparkRole" in resources
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "mlops_assets, iam - roles and policies, generated from the declarations",
        "Parameters": {
            name: each for name, each in PARAMETERS.items() if spark or name != "EmrApplicationId"
        },
        "Conditions": {name: each for name, each in CONDITIONS.items() if spark or name != _SPARK},
        "Resources": resources,
        "Outputs": _outputs(cut["ApproverPolicy"], spark=spark),
    }


def _naming(role: str, parts: Mapping[str, Sequence[Statement]]) -> set[str]:
    own = f"${{{role}.Arn}}"
    return {name for name, some in parts.items() if any(own in each.resources for each in some)}


def _managed(description: str, statements: Sequence[Statement]) -> dict[str, Any]:
    return {
        "Type": "AWS::IAM::ManagedPolicy",
        "Properties": {
            "Description": description,
            "PolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [_statement(statement) for statement in statements],
            },
        },
    }


def _statement(statement: Statement) -> dict[str, Any]:
    body = {key: intrinsic(value) for key, value in as_policy(statement, {}).items()}
    if not statement.given:
        return body
    return {"Fn::If": [statement.given, body, {"Ref": "AWS::NoValue"}]}


def intrinsic(value: Any) -> Any:
    """Placeholders as CloudFormation's functions.

    >>> intrinsic(["${Bucket}", "${Role.Arn}", "a:${Bucket}/*", "plain"])
    [{'Ref': 'Bucket'}, {'Fn::GetAtt': ['Role', 'Arn']}, {'Fn::Sub': 'a:${Bucket}/*'}, 'plain']
    """
    if isinstance(value, Mapping):
        return {key: intrinsic(each) for key, each in value.items()}
    if isinstance(value, list):
        return [intrinsic(each) for each in value]
    if alone := re.fullmatch(r"\$\{(?!aws:)([^}]+)\}", value):
        name, dot, attribute = alone[1].partition(".")
        return {"Fn::GetAtt": [name, attribute]} if dot else {"Ref": name}
    return {"Fn::Sub": value} if re.search(r"\$\{(?!aws:)", value) else value


# One an account, by its ARN: the stack `github` makes it, or somebody has.
_GITHUB = (
    "arn:${AWS::Partition}:iam::${AWS::AccountId}:oidc-provider/token.actions.githubusercontent.com"
)
_GITHUB_JOB = {"Fn::Sub": "repo:${GitHubRepository}:environment:${GitHubEnvironment}"}
_TRUST: dict[str, tuple[str, dict[str, Any], str]] = {
    # role: (description, principal, the source that the service acts for)
    "DagsterRole": (
        "Dagster's tasks and the runs that they start",
        {"Service": "ecs-tasks.amazonaws.com"},
        arn("ecs", "*"),
    ),
    "ExecutionRole": (
        "What training jobs and endpoints may do",
        {"Service": "sagemaker.amazonaws.com"},
        arn("sagemaker", "*"),
    ),
    "SparkRole": (
        "What Spark jobs on EMR Serverless may do",
        {"Service": "emr-serverless.amazonaws.com"},
        arn("emr-serverless", "/applications/${EmrApplicationId}"),
    ),
    "TaskExecutionRole": (
        "ECS itself, before a container starts - image, secrets, logs",
        {"Service": "ecs-tasks.amazonaws.com"},
        arn("ecs", "*"),
    ),
}


def _attached(policy: str, on_emr: Collection[str]) -> dict[str, Any]:
    named = {"Ref": policy}
    return {"Fn::If": [_SPARK, named, {"Ref": "AWS::NoValue"}]} if policy in on_emr else named


def _role(role: str, attached: Sequence[dict[str, Any]]) -> dict[str, Any]:
    if role == "CiRole":
        return {
            "Type": "AWS::IAM::Role",
            "Condition": "OnGitHub",
            "Properties": {
                "Description": "GitHub Actions of one environment, by OIDC - no key to keep",
                "AssumeRolePolicyDocument": _trust(
                    {
                        "Effect": "Allow",
                        "Principal": {"Federated": {"Fn::Sub": _GITHUB}},
                        "Action": "sts:AssumeRoleWithWebIdentity",
                        "Condition": {
                            "StringEquals": {
                                "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
                                "token.actions.githubusercontent.com:sub": _GITHUB_JOB,
                            }
                        },
                    }
                ),
                "ManagedPolicyArns": list(attached),
                "MaxSessionDuration": 3600,
            },
        }
    description, principal, source = _TRUST[role]
    return {
        "Type": "AWS::IAM::Role",
        **({"Condition": _SPARK} if role == "SparkRole" else {}),
        "Properties": {
            "Description": description,
            "AssumeRolePolicyDocument": _trust(
                {
                    "Effect": "Allow",
                    "Principal": principal,
                    "Action": "sts:AssumeRole",
                    "Condition": {
                        "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}},
                        "ArnLike": {"aws:SourceArn": {"Fn::Sub": source}},
                    },
                }
            ),
            "ManagedPolicyArns": list(attached),
        },
    }


def _trust(statement: Mapping[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [dict(statement)]}


def _outputs(approving: Mapping[str, Any], *, spark: bool) -> dict[str, Any]:
    def of(description: str, value: Any, condition: str = "") -> dict[str, Any]:
        found = {"Description": description, "Value": value}
        return {"Condition": condition, **found} if condition else found

    return {
        "RoleArn": of("MLOPS_ROLE_ARN", {"Fn::GetAtt": ["ExecutionRole", "Arn"]}),
        "SigningKey": of("MLOPS_SIGNING_KEY", {"Ref": "SigningKeyArn"}, "Signs"),
        "VerifyKey": of("MLOPS_VERIFY_KEY", {"Ref": "SigningKeyArn"}, "Signs"),
        **(
            {"EmrRoleArn": of("MLOPS_EMR_ROLE_ARN", {"Fn::GetAtt": ["SparkRole", "Arn"]}, _SPARK)}
            if spark
            else {}
        ),
        "DagsterRoleArn": of("The role of Dagster's tasks", {"Fn::GetAtt": ["DagsterRole", "Arn"]}),
        "TaskExecutionRoleArn": of(
            "The role by which ECS starts those tasks", {"Fn::GetAtt": ["TaskExecutionRole", "Arn"]}
        ),
        "CiRoleArn": of(
            "The role that GitHub Actions assumes", {"Fn::GetAtt": ["CiRole", "Arn"]}, "OnGitHub"
        ),
        **{
            f"{name}Arn": of(
                "Attach to people who approve models, and to nothing that runs by itself",
                {"Ref": name},
            )
            for name in approving
        },
    }
