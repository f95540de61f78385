"""Our own rules for what runs: containers, logs, networks, databases.

Here: pure functions of a parsed template to findings. Not here: who may do what (policy), and what
is excused (policy_tables).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from mlops_assets_tests.deploy.policy_tables import PRIVILEGED_BUILDS
from mlops_assets_tests.deploy.template import Template

_SECRET = re.compile(r"PASSWORD|SECRET|TOKEN|PRIVATE_KEY|API_KEY", re.I)


def _of_type(template: Template, *types: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, resource in template["Resources"].items():
        if resource["Type"] in types:
            yield name, resource.get("Properties", {})


def _containers(template: Template) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, properties in _of_type(template, "AWS::ECS::TaskDefinition"):
        for container in properties["ContainerDefinitions"]:
            yield f"{name}.{container['Name']}", container


def containers_have_no_rights(template: Template) -> Iterator[str]:
    """Not root, nothing written outside a mount, no capability, no image by tag, a log."""
    for name, container in _containers(template):
        if str(container.get("User", "0")).split(":")[0] in ("0", "root"):
            yield f"{name} runs as root"
        if container.get("ReadonlyRootFilesystem") is not True:
            yield f"{name} writes its own file system"
        if container.get("LinuxParameters", {}).get("Capabilities", {}).get("Drop") != ["ALL"]:
            yield f"{name} keeps capabilities"
        if "@" not in json.dumps(container["Image"]):
            yield f"{name} runs an image by its tag"
        if "LogConfiguration" not in container:
            yield f"{name} logs nowhere"


def secrets_are_not_in_the_environment(template: Template) -> Iterator[str]:
    """What is secret is named by its ARN; a plain value is in every description of the task."""
    for name, container in _containers(template):
        for variable in container.get("Environment", []):
            if _SECRET.search(variable["Name"]):
                yield f"{name} has {variable['Name']} in its environment"
    for name, properties in _of_type(template, "AWS::CodeBuild::Project"):
        for variable in properties["Environment"].get("EnvironmentVariables", []):
            if (
                _SECRET.search(variable["Name"])
                and variable.get("Type", "PLAINTEXT") == "PLAINTEXT"
            ):
                yield f"{name} has {variable['Name']} in its environment"
    for name in template.get("Parameters", {}):
        if _SECRET.search(name) and not name.endswith(("Arn", "Endpoint", "Name")):
            yield f"{name} is a secret as a parameter"


def builds_are_not_privileged(template: Template) -> Iterator[str]:
    """A build that may do what the host may, but for those that make images."""
    for name, properties in _of_type(template, "AWS::CodeBuild::Project"):
        if properties["Environment"].get("PrivilegedMode") and name not in PRIVILEGED_BUILDS:
            yield f"{name} builds in a privileged container"


def one_daemon(template: Template) -> Iterator[str]:
    """Two daemons tick each sensor twice; none that is restarted while it is stuck ticks none."""
    for name, service in _of_type(template, "AWS::ECS::Service"):
        deployment = service.get("DeploymentConfiguration", {})
        breaker = deployment.get("DeploymentCircuitBreaker", {})
        if not (breaker.get("Enable") and breaker.get("Rollback")):
            yield f"{name} has no circuit breaker"
        if (
            service.get("NetworkConfiguration", {})
            .get("AwsvpcConfiguration", {})
            .get("AssignPublicIp")
            != "DISABLED"
        ):
            yield f"{name} has a public address"
        if "daemon" not in str(service.get("ServiceName")):
            continue
        count = service.get("DesiredCount")
        percents = deployment.get("MinimumHealthyPercent"), deployment.get("MaximumPercent")
        if (count, *percents) != (1, 0, 100):
            yield f"{name} may run twice"
    for name, container in _containers(template):
        if container["Name"] == "daemon" and "liveness-check" not in json.dumps(
            container.get("HealthCheck", {})
        ):
            yield f"{name} is not asked whether it lives"


def environments_are_equal(template: Template) -> Iterator[str]:
    """A run that has another lake, another key or another image than the daemon that starts it."""
    found = {
        name: json.dumps([container.get("Environment"), container.get("Secrets")])
        for name, container in _containers(template)
    }
    if len(set(found.values())) > 1:
        yield f"{', '.join(sorted(found))} do not have one environment"


def logs_are_kept_and_end(template: Template) -> Iterator[str]:
    """A log that is kept for ever, or that no key of ours encrypts."""
    for name, group in _of_type(template, "AWS::Logs::LogGroup"):
        if "RetentionInDays" not in group:
            yield f"{name} is kept for ever"
        if "KmsKeyId" not in group:
            yield f"{name} is not encrypted with a key of ours"


def databases_are_private(template: Template) -> Iterator[str]:
    """Encrypted, in the private subnets, with a password that nobody typed, hard to delete."""
    for name, database in _of_type(template, "AWS::RDS::DBCluster"):
        for member in ("StorageEncrypted", "DeletionProtection", "ManageMasterUserPassword"):
            if database.get(member) is not True:
                yield f"{name} has no {member}"
        if "MasterUserPassword" in database:
            yield f"{name} has a password in its template"
    for name, instance in _of_type(template, "AWS::RDS::DBInstance"):
        if instance.get("PubliclyAccessible") is not False:
            yield f"{name} is reached from outside"


def pages_ask_who_comes(template: Template) -> Iterator[str]:
    """Each rule that leads to a webserver asks the identity provider first, on a TLS listener."""
    for name, rule in _of_type(template, "AWS::ElasticLoadBalancingV2::ListenerRule"):
        kinds = [action["Type"] for action in rule["Actions"]]
        if "forward" in kinds and kinds[0] != "authenticate-oidc":
            yield f"{name} lets in whoever comes"
    for name, listener in _of_type(template, "AWS::ElasticLoadBalancingV2::Listener"):
        kinds = {action["Type"] for action in listener["DefaultActions"]}
        if kinds & {"forward"}:
            yield f"{name} lets in whoever comes"
        if listener["Protocol"] == "HTTP" and kinds != {"redirect"}:
            yield f"{name} answers without TLS"


def queues_and_topics_are_encrypted(template: Template) -> Iterator[str]:
    """With a key of ours; and a queue that is read has one for what cannot be dealt with."""
    for name, queue in _of_type(template, "AWS::SQS::Queue"):
        if "KmsMasterKeyId" not in queue:
            yield f"{name} is not encrypted with a key of ours"
        if "RedrivePolicy" not in queue and "dead" not in str(queue.get("QueueName")):
            yield f"{name} loses what cannot be dealt with"
    for name, topic in _of_type(template, "AWS::SNS::Topic"):
        if "KmsMasterKeyId" not in topic:
            yield f"{name} is not encrypted with a key of ours"


def images_stay_what_they_are(template: Template) -> Iterator[str]:
    """A tag that can be moved after it passed the tests."""
    for name, repository in _of_type(template, "AWS::ECR::Repository"):
        if repository.get("ImageTagMutability") != "IMMUTABLE":
            yield f"{name} has tags that can be moved"
        if not repository.get("ImageScanningConfiguration", {}).get("ScanOnPush"):
            yield f"{name} is not scanned"


def federated_trust_is_bound(template: Template) -> Iterator[str]:
    """GitHub's identity provider speaks for every repository of the world: ours is named."""
    for name, role in _of_type(template, "AWS::IAM::Role"):
        for statement in role["AssumeRolePolicyDocument"]["Statement"]:
            statement = statement.get("Fn::If", [None, statement])[1]
            if "Federated" not in statement["Principal"]:
                continue
            equals = statement.get("Condition", {}).get("StringEquals", {})
            subject = equals.get("token.actions.githubusercontent.com:sub")
            if subject is None or "*" in json.dumps(subject):
                yield f"{name} trusts any repository"


RULES: list[Callable[[Template], Iterator[str]]] = [
    containers_have_no_rights,
    secrets_are_not_in_the_environment,
    builds_are_not_privileged,
    one_daemon,
    environments_are_equal,
    logs_are_kept_and_end,
    databases_are_private,
    pages_ask_who_comes,
    queues_and_topics_are_encrypted,
    images_stay_what_they_are,
    federated_trust_is_bound,
]
