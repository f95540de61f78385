"""The templates of deploy/cloudformation in their order, and what each of their parameters takes.

Here: the order, and one rule: a parameter takes the output of the same name of an earlier stack,
unless it is given; what was given once stays. So no stack holds another's output fast, each can be
replaced by what an account has already, and a change of an output reaches those that read it by
deploying them again. Not here: any request to AWS (stacks.py), what is in a template.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent / "cloudformation"
# CloudFormation's limit for a template in a request.
_MOST_BYTES = 51_200


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
