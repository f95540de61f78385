"""Stations ``clean`` and ``quarantine``: every raw row ends in exactly one of the two.

Here: rows that keep the raw schema go through the pipeline's ``clean``; the others are kept with
the reason. Not here: the rules (the pipeline's schema) and how rows are judged (`checks.rows`).
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import dagster as dg
import pandas as pd

from mlops_assets.assets import spark, spark_places, verdicts
from mlops_assets.assets.preview import sample, table
from mlops_assets.assets.station import check, common, key
from mlops_assets.beta import allowed_beta
from mlops_assets.checks.results import Verdict, combine, warning
from mlops_assets.checks.rows import (
    accepted_rows,
    check_rows,
    failure_summary,
    quarantine,
)
from mlops_assets.checks.rows_parse import from_text
from mlops_assets.engines import Spark
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.emr.client import PipesEMRServerlessJobClient
from mlops_assets.resources.lake.resource import LakeResource
from mlops_assets.resources.records import Store
from mlops_assets.resources.sagemaker.processing import PipesSageMakerProcessingClient


def build(pipeline: MLPipeline) -> dg.AssetsDefinition:
    monitors = pipeline.monitors
    with allowed_beta():
        policy = dg.BackfillPolicy.single_run()
        tool = "spark" if isinstance(pipeline.engine, Spark) else "pandas"
        decorate = dg.multi_asset(
            name=f"{pipeline.name}__clean",
            specs=[
                dg.AssetSpec(
                    key(pipeline, "clean"),
                    deps=[key(pipeline, "raw")],
                    description="Valid rows, typed, with event times and the label.",
                    code_version=pipeline.code_version(
                        pipeline.clean, pipeline.raw_schema, monitors
                    ),
                    **common(pipeline, {tool, "iceberg", "pandera"}),
                ).with_io_manager_key("lake_io"),
                dg.AssetSpec(
                    key(pipeline, "quarantine"),
                    deps=[key(pipeline, "raw")],
                    description="Rows that break the raw schema: their raw values, and why.",
                    code_version=pipeline.code_version(pipeline.raw_schema),
                    **common(pipeline, {tool, "iceberg", "pandera"}),
                ).with_io_manager_key("lake_io"),
            ],
            partitions_def=pipeline.partitions.definition,
            backfill_policy=policy,
            pool=spark_places.pool(pipeline),
            check_specs=[
                check(
                    pipeline,
                    "clean",
                    "quarantine_share",
                    f"At most {monitors.quarantine_share:.2%} of the raw rows are bad.",
                    blocking=True,
                ),
                check(
                    pipeline,
                    "clean",
                    "entity_key_unique",
                    f"({', '.join(pipeline.entity_key)}) identifies a row.",
                    blocking=True,
                ),
                check(pipeline, "clean", "row_count", "The number of rows is as usual."),
                check(pipeline, "clean", "label_share", "The label's mean is as usual."),
            ],
        )

    if isinstance(pipeline.engine, Spark):
        return _on_spark(pipeline, decorate)

    @decorate
    def clean(
        context: dg.AssetExecutionContext, lake: LakeResource
    ) -> Iterator[dg.MaterializeResult]:
        cleaned: dict[str, pd.DataFrame] = {}
        rejected: dict[str, pd.DataFrame] = {}
        found: dict[str, dict[str, Verdict]] = {}
        hidden = [c for c in pipeline.personal if c in pipeline.raw_schema.to_schema().columns]
        for partition in context.partition_keys:
            raw = lake.open().read(pipeline.table("raw"), [partition])
            read = from_text(raw, pipeline.raw_schema.to_schema())
            report = check_rows(read, pipeline.raw_schema)
            reasons = failure_summary(report)
            bad = rejected[partition] = quarantine(raw, report, redact=hidden)
            good = cleaned[partition] = pipeline.clean(
                accepted_rows(read, report, pipeline.raw_schema)
            )
            if len(good) + len(bad) != len(raw):
                raise dg.Failure(
                    f"{pipeline.name}.clean returned {len(good):,} rows for "
                    f"{len(raw) - len(bad):,} valid ones in {partition}: rows may be quarantined, "
                    "never dropped. Keep every row, or reject it in raw_schema.",
                    allow_retries=False,
                )
            context.log.info(f"{partition}: {len(good):,} clean, {len(bad):,} in quarantine")
            here = {
                "quarantine_share": verdicts.quarantine_share(
                    len(bad), len(raw), reasons, pipeline
                ),
                "entity_key_unique": verdicts.entity_key_unique(
                    int(good.duplicated(list(pipeline.entity_key), keep=False).sum())
                ),
                "row_count": verdicts.row_count(len(good), pipeline),
                "label_share": _label(good, pipeline),
            }
            for name, verdict in here.items():
                found.setdefault(name, {})[partition] = verdict

        yield dg.MaterializeResult(
            asset_key=key(pipeline, "quarantine"),
            value=rejected,
            metadata={"reasons": table(reasons)},
        )
        last = next(reversed(cleaned.values()))
        yield dg.MaterializeResult(
            asset_key=key(pipeline, "clean"),
            value=cleaned,
            metadata={"sample": sample(last, hide=pipeline.personal)},
            check_results=_results(found),
        )

    return clean


def _results(found: Mapping[str, Mapping[str, Verdict]]) -> list[dg.AssetCheckResult]:
    return [
        combine("quarantine_share", found["quarantine_share"]),
        combine("entity_key_unique", found["entity_key_unique"]),
        warning("row_count", found["row_count"]),
        warning("label_share", found["label_share"]),
    ]


def _on_spark(
    pipeline: MLPipeline, decorate: Callable[[Callable[..., Any]], dg.AssetsDefinition]
) -> dg.AssetsDefinition:
    """The same station, made by a job."""

    @decorate
    def clean(
        context: dg.AssetExecutionContext,
        lake: LakeResource,
        store: Store,
        processing_jobs: PipesSageMakerProcessingClient,
        spark_jobs: PipesEMRServerlessJobClient,
    ) -> Iterator[dg.MaterializeResult]:
        job = spark.SparkJob(pipeline, "clean", lake, store, processing_jobs, spark_jobs)
        made, metadata = job.run(context, job.inputs("raw", context.partition_keys))
        found: dict[str, dict[str, Verdict]] = {}
        for partition, part in made.clean.items():
            reasons = spark.reasons(part.reasons)
            context.log.info(f"{partition}: {part.clean.rows:,} clean, {part.bad:,} in quarantine")
            here = {
                "quarantine_share": verdicts.quarantine_share(
                    part.bad, part.rows, reasons, pipeline
                ),
                "entity_key_unique": verdicts.entity_key_unique(part.twins),
                "row_count": verdicts.row_count(part.clean.rows, pipeline),
                "label_share": verdicts.label_share(part.label_mean, part.labels, pipeline),
            }
            for name, verdict in here.items():
                found.setdefault(name, {})[partition] = verdict
        yield dg.MaterializeResult(
            asset_key=key(pipeline, "quarantine"),
            value={partition: part.quarantine for partition, part in made.clean.items()},
            metadata={"reasons": table(reasons)},
        )
        yield dg.MaterializeResult(
            asset_key=key(pipeline, "clean"),
            value={partition: part.clean for partition, part in made.clean.items()},
            metadata={"sample": spark.shown(part.sample, part.clean, pipeline), **metadata},
            check_results=_results(found),
        )

    return clean


def _label(frame: pd.DataFrame, pipeline: MLPipeline) -> Verdict:
    labels = frame[pipeline.label.column].dropna()
    mean = None if labels.empty else float(labels.mean())
    return verdicts.label_share(mean, len(labels), pipeline)
