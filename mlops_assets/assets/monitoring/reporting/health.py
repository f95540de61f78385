"""Station ``health``: how a pipeline is, on one page, from what the other stations left.

Here: the asset, its page in the UI and the report. Not here: the parts (`health_data`,
`health_quality`, `health_fairness`, `health_serving`, `health_actions`), nor any measurement: only
records are read.
"""

import datetime as dt
from collections.abc import Sequence

import dagster as dg

from mlops_assets.assets.monitoring.reporting import (
    health_actions,
    health_data,
    health_fairness,
    health_quality,
    health_serving,
    health_ways,
)
from mlops_assets.assets.monitoring.reporting.health_part import Part, overall
from mlops_assets.assets.monitoring.reporting.records import HealthRecord
from mlops_assets.assets.monitoring.station import monitoring_station
from mlops_assets.assets.preview import image
from mlops_assets.assets.station import check, key
from mlops_assets.ml.report.html import Figure, page
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.records import Store
from mlops_assets.resources.sagemaker.session import SageMakerResource

NAME, NOW = "health", "now"
SHOWN = frozenset({"drift", "performance", "skew", "staleness", "bias", "explanation"})


def build(pipeline: MLPipeline, watched: Sequence[dg.AssetKey]) -> dg.AssetsDefinition:
    """``watched``: the pipeline's other monitoring stations; those that are shown come first."""

    @monitoring_station(
        pipeline,
        NAME,
        description=(
            "How the pipeline is, on one page: drift, quality, calibration, staleness, skew, "
            "traffic, cost and decisions. What is unknown is never healthy."
        ),
        kinds={"python"},
        code_version=pipeline.code_version(parts),
        checks=[check(pipeline, NAME, "healthy", "Nothing that is watched fails or is unknown.")],
        deps=[key(pipeline, "endpoint"), *(k for k in watched if k.path[-1] in SHOWN)],
        partitioned=False,
    )
    def health(
        context: dg.AssetExecutionContext, store: Store, sagemaker: SageMakerResource
    ) -> dg.MaterializeResult:
        found = parts(pipeline, store, sagemaker)
        record = report(pipeline, store, found)
        context.log.info(f"{record.status}: {record.words}")
        return dg.MaterializeResult(
            metadata=_show(record, found),
            check_results=[
                dg.AssetCheckResult(
                    check_name="healthy",
                    passed=record.status == "healthy",
                    severity=dg.AssetCheckSeverity.WARN,
                    description=record.words,
                )
            ],
        )

    return health


def parts(pipeline: MLPipeline, store: Store, sagemaker: SageMakerResource) -> list[Part]:
    """Every part of the page; of what is not there yet, what would make it."""
    return [
        health_serving.serving(pipeline, store, sagemaker),
        health_actions.decisions(pipeline, store),
        *health_quality.performance(pipeline, store),
        health_data.drift(pipeline, store),
        health_data.skew(pipeline, store),
        health_quality.staleness(pipeline, store),
        health_fairness.bias(pipeline, store),
        health_fairness.explanation(pipeline, store),
        health_serving.traffic(pipeline, sagemaker),
        health_serving.cost(pipeline, store),
        health_actions.score(pipeline, store),
    ]


def report(pipeline: MLPipeline, store: Store, found: list[Part]) -> HealthRecord:
    """Write the page and the record that leads to it."""
    status, words = overall(found)
    ui = health_ways.ui_address()
    at = dt.datetime.now(dt.UTC)
    made = page(
        title=f"Health of {pipeline.name}",
        subtitle=f"{pipeline.description} · {', '.join(pipeline.owners)}",
        mark=status,
        because=words,
        chapters=[health_ways.chapter(pipeline, part, ui) for part in found],
        foot=f"Made {at:%Y-%m-%d %H:%M} UTC from the records of the monitoring stations."
        + (f" Links lead to Dagster's UI at {ui}." if ui else ""),
    )
    uri = report_uri(pipeline, store)
    store.open().write(uri, made.encode())
    record = HealthRecord(
        pipeline=pipeline.name,
        at=at.isoformat(timespec="seconds"),
        status=status,
        words=words,
        parts=tuple(part.line for part in found if part.status is not None),
        report_uri=uri,
    )
    store.save(pipeline.name, NAME, NOW, record)
    return record


def report_uri(pipeline: MLPipeline, store: Store) -> str:
    """Where the newest report lies."""
    return store.uri("reports", pipeline.name, "health.html")


def _show(record: HealthRecord, found: list[Part]) -> dict[str, dg.MetadataValue]:
    shown: dict[str, dg.MetadataValue] = {
        "status": dg.MetadataValue.text(record.words),
        # A list: a table's columns are too narrow for sentences there.
        "parts": dg.MetadataValue.md(
            "\n".join(
                f"- **{part.name}**{f' *{part.status}*' if part.status else ''}: {part.figure}"
                for part in found
            )
        ),
        "report": dg.MetadataValue.path(record.report_uri),
    }
    for part in found:
        pictures = [content for content in part.content if isinstance(content, Figure)]
        for number, picture in enumerate(pictures):
            name = part.name.lower() + (f" {number + 1}" if number else "")
            shown[name] = image(picture.png, picture.alt)
    return shown
