"""How stacks are made and taken away keeps our rules, and each rule finds what it is there for."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlops_assets_tests.deploy import policy_building as policy
from mlops_assets_tests.deploy.template import FILES, Template, parse, platform

PLATFORM = platform()


@pytest.mark.parametrize("rule", policy.RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_stacks_keep_the_rule(path: Path, rule: Callable[..., Any]) -> None:
    """A stack that fails half-way, or that takes more with it than was meant."""
    assert list(rule(parse(path))) == []


# (rule, what is broken, what the finding says)
BROKEN: list[tuple[Callable[..., Any], Callable[[Template], object], str]] = [
    (
        policy.parameters_are_held_to_a_form,
        lambda t: t["Parameters"]["ClientCidr"].pop("AllowedPattern"),
        "ClientCidr takes anything",
    ),
    (
        policy.parameters_are_held_to_a_form,
        lambda t: t["Parameters"]["GitHubEnvironment"].update(Default="a b"),
        "GitHubEnvironment does not take its own default",
    ),
    (
        policy.parameters_are_held_to_a_form,
        lambda t: t["Parameters"]["HostName"].pop("Description"),
        "HostName says nothing",
    ),
    (
        policy.state_outlives_the_stack,
        lambda t: t["Resources"]["DatabaseCluster"].update(DeletionPolicy="Delete"),
        "DatabaseCluster goes with the stack (DeletionPolicy)",
    ),
    (
        policy.state_outlives_the_stack,
        lambda t: t["Resources"]["Vault"].pop("UpdateReplacePolicy"),
        "Vault goes with the stack (UpdateReplacePolicy)",
    ),
    (
        policy.roles_may_before_they_are_used,
        lambda t: t["Resources"]["DatabaseInstance"].pop("DependsOn"),
        "DatabaseInstance is made before MonitoringRole has MonitoringPolicy",
    ),
    (
        policy.roles_may_before_they_are_used,
        lambda t: t["Resources"]["SearchAccess"].pop("DependsOn"),
        "SearchAccess is made before CopierRole has CopierPolicy",
    ),
    (
        policy.alarms_are_heard,
        lambda t: t["Resources"]["DaemonIsDown"]["Properties"].update(AlarmActions=[]),
        "DaemonIsDown tells nobody",
    ),
    (
        policy.alarms_are_heard,
        lambda t: t["Resources"]["FailedCopies"]["Properties"].pop("AlarmDescription"),
        "FailedCopies does not say what it is about",
    ),
    (
        policy.nothing_is_exported,
        lambda t: t["Outputs"]["Bucket"].update(Export={"Name": "mlops-bucket"}),
        "Bucket is exported",
    ),
]


@pytest.mark.parametrize(
    ("rule", "breaking", "finding"), BROKEN, ids=[finding for *_, finding in BROKEN]
)
def test_rule_finds_what_was_broken_in_a_stack(
    rule: Callable[..., Any], breaking: Callable[[Template], object], finding: str
) -> None:
    """A rule that would let the very thing pass that it is named for."""
    template = copy.deepcopy(PLATFORM)
    breaking(template)
    assert any(finding in found for found in rule(template)), list(rule(template))


def test_every_rule_about_stacks_was_seen_to_fail() -> None:
    """A new rule that nobody has seen fail."""
    assert {rule for rule, *_ in BROKEN} == set(policy.RULES)
