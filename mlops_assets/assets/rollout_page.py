"""What people see of an endpoint and its last rollout, as Dagster metadata and checks.

Here: tables, the latency plot, links, cost. Not here: carrying a rollout out.
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg
import pandas as pd

from mlops_assets.assets.preview import facts, image, table
from mlops_assets.ml import rollout_plots
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.sagemaker.hosting.cost import per_thousand, prices
from mlops_assets.resources.sagemaker.registry.registry import ModelPackage
from mlops_assets.resources.sagemaker.rollout.alarms import latency_bound
from mlops_assets.resources.sagemaker.rollout.rollout import Outcome
from mlops_assets.resources.sagemaker.rollout.rollout_verdict import Line
from mlops_assets.resources.sagemaker.session import SageMakerResource

CHECKS = {
    "answers": "Held-out rows get finite answers.",
    "errors": "The share of requests answered with an error keeps its bounds.",
    "latency": "The 99th percentile of the latency keeps its bound, and the champion's.",
    "agreement": "Champion and challenger answer the same rows alike.",
    "promised_quality": "The endpoint's own answers are as good as the evaluation's.",
    "serves": "What a rollout brought serves on; `mlops rollback` says here what serves instead.",
}
_CHECK_OF = {"health": "answers", "alarm": "errors", "quality": "promised_quality"}
_WARNS = frozenset({"agreement"})


def results(outcome: Outcome) -> list[dg.AssetCheckResult]:
    """A check for each line of the verdict; what a failed rollout did not get to ask has none."""
    named: dict[str, list[Line]] = {}
    for line in outcome.verdict.lines:
        name = _CHECK_OF.get(line.name, line.name)
        if name in CHECKS:
            named.setdefault(name, []).append(line)
    return [_result(outcome, name, lines) for name, lines in named.items()]


def serves(champion: ModelPackage) -> dg.AssetCheckResult:
    """Who serves, now that a rollout is over."""
    return dg.AssetCheckResult(check_name="serves", passed=True, description=in_words(champion))


def serves_instead(
    pipeline: MLPipeline, champion: ModelPackage, words: str
) -> dg.AssetCheckEvaluation:
    """Who serves, now that somebody took a rollout's result back."""
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey([pipeline.name, "endpoint"]),
        check_name="serves",
        passed=False,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{in_words(champion)}, serves instead: {words}",
    )


def _result(outcome: Outcome, name: str, lines: list[Line]) -> dg.AssetCheckResult:
    failed = any(line.status == "failed" for line in lines)
    # Without a champion there is nothing to compare with; with one, unknown is no success.
    unknown = outcome.before is not None and any(line.status == "unknown" for line in lines)
    warns = name in _WARNS or not failed
    return dg.AssetCheckResult(
        check_name=name,
        passed=not (failed or unknown),
        severity=dg.AssetCheckSeverity.WARN if warns else dg.AssetCheckSeverity.ERROR,
        description="\n".join(f"{line.figure} (bound: {line.bound})" for line in lines),
        metadata={"status": ", ".join(line.status for line in lines)},
    )


def verdict_table(outcome: Outcome) -> dg.MarkdownMetadataValue:
    marks = {"passed": "✓ passed", "failed": "✗ failed", "unknown": "? unknown"}
    return table(
        pd.DataFrame(
            {
                "": [line.name for line in outcome.verdict.lines],
                "figure": [line.figure for line in outcome.verdict.lines],
                "bound": [line.bound for line in outcome.verdict.lines],
                "verdict": [marks[line.status] for line in outcome.verdict.lines],
            }
        )
    )


def steps_table(outcome: Outcome) -> dg.MarkdownMetadataValue:
    lines = "\n".join(f"- {seconds:.1f} s: {said}" for seconds, said in outcome.steps)
    return dg.MetadataValue.md(lines or "*none*")


def latency_plot(pipeline: MLPipeline, outcome: Outcome) -> dict[str, dg.MetadataValue]:
    """Champion against challenger over the same rows; nothing where nobody was asked."""
    asked = {"challenger": outcome.after, "champion": outcome.before}
    if outcome.before is None:
        asked = {"champion": outcome.after}
    drawn = {name: found.latencies_ms for name, found in asked.items() if found is not None}
    if not drawn:
        return {}
    champion = outcome.before.p99_ms if outcome.before else None
    bound = latency_bound(pipeline.endpoint.bounds, champion)
    return {"latency": image(rollout_plots.latency(drawn, bound_ms=bound), "latency")}


def rollout_metadata(
    pipeline: MLPipeline, outcome: Outcome
) -> dict[str, dg.MetadataValue | int | float]:
    """The verdict, the steps and the plot, of a rollout that went well or not."""
    return {
        "verdict": verdict_table(outcome),
        "rollout": steps_table(outcome),
        "rollout seconds": round(outcome.seconds, 1),
        **latency_plot(pipeline, outcome),
    }


def endpoint_metadata(
    sagemaker: SageMakerResource,
    pipeline: MLPipeline,
    package: ModelPackage,
    description: Mapping[str, Any],
    champion: ModelPackage | None,
) -> dict[str, dg.MetadataValue]:
    """Where the endpoint is, who serves at it, and for how much of the traffic."""
    url = sagemaker.runtime().meta.endpoint_url
    return {
        "url": dg.MetadataValue.text(f"{url}/endpoints/{pipeline.slug}/invocations"),
        "champion": dg.MetadataValue.text(in_words(champion or package)),
        "traffic": traffic_split(description),
        "package": dg.MetadataValue.text(package.arn),
        "registry": registry_link(sagemaker, package),
        "configuration": dg.MetadataValue.text(description["EndpointConfigName"]),
        "cost": _cost(pipeline),
    }


def in_words(package: ModelPackage) -> str:
    """Which version a package is, and of when."""
    as_of = package.lineage.get("as_of", "unknown")
    return f"version {package.version} of {package.group}, as of {as_of}"


def traffic_split(description: Mapping[str, Any]) -> dg.MarkdownMetadataValue:
    """The variants' shares of the requests, by their weights."""
    found = description.get("ProductionVariants") or []
    whole = sum(variant.get("CurrentWeight") or 0 for variant in found) or 1
    shares = {
        variant["VariantName"]: f"{100 * (variant.get('CurrentWeight') or 0) / whole:.0f} %"
        for variant in found
    }
    shadows = description.get("ShadowProductionVariants") or []
    return facts({**shares, **{s["VariantName"]: "copies only" for s in shadows}})


def registry_link(sagemaker: SageMakerResource, package: ModelPackage) -> dg.MarkdownMetadataValue:
    """The package in the console; locally, how to show it."""
    if sagemaker.is_local:
        return dg.MetadataValue.md(
            f"`{package.arn}`, shown by `aws sagemaker describe-model-package "
            f"--endpoint-url {sagemaker.client().meta.endpoint_url} --model-package-name …`"
        )
    region = sagemaker.region
    return dg.MetadataValue.md(
        f"[{package.group} version {package.version}](https://{region}.console.aws.amazon.com/"
        f"sagemaker/home?region={region}#/model-packages/{package.group}/{package.version})"
    )


def _cost(pipeline: MLPipeline) -> dg.MarkdownMetadataValue:
    """USD for a thousand predictions, at the declared rate or at one each second."""
    declared = pipeline.endpoint
    rate = declared.load_test.requests_per_second if declared.load_test else 1.0
    assumed = "declared" if declared.load_test else "assumed"
    if declared.serverless:
        return dg.MetadataValue.md("by the request (serverless): no instance is paid for")
    usd = per_thousand(declared.instance_type, declared.instance_count, rate)
    if usd is None:
        return dg.MetadataValue.md(f"unknown: no price of {declared.instance_type} is recorded")
    table_ = prices()
    hourly = table_.instances[declared.instance_type].usd * declared.instance_count
    return dg.MetadataValue.md(
        f"{hourly:.3f} USD an hour ({declared.instance_count} × {declared.instance_type}, "
        f"on demand, {table_.region}, prices of {table_.as_of}); {usd:.2g} USD a thousand "
        f"predictions at {rate:g} a second ({assumed})"
    )
