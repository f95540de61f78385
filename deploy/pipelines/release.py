"""Releases images: `release.py STACK:Parameter=value … --alarms ALARM,… --smoke COMMAND`.

Here: waiting for the images to be in the account, then the stacks one after the other, each by a
change set that CloudFormation itself takes back when one of the alarms goes off meanwhile or in the
minutes after; then the smoke test. When a stack does not get there, or the smoke test fails, the
stacks that did go back to what they were. Not here: what a stack is (deploy/cloudformation),
building the images (image.sh).

Parameters that are not named keep their values, templates stay as they are. The exit status is 0
only if all stacks are where they should be and the smoke test passed.
"""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import boto3

_TARGET = re.compile(r"([A-Za-z][A-Za-z0-9-]*):([A-Za-z0-9]+)=(.*)", re.S)


class ReleaseError(Exception):
    """A stack did not get there, or the smoke test failed; the message says where all stands."""


@dataclass(frozen=True)
class Watch:
    """The ARNs of the alarms that take an update back, up to so many minutes after it."""

    alarms: tuple[str, ...] = ()
    minutes: int = 10


@dataclass(frozen=True)
class Stacks:
    """Stacks to update.

    Args:
        role: the role by which CloudFormation updates them; empty: the one they have, or ours.
        poll_s: how often CloudFormation is asked how far it is.
    """

    cloudformation: Any
    watch: Watch = Watch()
    role: str = ""
    poll_s: float = 5.0

    def parameters(self, stack: str) -> dict[str, str]:
        """What the stack's parameters are now."""
        found = self.cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
        return {p["ParameterKey"]: p["ParameterValue"] for p in found.get("Parameters", [])}

    def update(self, stack: str, parameters: Mapping[str, str]) -> bool:
        """Bring the stack to these parameters and wait; False if it was there already.

        Raises:
            ReleaseError: it has no such parameter, or CloudFormation failed or took it back.
        """
        known = self.parameters(stack)
        if unknown := sorted(set(parameters) - set(known)):
            raise ReleaseError(
                f"{stack} has no parameter {unknown[0]}; there is: {', '.join(sorted(known))}"
            )
        if all(known[name] == value for name, value in parameters.items()):
            return False
        change = f"release-{time.time_ns()}"
        self.cloudformation.create_change_set(
            StackName=stack,
            ChangeSetName=change,
            ChangeSetType="UPDATE",
            UsePreviousTemplate=True,
            Parameters=[
                {"ParameterKey": name, "ParameterValue": parameters[name]}
                if name in parameters
                else {"ParameterKey": name, "UsePreviousValue": True}
                for name in known
            ],
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"],
            **({"RoleARN": self.role} if self.role else {}),
            RollbackConfiguration={
                "RollbackTriggers": [
                    {"Arn": arn, "Type": "AWS::CloudWatch::Alarm"} for arn in self.watch.alarms
                ],
                "MonitoringTimeInMinutes": self.watch.minutes if self.watch.alarms else 0,
            },
        )
        self._prepared(stack, change)
        self.cloudformation.execute_change_set(StackName=stack, ChangeSetName=change)
        self._ended(stack)
        return True

    def _prepared(self, stack: str, change: str) -> None:
        while True:
            found = self.cloudformation.describe_change_set(StackName=stack, ChangeSetName=change)
            if found["Status"] == "CREATE_COMPLETE":
                return
            if found["Status"] == "FAILED":
                raise ReleaseError(f"{stack}: {found.get('StatusReason', 'no change set')}")
            time.sleep(self.poll_s)

    def _ended(self, stack: str) -> None:
        while True:
            found = self.cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
            if not found["StackStatus"].endswith("_IN_PROGRESS"):
                break
            time.sleep(self.poll_s)
        if found["StackStatus"] == "UPDATE_COMPLETE":
            return
        reasons = [
            f"{event['LogicalResourceId']}: {event['ResourceStatusReason']}"
            for event in self.cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
            if event.get("ResourceStatusReason")
        ]
        raise ReleaseError(f"{stack}: {found['StackStatus']}; {'; '.join(reasons[:5])}")


def release(
    stacks: Stacks, targets: Mapping[str, Mapping[str, str]], smoke: str | None = None
) -> list[str]:
    """All stacks to their parameters, in order, then the smoke test; what was done, line by line.

    Args:
        targets: {stack: {parameter: value}}.
        smoke: a command; a status other than 0 takes the release back.

    Raises:
        ReleaseError: it was taken back, or could not be: the message says which.
    """
    before: dict[str, dict[str, str]] = {}
    said = []
    try:
        for stack, parameters in targets.items():
            now = stacks.parameters(stack)
            changed = stacks.update(stack, parameters)
            if changed:
                before[stack] = {name: now[name] for name in parameters}
            said.append(f"{stack}: {'updated' if changed else 'was there already'}")
        if smoke is not None:
            done = subprocess.run(shlex.split(smoke), check=False)
            if done.returncode:
                raise ReleaseError(f"{smoke} ended with status {done.returncode}")
    except ReleaseError as error:
        # Alarms would only stop the way back.
        unwatched = replace(stacks, watch=Watch())
        undone = [_take_back(unwatched, stack, was) for stack, was in reversed(before.items())]
        raise ReleaseError("\n".join([str(error), *undone])) from error
    return said


def _take_back(stacks: Stacks, stack: str, was: Mapping[str, str]) -> str:
    try:
        stacks.update(stack, was)
    except ReleaseError as error:
        return f"{stack} could NOT be taken back: {error}"
    return f"{stack}: taken back"


def wait_for(ecr: Any, image: str, patience_s: float = 2700, poll_s: float = 15) -> None:
    """Until an image is in this account's registry: copying it there takes up to half an hour.

    Args:
        image: ``repository@sha256:…``.

    Raises:
        ReleaseError: it does not come.
    """
    repository, _, digest = image.partition("@")
    end = time.monotonic() + patience_s
    while True:
        try:
            ecr.describe_images(repositoryName=repository, imageIds=[{"imageDigest": digest}])
            return
        except ecr.exceptions.ImageNotFoundException:
            if time.monotonic() >= end:
                raise ReleaseError(
                    f"{image} is not in this account's registry. Where it was built, the stack ecr "
                    "has to know this account; here, ToolingAccountId has to be that one"
                ) from None
        time.sleep(poll_s)


def alarm_arns(given: str, account_of: Any, region: str) -> tuple[str, ...]:
    """ARNs of alarms that are given by ARN, or by name in the account that we are in.

    Args:
        account_of: boto3's client of STS, asked only where there are names.
    """
    found = [each.strip() for each in given.split(",") if each.strip()]
    if all(each.startswith("arn:") for each in found):
        return tuple(found)
    _, partition, _, _, account, _ = account_of.get_caller_identity()["Arn"].split(":", 5)
    place = f"arn:{partition}:cloudwatch:{region}:{account}:alarm:"
    return tuple(each if each.startswith("arn:") else place + each for each in found)


def parse(targets: Iterable[str]) -> dict[str, dict[str, str]]:
    """``STACK:Parameter=value``, by stack.

    >>> parse(["core:ImageDigest=sha256:0a", "core:Approval=manual"])
    {'core': {'ImageDigest': 'sha256:0a', 'Approval': 'manual'}}
    """
    found: dict[str, dict[str, str]] = {}
    for target in targets:
        match = _TARGET.fullmatch(target)
        if not match or not match[3]:
            raise ReleaseError(f"{target!r} is not STACK:Parameter=value")
        found.setdefault(match[1], {})[match[2]] = match[3]
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("targets", nargs="+", metavar="STACK:Parameter=value")
    parser.add_argument("--alarms", default="", help="ARNs or names, separated by commas")
    parser.add_argument(
        "--image",
        action="append",
        default=[],
        metavar="REPOSITORY@DIGEST",
        help="is waited for in this account's registry",
    )
    parser.add_argument("--role", default="", help="the ARN by which CloudFormation updates them")
    parser.add_argument("--watch-minutes", type=int, default=10)
    parser.add_argument("--smoke", help="a command; a status other than 0 takes it all back")
    given = parser.parse_args(arguments)
    cloudformation = boto3.client("cloudformation")
    region = boto3.Session().region_name or ""
    alarms = alarm_arns(given.alarms, boto3.client("sts"), region)
    stacks = Stacks(cloudformation, Watch(alarms, given.watch_minutes), given.role)
    try:
        for image in given.image:
            wait_for(boto3.client("ecr"), image)
        print("\n".join(release(stacks, parse(given.targets), given.smoke)))
    except ReleaseError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
