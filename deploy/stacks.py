"""The stacks of deploy/cloudformation, each fed with what the earlier ones put out.

    stacks.py order                         the stacks in their order, and what each has to be told
    stacks.py account                       make what an account has one of, before the first stack
    stacks.py deploy NAME [Parameter=…] …   make or update mlops-NAME
    stacks.py environment                   export lines: what mlops_assets reads (MLOPS_…)

Here: what is asked of AWS, and told. Not here: the order, and what a parameter takes
(stack_order.py); what is in a stack.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# It lies beside this file.
from stack_order import ORDER, Stack, StackError, body, named, told, values

PREFIX = "mlops"
TAGS = {"mlops:platform": "mlops_assets"}
# Whose roles an account that is new has not yet. Each service makes its own at the first use, but
# CloudFormation does not wait for it: the first cluster fails, and only the second try passes.
_SERVICES = ("ecs", "elasticloadbalancing", "rds")


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
