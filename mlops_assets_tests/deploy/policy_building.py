"""Our own rules for how stacks are made and taken away: parameters, order, what stays, who hears.

Here: pure functions of a parsed template to findings. Not here: who may do what (policy), what runs
(policy_running), what fits together between stacks (test_stacks, test_given_values).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from mlops_assets_tests.deploy.template import Template

# What somebody would miss after the stack; a database may leave a snapshot.
_STATEFUL = {
    "AWS::Backup::BackupVault": {"Retain"},
    "AWS::ECR::Repository": {"Retain"},
    "AWS::Glue::Database": {"Retain"},
    "AWS::KMS::Key": {"Retain"},
    "AWS::Logs::LogGroup": {"Retain"},
    "AWS::RDS::DBCluster": {"Retain", "Snapshot"},
    "AWS::S3::Bucket": {"Retain"},
    "AWS::SageMaker::Domain": {"Retain"},
    "AWS::SageMaker::MlflowTrackingServer": {"Retain"},
    "AWS::SageMaker::ModelPackageGroup": {"Retain"},
}


def parameters_are_held_to_a_form(template: Template) -> Iterator[str]:
    """A wrong value is refused when it is given, not half-way through a stack."""
    for name, parameter in template.get("Parameters", {}).items():
        if not parameter.get("Description"):
            yield f"{name} says nothing about itself"
        if parameter["Type"] != "String" or "AllowedValues" in parameter:
            continue
        pattern = parameter.get("AllowedPattern")
        if pattern is None:
            yield f"{name} takes anything"
        elif "Default" in parameter and not re.fullmatch(pattern, str(parameter["Default"])):
            yield f"{name} does not take its own default"


def state_outlives_the_stack(template: Template) -> Iterator[str]:
    """A stack that is deleted, or a resource that is replaced, takes nothing with it."""
    for name, resource in template["Resources"].items():
        kept = _STATEFUL.get(resource["Type"])
        for policy in ("DeletionPolicy", "UpdateReplacePolicy") if kept else ():
            if resource.get(policy) not in (kept or ()):
                yield f"{name} goes with the stack ({policy})"


def roles_may_before_they_are_used(template: Template) -> Iterator[str]:
    """A service looks at what its role may as it is told of it: a policy after that is late."""
    resources = template["Resources"]
    policies: dict[str, list[str]] = {}
    for name, resource in resources.items():
        if resource["Type"] == "AWS::IAM::ManagedPolicy":
            for role in resource["Properties"].get("Roles", []):
                policies.setdefault(role["Ref"], []).append(name)
    for name, resource in resources.items():
        if resource["Type"].startswith("AWS::IAM::"):
            continue
        waits = resource.get("DependsOn", [])
        waits = [waits] if isinstance(waits, str) else waits
        for role in sorted(set(_named(resource.get("Properties", {}))) & policies.keys()):
            for policy in policies[role]:
                if policy not in waits:
                    yield f"{name} is made before {role} has {policy}"


def _named(node: Any) -> Iterator[str]:
    """Logical names that a node refers to."""
    if isinstance(node, list):
        for each in node:
            yield from _named(each)
    elif isinstance(node, dict):
        for function, argument in node.items():
            if function == "Ref":
                yield argument
            elif function == "Fn::GetAtt":
                yield argument[0]
            elif function == "Fn::Sub" and isinstance(argument, str):
                yield from (
                    found.split(".")[0] for found in re.findall(r"\$\{([^!}]+)\}", argument)
                )
            else:
                yield from _named(argument)


def alarms_are_heard(template: Template) -> Iterator[str]:
    """An alarm that changes its colour, and nobody looks."""
    for name, resource in template["Resources"].items():
        if resource["Type"] == "AWS::CloudWatch::Alarm":
            if not resource["Properties"].get("AlarmActions"):
                yield f"{name} tells nobody"
            if "AlarmDescription" not in resource["Properties"]:
                yield f"{name} does not say what it is about"


def nothing_is_exported(template: Template) -> Iterator[str]:
    """An export cannot change while somebody imports it: stacks that hold each other fast."""
    for name, output in template.get("Outputs", {}).items():
        if "Export" in output:
            yield f"{name} is exported"
        if not output.get("Description"):
            yield f"{name} says nothing about itself"


RULES: list[Callable[[Template], Iterator[str]]] = [
    parameters_are_held_to_a_form,
    state_outlives_the_stack,
    roles_may_before_they_are_used,
    alarms_are_heard,
    nothing_is_exported,
]
