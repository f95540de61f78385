"""CloudFormation templates as plain dicts and lists, intrinsics in their long form.

Not by cfn-lint's reader: importing that costs each process that collects the tests three seconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from mlops_assets.permissions.catalogue import OPERATOR, ROLES
from mlops_assets.permissions.policy import EVERYTHING
from mlops_assets.permissions.stack import template

Template = dict[str, Any]

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "cloudformation"
FILES = sorted(FOLDER.glob("*.yaml"))


class _Reader(yaml.CSafeLoader):
    """A date (a policy's version) stays text; ``!Short`` forms become ``Fn::Short``."""


def _intrinsic(reader: _Reader, short: str, node: yaml.Node) -> dict[str, Any]:
    name = short if short in ("Ref", "Condition") else f"Fn::{short}"
    if isinstance(node, yaml.ScalarNode):
        value = reader.construct_scalar(node)
        return {name: value.split(".", 1) if short == "GetAtt" else value}
    if isinstance(node, yaml.SequenceNode):
        return {name: reader.construct_sequence(node, deep=True)}
    return {name: reader.construct_mapping(node, deep=True)}


_Reader.add_multi_constructor("!", _intrinsic)
_Reader.add_constructor("tag:yaml.org,2002:timestamp", _Reader.construct_yaml_str)


@cache
def parse(path: Path) -> Template:
    """The template of a file, read once: who breaks it, breaks a copy."""
    return _Reader(path.read_text()).get_single_data()


def merged(templates: Iterable[Template]) -> Template:
    """All stacks as if they were one: their logical names are distinct (a test holds that).

    What one stack puts out and another takes as a parameter stays a parameter.
    """
    sections = ("Parameters", "Conditions", "Resources", "Outputs")
    found = list(templates)
    return {
        section: {name: each for one in found for name, each in one.get(section, {}).items()}
        for section in sections
    }


def platform() -> Template:
    """All of deploy/cloudformation."""
    return merged(parse(path) for path in FILES)


def full() -> Template:
    """The platform with the policies of every feature, for any pipeline: what `--any` makes."""
    return merged([platform(), template(EVERYTHING)])


# Parameters of the iam stack that have no default, as some deployment gives them.
GIVEN = {
    "Bucket": "lake",
    "KmsKeyArn": "arn:Key",
    "OperationsKeyArn": "arn:OperationsKey",
    "DatabaseSecretArn": "arn:Secret",
    "SubnetIds": ["subnet-1", "subnet-2"],
    "VpcId": "vpc-1",
}
# Whoever runs Dagster, and what runs in containers.
WORKER = list(OPERATOR)
CONTAINER = list(ROLES["ExecutionRole"])
