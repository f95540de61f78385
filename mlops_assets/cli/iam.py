"""`mlops iam`: the least that AWS must allow for a pipeline, printed; or the whole iam stack.

Here: what is printed, and with which values. Not here: the statements (`mlops_assets.permissions`).
"""

import json
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import typer
import yaml

from mlops_assets.cli.errors import CommandError
from mlops_assets.permissions.catalogue import OF_DECLARATIONS
from mlops_assets.permissions.policy import EVERYTHING, Scope, as_policy, documents, scope
from mlops_assets.permissions.stack import template
from mlops_assets.permissions.statement import Statement
from mlops_assets.permissions.template_text import written
from mlops_assets.pipelines import declared
from mlops_assets.settings import Settings


def run(
    pipelines: Sequence[str],
    *,
    policy: str | None,
    features: Iterable[str],
    everything: bool,
    stack: bool,
    as_yaml: bool,
) -> None:
    settings = Settings.load()
    chosen = EVERYTHING if everything else _scope(settings, pipelines, features)
    if stack:
        typer.echo(written(template(chosen)), nl=False)
        return
    found = {
        name: statements
        for each in OF_DECLARATIONS
        for name, statements in documents(each, chosen).items()
    }
    if policy is not None:
        if policy not in found:
            raise CommandError(f"there is no policy {policy!r}; there are {', '.join(found)}")
        found = {policy: found[policy]}
    values = known(settings)
    given = {
        "Alerts": "AlertTopicArn" in values,
        "Listens": bool(settings.events_queue_url),
        "RunsSpark": bool(settings.emr_application_id),
        "Signs": "SigningKeyArn" in values,
    }
    found = {
        name: [each for each in some if not each.given or given.get(each.given, False)]
        for name, some in found.items()
    }
    text = _yaml(found, values) if as_yaml else _json(found, values, alone=policy is not None)
    typer.echo(text)
    if missing := sorted(set(re.findall(r"\$\{(?!aws:)([^}]+)\}", text))):
        typer.secho(
            f"To fill in: {', '.join(missing)}. MLOPS_ENV=aws with the outputs of the stacks fills "
            "in what it knows (deploy/README.md).",
            fg=typer.colors.YELLOW,
            err=True,
        )


def _scope(settings: Settings, wanted: Sequence[str], features: Iterable[str]) -> Scope:
    found = {pipeline.name: pipeline for pipeline in declared(settings.pipelines)}
    if unknown := [name for name in wanted if name not in found]:
        raise CommandError(
            f"no pipeline is called {unknown[0]!r}; declared are {', '.join(sorted(found))}"
        )
    return scope([found[name] for name in wanted or sorted(found)], features)


def known(settings: Settings) -> dict[str, Any]:
    """What the settings of a deployment say about placeholders."""
    values: dict[str, Any] = {"AWS::URLSuffix": "amazonaws.com", "ExecutionRole.Arn": None}
    if role := re.fullmatch(r"arn:([^:]+):iam::(\d{12}):role/.+", settings.role_arn):
        values |= {"AWS::Partition": role[1], "AWS::AccountId": role[2]}
        values |= {"AWS::Region": settings.region, "ExecutionRole.Arn": settings.role_arn}
    image = settings.image_uri.partition("/")[2].partition("@")[0].partition(":")[0]
    values |= {
        "AlertTopicArn": settings.alert_topic_arn,
        "Bucket": settings.bucket,
        "EmrApplicationId": settings.emr_application_id,
        "SparkRole.Arn": settings.emr_role_arn,
        "ImageRepository": image,
        "KmsKeyArn": settings.kms_key_arn,
        "SigningKeyArn": settings.signing_key if settings.signing_key.startswith("arn:") else "",
        "SubnetIds": list(settings.subnets),
    }
    return {name: value for name, value in values.items() if value}


def _policy(statements: Sequence[Statement], values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": [as_policy(statement, values) for statement in statements],
    }


def _json(
    found: Mapping[str, Sequence[Statement]], values: Mapping[str, Any], *, alone: bool
) -> str:
    policies = {name: _policy(statements, values) for name, statements in found.items()}
    return json.dumps(next(iter(policies.values())) if alone else policies, indent=2)


def _yaml(found: Mapping[str, Sequence[Statement]], values: Mapping[str, Any]) -> str:
    """The same, each statement below its reason."""
    lines = []
    for name, statements in found.items():
        lines += [f"{name}:", '  Version: "2012-10-17"', "  Statement:"]
        for statement in statements:
            comment = "    # "
            lines += textwrap.wrap(
                statement.because, 100, initial_indent=comment, subsequent_indent=comment
            )
            body = yaml.safe_dump([as_policy(statement, values)], sort_keys=False, width=1000)
            lines += textwrap.indent(body.rstrip(), "    ").splitlines()
    return "\n".join(lines)
