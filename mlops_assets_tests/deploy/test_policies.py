"""The templates keep our rules, and each rule finds what it is there for.

A rule that finds nothing in a good template proves little; so each is also run on the same template
with one thing broken.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlops_assets_tests.deploy import policy
from mlops_assets_tests.deploy.policy_tables import ON_ANY_RESOURCE
from mlops_assets_tests.deploy.template import FILES, Template, full, parse

FULL = full()


@pytest.mark.parametrize("rule", policy.RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_template_keeps_the_rule(path: Path, rule: Callable[..., Any]) -> None:
    """A template that grants more than the platform needs."""
    assert list(rule(parse(path))) == []


@pytest.mark.parametrize("rule", policy.RULES, ids=lambda rule: rule.__name__)
def test_policies_for_whatever_pipeline_keep_the_rule(rule: Callable[..., Any]) -> None:
    """Permissions that only a feature of no pipeline here asks for: no template shows them."""
    assert list(rule(FULL)) == []


def _properties(template: Template, name: str) -> dict[str, Any]:
    return template["Resources"][name]["Properties"]


def _statement(template: Template, name: str, sid: str) -> dict[str, Any]:
    statements = _properties(template, name)["PolicyDocument"]["Statement"]
    unconditional = [statement.get("Fn::If", [None, statement])[1] for statement in statements]
    return next(statement for statement in unconditional if statement["Sid"] == sid)


def _without_sid(template: Template, name: str, sid: str) -> None:
    _properties(template, name)["PolicyDocument"]["Statement"].remove(
        _statement(template, name, sid)
    )


def _trust(template: Template) -> dict[str, Any]:
    return _properties(template, "ExecutionRole")["AssumeRolePolicyDocument"]["Statement"][0]


# What is broken, as (rule, break it, what the finding must say).
BROKEN: list[tuple[Callable[..., Any], Callable[[Template], object], str]] = [
    (
        policy.no_wildcard_actions,
        lambda t: _statement(t, "LakePolicy", "Objects").update(Action="*"),
        "LakePolicy allows *",
    ),
    (
        policy.no_wildcard_actions,
        lambda t: _statement(t, "LakePolicy", "Objects").update(Action=["s3:*"]),
        "LakePolicy allows s3:*",
    ),
    (
        policy.no_wildcard_actions,
        lambda t: _statement(t, "LakePolicy", "Objects").update(NotAction="iam:*"),
        "LakePolicy allows by NotAction",
    ),
    (
        policy.no_wildcard_resources,
        lambda t: _statement(t, "LakePolicy", "Objects").update(Resource="*"),
        "LakePolicy allows s3:GetObject on every resource",
    ),
    (
        policy.no_open_principals,
        lambda t: _statement(t, "AccessLogBucketPolicy", "LogsOfThisAccount").update(Principal="*"),
        "AccessLogBucketPolicy allows everybody",
    ),
    (
        policy.pass_role_is_bound,
        lambda t: _statement(t, "PlatformPolicy", "PassTheExecutionRole").pop("Condition"),
        "passes a role to any service",
    ),
    (
        policy.pass_role_is_bound,
        lambda t: _statement(t, "PlatformPolicy", "PassTheExecutionRole").update(
            Resource={"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/*"}
        ),
        "passes roles by wildcard",
    ),
    (
        policy.services_come_from_this_account,
        lambda t: _trust(t)["Condition"].pop("StringEquals"),
        "ExecutionRole trusts sagemaker.amazonaws.com for any account",
    ),
    (
        policy.buckets_are_private,
        lambda t: _without_sid(t, "LakeBucketPolicy", "TlsOnly"),
        "LakeBucket answers without TLS",
    ),
    (
        policy.buckets_are_private,
        lambda t: _statement(t, "LakeBucketPolicy", "TlsOnly")["Resource"].pop(),
        "LakeBucket answers without TLS",
    ),
    (
        policy.buckets_are_private,
        lambda t: _properties(t, "LakeBucket")["PublicAccessBlockConfiguration"].update(
            BlockPublicPolicy=False
        ),
        "LakeBucket is not closed to the public",
    ),
    (
        policy.buckets_are_private,
        lambda t: _properties(t, "LakeBucket")["VersioningConfiguration"].update(
            Status="Suspended"
        ),
        "LakeBucket is not versioned",
    ),
    (
        policy.buckets_are_private,
        lambda t: _properties(t, "LakeBucket").pop("BucketEncryption"),
        "LakeBucket is not encrypted",
    ),
    (
        policy.buckets_are_private,
        lambda t: _properties(t, "LakeBucket").pop("LoggingConfiguration"),
        "LakeBucket has no access log",
    ),
    (
        policy.buckets_are_private,
        lambda t: _properties(t, "LakeBucket").pop("LifecycleConfiguration"),
        "LakeBucket has no lifecycle",
    ),
    (
        policy.data_outlives_the_stack,
        lambda t: t["Resources"]["Key"].pop("DeletionPolicy"),
        "Key has no DeletionPolicy",
    ),
    (
        policy.keys_rotate,
        lambda t: _properties(t, "Key").update(EnableKeyRotation=False),
        "Key is not rotated",
    ),
    (
        policy.unprotected_requests_are_denied,
        lambda t: _without_sid(t, "ServingPolicy", "NothingOutsideTheNetwork"),
        "allows sagemaker:CreateModel without sagemaker:VpcSubnets",
    ),
    (
        policy.unprotected_requests_are_denied,
        lambda t: _without_sid(t, "ServingPolicy", "NoVolumeWithoutKey"),
        "allows sagemaker:CreateEndpointConfig without sagemaker:VolumeKmsKey",
    ),
    (
        policy.unprotected_requests_are_denied,
        lambda t: _without_sid(t, "FeaturesPolicy", "NoFeaturesWithoutKey"),
        "allows sagemaker:CreateFeatureGroup without sagemaker:FeatureGroupOnlineStoreKmsKey",
    ),
    (
        policy.unprotected_requests_are_denied,
        lambda t: _without_sid(t, "PlatformPolicy", "NoWayOutOfTheContainer"),
        "allows sagemaker:CreateTrainingJob where sagemaker:NetworkIsolation is not true",
    ),
    (
        policy.wide_actions_are_bound,
        lambda t: _statement(t, "ServingPolicy", "ProbeMetrics").pop("Condition"),
        "allows cloudwatch:PutMetricData whatever cloudwatch:namespace is",
    ),
    (
        policy.wide_actions_are_bound,
        lambda t: _statement(t, "PlatformPolicy", "Signatures").pop("Condition"),
        "allows kms:Sign whatever kms:SigningAlgorithm is",
    ),
    (
        policy.people_approve,
        lambda t: _statement(t, "PlatformPolicy", "PromoteButNeverApprove").pop("Condition"),
        "PlatformPolicy approves models",
    ),
    (
        policy.people_approve,
        lambda t: _properties(t, "ExecutionRole")["ManagedPolicyArns"].append(
            {"Ref": "ApproverPolicy"}
        ),
        "ExecutionRole approves models",
    ),
    (
        policy.nothing_is_privileged,
        lambda t: _properties(t, "ExecutionRole").update(Environment={"Privileged": True}),
        "a container is privileged",
    ),
    (
        policy.nothing_is_privileged,
        lambda t: _properties(t, "ExecutionRole").update(CidrIp="0.0.0.0/0"),
        "ExecutionRole names the whole world",
    ),
    (
        policy.nothing_is_privileged,
        lambda t: t["Parameters"]["ClientCidr"].update(Default="0.0.0.0/0"),
        "ClientCidr is the whole world",
    ),
    (
        policy.images_come_by_digest,
        lambda t: t["Parameters"]["ImageDigest"].update(AllowedPattern=".*"),
        "ImageDigest is not held to a digest",
    ),
]


@pytest.mark.parametrize(
    ("rule", "breaking", "finding"), BROKEN, ids=[finding for *_, finding in BROKEN]
)
def test_rule_finds_what_was_broken(
    rule: Callable[..., Any], breaking: Callable[[Template], object], finding: str
) -> None:
    """A rule that would let the very thing pass that it is named for."""
    template = copy.deepcopy(FULL)
    breaking(template)
    assert any(finding in found for found in rule(template)), list(rule(template))


def test_every_rule_has_a_broken_template() -> None:
    """A new rule that nobody has seen fail."""
    assert {rule for rule, *_ in BROKEN} == set(policy.RULES)


def test_only_the_lakes_key_is_accepted() -> None:
    """Objects that a copy of the data's key cannot read, or that another key's owner can."""
    other = _statement(FULL, "LakeBucketPolicy", "NoOtherKey")
    header = "s3:x-amz-server-side-encryption-aws-kms-key-id"
    assert other["Effect"] == "Deny"
    assert other["Condition"]["StringNotEquals"][header] == {"Ref": "KmsKeyArn"}
    # StringNotEquals is true of an absent header: without Null, every plain upload is refused.
    assert other["Condition"]["Null"] == {header: "false"}


def test_every_exception_is_used() -> None:
    """An action that stays excused from having a resource after nothing needs it any more."""
    assert ON_ANY_RESOURCE.keys() <= policy.allowed_on_any_resource(FULL)
