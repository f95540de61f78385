"""What runs keeps our rules, and each rule finds what it is there for."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlops_assets_tests.deploy import policy_running as policy
from mlops_assets_tests.deploy.policy_tables import PRIVILEGED_BUILDS
from mlops_assets_tests.deploy.template import FILES, Template, parse, platform

PLATFORM = platform()


@pytest.mark.parametrize("rule", policy.RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_what_runs_keeps_the_rule(path: Path, rule: Callable[..., Any]) -> None:
    """A container, a log or a database that is weaker than was decided."""
    assert list(rule(parse(path))) == []


def _properties(template: Template, name: str) -> dict[str, Any]:
    found: dict[str, Any] = template["Resources"][name]["Properties"]
    return found


def _container(template: Template, name: str = "DaemonTask") -> dict[str, Any]:
    found: dict[str, Any] = _properties(template, name)["ContainerDefinitions"][0]
    return found


# (rule, what is broken, what the finding says)
BROKEN: list[tuple[Callable[..., Any], Callable[[Template], object], str]] = [
    (
        policy.containers_have_no_rights,
        lambda t: _container(t).update(User="root"),
        "DaemonTask.daemon runs as root",
    ),
    (
        policy.containers_have_no_rights,
        lambda t: _container(t).pop("User"),
        "DaemonTask.daemon runs as root",
    ),
    (
        policy.containers_have_no_rights,
        lambda t: _container(t).update(ReadonlyRootFilesystem=False),
        "writes its own file system",
    ),
    (
        policy.containers_have_no_rights,
        lambda t: _container(t).pop("LinuxParameters"),
        "keeps capabilities",
    ),
    (
        policy.containers_have_no_rights,
        lambda t: _container(t).update(Image="mlops-assets:latest"),
        "runs an image by its tag",
    ),
    (
        policy.containers_have_no_rights,
        lambda t: _container(t).pop("LogConfiguration"),
        "logs nowhere",
    ),
    (
        policy.secrets_are_not_in_the_environment,
        lambda t: _container(t)["Environment"].append(
            {"Name": "DAGSTER_POSTGRES_PASSWORD", "Value": "hunter2"}
        ),
        "has DAGSTER_POSTGRES_PASSWORD in its environment",
    ),
    (
        policy.secrets_are_not_in_the_environment,
        lambda t: _properties(t, "Images")["Environment"]["EnvironmentVariables"].append(
            {"Name": "GITHUB_TOKEN", "Value": "x"}
        ),
        "Images has GITHUB_TOKEN in its environment",
    ),
    (
        policy.secrets_are_not_in_the_environment,
        lambda t: t["Parameters"].update(DatabasePassword={"Type": "String"}),
        "DatabasePassword is a secret as a parameter",
    ),
    (
        policy.builds_are_not_privileged,
        lambda t: _properties(t, "Tests")["Environment"].update(PrivilegedMode=True),
        "Tests builds in a privileged container",
    ),
    (
        policy.one_daemon,
        lambda t: _properties(t, "DaemonService").update(DesiredCount=2),
        "DaemonService may run twice",
    ),
    (
        policy.one_daemon,
        lambda t: _properties(t, "DaemonService")["DeploymentConfiguration"].update(
            MaximumPercent=200
        ),
        "DaemonService may run twice",
    ),
    (
        policy.one_daemon,
        lambda t: _container(t).pop("HealthCheck"),
        "DaemonTask.daemon is not asked whether it lives",
    ),
    (
        policy.one_daemon,
        lambda t: _properties(t, "CodeService")["DeploymentConfiguration"].pop(
            "DeploymentCircuitBreaker"
        ),
        "CodeService has no circuit breaker",
    ),
    (
        policy.one_daemon,
        lambda t: _properties(t, "ReadersService")["NetworkConfiguration"][
            "AwsvpcConfiguration"
        ].update(AssignPublicIp="ENABLED"),
        "ReadersService has a public address",
    ),
    (
        policy.environments_are_equal,
        lambda t: _container(t, "RunTask")["Environment"].pop(),
        "do not have one environment",
    ),
    (
        policy.logs_are_kept_and_end,
        lambda t: _properties(t, "TaskLogs").pop("RetentionInDays"),
        "TaskLogs is kept for ever",
    ),
    (
        policy.logs_are_kept_and_end,
        lambda t: _properties(t, "FlowLogGroup").pop("KmsKeyId"),
        "FlowLogGroup is not encrypted",
    ),
    (
        policy.databases_are_private,
        lambda t: _properties(t, "DatabaseCluster").update(StorageEncrypted=False),
        "DatabaseCluster has no StorageEncrypted",
    ),
    (
        policy.databases_are_private,
        lambda t: _properties(t, "DatabaseCluster").update(MasterUserPassword="hunter2"),
        "DatabaseCluster has a password in its template",
    ),
    (
        policy.databases_are_private,
        lambda t: _properties(t, "DatabaseInstance").update(PubliclyAccessible=True),
        "DatabaseInstance is reached from outside",
    ),
    (
        policy.pages_ask_who_comes,
        lambda t: _properties(t, "ReadersRule")["Actions"].pop(0),
        "ReadersRule lets in whoever comes",
    ),
    (
        policy.pages_ask_who_comes,
        lambda t: _properties(t, "Https")["DefaultActions"].append(
            {"Type": "forward", "TargetGroupArn": {"Ref": "ReadersTargets"}}
        ),
        "Https lets in whoever comes",
    ),
    (
        policy.pages_ask_who_comes,
        lambda t: _properties(t, "ToHttps").update(
            DefaultActions=[{"Type": "forward", "TargetGroupArn": {"Ref": "ReadersTargets"}}]
        ),
        "ToHttps answers without TLS",
    ),
    (
        policy.queues_and_topics_are_encrypted,
        lambda t: _properties(t, "EventsQueue").pop("KmsMasterKeyId"),
        "EventsQueue is not encrypted",
    ),
    (
        policy.queues_and_topics_are_encrypted,
        lambda t: _properties(t, "EventsQueue").pop("RedrivePolicy"),
        "EventsQueue loses what cannot be dealt with",
    ),
    (
        policy.queues_and_topics_are_encrypted,
        lambda t: _properties(t, "AlertTopic").pop("KmsMasterKeyId"),
        "AlertTopic is not encrypted",
    ),
    (
        policy.images_stay_what_they_are,
        lambda t: _properties(t, "SageMakerImages").update(ImageTagMutability="MUTABLE"),
        "SageMakerImages has tags that can be moved",
    ),
    (
        policy.federated_trust_is_bound,
        lambda t: _properties(t, "CiRole")["AssumeRolePolicyDocument"]["Statement"][0]["Condition"][
            "StringEquals"
        ].update({"token.actions.githubusercontent.com:sub": "repo:ours/*"}),
        "CiRole trusts any repository",
    ),
]


@pytest.mark.parametrize(
    ("rule", "breaking", "finding"), BROKEN, ids=[finding for *_, finding in BROKEN]
)
def test_rule_finds_what_was_weakened(
    rule: Callable[..., Any], breaking: Callable[[Template], object], finding: str
) -> None:
    """A rule that would let the very thing pass that it is named for."""
    template = copy.deepcopy(PLATFORM)
    breaking(template)
    assert any(finding in found for found in rule(template)), list(rule(template))


def test_every_rule_was_seen_to_fail() -> None:
    """A new rule that nobody has seen fail."""
    assert {rule for rule, *_ in BROKEN} == set(policy.RULES)


def test_every_excused_build_is_one() -> None:
    """An excuse that outlives the build that it was for."""
    assert all(
        _properties(PLATFORM, name)["Environment"]["PrivilegedMode"] for name in PRIVILEGED_BUILDS
    )
