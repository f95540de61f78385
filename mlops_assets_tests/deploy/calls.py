"""Which operations of AWS the code calls by name, and which IAM actions those need.

Here: reading Python's syntax trees. Not here: what is allowed (`iam`), nor what libraries call
(`INDIRECT` in test_needed_permissions).
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import botocore.session
from botocore import xform_name

# Where an operation and the action that it needs are not called the same.
_ACTIONS = {
    "s3:HeadObject": ["s3:GetObject"],
    "s3:ListObjectsV2": ["s3:ListBucket"],
    "sns:DeleteEndpoint": [],  # SageMaker's of the same name: SNS is only told alerts
    "sts:GetCallerIdentity": [],  # everybody may
}
# Where operations share another service's prefix.
_PREFIXES = {
    "sagemaker-featurestore-runtime": "sagemaker",
    "sagemaker-runtime": "sagemaker",
}


def needed_actions(files: Iterable[Path]) -> dict[str, str]:
    """{IAM action: the first place that needs it} of the calls in Python files."""
    trees = {file: ast.parse(file.read_text()) for file in sorted(files)}
    made = [(file, *found) for file, tree in trees.items() for found in _services(tree)]
    needed: dict[str, str] = {}
    for file, tree in trees.items():
        makes_its_own = any(where == file for where, *_ in made)
        services = {
            service
            for where, service, shared in made
            if shared or where == file or (not makes_its_own and file.is_relative_to(where.parent))
        }
        for name, line in _names(tree):
            for action in _actions(name, frozenset(services)):
                needed.setdefault(action, f"{file.name}:{line}")
    return needed


def _services(tree: ast.AST) -> Iterator[tuple[str, bool]]:
    """The services that clients are made of: ``client("s3")`` and the like.

    Those that `SageMakerResource._client` makes are used everywhere; others where they are made,
    and in modules of the same folder and below that make none: or every method called
    ``get_session`` would be Athena's.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            function = ast.unparse(node.func).rpartition(".")[2]
            if function in ("client", "_client", "create_client"):
                yield str(node.args[0].value), function == "_client"


def computed_names(files: Iterable[Path]) -> list[str]:
    """Where a method of something else is taken by a name put together at run time.

    ``getattr(client, f"list_{kind}")`` calls what `needed_actions` cannot see; a whole name in a
    table is seen there.
    """
    place = {"getattr": 1, "get_paginator": 0, "get_waiter": 0}  # of the name among the arguments
    return [
        f"{file.name}:{node.lineno}"
        for file in sorted(files)
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call)
        and (at := place.get(ast.unparse(node.func).rpartition(".")[2])) is not None
        and any(isinstance(name, ast.JoinedStr | ast.BinOp) for name in node.args[at : at + 1])
        and ast.unparse(node.args[0]) != "self"
    ]


def _names(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Names that may be a client's method: ``client.stop_job``, ``get_paginator("list_jobs")``.

    Of one word (``verify``) only where the call's arguments are botocore's: by name, capitalized.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and "_" in node.attr:
            yield node.attr, node.lineno
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            arguments = [keyword.arg or "" for keyword in node.keywords]
            if not node.args and any(argument[:1].isupper() for argument in arguments):
                yield node.func.attr, node.lineno
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "_" in node.value:
            yield node.value, node.lineno


def _actions(method: str, services: frozenset[str]) -> list[str]:
    return [
        action
        for service in sorted(services)
        if (operation := _operations(service).get(method))
        for action in _ACTIONS.get(
            f"{service}:{operation}", [f"{_PREFIXES.get(service, service)}:{operation}"]
        )
    ]


@cache
def _operations(service: str) -> dict[str, str]:
    model = botocore.session.get_session().get_service_model(service)
    return {xform_name(name): name for name in model.operation_names}
