"""A generated template as YAML that people read: short intrinsics, the reason above each statement.

Here: text. Not here: what the template says (`stack`).
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from typing import Any

import yaml

from mlops_assets.permissions.catalogue import POLICIES

_HEAD = """\
# Made by `make iam` from mlops_assets/permissions and the declared pipelines: do not edit.
"""


class _Writer(yaml.SafeDumper):
    """Lists are indented, strings of several kinds stay plain where they can."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _intrinsic(writer: yaml.SafeDumper, value: dict[str, Any]) -> yaml.Node:
    if len(value) == 1:
        ((name, argument),) = value.items()
        if name == "Fn::GetAtt":
            return writer.represent_scalar("!GetAtt", ".".join(argument))
        if name in ("Ref", "Fn::Sub"):
            return writer.represent_scalar(f"!{name.removeprefix('Fn::')}", argument)
    return writer.represent_mapping("tag:yaml.org,2002:map", value.items())


_Writer.add_representer(dict, _intrinsic)


def written(template: Mapping[str, Any]) -> str:
    """The template's text, headed by where it comes from."""
    text = yaml.dump(dict(template), Dumper=_Writer, sort_keys=False, width=1000)
    text = re.sub(r"(!Ref|!GetAtt) '([\w:.]+)'", r"\1 \2", text)
    return _HEAD + "\n".join(_with_reasons(text)) + "\n"


def _with_reasons(text: str) -> list[str]:
    reasons: dict[str, str] = {}
    lines = []
    for line in text.splitlines():
        if resource := re.fullmatch(r"  (\w+):", line):
            policy = POLICIES.get(re.sub(r"\d+$", "", resource[1]))
            reasons = {s.sid: s.because for s in policy.statements} if policy else {}
        if (sid := re.fullmatch(r"( *)- Sid: (\w+?)\d*", line)) and sid[2] in reasons:
            comment = f"{sid[1]}# "
            lines += textwrap.wrap(
                reasons[sid[2]], 100, initial_indent=comment, subsequent_indent=comment
            )
        lines.append(line)
    return lines
