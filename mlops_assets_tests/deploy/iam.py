"""IAM's decision about a request, by the policies of a template: enough of it for ours.

Here: intrinsics to values, conditions, allow and deny. Not here: what requests are made
(test_requests_allowed). An operator that is not known is an error, never a guess.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from mlops_assets_tests.deploy.policy import Statement
from mlops_assets_tests.deploy.template import GIVEN, Template

PSEUDO = {
    "AWS::Partition": "aws",
    "AWS::Region": "us-east-1",
    "AWS::AccountId": "111122223333",
    "AWS::URLSuffix": "amazonaws.com",
}
Context = Mapping[str, str | Sequence[str]]


def statements(template: Template, policies: Sequence[str], **given: Any) -> list[Statement]:
    """The statements of managed policies with their intrinsics replaced.

    Args:
        given: parameters beside `GIVEN`. ``Fn::GetAtt: [Role, Arn]`` becomes ``arn:Role``.
    """
    resolved = _Resolved(template, {**PSEUDO, **GIVEN, **given})
    found = []
    for name in policies:
        document = template["Resources"][name]["Properties"]["PolicyDocument"]
        found += [resolved.value(statement) for statement in document["Statement"]]
    return [statement for statement in found if statement is not None]


def allowed(
    policy: Sequence[Statement], action: str, resource: str, context: Context | None = None
) -> bool:
    """Whether something allows the request and nothing denies it."""
    effects = {
        statement["Effect"]
        for statement in policy
        if any(_like(action, pattern) for pattern in _list(statement["Action"]))
        and any(_like(resource, pattern) for pattern in _list(statement["Resource"]))
        and _holds(statement.get("Condition", {}), context or {})
    }
    return effects == {"Allow"}


def actions(policy: Sequence[Statement]) -> set[str]:
    """Everything that is allowed of something, under whatever condition."""
    return {a for s in policy if s["Effect"] == "Allow" for a in _list(s["Action"])}


class _Resolved:
    def __init__(self, template: Template, values: Mapping[str, Any]) -> None:
        defaults = {
            name: parameter["Default"]
            for name, parameter in template["Parameters"].items()
            if "Default" in parameter
        }
        self._values = {**defaults, **values}
        self._conditions = template.get("Conditions", {})

    def value(self, node: Any) -> Any:
        if isinstance(node, list):
            return [self.value(each) for each in node]
        if not isinstance(node, dict):
            return node
        if len(node) != 1:
            return {key: self.value(each) for key, each in node.items()}
        ((function, argument),) = node.items()
        known: dict[str, Callable[[Any], Any]] = {
            "Ref": lambda name: None if name == "AWS::NoValue" else self._values[name],
            "Fn::GetAtt": lambda path: f"arn:{path[0]}",
            "Fn::Sub": self._substituted,
            "Fn::If": lambda parts: self.value(parts[1 if self._is(parts[0]) else 2]),
            "Fn::Equals": lambda pair: self.value(pair[0]) == self.value(pair[1]),
            "Fn::Not": lambda one: not self.value(one[0]),
        }
        if function in known:
            return known[function](argument)
        return {function: self.value(argument)}

    def _is(self, condition: str) -> bool:
        return bool(self.value(self._conditions[condition]))

    def _substituted(self, text: str) -> str:
        def of(match: re.Match[str]) -> str:
            name, dot, _ = match[1].partition(".")
            return f"arn:{name}" if dot else str(self._values[name])

        return re.sub(r"\$\{(?!aws:)([^}]+)\}", of, text)


def _holds(condition: Mapping[str, Any], context: Context) -> bool:
    return all(
        _test(operator, _list(wanted), [] if key not in context else _list(context[key]))
        for operator, keys in condition.items()
        for key, wanted in keys.items()
    )


def _test(operator: str, wanted: Sequence[str], values: Sequence[str]) -> bool:
    if operator == "Null":
        return (not values) == (wanted == ["true"])
    base = operator.removeprefix("ForAnyValue:").removesuffix("IfExists")
    test = {
        "ArnEquals": _like,
        "NumericLessThan": lambda value, limit: float(value) < float(limit),
        "Bool": str.__eq__,
        "StringEquals": str.__eq__,
        "StringLike": _like,
        "StringNotEquals": str.__eq__,
        "StringNotLike": _like,
    }[base]
    negated = "Not" in base
    if not values:  # an absent key: any of none is false; a negation holds, and so does IfExists
        return not operator.startswith("ForAnyValue:") and (
            negated or operator.endswith("IfExists")
        )
    return any(negated != any(test(value, pattern) for pattern in wanted) for value in values)


def _like(value: str, pattern: str) -> bool:
    return fnmatchcase(value, pattern.replace("[", "[[]"))


def _list(value: Any) -> list[Any]:
    return [value] if isinstance(value, str) else list(value)


def members(node: Any) -> Iterator[tuple[str, Any]]:
    """Every key and value in nested dicts and lists."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield key, value
            yield from members(value)
    elif isinstance(node, list):
        for each in node:
            yield from members(each)
