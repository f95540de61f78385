"""Policies for declarations: the statements that they need, about their names, within IAM's limits.

Here: choosing, narrowing, cutting into documents. Not here: CloudFormation (`stack`), the printed
form (`cli.iam`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mlops_assets.permissions.catalogue import POLICIES
from mlops_assets.permissions.needs import FEATURES, features, names
from mlops_assets.permissions.statement import ANY, Names, Statement
from mlops_assets.pipeline import MLPipeline

# IAM's limit for a managed policy, white space not counted.
LIMIT = 6144
# What placeholders are at most: names of AWS's longest regions, buckets of 63 characters.
_LONGEST = {
    "AWS::Partition": "aws-us-gov",
    "AWS::Region": "ap-southeast-2",
    "AWS::AccountId": "0" * 12,
    "AWS::URLSuffix": "amazonaws.com",
    "Bucket": "b" * 63,
    "ClusterName": "c" * 32,
    "ControlPlaneRepository": "r" * 64,
    "EmrApplicationId": "0" * 64,
    "ImageRepository": "r" * 64,
    "SubnetIds": ["subnet-0123456789abcdef0"] * 6,
    "VpcId": "vpc-0123456789abcdef0",
}
_ARN = "arn:" + 100 * "x"


class PolicyError(ValueError):
    """A declaration's policies do not fit into IAM's limits, or a feature is unknown."""


Scope = Sequence[tuple[Names, Collection[str]]]


def scope(pipelines: Iterable[MLPipeline], extra: Iterable[str] = ()) -> Scope:
    """Each pipeline's names with the features that it uses, and ``extra`` ones.

    Raises:
        PolicyError: a feature is not one.
    """
    more = frozenset(extra)
    if wrong := sorted(more - FEATURES.keys()):
        raise PolicyError(f"{wrong[0]!r} is no feature; there are {', '.join(sorted(FEATURES))}")
    return [(names(pipeline), features(pipeline) | more) for pipeline in pipelines]


# What a declaration may ask for beyond the rest; that it wants a person's approval is a denial, and
# not to be said of pipelines that nobody has declared yet.
EVERYTHING: Scope = [(ANY, FEATURES.keys() - {"manual_approval"})]


def statements(policy: str, scope: Scope) -> list[Statement]:
    """What a policy holds for these pipelines, each statement about those that need it."""
    found = []
    for statement in POLICIES[policy].statements:
        about = [names for names, used in scope if not statement.needs or statement.needs in used]
        if about and (narrowed := statement.for_pipelines(about)):
            found.append(narrowed)
    return found


def documents(policy: str, scope: Scope) -> dict[str, list[Statement]]:
    """``{name: statements}``: one policy, or several where one would be too large for IAM.

    Denials stand in each, at its end, so that no part can be attached without them.

    Raises:
        PolicyError: one statement about one resource, beside the denials, is too large.
    """
    found = statements(policy, scope)
    denials = [statement for statement in found if statement.deny]
    room = LIMIT - size(denials)
    parts: list[list[Statement]] = [[]]
    for statement in (each for each in found if not each.deny):
        for piece in _pieces(statement, room):
            if parts[-1] and size([*parts[-1], piece, *denials]) > LIMIT:
                parts.append([])
            parts[-1].append(piece)
    return {
        f"{policy}{number if number > 1 else ''}": [*part, *denials]
        for number, part in enumerate(parts, 1)
        if found
    }


def _pieces(statement: Statement, room: int) -> list[Statement]:
    """The statement, in as many as it takes for each to fit, by its resources."""
    if size([statement]) <= room:
        return [statement]
    if len(statement.resources) < 2:
        raise PolicyError(
            f"statement {statement.sid} is larger than IAM's {LIMIT:,} characters: give fewer "
            "pipelines a role in common, or all of them (--any)"
        )
    half = len(statement.resources) // 2
    halves = statement.resources[:half], statement.resources[half:]
    pieces = [
        piece for some in halves for piece in _pieces(replace(statement, resources=some), room)
    ]
    return [
        replace(piece, sid=f"{statement.sid}{number if number > 1 else ''}")
        for number, piece in enumerate(pieces, 1)
    ]


def size(statements: Sequence[Statement]) -> int:
    """Characters of a document as IAM counts them, with placeholders at their longest."""
    body = [as_policy(statement, _LONGEST) for statement in statements]
    text = json.dumps({"Version": "2012-10-17", "Statement": body}, separators=(",", ":"))
    return len(re.sub(r"\$\{[^}]+\}", _ARN, text))


def as_policy(statement: Statement, values: Mapping[str, Any]) -> dict[str, Any]:
    """The statement as IAM reads it; placeholders without a value stay."""
    body: dict[str, Any] = {
        "Sid": statement.sid,
        "Effect": "Deny" if statement.deny else "Allow",
        "Action": _one_or_many(statement.actions),
        "Resource": _one_or_many([filled(each, values) for each in statement.resources]),
    }
    if statement.condition:
        body["Condition"] = {
            operator: {key: filled(wanted, values) for key, wanted in keys.items()}
            for operator, keys in statement.condition.items()
        }
    return body


def filled(text: str | Sequence[str], values: Mapping[str, Any]) -> Any:
    """Placeholders replaced; one that stands alone may stand for a list.

    >>> filled("${SubnetIds}", {"SubnetIds": ["a", "b"]}), filled("x/${Other}", {})
    (['a', 'b'], 'x/${Other}')
    """
    if not isinstance(text, str):
        return [filled(each, values) for each in text]
    if (alone := re.fullmatch(r"\$\{(?!aws:)([^}]+)\}", text)) and alone[1] in values:
        return values[alone[1]]
    return re.sub(r"\$\{(?!aws:)([^}]+)\}", lambda m: str(values.get(m[1], m[0])), text)


def _one_or_many(values: Sequence[Any]) -> Any:
    return values[0] if len(values) == 1 else list(values)
