"""Our own rules for CloudFormation templates: what cfn-lint and checkov let pass.

Each rule is a pure function of a parsed template to findings, one sentence each; none means clean.
Not here: what those two find by themselves, and exceptions (policy_tables).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from mlops_assets_tests.deploy.policy_tables import (
    APPROVERS,
    BOUND_BY,
    NEEDED_IN_REQUESTS,
    ON_ANY_RESOURCE,
    TRUE_IN_REQUESTS,
)
from mlops_assets_tests.deploy.template import Template

Statement = dict[str, Any]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _of_type(template: Template, type_: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, resource in template["Resources"].items():
        if resource["Type"] == type_:
            yield name, resource


def _documents(template: Template) -> Iterator[tuple[str, Statement]]:
    """Every statement of every policy, whatever resource it hangs on, with the resource's name."""
    for name, resource in template["Resources"].items():
        pending = [resource.get("Properties", {})]
        while pending:
            node = pending.pop()
            if isinstance(node, dict):
                for statement in map(_whatever_the_condition, _list(node.get("Statement", []))):
                    if "Effect" in statement:  # a firewall's rules have statements, too
                        yield name, statement
                pending.extend(node.values())
            elif isinstance(node, list):
                pending.extend(node)


def _whatever_the_condition(statement: Statement) -> Statement:
    """A statement that a parameter can leave out is judged as if it were always there."""
    if "Fn::If" not in statement:
        return statement
    found: Statement = statement["Fn::If"][1]
    return found


def _allowed(template: Template) -> Iterator[tuple[str, Statement]]:
    return ((name, s) for name, s in _documents(template) if s["Effect"] == "Allow")


def no_wildcard_actions(template: Template) -> Iterator[str]:
    """An allowed action names a service and a verb: not ``*``, ``s3:*`` or everything but."""
    for name, statement in _allowed(template):
        for key in ("NotAction", "NotResource", "NotPrincipal"):
            if key in statement:
                yield f"{name} allows by {key}"
        for action in _list(statement.get("Action", [])):
            if action == "*" or action.endswith(":*"):
                yield f"{name} allows {action}"


def _on_any_resource(template: Template) -> Iterator[tuple[str, str]]:
    for name, statement in _allowed(template):
        if "Principal" not in statement and "*" in _list(statement.get("Resource", [])):
            for action in _list(statement["Action"]):
                yield name, action


def allowed_on_any_resource(template: Template) -> set[str]:
    """Actions that an identity policy allows on ``*``."""
    return {action for _, action in _on_any_resource(template)}


def no_wildcard_resources(template: Template) -> Iterator[str]:
    """Identity policies name resources, but for the actions in ``ON_ANY_RESOURCE``."""
    for name, action in _on_any_resource(template):
        if action not in ON_ANY_RESOURCE:
            yield f"{name} allows {action} on every resource"


def no_open_principals(template: Template) -> Iterator[str]:
    """Nothing is allowed to everybody."""
    for name, statement in _allowed(template):
        principal = statement.get("Principal")
        if principal == "*" or (isinstance(principal, dict) and "*" in principal.values()):
            yield f"{name} allows everybody {statement['Action']}"


def pass_role_is_bound(template: Template) -> Iterator[str]:
    """``iam:PassRole`` names its role, and the service it is passed to."""
    for name, statement in _allowed(template):
        actions = _list(statement.get("Action", []))
        if not any(action in ("iam:PassRole", "iam:Pass*", "iam:*", "*") for action in actions):
            continue
        if any("*" in json.dumps(resource) for resource in _list(statement["Resource"])):
            yield f"{name} passes roles by wildcard"
        equals = statement.get("Condition", {}).get("StringEquals", {})
        if "iam:PassedToService" not in equals:
            yield f"{name} passes a role to any service"


def services_come_from_this_account(template: Template) -> Iterator[str]:
    """A service acts for us only (the confused deputy): ``aws:SourceAccount`` is demanded."""
    for name, statement in _allowed(template):
        principal = statement.get("Principal")
        if not isinstance(principal, dict) or "Service" not in principal:
            continue
        if "aws:SourceAccount" not in statement.get("Condition", {}).get("StringEquals", {}):
            yield f"{name} trusts {principal['Service']} for any account"


def buckets_are_private(template: Template) -> Iterator[str]:
    """Encrypted, versioned, closed to the public, TLS only, with a lifecycle, logged and kept."""
    tls_only = {
        json.dumps(resource["Properties"]["Bucket"])
        for _, resource in _of_type(template, "AWS::S3::BucketPolicy")
        if any(map(_denies_plain_http, resource["Properties"]["PolicyDocument"]["Statement"]))
    }
    buckets = dict(_of_type(template, "AWS::S3::Bucket"))
    logged_into = {
        bucket["Properties"]["LoggingConfiguration"]["DestinationBucketName"]["Ref"]
        for bucket in buckets.values()
        if "LoggingConfiguration" in bucket["Properties"]
    }
    for name, bucket in buckets.items():
        properties = bucket["Properties"]
        access = properties.get("PublicAccessBlockConfiguration", {})
        if len(access) < 4 or not all(access.values()):
            yield f"{name} is not closed to the public"
        if properties.get("VersioningConfiguration", {}).get("Status") != "Enabled":
            yield f"{name} is not versioned"
        if "BucketEncryption" not in properties:
            yield f"{name} is not encrypted"
        if "LifecycleConfiguration" not in properties:
            yield f"{name} has no lifecycle"
        if "LoggingConfiguration" not in properties and name not in logged_into:
            yield f"{name} has no access log"
        if json.dumps({"Ref": name}) not in tls_only:
            yield f"{name} answers without TLS"


def _denies_plain_http(statement: Statement) -> bool:
    return (
        statement["Effect"] == "Deny"
        and statement["Principal"] == "*"
        and statement["Action"] == "s3:*"
        and len(_list(statement["Resource"])) == 2  # the bucket, and the objects in it
        and statement.get("Condition") == {"Bool": {"aws:SecureTransport": "false"}}
    )


def data_outlives_the_stack(template: Template) -> Iterator[str]:
    """Deleting the stack deletes neither data nor the key that reads it."""
    for type_ in ("AWS::S3::Bucket", "AWS::KMS::Key"):
        for name, resource in _of_type(template, type_):
            for policy in ("DeletionPolicy", "UpdateReplacePolicy"):
                if resource.get(policy) != "Retain":
                    yield f"{name} has no {policy}: Retain"


def keys_rotate(template: Template) -> Iterator[str]:
    """Every key of ours is rotated."""
    for name, key in _of_type(template, "AWS::KMS::Key"):
        # KMS rotates symmetric keys only.
        if "KeySpec" not in key["Properties"] and not key["Properties"].get("EnableKeyRotation"):
            yield f"{name} is not rotated"


def unprotected_requests_are_denied(template: Template) -> Iterator[str]:
    """Who may create jobs, models and endpoints is denied it without network and keys."""
    for action, key in NEEDED_IN_REQUESTS:
        for name, conditions in _denials(template, action):
            # A volume that encrypts itself takes no key; test_requests_allowed has which those are.
            except_nvme = {"ForAnyValue:StringNotLike"} if "VolumeKmsKey" in key else set()
            if not any(
                condition.get("Null") == {key: "true"}
                and condition.keys() - {"Null"} <= except_nvme
                for condition in conditions
            ):
                yield f"{name} allows {action} without {key}"
    for action, key in TRUE_IN_REQUESTS:
        for name, conditions in _denials(template, action):
            if {"BoolIfExists": {key: "false"}} not in conditions:
                yield f"{name} allows {action} where {key} is not true"


def _denials(template: Template, action: str) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Each resource that allows an action, with the conditions under which it denies it."""
    statements = list(_documents(template))
    for name in sorted({n for n, s in _allowed(template) if action in _list(s.get("Action"))}):
        yield (
            name,
            [
                s.get("Condition", {})
                for other, s in statements
                if other == name and s["Effect"] == "Deny" and action in _list(s["Action"])
            ],
        )


def wide_actions_are_bound(template: Template) -> Iterator[str]:
    """What cannot be narrowed by its resource is narrowed by a condition."""
    for name, statement in _allowed(template):
        keys = {key for test in statement.get("Condition", {}).values() for key in test}
        for action in _list(statement.get("Action", [])):
            if action in BOUND_BY and BOUND_BY[action] not in keys:
                yield f"{name} allows {action} whatever {BOUND_BY[action]} is"


def people_approve(template: Template) -> Iterator[str]:
    """Only the policy that is for people approves a model; no role of this stack has that one."""
    never = {"StringNotEquals": {"sagemaker:ModelApprovalStatus": "Approved"}}
    for name, statement in _allowed(template):
        updates = "sagemaker:UpdateModelPackage" in _list(statement.get("Action", []))
        if updates and name != APPROVERS and statement.get("Condition") != never:
            yield f"{name} approves models"
    for name, role in _of_type(template, "AWS::IAM::Role"):
        if {"Ref": APPROVERS} in role["Properties"].get("ManagedPolicyArns", []):
            yield f"{name} approves models"


def nothing_is_privileged(template: Template) -> Iterator[str]:
    """No container has the host's rights, and no rule lets the whole world in."""
    text = json.dumps(template)
    if '"Privileged": true' in text:
        yield "a container is privileged"
    for name, resource in template["Resources"].items():
        # A route or a rule by which one gets out.
        if resource["Type"] in ("AWS::EC2::Route", "AWS::EC2::SecurityGroupEgress"):
            continue
        if any(world in json.dumps(resource) for world in ("0.0.0.0/0", "::/0")):
            yield f"{name} names the whole world"
    for name, parameter in template.get("Parameters", {}).items():
        if "Cidr" in name and str(parameter.get("Default", "")).endswith("/0"):
            yield f"{name} is the whole world unless told otherwise"


def images_come_by_digest(template: Template) -> Iterator[str]:
    """A tag can be moved after it was looked at: an image's reference ends in a digest."""
    for name, parameter in template.get("Parameters", {}).items():
        is_image = name.startswith("Image") and not name.endswith("Repository")
        if is_image and "sha256:[0-9a-f]{64}" not in parameter.get("AllowedPattern", ""):
            yield f"{name} is not held to a digest"


RULES: list[Callable[[Template], Iterator[str]]] = [
    no_wildcard_actions,
    no_wildcard_resources,
    no_open_principals,
    pass_role_is_bound,
    services_come_from_this_account,
    buckets_are_private,
    data_outlives_the_stack,
    keys_rotate,
    unprotected_requests_are_denied,
    wide_actions_are_bound,
    people_approve,
    nothing_is_privileged,
    images_come_by_digest,
]
