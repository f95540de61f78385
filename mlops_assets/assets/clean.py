"""Stations ``clean`` and ``quarantine``: every raw row ends in exactly one of the two.

Here: rows that keep the raw schema go through the pipeline's ``clean``; the others are kept with
the reason. Not here: the rules (the pipeline's schema) and how rows are judged (`checks.rows`).
"""

from collections.abc import Iterator

import dagster as dg
import pandas as pd

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
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.lake.resource import LakeResource


def build(pipeline: MLPipeline) -> dg.AssetsDefinition:
    monitors = pipeline.monitors
    with allowed_beta():
        policy = dg.BackfillPolicy.single_run()
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
                    **common(pipeline, {"pandas", "iceberg", "pandera"}),
                ).with_io_manager_key("lake_io"),
                dg.AssetSpec(
                    key(pipeline, "quarantine"),
                    deps=[key(pipeline, "raw")],
                    description="Rows that break the raw schema: their raw values, and why.",
                    code_version=pipeline.code_version(pipeline.raw_schema),
                    **common(pipeline, {"pandas", "iceberg", "pandera"}),
                ).with_io_manager_key("lake_io"),
            ],
            partitions_def=pipeline.partitions.definition,
            backfill_policy=policy,
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

    @decorate
    def clean(
        context: dg.AssetExecutionContext, lake: LakeResource
    ) -> Iterator[dg.MaterializeResult]:
        cleaned: dict[str, pd.DataFrame] = {}
        rejected: dict[str, pd.DataFrame] = {}
        verdicts: dict[str, dict[str, Verdict]] = {}
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
            found = {
                "quarantine_share": _share(len(bad), len(raw), pipeline, reasons),
                "entity_key_unique": _unique(good, pipeline),
                "row_count": _count(len(good), pipeline),
                "label_share": _label(good, pipeline),
            }
            for name, verdict in found.items():
                verdicts.setdefault(name, {})[partition] = verdict

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
            check_results=[
                combine("quarantine_share", verdicts["quarantine_share"]),
                combine("entity_key_unique", verdicts["entity_key_unique"]),
                warning("row_count", verdicts["row_count"]),
                warning("label_share", verdicts["label_share"]),
            ],
        )

    return clean


def _share(bad: int, all_rows: int, pipeline: MLPipeline, summary: pd.DataFrame) -> Verdict:
    share = bad / all_rows if all_rows else 0.0
    return Verdict(
        share <= pipeline.monitors.quarantine_share,
        f"{bad:,} of {all_rows:,} rows ({share:.3%}) in quarantine",
        {"share": share, "rules": table(summary)},
    )


def _unique(frame: pd.DataFrame, pipeline: MLPipeline) -> Verdict:
    twins = int(frame.duplicated(list(pipeline.entity_key), keep=False).sum())
    return Verdict(twins == 0, f"{twins:,} rows share their key with another")


def _count(rows: int, pipeline: MLPipeline) -> Verdict:
    low, high = pipeline.monitors.rows
    wanted = f"at least {low:,}" if high is None else f"{low:,} to {high:,}"
    return Verdict(
        low <= rows and (high is None or rows <= high), f"{rows:,} rows (expected {wanted})"
    )


def _label(frame: pd.DataFrame, pipeline: MLPipeline) -> Verdict:
    labels = frame[pipeline.label.column].dropna()
    bounds = pipeline.monitors.label_share
    if labels.empty:
        return Verdict(True, "no labelled rows")
    mean = float(labels.mean())
    if bounds is None:
        return Verdict(True, f"mean {mean:.4g} over {len(labels):,} labels; no bounds declared")
    return Verdict(
        bounds[0] <= mean <= bounds[1],
        f"mean {mean:.4g} over {len(labels):,} labels (expected {bounds[0]:g} to {bounds[1]:g})",
        {"mean": mean},
    )
