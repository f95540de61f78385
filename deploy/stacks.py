"""The stacks of deploy/cloudformation, each fed with what the earlier ones put out.

    stacks.py order                         the stacks in their order, and what each has to be told
    stacks.py account                       make what an account has one of, before the first stack
    stacks.py deploy NAME [Parameter=…] …   make or update mlops-NAME
    stacks.py environment                   export lines: what mlops_assets reads (MLOPS_…)

Here: the order, and one rule: a parameter takes the output of the same name of an earlier stack,
unless it is given; what was given once stays. So no stack holds another's output fast, each can be
replaced by what an account has already, and a change of an output reaches those that read it by
deploying them again. Not here: what is in a stack.
"""

from __future__ import annotations

import argparse
import re
import shlex
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent / "cloudformation"
PREFIX = "mlops"
# CloudFormation's limit for a template in a request.
_MOST_BYTES = 51_200
TAGS = {"mlops:platform": "mlops_assets"}
# Whose roles an account that is new has not yet. Each service makes its own at the first use, but
# CloudFormation does not wait for it: the first cluster fails, and only the second try passes.
_SERVICES = ("ecs", "elasticloadbalancing", "rds")


@dataclass(frozen=True)
class Stack:
    """A template and its place in the order.

    Args:
        by_pipeline: there is one for each pipeline, ``mlops-catalog-flight-delays``.
        optional: the platform works without it.
    """

    name: str
    by_pipeline: bool = False
    optional: bool = False

    @property
    def path(self) -> Path:
        return FOLDER / f"{self.name}.yaml"

    def parameters(self) -> dict[str, dict[str, Any]]:
        return dict(_read(self.path).get("Parameters", {}))

    def outputs(self) -> dict[str, dict[str, Any]]:
        return dict(_read(self.path).get("Outputs", {}))


ORDER = (
    Stack("kms"),
    Stack("network"),
    Stack("lake"),
    Stack("database"),
    Stack("ecr"),
    Stack("events"),
    Stack("mlflow", optional=True),
    Stack("spark", optional=True),
    Stack("github", optional=True),
    Stack("iam"),
    Stack("catalog", by_pipeline=True),
    Stack("firehose", by_pipeline=True, optional=True),
    Stack("sagemaker", optional=True),
    Stack("ingress"),
    Stack("dagster"),
    Stack("observability"),
    Stack("search", optional=True),
    Stack("backup"),
    Stack("budgets"),
    Stack("branches", optional=True),
    Stack("release", optional=True),
    Stack("cicd", optional=True),
)


class StackError(Exception):
    """A stack cannot be deployed; the message says what to give, or where to look."""


class _Reader(yaml.CSafeLoader):
    """Intrinsics in their short form are read as what they are given."""


def _intrinsic(reader: _Reader, tag: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return {tag: reader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {tag: reader.construct_sequence(node, deep=True)}
    return {tag: reader.construct_mapping(node, deep=True)}  # type: ignore[arg-type]


_Reader.add_multi_constructor("!", _intrinsic)


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.load(path.read_text(), Loader=_Reader)  # noqa: S506 - a safe one
    return found


def named(name: str) -> Stack:
    for stack in ORDER:
        if stack.name == name:
            return stack
    raise StackError(f"there is no stack {name!r}; there are {', '.join(s.name for s in ORDER)}")


def told(stack: Stack) -> dict[str, str]:
    """``{parameter: description}`` of what a person has to give: no default, no earlier output."""
    earlier = {output for each in _before(stack) for output in each.outputs()}
    return {
        name: str(parameter.get("Description", ""))
        for name, parameter in stack.parameters().items()
        if "Default" not in parameter and name not in earlier
    }


def _before(stack: Stack) -> Iterator[Stack]:
    for each in ORDER:
        if each.name == stack.name:
            return
        yield each


def values(
    stack: Stack, given: Mapping[str, str], put_out: Mapping[str, str], known: Sequence[str]
) -> list[dict[str, Any]]:
    """CloudFormation's parameters: what is given, else put out, else what it was before.

    Args:
        put_out: outputs of the deployed stacks.
        known: parameters that the stack has already, if it exists.

    Raises:
        StackError: one has no value, or there is no such parameter.
    """
    parameters = stack.parameters()
    if unknown := sorted(given.keys() - parameters.keys()):
        raise StackError(f"{stack.name}.yaml has no parameter {unknown[0]}")
    found: list[dict[str, Any]] = []
    for name, parameter in parameters.items():
        if name in given:
            found.append({"ParameterKey": name, "ParameterValue": given[name]})
        elif name in put_out:
            found.append({"ParameterKey": name, "ParameterValue": put_out[name]})
        elif name in known:
            found.append({"ParameterKey": name, "UsePreviousValue": True})
        elif "Default" not in parameter:
            source = next((s.name for s in _before(stack) if name in s.outputs()), None)
            remedy = f"deploy {source} first" if source else f"give {name}=…"
            raise StackError(
                f"{stack.name}: {name} has no value ({parameter.get('Description', '')}): {remedy}"
            )
    return found


def body(stack: Stack) -> str:
    """The template as a request takes it: without comments, where they make it too long.

    Raises:
        StackError: it is too long without them.
    """
    text = stack.path.read_text()
    if len(text.encode()) > _MOST_BYTES:
        text = re.sub(r"^ *#.*\n", "", text, flags=re.M)
    if len(text.encode()) > _MOST_BYTES:
        raise StackError(
            f"{stack.path.name} has more than {_MOST_BYTES:,} bytes. Of iam.yaml: give fewer "
            "pipelines a stack in common, or all of them (mlops iam --stack --any)"
        )
    return text


@dataclass(frozen=True)
class Account:
    """The stacks of one account and region."""

    cloudformation: Any

    def outputs(self, names: Collection[str] | None = None) -> dict[str, Mapping[str, str]]:
        """``{output: {"value", "description"}}`` of our stacks, those of pipelines excepted.

        Args:
            names: which outputs matter; None: all of them.
        """
        found: dict[str, Mapping[str, str]] = {}
        for stack in self._ours(names):
            for output in stack.get("Outputs", []):
                found[output["OutputKey"]] = {
                    "value": output["OutputValue"],
                    "description": output.get("Description", ""),
                }
        return found

    def _ours(self, names: Collection[str] | None) -> Iterator[Mapping[str, Any]]:
        # Each by its name: a list is of everybody's stacks, and a branch's role may not see those.
        for stack in ORDER:
            if stack.by_pipeline or (
                names is not None and stack.outputs().keys().isdisjoint(names)
            ):
                continue
            if found := self._described(f"{PREFIX}-{stack.name}"):
                yield found

    def deploy(self, stack: Stack, name: str, given: Mapping[str, str], role: str = "") -> str:
        """Make the stack, or bring it to its template and values; what was done.

        Args:
            role: by which CloudFormation does it from now on; empty: by the stack's, or as we.

        Raises:
            StackError: a value is missing, or CloudFormation did not get there.
        """
        existing = self._parameters(name)
        put_out = {key: found["value"] for key, found in self.outputs(stack.parameters()).items()}
        request = {
            "StackName": name,
            "TemplateBody": body(stack),
            "Parameters": values(stack, given, put_out, existing or ()),
            "Capabilities": ["CAPABILITY_NAMED_IAM"],
            "Tags": [{"Key": key, "Value": value} for key, value in TAGS.items()],
            **({"RoleARN": role} if role else {}),
        }
        from botocore.exceptions import ClientError, WaiterError

        verb = "create" if existing is None else "update"
        try:
            if verb == "create":
                self.cloudformation.create_stack(**request, EnableTerminationProtection=True)
            else:
                self.cloudformation.update_stack(**request)
        except ClientError as error:
            if "No updates are to be performed" in str(error):
                return f"{name}: as it should be"
            raise StackError(f"{name}: {error}") from None
        try:
            self.cloudformation.get_waiter(f"stack_{verb}_complete").wait(StackName=name)
        except WaiterError:
            raise StackError(f"{name}: {verb} failed: {self._reason(name)}") from None
        return f"{name}: {verb}d"

    def _parameters(self, name: str) -> list[str] | None:
        found = self._described(name)
        if found is None:
            return None
        return [each["ParameterKey"] for each in found.get("Parameters", [])]

    def _described(self, name: str) -> Mapping[str, Any] | None:
        from botocore.exceptions import ClientError

        try:
            found: Mapping[str, Any] = self.cloudformation.describe_stacks(StackName=name)[
                "Stacks"
            ][0]
        except ClientError as error:
            if "does not exist" in str(error):
                return None
            raise
        return found

    def _reason(self, name: str) -> str:
        events = self.cloudformation.describe_stack_events(StackName=name)["StackEvents"]
        failed = [e for e in events if e.get("ResourceStatus", "").endswith("FAILED")]
        told = [f"{e['LogicalResourceId']}: {e.get('ResourceStatusReason', '')}" for e in failed]
        return "; ".join(reversed(told)) or "see the stack's events"

    def environment(self) -> list[str]:
        """``export MLOPS_BUCKET=…`` for each output that is a setting."""
        settings = {
            found["description"]: found["value"]
            for found in self.outputs().values()
            if found["description"].startswith("MLOPS_")
        }
        return ["export MLOPS_ENV=aws"] + [
            f"export {name}={shlex.quote(value)}" for name, value in sorted(settings.items())
        ]


def prepare(iam: Any) -> Iterator[str]:
    """Make the services' own roles; what was done with each."""
    for service in _SERVICES:
        try:
            iam.create_service_linked_role(AWSServiceName=f"{service}.amazonaws.com")
        except iam.exceptions.InvalidInputException as error:
            if "has been taken" not in str(error):
                raise
            yield f"role of {service}: as it should be"
        else:
            yield f"role of {service}: created"


def _print_order() -> None:
    for stack in ORDER:
        notes = ["one a pipeline"] * stack.by_pipeline + ["optional"] * stack.optional
        print(stack.name + (f" ({', '.join(notes)})" if notes else ""))
        for name, description in told(stack).items():
            print(f"    {name}: {description}")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("order", help="the stacks in their order, and what each has to be told")
    verbs.add_parser("account", help="make what an account has one of, before the first stack")
    verbs.add_parser("environment", help="export lines of what mlops_assets reads")
    deploy = verbs.add_parser("deploy", help="make or update a stack")
    deploy.add_argument("name", help="such as network")
    deploy.add_argument("given", nargs="*", metavar="Parameter=Value")
    deploy.add_argument("--role", default="", help="the ARN by which CloudFormation does it")
    asked = parser.parse_args(arguments)
    if asked.verb == "order":
        _print_order()
        return 0
    import boto3

    if asked.verb == "account":
        print("\n".join(prepare(boto3.client("iam"))))
        return 0
    account = Account(boto3.client("cloudformation"))
    if asked.verb == "environment":
        print("\n".join(account.environment()))
        return 0
    try:
        stack = named(asked.name)
        given = dict(pair.split("=", 1) for pair in asked.given)
        name = f"{PREFIX}-{stack.name}"
        if stack.by_pipeline:
            name += f"-{given.get('Slug', '')}"
        print(account.deploy(stack, name, given, asked.role))
    except (StackError, ValueError) as error:
        print(f"stacks.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
