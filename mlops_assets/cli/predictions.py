"""`mlops invoke`: one stored row, asked of the live endpoint, with the truth beside the answer."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from rich.markup import escape
from rich.table import Table

from mlops_assets.assets.monitoring.captured.events import invocations
from mlops_assets.cli.errors import CommandError
from mlops_assets.cli.names import program
from mlops_assets.cli.world import World, console
from mlops_assets.pipeline import Label, MLPipeline
from mlops_assets.resources.lake.errors import LakeError
from mlops_assets.resources.sagemaker.errors import found_or_none
from mlops_assets.resources.sagemaker.hosting.assignment import assign
from mlops_assets.resources.sagemaker.hosting.payload import json_rows


@dataclass(frozen=True)
class Prediction:
    """A row, what the endpoint said and what came true (None: not known).

    The answer is a number, or for a multiclass label the probability of each class.
    """

    entity: dict[str, Any]
    row: dict[str, Any]
    answer: float | tuple[float, ...]
    truth: float | None
    url: str
    variant: str | None = None


def run(name: str, partition: str, row: int, *, key: str | None = None) -> None:
    world = World.open()
    pipeline = world.pipeline(name)
    show(pipeline, predict(world, pipeline, partition, row, key=key))


def predict(
    world: World, pipeline: MLPipeline, partition: str, row: int, *, key: str | None = None
) -> Prediction:
    """Ask about row ``row`` of a partition of ``features``.

    Args:
        key: the caller's; it decides the variant, as `resources.sagemaker.hosting.assignment` says.

    Raises:
        CommandError: no such partition or row, or nothing is serving.
    """
    try:
        frame = world.lake.read(pipeline.table("features"), [partition])
    except LakeError as error:
        raise CommandError(f"{error}. Run: {program()} demo {pipeline.name}") from None
    if row >= len(frame):
        raise CommandError(
            f"--row {row}: {pipeline.name}/features[{partition}] has rows 0 to {len(frame) - 1}"
        )
    chosen = frame.iloc[[row]]
    features = json_rows(chosen, pipeline.feature_columns)[0]
    variant = None if key is None else _variant(world, pipeline, key)
    (identity,) = invocations(pipeline, chosen)
    answer, url = ask(world, pipeline, features, variant, identity)
    truth = chosen[pipeline.label.column].iloc[0]
    return Prediction(
        entity=json_rows(chosen.astype(str), pipeline.entity_key)[0],
        row=features,
        answer=answer,
        truth=None if pd.isna(truth) else float(truth),
        url=url,
        variant=variant,
    )


def _variant(world: World, pipeline: MLPipeline, key: str) -> str | None:
    """The variant that this caller belongs to; None where nothing serves, which asking will say."""
    found = found_or_none(
        lambda: world.sagemaker.client().describe_endpoint(EndpointName=pipeline.slug)
    )
    shown = (found or {}).get("ProductionVariants") or []
    weights = {v["VariantName"]: v.get("CurrentWeight") or 0.0 for v in shown}
    return assign(key, weights) if any(weights.values()) else None


def ask(
    world: World,
    pipeline: MLPipeline,
    features: dict[str, Any],
    variant: str | None = None,
    identity: Mapping[str, str] | None = None,
) -> tuple[float | tuple[float, ...], str]:
    """The endpoint's answer to one row, and the URL that gave it.

    Args:
        identity: InferenceId and CustomAttributes, by which the captured answer is found again.
    """
    from botocore.exceptions import ClientError

    runtime = world.sagemaker.runtime()
    target = {} if variant is None else {"TargetVariant": variant}
    try:
        reply = runtime.invoke_endpoint(
            EndpointName=pipeline.slug,
            ContentType="application/json",
            Body=json.dumps({"instances": [features]}).encode(),
            **target,
            **(identity or {}),
        )
    except ClientError as error:
        raise CommandError(
            f"endpoint {pipeline.slug} does not answer: {error.response['Error']['Message']}. "
            f"Deploy it with: {program()} demo {pipeline.name}"
        ) from None
    url = f"{runtime.meta.endpoint_url}/endpoints/{pipeline.slug}/invocations"
    answer = json.loads(reply["Body"].read())["predictions"][0]
    return tuple(map(float, answer)) if isinstance(answer, list) else float(answer), url


def show(pipeline: MLPipeline, prediction: Prediction) -> None:
    table = Table(box=None, show_header=False, pad_edge=False)
    for column, value in prediction.entity.items():
        table.add_row(column, str(value))
    for what, said in _said(pipeline.label, prediction.answer):
        table.add_row(what, said)
    table.add_row("what came true", _true(pipeline.label, prediction.truth))
    if prediction.variant is not None:
        table.add_row("answered by variant", prediction.variant)
    console.print(table)


def _said(label: Label, answer: float | tuple[float, ...]) -> list[tuple[str, str]]:
    """What the endpoint answered, line by line; of many classes the two that it finds likeliest."""
    if not isinstance(answer, tuple):
        what = "probability" if label.kind == "binary" else "value"
        return [(f"{what} of {label.column}", f"[bold]{answer:.4f}[/]")]
    first, second = sorted(zip(answer, label.classes, strict=True), key=lambda pair: -pair[0])[:2]
    return [
        (f"most probable {label.column}", f"[bold]{escape(first[1])}[/]  {first[0]:.4f}"),
        ("next", f"{escape(second[1])}  {second[0]:.4f}"),
    ]


def _true(label: Label, truth: float | None) -> str:
    if truth is None:
        return "not known (yet)"
    return escape(label.classes[int(truth)]) if label.classes else f"{truth:g}"
