"""CloudFormation templates as plain dicts and lists, intrinsics in their long form.

Not by cfn-lint's reader: importing that costs each process that collects the tests three seconds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

Template = dict[str, Any]

CORE_FILE = Path(__file__).resolve().parents[2] / "deploy" / "cloudformation" / "core.yaml"


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


def parse(path: Path) -> Template:
    """The template of a file."""
    return _Reader(path.read_text()).get_single_data()
