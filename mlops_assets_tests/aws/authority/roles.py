"""The roles of deploy/cloudformation with the policies that they have, and what was used of them.

Here: reading them from the templates, the decision about one permission, the count. Not here: which
permissions a request needs (grants), IAM's rules (`deploy.iam`).
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from mlops_assets_tests.aws.authority.grant import Grant, Place
from mlops_assets_tests.deploy import iam
from mlops_assets_tests.deploy.policy import Statement
from mlops_assets_tests.deploy.template import Template, platform

DAGSTER, EXECUTION = "DagsterRole", "ExecutionRole"
# A person's, which the account's owner makes of Dagster's policies and the one for approvals.
APPROVER = "Approver"
# Policies of the lake's bucket and of its key themselves: resource, and where its document is.
_BUCKET, _KEY = ("LakeBucketPolicy", "PolicyDocument"), ("Key", "KeyPolicy")


@dataclass(frozen=True, order=True)
class Permission:
    """One action of one statement, of a role that has the statement's policy."""

    role: str
    policy: str
    sid: str
    action: str


@dataclass
class Roles:
    """Statements by role and policy, the bucket's and the key's own, and the permissions used."""

    held: Mapping[str, list[tuple[str, Statement]]]
    bucket: Sequence[Statement]
    key: Sequence[Statement]
    key_arn: str
    used: set[Permission] = field(default_factory=set)
    _found: dict[tuple[str, str], list[tuple[str, Statement]]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def allow(self, role: str, grant: Grant) -> bool:
        """Whether a role has a permission; if so, what gave it counts as used."""
        held = self._about(role, grant.action)
        question = (grant.action, grant.resource, grant.context)
        policy = [statement for _, statement in held]
        if grant.action.startswith("s3:"):
            policy += self.bucket
        if not iam.allowed(policy, *question):
            return False
        # A key's own policy says what the account may let its principals do with it.
        if grant.resource == self.key_arn and not iam.allowed(self.key, *question):
            return False
        giving = {
            Permission(role, name, statement["Sid"], grant.action)
            for name, statement in held
            if iam.allowed([statement], *question)
        }
        with self._lock:
            self.used |= giving
        return True

    def _about(self, role: str, action: str) -> list[tuple[str, Statement]]:
        """The role's statements about an action, looked for once: requests are thousands."""
        if (role, action) not in self._found:
            self._found[role, action] = [
                (name, statement)
                for name, statement in self.held.get(role, ())
                if any(fnmatchcase(action, each) for each in _list(statement["Action"]))
            ]
        return self._found[role, action]

    def permissions(self, roles: Collection[str]) -> set[Permission]:
        """All that some roles are allowed."""
        return {
            Permission(role, name, statement["Sid"], action)
            for role in roles
            for name, statement in self.held[role]
            if statement["Effect"] == "Allow"
            for action in _list(statement["Action"])
        }

    def without(self, role: str, action: str) -> Roles:
        """The same, but for one action of one role: the negative control of all this."""
        held = []
        for name, statement in self.held[role]:
            left = [each for each in _list(statement["Action"]) if each != action]
            if left:
                held.append((name, {**statement, "Action": left}))
        return Roles({**self.held, role: held}, self.bucket, self.key, self.key_arn)


def roles(place: Place, parameters: Mapping[str, Any], template: Template | None = None) -> Roles:
    """As the templates leave them in this place; ``template``: other stacks than the platform's."""
    template = template or platform()
    given = {
        # What other stacks put out, and no request of the tests is about.
        **{k: f"arn:{k}" for k, v in template["Parameters"].items() if "Default" not in v},
        "AWS::AccountId": place.account,
        "AWS::Region": place.region,
        "Bucket": place.bucket,
        "KmsKeyArn": place.key_arn,
        "OperationsKeyArn": place.operations_key_arn,
        "VpcId": place.vpc,
        **parameters,
    }

    def document(name: str, policy: Mapping[str, Any]) -> list[Statement]:
        # In the form of a managed policy, which is what is read there.
        only = {**template, "Resources": {name: {"Properties": {"PolicyDocument": policy}}}}
        return [_placed(each, place) for each in iam.statements(only, [name], **given)]

    def own(name: str, member: str) -> list[Statement]:
        return document(name, template["Resources"][name]["Properties"][member])

    held = {
        role: [(name, statement) for name in names for statement in own(name, "PolicyDocument")]
        for role, names in _policies(template).items()
        if role in place.roles
    }
    approvals = "ApproverPolicy"
    held[APPROVER] = [
        *held.get(DAGSTER, ()),
        *((approvals, statement) for statement in own(approvals, "PolicyDocument")),
    ]
    return Roles(held, own(*_BUCKET), own(*_KEY), place.key_arn)


def _policies(template: Template) -> dict[str, list[str]]:
    """Names of policies by role: the role names them, or they the role."""
    resources = template["Resources"]
    found = {
        # Others than our own are AWS's, of roles that nothing here has.
        name: [each["Ref"] for each in _members(resource, "ManagedPolicyArns") if "Ref" in each]
        for name, resource in resources.items()
        if resource["Type"] == "AWS::IAM::Role"
    }
    for name, resource in resources.items():
        if resource["Type"] == "AWS::IAM::ManagedPolicy":
            for role in _members(resource, "Roles"):
                found[role["Ref"]].append(name)
    return found


def _members(resource: Mapping[str, Any], name: str) -> list[Any]:
    found: list[Any] = resource["Properties"].get(name, [])
    return found


def _placed(statement: Statement, place: Place) -> Statement:
    """Stand-ins for other resources' ARNs replaced by the ARNs that they have in this place."""
    known = {"Key": place.key_arn, "LakeBucket": f"arn:aws:s3:::{place.bucket}", **place.roles}
    text = json.dumps(statement)
    text = re.sub(r'(?<=")arn:(\w+)(?=["/])', lambda match: known.get(match[1], match[0]), text)
    placed: Statement = json.loads(text)
    return placed


def _list(value: Any) -> list[Any]:
    return [value] if isinstance(value, str) else list(value)
