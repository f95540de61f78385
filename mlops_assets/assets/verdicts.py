"""What is thought of a partition's rows, by figures that this process counted, or a Spark job.

Here: figures to verdicts, one function a check. Not here: counting (`clean`, `features`, `spark`).
"""

import pandas as pd

from mlops_assets.assets.preview import table
from mlops_assets.checks.results import Verdict
from mlops_assets.pipeline import MLPipeline


def quarantine_share(bad: int, rows: int, reasons: pd.DataFrame, pipeline: MLPipeline) -> Verdict:
    share = bad / rows if rows else 0.0
    return Verdict(
        share <= pipeline.monitors.quarantine_share,
        f"{bad:,} of {rows:,} rows ({share:.3%}) in quarantine",
        {"share": share, "rules": table(reasons)},
    )


def entity_key_unique(twins: int) -> Verdict:
    return Verdict(twins == 0, f"{twins:,} rows share their key with another")


def row_count(rows: int, pipeline: MLPipeline) -> Verdict:
    low, high = pipeline.monitors.rows
    wanted = f"at least {low:,}" if high is None else f"{low:,} to {high:,}"
    return Verdict(
        low <= rows and (high is None or rows <= high), f"{rows:,} rows (expected {wanted})"
    )


def label_share(mean: float | None, labels: int, pipeline: MLPipeline) -> Verdict:
    """``mean`` of so many ``labels``; None where there are none."""
    bounds = pipeline.monitors.label_share
    if mean is None:
        return Verdict(True, "no labelled rows")
    if bounds is None:
        return Verdict(True, f"mean {mean:.4g} over {labels:,} labels; no bounds declared")
    return Verdict(
        bounds[0] <= mean <= bounds[1],
        f"mean {mean:.4g} over {labels:,} labels (expected {bounds[0]:g} to {bounds[1]:g})",
        {"mean": mean},
    )


def feature_schema(bad: int, rows: int, reasons: pd.DataFrame) -> Verdict:
    return Verdict(
        bad == 0, f"{bad:,} of {rows:,} rows break the schema", {"rules": table(reasons)}
    )


def point_in_time(
    recomputed: int, differ: int, leaky: list[str], rows: int, pipeline: MLPipeline
) -> Verdict:
    """Of ``recomputed`` rows ``differ`` came out otherwise, in the columns ``leaky``."""
    if pipeline.event_time is None or not rows:
        return Verdict(True, "no event time, nothing to truncate" if rows else "no rows")
    if not differ:
        return Verdict(True, f"{recomputed} rows recomputed, all identical")
    columns = ", ".join(leaky)
    return Verdict(
        False,
        f"{differ} of {recomputed} rows differ when recomputed from what was known "
        f"{pipeline.horizon} before the event: {columns} look into the future. Use only values "
        "known by then (see known_at)",
        {"columns": columns},
    )
